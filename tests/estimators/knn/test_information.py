"""Nearest-neighbour estimates against NumPy in float64, scikit-learn, closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, gammaln

from ibjax.compilation import compiling_for
from ibjax.estimators import knn
from ibjax.estimators.knn import counting

NUM_SAMPLES = 300
CLASSES = 3


def gaussian(num_samples=NUM_SAMPLES, dim_x=2, dim_y=1, seed=0):
    """Correlated samples: float32, so that NumPy in float64 sees the same."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num_samples, dim_x))
    y = 0.7 * x[:, :1] + 0.7 * rng.normal(size=(num_samples, dim_y))
    return x.astype(np.float32), y.astype(np.float32)


def classes(num_samples=NUM_SAMPLES, dim=2):
    rng = np.random.default_rng(1)
    labels = rng.integers(CLASSES, size=num_samples)
    x = labels[:, None] + 0.7 * rng.normal(size=(num_samples, dim))
    return x.astype(np.float32), labels


def distances(x, metric):
    difference = x[:, None].astype(np.float64) - x[None]
    order = np.inf if metric == "chebyshev" else 2
    return np.linalg.norm(difference, ord=order, axis=2)


def kth(distance, k):
    distance = distance.copy()
    np.fill_diagonal(distance, np.inf)
    return np.sort(distance, axis=1)[:, k - 1]


def closer(distance, radius):
    """Samples closer than the radius, itself not counted."""
    inside = distance < radius[:, None]
    np.fill_diagonal(inside, False)
    return inside.sum(axis=1)


def brute_ksg(x, y, k, variant, metric):
    d_x, d_y = distances(x, metric), distances(y, metric)
    radius = kth(np.maximum(d_x, d_y), k)
    constant = digamma(k) + digamma(len(x))
    if variant == 1:
        counts = closer(d_x, radius) + 1, closer(d_y, radius) + 1
    else:
        near = np.maximum(d_x, d_y) <= radius[:, None]
        constant -= 1 / k
        counts = [
            np.sum(d <= np.max(np.where(near, d, 0), axis=1)[:, None], axis=1) - 1
            for d in (d_x, d_y)
        ]
    return constant - np.mean(digamma(counts[0]) + digamma(counts[1]))


def brute_entropy(x, weights, metric="euclidean"):
    num_samples, dim = x.shape
    log_ball = dim * math.log(2)
    if metric == "euclidean":
        log_ball = dim / 2 * math.log(math.pi) - gammaln(1 + dim / 2)
    distance, total = distances(x, metric), 0.0
    for j, weight in enumerate(weights, start=1):
        if weight:
            log_volume = dim * np.mean(np.log(kth(distance, j))) + log_ball
            total += weight * (log_volume + math.log(num_samples - 1) - digamma(j))
    return total


# Estimates are sums of about ten float32 numbers up to 10, and means of N terms that
# are each rounded: 10 * 10 * 2^-24 = 6e-6. A count that rounding changes by one moves
# the mean by 1 / (N n), 1e-4 at worst; with these samples none does.
ROUNDING = 1e-5


@pytest.mark.parametrize(
    ("variant", "metric"), [(1, "chebyshev"), (1, "euclidean"), (2, "chebyshev")]
)
def test_ksg_equals_brute_force(variant, metric):
    x, y = gaussian()
    value = knn.ksg(x, y, k=3, variant=variant, metric=metric)
    assert value.dtype == jnp.float32 and value.shape == ()
    assert abs(value - brute_ksg(x, y, 3, variant, metric)) < ROUNDING


def test_ksg_of_many_samples_equals_brute_force():
    # Several blocks, so that pairs are left out.
    x, y = gaussian(1500, 1, 1)
    assert abs(knn.ksg(x, y, k=4) - brute_ksg(x, y, 4, 1, "chebyshev")) < ROUNDING


