"""The bottleneck at one beta: what is refused, and what is NaN under ``jit``."""

import logging

import jax
import numpy as np
import pytest

from ibjax.bottleneck import best_of_restarts, blahut_arimoto, optimality_gap
from tests.bottleneck.blahut_arimoto_cases import (
    one_table,
    solve,
)


def test_invalid_values_are_nan_under_jit():
    negative, nan = one_table().copy(), one_table().copy()
    negative[0, 0], negative[0, 1] = -0.01, one_table()[0, :2].sum() + 0.01
    nan[1, 1] = np.nan
    cases = [
        (one_table(), 3.0, 1.0),
        (negative, 3.0, 1.0),
        (nan, 3.0, 1.0),
        (1.01 * one_table(), 3.0, 1.0),
        (np.zeros_like(one_table()), 3.0, 1.0),
        (one_table(), -1.0, 1.0),
        (one_table(), np.inf, 1.0),
        (one_table(), np.nan, 1.0),
        (one_table(), 3.0, -0.1),
        (one_table(), 3.0, 1.1),
        (one_table(), 3.0, np.nan),
        (one_table(), 3.0, 1.0),
    ]
    found = solve(*zip(*cases, strict=True))
    valid = np.zeros(len(cases), bool)
    valid[[0, -1]] = True
    np.testing.assert_array_equal(found.converged, valid)
    for field in (found.i_xt, found.i_ty, found.objective):
        np.testing.assert_array_equal(np.isfinite(field), valid)
    assert np.all(np.isnan(found.p_t_given_x[~valid]))
    assert np.all(np.isnan(found.history[~valid]))


# No other test has this shape, so nothing is compiled for it yet.
TABLE = np.full((5, 7), 1 / 35, np.float32)
EVEN = np.full((5, 2), 0.5, np.float32)
KEY = jax.random.key(0)
REFUSED = [
    (blahut_arimoto, (TABLE[0], 1.0), {}, r"p_xy must have shape \[num_x, num_y\]"),
    (blahut_arimoto, (TABLE[:, :1] * 7, 1.0), {}, r"two columns, got \(5, 1\)"),
    (blahut_arimoto, (-TABLE, 1.0), {}, "p_xy must not be negative"),
    (blahut_arimoto, (2 * TABLE, 1.0), {}, "p_xy must sum to one, got 2"),
    (blahut_arimoto, (TABLE * np.nan, 1.0), {}, "p_xy must not hold NaN, got 35"),
    (blahut_arimoto, (TABLE, -1.0), {}, "beta must be one number from 0 on, got -1"),
    (blahut_arimoto, (TABLE, np.nan), {}, "beta must be one number from 0 on, got nan"),
    (blahut_arimoto, (TABLE, np.inf), {}, "beta must be one number from 0 on, got inf"),
    (
        blahut_arimoto,
        (TABLE, EVEN[:1, 0]),
        {},
        r"beta must be one number from 0 on, got shape \(1,\)",
    ),
    (blahut_arimoto, (TABLE, 1.0), {"alpha": 1.5}, r"alpha must lie in \[0, 1\], got"),
    (blahut_arimoto, (TABLE, 1.0), {"alpha": -0.5}, r"alpha must lie in \[0, 1\], got"),
    (
        blahut_arimoto,
        (TABLE, 1.0),
        {"alpha": EVEN[0]},
        r"alpha must lie in \[0, 1\], got shape \(2,\)",
    ),
    (
        blahut_arimoto,
        (TABLE, 1.0),
        {"max_steps": 2},
        "max_steps must be .* at least 3, got 2",
    ),
    (blahut_arimoto, (TABLE, 1.0), {"p_t_given_x": EVEN[0]}, r"shape \[5, num_t\]"),
    (blahut_arimoto, (TABLE, 1.0), {"p_t_given_x": EVEN[:4]}, r"shape \[5, num_t\]"),
    (blahut_arimoto, (TABLE, 1.0), {"p_t_given_x": EVEN[:, :0]}, r"shape \[5, num_t\]"),
    (blahut_arimoto, (TABLE, 1.0), {"p_t_given_x": EVEN * 2}, "sum to one, got one of"),
    (blahut_arimoto, (TABLE, 1.0), {"p_t_given_x": -EVEN}, "got a negative or NaN"),
    (best_of_restarts, (KEY, 2 * TABLE, 1.0), {}, "p_xy must sum to one, got 2"),
    (
        best_of_restarts,
        (KEY, TABLE, -1.0),
        {},
        "beta must be one number from 0 on, got -1",
    ),
    (best_of_restarts, (KEY, TABLE, 1.0), {"alpha": 2.0}, "alpha must lie in"),
    (best_of_restarts, (KEY, TABLE, 1.0), {"max_steps": 0}, "max_steps must be"),
    (
        best_of_restarts,
        (KEY, TABLE, 1.0),
        {"num_t": 0},
        "num_t must be a whole number, at least 1",
    ),
    (best_of_restarts, (KEY, TABLE, 1.0), {"num_restarts": 0}, "num_restarts must be"),
    (optimality_gap, (2 * TABLE, 1.0, EVEN), {}, "p_xy must sum to one, got 2"),
    (
        optimality_gap,
        (TABLE, -1.0, EVEN),
        {},
        "beta must be one number from 0 on, got -1",
    ),
    (optimality_gap, (TABLE, 1.0, EVEN[:3]), {}, r"shape \[5, num_t\]"),
    (optimality_gap, (TABLE, 1.0, 3 * EVEN), {}, "sum to one, got one of 3"),
]


@pytest.mark.parametrize(("function", "args", "options", "message"), REFUSED)
def test_refused_before_anything_is_compiled(function, args, options, message, caplog):
    with (
        jax.log_compiles(),
        caplog.at_level(logging.WARNING),
        pytest.raises(ValueError, match=message),
    ):
        function(*args, **options)
    assert not [r for r in caplog.messages if "Compiling" in r and "solve" in r]


@pytest.mark.parametrize("function", [blahut_arimoto, optimality_gap])
def test_counts_are_refused(function):
    counts = np.ones((5, 7), np.int32)
    options = (EVEN,) if function is optimality_gap else ()
    with pytest.raises(TypeError, match="p_xy must be floating, got int32; divide"):
        function(counts, 1.0, *options)
    with pytest.raises(TypeError, match="p_xy must be floating, got int32; divide"):
        best_of_restarts(KEY, counts, 1.0)
