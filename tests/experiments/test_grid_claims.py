"""Claims about grids of sweeps: curves made up so that the verdicts are known."""

import json

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ibjax import claims, plots, results
from ibjax.experiments.activations.claims import activation_claims
from ibjax.experiments.batches.claims import batch_claims, copy_claims
from ibjax.experiments.batches.figures import _mark, transitions
from ibjax.experiments.depth.claims import compression_times, depth_claims, width_claims
from ibjax.experiments.training_size.claims import training_size_claims
from ibjax.plots.files import save_figure
from ibjax.report import claims_page
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset, example_grid

EPOCHS = np.array([0, 1, 4, 16, 64, 256, 1024])
NATS = np.log(2.0)


def _sweep(i_xt, i_ty, *, num_seeds=8, names=("tanh 4", "tanh 3", "softmax 2"), **more):
    """A sweep whose curves, in bits and ``[num_layers, num_epochs]``, all seeds share.

    Seeds differ by a hundredth of a bit, so that intervals have a width.
    """
    rng = np.random.default_rng(0)
    shape = (num_seeds, len(EPOCHS), len(names), 1)
    offset = 0.01 * rng.normal(size=(num_seeds, 1, 1, 1))

    def over_seeds(curves):
        bits = np.asarray(curves, float).T[None, :, :, None] + offset
        return ("seed", "epoch", "layer", "estimator"), NATS * np.broadcast_to(
            bits, shape
        )

    return xr.Dataset(
        {"i_xt": over_seeds(i_xt), "i_ty": over_seeds(i_ty), **more},
        {
            "seed": np.arange(num_seeds),
            "epoch": EPOCHS,
            "layer": np.arange(1, len(names) + 1),
            "layer_name": ("layer", list(names)),
            "layer_width": ("layer", [int(n.split()[1]) for n in names]),
            "estimator": ["binning"],
            "estimator_label": ("estimator", ["bins"]),
        },
        {"configuration": json.dumps({}), "wall_seconds": 1.0, "compile_seconds": 0.0},
    )


def _verdicts(found):
    return [claim.verdict for claim in found]


FALLING = [5, 6, 7, 7, 6, 5, 4]
KEEPING = [5, 6, 7, 7, 7, 7, 7]
RISING = [0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9]
LOSING = [0.1, 0.2, 0.4, 0.6, 0.5, 0.4, 0.3]


def test_training_size_as_published():
    places = [{"train_fraction": f} for f in (0.05, 0.85)]
    grid = combine(
        places,
        [_sweep([FALLING] * 3, [LOSING] * 3), _sweep([FALLING] * 3, [RISING] * 3)],
    )
    found = training_size_claims(grid)
    assert _verdicts(found) == ["holds"] * 12
    # The fall of I(T;Y) from 0.6 to 0.3 bits, and its rise from 0.4 to 0.9.
    np.testing.assert_allclose([c.value for c in found[:6]], [0.3] * 3 + [0.5] * 3)


def test_training_size_the_other_way_round():
    places = [{"train_fraction": f} for f in (0.05, 0.85)]
    grid = combine(
        places,
        [_sweep([KEEPING] * 3, [RISING] * 3), _sweep([FALLING] * 3, [LOSING] * 3)],
    )
    found = training_size_claims(grid)
    assert _verdicts(found)[:6] == ["does not hold"] * 6
    assert _verdicts(found)[6:] == ["does not hold"] * 3 + ["holds"] * 3


def _depths(early, late):
    """Two networks whose outputs reach 0.8 bits at two epochs."""
    learns = np.where(EPOCHS >= early, 0.9, 0.1), np.where(EPOCHS >= late, 0.9, 0.1)
    shallow = _sweep([FALLING] * 2, [learns[1]] * 2, names=("tanh 4", "softmax 2"))
    # The second hidden layer has lost nine tenths at epoch 64, the first at the end.
    quick = [5, 6, 7, 5, 4, 4, 4]
    deep = _sweep([FALLING, quick, quick], [learns[0]] * 3)
    return combine([{"hidden": "4"}, {"hidden": "4-3"}], [shallow, deep])


def test_depth_as_published():
    found = depth_claims(_depths(early=16, late=256))
    # Two layers that are as fast as each other are not one faster.
    assert _verdicts(found) == ["holds", "holds", "does not hold"]
    # Of the last step to 16, or to 256, from 0.1 to 0.9 bits, seven eighths are done.
    reached = (4 + 12 * 7 / 8) / (64 + 192 * 7 / 8)
    np.testing.assert_allclose(found[0].value, reached, rtol=0.02)
    # From epoch 4 to 64 and from 4 to 1024.
    np.testing.assert_allclose(found[1].value, 60 / 1020)
    np.testing.assert_allclose(found[2].value, 1.0)


