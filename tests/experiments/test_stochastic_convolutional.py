"""The stochastic network: claims on made-up grids, cells, codes, and the command."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ibjax import cli, datasets, results
from ibjax.claims.phases import rise_epochs, stretches
from ibjax.datasets.images import image_task
from ibjax.experiments.setup import Context
from ibjax.experiments.stochastic_convolutional.claims import (
    stochastic_convolutional_claims,
)
from ibjax.experiments.stochastic_convolutional.figures import stochastic_information
from ibjax.experiments.stochastic_convolutional.setup import (
    StochasticSetup,
    image_codes,
)
from ibjax.results.cells import combine

BIT = math.log(2.0)
EPOCHS = np.array([0, 1, 3, 10, 30, 100])
NUM_SEEDS = 8
NAMES = ["conv 8", "leaky-relu 32", "softmax 10"]
RISES = [2.0, 3.0, 4.0, 5.0, 5.5, 5.6]
PHASES = [2.0, 5.0, 3.0, 6.0, 6.0, 3.0]
ONCE = [2.0, 5.0, 6.0, 6.5, 6.6, 3.0]
LEARNS = [0.5, 2.0, 2.9, 3.0, 3.0, 3.0]
ACCURACY = [0.1, 0.5, 0.9, 0.96, 0.97, 0.97]

SMALL = StochasticSetup(
    noise=("additive",), autoencoder="dense", autoencoder_steps=2, batch_size=10
)


def _groups(values, error):
    """Twenty groups whose values have this standard error and no correlation."""
    num_epochs, places = np.shape(values)[-1], (np.arange(20) + 0.5) / 20
    waves = np.cos(np.pi * np.arange(1, num_epochs + 1)[:, None] * places)
    return np.asarray(values)[..., None] + error * math.sqrt(2 * 19) * waves


def _cell(noise, last, *, first=RISES, first_y=3.1, error=0.1, **options):
    """Layers that follow curves in bits, each seed up to 0.05 off them."""
    shift = np.linspace(-0.05, 0.05, NUM_SEEDS)[:, None, None]
    i_xt = np.stack([first, np.add(last, 1.0), last], axis=1)[None] + shift
    i_ty = np.stack([np.full(6, first_y), np.full(6, 3.05), LEARNS], axis=1)[None]
    i_ty = i_ty + 0.1 * shift
    ones = np.ones_like(i_xt)
    by_layer = ("seed", "epoch", "layer")
    accuracy = np.tile(ACCURACY, (NUM_SEEDS, 1))
    dataset = xr.Dataset(
        {
            "i_xt": ((*by_layer, "estimator"), BIT * i_xt[..., None]),
            "i_ty": ((*by_layer, "estimator"), BIT * i_ty[..., None]),
            "compressed_i_xt_error": (by_layer, error * BIT * ones),
            "compressed_i_xt_groups": (
                ("seed", "epoch", "groups_0", "groups_1"),
                BIT * np.moveaxis(_groups(np.moveaxis(i_xt, 1, 2), error), 1, 2),
            ),
            "compressed_i_ty_error": (by_layer, 0.02 * BIT * ones),
            "compressed_explained_variance": (by_layer, 0.8 * ones),
            "test_accuracy": (("seed", "epoch"), accuracy),
            "train_loss": (("seed", "epoch"), 2.3 * (1 - accuracy)),
            "test_loss": (("seed", "epoch"), 2.4 * (1 - accuracy)),
            "diverged": ("seed", np.zeros(NUM_SEEDS, bool)),
        },
        {
            "seed": np.arange(NUM_SEEDS),
            "epoch": EPOCHS,
            "layer": [1, 2, 3],
            "layer_name": ("layer", NAMES),
            "layer_width": ("layer", [1352, 32, 10]),
            "estimator": ["compressed"],
            "estimator_label": ("estimator", ["WKL"]),
        },
        {
            "configuration": json.dumps({"noise": noise, "noise_std": 1e-3} | options),
            "num_samples": 1000,
            "h_y": math.log(10),
            "i_xy": math.log(10),
            "wall_seconds": 1.0,
            "compile_seconds": 0.0,
            "devices": "none",
            "versions": "{}",
            "title": "x",
            "task": "x",
            "created": "2000-01-01T00:00:00",
        },
    )
    return dataset


def _grid(additive, multiplicative):
    places = [{"noise": noise} for noise in ("additive", "multiplicative")]
    return combine(places, [additive, multiplicative])


def _verdicts(claims, number):
    return [c.verdict for c in claims if c.claim.startswith(f"{number}.")]


def test_stretches_end_where_the_errors_are_exceeded():
    curves = np.array([PHASES, RISES, ONCE, [3.0] * 6, [np.nan] * 6])
    found = stretches(curves, _groups(curves, 0.1))
    np.testing.assert_array_equal(found.rising, [2, 1, 1, 0, np.nan])
    np.testing.assert_array_equal(found.falling, [2, 0, 1, 0, np.nan])
    # 4.5 deviations of a difference are 4.5 sqrt(2) 0.4 = 2.5: only 6 to 3 and 2 to 6.
    wide = stretches(curves[0], _groups(curves[0], 0.4))
    assert (wide.rising, wide.falling) == (1, 1)
    wider = stretches(curves[0], _groups(curves[0], 1.0))
    assert (wider.rising, wider.falling) == (0, 0)


def test_what_the_snapshots_share_is_no_error():
    """An error of one bit that is the same at all epochs leaves differences sure."""
    shared = np.random.default_rng(0).normal(size=20) * math.sqrt(20)
    found = stretches(PHASES, np.array(PHASES)[:, None] + shared)
    assert (found.rising, found.falling) == (2, 2)


def test_jitter_within_the_errors_is_no_stretch():
    jitter = 0.1 * np.random.default_rng(0).normal(size=(200, 19))
    found = stretches(jitter, _groups(jitter, 0.1))
    # Of 19 values the extremes are 3.7 deviations apart on average; 4.5 errors of a
    # difference are 6.4 deviations, beyond which few curves in a hundred go.
    assert np.mean(found.rising + found.falling) < 0.1


def test_rises_are_done_at_an_epoch():
    found = rise_epochs(EPOCHS, [LEARNS, ACCURACY, [1.0] * 6, [np.nan] * 6])
    # 95 % of 0.5 to 3 is 2.875, of 0.1 to 0.97 it is 0.9265.
    np.testing.assert_array_equal(found, [3, 10, np.nan, np.nan])
    assert rise_epochs(EPOCHS, np.arange(6.0), fraction=1.0) == 100


def test_as_published():
    grid = _grid(_cell("additive", PHASES), _cell("multiplicative", PHASES))
    found = stochastic_convolutional_claims(grid)
    assert [c.claim[0] for c in found] == list("111111223333333344444455")
    # The first layer only rises; both others have four stretches.
    assert _verdicts(found, 1) == ["does not hold", "holds", "holds"] * 2
    assert _verdicts(found, 2) == ["holds"] * 2
    # From 6 to 3 bits after epoch 30; the fit is over at 10 and at 3.
    assert _verdicts(found, 3) == ["holds"] * 8
    values = [c.value for c in found if c.claim.startswith("3.")][:4]
    np.testing.assert_allclose(values, [3.0, 1.0, 3.0, 10.0], atol=1e-6)
    assert _verdicts(found, 5) == ["holds"] * 2
    assert all(c.num_left_out == 0 for c in found)


def test_the_data_processing_inequality():
    # The last but one layer has a bit more of X than the last, 0.4 above the first.
    cell = _cell("additive", [2, 3, 4, 5, 5, 5.0], first_y=2.5)
    found = stochastic_convolutional_claims(cell)
    breaks_x, breaks_y, check = (c for c in found if c.claim.startswith("4."))
    assert breaks_x.value == pytest.approx(0.4) and breaks_x.verdict == "does not hold"
    assert "2 (leaky-relu 32) less that of 1" in breaks_x.quantity
    assert breaks_y.value == pytest.approx(0.55) and breaks_y.verdict == "does not hold"
    # 3.05 bits at most, below log2 10 = 3.32.
    assert check.verdict == "holds"
    assert _verdicts(found, 5) == []


def test_layers_that_only_rise_do_not_compress():
    found = stochastic_convolutional_claims(_cell("additive", RISES))
    assert _verdicts(found, 1) == ["does not hold"] * 3
    compresses, beyond, *after = (c for c in found if c.claim.startswith("3."))
    assert (compresses.verdict, beyond.verdict) == ("does not hold",) * 2
    # Networks that do not compress have no epoch at which they start to.
    assert [c.num_left_out for c in after] == [NUM_SEEDS] * 2
    assert [c.verdict for c in after] == ["undecided"] * 2


def test_large_errors_leave_a_fall_unseen():
    found = stochastic_convolutional_claims(_cell("additive", ONCE, error=2.0))
    compresses, beyond, *_ = (c for c in found if c.claim.startswith("3."))
    assert (compresses.verdict, beyond.verdict) == ("holds", "does not hold")


def test_noises_that_differ():
    other = np.add(PHASES, [0, 0.9, 0.9, 0.9, 0.9, 0.9])
    grid = _grid(_cell("additive", PHASES), _cell("multiplicative", other))
    found = stochastic_convolutional_claims(grid)
    same_x, same_y = (c for c in found if c.claim.startswith("5."))
    assert same_x.value == pytest.approx(0.75) and same_x.verdict == "does not hold"
    assert same_y.verdict == "holds"


def test_layers_without_numbers_are_left_out():
    cell = _cell("additive", PHASES)
    cell["i_xt"][:, :, 1] = np.nan
    cell["compressed_i_xt_groups"][:, :, 1] = np.nan
    found = stochastic_convolutional_claims(_grid(cell, _cell("multiplicative", ONCE)))
    first = [c for c in found if c.claim.startswith("1. Additive")]
    assert [c.num_left_out for c in first] == [0, NUM_SEEDS, 0]
    assert first[1].verdict == "undecided"
    assert all(
        c.num_left_out == 0 for c in found if c.claim.startswith(("2.", "4.", "5."))
    )


def test_refusals():
    cell = _cell("additive", PHASES)
    for name in ("compressed_i_xt_groups", "test_accuracy"):
        with pytest.raises(ValueError, match="dataset must hold"):
            stochastic_convolutional_claims(cell.drop_vars(name))
    with pytest.raises(ValueError, match="dataset must hold .*compressed_i_ty_error"):
        stochastic_information(cell.drop_vars("compressed_i_ty_error"))
    with pytest.raises(ValueError, match="estimator must be one of"):
        stochastic_information(cell, estimator="kde")
    with pytest.raises(ValueError, match="groups must have shape"):
        stretches([1.0, 2.0], [0.1, 0.2])
    with pytest.raises(ValueError, match="values must have shape"):
        rise_epochs(EPOCHS, [1.0, 2.0])


def _curves(axes):
    """Lines of all snapshots, without the caps of bars."""
    return [line for line in axes.lines if len(line.get_xdata()) == len(EPOCHS)]


def test_the_figure_has_the_plane_and_both_noises_in_every_panel():
    grid = _grid(_cell("additive", PHASES), _cell("multiplicative", ONCE))
    figure = stochastic_information(grid)
    figure.draw_without_rendering()
    plane, i_xt, i_ty, kept, losses, _ = figure.axes
    assert plane.get_xlabel() == i_xt.get_ylabel() == "$I(X;L)$ (bits)"
    assert plane.get_ylabel() == i_ty.get_ylabel() == "$I(L;Y)$ (bits)"
    # Lines of three layers by noise, the broad ones first; the last is the output's.
    information = _curves(i_xt)
    assert [len(_curves(axes)) for axes in (i_xt, kept, losses)] == [6, 6, 4]
    for last, line in ((PHASES, information[2]), (ONCE, information[5])):
        np.testing.assert_allclose(line.get_ydata(), last, atol=1e-6)
    assert information[2].get_linewidth() > 2 * information[5].get_linewidth()
    for last in (PHASES, ONCE):
        paths = [line.get_xdata() for line in _curves(plane)]
        assert any(np.allclose(x, last, atol=1e-6) for x in paths)
    assert {"1", "2", "3"} <= {text.get_text() for text in plane.texts}
    assert len(i_xt.collections) == 2 * 3 + 3  # Bands, and bars of the first noise.
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[-2:] == ["additive noise, 0.001", "multiplicative noise, 0.001"]


def test_one_noise_has_a_figure_of_its_own():
    alone = stochastic_information(_cell("additive", PHASES).isel(seed=[0]))
    assert alone.get_suptitle().startswith("One seed")
    assert [len(_curves(axes)) for axes in alone.axes[:5]] == [3, 3, 3, 3, 2]
    cell = _cell("additive", PHASES).isel(seed=[0])
    four = combine([{"noise": noise} for noise in "abcd"], [cell] * 4)
    with pytest.raises(ValueError, match="at most 3 kinds of noise, got 4"):
        stochastic_information(four)


def test_finished_sweeps(tmp_path):
    grid = _grid(_cell("additive", PHASES), _cell("multiplicative", ONCE))
    (tmp_path / "stochastic").mkdir()
    results.save_dataset(grid, tmp_path / "stochastic" / results.DATASET_FILE)
    output = ["--output", str(tmp_path / "out")]
    cli.main(["reproduce", "stochastic", "--from", str(tmp_path), *output])
    content = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert len(content["claims"]) == 24
    assert (tmp_path / "out" / "stochastic_information.png").exists()


@pytest.mark.slow
def test_a_small_run_on_digits(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    output = tmp_path / "out"
    options = ["--quick", "--epochs", "2", "--noise", "additive"]
    cli.main(["reproduce", "stochastic", *options, "--output", str(output)])
    content = json.loads((output / "claims.json").read_text())
    assert content["claims"]
    assert content["conditions"][0]["configuration"]["task"] == "digits"


def test_digits_are_enlarged_for_three_poolings():
    small = image_task("digits")
    context = Context([0, 2], random_seed=3, task=small, num_measured=50)
    (cell,) = SMALL.cells(context)
    task = cell.task
    assert task.num_inputs == 24**2 and task.num_measured == 50
    assert task.num_samples == small.num_samples - 360 + 50
    image = np.asarray(task.x[5]).reshape(24, 24)
    np.testing.assert_array_equal(image[::3, 1::3].ravel(), small.x[5])
    np.testing.assert_array_equal(task.labels, small.labels[: task.num_samples])
    assert cell.config.shuffle_seed == 3 and cell.snapshots == [0, 2]
    assert cell.description["noise"] == "additive" and cell.description["epochs"] == 2
    assert cell.description["autoencoder_images"] == task.num_samples - 50


def test_codes_are_of_the_measured_images_and_the_same_each_time():
    x = np.random.default_rng(0).uniform(size=(40, 64))
    task = datasets.make_task(x, np.arange(40) % 2, num_measured=10)
    codes, description = image_codes(SMALL, task)
    assert codes.shape == (10, 4) and description["autoencoder_images"] == 30
    again, kept = image_codes(SMALL, task)
    np.testing.assert_array_equal(codes, again)
    assert kept == description
    # An untrained code keeps about nothing: the error is about that of the mean.
    assert 0.5 < description["autoencoder_relative_error"] < 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise": ()}, "noise must hold at least one"),
        ({"noise_std": 0.0}, "noise-std must be one positive number, got 0.0"),
        ({"autoencoder_steps": 0}, "autoencoder-steps must be one positive"),
        ({"neighbours": 1}, "k"),
    ],
)
def test_fields_out_of_range_are_refused(options, words):
    x = np.random.default_rng(0).uniform(size=(40, 576))
    task = datasets.make_task(x, np.arange(40) % 2, num_measured=10)
    fields = {"autoencoder": "dense", "autoencoder_steps": 2, "batch_size": 10}
    with pytest.raises(ValueError, match=words):
        StochasticSetup(**fields | options).cells(Context([0, 1], task=task))


def test_images_must_be_square():
    task = datasets.make_task(np.eye(40, 30), np.arange(40) % 2, num_measured=10)
    with pytest.raises(ValueError, match="square images, got 30 pixels"):
        SMALL.cells(Context([0, 1], task=task))


@pytest.mark.slow
def test_the_command_sweeps_both_noises_and_goes_on(tmp_path, capsys):
    output = tmp_path / "out"
    options = ["--data", "digits", "--autoencoder-steps", "2", "--seeds", "1"]
    options += ["--epochs", "1", "--snapshots", "2", "--output", str(output)]
    cli.main(["sweep", "stochastic", *options])
    printed = capsys.readouterr().out
    assert "2 cells: noise additive, multiplicative" in printed
    assert "report.html" in printed
    before = results.open_dataset(output)
    assert before.noise.values.tolist() == ["additive", "multiplicative"]
    cli.main(["sweep", "stochastic", *options, "--resume"])
    after = results.open_dataset(output)
    np.testing.assert_array_equal(before.i_xt, after.i_xt)
    assert Path(output / "report.html").exists()
