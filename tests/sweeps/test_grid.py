"""Grids of sweeps: what a cell holds, dims, resuming, pages."""

import json

import jax
import numpy as np
import pytest

from ibjax import datasets, networks, objectives, plots, probes, results, training
from ibjax.estimators import binning
from ibjax.report.text import format_grid
from ibjax.report.writing import report
from ibjax.results.cells import cell_name, cells_of, combine
from ibjax.results.example import example_grid
from ibjax.results.summary import summarize_grid
from ibjax.sweeps.grid import Cell, sweep_grid
from ibjax.sweeps.seeds import sweep

PROBES = (probes.bin_edges(binning.SZT_EDGES), probes.losses)
KEY = jax.random.key(3)


def _cell(place, widths, activation):
    return Cell(
        place=place,
        task=datasets.szt(),
        network=networks.mlp(widths, activation),
        config=training.TrainConfig(learning_rate=1e-2, optimizer="sgd"),
        snapshots=(0, 1),
        probes=lambda: PROBES,
        description={"activation": activation},
    )


@pytest.fixture(scope="module")
def cells():
    return [
        _cell({"hidden": hidden, "activation": activation}, widths, activation)
        for hidden, widths in (("3", (12, 3, 2)), ("3-2", (12, 3, 2, 2)))
        for activation in ("tanh", "relu")
    ]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("grid")


@pytest.fixture(scope="module")
def dataset(cells, directory):
    return sweep_grid(KEY, cells, num_seeds=2, directory=directory)


def test_further_seeds_are_those_of_a_larger_grid(dataset, cells):
    further = sweep_grid(KEY, cells[:2], num_seeds=1, first_seed=1)
    assert further.seed.values.tolist() == [1]
    assert json.loads(further.attrs["configuration"])["first_seed"] == 1
    expected = dataset.sel(hidden=["3"], seed=[1]).isel(layer=[0, 1])
    np.testing.assert_array_equal(further.train_loss, expected.train_loss)


def test_axes_are_dims(dataset):
    assert list(dataset.i_xt.sizes)[:3] == ["hidden", "activation", "seed"]
    assert dataset.activation.values.tolist() == ["tanh", "relu"]
    assert dataset.sizes["layer"] == 3
    shallow = dataset.sel(hidden="3", activation="relu")
    assert shallow.layer_name.values.tolist() == ["relu 3", "softmax 2", ""]
    assert shallow.layer_width.values.tolist() == [3, 2, 0]
    assert np.isnan(shallow.i_xt.isel(layer=2)).all()
    assert np.isfinite(shallow.i_xt.isel(layer=[0, 1])).all()


def test_a_cell_is_a_sweep_of_its_own(dataset, cells):
    for cell, (place, found) in zip(cells, cells_of(dataset), strict=True):
        assert place == cell.place
        expected = sweep(
            KEY,
            cell.task,
            cell.network,
            cell.config,
            num_seeds=2,
            snapshots=cell.snapshots,
            probes=PROBES,
            description=cell.description,
        )
        for name in ("i_xt", "train_loss"):
            np.testing.assert_array_equal(found[name], expected[name])
        assert found.layer_name.values.tolist() == list(cell.network.layer_names)
        one, other = (json.loads(d.attrs["configuration"]) for d in (found, expected))
        assert one == other


def test_a_grid_is_saved_and_resumed(dataset, cells, directory):
    saved = results.open_dataset(directory)
    np.testing.assert_array_equal(saved.i_xt, dataset.i_xt)
    assert json.loads(saved.attrs["configuration"])["grid"] == {
        "hidden": ["3", "3-2"],
        "activation": ["tanh", "relu"],
    }
    with pytest.raises(results.ResultsError, match="already holds the results"):
        sweep_grid(KEY, cells, num_seeds=2, directory=directory)
    (directory / results.DATASET_FILE).unlink()
    (directory / cell_name(cells[2].place) / results.DATASET_FILE).unlink()
    seen = []
    again = sweep_grid(
        KEY,
        cells,
        num_seeds=2,
        directory=directory,
        resume=True,
        on_progress=lambda number, _: seen.append(number),
    )
    assert set(seen) == {2}  # The others were there.
    np.testing.assert_array_equal(again.i_xt, dataset.i_xt)


def test_one_cell_without_a_place_is_a_sweep(cells):
    dataset = sweep_grid(KEY, [cells[0]._replace(place={})], num_seeds=1)
    assert list(dataset.train_loss.dims) == ["seed", "epoch"]
    assert cells_of(dataset)[0][0] == {}


