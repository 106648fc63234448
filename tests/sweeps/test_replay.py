"""A replayed seed is the sweep's own, to the last bit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import (
    TrainConfig,
    compilation,
    datasets,
    networks,
    objectives,
    probes,
    replay,
    sweep,
)
from ibjax.sweeps import sweep_trainable
from ibjax.sweeps.grid import Cell, sweep_grid
from ibjax.training import Trainable

KEY = jax.random.key(4)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
TASK = datasets.make_task(X, (X[:, 0] > 0).astype(int))


@pytest.fixture(autouse=True)
def _compiled_as_for_users(monkeypatch, users_options):
    for name, value in users_options.items():
        monkeypatch.setitem(compilation.CPU_OPTIONS, name, value)


def _everything(snapshot):
    """Parameters and activities, as the sweep has them."""
    arrays = [*jax.tree.leaves(snapshot.params), *snapshot.layers, snapshot.logits]
    return {f"array_{n}": array for n, array in enumerate(arrays)}


def _assert_same(found, cell):
    arrays = [*jax.tree.leaves(found.params), *found.layers, found.logits]
    for n, array in enumerate(arrays):
        np.testing.assert_array_equal(array, cell[f"array_{n}"], err_msg=f"{n}")


def test_of_the_dataset_alone(tmp_path):
    dataset = sweep(
        KEY,
        datasets.szt(),
        networks.mlp([12, 4, 2], "relu"),
        TrainConfig(learning_rate=1e-2),
        num_seeds=7,
        snapshots=[0, 3, 20],
        probes=[probes.losses, _everything],
        first_seed=2,
        directory=tmp_path,
    )
    for seed, epoch in ((2, 0), (8, 3), (5, 20)):
        found = replay(tmp_path, seed, epoch)
        _assert_same(found, dataset.sel(seed=seed, epoch=epoch))
    # Between the snapshots too, where nothing was recorded.
    assert np.isfinite(replay(dataset, 3, 11).logits).all()
    assert sorted(found.rows) == list(range(4096))
    assert found.network.layer_names == tuple(dataset.layer_name.values)


def test_of_varied_numbers_noises_and_labels_drawn_anew():
    noisy = functools.partial(networks.noisy, [3, 4, 2])
    total = objectives.cross_entropy() + "penalty" * objectives.orthonormal()
    config = TrainConfig(batch_size=16)
    dataset = sweep(
        KEY,
        TASK,
        lambda noise_std: noisy(noise_std=noise_std),
        config,
        objective=total,
        num_seeds=2,
        snapshots=[0, 5],
        probes=[probes.losses, _everything],
        vary={
            "learning_rate": [0.01, 0.1],
            "noise_std": [0.1, 0.5],
            "penalty": [0.1, 1.0],
            "label_noise": [0.3, 0.6],
        },
    )
    cell = dataset.isel(learning_rate=1, noise_std=0, penalty=1, label_noise=1)
    found = replay(cell, 1, 5, task=TASK, objective=total)
    _assert_same(found, cell.sel(seed=1, epoch=5))
    # Of labels drawn anew the network has its own.
    assert 0 < (found.task.labels != TASK.labels).sum() < 60
    with pytest.raises(
        ValueError, match="select one learning_rate of 0.01, 0.1; noise"
    ):
        replay(dataset, 1, 5, task=TASK, objective=total)


@pytest.fixture(scope="module")
def dataset():
    return sweep(
        KEY,
        TASK,
        networks.mlp([3, 2], init=jax.nn.initializers.he_normal()),
        TrainConfig(optimizer=optax.sgd(0.1)),
        num_seeds=2,
        snapshots=[0, 1],
        probes=[probes.losses],
    )


GIVEN = {
    "seed": 0,
    "epoch": 1,
    "task": TASK,
    "network": networks.mlp([3, 2], init=jax.nn.initializers.he_normal()),
    "config": TrainConfig(optimizer=optax.sgd(0.1)),
}
LOGITS = [lambda snapshot: {"logits": snapshot.logits}]
OTHER_TASK = datasets.make_task(X + 1, (X[:, 0] > 0).astype(int))


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("task", None, "task must be given for a run on other data"),
        ("network", None, "network must be given where its description"),
        ("config", None, "config must be given for an optimizer without a name"),
        ("task", OTHER_TASK, "task must be that of the run, where task_sha256 is"),
        ("network", networks.mlp([3, 2]), "network must be that of the run, where"),
        ("config", TrainConfig(), "config must be that of the run, where"),
        ("objective", lambda params, batch, key: 0.0, "objective must be that of the"),
        ("seed", 2, "seed must be one of the run's, 0 to 1, got 2"),
        ("epoch", 2, r"epoch must lie in \[0, 1\], got 2"),
        ("epoch", -1, r"epoch must lie in \[0, 1\], got -1"),
    ],
)
def test_what_is_missing_or_not_the_runs_is_named(dataset, name, value, message):
    with pytest.raises(ValueError, match=message):
        replay(dataset, **(GIVEN | {name: value}))


def test_what_is_given_may_be_the_runs(dataset):
    assert replay(dataset, **GIVEN).logits.shape == (60, 2)


def test_of_a_grid_over_rates_of_an_optax_optimizer():
    def cell(rate):
        config = TrainConfig(optimizer=optax.sgd(rate))
        return Cell({"learning_rate": rate}, TASK, network, config, [0, 1], LOGITS)

    network = networks.mlp([3, 2])
    dataset = sweep_grid(KEY, [cell(0.1), cell(0.2)], num_seeds=1)
    own = dataset.sel(learning_rate=0.2)
    config = TrainConfig(optimizer=optax.sgd(0.2))
    found = replay(own, 0, 1, task=TASK, network=network, config=config)
    np.testing.assert_array_equal(found.logits, own.logits[0, -1])


def test_of_something_else_is_refused(dataset):
    still = Trainable(
        init=lambda key, data, numbers: (jnp.zeros(1), jnp.zeros(1)),
        run_epoch=lambda state, own, data, drawn, epoch: state,
        measure=lambda state, own, data, drawn, epoch, is_last: {"a": state[0]},
    )
    other = sweep_trainable(KEY, still, num_seeds=1, snapshots=[0])
    with pytest.raises(ValueError, match="run must be of networks on a task"):
        replay(other, 0, 0)
    with pytest.raises(ValueError, match="one without a configuration"):
        replay(dataset.drop_attrs(), 0, 0)
    with pytest.raises(TypeError, match="run must be a sweep's dataset"):
        replay(3, 0, 0)
    with pytest.raises(TypeError, match="seed must be an integer, got 0.5"):
        replay(dataset, 0.5, 0)