def test_ksg_with_ties_equals_brute_force():
    x, y = (np.round(8 * values) / 8 for values in gaussian())
    value = knn.ksg(x, y, ties=False)
    assert abs(value - brute_ksg(x, y, 3, 1, "chebyshev")) < ROUNDING


@pytest.mark.parametrize("variant", counting.VARIANTS)
def test_ksg_of_copies_is_finite(variant):
    x, y = (np.repeat(values[:60], 5, axis=0) for values in gaussian())
    value = knn.ksg(x, y, variant=variant, ties=False)
    # The four copies are the neighbours, closer than nothing: no count but itself. In
    # variant 2 all four are in the rectangle.
    constant = digamma(3) + digamma(NUM_SAMPLES)
    expected = constant - 2 * digamma(1)
    if variant == 2:
        expected = constant - 1 / 3 - 2 * digamma(4)
    assert abs(value - expected) < ROUNDING
    # Taken for what they are, five samples are an atom in X, in Y and in both.
    value = knn.ksg(x, y, variant=variant)
    assert abs(value - (digamma(NUM_SAMPLES) - digamma(5))) < ROUNDING


def test_ksg_of_a_constant_is_zero():
    x, _ = gaussian()
    # Everything is near in Y; in X, k - 1 samples are closer than the k-th.
    assert abs(knn.ksg(x, np.ones((NUM_SAMPLES, 1), np.float32))) < ROUNDING


@pytest.mark.parametrize("metric", ["chebyshev", "euclidean"])
@pytest.mark.parametrize("factor", [1e-6, 1e6, 1e-25, 1e25])
def test_ksg_does_not_depend_on_the_scale(factor, metric):
    x, y = gaussian()
    value = knn.ksg(x, y, metric=metric)
    # A power of two changes nothing; another factor rounds the samples, by 2^-24 of
    # themselves, which may change the order of two distances of all 90,000.
    power = np.float32(2.0 ** round(math.log2(factor)))
    assert knn.ksg(x * power, y * power, metric=metric) == value
    scaled = [np.float32(factor) * values for values in (x, y)]
    assert abs(knn.ksg(*scaled, metric=metric) - value) < 1e-4


@pytest.mark.parametrize("metric", ["chebyshev", "euclidean"])
def test_ksg_far_from_the_origin(metric):
    # 1,000 standard deviations away samples lie on a grid of 2^-14; of those that
    # float32 holds nothing more is lost, since their differences are exact.
    x, y = gaussian()
    x, y = x + np.float32(1000), y - np.float32(1000)
    value = knn.ksg(x, y, metric=metric)
    assert abs(value - brute_ksg(x, y, 3, 1, metric)) < ROUNDING
    assert abs(value - knn.ksg(*gaussian(), metric=metric)) < 0.01


def test_ksg_equals_scikit_learn():
    feature_selection = pytest.importorskip("sklearn.feature_selection")
    x, y = (values.astype(np.float64) for values in gaussian(dim_x=1))
    expected = feature_selection.mutual_info_regression(
        x, y[:, 0], n_neighbors=3, discrete_features=False, random_state=0
    )
    with jax.enable_x64(True):
        # It divides by the standard deviation, and adds noise of 1e-10: 90,000 pairs
        # are too few for one of them to be moved across a radius.
        value = knn.ksg(x / np.std(x), y / np.std(y), k=3)
    assert value.dtype == jnp.float64
    assert abs(float(value) - expected[0]) < 1e-9


def test_ross_equals_scikit_learn():
    feature_selection = pytest.importorskip("sklearn.feature_selection")
    x, labels = classes(dim=1)
    x = x.astype(np.float64)
    expected = feature_selection.mutual_info_classif(
        x, labels, n_neighbors=3, discrete_features=False, random_state=0
    )
    with jax.enable_x64(True):
        value = knn.ross(x / np.std(x), labels, num_classes=CLASSES, k=3)
    assert abs(float(value) - expected[0]) < 1e-9


