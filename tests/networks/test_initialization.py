"""First weights of flax modules: shapes, zero biases, the variance of a uniform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.networks.initialization import uniform_params

SHAPES = {
    "wide": {"kernel": (50, 400), "bias": (400,)},
    "kernel": (3, 4, 800),
    "scale": (),
}


@pytest.fixture(scope="module")
def params():
    shapes = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
        SHAPES,
        is_leaf=lambda node: isinstance(node, tuple),
    )
    return uniform_params(shapes, jax.random.key(0))


def test_the_tree_and_its_shapes_are_kept(params):
    assert jax.tree.map(jnp.shape, params) == SHAPES
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))


def test_what_is_no_weight_is_zero(params):
    np.testing.assert_array_equal(params["wide"]["bias"], np.zeros(400))
    assert params["scale"] == 0


def test_weights_are_uniform_with_variance_one_over_the_inputs(params):
    for weights, inputs in ((params["wide"]["kernel"], 50), (params["kernel"], 3)):
        weights = np.float64(weights)
        std = inputs**-0.5
        assert abs(weights.mean()) < 5 * std / np.sqrt(weights.size)
        # The fourth moment of a uniform is 9/5 of the variance squared: the standard
        # deviation of n numbers has a relative standard error of sqrt(0.2 / n).
        error = std * np.sqrt(0.2 / weights.size)
        assert abs(weights.std() - std) < 5 * error
        # All lie within sqrt(3) standard deviations, give or take a rounding, and of
        # thousands the largest comes within a part 1e-2 of it.
        largest = np.abs(weights).max() / (np.sqrt(3) * std)
        assert 0.99 < largest <= 1 + 2**-22


def test_weights_of_two_layers_differ(params):
    first = params["wide"]["kernel"].ravel()[:100] / np.sqrt(3 / 50)
    second = params["kernel"].ravel()[:100] / np.sqrt(3 / 3)
    assert np.abs(first - second).max() > 0.1


def test_the_dtype_is_the_one_asked_for():
    shapes = [jax.ShapeDtypeStruct((2, 3), jnp.float32)]
    with jax.enable_x64(True):
        (weights,) = uniform_params(shapes, jax.random.key(0), jnp.float64)
        assert weights.dtype == jnp.float64
