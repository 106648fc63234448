"""Set-ups of the stochastic convolutional network: cells, codes, and the command."""

from pathlib import Path

import numpy as np
import pytest

from ibjax import cli, datasets, results
from ibjax.datasets.images import image_task
from ibjax.experiments.stochastic_convolutional.setup import (
    StochasticSetup,
    image_codes,
    stochastic_cells,
)

SMALL = StochasticSetup(
    noise=("additive",), autoencoder="dense", autoencoder_steps=2, batch_size=10
)


def test_digits_are_enlarged_for_three_poolings():
    small = image_task("digits")
    (cell,) = stochastic_cells(SMALL, small, snapshots=[0, 2], num_measured=50, key=3)
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
        ({"noise": ()}, "noise must name at least one"),
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
        stochastic_cells(StochasticSetup(**fields | options), task, snapshots=[0, 1])


def test_images_must_be_square():
    task = datasets.make_task(np.eye(40, 30), np.arange(40) % 2, num_measured=10)
    with pytest.raises(ValueError, match="square images, got 30 pixels"):
        stochastic_cells(SMALL, task, snapshots=[0, 1])


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