@pytest.mark.parametrize("metric", ["chebyshev"])
def test_ross_equals_brute_force(metric):
    x, labels = classes()
    distance = distances(x, metric)
    other = labels[:, None] != labels[None]
    radius = kth(np.where(other, np.inf, distance), 3)
    sizes = np.bincount(labels)[labels]
    m = closer(distance, radius) + 1
    expected = digamma(NUM_SAMPLES) + digamma(3) - np.mean(digamma(sizes) + digamma(m))
    # A class that nobody belongs to changes nothing.
    value = knn.ross(x, labels, num_classes=CLASSES + 1, metric=metric)
    assert abs(value - expected) < ROUNDING


def test_conditional_information_equals_brute_force():
    x, y = gaussian()
    z = gaussian(seed=5)[1] + 0.5 * y
    d_x, d_y, d_z = (distances(one, "chebyshev") for one in (x, y, z))
    radius = kth(np.maximum(np.maximum(d_x, d_y), d_z), 3)
    n_xz, n_yz, n_z = (
        closer(d, radius) for d in (np.maximum(d_x, d_z), np.maximum(d_y, d_z), d_z)
    )
    expected = digamma(3) - np.mean(
        digamma(n_xz + 1) + digamma(n_yz + 1) - digamma(n_z + 1)
    )
    assert abs(knn.conditional_mutual_information(x, y, z) - expected) < ROUNDING


@pytest.mark.parametrize("metric", ["chebyshev", "euclidean"])
def test_entropy_equals_brute_force(metric):
    x, _ = gaussian()
    expected = brute_entropy(x, [0, 0, 1], metric)
    assert abs(knn.entropy(x, metric=metric) - expected) < ROUNDING


@pytest.mark.parametrize("kind", ["bsy", "butakov"])
def test_weighted_entropy_equals_brute_force(kind):
    x, _ = gaussian(dim_x=8)
    weights = knn.weights(12, 8, kind)
    expected = brute_entropy(x, weights)
    # Rounding of the logarithms is magnified by the weights, and by the dimension.
    tolerance = ROUNDING + 8 * 2.0**-23 * knn.weight_norm(12, 8, kind)
    assert abs(knn.weighted_entropy(x, k=12, weights=kind) - expected) < tolerance


def test_information_from_entropies():
    x, y = gaussian()
    joint = np.concatenate([x, y], axis=1)
    expected = sum(
        sign * brute_entropy(one, [0, 0, 1])
        for sign, one in ((1, x), (1, y), (-1, joint))
    )
    assert abs(knn.mutual_information(x, y) - expected) < 3 * ROUNDING


def test_class_information_equals_brute_force():
    x, labels = classes()
    expected = brute_entropy(x, [0, 0, 1])
    for label in range(CLASSES):
        members = x[labels == label]
        expected -= len(members) / NUM_SAMPLES * brute_entropy(members, [0, 0, 1])
    value = knn.class_information(x, labels, num_classes=CLASSES)
    assert abs(value - expected) < 2 * ROUNDING


def test_entropies_scale_as_they_should():
    x, _ = gaussian()
    value = knn.entropy(x)
    for factor in (2.0**-40, 2.0**40):
        difference = knn.entropy(np.float32(factor) * x) - value
        # Its own size is what rounding is relative to.
        assert difference == pytest.approx(2 * math.log(factor), rel=1e-6)


def test_gaussian_entropy_and_vmap():
    # Twenty independent sets: their mean has a standard error that can be seen. The
    # bias, of order (k / N)^(2 / d), is below 0.01 with 440 samples, k = 3, d = 2.
    sets = np.random.default_rng(0).normal(size=(20, 440, 2)).astype(np.float32)
    values = jax.vmap(knn.entropy)(sets)
    truth = math.log(2 * math.pi * math.e)
    error = np.std(values, ddof=1) / math.sqrt(20)
    assert error < 0.02
    assert abs(np.mean(values) - truth) < 4 * error + 0.01
    assert abs(values[7] - knn.entropy(sets[7])) < ROUNDING