def test_varied_numbers_are_further_axes(tmp_path):
    """Also in a grid that stops between its cells, each one program."""
    x = np.random.default_rng(0).normal(size=(24, 3))
    task = datasets.make_task(x, x[:, 0] > 0)
    config = training.TrainConfig(optimizer="sgd", batch_size=8)
    total = objectives.cross_entropy() + "penalty" * objectives.orthonormal()
    vary = {"penalty": [0.0, 0.5], "learning_rate": [0.01, 0.1]}
    cells = [
        Cell(
            {"activation": name},
            task,
            networks.mlp((3, 3, 2), name),
            config,
            (0, 2),
            PROBES[1:],
            {"activation": name},
            total,
            vary,
        )
        for name in ("tanh", "relu")
    ]

    class Interrupted(Exception):
        pass

    def stop(number, progress):
        if (number, progress.num_snapshots_done) == (1, 1):
            raise Interrupted

    options = {"num_seeds": 2, "directory": tmp_path}
    with pytest.raises(Interrupted):
        sweep_grid(KEY, cells, on_progress=stop, **options)
    found = sweep_grid(KEY, cells, resume=True, **options)
    assert list(found.train_loss.dims) == ["activation", *vary, "seed", "epoch"]
    place = {"penalty": 0.5, "learning_rate": 0.1}
    expected = sweep(
        KEY,
        task,
        networks.mlp((3, 3, 2), "relu"),
        training.TrainConfig(learning_rate=0.1, optimizer="sgd", batch_size=8),
        num_seeds=2,
        snapshots=(0, 2),
        probes=PROBES[1:],
        objective=objectives.cross_entropy() + 0.5 * objectives.orthonormal(),
    )
    np.testing.assert_array_equal(
        found.train_loss.sel(activation="relu", **place), expected.train_loss
    )


@pytest.mark.parametrize("chosen", [[], [0, 1, 2], [0, 3], [0, 0]])
def test_places_that_are_no_grid_are_refused(cells, chosen):
    with pytest.raises(ValueError, match="cells"):
        sweep_grid(KEY, [cells[n] for n in chosen], num_seeds=1)


def test_an_axis_of_numbers_and_texts_is_refused(cells):
    mixed = [
        cell._replace(place={"batch_size": size})
        for cell, size in zip(cells, (512, "full"), strict=False)
    ]
    with pytest.raises(ValueError, match="batch_size must be all numbers or all texts"):
        sweep_grid(KEY, mixed, num_seeds=1)


def test_combining_keeps_what_is_common():
    dataset = example_grid(num_seeds=2)
    configuration = json.loads(dataset.attrs["configuration"])
    assert configuration["activation"] == "tanh"
    assert configuration["cells"] == [{}, {}]
    again = combine(*zip(*cells_of(dataset), strict=True))
    np.testing.assert_array_equal(again.i_xt, dataset.i_xt)


def test_summary_tells_which_cell_compresses():
    summary = summarize_grid(example_grid(num_seeds=10))
    verdicts = [
        [layer["verdict"] for layer in cell["summary"]["estimators"][0]["layers"]]
        for cell in summary["cells"]
    ]
    assert verdicts == [["compresses"] * 6, ["does not compress"] * 6]
    json.dumps(summary, allow_nan=False)
    rows, _, ceilings = format_grid(summary, estimator="binning").partition("\n\n")
    *_, tanh, relu = rows.splitlines()
    assert tanh.startswith("tanh") and tanh.count("*") == 6
    assert relu.startswith("relu") and "*" not in relu
    assert "relu: binning in layer 1" in " ".join(ceilings.split())
    with pytest.raises(ValueError, match="estimator must be one of"):
        format_grid(summary, estimator="other")


def test_report_of_a_grid(tmp_path, undrawn):
    page = report(example_grid(num_seeds=3), tmp_path)
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    figures = ["compression", "curves", "planes"]
    assert names == [f"{name}.{kind}" for name in figures for kind in ("pdf", "png")]
    text = page.read_text()
    assert "sweeps over activation" in text and "http://" not in text
    summary = json.loads((tmp_path / "summary.json").read_text())
    places = [cell["place"] for cell in summary["cells"]]
    assert places == [{"activation": "tanh"}, {"activation": "relu"}]


def test_planes_show_every_cell(dataset):
    figure = plots.grid_planes(dataset)
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["3, tanh", "3, relu", "3-2, tanh", "3-2, relu"]
    # A path per layer, besides the ceilings' lines.
    counts = [len(axes.collections) for axes in figure.axes[:4]]
    assert counts == [2, 2, 3, 3]


def test_compression_writes_a_number_per_layer(dataset):
    figure = plots.grid_compression(dataset)
    assert len(figure.axes[0].texts) == 2 * 2 + 2 * 3
