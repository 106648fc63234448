"""Claims about networks on images, and their figures: verdicts known beforehand."""

import json
import math

import numpy as np
import pytest
import xarray as xr

from ibjax.experiments.convolutional.claims import convolutional_claims
from ibjax.experiments.convolutional.figures import activity_maps, channel_planes
from ibjax.experiments.mnist.claims import mnist_claims
from ibjax.experiments.mnist.figures import trained_planes
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset

EPOCHS = np.array([0, 1, 4, 16])
NUM_SEEDS, NUM_SAMPLES = 6, 1024
NATS = math.log(2)
NAMES = ["relu conv 2", "max-pool 2", "relu 8", "softmax 10"]
SHAPES = [[4, 4, 2], [2, 2, 2], [8], [10]]
UNIFORM = [0.1] * 10


def _sweep(curves, names, configuration, **more):
    """A sweep from curves ``[num_layers, num_epochs]`` of (I(X;T), I(T;Y)), in bits.

    Seeds differ by up to a hundredth of a bit, so that intervals have a width.
    """
    offset = 0.01 * np.linspace(-1, 0, NUM_SEEDS)[:, None, None, None]

    def information(place):
        bits = np.array([curves[name][place] for name in curves], float)
        return (
            ("seed", "epoch", "layer", "estimator"),
            NATS * (np.transpose(bits)[None] + offset),
        )

    return xr.Dataset(
        {"i_xt": information(0), "i_ty": information(1), **more},
        {
            "seed": np.arange(NUM_SEEDS),
            "epoch": EPOCHS,
            "layer": np.arange(1, len(names) + 1),
            "layer_name": ("layer", names),
            "layer_width": ("layer", [1] * len(names)),
            "estimator": list(curves),
        },
        {
            "configuration": json.dumps(configuration),
            "num_samples": NUM_SAMPLES,
            "h_y": math.log(10),
            "i_xy": math.log(10),
            "wall_seconds": 1.0,
            "compile_seconds": 0.0,
        },
    )


def _verdicts(claims, number):
    return [c.verdict for c in claims if c.claim.startswith(f"{number}.")]


FALLING, RISING, FULL = [4, 6, 5, 4], [1, 4, 5, 6], [10, 10, 10, 10]
LEARNS = [1, 2, 3, 3]


def _grid(tanh, relu, first=FULL, snr=(2.0, 1.5, 0.5, 0.3)):
    cells = []
    for last in (tanh, relu):
        curves = {"kde_upper": ([first, last, LEARNS], [LEARNS] * 3)}
        ratio = (
            np.array(snr)[None, :, None] * np.linspace(1, 1.1, NUM_SEEDS)[:, None, None]
        )
        ratio = np.repeat(ratio, 3, axis=2)
        cells.append(
            _sweep(
                curves,
                ["a", "b", "c"],
                {},
                gradient_snr=(("seed", "epoch", "layer"), ratio),
            )
        )
    return combine([{"activation": name} for name in ("tanh", "relu")], cells)


def test_mnist_as_published():
    found = mnist_claims(_grid(FALLING, RISING))
    assert [c.verdict for c in found] == ["holds"] * 10
    assert [c.claim[:2] for c in found] == ["1."] * 2 + ["2."] * 4 + ["3."] * 4
    # The fall from 6 to 4 bits, 10 bits and the distance of 4 from them, each half a
    # hundredth lower on average, and the ratios 2 and 0.3 times 1.05.
    values = [found[n].value for n in (0, 2, 3, 6, 7)]
    np.testing.assert_allclose(values, [2.0, 0.005, 6.005, 2.1, 0.315], atol=1e-6)


def test_mnist_the_other_way_round():
    low, noise = [9, 10, 10, 10], (0.5, 0.5, 0.5, 1.5)
    found = mnist_claims(_grid(RISING, FALLING, first=low, snr=noise))
    assert _verdicts(found, 1) == ["does not hold"] * 2
    assert _verdicts(found, 2) == ["does not hold", "holds"] * 2
    # The last ratio is above one, and it alone.
    assert _verdicts(found, 3) == ["holds", "does not hold"] * 2


def test_a_layer_at_the_ceiling_could_not_be_seen_to_compress():
    found = mnist_claims(_grid(FALLING, FULL))
    assert _verdicts(found, 1) == ["holds"] * 2
    assert _verdicts(found, 2) == ["holds"] * 3 + ["does not hold"]


def test_mnist_names_the_networks():
    cells = [_grid(FALLING, RISING).isel(activation=n) for n in (0, 1)]
    places = [{"hidden": "2-1", "activation": name} for name in ("tanh", "relu")]
    found = mnist_claims(combine(places, [c.drop_vars("activation") for c in cells]))
    assert found[0].claim.startswith("1. 2-1, tanh: layer 2 (b) compresses")


def test_mnist_refuses_other_grids():
    with pytest.raises(ValueError, match="must be a grid over hidden and activation"):
        mnist_claims(example_dataset(num_seeds=2))


