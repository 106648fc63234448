"""Blahut and Arimoto: closed forms, brute force, limits, certificates, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import measures
from ibjax.bottleneck.channel import capacity, rate_distortion

# Bounds this close in float64; the results are then no further from the truth.
TOL = 1e-10
# In float32 the bounds are 1e-6 apart; the rest is rounding of a few numbers near one.
SINGLE = 4e-6


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def _entropy(*p):
    p = np.array(p)
    return -np.sum(p[p > 0] * np.log(p[p > 0]))


def _binary_entropy(p):
    return _entropy(p, 1 - p)


def _check_capacity(channel, expected, atol=TOL):
    found = capacity(np.asarray(channel), max_steps=100_000, tol=TOL)
    assert found.converged
    assert found.capacity - 1e-14 <= expected <= found.upper + 1e-14
    np.testing.assert_allclose(found.capacity, expected, atol=atol)
    np.testing.assert_allclose(np.sum(found.p_x), 1, rtol=1e-14)
    joint = np.asarray(found.p_x)[:, None] * np.asarray(channel)
    np.testing.assert_allclose(
        measures.mutual_information(joint), found.capacity, atol=1e-14
    )
    return found


@pytest.mark.parametrize("flip", [0.0, 0.11, 0.5, 0.9])
def test_binary_symmetric_channel(x64, flip):
    channel = [[1 - flip, flip], [flip, 1 - flip]]
    found = _check_capacity(channel, np.log(2) - _binary_entropy(flip), atol=1e-15)
    np.testing.assert_array_equal(found.p_x, 0.5)
    assert found.num_steps == 0


@pytest.mark.parametrize("erased", [0.0, 0.3, 1.0])
def test_erasure_channel(x64, erased):
    channel = [[1 - erased, erased, 0], [0, erased, 1 - erased]]
    _check_capacity(channel, (1 - erased) * np.log(2), atol=1e-15)


@pytest.mark.parametrize("lost", [0.01, 0.5, 0.9, 0.99])
def test_z_channel(x64, lost):
    odds = lost ** (lost / (1 - lost))
    found = _check_capacity([[1, 0], [lost, 1 - lost]], np.log1p((1 - lost) * odds))
    # The optimum is flat: its inputs are known to the root of its value.
    one = odds / (1 + (1 - lost) * odds)
    np.testing.assert_allclose(found.p_x[1], one, atol=1e-4)


def test_noisy_typewriter(x64):
    # Every letter comes out as itself or the next one.
    num_letters = 4
    channel = (np.eye(num_letters) + np.roll(np.eye(num_letters), 1, axis=1)) / 2
    _check_capacity(channel, np.log(num_letters / 2), atol=1e-15)


def test_symmetric_channel(x64):
    row = np.array([0.1, 0.2, 0.3, 0.4])
    channel = np.stack([row[[0, 1, 2, 3]], row[[1, 0, 3, 2]], row[[3, 2, 1, 0]]])
    channel = np.concatenate([channel, row[None, [2, 3, 0, 1]]])
    _check_capacity(channel, np.log(4) - _entropy(*row), atol=1e-15)


def test_inputs_and_outputs_without_use(x64):
    flip = 0.1
    expected = np.log(2) - _binary_entropy(flip)
    noise = [0.5, 0.5, 0, 0]
    channel = [[1 - flip, flip, 0, 0], [flip, 1 - flip, 0, 0], noise, noise]
    found = _check_capacity(channel, expected)
    np.testing.assert_allclose(found.p_x, [0.5, 0.5, 0, 0], atol=1e-9)


def test_an_output_that_one_rare_input_alone_reaches(x64):
    # Its best probability is about exp(-693): log 2 = 0.001 log(1 / p), nearly.
    rare = [0.4995, 0.4995, 0.001]
    found = capacity(np.array([[1.0, 0, 0], [0, 1, 0], rare]), tol=TOL)
    assert found.converged and np.isfinite(found.upper)
    np.testing.assert_allclose(found.capacity, np.log(2), atol=TOL)


@pytest.mark.parametrize("channel", [np.ones((3, 1)), np.full((1, 4), 0.25)])
def test_channels_that_carry_nothing(x64, channel):
    found = _check_capacity(channel, 0.0, atol=1e-15)
    assert found.num_steps == 0


def test_copies(x64):
    _check_capacity(np.eye(4), np.log(4), atol=1e-15)


def test_brute_force(x64):
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 1, 201)
    p_x = np.array([(a, b, 1 - a - b) for a in grid for b in grid if a + b <= 1])
    p_x = np.maximum(p_x, 0)
    for _ in range(3):
        channel = rng.dirichlet(np.ones(3), 3)
        p_y = p_x @ channel
        given_x = np.sum(channel * np.log(channel), axis=1)
        best = np.max(p_x @ given_x - np.sum(p_y * np.log(p_y), axis=1))
        found = capacity(channel, tol=TOL, max_steps=100_000)
        assert found.converged
        # A grid of step 1/200 comes within the square of it, but not above.
        assert best <= found.upper and found.capacity - best < 1e-4


def test_stopped_early_the_bounds_still_hold(x64):
    channel = np.array([[1.0, 0.0], [0.9, 0.1]])
    exact = capacity(channel, tol=TOL).capacity
    gaps = []
    for max_steps in (0, 1, 10, 50):
        found = capacity(channel, max_steps=max_steps, tol=TOL)
        assert not found.converged and found.num_steps == max_steps
        assert found.capacity <= exact <= found.upper
        gaps.append(found.upper - found.capacity)
    assert np.all(np.diff(gaps) < 0)
    assert capacity(channel, tol=0.1).num_steps < 10


def test_gradient_of_the_capacity(x64):
    @jax.jit
    @jax.grad
    def slope(flip, lost):
        channel = jnp.stack([jnp.stack([1 - lost, lost]), jnp.stack([flip, 1 - flip])])
        return capacity(channel, tol=1e-13).capacity

    # d/df [log 2 - h(f)] of the symmetric channel, half of it from each row.
    np.testing.assert_allclose(slope(0.2, 0.2), -np.log(4) / 2, rtol=1e-10)
    # Z-channel: derivative of log(1 + (1 - e) e^(e / (1 - e))). It is as good as its
    # inputs, and they as the root of 1e-13.
    lost = 0.5
    odds = lost ** (lost / (1 - lost))
    exact = odds * np.log(lost) / (1 - lost) / (1 + (1 - lost) * odds)
    np.testing.assert_allclose(slope(lost, 0.0), exact, rtol=1e-6)


def test_capacity_in_float32_and_in_batches():
    rng = np.random.default_rng(1)
    channels = rng.dirichlet(np.ones(3), (5, 3)).astype(np.float32)
    channels[0] = np.eye(3)
    together = jax.jit(jax.vmap(capacity))(channels)
    assert together.capacity.dtype == together.p_x.dtype == np.float32
    assert np.all(together.converged)
    for i, channel in enumerate(channels):
        alone = capacity(channel)
        assert together.num_steps[i] == alone.num_steps
        np.testing.assert_allclose(together.capacity[i], alone.capacity, atol=SINGLE)
        np.testing.assert_allclose(together.p_x[i], alone.p_x, atol=SINGLE)
        with jax.enable_x64(True):
            channel = channel.astype(np.float64)
            channel /= channel.sum(axis=1, keepdims=True)
            exact = capacity(channel, tol=TOL, max_steps=100_000).capacity
        np.testing.assert_allclose(alone.capacity, exact, atol=SINGLE)


def _hamming(num):
    return 1.0 - np.eye(num)


def _check_point(found, p_x, distortion):
    """The fields of a point belong together."""
    encoder = np.asarray(found.p_t_given_x)
    np.testing.assert_allclose(encoder.sum(axis=1), 1, rtol=1e-13)
    joint = np.asarray(p_x)[:, None] * encoder
    np.testing.assert_allclose(
        measures.mutual_information(joint), found.rate, atol=1e-13
    )
    mean = np.sum(joint * np.where(joint > 0, distortion, 0))
    np.testing.assert_allclose(mean, found.distortion, atol=1e-13)
    assert found.lower <= found.rate + 1e-14


@pytest.mark.parametrize("slope", [0.5, 0.8, 0.9, 2.0, 10.0, 1e3])
def test_bernoulli_source(x64, slope):
    p = 0.3
    p_x = np.array([1 - p, p])
    found = rate_distortion(p_x, _hamming(2), slope, max_steps=100_000, tol=TOL)
    _check_point(found, p_x, _hamming(2))
    assert found.converged and found.rate - found.lower <= TOL + 1e-14
    # R(D) = h(p) - h(D), of slope -log((1 - D) / D), up to D = p.
    distortion = min(p, np.exp(-slope) / (1 + np.exp(-slope)))
    # The encoder is known to the root of what its objective is.
    np.testing.assert_allclose(found.distortion, distortion, atol=1e-6)
    # Rate and distortion are a point of the curve, if not quite of this slope.
    reached = min(p, float(found.distortion))
    exact = _binary_entropy(p) - _binary_entropy(reached)
    assert found.lower - 1e-14 <= exact <= found.rate + 1e-14


@pytest.mark.parametrize("num", [2, 3])
def test_uniform_source(x64, num):
    p_x = np.full(num, 1 / num)
    for slope in (0.1, 2.0, 20.0):
        found = rate_distortion(p_x, _hamming(num), slope, tol=TOL)
        error = (num - 1) / (num - 1 + np.exp(slope))
        rate = np.log(num) - _binary_entropy(error) - error * np.log(num - 1)
        np.testing.assert_allclose(found.distortion, error, rtol=1e-13)
        np.testing.assert_allclose(found.rate, rate, atol=1e-14)
        np.testing.assert_allclose(found.lower, rate, atol=1e-14)


def test_forward_derivatives(x64):
    p_x = np.array([0.7, 0.3])
    _, change = jax.jvp(
        lambda slope: rate_distortion(p_x, _hamming(2), slope, tol=1e-12),
        (2.0,),
        (1.0,),
    )
    error = 1 / (1 + np.exp(2.0))
    # The slope of the function is minus the slope asked for. The derivative is known
    # to the root of what the objective is.
    np.testing.assert_allclose(change.distortion, -error * (1 - error), rtol=1e-6)
    np.testing.assert_allclose(change.rate, 2 * error * (1 - error), rtol=1e-6)


def test_erasing_source(x64):
    # A fair bit; a third reproduction says nothing, for a distortion of one, and a
    # wrong one is forbidden: R(D) = (1 - D) log 2.
    distortion = np.array([[0.0, 1.0, np.inf], [np.inf, 1.0, 0.0]])
    for slope, expected in ((0.5, (0.0, 1.0)), (2.0, (np.log(2), 0.0))):
        found = rate_distortion(np.full(2, 0.5), distortion, slope, tol=TOL)
        _check_point(found, np.full(2, 0.5), distortion)
        assert found.converged
        np.testing.assert_allclose((found.rate, found.distortion), expected, atol=1e-9)
    # On the line itself, every point of it is right.
    found = rate_distortion(np.full(2, 0.5), distortion, np.log(2), tol=TOL)
    np.testing.assert_allclose(found.rate, (1 - found.distortion) * np.log(2), atol=TOL)


def test_slope_zero_is_the_limit(x64):
    p_x = np.array([0.5, 0.3, 0.2])
    distortion = np.array([[0.0, 3.0], [1.0, 0.0], [2.0, 0.5]])
    zero = rate_distortion(p_x, distortion, 0.0, tol=TOL)
    assert zero.converged and zero.rate == zero.lower == 0
    np.testing.assert_allclose(zero.distortion, 0.7, rtol=1e-14)
    np.testing.assert_array_equal(zero.p_t_given_x, [[1, 0]] * 3)
    # No single t may stand for everything: what is allowed still costs a rate.
    forbidden = np.array([[0.0, np.inf], [1.0, 5.0], [np.inf, 0.5]])
    zero = rate_distortion(p_x, forbidden, 0.0, tol=TOL)
    _check_point(zero, p_x, forbidden)
    assert zero.converged and zero.rate > 0.1
    small = rate_distortion(p_x, forbidden, 1e-9, tol=TOL)
    np.testing.assert_allclose(zero.rate, small.rate, atol=1e-8)


def test_steep_slopes_are_the_least_distortion(x64):
    p_x = np.array([0.5, 0.3, 0.2])
    # Least distortions 1, 2 and -1; the first letter may take either of two.
    distortion = np.array([[1.0, 1.0, 4.0], [2.0, 3.0, 9.0], [5.0, -1.0, 7.0]])
    for slope in (1e3, 1e30, 1e300, np.inf):
        found = rate_distortion(p_x, distortion, slope, tol=TOL)
        _check_point(found, p_x, distortion)
        assert found.converged
        np.testing.assert_allclose(found.distortion, 0.5 + 0.6 - 0.2, rtol=1e-12)
        np.testing.assert_allclose(found.rate, _ties_rate(), atol=TOL)


def _ties_rate():
    """Least I(X;T) if x=0 may be either t, x=1 is t=0 and x=2 is t=1: brute force."""
    share = np.linspace(0, 1, 200_001)
    p_t = 0.3 + 0.5 * share
    rate = -p_t * np.log(p_t) - (1 - p_t) * np.log(1 - p_t)
    inside = (share > 0) & (share < 1)
    a = np.where(inside, share, 0.5)
    given_x = np.where(inside, -a * np.log(a) - (1 - a) * np.log(1 - a), 0)
    return np.min(rate - 0.5 * given_x)


def test_a_letter_that_never_comes(x64):
    p_x = np.array([0.7, 0.3, 0.0])
    distortion = np.array([[0.0, 1.0], [1.0, 0.0], [np.inf, np.inf]])
    found = rate_distortion(p_x, distortion, 2.0, tol=TOL)
    _check_point(found, p_x, distortion)
    without = rate_distortion(p_x[:2], distortion[:2], 2.0, tol=TOL)
    np.testing.assert_allclose(found.rate, without.rate, rtol=1e-12)
    np.testing.assert_allclose(found.distortion, without.distortion, rtol=1e-12)
    # It is encoded as p(t), known to the root of what the objective is.
    np.testing.assert_allclose(
        found.p_t_given_x[2], p_x @ np.asarray(found.p_t_given_x), atol=1e-5
    )


def test_brute_force_of_encoders(x64):
    rng = np.random.default_rng(2)
    p_x = np.array([0.5, 0.3, 0.2])
    distortion = rng.uniform(0, 2, (3, 2))
    # All encoders into two letters, on a grid.
    axis = np.linspace(0, 1, 101)
    first = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    encoders = np.stack([first, 1 - first], axis=-1).reshape(-1, 3, 2)
    joint = p_x[:, None] * encoders
    p_t = joint.sum(axis=1)

    def p_log_p(p):
        return np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)

    rates = p_log_p(encoders).sum(axis=2) @ p_x - p_log_p(p_t).sum(axis=1)
    for slope in (1.0, 3.0):
        objectives = rates + slope * np.sum(joint * distortion, axis=(1, 2))
        found = rate_distortion(p_x, distortion, slope, tol=TOL)
        objective = found.rate + slope * found.distortion
        # A grid of step 1/100 comes within the square of it, but not below.
        assert objective <= np.min(objectives) + TOL
        assert np.min(objectives) - objective < 1e-3


def test_stopped_early_a_point_is_still_bounded(x64):
    p_x = np.array([0.7, 0.3])
    for max_steps in (0, 3, 30):
        found = rate_distortion(p_x, _hamming(2), 0.8, max_steps=max_steps, tol=TOL)
        assert not found.converged and found.num_steps == max_steps
        reached = min(0.3, float(found.distortion))
        exact = _binary_entropy(0.3) - _binary_entropy(reached)
        assert found.lower < exact + 1e-14 and exact < found.rate
        _check_point(found, p_x, _hamming(2))


def test_rate_distortion_in_float32_and_in_batches():
    p_x = np.array([0.7, 0.3], np.float32)
    hamming = _hamming(2).astype(np.float32)
    slopes = np.array([0.0, 0.5, 2.0, 1e3, np.inf], np.float32)
    curve = jax.jit(jax.vmap(rate_distortion, (None, None, 0)))(p_x, hamming, slopes)
    assert curve.rate.dtype == curve.p_t_given_x.dtype == np.float32
    assert np.all(curve.converged)
    # The most distortion first, and convex.
    assert np.all(np.diff(curve.rate) >= -SINGLE)
    assert np.all(np.diff(curve.distortion) <= SINGLE)
    for i, slope in enumerate(slopes):
        alone = rate_distortion(p_x, hamming, slope)
        for fields, field in zip(curve, alone, strict=True):
            np.testing.assert_allclose(fields[i], field, atol=SINGLE)
        reached = np.float64(alone.distortion)
        exact = _binary_entropy(0.3) - _binary_entropy(min(0.3, reached))
        np.testing.assert_allclose(alone.rate, exact, atol=SINGLE)
    half = jnp.asarray(p_x, jnp.bfloat16), jnp.asarray(hamming, jnp.bfloat16)
    assert jax.eval_shape(lambda *a: rate_distortion(*a, 1.0), *half).rate.dtype == (
        np.float32
    )


def test_tables_that_are_none_give_nan_under_jit():
    jitted = jax.jit(capacity)
    for wrong in ([[-0.5, 1.5], [0.5, 0.5]], [[np.nan, 1.0], [0.5, 0.5]]):
        found = jitted(np.array(wrong))
        assert np.isnan(found.capacity) and np.isnan(found.upper)
        assert not found.converged
    jitted = jax.jit(rate_distortion)
    fair, hamming = np.array([0.5, 0.5]), _hamming(2)
    for p_x, distortion, slope in (
        (np.array([-0.5, 1.5]), hamming, 1.0),
        (np.array([np.nan, 1.0]), hamming, 1.0),
        (fair, np.array([[0.0, np.nan], [1.0, 0.0]]), 1.0),
        (fair, np.array([[0.0, -np.inf], [1.0, 0.0]]), 1.0),
        (fair, np.array([[0.0, 1.0], [np.inf, np.inf]]), 1.0),
        (fair, hamming, -1.0),
        (fair, hamming, np.nan),
    ):
        found = jitted(p_x, distortion, slope)
        for field in found[:4]:
            assert np.all(np.isnan(field))
        assert not found.converged


@pytest.mark.parametrize(
    "channel, error, message",
    [
        (np.ones(2) / 2, ValueError, r"p_y_given_x must have shape \[num_x, num_y\]"),
        (np.ones((2, 0)), ValueError, r"\[num_x, num_y\], got \(2, 0\)"),
        (np.eye(2, dtype=int), TypeError, "p_y_given_x must be floating, got int"),
        ([[1.5, -0.5]], ValueError, "must not be negative or NaN, got -0.5"),
        ([[1.0, np.nan]], ValueError, "must not be negative or NaN, got nan"),
        ([[1.0, 0.0], [0.5, 0.4]], ValueError, "sum to one, but row 1 sums to 0.9"),
        ([[np.inf, 1.0]], ValueError, "must sum to one, but row 0 sums to inf"),
    ],
)
def test_channels_that_are_refused(channel, error, message):
    with pytest.raises(error, match=message):
        capacity(np.array(channel))


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"p_x": [[0.5, 0.5]]}, ValueError, r"p_x must have shape \[num_x\], got"),
        ({"p_x": [1, 0]}, TypeError, "p_x must be floating, got int"),
        ({"p_x": [0.5, 0.6]}, ValueError, "p_x must sum to one, but it sums to 1.1"),
        (
            {"distortion": np.ones((3, 2))},
            ValueError,
            r"distortion must have shape \[2, num_t\] to match p_x, got \(3, 2\)",
        ),
        (
            {"distortion": np.eye(2, dtype=int)},
            TypeError,
            "distortion must be floating, got int",
        ),
        (
            {"distortion": [[0.0, np.nan], [1.0, 0.0]]},
            ValueError,
            "distortion must not be NaN or minus infinity, got nan",
        ),
        (
            {"distortion": [[0.0, 1.0], [np.inf, np.inf]]},
            ValueError,
            "finite entry, but row 1 is infinite",
        ),
        ({"slope": np.ones(2)}, ValueError, r"slope must lie in \[0, inf\], got shape"),
        ({"slope": -1.0}, ValueError, r"slope must lie in \[0, inf\], got -1"),
        ({"slope": np.nan}, ValueError, r"slope must lie in \[0, inf\], got nan"),
    ],
)
def test_sources_that_are_refused(change, error, message):
    arguments = {"p_x": [0.5, 0.5], "distortion": _hamming(2), "slope": 1.0}
    arguments = {name: np.array(a) for name, a in (arguments | change).items()}
    with pytest.raises(error, match=message):
        rate_distortion(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": -1}, "max_steps must be a whole number, at least 0, got -1"),
        ({"tol": -1.0}, "tol must be one number from 0 on, got -1"),
        ({"tol": np.nan}, "tol must be one number from 0 on, got nan"),
    ],
)
def test_ways_to_stop_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        capacity(np.eye(2), **options)
    with pytest.raises(ValueError, match=message):
        rate_distortion(np.array([0.5, 0.5]), 1 - np.eye(2), 1.0, **options)
