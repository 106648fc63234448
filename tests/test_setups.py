"""Set-ups: their cells, what they refuse, and the range of activities."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from ibjax import datasets, networks, training
from ibjax.grid import cell_name
from ibjax.setups import PRESETS, SztSetup, activity_range, szt_cells

SIZE = {"num_seeds": 2, "snapshots": (0, 3)}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_grid(name):
    setup = PRESETS[name].setup
    cells = szt_cells(setup, **SIZE)
    places = [tuple(cell.place.values()) for cell in cells]
    assert places == list(itertools.product(*setup.axes.values()))
    assert len({cell_name(cell.place) for cell in cells}) == len(cells)
    for cell in cells:
        assert training.num_train_rows(cell.task, cell.config) > 0


def test_a_cell_is_what_its_place_says():
    setup = SztSetup(
        hidden=("5-4", "3"), train_fraction=(0.05, 0.5), activation=("relu",)
    )
    cells = szt_cells(setup, **SIZE)
    assert [cell.place["hidden"] for cell in cells] == ["5-4", "5-4", "3", "3"]
    assert [cell.place["train_fraction"] for cell in cells] == [0.05, 0.5, 0.05, 0.5]
    # 205 rows are less than a batch of 512.
    assert [cell.config.batch_size for cell in cells] == [None, 512, None, 512]
    assert cells[0].network.layer_names == ("relu 5", "relu 4", "softmax 2")
    assert cells[0].network is cells[1].network


def test_plain_numbers_are_the_layers_of_one_network():
    (cell,) = szt_cells(SztSetup(hidden=("10", "7")), **SIZE)
    assert cell.place == {}
    assert cell.network.layer_names == ("tanh 10", "tanh 7", "softmax 2")


def test_cells_of_one_noise_share_their_probes():
    setup = SztSetup(learning_rate=(1e-3, 1e-2), noise_variance=(1e-3, 1e-1))
    first, other, second, _ = (cell.probes() for cell in szt_cells(setup, **SIZE))
    assert first is second
    assert first is not other


def test_the_range_is_that_of_the_activities():
    task, network = datasets.szt(), networks.mlp((12, 3, 2), "relu")
    config = training.TrainConfig(learning_rate=1e-2)
    key = jax.random.key(0)
    found = activity_range(key, task, network, config, num_seeds=1, snapshots=[0, 1])
    highest = 0.0
    for epochs in (0, 1):
        params = training.train(
            jax.random.fold_in(key, 0), task, network, config, num_epochs=epochs
        )
        hidden = np.asarray(network.activations(params, task.x)[0])
        assert hidden.min() == 0
        highest = max(highest, float(hidden.max()))
    np.testing.assert_allclose(found, (0.0, highest), rtol=1e-5)


def test_bins_span_the_range_of_the_run():
    estimators = ("binning", "data-range")
    setup = SztSetup(hidden=("3",), activation=("relu",), estimators=estimators)
    (cell,) = szt_cells(setup, num_seeds=1, snapshots=(0, 1))
    first, ranged, *_ = cell.probes()
    assert (list(first.labels), list(ranged.labels)) == (["binning"], ["data_range"])
    edges = ranged.parameters["edges"]
    low, high = activity_range(
        jax.random.key(0),
        cell.task,
        cell.network,
        cell.config,
        num_seeds=1,
        snapshots=(0, 1),
    )
    assert len(edges) == 101 and low == edges[0] == 0
    np.testing.assert_allclose(edges[-1], high, rtol=1e-6)


def test_no_hidden_layer_has_no_range():
    with pytest.raises(ValueError, match="must have a hidden layer"):
        activity_range(
            jax.random.key(0),
            datasets.szt(),
            networks.mlp((12, 2)),
            training.TrainConfig(),
            **SIZE,
        )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"activation": ()}, "activation must name at least one"),
        ({"estimators": ()}, "estimators must name at least one"),
        ({"batch_size": (512, 512)}, "batch-size must name each value once"),
        ({"hidden": ("5-x",)}, "hidden must be numbers of units"),
        ({"num_bins": 1}, "num-bins must be at least 2"),
        ({"bin_width": 0.0}, "bin-width must be one positive number"),
        ({"noise_variance": (1e-3, -1.0)}, "noise-variance must be one positive"),
        ({"train_fraction": (0.01,)}, "batch_size must be at most the training set"),
    ],
)
def test_bad_setups_are_refused(options, message):
    setup = dataclasses.replace(SztSetup(), **options)
    with pytest.raises(ValueError, match=message):
        szt_cells(setup, **SIZE)