def test_a_network_that_never_learns_takes_forever():
    found = depth_claims(_depths(early=5000, late=256))
    assert found[0].verdict == "does not hold" and found[0].value == np.inf


def test_compression_times():
    curves = np.array([FALLING, KEEPING, [5, 6, 7, 5, 4, 4, np.nan]], float)
    found = compression_times(EPOCHS, curves * NATS)
    np.testing.assert_array_equal(found, [1020, np.nan, np.nan])


def test_wide_layers_that_keep_everything():
    wide, narrow = (
        _sweep([KEEPING] * 3, [RISING] * 3),
        _sweep([FALLING] * 3, [RISING] * 3),
    )
    grid = combine([{"hidden": "20"}, {"hidden": "5"}], [wide, narrow])
    assert _verdicts(width_claims(grid)) == ["does not hold"] * 2 + ["holds"] * 2


def test_activations_are_judged_by_every_estimator():
    grid = example_grid(num_seeds=12)
    found = activation_claims(grid)
    assert _verdicts(found) == ["holds"] * 4
    only = activation_claims(grid, estimators=["kde_upper"])
    assert [c.claim for c in only] == [found[1].claim, found[3].claim]
    names = {"tanh": "relu", "relu": "tanh"}
    swapped = grid.assign_coords(activation=[names[n] for n in grid.activation.values])
    configuration = json.loads(grid.attrs["configuration"])
    configuration["grid"] = {"activation": ["relu", "tanh"]}
    swapped.attrs["configuration"] = json.dumps(configuration)
    assert _verdicts(activation_claims(swapped)) == ["does not hold"] * 4


def _batches(turning, kink, onset, *, num_seeds=20):
    """A grid whose tanh networks have the three events at given snapshots."""
    rng = np.random.default_rng(1)
    index = np.arange(len(EPOCHS))
    moved = rng.integers(0, 2, num_seeds)[:, None]  # Later by a snapshot, or not.
    snr = np.where(index >= turning + moved, 0.1, 10.0)
    slope = np.maximum(np.log(EPOCHS.clip(1)) - np.log(EPOCHS[kink + moved]), 0)
    falls = np.where(index > onset + moved, 4.0, 7.0)
    cells = []
    for activation in ("tanh", "relu"):
        for _ in ("512", "full"):
            curves = [FALLING if activation == "tanh" else KEEPING] * 3
            cell = _sweep(curves, [RISING] * 3, num_seeds=num_seeds)
            if activation == "tanh":
                cell["i_xt"][:] = NATS * falls[:, :, None, None]
            layers = np.repeat(snr[:, :, None], 3, axis=2)
            cell["gradient_snr"] = (("seed", "epoch", "layer"), layers)
            cell["train_loss"] = (("seed", "epoch"), np.exp(-2 * slope))
            cells.append(cell)
    places = [
        {"activation": a, "batch_size": b}
        for a in ("tanh", "relu")
        for b in ("512", "full")
    ]
    return combine(places, cells)


def test_batches_that_change_nothing_and_events_that_coincide():
    found = batch_claims(_batches(turning=3, kink=3, onset=3))
    assert [c.claim[:2] for c in found] == ["1."] * 4 + ["2."] * 2 + (
        ["3."] * 3 + ["4."] * 3
    ) * 2
    assert _verdicts(found) == ["holds"] * len(found)
    np.testing.assert_allclose([c.value for c in found[6:9]], 1.0)


def test_events_apart():
    found = batch_claims(_batches(turning=2, kink=4, onset=3))
    ratios = found[6:9]
    # Snapshots are four times apart.
    np.testing.assert_allclose([c.value for c in ratios], [1 / 4, 4.0, 1 / 16])
    assert _verdicts(ratios) == ["does not hold"] * 3


@pytest.mark.parametrize("name", ["i_xt", "gradient_snr", "train_loss"])
def test_an_event_that_cannot_be_known_is_not_one_that_never_happens(name):
    dataset = _batches(turning=3, kink=3, onset=3)
    expected = batch_claims(dataset)[6:12]
    dataset[name] = dataset[name].where(dataset.seed != 5)
    found = batch_claims(dataset)[6:12]
    assert [c.num_left_out for c in found[:3]] == [1] * 3
    assert [c.num_left_out for c in expected] == [0] * 6
    assert [(c.value, c.verdict) for c in found[:3]] == [
        (c.value, c.verdict) for c in expected[:3]
    ]


