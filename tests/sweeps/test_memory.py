"""Memory that a sweep cannot do without: counted by hand, and refused in time."""

import jax
import jax.numpy as jnp
import pytest

from ibjax import TrainConfig, datasets, networks, sweep
from ibjax.numerics import memory as machines
from ibjax.probes import losses
from ibjax.sweeps import memory
from ibjax.sweeps.networks import network_trainable

# Weights and biases of 12-3-2, which Adam keeps two moments of.
NUM_PARAMS = 12 * 3 + 3 + 3 * 2 + 2
LEAST = 4 * 3 * NUM_PARAMS


@pytest.fixture(scope="module")
def trainable():
    return network_trainable(
        datasets.szt(), networks.mlp([12, 3, 2]), TrainConfig(), probes=[losses]
    )


@pytest.fixture
def machine(monkeypatch):
    """A function that gives this machine so many bytes."""
    return lambda size: monkeypatch.setattr(machines, "host_memory", lambda: size)


def test_one_network_that_does_not_fit_is_named(trainable, machine):
    machine(LEAST - 1)
    with pytest.raises(MemoryError, match=r"one network .* units \(--hidden\)"):
        memory.check_states(trainable, 1, jax.devices())


def test_as_many_networks_are_named_as_fit(trainable, machine):
    state = trainable.init(jax.random.key(0), trainable.data, {})
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert size >= LEAST
    machine(7 * size)
    memory.check_states(trainable, 7, jax.devices())
    with pytest.raises(MemoryError, match="no more than 7 fit"):
        memory.check_states(trainable, 8, jax.devices())


def test_records_of_all_snapshots_count(machine):
    record = {"i_xt": jax.ShapeDtypeStruct((5, 2), jnp.float32)}
    machine(40 * 3 * 10)
    memory.check_records(record, 3, 10)
    with pytest.raises(MemoryError, match=r"3 networks at 11 .*\(--snapshots\)"):
        memory.check_records(record, 3, 11)


@pytest.mark.parametrize(
    "widths, num_seeds, option",
    [([12, 10**9, 2], 1, "--hidden"), ([12, 3, 2], 10**9, "--seeds")],
)
def test_sizes_beyond_any_memory_are_refused_at_once(widths, num_seeds, option):
    with pytest.raises(MemoryError, match=rf"GiB.*lower .*\({option}\)"):
        sweep(
            jax.random.key(0),
            datasets.szt(),
            networks.mlp(widths),
            TrainConfig(),
            num_seeds=num_seeds,
            snapshots=[0, 1],
        )
