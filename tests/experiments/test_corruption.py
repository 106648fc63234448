"""Random and true labels: cells, what is read of them, claims, and structure."""

import dataclasses

import jax
import numpy as np
import pytest

from ibjax.datasets.images import image_task
from ibjax.experiments.corrupted_labels import (
    Labels,
    Run,
    critical_betas,
    fitted_information,
    jump_betas,
    label_entropy,
    runs_of,
)
from ibjax.experiments.corruption import claims, figures
from ibjax.experiments.corruption.setup import CorruptionSetup, small_images
from ibjax.experiments.setup import Context
from ibjax.experiments.structure.claims import structure_claims, sufficient_information
from ibjax.experiments.structure.figures import structure_figures
from ibjax.sweeps import sweep_grid

SETUP = CorruptionSetup(
    train_fraction=(1.0,),
    label_noise=(0.0, 1.0),
    beta=(0.01, 1e6),
    hidden="4",
    side=4,
    batch_size=20,
)
BETAS = np.array([0.03, 0.1, 0.3, 0.8, 1.0, 3.0])


@pytest.fixture(scope="module")
def images():
    pytest.importorskip("sklearn")
    task = image_task("digits")
    return task


@pytest.fixture(scope="module")
def dataset(images):
    setup = dataclasses.replace(SETUP, train_fraction=(0.04,))
    context = Context(snapshots=[0, 30], task=images, num_measured=20)
    # Kernel densities are for the report alone.
    cells = [cell._replace(probes=cell.probes[:2]) for cell in setup.cells(context)]
    return sweep_grid(jax.random.key(0), cells, num_seeds=2)


def test_networks_are_read_by_share_and_price(dataset):
    (run,) = runs_of(dataset)
    assert (run.prior, run.num_train, run.num_classes) == ("gaussian", 57, 10)
    assert list(run.shares) == [0.0, 1.0]
    labels = run.shares[0.0]
    assert labels.betas.tolist() == [0.01, 1e6]
    assert labels.loss.shape == labels.information.shape == (2, 2)
    # A price that is beyond all pays for nothing.
    assert np.all(labels.information[1] < labels.information[0])
    last = dataset.isel(epoch=-1).sel(label_noise=0.0)
    np.testing.assert_allclose(labels.information, last.weight_information / 57)
    np.testing.assert_allclose(labels.train_error, 1 - last.train_accuracy)


def test_figures_are_drawn(dataset):
    assert list(figures.corruption_figures(dataset)) == [
        "corruption_errors_gaussian",
        "corruption_information_gaussian",
    ]
    assert list(structure_figures(dataset)) == ["structure"]
    # Claims of what was measured there are no matter, but that there are some.
    assert len(claims.corruption_claims(dataset)) == 8
    assert len(structure_claims(dataset)) == 4


def _labels(gives_up_at, nats, scale=1.0):
    """Labels that cost some nats an image, and are given up beyond a price."""
    fitted = (BETAS < gives_up_at)[:, None] & np.ones(3, bool)
    jitter = 1 + 1e-3 * np.arange(3)
    return Labels(
        BETAS,
        np.where(fitted, 0.01, 0.88),
        np.where(fitted, 0.5, 0.9),
        np.where(fitted, 0.1, np.log(10)),
        np.where(fitted, nats * scale, 0.0) * jitter,
    )


def test_critical_prices_are_where_guessing_is_as_good():
    labels = _labels(1.0, 4.0)
    expected = (np.log(10) - 0.1) / (4 * (1 + 1e-3 * np.arange(3)))
    np.testing.assert_allclose(critical_betas(labels, 10), expected)
    fitted, given_up = jump_betas(labels, 10)
    assert fitted.tolist() == [0.8] * 3 and given_up.tolist() == [1.0] * 3
    np.testing.assert_allclose(fitted_information(labels, 10), labels.information[0])
    never = labels._replace(train_error=np.full((6, 3), 0.5))
    assert np.isnan(jump_betas(never, 10)).all()
    assert np.isnan(fitted_information(never, 10)).all()


def test_seeds_of_which_a_network_diverged_say_nothing():
    labels, expected = _labels(1.0, 4.0), _labels(1.0, 4.0)
    for values in labels[1:]:
        values[2, 1] = np.nan
    known = [0, 2]
    for found in (critical_betas, fitted_information):
        assert np.isnan(found(labels, 10)[1])
        np.testing.assert_array_equal(
            found(labels, 10)[known], found(expected, 10)[known]
        )
    assert np.isnan(np.array(jump_betas(labels, 10))[:, 1]).all()
    run = Run("gaussian", 9, 10, {0.0: labels, 1.0: expected})
    assert np.isnan(sufficient_information(run, 0.0)).tolist() == [False, True, False]
    # Half-random labels are neither random nor true.
    half = Run("gaussian", 9, 10, {0.25: labels, 0.5: expected})
    assert [claim.claim[0] for claim in claims._claims_of([half])] == list("5888")


def _verdicts(found):
    return [(claim.claim[0], claim.verdict) for claim in found]


