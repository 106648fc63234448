"""Probes: what they declare reaches the dataset, what does not fit is refused early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, objectives, probes, sweep, training
from ibjax.estimators import LayerInformation
from ibjax.networks.network import Layer
from ibjax.probes.snapshot import measuring_key
from ibjax.sweeps.program import seed_key

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype(np.float32)
Y = (X[:, :2] + RNG.normal(size=(20, 2))).astype(np.float32)
KEY = jax.random.key(3)
CONFIG = TrainConfig(learning_rate=0.05, optimizer="sgd", batch_size=6)
SNAPSHOTS = (0, 1, 3)


FIRST = "tanh 4"


def _moments(snapshot):
    layers = snapshot.layers
    return {
        "moments": jnp.stack([jnp.stack([jnp.mean(t), jnp.var(t)]) for t in layers]),
        "first_draw": jax.random.normal(jax.random.fold_in(snapshot.key, 7)),
        "shape_of_first": jnp.asarray(snapshot.activity(FIRST).shape),
    }


DECLARED = probes.Probe(
    _moments,
    variables={
        "moments": probes.Variable(("layer", "moment"), "bits", "mean and variance"),
        "first_draw": probes.Variable((), "1", "a draw", of_seed=True),
    },
    constants={"moment": ("moment", np.array([1, 2]))},
    parameters={"order": 2},
)
LAST = probes.Probe(
    lambda snapshot: {"at_end": snapshot.epoch * jnp.ones(3)},
    variables={"at_end": probes.Variable(("axis",))},
    last_only=True,
)


def plain(snapshot):
    by_layer = jnp.stack([jnp.max(t) for t in snapshot.layers])
    return {
        "largest": by_layer,
        "bias": snapshot.params[0][1],
        "weights": snapshot.params[0][0],
        "mine": LayerInformation(by_layer, 2 * by_layer),
    }


@pytest.fixture(scope="module")
def task():
    return datasets.make_task(X, targets=Y)


@pytest.fixture(scope="module")
def network():
    return networks.mlp((3, 4, 2), output="linear")


@pytest.fixture(scope="module")
def objective():
    return objectives.squared_error() + 0.1 * objectives.weight_decay()


@pytest.fixture(scope="module")
def dataset(task, network, objective):
    return sweep(
        KEY,
        task,
        network,
        CONFIG,
        num_seeds=2,
        snapshots=SNAPSHOTS,
        objective=objective,
        probes=[
            DECLARED,
            LAST,
            plain,
            probes.squared_errors,
            probes.objective_terms,
            probes.target_information("gaussian"),
        ],
    )


@pytest.fixture(scope="module")
def trained(task, network, objective):
    """Parameters of the second seed at the end."""
    key = seed_key(KEY, 1)
    return training.train(
        key, task, network, CONFIG, num_epochs=SNAPSHOTS[-1], objective=objective
    )


def test_declared_dims_units_and_names_reach_the_dataset(dataset):
    moments = dataset.moments
    assert moments.dims == ("seed", "epoch", "layer", "moment")
    assert moments.attrs == {"long_name": "mean and variance", "units": "bits"}
    assert dataset.moment.values.tolist() == [1, 2]
    assert dataset.first_draw.dims == ("seed",)
    assert dataset.attrs["configuration"].count('"order": 2') == 1


def test_dims_of_a_plain_function_are_guessed(dataset):
    assert dataset.largest.dims == ("seed", "epoch", "layer")
    assert dataset.bias.dims == ("seed", "epoch", "bias_0")
    assert dataset.weights.dims == ("seed", "epoch", "weights_0", "weights_1")
    assert dataset.shape_of_first.values[0, 0].tolist() == [20, 4]
    mine = {name: dataset[name].sel(estimator="mine") for name in ("i_xt", "i_ty")}
    np.testing.assert_array_equal(mine["i_ty"], 2 * mine["i_xt"])
    np.testing.assert_array_equal(mine["i_xt"], dataset.largest)
    assert dataset.estimator.values.tolist() == ["gaussian", "mine"]
    assert dataset.estimator_label.values.tolist()[1] == "mine"


def test_a_probe_of_the_end_is_nan_before(dataset):
    assert np.isnan(dataset.at_end.isel(epoch=slice(2))).all()
    np.testing.assert_array_equal(dataset.at_end.isel(epoch=2), 3 * np.ones((2, 3)))


def test_keys_of_snapshots_belong_to_the_network(dataset):
    expected = [
        jax.random.normal(jax.random.fold_in(measuring_key(seed_key(KEY, n)), 7))
        for n in (0, 1)
    ]
    np.testing.assert_array_equal(dataset.first_draw, expected)


def test_squared_errors_are_those_of_the_trained_network(
    dataset, task, network, trained
):
    output = np.asarray(network.activations(trained, X)[-1], np.float64)
    errors = np.sum((output - Y) ** 2, axis=1)
    rows = np.asarray(training.split_rows(seed_key(KEY, 1), task, CONFIG))
    end = dataset.isel(seed=1, epoch=-1)
    # Nine steps of another program.
    np.testing.assert_allclose(end.train_loss, errors[rows[:16]].mean(), rtol=1e-4)
    np.testing.assert_allclose(end.test_loss, errors[rows[16:]].mean(), rtol=1e-4)


def test_terms_of_the_objective_are_means_over_training_rows(dataset, network, trained):
    end = dataset.isel(seed=1, epoch=-1)
    # Batches of 6, 6 and 4 count by their rows.
    np.testing.assert_allclose(end.squared_error, end.train_loss, rtol=1e-5)
    squares = sum(float(jnp.sum(w**2)) for w in network.kernels(trained))
    np.testing.assert_allclose(end.weight_decay, squares, rtol=1e-4)
    total = end.squared_error + 0.1 * end.weight_decay
    np.testing.assert_allclose(end.objective, total, rtol=1e-5)
    assert dataset.objective.attrs["long_name"] == "objective on training rows"


def test_information_about_targets_is_that_of_normal_variables():
    """T = w x of a linear network and Y = x_1 + Z, jointly normal."""
    rng, num_samples, std = np.random.default_rng(1), 3000, 0.5
    x = rng.normal(size=(num_samples, 3)).astype(np.float32)
    y = x[:, 0] + std * rng.normal(size=num_samples)
    task = datasets.make_task(x, targets=y)
    network = networks.mlp((3, 1), output="linear")
    w = np.array([[0.9, 0.3, -0.2]], np.float32)
    nothing = dict.fromkeys(probes.Snapshot._fields)
    layers = network.activations(((w, np.zeros(1, np.float32)),), task.x)
    snapshot = probes.Snapshot(**(nothing | {"layers": layers, "measured": task}))
    correlation = w[0, 0] / np.linalg.norm(w) / np.sqrt(1 + std**2)
    truth = -0.5 * np.log(1 - correlation**2)
    # Of n samples a correlation r has the standard error (1 - r²) / sqrt(n), and the
    # information r / sqrt(n); neighbours add as much again.
    error = correlation / np.sqrt(num_samples)
    for method, errors in (("gaussian", 4), ("ksg", 8)):
        found = probes.target_information(method)(snapshot)[method]
        assert abs(float(found.i_ty[0]) - truth) < errors * error
        assert np.isnan(found.i_xt).all()
    with pytest.raises(
        ValueError, match="method must be one of ksg, gaussian, ross, got 'a'"
    ):
        probes.target_information("a")
    classes = snapshot._replace(measured=datasets.make_task(x, y > 0))
    with pytest.raises(ValueError, match="target_information needs a task of vectors"):
        probes.target_information()(classes)


def test_activities_by_the_name_of_their_layer():
    network = networks.mlp((2, 6, 2))._replace(
        layers=(Layer("conv (12)", (2, 3, 2)), Layer("softmax 2", (2,)))
    )
    t = jnp.arange(60.0).reshape(5, 12)
    nothing = dict.fromkeys(probes.Snapshot._fields)
    snapshot = probes.Snapshot(
        **(nothing | {"layers": (t, t[:, :2]), "network": network})
    )
    for name in ("conv", "conv (12)"):
        np.testing.assert_array_equal(snapshot.activity(name), t.reshape(5, 2, 3, 2))
    np.testing.assert_array_equal(snapshot.activity("softmax 2"), t[:, :2])
    match = r"layer must be one of the network's, conv \(12\), softmax 2; got 'tanh'"
    with pytest.raises(ValueError, match=match):
        snapshot.activity("tanh")


def test_activities_by_a_name_that_layers_share_are_refused():
    nothing = dict.fromkeys(probes.Snapshot._fields)
    layers = jnp.zeros((5, 4)), jnp.ones((5, 4)), jnp.zeros((5, 2))
    own = {"layers": layers, "network": networks.mlp((8, 4, 4, 2))}
    snapshot = probes.Snapshot(**(nothing | own))
    with pytest.raises(ValueError, match="layer must name one layer, got 'tanh 4'"):
        snapshot.activity("tanh 4")
    np.testing.assert_array_equal(snapshot.activity(1), layers[1])
    np.testing.assert_array_equal(snapshot.activity("softmax 2"), layers[2])


def _declaring(value, dims=("layer",), name="odd"):
    return probes.Probe(
        lambda snapshot: {name: value}, variables={name: probes.Variable(dims)}
    )


@pytest.mark.parametrize(
    ("probe", "error", "match"),
    [
        (
            _declaring(np.ones((2, 2))),
            ValueError,
            r"odd must have shape .* for the dims \('layer',\) of its probe",
        ),
        (_declaring(np.ones(3)), ValueError, r"must have shape \[2\] for the dims"),
        (_declaring(np.ones(2), name="epoch"), ValueError, "the name epoch, which is"),
        (_declaring(np.ones(()), (), "diverged"), ValueError, "the name diverged"),
        (
            lambda snapshot: {"i": LayerInformation(jnp.ones(3), jnp.ones(3))},
            ValueError,
            r"i_\w+:i must have shape \[2\] for the dims .*, got \(3,\)",
        ),
        (
            probes.Probe(lambda snapshot: jnp.ones(2), name="bare"),
            TypeError,
            "probe bare must return a dict of arrays by name, got",
        ),
        (
            probes.Probe(lambda snapshot: {1: jnp.ones(2)}, name="numbered"),
            TypeError,
            "each name that probe numbered returns must be a str, got 1",
        ),
        (
            probes.Probe(lambda snapshot: {"said": "x"}, name="saying"),
            TypeError,
            "said of probe saying must be an array of numbers, got 'x'",
        ),
        ("losses", TypeError, "probes must be functions of a snapshot, got str"),
        (
            probes.losses,
            ValueError,
            "losses needs a task of classes, got one of vectors",
        ),
        (probes.bin_width(0.1), ValueError, "need classes, got a task of vectors"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_does_not_fit_is_refused_before_compiling(
    task, network, nothing_compiles, probe, error, match
):
    with pytest.raises(error, match=match):
        sweep(
            KEY, task, network, CONFIG, num_seeds=1, snapshots=SNAPSHOTS, probes=[probe]
        )
