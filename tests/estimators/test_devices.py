"""Estimates divided among devices: those of one device, to the last bit or rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import compilation, estimators
from ibjax.estimators import kde, knn, over_devices
from ibjax.estimators.kde.all_pairs import sums_of_all_pairs
from ibjax.estimators.knn.all_pairs import all_nearest

# More than are counted pair by pair along a line, and no multiple of anything.
NUM_SAMPLES = 10_007


def _pairs(dim, num_samples=NUM_SAMPLES):
    rng = np.random.default_rng(dim)
    x = rng.normal(size=(num_samples, dim)).astype(np.float32)
    return x, (x + rng.normal(size=x.shape)).astype(np.float32)


@pytest.mark.parametrize(("dim", "num_samples"), [(1, NUM_SAMPLES), (2, 1301)])
def test_neighbours_are_those_of_one_device(dim, num_samples):
    x, y = _pairs(dim, num_samples)
    assert len(jax.devices()) == 2
    assert over_devices(knn.ksg)(x, y) == knn.ksg(x, y)


def test_copies_are_counted_as_on_one_device():
    x, y = _pairs(1, 1301)
    x = np.maximum(x, 0)
    assert over_devices(knn.ksg)(x, y) == knn.ksg(x, y)


@pytest.mark.parametrize(
    ("on_line", "scale"), [(True, 1.0), (False, 1.0), (False, 1e6)]
)
def test_kernels_are_those_of_one_device(on_line, scale):
    t = scale * np.tanh(_pairs(3, 3001)[0])
    if on_line:
        t[:, 1:] = t[:, :1]
    labels = (t[:, 0] > 0).astype(int)
    options = {"num_classes": 2, "noise_variance": 0.1}
    one = kde.layer_information(t, labels, **options)
    divided = over_devices(kde.layer_information)(t, labels, **options)
    # Sums of 3,001 positive numbers, in another order, whose logarithms are averaged.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=3001 * 2.0**-24),
        one,
        divided,
    )


def test_one_device_and_few_samples():
    x, y = _pairs(1, 9)
    alone = over_devices(knn.ksg, jax.devices()[:1])(x, y)
    assert alone == over_devices(knn.ksg)(x, y) == knn.ksg(x, y)
    assert alone.devices() == set(jax.devices()[:1])


def test_what_is_traced_runs_as_without():
    x, y = map(jnp.asarray, _pairs(1, 300))
    both = jax.vmap(knn.ksg)
    np.testing.assert_array_equal(
        over_devices(both)(x[None], y[None]), both(x[None], y[None])
    )


def test_bound_arrays_and_results_of_before_are_taken():
    x, y = map(jnp.asarray, _pairs(1, 300))
    divided = over_devices(knn.ksg)
    found = divided(jax.device_put(x, jax.devices()[1]), y)
    assert found == divided(x, found / found * y) == knn.ksg(x, y)
    assert not found.committed


def test_what_is_divided_may_be_traced_itself():
    x, y = map(jnp.asarray, _pairs(1, 300))
    divided = over_devices(knn.ksg)
    assert jax.jit(divided)(x, y) == jax.jit(knn.ksg)(x, y)
    assert jax.vmap(divided)(x[None], y[None])[0] == jax.vmap(knn.ksg)(x[None], y[None])


def test_pairs_as_an_accelerator_takes_them_are_divided():
    x = jnp.asarray(_pairs(3, 100)[0])

    @compilation.jit()
    def nearest(x):
        parts.append(compilation.num_parts())
        return all_nearest(x.T, dims=(3,), metric="euclidean", k=3)

    @compilation.jit()
    def sums(x):
        weights = jnp.ones((len(x), 1))
        return sums_of_all_pairs(x.T, jnp.ones(()), weights)

    parts: list[int] = []
    for function in (nearest, sums):
        one = function(x)
        np.testing.assert_array_equal(over_devices(function)(x), one)
    assert parts == [1, 2]


def test_the_door_divides():
    # As many samples as above: the same programs of the neighbours.
    x, y = _pairs(1, 300)
    one, divided = (
        call(x, y)
        for call in (
            estimators.mutual_information,
            over_devices(estimators.mutual_information),
        )
    )
    assert one == divided


def test_parts_of_sizes_that_do_not_divide():
    @compilation.jit()
    def all_of_it(x):
        doubled = compilation.map_blocks(lambda each: 2 * each, x)
        added = compilation.map_samples(lambda a, b: a[0] + b, x[None], x)
        parts = compilation.sum_of_parts(lambda part, parts: jnp.array([1, part]))
        return doubled, added, parts

    for size in (1, 2, 7):
        x = jnp.arange(size)
        with compilation.dividing_over(jax.devices()):
            doubled, added, parts = all_of_it(x)
        np.testing.assert_array_equal(doubled, 2 * x)
        np.testing.assert_array_equal(added, 2 * x)
        np.testing.assert_array_equal(parts, [2, 1])
    np.testing.assert_array_equal(all_of_it(jnp.arange(3))[2], [1, 0])


@pytest.mark.parametrize(
    ("devices", "error", "message"),
    [
        ([], ValueError, "devices must hold at least one device, got none"),
        (3, TypeError, "devices must be a list or a tuple, got 3"),
        (["cpu"], TypeError, r"devices\[0\] must be a Device, got 'cpu'"),
    ],
)
def test_what_is_no_device_is_named(devices, error, message):
    with pytest.raises(error, match=message):
        over_devices(knn.ksg, devices)
    with pytest.raises(TypeError, match="function must be a function"):
        over_devices(3)
