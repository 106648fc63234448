"""Probes of accuracy under attack against the functions they call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import datasets, networks, probes
from ibjax import representations as rep
from ibjax.sweeps import replay, sweep
from ibjax.training import TrainConfig

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(60, 4)).astype(np.float32)
TASK = datasets.make_task(X, (X[:, 0] > X[:, 1]).astype(int), num_measured=20)
NETWORK = networks.mlp([4, 2])
ATTACK = rep.Attack(num_steps=3, num_draws=1, num_predicted=1, num_evaluations=1)
RADII = [0.05, 0.2]


@pytest.fixture(scope="module")
def dataset():
    return sweep(
        jax.random.key(0),
        TASK,
        NETWORK,
        TrainConfig(learning_rate=0.1, split="ordered"),
        num_seeds=2,
        snapshots=[0, 20],
        probes=[
            probes.accuracy_under_attack(RADII, attack=ATTACK, num_inputs=12),
            probes.attack_checks(0.1, attack=ATTACK, num_inputs=12),
        ],
    )


def test_what_is_recorded_is_that_of_the_trained_network(dataset):
    found = replay(
        dataset,
        1,
        20,
        task=TASK,
        network=NETWORK,
        config=TrainConfig(learning_rate=0.1, split="ordered"),
    )
    x, labels = TASK.measured.x[:12], TASK.measured.labels[:12]
    # Without noise, an attack of one try from the input draws nothing.
    expected = rep.robust_accuracy(
        jax.random.key(7),
        rep.Predictor(jax.tree.map(jnp.asarray, found.params), NETWORK),
        x,
        labels,
        radii=RADII,
        attack=ATTACK,
    )
    last = dataset.isel(seed=1, epoch=-1)
    np.testing.assert_allclose(last.radius_linf, RADII)
    for name in ("", "_low", "_high"):
        values = getattr(expected, name.removeprefix("_") or "accuracy")
        np.testing.assert_allclose(last[f"accuracy_linf{name}"], values, atol=1e-6)
    right = np.argmax(found.logits[-20:][:12], axis=1) == labels
    np.testing.assert_allclose(last.accuracy_linf_clean, right.mean(), atol=1e-6)
    assert dataset.accuracy_linf.isel(epoch=0).isnull().all()


def test_checks_have_their_names(dataset):
    names = list(rep.AttackChecks._fields)
    assert dataset.attack_check.values.tolist() == names
    last = dataset.isel(epoch=-1)
    below = last.check_linf_value <= last.check_linf_limit
    np.testing.assert_array_equal(last.check_linf_passed, below)
    # A linear network has no gradients to mask.
    assert (last.check_linf_passed.sel(attack_check="gradients") == 1).all()


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="radii must be one number from 0 on"):
        probes.accuracy_under_attack([-0.1])
    with pytest.raises(ValueError, match="radii must hold at least one"):
        probes.accuracy_under_attack([])
    with pytest.raises(ValueError, match="num_inputs must be a whole number"):
        probes.attack_checks(0.1, num_inputs=1)
    with pytest.raises(ValueError, match="radius must be one positive number"):
        probes.attack_checks(0.0)
