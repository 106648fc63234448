"""Accuracy under attack, and checks of the attack, at a snapshot."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.representations.minimal_attacks import minimal_l2
from ibjax.representations.perturbations import Attack, as_attack
from ibjax.representations.predictors import Predictor
from ibjax.representations.robustness import (
    AttackChecks,
    check_attack,
    robust_accuracy,
)
from ibjax.training.trainable import Variable

__all__ = ["accuracy_under_attack", "attack_checks", "minimal_perturbations"]

# One key for each: what one draws tells nothing of what another draws.
_CURVE, _CHECKS, _MINIMAL = 110, 111, 112


def accuracy_under_attack(
    radii: Sequence[float],
    *,
    attack: Attack | None = None,
    num_inputs: int = 200,
    last_only: bool = True,
) -> Probe:
    """Accuracy of the mean of the network's draws against the radius of an attack.

    Of the norm ``linf``, and of ``l2`` likewise, it measures ``accuracy_linf``,
    ``accuracy_linf_low`` and ``accuracy_linf_high``, over the dim ``radius_linf``, and
    ``accuracy_linf_clean``, without an attack, on the same inputs. The attack follows
    the gradients of the network with its noise and, as many tries again, without it.

    See :func:`ibjax.representations.robust_accuracy`.

    Args:
      radii: Radii, not negative.
      attack: Options of the attack.
      num_inputs: Measured inputs to attack, the first ones.
      last_only: Whether to measure at the last snapshot only.

    Returns:
      The probe.

    Raises:
      ValueError: If there is no radius, or a number is out of range.

    Example:
      >>> sorted(accuracy_under_attack([0.1]).variables)[:2]
      ['accuracy_linf', 'accuracy_linf_clean']
    """
    attack = as_attack(attack)
    checks.instance("radii", radii, list, tuple, np.ndarray)
    radii = [checks.not_negative("radii", radius) for radius in radii]
    checks.not_empty("radii", radii)
    checks.count("num_inputs", num_inputs)
    checks.flag("last_only", last_only)
    name, dim = f"accuracy_{attack.norm}", f"radius_{attack.norm}"

    def measure(snapshot):
        x, labels = _inputs(snapshot, num_inputs)
        drawn, mean = _predictors(snapshot)
        found = robust_accuracy(
            jax.random.fold_in(snapshot.key, _CURVE),
            drawn,
            x,
            labels,
            radii=jnp.array(radii),
            attack=attack,
            sources=[mean],
        )
        return {
            name: found.accuracy,
            f"{name}_low": found.low,
            f"{name}_high": found.high,
            f"{name}_clean": found.clean,
        }

    words = f"accuracy under an attack in the norm {attack.norm}"
    return Probe(
        measure,
        parameters={name: [radii, num_inputs, repr(attack)]},
        variables={
            name: Variable((dim,), "1", words),
            f"{name}_low": Variable((dim,), "1", f"{words}, lower end"),
            f"{name}_high": Variable((dim,), "1", f"{words}, upper end"),
            f"{name}_clean": Variable((), "1", "accuracy without an attack"),
        },
        constants={dim: (dim, np.array(radii))},
        last_only=last_only,
        usually_last=True,
    )


def attack_checks(
    radius: float,
    *,
    attack: Attack | None = None,
    num_inputs: int = 200,
    last_only: bool = True,
) -> Probe:
    """What an attack on the network must pass to be believed.

    Of the norm ``linf``, and of ``l2`` likewise, it measures ``check_linf_passed``, one
    or zero, ``check_linf_value`` and ``check_linf_limit`` over the dim
    ``attack_check``. The attack is that of :func:`accuracy_under_attack`, with the
    gradients of the network without noise besides. See
    :func:`ibjax.representations.check_attack`.

    Args:
      radius: The radius, positive.
      attack: Options of the attack.
      num_inputs: Measured inputs to attack, the first ones.
      last_only: Whether to measure at the last snapshot only.

    Returns:
      The probe.

    Raises:
      ValueError: If a number is not positive.

    Example:
      >>> attack_checks(0.1).constants["attack_check"][1][:2].tolist()
      ['unbounded', 'iterative']
    """
    attack = as_attack(attack)
    radius = checks.positive("radius", radius)
    checks.count("num_inputs", num_inputs, 2)
    checks.flag("last_only", last_only)
    name = f"check_{attack.norm}"

    def measure(snapshot):
        drawn, mean = _predictors(snapshot)
        found = check_attack(
            jax.random.fold_in(snapshot.key, _CHECKS),
            drawn,
            *_inputs(snapshot, num_inputs),
            radius,
            attack=attack,
            sources=[mean],
        )
        values = {
            "passed": [check.passed.astype(jnp.float32) for check in found],
            "value": [check.value for check in found],
            "limit": [check.limit for check in found],
        }
        return {f"{name}_{key}": jnp.stack(each) for key, each in values.items()}

    dims = ("attack_check",)
    return Probe(
        measure,
        parameters={name: [radius, num_inputs, repr(attack), "mean too"]},
        variables={
            f"{name}_passed": Variable(dims, "1", "whether the attack passed"),
            f"{name}_value": Variable(dims, "1", "what decides it"),
            f"{name}_limit": Variable(dims, "1", "what it must not exceed"),
        },
        constants={"attack_check": ("attack_check", np.array(AttackChecks._fields))},
        last_only=last_only,
        usually_last=True,
    )


def minimal_perturbations(
    *,
    num_inputs: int = 200,
    num_steps: int = 150,
    num_searches: int = 7,
    num_draws: int = 5,
    box: tuple[float, float] = (0.0, 1.0),
    last_only: bool = True,
) -> Probe:
    """How far the nearest inputs are that the network takes for another class.

    It measures ``minimal_l2``, the Euclidean distances by the attack of Carlini and
    Wagner over the dim ``attacked``: zero where the class is wrong already, infinite
    where the attack found no point, which is no robustness. They are upper bounds. See
    :func:`ibjax.representations.minimal_l2`.

    Args:
      num_inputs: Measured inputs to attack, the first ones.
      num_steps: Steps of Adam for each weight of the margin.
      num_searches: Weights of the margin.
      num_draws: Draws that every step's gradient is averaged over.
      box: Least and largest value of an input's entries; inputs outside of it have no
        distance, NaN.
      last_only: Whether to measure at the last snapshot only.

    Returns:
      The probe.

    Raises:
      ValueError: If a number is not positive, or the box empty.

    Example:
      >>> minimal_perturbations().variables["minimal_l2"].dims
      ('attacked',)
    """
    counts = {
        "num_inputs": num_inputs,
        "num_steps": num_steps,
        "num_searches": num_searches,
        "num_draws": num_draws,
    }
    for name, value in counts.items():
        checks.count(name, value)
    low, high = Attack(box=box).box
    checks.flag("last_only", last_only)

    def measure(snapshot):
        x, labels = _inputs(snapshot, num_inputs)
        found = minimal_l2(
            jax.random.fold_in(snapshot.key, _MINIMAL),
            _predictors(snapshot)[0],
            jnp.clip(x, low, high),
            labels,
            num_steps=num_steps,
            num_searches=num_searches,
            num_draws=num_draws,
            box=(low, high),
        )
        inside = ((x >= low) & (x <= high)).reshape(len(x), -1).all(axis=1)
        return {"minimal_l2": jnp.where(inside, found.distance, jnp.nan)}

    return Probe(
        measure,
        parameters={"minimal_l2": {**counts, "box": [low, high]}},
        variables={
            "minimal_l2": Variable(
                ("attacked",), "1", "distance of the nearest input of another class"
            )
        },
        last_only=last_only,
        usually_last=True,
    )


def _predictors(snapshot: Snapshot) -> tuple[Predictor, Predictor]:
    """The network with its noise, and without."""
    drawn = Predictor(snapshot.params, snapshot.network)
    return drawn, Predictor(snapshot.params, snapshot.network, noise=False)


def _inputs(snapshot: Snapshot, num_inputs: int) -> tuple[jax.Array, jax.Array]:
    task = snapshot.measured
    return task.x[:num_inputs].astype(jnp.float32), task.labels[:num_inputs]