def test_planes_and_curves_begin_with_the_first_epoch():
    figure = trained_planes(_grid(FALLING, RISING))
    assert "from epoch 1 on" in figure.get_suptitle()
    tanh, relu, falls, rises = figure.axes[:4]
    assert [tanh.get_title(), relu.get_title()] == ["tanh", "relu"]
    for axes, bits in ((falls, FALLING), (rises, RISING)):
        x, y = (np.asarray(axes.lines[1].get_data()[n]) for n in (0, 1))
        np.testing.assert_array_equal(x, EPOCHS[1:])
        np.testing.assert_allclose(y, bits[1:], atol=0.01)
        assert axes.get_xlim() == (1, 16)
    # Untrained layers had one bit; the least of trained ones is two.
    assert 1 < tanh.get_xlim()[0] < 2
    assert not any(axes.get_legend() for axes in figure.axes)
    assert len(figure.legends) == 1


def _channels(concat=FULL, mean=(5, 5, 5, 5), dense=(6, 7, 8, 8), **more):
    """Two layers with channels, and one without."""
    label = [math.log2(10)] * 4
    dense = [list(dense), LEARNS]
    curves = {}
    for way, curve in (("concat", concat), ("mean", mean)):
        for bound in ("upper", "lower"):
            i_xt = [list(curve), list(curve), dense[0], LEARNS]
            curves[f"{way}_{bound}"] = (i_xt, [label, label, LEARNS, LEARNS])
    configuration = {"shapes": SHAPES, "noise_variance": 0.0735, "p_y": UNIFORM}
    return _sweep(curves, NAMES, configuration | more)


def test_channels_as_published():
    found = convolutional_claims(_channels())
    assert _verdicts(found, 1) == ["holds"] * 4
    assert _verdicts(found, 2) == ["holds"] * 4
    assert _verdicts(found, 3) == ["holds"] * 4
    # Of ten classes of a tenth, with kernels exp(-1 / 0.0735) and exp(-1 / 0.294).
    assert _verdicts(found, 4) == ["holds", "does not hold"]
    assert "below 0.14 give" in found[-2].claim
    np.testing.assert_allclose(
        [found[-2].value, found[-1].value],
        [math.log2(1 + 9 * math.exp(-1 / (v * 0.0735))) for v in (1, 4)],
        rtol=1e-6,
    )
    rises = [c for c in found if c.claim.startswith("2.")]
    np.testing.assert_allclose([c.value for c in rises], [0, 0, 3, 3], atol=1e-9)


def test_channels_the_other_way_round():
    found = convolutional_claims(
        _channels(concat=[9, 9, 9, 8], mean=[9, 9, 9, 8.5], dense=[8, 8, 8, 8])
    )
    assert _verdicts(found, 1) == ["does not hold"] * 4
    assert _verdicts(found, 2) == ["holds"] * 2 + ["does not hold"] * 2
    assert _verdicts(found, 3) == ["does not hold"] * 4
    concat = convolutional_claims(_channels(concat=[7, 7, 7, 7]))
    assert _verdicts(concat, 2) == ["does not hold"] * 2 + ["holds"] * 2


def test_labels_that_cannot_have_the_target():
    found = convolutional_claims(_channels(p_y=[0.9, 0.1], noise_variance=0.01))
    assert _verdicts(found, 4) == ["does not hold"] * 2
    assert "below" not in found[-1].claim


def test_channels_need_their_configuration():
    dataset = _channels()
    dataset.attrs["configuration"] = json.dumps({"shapes": SHAPES})
    with pytest.raises(ValueError, match="must hold shapes, noise_variance and p_y"):
        convolutional_claims(dataset)


def test_planes_have_a_panel_for_each_way():
    figure = channel_planes(_channels())
    concat, mean = figure.axes
    assert concat.get_title() == "all channels side by side"
    # The last dot of the last layer but one, the same in both.
    for axes in (concat, mean):
        dots = [line for line in axes.lines if line.get_label() == "3: relu 8"]
        np.testing.assert_allclose(dots[0].get_xdata(), [8.0], atol=0.01)


def test_dots_have_one_size_and_a_key():
    figure = channel_planes(_channels())
    concat, mean = figure.axes
    sizes = {
        line.get_markersize()
        for axes in (concat, mean)
        for line in axes.lines
        if line.get_marker() == "o"
    }
    assert len(sizes) == 1
    legend = figure.legends[0]
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[len(NAMES) :] == ["epoch 0", "epoch 16", "lower to upper bound"]
    first, last = legend.legend_handles[len(NAMES) :][:2]
    assert (first.get_markerfacecolor(), last.get_markerfacecolor()) == ("white", "0.3")
    assert {line.get_markersize() for line in (first, last)} == sizes
    # Both layers with channels have ten bits side by side, and five in the mean.
    for axes in (concat, mean):
        numbers = {text.get_text(): text.xy[0] for text in axes.texts}
        assert numbers["1, 2"] == pytest.approx(10 if axes is concat else 5, abs=0.01)
        assert numbers["3"] == pytest.approx(8, abs=0.01)


def test_maps_before_and_after():
    dataset = _channels()
    rng = np.random.default_rng(0)
    for name, shape in (("maps_0", (1, 6, 6)), ("maps_1", (2, 4, 4))):
        dims = ("seed", "epoch", *(f"{name}_{axis}" for axis in range(3)))
        dataset[name] = dims, rng.random((NUM_SEEDS, 4, *shape))
    figure = activity_maps(dataset, seed=1)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    expected = [dataset["maps_0"][1, 0, 0]]
    expected += [dataset["maps_1"][1, epoch, c] for epoch in (0, -1) for c in (0, 1)]
    for image, truth in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image, truth)
    with pytest.raises(ValueError, match="dataset must hold maps_0"):
        activity_maps(_channels())