def test_repeated_samples():
    x, _ = gaussian()
    x[10] = x[20]
    assert int(knn.num_repeated(x)) == 2
    assert math.isnan(knn.entropy(x, k=1))
    assert math.isfinite(knn.entropy(x))


@pytest.fixture(scope="module")
def jitted_ross():
    return jax.jit(lambda x, y: knn.ross(x, y, num_classes=CLASSES))


def test_values_under_jit(jitted_ross):
    x, labels = classes()
    assert math.isfinite(jitted_ross(x, labels))
    not_finite = x.copy()
    not_finite[3, 1] = np.nan
    assert math.isnan(jitted_ross(not_finite, labels))


def brute_ross_of_few(x, labels):
    """As scikit-learn has it: fewer neighbours in a class of few, none of one."""
    sizes = np.bincount(labels)[labels]
    x, labels, sizes = (values[sizes > 1] for values in (x, labels, sizes))
    distance = distances(x, "chebyshev")
    in_class = np.where(labels[:, None] != labels[None], np.inf, distance)
    ks = np.minimum(3, sizes - 1)
    radius = np.take_along_axis(
        np.stack([kth(in_class, k) for k in (1, 2, 3)]), ks[None] - 1, axis=0
    )[0]
    m = closer(distance, radius) + 1
    return digamma(len(x)) + np.mean(digamma(ks) - digamma(sizes) - digamma(m))


def test_ross_of_classes_of_few(jitted_ross):
    x, labels = classes()
    labels[labels == 2] = 0
    labels[:3] = 2
    value = knn.ross(x, labels, num_classes=CLASSES)
    assert abs(value - brute_ross_of_few(x, labels)) < ROUNDING
    assert abs(jitted_ross(x, labels) - value) < ROUNDING
    labels[:2] = 0
    with pytest.warns(UserWarning, match="1 of 300 samples have a label of their own"):
        value = knn.ross(x, labels, num_classes=CLASSES)
    assert abs(value - brute_ross_of_few(x, labels)) < ROUNDING
    assert math.isnan(jitted_ross(x, labels))
    with pytest.raises(ValueError, match="a class of two samples, got none"):
        knn.ross(x[:5], np.arange(5), num_classes=5)
    with pytest.raises(ValueError, match="more than k = 3 samples.*class 2 has 1"):
        knn.class_information(x, labels, num_classes=CLASSES)


def test_ross_with_few_equals_scikit_learn():
    feature_selection = pytest.importorskip("sklearn.feature_selection")
    x, labels = classes(dim=1)
    labels[:4] = [3, 4, 4, 5]
    x = x.astype(np.float64)
    expected = feature_selection.mutual_info_classif(
        x, labels, n_neighbors=3, discrete_features=False, random_state=0
    )
    with jax.enable_x64(True), pytest.warns(UserWarning, match="2 of 300 samples"):
        value = knn.ross(x / np.std(x), labels, num_classes=6, k=3)
    # Its distances in a class of two are rounded sums of squares: for those samples it
    # may count their neighbour too, which adds at most psi(2) - psi(1) = 1.
    assert abs(float(value) - expected[0]) < 2 / 298 + 1e-9


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x, y: knn.ksg(x, y[1:]),
            ValueError,
            "many samples, got 300 and 299",
        ),
        (lambda x, y: knn.ksg(x[:, 0], y), ValueError, r"x must have shape.*\(300,\)"),
        (lambda x, y: knn.ksg(x, y.astype(int)), TypeError, "y must be floating.*int"),
        (lambda x, y: knn.ksg(x, y * np.nan), ValueError, "y must be finite"),
        (lambda x, y: knn.ksg(x[:4], y[:4]), ValueError, "num_samples - 2 = 2, got 3"),
        (lambda x, y: knn.ksg(x, y, k=0), ValueError, "k must be at least 1.*got 0"),
        (lambda x, y: knn.ksg(x, y, k=2.0), TypeError, "k must be an integer"),
        (lambda x, y: knn.ksg(x, y, variant=3), ValueError, "variant must be one of"),
        (lambda x, y: knn.ksg(x, y, metric="l1"), ValueError, "metric must be one of"),
        (lambda x, y: knn.entropy(0 * x + y[0, 0]), ValueError, "column 0 is constant"),
        (
            lambda x, y: knn.weighted_entropy(np.tile(x, 4), k=2),
            ValueError,
            r"1 \+ dim // 4 = 3",
        ),
        (
            lambda x, y: knn.ross(x, y[:, 0], num_classes=2),
            TypeError,
            "labels must be integers",
        ),
        (
            lambda x, y: knn.ross(x, np.full(len(x), 2), num_classes=2),
            ValueError,
            r"labels must lie in \[0, 2\), got values from 2 to 2",
        ),
        (
            lambda x, y: knn.ross(x, np.zeros(5, int), num_classes=2),
            ValueError,
            r"labels must have shape \[300\]",
        ),
        (
            lambda x, y: knn.class_information(x, np.zeros(len(x), int), num_classes=0),
            ValueError,
            "num_classes must be a whole number, at least 1",
        ),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(*gaussian())


