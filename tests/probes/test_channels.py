"""Channel probes: against sums over pairs in float64, maps, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import probes
from ibjax.datasets import make_task
from ibjax.networks.network import Layer, Network
from ibjax.probes.channels import activity_maps, channel_mean

RNG = np.random.default_rng(0)
NOISE_VARIANCE = 0.2
SHAPES = ((2, 3, 2), (4,))
LABELS = np.array([0, 1, 2] * 4)


def _snapshot(*layers, shapes=SHAPES):
    """A snapshot of layers and their shapes: the probes look at nothing else."""
    task = make_task(RNG.normal(size=(len(layers[0]), 6)), LABELS[: len(layers[0])])
    others = dict.fromkeys(probes.Snapshot._fields)
    layers = tuple(jnp.asarray(t, jnp.float32) for t in layers)
    network = Network(None, None, None, tuple(Layer("", s) for s in shapes), "shapes")
    own = {"layers": layers, "measured": task, "network": network}
    return probes.Snapshot(**(others | own))


@pytest.fixture(scope="module")
def layers():
    return [RNG.normal(size=(12, width)) for width in (12, 4)]


def _entropy(t, variance):
    """The entropy's bound up to a constant, which information does not see."""
    squares = np.sum((t[:, None] - t[None]) ** 2, axis=-1)
    return -np.mean(np.log(np.mean(np.exp(-squares / (2 * variance)), axis=1)))


def _information(t, bound):
    variance = NOISE_VARIANCE * (1 if bound == "upper" else 4)
    i_xt = _entropy(t, variance)
    within = [_entropy(t[LABELS == label], variance) for label in range(3)]
    return i_xt, i_xt - np.mean(within)


@pytest.mark.parametrize("bound", ["upper", "lower"])
def test_the_mean_is_that_of_the_channels(layers, bound):
    found = channel_mean(NOISE_VARIANCE)(_snapshot(*layers))[f"mean_{bound}"]
    # Channels are innermost.
    channels = [_information(layers[0][:, channel::2], bound) for channel in range(2)]
    expected = np.array([np.mean(channels, axis=0), _information(layers[1], bound)])
    # What the estimator promises in float32.
    np.testing.assert_allclose(found.i_xt, expected[:, 0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.i_ty, expected[:, 1], rtol=0, atol=1e-4)


def test_the_mean_breaks_the_data_processing_inequality():
    """Each channel has one of the two bits of the input, the next layer both."""
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    snapshot = _snapshot(10.0 * bits, 10.0 * bits, shapes=[(1, 1, 2), (2,)])
    found = channel_mean(NOISE_VARIANCE)(snapshot)
    # A distance of 10 at this variance: kernels of exp(-62) or less.
    for bound in ("upper", "lower"):
        np.testing.assert_allclose(
            found[f"mean_{bound}"].i_xt, np.log([2, 4]), rtol=1e-5
        )


def test_the_same_layer_side_by_side_or_with_one_channel(layers):
    snapshot = _snapshot(*layers, shapes=[(3, 4, 1), (4,)])
    one = channel_mean(NOISE_VARIANCE)(snapshot)
    concat = probes.kde_bounds(NOISE_VARIANCE, "concat")(snapshot)
    for bound in ("upper", "lower"):
        np.testing.assert_allclose(
            one[f"mean_{bound}"].i_xt, concat[f"concat_{bound}"].i_xt, rtol=1e-5
        )


def test_maps_are_the_activities_of_one_image(layers):
    snapshot = _snapshot(*layers)
    found = activity_maps((2, 3), image=5, num_channels=8)(snapshot)
    assert sorted(found) == ["maps_0", "maps_1"]
    np.testing.assert_array_equal(found["maps_0"][0].ravel(), snapshot.measured.x[5])
    expected = layers[0][5].astype(np.float32)
    for channel in range(2):
        np.testing.assert_array_equal(
            found["maps_1"][channel].ravel(), expected[channel::2]
        )
    fewer = activity_maps((2, 3), num_channels=1)(snapshot)
    assert fewer["maps_1"].shape == (1, 2, 3)


def test_refusals(layers):
    snapshot = _snapshot(*layers)
    wrong = _snapshot(*layers, shapes=[(2, 6), (4,)])
    match = r"layers must have the shape \(height, width, channels\) .*\(2, 6\)"
    for probe in (channel_mean(NOISE_VARIANCE), activity_maps((2, 3))):
        with pytest.raises(ValueError, match=match):
            probe(wrong)
    with pytest.raises(ValueError, match=r"image must lie in \[0, 12\), got 12"):
        activity_maps((2, 3), image=12)(snapshot)
    with pytest.raises(
        ValueError, match="num_channels must be a whole number, at least 1"
    ):
        activity_maps((2, 3), num_channels=0)
