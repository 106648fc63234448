"""Set-ups: their cells, what they refuse, and the range of activities."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from ibjax import datasets, networks, probes, training
from ibjax.datasets.images import image_task
from ibjax.experiments import tags
from ibjax.experiments.catalogue import EXPERIMENTS, SWEEPS
from ibjax.experiments.convolutional.setup import CnnSetup
from ibjax.experiments.critical_periods.setup import CriticalSetup
from ibjax.experiments.deep_linear.setup import LinearSetup
from ibjax.experiments.experiment import Part, Scale
from ibjax.experiments.loss_dynamics.setup import LossSetup
from ibjax.experiments.mnist.setup import MnistSetup
from ibjax.experiments.nuisance.setup import NuisanceSetup
from ibjax.experiments.setup import Context
from ibjax.experiments.sharpness.setup import SharpnessSetup
from ibjax.experiments.stochastic_convolutional.setup import StochasticSetup
from ibjax.experiments.szt.setup import SztSetup
from ibjax.experiments.tags.corpora import drawn_corpus
from ibjax.results.cells import cell_name
from ibjax.sweeps.activity_range import activity_range
from ibjax.sweeps.grid import sweep_grid

CONTEXT = Context((0, 3), num_seeds=2)
PARTS = SWEEPS | {
    f"{name}/{directory}": part
    for name, experiment in EXPERIMENTS.items()
    for directory, part in experiment.grids.items()
}


@pytest.fixture(scope="module")
def images():
    """Ten classes, 6 by 6 pixels; the last 20 are test images."""
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(size=(120, 36)), np.arange(120) % 10
    return datasets.make_task(x, labels, num_classes=10, num_measured=20)


def test_the_sweeps_of_the_command_keep_their_names():
    assert " ".join(SWEEPS) == (
        "szt training-size depth width activations batches batches-adam loss-dynamics "
        "deep-linear relevance mnist cnn noisy stochastic vib two-points vae "
        "vae-capacity robustness robustness-dropout information-dropout "
        "binary-dropout invariance invariance-dropout weights corruption structure "
        "sharpness nuisance tags tags-ewt deterministic critical-periods table"
    )


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_a_grid(name, images, monkeypatch):
    # The treebank is a file that need not be there.
    monkeypatch.setattr(tags.setup, "corpus", lambda name: drawn_corpus(600))
    part = PARTS[name]
    setup = part.setup
    if isinstance(setup, SharpnessSetup):
        setup = dataclasses.replace(setup, batch=(50, "full"))
    elif setup.needs_images:
        setup = dataclasses.replace(setup, batch_size=50)
    if isinstance(setup, NuisanceSetup):
        setup = dataclasses.replace(setup, square=2)
    if isinstance(setup, StochasticSetup):
        setup = dataclasses.replace(setup, autoencoder="dense", autoencoder_steps=1)
    snapshots = (0, 3)
    if isinstance(setup, CriticalSetup):
        # Three epochs tell few windows apart, whose networks are judged at their own.
        setup = dataclasses.replace(setup, removal=(1.0,), onset=(0.0,), length=1.0)
        setup = dataclasses.replace(setup, blur=2)
        snapshots = (0, 2, 3)
    cells = part._replace(setup=setup).cells(Scale(2, 3, 2), task=images)
    # Numbers that are trained side by side are no cells of their own.
    axes = {k: v for k, v in setup.axes.items() if k not in setup.number_fields}
    places = [tuple(cell.place.values()) for cell in cells]
    assert places == list(itertools.product(*axes.values()))
    assert all((cell.vary or {}) == setup.varied for cell in cells)
    assert len({cell_name(cell.place) for cell in cells}) == len(cells)
    for cell in cells:
        assert cell.snapshots == snapshots
        if cell.trainable is None:
            assert training.num_train_rows(cell.task, cell.config) > 0
            assert cell.config.shuffle_seed == 0


def test_sizes_and_keys_reach_the_cells(images):
    setup = MnistSetup(hidden=("5", "4"), activation=("relu",), batch_size=50)
    scale = Scale(2, 10, 3, test_images=7)
    part = Part(setup, scale, scale)
    (cell,) = part.cells(
        scale, task=images, also=[4, 11], random_seed=3, description={"note": "x"}
    )
    assert cell.place == {} and cell.snapshots == (0, 1, 4, 10)
    assert cell.network.layer_names == ("relu 5", "relu 4", "softmax 10")
    assert cell.task.num_samples == 107 and cell.task.num_measured == 7
    np.testing.assert_array_equal(cell.task.x, images.x[:107])
    assert training.num_train_rows(cell.task, cell.config) == 100
    assert cell.config.shuffle_seed == 3 and cell.description["note"] == "x"
    with pytest.raises(ValueError, match="task must hold the images"):
        part.cells(scale)


def test_the_classes_of_all_test_images_are_kept(images):
    context = Context([0, 1], task=images, num_measured=5)
    (cell,) = CnnSetup(batch_size=50).cells(context)
    # 20 test images, two of each class, of which the first five are measured.
    np.testing.assert_allclose(cell.description["p_y"], np.full(10, 0.1))
    assert cell.task.num_measured == 5


def test_a_cell_is_what_its_place_says():
    setup = SztSetup(
        hidden=("5-4", "3"), train_fraction=(0.05, 0.5), activation=("relu",)
    )
    cells = setup.cells(CONTEXT)
    assert [cell.place["hidden"] for cell in cells] == ["5-4", "5-4", "3", "3"]
    assert [cell.place["train_fraction"] for cell in cells] == [0.05, 0.5, 0.05, 0.5]
    # 205 rows are less than a batch of 512.
    assert [cell.config.batch_size for cell in cells] == [None, 512, None, 512]
    assert cells[0].network.layer_names == ("relu 5", "relu 4", "softmax 2")
    assert cells[0].network is cells[1].network


def test_noise_variances_share_a_program_where_the_kernels_alone_read_them():
    setup = SztSetup(noise_variance=(1e-3, 1e-2), learning_rate=(1e-4, 1e-3))
    numbers = {
        estimators: dataclasses.replace(setup, estimators=estimators).number_fields
        for estimators in (("kde",), ("kde", "data-range"), ("kde", "knn"), ("knn",))
    }
    assert list(numbers.values()) == [
        ("learning_rate", "noise_variance"),
        ("noise_variance",),
        ("learning_rate",),
        ("learning_rate",),
    ]
    (cell,) = setup.cells(CONTEXT)
    assert cell.vary == setup.varied and "noise_variance" in cell.vary
    (read,) = {probe.numbers for probe in cell.probes if probe.numbers}
    assert read == ("noise_variance",)


def test_students_are_what_their_place_says():
    setup = LinearSetup(hidden=("5-4",), num_samples=(10, 20), batch_size=("full", 5))
    cells = setup.cells(CONTEXT)
    assert [tuple(cell.place.values()) for cell in cells] == [
        (samples, batch) for samples in (10, 20) for batch in ("full", "5")
    ]
    configured = [cell.trainable.configuration for cell in cells]
    found = [(own["num_samples"], own["batch_size"]) for own in configured]
    assert found == [(10, None), (10, 5), (20, None), (20, 5)]
    assert cells[0].network_text == "(linear 5, linear 4, output 1)"
    plain = [
        cell._replace(place={"batch_size": cell.place["batch_size"]}) for cell in cells
    ]
    dataset = sweep_grid(jax.random.key(0), plain[:2], num_seeds=2)
    # Only batches have a ratio.
    assert np.isnan(dataset.gradient_snr.sel(batch_size="full")).all()
    assert np.isfinite(dataset.gradient_snr.sel(batch_size="5")).all()
    for wrong, message in (
        ({"num_samples": (7,)}, "batch_size must divide num_samples, 7"),
        ({"noise_variances": (0.0,)}, "noise-variances must be one positive"),
        ({"snr": ()}, "snr must hold at least one"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(setup, **wrong).cells(CONTEXT)


def test_plain_numbers_are_the_layers_of_one_network():
    (cell,) = SztSetup(hidden=("10", "7")).cells(CONTEXT)
    assert cell.place == {}
    assert cell.network.layer_names == ("tanh 10", "tanh 7", "softmax 2")


def test_commas_are_dashes():
    cells = SztSetup(hidden=("10,7", "5")).cells(CONTEXT)
    assert [cell.place["hidden"] for cell in cells] == ["10-7", "5"]
    assert cells[0].description["hidden"] == [10, 7]
    with pytest.raises(ValueError, match="hidden must name each value once"):
        SztSetup(hidden=("10,7", "10-7")).cells(CONTEXT)


def test_cells_of_one_noise_share_their_probes():
    setup = SztSetup(
        batch_size=(256, 512), noise_variance=(1e-3, 1e-1), estimators=("knn",)
    )
    first, other, second, _ = (cell.probes for cell in setup.cells(CONTEXT))
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
    (cell,) = setup.cells(Context((0, 1)))
    assert set(cell.probes.labels) == {"binning", "data_range"}
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
    with pytest.raises(ValueError, match="network's layers must be at least 2"):
        activity_range(
            jax.random.key(0),
            datasets.szt(),
            networks.mlp((12, 2)),
            training.TrainConfig(),
            num_seeds=2,
            snapshots=(0, 3),
        )


def test_no_estimator_leaves_the_losses_and_gradients():
    (cell,) = dataclasses.replace(SztSetup(), estimators=()).cells(CONTEXT)
    assert cell.probes == (probes.gradients, probes.losses)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"activation": ()}, "activation must hold at least one"),
        ({"batch_size": (512, 512)}, "batch-size must name each value once"),
        ({"hidden": ("5-x",)}, "hidden must be numbers of units"),
        ({"num_bins": 1}, "num-bins must be a whole number, at least 2"),
        ({"bin_width": 0.0}, "bin-width must be one positive number"),
        ({"noise_variance": (1e-3, -1.0)}, "noise-variance must be one positive"),
        ({"train_fraction": (0.01,)}, "batch_size, of .* must lie in"),
    ],
)
def test_bad_setups_are_refused(options, message):
    setup = dataclasses.replace(SztSetup(), **options)
    with pytest.raises(ValueError, match=message):
        setup.cells(CONTEXT)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hidden": ("5-x",)}, "hidden must be numbers of units"),
        ({"activation": ("tanh", "tanh")}, "activation must name each value once"),
        ({"bin_width": 0.0}, "bin-width must be one positive number"),
        ({"noise_variance": -1.0}, "noise-variance must be one positive number"),
        ({"batch_size": 101}, "batch_size, of .* must lie in"),
        ({"learning_rate": 0.0}, "learning_rate must be one positive number"),
    ],
)
def test_bad_setups_of_images_are_refused(options, message, images):
    setup = dataclasses.replace(MnistSetup(batch_size=50), **options)
    with pytest.raises(ValueError, match=message):
        setup.cells(Context([0, 1], task=images))


def test_images_that_do_not_fit_are_refused(images):
    with pytest.raises(ValueError, match="num_measured must be at least 1, got 0"):
        MnistSetup().cells(Context([0], task=images, num_measured=0))
    wide = datasets.make_task(images.x[:, :35], images.labels, num_measured=20)
    with pytest.raises(ValueError, match="task must hold square images, got 35 pixels"):
        CnnSetup().cells(Context([0], task=wide))
    with pytest.raises(
        ValueError, match="images must be mnist, digits or cifar10, got 'cats'"
    ):
        image_task("cats")


def test_steps_are_measured_as_they_are_taken():
    setup = LossSetup(hidden=("3",), learning_rate=(0.1, 0.2))
    cells = setup.cells(Context([0, 1], random_seed=2))
    assert [cell.config.batch_size for cell in cells] == [None, 512]
    assert all(cell.vary == {"learning_rate": (0.1, 0.2)} for cell in cells)
    assert {cell.config.optimizer for cell in cells} == {"sgd"}
    assert {cell.config.shuffle_seed for cell in cells} == {2}
    with pytest.raises(ValueError, match="batch_size, of .* must lie in"):
        LossSetup(batch_size=(4000,)).cells(Context([0, 1]))
