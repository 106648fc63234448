"""Occlusion of linear models, where a window takes away what is in it."""

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.attribution import occlusion

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 5, 7, 2)).astype(np.float32)
WEIGHTS = rng.normal(size=(5, 7, 2, 2)).astype(np.float32)


def _linear(params, x):
    return jnp.einsum("bhwc,hwck->bk", x, params)


@pytest.mark.parametrize(
    ("window", "stride"), [((2, 3), None), ((3, 2), (1, 2)), ((5, 7), (1, 1))]
)
def test_a_pixel_has_the_mean_of_the_windows_over_it(window, stride):
    lost = np.sum((X - 0.5) * WEIGHTS[None, ..., 1], axis=3)
    down, across = stride or window
    total, counts = np.zeros((3, 5, 7)), np.zeros((5, 7))
    # Windows begin until one reaches the end of the image.
    for i in range(0, 5 - window[0] + down, down):
        for j in range(0, 7 - window[1] + across, across):
            part = np.s_[i : i + window[0], j : j + window[1]]
            total[:, *part] += lost[:, *part].sum(axis=(1, 2), keepdims=True)
            counts[part] += 1
    found = occlusion(
        _linear,
        WEIGHTS,
        X,
        1,
        window=window,
        stride=stride,
        baselines=0.5,
        batch_size=2,
    )
    expected = np.repeat((total / counts)[..., None], 2, axis=3)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_that_do_not_fit_are_refused():
    for window, stride in (((6, 2), None), ((2, 2), (3, 1))):
        with pytest.raises(ValueError, match="window must be at least the stride"):
            occlusion(_linear, WEIGHTS, X, 1, window=window, stride=stride)