def test_copies_without_a_ratio_are_left_out():
    ratio = np.repeat([[3.0, 2.0, 0.5, 0.4, 0.3, 0.2, 0.1]], 8, axis=0)
    ratio[2] = np.nan
    layers = np.repeat(ratio[:, :, None], 3, axis=2)
    dataset = _sweep([FALLING] * 3, [RISING] * 3)
    dataset["gradient_snr"] = (("seed", "epoch", "layer"), layers)
    found = copy_claims(dataset)
    assert [(c.value, c.num_seeds, c.num_left_out) for c in found] == [(1.0, 7, 1)] * 2
    assert _verdicts(found) == ["holds"] * 2


@pytest.mark.parametrize(
    "function, axes",
    [
        (training_size_claims, "train_fraction"),
        (depth_claims, "hidden"),
        (width_claims, "hidden"),
        (activation_claims, "activation"),
        (batch_claims, "activation and batch_size"),
    ],
)
def test_another_grid_is_refused(function, axes):
    with pytest.raises(ValueError, match=f"must be a grid over {axes}"):
        function(example_dataset(num_seeds=2))


def test_transitions_mark_the_events():
    grid = _batches(turning=3, kink=3, onset=3).sel(activation=["tanh"])
    configuration = json.loads(grid.attrs["configuration"])
    configuration["grid"]["activation"] = ["tanh"]
    configuration["cells"] = configuration["cells"][:2]
    grid.attrs["configuration"] = json.dumps(configuration)
    figure = transitions(grid)
    assert len(figure.axes) == 6
    marks = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    epochs = [line.get_xdata()[0] for line in marks if len(line.get_xdata())]
    # Half of the seeds or so at 16, the others at 64.
    assert len(epochs) == 3 and set(epochs) <= {16.0, 40.0, 64.0}


def test_an_event_of_few_seeds_has_no_mark():
    figure = Figure()
    for axes, epochs in zip(
        figure.subplots(1, 2), ([5.0, 9.0, np.nan], [5.0, np.nan, np.nan]), strict=True
    ):
        _mark(axes, np.array(epochs), "red", own=True)
    _mark(axes, np.full(3, np.nan), "red", own=True)  # Nor a stroke of none.
    (line, strokes), (alone,) = (axes.lines for axes in figure.axes)
    assert line.get_xdata() == [7.0, 7.0]
    assert strokes.get_xdata().tolist() == [5.0, 9.0]
    assert alone.get_xdata().tolist() == [5.0]


def test_claims_are_collected_on_one_page(tmp_path):
    found = activation_claims(example_grid(num_seeds=6))
    for name in ("one", "two"):
        claims.write_claims(tmp_path / name, found, title=f"Number {name}", command="c")
    (tmp_path / "one" / "summary.json").write_text("{}")
    figure = plots.grid_compression(example_grid(num_seeds=2))
    save_figure(figure, tmp_path / "two" / "some_figure", pdf=False)
    collection = claims.collect_claims([tmp_path])
    assert [content["title"] for content in collection] == ["Number one", "Number two"]
    table = claims.collection_markdown(collection)
    assert "| Number two | 4 | 4 | 0 | 0 |" in table
    page = claims_page(collection)
    assert page.count("<img") == 1 and "some figure" in page and "http" not in page
    for claim in found:
        assert page.count(f">{claim.claim}<") == 2


def test_what_holds_no_claims_is_refused(tmp_path):
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(results.ResultsError, match="no claims"):
        claims.collect_claims([tmp_path])
    with pytest.raises(results.ResultsError, match="title or claims missing"):
        claims.collect_claims([tmp_path / "other.json"])
    (tmp_path / "torn.json").write_text("{")
    with pytest.raises(results.ResultsError, match="damaged"):
        claims.collect_claims([tmp_path / "torn.json"])


def test_claims_are_written_with_their_conditions(tmp_path):
    dataset = example_grid(num_seeds=6)
    found = activation_claims(dataset)
    table = claims.write_claims(
        tmp_path,
        found,
        title="A title",
        command="python x.py",
        conditions=claims.conditions(dataset),
    )
    assert (tmp_path / "claims.md").read_text() == table
    content = json.loads((tmp_path / "claims.json").read_text())
    assert content["title"] == "A title" and content["command"] == "python x.py"
    assert content["conditions"]["devices"] == "none"
    assert [c["verdict"] for c in content["claims"]] == _verdicts(found)
