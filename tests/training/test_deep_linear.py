"""Modes of deep linear networks: closed forms against integrated gradient flow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ibjax.training.deep_linear import mode_strength, pathway_strengths

TIMES = np.linspace(0, 9, 19)
# Of the integration; and a few roundings of float32, which exponents up to 2 s t = 20
# make larger.
TOLERANCE = 3e-5


def _flow(gradient, weights, start, stop):
    """Weights of gradient flow at TIMES; ``gradient(weights, has_deficit)``.

    Part by part, so that no step crosses an end of the deficit.
    """
    ends = sorted({0.0, *np.clip([start, max(start, stop)], 0, TIMES[-1]), TIMES[-1]})
    found = {0.0: weights}
    for first, last in zip(ends[:-1], ends[1:], strict=True):
        inside = TIMES[(TIMES > first) & (TIMES <= last)]
        there = start <= (first + last) / 2 < stop
        asked = np.union1d(inside, [last])
        solved = solve_ivp(
            lambda _, w, there=there: -gradient(w, there),
            (first, last),
            weights,
            t_eval=asked,
            rtol=1e-9,
            atol=1e-12,
        )
        found |= dict(zip(asked, solved.y.T, strict=True))
        weights = solved.y[:, -1]
    return np.array([found[time] for time in TIMES])


@pytest.mark.parametrize(
    "strength, gain, start, stop",
    [
        (1.2, 0.0, 0.0, 0.0),
        (1.2, 0.0, 1.0, 4.0),
        (1.2, -1.0, 2.0, 4.0),
        (1.2, 0.4, 0.0, 5.0),
        (0.0, 0.7, 1.0, 3.0),
        (-0.5, 1.0, 1.0, 2.0),
        (1.2, 0.0, 5.0, 2.0),
        (1.2, 0.0, 1.5, 100.0),
    ],
)
def test_a_mode_follows_gradient_flow(strength, gain, start, stop):
    initial = 0.02

    def gradient(w, there):
        seen = gain if there else 1.0
        residual = strength - seen * w[0] * w[1]
        return -residual * seen * w[::-1]

    weights = _flow(gradient, np.full(2, np.sqrt(initial)), start, stop)
    found = mode_strength(
        TIMES, strength=strength, initial=initial, gain=gain, start=start, stop=stop
    )
    np.testing.assert_allclose(found, weights.prod(axis=1), atol=TOLERANCE)


@pytest.mark.parametrize("start, stop", [(0, 0), (0, 2), (1, 2.5), (3, 100), (4, 1)])
def test_pathways_follow_gradient_flow(start, stop):
    strength, initial = 0.9, 0.03

    def gradient(w, there):
        first, second = w[:2], w[2:]
        seen = 0.0 if there else 1.0
        residual = strength - first.prod() - seen * second.prod()
        return -residual * np.concatenate([first[::-1], seen * second[::-1]])

    weights = _flow(gradient, np.full(4, np.sqrt(initial)), start, stop)
    found = pathway_strengths(
        TIMES, strength=strength, initial=initial, start=start, stop=stop
    )
    expected = weights[:, :2].prod(axis=1), weights[:, 2:].prod(axis=1)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_only_pathways_lose_for_good():
    """One mode recovers; of two pathways the deprived one keeps what it had."""
    last, options = 60.0, {"strength": 1.0, "initial": 1e-3, "start": 0.0}
    stops = jnp.array([0.0, 2.0, 4.0, 8.0])
    np.testing.assert_allclose(mode_strength(last, stop=stops, **options), 1, rtol=1e-6)
    first, second = pathway_strengths(last, stop=stops, **options)
    alone = mode_strength(stops, strength=1.0, initial=1e-3)
    np.testing.assert_allclose(second, 1e-3 / (1e-3 + alone), rtol=1e-5)
    np.testing.assert_allclose(first + second, 1, rtol=1e-6)


def test_programs_and_extremes():
    times = jnp.array([0.0, 1e4])

    @jax.jit
    def last(strength):
        return mode_strength(times, strength=strength, initial=0.1)[-1]

    # 0.1 / (1 + 2 * 0.1 * 1e4) where nothing pulls; no overflow elsewhere.
    for strength, expected in ((3.0, 3.0), (0.0, 0.1 / 2001), (-3.0, 0.0)):
        np.testing.assert_allclose(last(strength), expected, rtol=1e-6)


@pytest.mark.parametrize("stop", [10.0, 42.0, 60.0])
def test_a_mode_comes_back_from_below_the_least_of_floats(stop):
    strength, initial = 1.2, 0.02
    times = stop + np.array([0.0, stop, stop + 1.5, stop + 3, 5 * stop])

    def logistic(time, strength, initial):
        decay = np.exp(-2 * strength * time)
        return initial / (decay + initial * (1 - decay) / strength)

    # In float64, whose least number is far below.
    turned = logistic(stop, -strength, initial)
    expected = logistic(times - stop, strength, turned)
    found = mode_strength(
        times, strength=strength, initial=initial, gain=-1.0, stop=stop
    )
    # A few roundings of the exponents. What is no normal number may be zero.
    rtol = 4 * 2 * strength * stop * 2.0**-23
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=2.0**-126)


def test_slopes_are_finite_where_time_begins():
    def strength(time):
        return mode_strength(time, strength=1.2, initial=0.3)

    # 2 a (s - a), to a few roundings.
    found = jax.grad(strength)(0.0)
    np.testing.assert_allclose(found, 2 * 0.3 * (1.2 - 0.3), rtol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"initial": 0.0}, r"initial must lie in \(0, inf\), got 0.0"),
        ({"time": -1.0}, r"time must lie in \[0, inf\), got -1.0"),
        ({"stop": [1.0, np.nan]}, "stop must"),
        ({"start": np.ones(2), "stop": np.ones(3)}, "arguments must broadcast, got"),
    ],
)
def test_what_is_no_time_or_strength_is_refused(options, message):
    given = {"time": 1.0, "strength": 1.0, "initial": 0.1, "start": 0.0, "stop": 1.0}
    for function in (mode_strength, pathway_strengths):
        with pytest.raises(ValueError, match=message):
            function(**given | options)
    with pytest.raises(ValueError, match=r"strength must lie in \(0, inf\), got -1.0"):
        pathway_strengths(**given | {"strength": -1.0})
