"""Dropout of a chain's units: how many, what is left, and what is no chain."""

from functools import partial

import jax
import numpy as np
import pytest

from ibjax import networks
from ibjax.networks.convolutional import convolutional

KEY = jax.random.key(0)
IMAGES = convolutional((6, 6), channels=(2, 3), hidden=(5,), num_classes=3)


def test_dropped_units_leave_the_mean():
    network = networks.binary_dropout(IMAGES, 0.25, layers=[0])
    params = network.init(KEY)
    x = np.tile(np.linspace(0, 1, 36, dtype=np.float32), (100, 1))
    options = {"key": jax.random.key(1)}
    plain = IMAGES.activations(params, x)[0][0]
    kept = network.activations(params, x, **options)[0][0]
    np.testing.assert_array_equal(kept, plain)
    dropped = jax.jit(partial(network.activations, training=True))(
        params, x, **options
    )[0]
    seen = np.flatnonzero(plain > 0)
    share = np.mean(dropped[:, seen] == 0)
    # Independent draws: five standard errors.
    error = np.sqrt(0.25 * 0.75 / 100 / len(seen))
    assert abs(share - 0.25) < 5 * error
    kept = np.unique(np.asarray(dropped[:, seen[0]]))
    np.testing.assert_allclose(kept, [0, plain[seen[0]] / 0.75], rtol=1e-5)


@pytest.mark.parametrize(
    "network, options, message",
    [
        (IMAGES, {"rate": 1.0}, "rate must lie in"),
        (IMAGES, {"rate": 0.5, "layers": [2]}, "layers must be one of 0, 1, 3, got 2"),
        (IMAGES._replace(layer=None), {"rate": 0.5}, "network must be a chain"),
        (networks.mlp([3, 2]), {"rate": 0.5}, "layers must hold at least one hidden"),
    ],
)
def test_what_cannot_be_dropped_is_refused(network, options, message):
    with pytest.raises(ValueError, match=message):
        networks.binary_dropout(network, **options)
