"""Sample propagation at some inputs: closed forms, quadrature, the full estimator."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ibjax.estimators import propagation

# Tanh neurons on {-3, -1, 1, 3} with noise 0.1, in nats, by quadrature.
NEURONS = {(1, 0): 1.1020565353, (2, -4): 0.5729621820, (20, -40): 0.5623351446}
# Sums of float32 numbers of order one, rounded, relative to a logarithm of some nats.
ROUNDING = 1e-5
X = np.array([-3.0, -1.0, 1.0, 3.0], np.float32)[:, None]
LABELS = np.array([0, 0, 1, 1])


def _at(key, own, centres, rows, labels=LABELS, std=0.1, **options):
    options = {"num_draws": 2, "num_classes": 2, "noise_std": std} | options
    return propagation.layer_information(
        key, centres, labels, rows=rows, own_centres=own, **options
    )


@pytest.mark.parametrize(("weight", "bias"), NEURONS)
def test_a_noisy_neuron_has_the_information_of_quadrature(key, weight, bias):
    centres = np.tanh(weight * X + bias)[:, None]
    rows = np.arange(4)
    found = _at(key, centres, centres, rows, num_draws=50_000)
    error = abs(float(found.i_xt) - NEURONS[weight, bias])
    assert error < 3 * float(found.i_xt_error) + ROUNDING
    assert found.i_xt_held_out == found.i_xt


def test_all_rows_agree_with_the_full_estimator(key):
    """One centre per input leaves nothing but the draws between the two."""
    rng = np.random.default_rng(0)
    s = rng.normal(size=(64, 3)).astype(np.float32)
    labels = rng.integers(0, 2, 64)
    options = {"num_classes": 2, "noise_std": 0.3, "num_draws": 400}
    full = propagation.layer_information(key, s, labels, **options)
    found = propagation.layer_information(
        jax.random.key(1), s, labels, rows=np.arange(64), **options
    )
    for name in ("i_xt", "i_ty"):
        errors = [float(getattr(e, f"{name}_error")) for e in (full, found)]
        error = abs(float(getattr(full, name)) - float(getattr(found, name)))
        assert error < 3 * math.hypot(*errors)
        # The same draws of the same inputs: the errors are estimates of one number.
        np.testing.assert_allclose(*errors, rtol=0.1)


def _brute_force(own, centres, rows, weights, t, std):
    """Means of the three informations over draws ``[num_rows, num_draws, dim]``."""

    def log_density(t, replicas, left_out=None):
        squares = np.sum((t[None] - replicas) ** 2, axis=-1) / (2 * std**2)
        kept = np.arange(len(replicas)) != left_out
        return special.logsumexp(-squares[kept]) - math.log(np.sum(kept))

    values = np.zeros((3, *t.shape[:2]))
    for place, row in enumerate(rows):
        for draw in range(t.shape[1]):
            point = t[place, draw]
            log_g_x = np.array([log_density(point, c) for c in centres])
            log_g_x[row] = log_density(point, own[place])
            log_g = special.logsumexp(log_g_x) - math.log(len(centres))
            values[0, place, draw] = log_g_x[row] - log_g
            held_out = log_density(point, own[place], draw % own.shape[1])
            values[1, place, draw] = held_out - log_g
            for y in range(weights.shape[1]):
                p_x = weights[:, y] / np.sum(weights[:, y])
                log_g_y = special.logsumexp(log_g_x, b=p_x)
                values[2, place, draw] += weights[row, y] * (log_g_y - log_g)
    return values


def test_replicas_and_soft_labels_agree_with_brute_force(key):
    """In float64, at the very draws, which are those of one block."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 3, 2)).astype(np.float32)
    rows = np.array([7, 2, 10])
    own = centres[rows][:, :1] + 0.3 * rng.normal(size=(3, 5, 2)).astype(np.float32)
    weights = rng.uniform(0.05, 0.95, 12)
    weights = np.stack([weights, 1 - weights], axis=1).astype(np.float32)
    std, num_draws = 0.4, 4
    found = _at(key, own, centres, rows, weights, std, num_draws=num_draws)
    z = jax.random.normal(jax.random.fold_in(key, 0), (3, num_draws, 2))
    t = own[:, :num_draws] + std * np.asarray(z, np.float64)
    values = _brute_force(own.astype(float), centres, rows, weights, t, std)
    expected = values.mean(axis=(1, 2))
    actual = [found.i_xt, found.i_xt_held_out, found.i_ty]
    np.testing.assert_allclose(actual, expected, rtol=ROUNDING)
    between = np.var(values[0].mean(axis=1), ddof=1)
    within = np.mean(np.var(values[0], axis=1, ddof=1)) / num_draws
    error = math.sqrt(between / 3 - max(between - within, 0) / 12)
    np.testing.assert_allclose(found.i_xt_error, error, rtol=1e-4)


def test_a_draw_never_gives_more_than_log_n(key):
    """Centres that the noise does not mix: exactly log N, from any of the rows."""
    centres = np.repeat(np.arange(40.0).reshape(40, 1, 1), 6, axis=1)
    own = centres[:5, :2].astype(np.float32) + 0.01
    labels = np.arange(40) % 2
    found = _at(key, own, centres.astype(np.float32), np.arange(5), labels, std=0.01)
    np.testing.assert_allclose(found.i_xt, math.log(40), rtol=1e-6)
    assert found.i_xt_error == 0.0
    np.testing.assert_allclose(found.i_ty, math.log(2), rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (ValueError, r"own_centres .* \[2, num_own, 1\]", {"own": np.zeros((2, 3))}),
        (
            ValueError,
            r"own_centres must have shape \[2, num_own, 1\] to match",
            {"own": np.zeros((3, 3, 1), np.float32)},
        ),
        (ValueError, "rows must have shape", {"rows": np.array([[0, 1]])}),
        (ValueError, "rows must lie in", {"rows": np.array([0, 4])}),
        (TypeError, "rows must be integers, got float32", {"rows": jnp.zeros(2)}),
        (ValueError, "give rows too", {"rows": None}),
        (
            ValueError,
            "num_draws must be a whole number, at least 2, got 1",
            {"num_draws": 1},
        ),
        (ValueError, "num_draws .* got 4 draws of 3", {"num_draws": 4}),
        (ValueError, "labels must have shape", {"labels": LABELS[:3]}),
        (
            ValueError,
            "own_centres must be finite",
            {"own": np.full((2, 3, 1), np.nan, np.float32)},
        ),
    ],
)
def test_wrong_arguments(key, error, message, change):
    arguments = {
        "own": np.zeros((2, 3, 1), np.float32),
        "centres": np.zeros((4, 2, 1), np.float32),
        "rows": np.array([0, 1]),
    } | change
    with pytest.raises(error, match=message):
        _at(key, **arguments)


def test_centres_that_are_not_finite_are_nan_where_values_are_not_known(key):
    centres = np.tanh(X)[:, None]
    own = centres.copy()
    own[1] = np.nan
    found = jax.jit(lambda own: _at(key, own, centres, np.arange(4)))(own)
    assert all(math.isnan(value) for value in found)
