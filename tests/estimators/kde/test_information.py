"""Kernel-density bounds: against all pairs in float64, limits, gradients, memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.compilation import compiling_for
from ibjax.estimators.kde.information import layer_information

BIT = np.log(2.0)
# What the estimator promises on layers of ordinary scale: 1e-4 bits.
PROMISED = 1e-4 * BIT
# Sums of about one are taken in float32, over tiles of 256 in any order: 64 roundings.
ROUNDING = 4e-6
NUM_SAMPLES, DIM, NUM_CLASSES = 600, 5, 3
VARIANCE = 1e-3


def _direct(t, weights, noise_variance):
    """Both bounds from all pairs in float64: [[lower i_xt, i_ty], [upper ...]]."""
    t, weights = np.asarray(t, np.float64), np.asarray(weights, np.float64)
    num_samples = len(t)
    square = np.sum(t**2, axis=1)
    # Exact zeros on the diagonal, and none negative.
    distance = np.maximum(square[:, None] + square - 2 * t @ t.T, 0)
    np.fill_diagonal(distance, 0)
    class_size = weights.sum(axis=0)
    found = []
    for factor in (8, 2):
        kernel = np.exp(-distance / (factor * noise_variance))
        i_xt = -np.mean(np.log(kernel.mean(axis=1)))
        given_y = 0.0
        for size, weight in zip(class_size, weights.T, strict=True):
            member = weight > 0
            if member.any():
                density = kernel[member] @ weight / size
                given_y -= weight[member] @ np.log(density) / num_samples
        found.append([i_xt, i_xt - given_y])
    return np.array(found)


def _found(t, labels, noise_variance=VARIANCE, num_classes=NUM_CLASSES):
    bounds = layer_information(
        t, labels, num_classes=num_classes, noise_variance=noise_variance
    )
    return np.array([[float(value) for value in bound] for bound in bounds])


def _tanh_layer(num_samples=NUM_SAMPLES, dim=DIM, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (num_samples, 12))
    z = x @ rng.normal(0, scale, (12, dim)) - scale
    return np.tanh(z).astype(np.float32)


def _labels(num_samples=NUM_SAMPLES):
    return np.random.default_rng(10).integers(0, NUM_CLASSES, num_samples)


def _one_hot(labels):
    return np.eye(NUM_CLASSES)[labels]


LABELS = _labels()


@pytest.mark.parametrize("noise_variance", [1e-3, 1e-2, 0.1, 10.0])
def test_tanh_layers(noise_variance):
    t = _tanh_layer()
    found = _found(t, LABELS, noise_variance)
    expected = _direct(t, _one_hot(LABELS), noise_variance)
    np.testing.assert_allclose(found, expected, atol=PROMISED)


# Below one tile of 256, one, two and three tiles; more units than samples in a tile.
@pytest.mark.parametrize(
    "num_samples, dim",
    [
        (40, 3),
        (256, 10),
        (512, 2),
        (700, 300),
    ],
)
def test_any_number_of_samples(num_samples, dim):
    t, labels = _tanh_layer(num_samples, dim, scale=0.3), _labels(num_samples)
    found = _found(t, labels)
    np.testing.assert_allclose(
        found, _direct(t, _one_hot(labels), VARIANCE), atol=PROMISED
    )


def test_a_wide_relu_layer_stays_below_log_n():
    rng = np.random.default_rng(1)
    t = np.maximum(rng.normal(size=(1000, 1024)), 0).astype(np.float32)
    labels = _labels(1000)
    found = _found(t, labels)
    # The promise for layers of such spread is 1e-3 bits.
    np.testing.assert_allclose(
        found, _direct(t, _one_hot(labels), VARIANCE), atol=1e-3 * BIT
    )
    assert np.all(found[:, 0] <= np.float32(np.log(1000)))


def test_repeated_samples():
    t = _tanh_layer(30)[np.random.default_rng(2).integers(0, 30, NUM_SAMPLES)]
    found = _found(t, LABELS)
    np.testing.assert_allclose(
        found, _direct(t, _one_hot(LABELS), VARIANCE), atol=PROMISED
    )


@pytest.mark.parametrize("num_patterns", [2, 4, 32])
def test_saturated_units(num_patterns):
    # Patterns of +-1 are too far apart to be confused: counting decides.
    pattern = np.random.default_rng(3).integers(0, num_patterns, NUM_SAMPLES)
    t = (2.0 * (pattern[:, None] >> np.arange(DIM) & 1) - 1).astype(np.float32)
    counts = np.zeros((num_patterns, NUM_CLASSES))
    np.add.at(counts, (pattern, LABELS), 1 / NUM_SAMPLES)

    def entropy(p):
        return -np.sum(p[p > 0] * np.log(p[p > 0]))

    h_t = entropy(counts.sum(1))
    i_ty = h_t + entropy(counts.sum(0)) - entropy(counts)
    np.testing.assert_allclose(_found(t, LABELS), [[h_t, i_ty]] * 2, atol=PROMISED)


def test_a_constant_layer_has_no_information():
    t = np.full((NUM_SAMPLES, DIM), 0.3, np.float32)
    np.testing.assert_allclose(_found(t, LABELS), 0, atol=PROMISED)


def test_two_far_clusters_share_one_bit():
    labels = np.arange(NUM_SAMPLES) % 2
    t = np.where(labels[:, None] == 0, -100.0, 100.0) + np.zeros((1, DIM))
    found = _found(t.astype(np.float32), labels)
    np.testing.assert_allclose(found, BIT, atol=PROMISED)


# Short and long beside the kernel, and too long to be worth a grid. As many samples of
# so many units as above: the same programs.
@pytest.mark.parametrize("length", [0.01, 0.3, 1.5, 6.0])
@pytest.mark.parametrize("num_samples, dim", [(NUM_SAMPLES, 1), (512, 2), (256, 10)])
def test_samples_on_a_line(length, num_samples, dim):
    rng = np.random.default_rng(7)
    direction = rng.normal(size=dim)
    place = length * rng.beta(0.3, 0.3, num_samples)
    t = np.outer(place, direction / np.linalg.norm(direction)).astype(np.float32)
    labels = _labels(num_samples)
    expected = _direct(t, _one_hot(labels), VARIANCE)
    np.testing.assert_allclose(_found(t, labels), expected, atol=PROMISED)


# In noise standard deviations of 0.03: nothing, just too little to count, and more.
@pytest.mark.parametrize("across", [1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
def test_samples_near_a_line(across):
    rng = np.random.default_rng(8)
    t = np.stack([rng.random(512), across * rng.random(512)], 1).astype(np.float32)
    labels = _labels(512)
    expected = _direct(t, _one_hot(labels), VARIANCE)
    np.testing.assert_allclose(_found(t, labels), expected, atol=PROMISED)


@pytest.fixture(scope="module")
def of_four_layers():
    def measure(t):
        # The labels are constants of the traced function.
        return layer_information(
            t, LABELS, num_classes=NUM_CLASSES, noise_variance=VARIANCE
        )

    return jax.jit(jax.vmap(measure))


def test_lines_and_other_layers_in_one_batch(of_four_layers):
    place = np.random.default_rng(9).random(NUM_SAMPLES)
    line = np.outer(place, np.arange(1, DIM + 1)).astype(np.float32)
    layers = np.stack([_tanh_layer(), line, 10 * _tanh_layer(), line / 50])
    found = of_four_layers(layers)
    for n, t in enumerate(layers):
        one = [[float(value[n]) for value in bound] for bound in found]
        # A batch rounds products differently, on the widest layer by 6e-6.
        np.testing.assert_allclose(one, _found(t, LABELS), atol=PROMISED)


def test_far_samples_are_all_told_apart():
    t = np.zeros((NUM_SAMPLES, DIM), np.float32)
    t[:, 1] = np.random.default_rng(4).permutation(NUM_SAMPLES)
    h_y = np.bincount(LABELS) / NUM_SAMPLES
    h_y = -np.sum(h_y * np.log(h_y))
    expected = [[np.log(NUM_SAMPLES), h_y]] * 2
    np.testing.assert_allclose(_found(t, LABELS), expected, atol=PROMISED)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_bounds_are_in_order_and_in_range(scale):
    lower, upper = _found(_tanh_layer(scale=scale), LABELS)[:, 0]
    assert 0 <= lower <= upper + ROUNDING
    assert upper <= np.float32(np.log(NUM_SAMPLES))


def test_order_of_samples_and_units_and_origin_do_not_matter():
    t = _tanh_layer()
    found = _found(t, LABELS)
    rng = np.random.default_rng(5)
    order, units = rng.permutation(NUM_SAMPLES), rng.permutation(DIM)
    np.testing.assert_allclose(
        _found(t[order][:, units], LABELS[order]), found, atol=PROMISED
    )
    np.testing.assert_allclose(_found(-t, LABELS), found, atol=PROMISED)
    # A power of two: activities below 1 keep 21 bits beside it, 5e-7, which is
    # 2e-5 noise standard deviations.
    np.testing.assert_allclose(_found(t + 4, LABELS), found, atol=PROMISED)


def test_units_that_are_always_zero_do_not_matter():
    t = _tanh_layer(dim=3)
    padded = np.pad(t, ((0, 0), (0, 2)))
    expected = _direct(t, _one_hot(LABELS), VARIANCE)
    np.testing.assert_allclose(_found(padded, LABELS), expected, atol=PROMISED)


def test_scale_of_activities_and_noise_cancels():
    t = _tanh_layer()
    # Powers of two, so that nothing is rounded.
    np.testing.assert_allclose(
        _found(8 * t, LABELS, 64 * VARIANCE), _found(t, LABELS), atol=ROUNDING
    )


def test_soft_labels():
    t = _tanh_layer()
    weights = np.random.default_rng(6).dirichlet(np.full(3, 0.3), NUM_SAMPLES)
    weights[:50] = [1, 0, 0]
    weights = weights.astype(np.float32)
    np.testing.assert_allclose(
        _found(t, weights), _direct(t, weights, VARIANCE), atol=PROMISED
    )


def test_one_hot_distributions_are_labels():
    t = _tanh_layer()
    soft = _found(t, _one_hot(LABELS).astype(np.float32))
    np.testing.assert_allclose(soft, _found(t, LABELS), atol=ROUNDING)


def test_a_class_may_be_absent():
    t, labels = _tanh_layer(), LABELS % 2
    expected = _direct(t, _one_hot(labels), VARIANCE)
    np.testing.assert_allclose(_found(t, labels), expected, atol=PROMISED)


def test_one_sample():
    np.testing.assert_array_equal(_found(np.ones((1, 2), np.float32), [1]), 0)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_layers(dtype):
    t = jnp.asarray(_tanh_layer(), dtype)
    expected = _direct(np.asarray(t, np.float64), _one_hot(LABELS), VARIANCE)
    np.testing.assert_allclose(_found(t, LABELS), expected, atol=PROMISED)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_passed_on(bad):
    t = _tanh_layer()
    t[17, 1] = bad
    assert np.all(np.isnan(_found(t, LABELS)))


def _sum_of_bounds(t, labels, noise_variance):
    bounds = layer_information(
        t, labels, num_classes=NUM_CLASSES, noise_variance=noise_variance
    )
    return (
        bounds.upper.i_xt
        + 2 * bounds.upper.i_ty
        - 0.5 * bounds.lower.i_xt
        - bounds.lower.i_ty
    )


def _plain_sum_of_bounds(t, weights, noise_variance):
    """The same from all pairs, for autodiff in float64."""
    distance = jnp.sum((t[:, None] - t[None]) ** 2, axis=2)
    values = []
    for factor in (8, 2):
        kernel = jnp.exp(-distance / (factor * noise_variance))
        i_xt = -jnp.mean(jnp.log(jnp.mean(kernel, axis=1)))
        density = kernel @ weights / jnp.sum(weights, axis=0)[None]
        given_y = -jnp.sum(weights * jnp.log(density)) / len(weights)
        values.append((i_xt, i_xt - given_y))
    (lower_x, lower_y), (upper_x, upper_y) = values
    return upper_x + 2 * upper_y - 0.5 * lower_x - lower_y


@pytest.fixture(scope="module")
def gradient():
    return jax.jit(jax.value_and_grad(_sum_of_bounds, (0, 2)))


@pytest.fixture(scope="module")
def plain_gradient():
    return jax.jit(jax.grad(_plain_sum_of_bounds, (0, 2)))


@pytest.mark.parametrize("repeated", [False, True])
def test_gradients_are_those_of_all_pairs(repeated, gradient, plain_gradient):
    # 300 samples: two tiles, the second one short.
    t, labels, variance = _tanh_layer(300, 3), _labels(300), np.float32(0.05)
    if repeated:
        t = t[np.arange(300) // 3]
    _, found = gradient(t, labels, variance)
    with jax.enable_x64(True):
        expected = plain_gradient(
            t.astype(np.float64), _one_hot(labels), np.float64(variance)
        )
    for one, other in zip(found, expected, strict=True):
        assert np.all(np.isfinite(one))
        # Sums of 300 float32 terms of both signs: 1e-4 of the largest entry.
        atol = 1e-4 * np.abs(np.asarray(other)).max()
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=atol)


def test_gradients_are_finite_when_all_samples_are_equal(gradient):
    t = np.full((300, 3), 0.3, np.float32)
    _, (of_t, of_variance) = gradient(t, _labels(300), np.float32(0.05))
    assert np.all(np.isfinite(of_t)) and np.isfinite(of_variance)
    np.testing.assert_allclose(of_t, 0, atol=ROUNDING)


def test_many_networks_are_as_many_single_ones(of_four_layers):
    layers = np.stack([_tanh_layer(seed=seed, scale=0.1 + seed) for seed in range(4)])
    found = of_four_layers(layers)
    for n, t in enumerate(layers):
        one = [[float(value[n]) for value in bound] for bound in found]
        np.testing.assert_allclose(one, _found(t, LABELS), atol=ROUNDING)


def test_the_noise_variance_may_be_traced():
    t = _tanh_layer()
    variances = np.array([1e-3, 0.1], np.float32)
    found = jax.vmap(
        lambda variance: (
            layer_information(
                t, LABELS, num_classes=NUM_CLASSES, noise_variance=variance
            ).upper.i_xt
        )
    )(variances)
    expected = [_found(t, LABELS, float(variance))[1, 0] for variance in variances]
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_memory_does_not_grow_with_the_number_of_pairs():
    num_samples, dim = 20_000, 10
    estimate = jax.jit(
        lambda t, labels: layer_information(
            t, labels, num_classes=2, noise_variance=VARIANCE
        )
    )
    compiled = estimate.lower(
        jax.ShapeDtypeStruct((num_samples, dim), jnp.float32),
        jax.ShapeDtypeStruct((num_samples,), jnp.int32),
    ).compile()
    temporary = compiled.memory_analysis().temp_size_in_bytes
    # All pairs are 1,600 MB. Some 30 arrays of the size of the layer are 24 MB.
    assert 0 < temporary < 30 * num_samples * dim * 4


@pytest.mark.parametrize("noise_variance", [0.0, -1.0, np.nan, np.ones(2)])
def test_wrong_noise_is_refused(noise_variance):
    t = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="noise_variance must be one positive number"):
        layer_information(t, [0, 1, 1], num_classes=2, noise_variance=noise_variance)


def test_layers_and_labels_are_checked():
    with pytest.raises(ValueError, match=r"t must have shape \[num_samples, dim\]"):
        layer_information(np.zeros(3), [0], num_classes=1, noise_variance=1)
    with pytest.raises(TypeError, match="t must be floating, got int"):
        layer_information(np.zeros((1, 1), int), [0], num_classes=1, noise_variance=1)
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\)"):
        layer_information(np.zeros((1, 1)), [1], num_classes=1, noise_variance=1)


def _groups(scale, spread):
    """Five places far apart, and samples about them; coordinates of float32."""
    rng = np.random.default_rng(11)
    places = scale * rng.normal(size=(5, DIM))
    spread = spread * rng.normal(size=(NUM_SAMPLES, DIM))
    return (places[rng.integers(0, 5, NUM_SAMPLES)] + spread).astype(np.float32)


def _by_differences(t, weights, noise_variance):
    """Both bounds in float64, as ``_direct``, from differences of samples."""
    t = np.asarray(t, np.float64)
    distance = sum((x[:, None] - x) ** 2 for x in t.T)
    found = []
    for factor in (8, 2):
        kernel = np.exp(-distance / (factor * np.float64(noise_variance)))
        i_xt = -np.mean(np.log(kernel.mean(axis=1)))
        density = np.where(weights > 0, kernel @ weights / weights.sum(axis=0), 1)
        log_density = np.log(density)
        found.append([i_xt, i_xt + np.sum(weights * log_density) / len(t)])
    return np.array(found)


def _mixed_scales(far, near):
    """A third of the samples far off on either side, the others near the origin."""
    t = np.random.default_rng(12).normal(0, near, (NUM_SAMPLES, DIM))
    t[::3], t[1::3] = far, -far
    return t.astype(np.float32)


LARGEST = 3.4e38
EXTREMES = {
    "groups, equal in themselves": (_groups(1e17, 0), VARIANCE),
    "all apart": (_groups(1e17, 1e16), VARIANCE),
    "far groups": (_groups(3e3, 0.05), VARIANCE),
    "largest numbers": (np.sign(_groups(1, 0)) * np.float32(3e38), VARIANCE),
    "smallest noise": (_groups(1, 0), 1e-45),
    "small": (_groups(1e-20, 1e-20), 1e-40),
    "large": (_groups(1e19, 1e19), LARGEST),
    "mixed": (_mixed_scales(1e30, 1e-10), 1e-20),
    "widely mixed": (_mixed_scales(3e38, 1e-22), 1e-44),
    "heavy tails": (np.float32(1 / _groups(0, 0.1)), 1.0),
    "a line": (np.outer(_groups(1e6, 0)[:, 0], np.arange(DIM)), VARIANCE),
}


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_any_scale_that_float32_has(platform):
    with compiling_for(platform):
        estimate = jax.jit(
            lambda t, noise_variance: layer_information(
                t, LABELS, num_classes=NUM_CLASSES, noise_variance=noise_variance
            )
        )
        for name, (t, noise_variance) in EXTREMES.items():
            t, noise_variance = np.float32(t), np.float32(noise_variance)
            expected = _by_differences(t, _one_hot(LABELS), noise_variance)
            found = np.array(estimate(t, noise_variance))
            np.testing.assert_allclose(found, expected, atol=PROMISED, err_msg=name)


def test_many_units_far_apart():
    # More units than differences are taken of where products will do.
    rng = np.random.default_rng(13)
    t = 1e4 * rng.normal(size=(7, 100))[rng.integers(0, 7, 300)]
    t = (t + 0.01 * rng.normal(size=t.shape)).astype(np.float32)
    labels = _labels(300)
    expected = _by_differences(t, _one_hot(labels), VARIANCE)
    for platform in ("cpu", "gpu"):
        with compiling_for(platform):
            found = np.array(
                jax.jit(
                    lambda t: layer_information(
                        t, labels, num_classes=NUM_CLASSES, noise_variance=VARIANCE
                    )
                )(t)
            )
        np.testing.assert_allclose(found, expected, atol=PROMISED)


@pytest.mark.parametrize(
    "far, near, noise_variance",
    [(3e38, 0.0, 1e-38), (1e17, 1.0, 1.0), (1e5, 0.01, 1e-3), (1e-19, 1e-20, 1e-38)],
)
def test_gradients_at_any_scale(far, near, noise_variance, gradient, plain_gradient):
    t = _mixed_scales(far, near)[:300, :3]
    labels, variance = _labels(300), np.float32(noise_variance)
    _, found = gradient(t, labels, variance)
    with jax.enable_x64(True):
        expected = plain_gradient(
            t.astype(np.float64), _one_hot(labels), np.float64(variance)
        )
    for one, other in zip(found, expected, strict=True):
        other = np.asarray(other)
        atol = 1e-4 * np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("noise_variance", [1e-50, 1e40])
def test_a_noise_that_float32_does_not_have_is_refused(noise_variance):
    t = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="noise_variance must lie in .* float32 holds"):
        layer_information(t, [0, 1, 1], num_classes=2, noise_variance=noise_variance)
    with jax.enable_x64(True):
        found = layer_information(
            t.astype(np.float64), [0, 1, 1], num_classes=2, noise_variance=1e-50
        )
    np.testing.assert_allclose(found, 0, atol=ROUNDING)
