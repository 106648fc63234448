"""Whatever a sweep trains: seeds apart and together, other devices, resumed runs.

Plain networks are in ``test_sweep.py``.
"""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from ibjax import TrainConfig, datasets, networks, objectives, probes, sweep
from ibjax.experiments.deep_linear.students import StudentConfig, student
from ibjax.results.files import ResultsError, open_dataset
from ibjax.sweeps.checkpoint import CHECKPOINT_FILE, RECORDS_FILE
from ibjax.sweeps.networks import network_trainable
from ibjax.sweeps.seeds import sweep_trainable

X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)
KEY = jax.random.key(3)
CONFIG = TrainConfig(learning_rate=0.1, batch_size=8)
SNAPSHOTS = [0, 1, 3]


class _Linen(linen.Module):
    @linen.compact
    def __call__(self, x, training):
        x = linen.Dense(3)(x)
        x = linen.BatchNorm(use_running_average=not training, momentum=0.8)(x)
        x = linen.Dropout(0.3, deterministic=not training)(jnp.tanh(x))
        return linen.Dense(2)(x)


class _Nnx(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(3, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(3, momentum=0.8, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.head = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.dropout(jnp.tanh(self.norm(self.linear(x)))))


def _norms(snapshot):
    leaves = jax.tree.leaves((snapshot.params, snapshot.layers))
    return {"norms": jnp.stack([jnp.linalg.norm(leaf) for leaf in leaves])}


def _network(network, measured=(probes.losses, _norms), **options):
    task = datasets.make_task(X, LABELS)
    options = {"probes": measured} | options
    return lambda: network_trainable(task, network(), CONFIG, **options)


TRAINABLES = {
    "noisy": _network(lambda: networks.noisy((3, 3, 2), noise_std=0.3)),
    "linen": _network(
        lambda: networks.from_flax(
            _Linen(), X[:1], layers=["BatchNorm_0"], state="batch_stats"
        )
    ),
    "nnx": _network(
        lambda: networks.from_flax(_Nnx, X[:1], layers=["norm"], state=nnx.BatchStat),
        (probes.losses, probes.gradients),
    ),
    "students": lambda: student(
        StudentConfig(
            hidden=(4,), num_samples=12, num_inputs=5, batch_size=4, num_relevant=2
        )
    ),
    "varied": _network(
        lambda: lambda noise_std: networks.noisy((3, 3, 2), noise_std=noise_std),
        objective=objectives.cross_entropy() + "penalty" * objectives.orthonormal(),
        varied=("penalty", "noise_std"),
    ),
}
VARY = {"penalty": [0.0, 0.1], "noise_std": [0.1, 0.5]}


def _run(kind, **options):
    """A sweep of this kind, with everything made anew."""
    arguments = {"num_seeds": 6, "snapshots": SNAPSHOTS} | options
    if kind == "varied":
        arguments |= {"num_seeds": 2, "vary": VARY}
    return sweep_trainable(KEY, TRAINABLES[kind](), **arguments)


@pytest.fixture(scope="module", params=sorted(TRAINABLES))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def begun(kind, tmp_path_factory):
    return tmp_path_factory.mktemp("begun")


@pytest.fixture(scope="module")
def whole(kind, begun, tmp_path_factory):
    """Six seeds in two blocks on two devices.

    What it has saved after two snapshots is copied, as a run that is killed leaves it.
    """
    directory = tmp_path_factory.mktemp("whole")

    def copy(progress):
        if progress.num_snapshots_done == 2:
            for name in (CHECKPOINT_FILE, RECORDS_FILE):
                shutil.copy(directory / name, begun)

    return _run(kind, directory=directory, on_progress=copy)


def _assert_equal(found, expected):
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_numbers_are_there_and_seeds_differ(whole, kind):
    assert not whole.diverged.any()
    assert np.isfinite(whole.train_loss).all()
    first = whole.train_loss.isel(seed=0), whole.train_loss.isel(seed=1)
    assert not np.any(np.asarray(first[0]) == np.asarray(first[1]))
    if kind == "students":
        assert np.isfinite(whole.i_relevant).all()
    elif kind == "nnx":
        # Three batches' gradients agree in part, in both layers.
        assert (whole.gradient_snr > 0).all() and np.isfinite(whole.gradient_snr).all()
    else:
        assert np.isfinite(whole.norms).all()


def test_a_seed_is_the_same_alone_and_on_one_device(whole, kind):
    """Copies of varied numbers are never alone, so they run on one device only."""
    other = _run(kind, num_seeds=1, devices=jax.devices()[:1])
    assert kind == "varied" or other.sizes["seed"] == 1
    _assert_equal(other, whole.isel(seed=slice(other.sizes["seed"])))


def test_a_resumed_sweep_ends_with_the_same_numbers(whole, kind, begun):
    assert (begun / CHECKPOINT_FILE).exists()
    with pytest.raises(ResultsError, match="already holds an unfinished run"):
        _run(kind, directory=begun)
    seen = []
    found = _run(kind, directory=begun, resume=True, on_progress=seen.append)
    assert [progress.num_snapshots_done for progress in seen] == [2, 2, 3, 3]
    _assert_equal(found, whole)
    _assert_equal(open_dataset(begun), whole)
    assert not (begun / CHECKPOINT_FILE).exists()


def test_a_sweep_varied_otherwise_is_not_resumed(tmp_path):
    task, network = datasets.make_task(X, LABELS), networks.mlp((3, 2))
    options = {"num_seeds": 1, "snapshots": [0], "probes": [probes.losses]}
    options |= {"directory": tmp_path}
    sweep(KEY, task, network, CONFIG, vary={"learning_rate": [0.1, 0.2]}, **options)
    for vary in ({"learning_rate": [0.1, 0.3]}, None):
        with pytest.raises(ResultsError, match="another run, (over|which differs in)"):
            sweep(KEY, task, network, CONFIG, vary=vary, resume=True, **options)
    with pytest.raises(ResultsError, match="another run, which differs in objective"):
        sweep(
            KEY,
            task,
            network,
            CONFIG,
            vary={"learning_rate": [0.1, 0.2]},
            objective=objectives.cross_entropy() + objectives.weight_decay(),
            resume=True,
            **options,
        )


def _with_key():
    """Gradient descent that also draws, with a typed key as its state."""

    def update(updates, state, params=None):
        key, own = jax.random.split(state)
        size = 1 + 0.1 * jax.random.normal(own)
        return jax.tree.map(lambda g: -0.1 * size * g, updates), key

    return optax.GradientTransformation(lambda params: jax.random.key(0), update)


def _run_with_key(**options):
    task, network = datasets.make_task(X, LABELS), networks.mlp((3, 2))
    config = TrainConfig(optimizer=_with_key(), batch_size=8)
    options = {"num_seeds": 2, "snapshots": [0, 2], "probes": [probes.losses]} | options
    return sweep(KEY, task, network, config, **options)


def test_an_optimizer_with_a_typed_key_is_trained():
    assert np.isfinite(_run_with_key().train_loss).all()


def test_an_optimizer_with_a_typed_key_is_not_saved(tmp_path, nothing_compiles):
    with pytest.raises(ValueError, match="state must be numbers to be saved, got key"):
        _run_with_key(directory=tmp_path)


def test_an_optimizer_of_another_strength_is_another_run(tmp_path):
    task, network = datasets.make_task(X, LABELS), networks.mlp((3, 2))
    options = {"num_seeds": 1, "snapshots": [0], "probes": [probes.losses]}
    options |= {"directory": tmp_path}
    config = TrainConfig(optimizer=optax.adamw(0.1, weight_decay=0.1))
    sweep(KEY, task, network, config, **options)
    again = TrainConfig(optimizer=optax.adamw(0.1, weight_decay=0.1))
    assert sweep(KEY, task, network, again, resume=True, **options).sizes["seed"] == 1
    other = TrainConfig(optimizer=optax.adamw(0.1, weight_decay=0.2))
    with pytest.raises(ResultsError, match="another run, which differs in optimizer"):
        sweep(KEY, task, network, other, resume=True, **options)
