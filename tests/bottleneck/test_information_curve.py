"""The information curve: closed forms, transitions, certificates, an independent code.

All curves have one shape, so that they share compiled programs.
"""

import jax
import numpy as np
import pytest
from scipy import optimize, special

from ibjax.bottleneck import critical_beta, information_curve

# Sums of a few dozen terms below one.
ABSOLUTE = 1e-13
# Clusters end within 1e-9 of their limit: so do informations, which are smooth in them.
CLUSTERS = 1e-8
# A smaller gap, in clusters, is not looked into.
GAP = 1e-8


def _h(p):
    """Entropy over the last axis, in nats."""
    p = np.asarray(p, np.float64)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


def _bsc(flip):
    return np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2


def _bsc_point(flip, beta):
    """I(X;T) and I(T;Y) of a binary symmetric channel at one beta."""
    if beta <= 1 / (1 - 2 * flip) ** 2:
        return 0.0, 0.0

    # T is such a channel of X too. Its error q is where
    # log 2 - h(q) - beta (log 2 - h(q * flip)) has no slope, in u = log((1 - q) / q).
    def slope(u):
        both = flip + (1 - 2 * flip) * special.expit(-u)
        return u - beta * (1 - 2 * flip) * np.log((1 - both) / both)

    u = optimize.brentq(slope, 1e-5, beta * np.log(1 / flip), xtol=1e-13)
    q = special.expit(-u)
    both = flip + (1 - 2 * flip) * q
    return tuple(np.log(2) - _h([p, 1 - p]) for p in (q, both))


def _curve(p_xy, betas, **options):
    with jax.enable_x64(True):
        return information_curve(p_xy, betas, **options)


# Two bits, each with a flip of its own: objectives add up, and each bit has its own
# critical beta.
FLIPS = 0.05, 0.2
TWO_BITS = np.kron(_bsc(FLIPS[0]), _bsc(FLIPS[1]))
CRITICAL = np.array([1 / (1 - 2 * flip) ** 2 for flip in FLIPS])
BETAS = np.array([4, 0.5, 1.26, 100, 1.9, 2.5, 1.2, 2.81, 6, 3, 20, 0])


@pytest.fixture(scope="module")
def two_bits():
    return _curve(TWO_BITS, BETAS)