@pytest.mark.parametrize(("platform", "k"), [("cpu", 3), ("gpu", 12)])
def test_gradient_of_entropy(platform, k):
    """Every sample pulls at its k-th neighbour, and is pulled at by it."""
    x, _ = gaussian()
    num_samples, dim = x.shape
    distance = distances(x, "euclidean")
    np.fill_diagonal(distance, np.inf)
    other = np.argsort(distance, axis=1)[:, k - 1]
    apart = x.astype(np.float64) - x[other]
    apart *= dim / num_samples / np.sum(apart**2, axis=1, keepdims=True)
    expected = apart.copy()
    np.add.at(expected, other, -apart)
    with compiling_for(platform):
        gradient = jax.grad(knn.entropy)(x, k=k)
    # A dozen roundings of each pull, which may cancel.
    error = 12 * 2.0**-24 * np.max(np.abs(apart))
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=error)


@pytest.mark.parametrize(
    "estimate",
    [
        lambda x, y: knn.ksg(x, y),
        lambda x, y: knn.ksg(x, y, variant=2),
        lambda x, y: knn.ross(x, classes()[1], num_classes=CLASSES),
        lambda x, y: knn.conditional_mutual_information(x[:, :1], y, y**2),
    ],
)
def test_counts_have_no_gradient(estimate):
    x, y = gaussian()
    # In one program the estimate itself, which nobody asks for, is not compiled.
    gradient = jax.jit(jax.grad(estimate))(x, y)
    np.testing.assert_array_equal(gradient, np.zeros_like(x))


def test_gradient_of_information_from_entropies():
    """A larger X is worth its dimension in h(X), and its share of h(X,Y)."""
    x, y = gaussian()
    joint = np.concatenate([x, y], axis=1)
    distance = distances(joint, "euclidean")
    np.fill_diagonal(distance, np.inf)
    other = np.argsort(distance, axis=1)[:, 2]
    squares = (joint.astype(np.float64) - joint[other]) ** 2
    share = np.sum(squares[:, :2], axis=1) / np.sum(squares, axis=1)
    expected = x.shape[1] - joint.shape[1] * np.mean(share)

    def information(scale):
        return knn.mutual_information(scale * jnp.asarray(x), y)

    # Means of N terms of up to three, each rounded a dozen times.
    error = 12 * 3 * 2.0**-24
    assert abs(jax.jit(jax.grad(information))(1.0) - expected) < error


def test_gradients_of_many_entropies_at_once():
    """The logarithm of a scale is worth its dimension."""
    x, _ = gaussian()
    gradient = jax.grad(lambda scale: knn.entropy(scale * jnp.asarray(x)))
    found = jax.jit(jax.vmap(gradient))(jnp.array([1.0, 4.0]))
    np.testing.assert_allclose(found, [2.0, 0.5], rtol=12 * 3 * 2.0**-24)
