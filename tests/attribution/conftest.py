"""A small convolutional network that needs no training, and images, for all tests."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from ibjax import networks


class SmallConvolutional(linen.Module):
    """Two convolutions and two dense layers, cut before their ReLUs."""

    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Conv(4, (3, 3), name="first")(x))
        x = linen.relu(linen.Conv(6, (3, 3), name="second")(x))
        x = linen.Dense(24, name="third")(x.reshape(x.shape[0], -1))
        return linen.Dense(3, name="logits")(linen.relu(x))


IMAGES = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def small():
    """Network, parameters, images ``[5, 8, 8, 2]`` and targets ``[5]``."""
    network = networks.from_flax(
        SmallConvolutional(),
        jnp.zeros((1, 8, 8, 2)),
        layers=["first", "second", "third"],
    )
    params = jax.jit(network.init)(jax.random.key(0))
    return network, params, jnp.asarray(IMAGES), jnp.array([0, 1, 2, 0, 1])
