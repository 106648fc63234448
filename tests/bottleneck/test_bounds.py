"""Finite-sample bounds by enumeration and simulation, gaps, chains."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bottleneck.bounds import (
    complexity_gap,
    finite_sample_bounds,
    generalization_gap,
    information_chain,
    worst_case_curve,
)

TABLES = [(2, 2, 6), (3, 2, 6), (2, 3, 6), (3, 3, 5), (4, 3, 4)]


def _entropy(p, axis):
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis)


def _i_ty(p_ty):
    marginals = _entropy(p_ty.sum(-1), -1) + _entropy(p_ty.sum(-2), -1)
    return marginals - _entropy(p_ty, (-1, -2))


def _i_xt(p_x, p_t_given_x):
    return _entropy(p_x @ p_t_given_x, -1) - p_x @ _entropy(p_t_given_x, -1)


def _counts(num_cells, total):
    """Every way to put ``total`` samples into cells, ``[num_ways, num_cells]``."""
    bars = itertools.combinations(range(total + num_cells - 1), num_cells - 1)
    ends = np.array([(-1, *bar, total + num_cells - 1) for bar in bars])
    return np.diff(ends, axis=1) - 1


def _spread(bound, bias, num_samples, delta=0.05):
    """Largest change by one sample, times n, out of the bound."""
    return float(bound - bias) / math.sqrt(math.log(4 / delta) / (2 * num_samples))


def _spreads(num_samples, num_t, num_classes):
    i_xt, i_ty = finite_sample_bounds(num_samples, num_t, num_classes)
    top = num_t * num_classes - max(num_t, num_classes)
    return (
        _spread(i_xt, math.log1p((num_t - 1) / num_samples), num_samples),
        _spread(i_ty, math.log1p(top / num_samples), num_samples),
    )


def test_shamir_by_hand():
    # n = 100, K = 3, L = 2, and delta such that log(4 / delta) = 2.
    i_xt, i_ty = finite_sample_bounds(100, 3, 2, delta=4 * math.exp(-2), form="shamir")
    log_n = math.log(100)
    assert i_xt == pytest.approx((3 * log_n + math.log(3)) * 0.1 + 2 / 100, rel=1e-5)
    assert i_ty == pytest.approx(11 * log_n * 0.1 + 8 / 100, rel=1e-5)


@pytest.mark.parametrize(("num_classes", "twice"), [(2, 1), (3, 2)])
def test_tight_by_hand(num_classes, twice):
    i_xt, i_ty = finite_sample_bounds(
        101, 5, num_classes, delta=4 * math.exp(-2 * 1.01)
    )
    c = 100 / twice
    step = twice * ((c + 1) * math.log(c + 1) - c * math.log(c))
    bias = math.log1p((5 * num_classes - 5) / 101)
    assert i_ty == pytest.approx(step * 0.1 + bias, rel=1e-5)
    step = 101 * math.log(101) - 100 * math.log(100)
    assert i_xt == pytest.approx(step * 0.1 + math.log1p(4 / 101), rel=1e-5)


def test_tight_is_never_above_shamir():
    sizes = itertools.product([3, 10, 1000, 10**6], [2, 3, 50, 10**4], [2, 3, 10])
    num_samples, num_t, num_classes = np.array(list(sizes)).T
    tight = finite_sample_bounds(num_samples, num_t, num_classes)
    shamir = finite_sample_bounds(num_samples, num_t, num_classes, form="shamir")
    assert np.all(tight.i_xt < shamir.i_xt)
    assert np.all(tight.i_ty < shamir.i_ty)


@pytest.mark.parametrize(("num_t", "num_classes", "num_samples"), TABLES)
def test_one_sample_changes_no_table_by_more(num_t, num_classes, num_samples):
    """Every table of n - 1 samples, and every last sample."""
    num_cells = num_t * num_classes
    others = _counts(num_cells, num_samples - 1)
    tables = (others[:, None] + np.eye(num_cells)) / num_samples
    tables = tables.reshape(*tables.shape[:2], num_t, num_classes)
    change_xt = np.ptp(_entropy(tables.sum(-1), -1), axis=1).max() * num_samples
    change_ty = np.ptp(_i_ty(tables), axis=1).max() * num_samples
    spread_xt, spread_ty = _spreads(num_samples, num_t, num_classes)
    assert change_xt == pytest.approx(spread_xt, rel=1e-5)
    assert change_ty <= spread_ty * (1 + 1e-5)
    if num_classes == 2 or (num_samples % 2 and num_t > 2):
        # Attained, so McDiarmid's inequality has no smaller constant to use.
        assert change_ty == pytest.approx(spread_ty, rel=1e-5)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_one_sample_changes_no_stochastic_encoder_by_more(num_classes):
    rng = np.random.default_rng(0)
    num_samples, num_t, trials = 5, 3, 4000
    # Concentrations from nearly deterministic to flat.
    alpha = rng.choice([0.01, 0.1, 1.0], (trials, 1, 1))
    gamma = rng.gamma(alpha, size=(trials, num_samples + 1, num_t)) + 1e-12
    encoder = gamma / gamma.sum(-1, keepdims=True)
    labels = np.eye(num_classes)[rng.integers(num_classes, size=encoder.shape[:2])]
    last = [np.r_[: num_samples - 1, num_samples - 1], np.r_[: num_samples - 1, -1]]
    p_ty = [
        np.einsum("isk,isc->ikc", encoder[:, rows], labels[:, rows]) / num_samples
        for rows in last
    ]
    spread_xt, spread_ty = _spreads(num_samples, num_t, num_classes)
    change_ty = np.abs(_i_ty(p_ty[0]) - _i_ty(p_ty[1])) * num_samples
    assert 0.3 * spread_ty < change_ty.max() <= spread_ty
    i_xt = [
        _entropy(encoder[:, rows].mean(1), -1) - _entropy(encoder[:, rows], -1).mean(1)
        for rows in last
    ]
    change_xt = np.abs(i_xt[0] - i_xt[1]) * num_samples
    assert 0.3 * spread_xt < change_xt.max() <= spread_xt


@pytest.mark.parametrize(("num_t", "num_classes", "num_samples"), TABLES)
def test_bias_is_within_its_bounds(num_t, num_classes, num_samples):
    """Exact expectations over every sample of random tables."""
    rng = np.random.default_rng(1)
    num_cells = num_t * num_classes
    counts = _counts(num_cells, num_samples)
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(num_samples + 1), 1)))
    log_ways = log_factorial[-1] - log_factorial[counts].sum(1)
    shape = (-1, num_t, num_classes)
    estimates = _i_ty((counts / num_samples).reshape(shape))
    entropies = _entropy((counts / num_samples).reshape(shape).sum(-1), -1)
    for alpha in (0.1, 1.0, 100.0):
        p = rng.dirichlet(np.full(num_cells, alpha), 20) + 1e-12
        p /= p.sum(1, keepdims=True)
        weights = np.exp(log_ways + np.log(p) @ counts.T)
        np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-9)
        bias = weights @ estimates - _i_ty(p.reshape(shape))
        top = num_cells - max(num_t, num_classes)
        assert bias.max() <= math.log1p(top / num_samples)
        assert bias.min() >= -math.log1p((min(num_t, num_classes) - 1) / num_samples)
        bias = weights @ entropies - _entropy(p.reshape(shape).sum(-1), -1)
        assert bias.max() <= 1e-9
        assert bias.min() >= -math.log1p((num_t - 1) / num_samples)


def _simulate(num_samples, num_t, num_classes, num_x, deterministic):
    """Errors of plug-in estimates over draws from many random tables."""
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(10):
        p_xy = rng.dirichlet(np.full(num_x * num_classes, 0.3))
        counts = rng.multinomial(num_samples, p_xy, 100) / num_samples
        if deterministic:
            encoder = np.eye(num_t)[rng.integers(num_t, size=num_x)]
        else:
            encoder = rng.dirichlet(np.full(num_t, 0.3), num_x)
        pair = []
        for table in (counts, p_xy):
            table = table.reshape(-1, num_x, num_classes)
            p_ty = np.einsum("ixc,xk->ikc", table, encoder, optimize=True)
            pair.append(np.stack([_i_xt(table.sum(-1), encoder), _i_ty(p_ty)]))
        errors.append(np.abs(pair[0] - pair[1]))
    return np.concatenate(errors, axis=1)


@pytest.mark.parametrize("form", ["tight", "shamir"])
@pytest.mark.parametrize(
    ("sizes", "deterministic"),
    [
        ((20, 3, 2, 8), False),
        ((100, 5, 3, 20), True),
        ((100, 5, 3, 20), False),
        ((30, 25, 4, 60), True),
    ],
)
def test_errors_exceed_a_bound_in_at_most_a_share_delta(form, sizes, deterministic):
    errors = _simulate(*sizes, deterministic)
    num_draws = errors.shape[1]
    for delta in (0.9, 0.05):
        bounds = finite_sample_bounds(*sizes[:3], delta=delta, form=form)
        exceeds = errors > np.array(bounds)[:, None]
        # At most delta in truth, plus four standard errors of the share.
        slack = 4 * math.sqrt(delta * (1 - delta) / num_draws)
        assert exceeds.any(axis=0).mean() <= delta + slack


def test_bounds_are_as_loose_as_the_docstring_says():
    errors = _simulate(4096, 100, 2, 1000, True)
    np.testing.assert_array_less(np.quantile(errors, 0.95, axis=1), 0.026)
    np.testing.assert_array_less(0.018, np.quantile(errors, 0.95, axis=1))
    np.testing.assert_allclose(finite_sample_bounds(4096, 100, 2), 0.24, atol=5e-3)


def test_bounds_under_jit_and_vmap_and_at_the_ends():
    num_t = jnp.array([2, 50, 1000])
    mapped = jax.jit(jax.vmap(lambda k: finite_sample_bounds(4096, k, 10)))(num_t)
    for index, k in enumerate(num_t):
        single = finite_sample_bounds(4096, k, 10)
        np.testing.assert_allclose(mapped.i_ty[index], single.i_ty, rtol=1e-6)
    # One sample always estimates zero, and K = 13^10 fits no int32.
    alone = finite_sample_bounds(1, 3, 2)
    np.testing.assert_allclose(alone, [math.log(3), math.log(4)], rtol=1e-6)
    assert np.isfinite(finite_sample_bounds(4096, 13.0**10, 2)).all()
    # The guarded branch has a finite slope.
    slope = jax.grad(lambda n: finite_sample_bounds(n, 3, 3).i_ty)(1.0)
    assert np.isfinite(slope)


def test_bounds_reject_unknown_form():
    with pytest.raises(ValueError, match="form must be one of tight, shamir, got"):
        finite_sample_bounds(10, 2, 2, form="loose")


def test_worst_case_optimum_in_closed_form():
    """a (1 - exp(-x)) - c exp(x) has its maximum at x = log(a / c) / 2."""
    i_xt = jnp.linspace(0.0, 6.0, 6001)
    i_ty = 0.7 * (1 - jnp.exp(-i_xt))
    for num_samples in (10**3, 10**5):
        constant = 0.1 * 2 / math.sqrt(num_samples)
        worst = worst_case_curve(i_xt, i_ty, constant * jnp.exp(i_xt))
        best = 0.5 * math.log(0.7 / constant)
        # Float32 values near a flat maximum tie over sqrt(eps) of its width.
        assert worst.best_i_xt == pytest.approx(best, abs=5e-3)
        assert worst.best_i_ty == pytest.approx(
            0.7 - 2 * math.sqrt(0.7 * constant), abs=1e-5
        )
        assert worst.best_i_ty == worst.i_ty.max()


def test_more_samples_allow_more_complexity():
    i_xt = jnp.linspace(0.0, 6.0, 61)
    i_ty = 0.69 * (1 - jnp.exp(-2 * i_xt))

    def best(num_samples):
        error = finite_sample_bounds(num_samples, jnp.exp(i_xt), 2).i_ty
        return worst_case_curve(i_xt, i_ty, error).best_i_xt

    bests = jax.vmap(best)(10.0 ** jnp.arange(1, 8))
    assert np.all(np.diff(bests) > 0)


def test_worst_case_curve_takes_the_least_complex_of_several():
    worst = worst_case_curve([1.0, 2.0, 3.0], [0.1, 0.5, 0.5], 0.2)
    np.testing.assert_allclose(worst.i_ty, [-0.1, 0.3, 0.3], atol=1e-6)
    assert worst.best_i_xt == 2.0


def test_worst_case_curve_rejects_shapes():
    with pytest.raises(ValueError, match="curve_i_xt and curve_i_ty must have one"):
        worst_case_curve([1.0, 2.0], [1.0], 0.1)
    with pytest.raises(ValueError, match="i_ty_error must have shape"):
        worst_case_curve([1.0, 2.0], [0.1, 0.2], [0.1])


def _gaussian_curve(i_xt, rho=0.9):
    """I(T;Y) that a jointly Gaussian pair allows for I(X;T)."""
    return -0.5 * np.log1p(-(rho**2) * -np.expm1(-2 * np.asarray(i_xt)))


def test_gaps_to_the_gaussian_curve():
    points = np.linspace(0.05, 6.0, 120)
    curve = points, _gaussian_curve(points)
    rng = np.random.default_rng(3)
    i_xt = rng.uniform(0.0, 5.0, 50)
    least = i_xt * rng.uniform(size=50)
    i_ty = _gaussian_curve(least)
    vertical = generalization_gap(i_xt, i_ty, *curve)
    horizontal = complexity_gap(i_xt, i_ty, *curve)
    true_vertical = _gaussian_curve(i_xt) - i_ty
    # Chords of length h lie below the curve, by at most h^2/8 of its curvature, which
    # is at most 1/2 and at most twice its slope: across, by at most h^2/4.
    step = points[1] - points[0]
    assert np.all(vertical <= true_vertical + 1e-5)
    np.testing.assert_allclose(vertical, true_vertical, atol=step**2 / 16 + 1e-6)
    assert np.all(horizontal <= i_xt - least + 1e-4)
    steep = least < 3.0
    np.testing.assert_allclose(
        horizontal[steep], (i_xt - least)[steep], atol=step**2 / 4 + 1e-4
    )


def test_gaps_of_a_deterministic_rule():
    """Y a function of X: the curve is the diagonal up to H(Y), then flat."""
    h_y = math.log(2.0)
    curve = [h_y, h_y, 2.0, 5.0], [h_y] * 4
    i_xt, i_ty = np.array([0.2, 0.5, 3.0, 9.0]), np.array([0.2, 0.3, h_y, 0.6])
    vertical = generalization_gap(i_xt, i_ty, *curve)
    np.testing.assert_allclose(vertical, np.minimum(i_xt, h_y) - i_ty, atol=1e-6)
    np.testing.assert_allclose(
        complexity_gap(i_xt, i_ty, *curve), i_xt - i_ty, atol=1e-6
    )


def test_points_of_the_curve_have_no_gap():
    # Two points at zero, as small betas give, and a flat stretch at the end.
    i_xt = jnp.array([0.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    i_ty = jnp.array([0.0, 0.0, 0.3, 0.5, 0.6, 0.6])
    np.testing.assert_allclose(
        generalization_gap(i_xt, i_ty, i_xt, i_ty), 0.0, atol=1e-6
    )
    expected = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]  # The last repeats I(T;Y).
    np.testing.assert_allclose(
        complexity_gap(i_xt, i_ty, i_xt, i_ty), expected, atol=1e-6
    )


def test_points_above_and_beyond_the_curve():
    curve = [1.0, 2.0], [0.5, 0.6]
    # Above the top: negative generalization gap, complexity beyond the top's least.
    assert generalization_gap(3.0, 0.7, *curve) == pytest.approx(-0.1)
    assert complexity_gap(3.0, 0.7, *curve) == pytest.approx(1.0)
    # Left of the curve both are negative.
    assert generalization_gap(0.5, 0.5, *curve) == pytest.approx(-0.25)
    assert complexity_gap(0.5, 0.5, *curve) == pytest.approx(-0.5)
    # A negative estimate needs nothing, and a curve without points gives nothing.
    assert complexity_gap(0.5, -0.1, *curve) == pytest.approx(0.5)
    assert generalization_gap(1.0, 0.2, [], []) == pytest.approx(-0.2)


def test_a_point_below_an_earlier_one_counts_as_high():
    curve = [1.0, 2.0, 3.0], [0.5, 0.4, 0.6]
    assert generalization_gap(2.0, 0.5, *curve) == pytest.approx(0.0)
    assert complexity_gap(2.0, 0.5, *curve) == pytest.approx(1.0)
    # A step back in I(X;T), by rounding, makes a jump and no division by zero.
    curve = [1.0, 1.0 - 1e-6, 2.0], [0.5, 0.55, 0.6]
    assert generalization_gap(1.0, 0.5, *curve) == pytest.approx(0.05)
    assert complexity_gap(1.5, 0.55, *curve) == pytest.approx(0.5)


def test_gaps_under_jit_vmap_grad_and_nan():
    curve = jnp.array([1.0, 2.0]), jnp.array([0.5, 0.6])
    i_xt, i_ty = jnp.array([[0.5, 1.5], [2.5, jnp.nan]]), jnp.full((2, 2), 0.2)
    i_ty = i_ty.at[0, 0].set(jnp.nan)
    for gap in (generalization_gap, complexity_gap):
        whole = gap(i_xt, i_ty, *curve)
        mapped = jax.jit(jax.vmap(gap, (0, 0, None, None)))(i_xt, i_ty, *curve)
        np.testing.assert_allclose(mapped, whole, rtol=1e-6)
        np.testing.assert_array_equal(np.isnan(whole), [[1, 0], [0, 1]])
    # By hand: 0.1 a nat along the second chord, 1 / 0.5 across the first.
    slopes = jax.grad(generalization_gap, argnums=(0, 1))(1.5, 0.2, *curve)
    np.testing.assert_allclose(slopes, [0.1, -1.0], rtol=1e-6)
    slopes = jax.grad(complexity_gap, argnums=(0, 1))(1.5, 0.2, *curve)
    np.testing.assert_allclose(slopes, [1.0, -2.0], rtol=1e-6)


@pytest.mark.parametrize("gap", [generalization_gap, complexity_gap])
def test_gaps_reject_shapes(gap):
    with pytest.raises(ValueError, match="i_xt and i_ty must have one shape"):
        gap([1.0], 0.5, [1.0], [0.5])
    with pytest.raises(ValueError, match="curve_i_xt and curve_i_ty must have one"):
        gap(1.0, 0.5, [1.0], [[0.5]])


def test_chain_by_hand():
    check = information_chain([3.0, 2.0, 2.5, 2.75])
    np.testing.assert_allclose(check.drop, [1.0, -0.5, -0.25])
    np.testing.assert_array_equal(check.violated, [False, True, True])
    # Intervals that meet are no violation, whichever of the two is wide.
    wide = information_chain([3.0, 2.0, 2.5, 2.75], [0.0, 0.5, 0.0, 0.125])
    np.testing.assert_array_equal(wide.violated, [False, False, True])
    scalar = information_chain([3.0, 2.0, 2.5, 2.75], 0.2)
    np.testing.assert_array_equal(scalar.violated, [False, True, False])


def test_chain_over_seeds_under_jit_and_vmap():
    seeds = jnp.array([[2.0, 1.0, 1.5], [2.0, jnp.nan, 3.0]])
    whole = information_chain(seeds, 0.1)
    np.testing.assert_array_equal(whole.violated, [[False, True], [False, False]])
    mapped = jax.jit(jax.vmap(information_chain, (0, None)))(seeds, 0.1)
    np.testing.assert_array_equal(mapped.violated, whole.violated)
    np.testing.assert_array_equal(mapped.drop, whole.drop)


def test_true_informations_of_channels_hold():
    rng = np.random.default_rng(4)
    p_x = rng.dirichlet(np.ones(6))
    p_y_given_x = rng.dirichlet(np.ones(3), 6)
    encoder = np.eye(6)
    i_xt, i_ty = [], []
    for width in (6, 5, 4, 4, 2):
        encoder = encoder @ rng.dirichlet(np.full(width, 0.2), encoder.shape[1])
        i_xt.append(_i_xt(p_x, encoder))
        i_ty.append(_i_ty((encoder * p_x[:, None]).T @ p_y_given_x))
    for chain in (i_xt, i_ty):
        check = information_chain(np.array(chain))
        assert np.all(check.drop > 0)
        assert not check.violated.any()


def test_chain_rejects_shapes():
    with pytest.raises(ValueError, match="information must have shape"):
        information_chain(1.0)
    with pytest.raises(ValueError, match="error must have shape"):
        information_chain([1.0, 0.5], [0.1])


@pytest.mark.parametrize("error", [-0.2, np.nan, [0.1, -1.0]])
def test_errors_have_no_sign(error):
    with pytest.raises(ValueError, match=r"\berror must be at least 0, got"):
        information_chain([0.5, 0.4], error)
    with pytest.raises(ValueError, match="i_ty_error must be at least 0, got"):
        worst_case_curve([0.5, 0.6], [0.4, 0.5], error)


def test_an_infinite_error_leaves_no_information():
    assert worst_case_curve([0.5], [0.4], np.inf).best_i_ty == -np.inf
    assert not information_chain([0.5, 0.7], np.inf).violated


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((-5, 3, 2), {}, "num_samples must be at least 1, and finite, got -5"),
        (
            (2, 3, 2),
            {"form": "shamir"},
            "num_samples must be at least 3, .* got 2",
        ),
        (([100, np.nan], 3, 2), {}, "num_samples must be .* and finite, got nan"),
        ((100, 0.5, 2), {}, "num_t must be at least 1, and finite, got 0.5"),
        ((100, 3, 0), {}, "num_classes must be at least 1, .* got 0"),
        ((np.inf, 3, 2), {}, "num_samples must be .* and finite, got inf"),
        (
            ([10, 20], [1, 2, 3], 2),
            {},
            "num_t, num_classes and delta must broad",
        ),
        ((100, 3, 2), {"delta": 2.0}, "delta must be between 0 and 1, got 2"),
        ((100, 3, 2), {"delta": 0.0}, "delta must be between 0 and 1, got 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes, options, message):
    with pytest.raises(ValueError, match=message):
        finite_sample_bounds(*sizes, **options)


@pytest.mark.parametrize("gap", [generalization_gap, complexity_gap])
@pytest.mark.parametrize("broken", [0, 1])
def test_a_curve_with_nan_is_no_curve(gap, broken):
    curve = [np.array([0.1, 0.5, 1.0]), np.array([0.1, 0.2, 0.4])]
    curve[broken][1] = np.nan
    name = ("curve_i_xt", "curve_i_ty")[broken]
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        gap(0.5, 0.3, *curve)
    assert np.isnan(jax.jit(gap)(0.5, 0.3, *curve))