def test_two_bits(two_bits):
    points = [[_bsc_point(flip, beta) for flip in FLIPS] for beta in BETAS]
    i_xt, i_ty = np.sum(points, axis=1).T
    np.testing.assert_allclose(two_bits.i_xt, i_xt, rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(two_bits.i_ty, i_ty, rtol=0, atol=CLUSTERS)
    np.testing.assert_array_less(
        np.abs(two_bits.objective - (i_xt - BETAS * i_ty)), ABSOLUTE * (1 + BETAS)
    )
    assert two_bits.converged.all()


def test_betas_keep_their_order(two_bits):
    np.testing.assert_array_equal(two_bits.beta, BETAS)
    assert two_bits.p_t_given_x.shape == (len(BETAS), 4, 4)
    clusters = np.where(BETAS < CRITICAL[0], 1, np.where(BETAS < CRITICAL[1], 2, 4))
    np.testing.assert_array_equal(two_bits.num_clusters, clusters)
    for beta, encoder, i_xt, i_ty in zip(
        BETAS, two_bits.p_t_given_x, two_bits.i_xt, two_bits.i_ty, strict=True
    ):
        p_t = encoder.sum(axis=0) / 4
        assert _h(p_t) - _h(encoder).mean() == pytest.approx(i_xt, abs=ABSOLUTE)
        h_ty = _h((encoder.T @ TWO_BITS).ravel())
        assert _h(p_t) + np.log(4) - h_ty == pytest.approx(i_ty, abs=ABSOLUTE), beta


def test_transitions_of_two_bits(two_bits):
    # Twelve halvings of the intervals [1.2, 1.26] and [2.5, 2.81].
    assert two_bits.critical_beta.shape == (2,)
    widths = np.array([0.06, 0.31]) / 2**12
    np.testing.assert_array_less(np.abs(two_bits.critical_beta - CRITICAL), widths)


@pytest.fixture(scope="module")
def symmetric():
    """Four symbols of which any is mistaken for any other alike, and what is exact.

    By symmetry T may mix any decoder with its permutations at no cost, so that the
    least objective is that of one row of X alone, KL(r || p(x)) - beta KL(r' || p(y))
    with r' what r sends to Y.
    """
    error = 0.1
    p_xy = ((1 - 4 * error) * np.eye(4) + error) / 4

    def divergence(share):
        """From uniform, of a share for one symbol and the rest for the other three."""
        return np.log(4) - _h([share, *[(1 - share) / 3] * 3])

    def sent(share):
        return error + (1 - 4 * error) * share

    def slope(share):
        return divergence(sent(share)) / divergence(share)

    steepest = optimize.minimize_scalar(
        lambda share: -slope(share), bounds=(0.3, 0.999), options={"xatol": 1e-9}
    ).x
    first = 1 / slope(steepest)

    def least(beta):
        found = optimize.minimize_scalar(
            lambda share: divergence(share) - beta * divergence(sent(share)),
            bounds=(steepest - 1e-3, 1),
            options={"xatol": 1e-12},
        )
        return min(found.fun, 0.0)

    betas = np.array([0.5, 0.9, 0.99, 1.01, 1.02, 1.05, 1.2, 1.5, 1.8, 2, 2.5, 3])
    curve = _curve(p_xy, betas * first)
    return p_xy, curve, first, divergence(steepest), [least(b) for b in curve.beta]


def test_a_transition_with_a_jump(symmetric):
    p_xy, curve, first, jump, least = symmetric
    np.testing.assert_allclose(curve.objective, least, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(curve.num_clusters, [1] * 3 + [4] * 9)
    np.testing.assert_allclose(curve.i_xt[:3], 0, atol=CLUSTERS)
    assert jump > 0.2
    assert np.all(curve.i_xt[3:] > jump)
    np.testing.assert_allclose(
        curve.critical_beta, [first], rtol=0, atol=0.02 * first / 2**12
    )
    with jax.enable_x64(True):
        assert first < 0.97 * critical_beta(p_xy)


# An unsymmetric table, against solutions and their certificates in numpy.


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(3).dirichlet(np.ones(16)).reshape(4, 4)


@pytest.fixture(scope="module")
def curve(table):
    betas = [1, 3, 4.5, 5.1, 5.4, 5.6, 6, 8, 9.5, 20, 60, 1e3]
    return _curve(table, np.array(betas))


def _divergences(p_xy, decoders):
    p_y_given_x = p_xy / p_xy.sum(axis=1, keepdims=True)
    return -_h(p_y_given_x)[:, None] - p_y_given_x @ np.log(decoders).T


def _iterate(p_xy, encoder, beta, num_steps):
    """The self-consistent equations, as written by Tishby, Pereira and Bialek."""
    p_x = p_xy.sum(axis=1)
    for _ in range(num_steps):
        p_t = p_x @ encoder
        decoders = encoder.T @ p_xy / p_t[:, None]
        encoder = p_t * np.exp(-beta * _divergences(p_xy, decoders))
        z = encoder.sum(axis=1)
        encoder /= z[:, None]
    return encoder, z


def _most_missed(p_xy, z, beta, num_steps):
    """Highest log of sum p(x) / z exp(-beta KL) over decoders; zero if optimal."""
    p_x = p_xy.sum(axis=1)
    decoders = p_xy / p_x[:, None]
    for _ in range(num_steps):
        called_for = (p_x / z)[:, None] * np.exp(-beta * _divergences(p_xy, decoders))
        heights = called_for.sum(axis=0)
        decoders = (called_for / heights).T @ (p_xy / p_x[:, None])
    return np.log(heights.max())


def _merged_clusters(p_xy, encoder):
    """One column for each decoder; those of no weight left out."""
    p_t = p_xy.sum(axis=1) @ encoder
    encoder = encoder[:, p_t > 1e-6]
    decoders = (encoder.T @ p_xy) / p_t[p_t > 1e-6, None]
    apart = np.abs(decoders[:, None] - decoders[None]).sum(axis=2) / 2
    first = np.argmax(apart < 1e-3, axis=1)
    return np.stack([encoder[:, first == t].sum(axis=1) for t in np.unique(first)], 1)


def test_transitions_are_where_one_more_cluster_is_missed(table, curve):
    assert len(curve.critical_beta) == 3
    assert np.all(np.diff(curve.num_clusters) >= 0)
    for critical in curve.critical_beta:
        below = np.flatnonzero(curve.beta < critical)[-1]
        fewer = _merged_clusters(table, curve.p_t_given_x[below])
        assert fewer.shape[1] == curve.num_clusters[below]
        missed = []
        for beta in critical * np.array([0.99, 1.01]):
            _, z = _iterate(table, fewer, beta, 3_000)
            missed.append(_most_missed(table, z, beta, 3_000))
        assert missed[0] < 1e-9
        assert missed[1] > 1e-7


def test_first_transition_against_the_steepest_slope(table, curve):
    # Nothing pays below 1 / max KL(r' || p(y)) / KL(r || p(x)), with r' what r sends to
    # Y. Each step r ~ p(x) exp(beta E[log r'(y) / p(y)]) lowers KL - beta KL.
    p_x, p_y = table.sum(axis=1), table.sum(axis=0)
    p_y_given_x = table / p_x[:, None]
    rng = np.random.default_rng(4)
    starts = np.concatenate([np.eye(4) * 0.9 + 0.025, rng.dirichlet(np.ones(4), 20)])

    def pays(beta):
        r = starts
        for _ in range(1_500):
            logits = np.log(p_x) + beta * np.log(r @ p_y_given_x / p_y) @ p_y_given_x.T
            r = special.softmax(logits, axis=1)
        gain = beta * special.rel_entr(r @ p_y_given_x, p_y).sum(axis=1)
        return np.any(gain - special.rel_entr(r, p_x).sum(axis=1) > 1e-10)

    low, high = 1.0, 20.0
    for _ in range(18):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if pays(middle) else (middle, high)
    # Twelve halvings of [5.1, 5.4], and a cluster counts from a weight of 1e-6 on.
    np.testing.assert_allclose(curve.critical_beta[0], high, rtol=0, atol=2e-4)


def test_the_curve_is_concave(curve, two_bits, symmetric):
    for points in (curve, two_bits, symmetric[1]):
        order = np.argsort(points.beta)
        i_xt, i_ty, beta = points.i_xt[order], points.i_ty[order], points.beta[order]
        # Objectives within the gap of the least leave as much over beta here.
        slack = GAP
        assert np.all(np.diff(i_xt) >= -slack)
        assert np.all(np.diff(i_ty) >= -slack)
        # Between two neighbours the slope lies between their 1 / beta.
        rise, run = np.diff(i_ty), np.diff(i_xt)
        assert np.all(beta[1:] * rise >= run - slack * beta[1:])
        assert np.all(beta[:-1] * rise <= run + slack * beta[1:])


def test_every_point_is_certified(curve, two_bits, symmetric):
    for points in (curve, two_bits, symmetric[1]):
        assert np.all(points.gap <= GAP * (1 + points.beta))
        assert np.all(points.gap >= -ABSOLUTE * (1 + points.beta))


def test_restarts_are_never_worse(table, curve):
    restarted = _curve(table, curve.beta, key=jax.random.key(0), num_restarts=4)
    assert np.all(restarted.objective <= curve.objective + ABSOLUTE * (1 + curve.beta))
    assert restarted.p_t_given_x.shape == curve.p_t_given_x.shape


def test_critical_betas_can_be_left_out(two_bits):
    without = _curve(TWO_BITS, BETAS, find_critical_betas=False)
    assert without.critical_beta.shape == (0,)
    np.testing.assert_array_equal(without.objective, two_bits.objective)


def test_fewer_clusters_than_the_optimum_has(two_bits):
    # All of two clusters or more, so that there is no transition to look for.
    betas = np.array([1.3, 1.5, 1.7, 1.9, 2.2, 2.5, 2.81, 3, 4, 6, 20, 100])
    forced = _curve(TWO_BITS, betas, key=jax.random.key(0), num_restarts=4, num_t=2)
    assert forced.p_t_given_x.shape == (len(betas), 4, 2)
    np.testing.assert_array_equal(forced.num_clusters, 2)
    assert forced.critical_beta.shape == (0,)

    points = [[_bsc_point(flip, beta) for flip in FLIPS] for beta in betas]
    i_xt, i_ty = np.sum(points, axis=1).T
    above = forced.objective - (i_xt - betas * i_ty)
    split = betas > CRITICAL[1]
    # The branch is the curve as long as two clusters are all that pays.
    np.testing.assert_array_less(np.abs(above[~split]), 1e-12)
    assert np.all(forced.gap[~split] <= GAP)
    # Beyond, its gap is what it really lies above the least objective.
    assert np.all(above[split] > 1e-5)
    np.testing.assert_array_less(np.abs(forced.gap - above)[split], 1e-6)
    # It stays below the curve, and thus below every tangent of it.
    slopes, heights = two_bits.beta[BETAS > 0], two_bits.objective[BETAS > 0]
    tangents = (forced.i_xt[:, None] - heights) / slopes
    assert np.all(forced.i_ty[:, None] <= tangents + CLUSTERS)


# The critical beta.


def test_critical_beta_is_that_of_the_second_singular_value():
    rng = np.random.default_rng(5)
    with jax.enable_x64(True):
        for flip in (0.01, 0.2, 0.45):
            padded = np.pad(_bsc(flip), [(0, 2), (0, 2)])
            exact = 1 / (1 - 2 * flip) ** 2
            np.testing.assert_allclose(critical_beta(padded), exact, rtol=1e-10)
        tables = rng.dirichlet(np.ones(16), 20).reshape(-1, 4, 4)
        found = jax.jit(jax.vmap(critical_beta))(tables)
        for p_xy, beta in zip(tables, found, strict=True):
            scale = np.sqrt(np.outer(p_xy.sum(axis=1), p_xy.sum(axis=0)))
            second = np.linalg.svd(p_xy / scale, compute_uv=False)[1]
            np.testing.assert_allclose(beta, second**-2, rtol=1e-10)
            np.testing.assert_allclose(critical_beta(p_xy), beta, rtol=1e-10)


def test_critical_beta_of_a_copy_and_of_nothing():
    assert critical_beta(np.outer([0.2, 0.3, 0.4, 0.1], np.full(4, 0.25))) == np.inf
    np.testing.assert_allclose(critical_beta(np.eye(4) / 4), 1, rtol=1e-6)


# An independent implementation.


def test_never_above_embo(table, curve):
    before = np.geterr()
    embo = pytest.importorskip("embo")
    np.seterr(**before)
    p_x, p_y = table.sum(axis=1), table.sum(axis=0)
    objectives = []
    np.random.seed(0)  # noqa: NPY002 (embo draws from the global generator)
    with np.errstate(divide="ignore", invalid="ignore"):
        for beta in curve.beta:
            # embo takes divergences in bits and exponentials of base e, so that its
            # beta is log(2) of the bottleneck's.
            i_xt, i_ty, _, _ = embo.InformationBottleneck.beta_iter(
                1, beta * np.log(2), p_x, p_y, table.T / p_x, 4, 3, 1000, 1e-12
            )
            objectives.append(i_xt - beta * i_ty)
    difference = curve.objective / np.log(2) - np.array(objectives)
    assert np.all(difference <= 1e-9)
    assert np.median(np.abs(difference)) <= 1e-9


# What is refused.

TABLE = np.full((5, 7), 1 / 35, np.float32)
REFUSED = [
    (TABLE[0], [1.0], {}, r"p_xy must have shape \[num_x, num_y\]"),
    (2 * TABLE, [1.0], {}, "p_xy must sum to one, got 2"),
    (-TABLE, [1.0], {}, "p_xy must not be negative"),
    (TABLE, 1.0, {}, r"betas must have shape \[num_betas\], got \(\)"),
    (TABLE, [], {}, r"betas must have shape \[num_betas\], got \(0,\)"),
    (TABLE, [[1.0]], {}, r"betas must have shape \[num_betas\], got \(1, 1\)"),
    (TABLE, [1.0, -2.0], {}, "betas must be finite and not negative, got -2"),
    (TABLE, [1.0, np.nan], {}, "betas must be finite and not negative, got nan"),
    (TABLE, [1.0, np.inf], {}, "betas must be finite and not negative, got inf"),
    (
        TABLE,
        [1.0],
        {"max_steps": 2},
        "max_steps must be a whole number, at least 3, got 2",
    ),
    (TABLE, [1.0], {"tol": 0.0}, "tol must be one positive number, got 0.0"),
    (TABLE, [1.0], {"num_t": 0}, "num_t must be a whole number, at least 1, got 0"),
    (np.eye(5) / 5, [1.0], {"num_t": 2}, "num_t below the 5 inputs .* needs a key"),
    (
        TABLE,
        [1.0],
        {"key": jax.random.key(0), "num_restarts": 0},
        "num_restarts must be a whole number, at least 1, got 0",
    ),
]


@pytest.mark.parametrize(("p_xy", "betas", "options", "message"), REFUSED)
def test_refused(p_xy, betas, options, message):
    with pytest.raises(ValueError, match=message):
        information_curve(p_xy, betas, **options)


def test_counts_are_refused():
    with pytest.raises(TypeError, match="p_xy must be floating, got int32; divide"):
        information_curve(np.ones((5, 7), np.int32), [1.0])
    with pytest.raises(TypeError, match="p_xy must be floating, got int32; divide"):
        critical_beta(np.ones((5, 7), np.int32))


@pytest.mark.parametrize(
    ("p_xy", "message"), [(TABLE[0], "must have shape"), (2 * TABLE, "must sum to one")]
)
def test_critical_beta_of_no_distribution(p_xy, message):
    with pytest.raises(ValueError, match=message):
        critical_beta(p_xy)