def test_claims_follow_the_numbers():
    # As published: random labels cost log 10 and are given up just before one.
    published = [
        Run("gaussian", n, 10, {0.0: _labels(2.0, 0.2), 1.0: _labels(0.9, 2.4)})
        for n in (100, 400)
    ]
    found = claims._claims_of(published)
    assert _verdicts(found) == [(n, "holds") for n in "112345678"]
    # A code that is ten times as long, and for nothing.
    costly = [
        Run("gaussian", n, 10, {0.0: _labels(2.0, 24.0), 1.0: _labels(0.09, 24.0, s)})
        for n, s in ((100, 2.0), (400, 1.0))
    ]
    verdicts = dict(_verdicts(claims._claims_of(costly)))
    # Of both statements with number one the last, on the critical price.
    assert [verdicts[n] for n in "134"] == ["does not hold"] * 3
    assert verdicts["6"] == "does not hold" and verdicts["7"] == "holds"
    # Less than random labels are worth is less than any code of them.
    cheap = [Run("gaussian", 9, 10, {1.0: _labels(0.9, 1.0)})]
    last = _verdicts(claims._claims_of(cheap))[-2:]
    assert last == [("7", "does not hold"), ("8", "does not hold")]
    other = [Run("log-uniform", 9, 10, {1.0: _labels(0.9, 1.0)})]
    assert [v[0] for v in _verdicts(claims._claims_of(other))] == ["1", "2"]


def test_what_is_learned_by_heart_is_the_entropy_less_the_loss():
    # Half of them drawn from ten classes: 0.55 for the true one, 0.05 for each other.
    entropy = -0.55 * np.log(0.55) - 9 * 0.05 * np.log(0.05)
    assert label_entropy(0.5, 10) == pytest.approx(entropy, rel=1e-14)
    assert label_entropy(0.0, 10) == 0
    assert label_entropy(1.0, 10) == pytest.approx(np.log(10), rel=1e-14)
    # Fitted to 0.1 nats for 4 each, up to a price of 0.9; beyond, log 10 and nothing.
    run = Run("gaussian", 9, 10, {0.5: _labels(0.9, 4.0)})
    heart, law, paid = claims._claims_of([run])
    assert heart.value == pytest.approx(entropy - 0.1) and heart.verdict == "holds"
    assert law.value == pytest.approx(entropy - np.log(10)) and law.verdict == "holds"
    # Beyond nothing is paid, and log 10 - entropy is lacking.
    assert paid.value == pytest.approx(np.log(10) - entropy) and paid.added
    figure = figures._terms(run)
    (axes,) = figure.axes
    assert axes.get_title("left") == "50 % random"
    # Labels by heart that were not paid for.
    free = Run("gaussian", 9, 10, {0.5: _labels(0.9, 1.0)})
    assert claims._claims_of([free])[2].verdict == "does not hold"


def test_structure_is_what_is_worth_its_price():
    run = Run("gaussian", 9, 10, {0.0: _labels(2.0, 0.5), 1.0: _labels(0.9, 2.4)})
    expected = 0.5 * (1 + 1e-3 * np.arange(3))
    np.testing.assert_allclose(sufficient_information(run, 0.0), expected)
    assert sufficient_information(run, 1.0).tolist() == [0.0] * 3
    assert np.all(sufficient_information(run, 1.0, beta=0.5) > 2)


def test_images_are_averaged_in_blocks(images):
    task = small_images(images, fraction=0.5, side=4)
    assert (task.num_samples, len(task.train_rows), task.num_measured) == (
        718 + 360,
        718,
        360,
    )
    before = np.asarray(images.x[0]).reshape(8, 8)[:2, 2:4].mean()
    np.testing.assert_allclose(task.x[0, 1], (before - 0.13) / 0.3, rtol=1e-6)
    np.testing.assert_array_equal(task.measured.labels, images.labels[-360:])
    assert small_images(images, side=14).num_inputs == 64
    with pytest.raises(ValueError, match="side must divide the images' 8 pixels"):
        small_images(images, side=3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prior": ("flat",)}, "prior must be one of"),
        ({"beta": (0.0,)}, "beta must be one positive number"),
        ({"label_noise": (1.5,)}, "label-noise must lie in"),
        ({"train_fraction": (0.0,)}, "train-fraction must lie in"),
        ({"start": -1.0}, "start must be one positive number"),
    ],
)
def test_options_out_of_range(options, message, images):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(Context([0, 1], task=images))


def test_priors_are_swept(images):
    setup = dataclasses.replace(SETUP, prior=("gaussian", "log-uniform", "log-normal"))
    cells = setup.cells(Context([0, 6], task=images))
    assert [cell.place for cell in cells] == [
        {"prior": "gaussian"},
        {"prior": "log-uniform"},
        {"prior": "log-normal"},
    ]
    assert "log_uniform" in cells[1].objective.name
    assert cells[0].vary == {"label_noise": (0.0, 1.0), "beta": (0.01, 1e6)}
