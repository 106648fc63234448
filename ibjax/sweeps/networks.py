"""Networks on a task, as something that a sweep trains many of."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from ibjax import training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.numerics.digests import array_bytes, program_digest
from ibjax.probes.layers import default_probes
from ibjax.probes.probe import Probe, ProbeFn, as_probe
from ibjax.probes.snapshot import take_snapshot
from ibjax.sweeps.assembly import as_recorded
from ibjax.training.batches import noisy_labels
from ibjax.training.loop import objective_of
from ibjax.training.objectives import GIVEN, ObjectiveFn, as_objective
from ibjax.training.trainable import LOSS_UNITS, Trainable, Variable

__all__ = [
    "NetworkFn",
    "check_probes",
    "made_of",
    "measure_all",
    "network_trainable",
    "number_names",
]

NetworkFn = Callable[..., Network]
"""``network(*, noise_std) -> Network``: a network of numbers that a sweep varies."""

# Of the objectives that are known.
_UNITS = {"cross_entropy": "nats", "squared_error": "1"}


class SeedOrder(NamedTuple):
    """Data that a seed keeps while it trains.

    Attributes:
      key: Its key, shape ``[]``.
      rows: Its order of rows, ``[num_samples]``.
      numbers: Its numbers, by name.
      labels: Its labels, ``[num_samples]``, where some are drawn anew; else None.
    """

    key: jax.Array
    rows: jax.Array
    numbers: dict[str, jax.Array]
    labels: jax.Array | None = None


def network_trainable(
    task: Task,
    network: Network | NetworkFn,
    config: training.TrainConfig | Callable[..., training.TrainConfig],
    *,
    objective: ObjectiveFn | None = None,
    probes: Sequence[ProbeFn] | None = None,
    varied: Sequence[str] = (),
    description: dict[str, Any] | None = None,
) -> Trainable:
    """Networks on a task, trained on an objective and measured by probes.

    Args:
      task: What to learn.
      network: The network, or a function of numbers that are varied.
      config: How to train it, or a function of numbers that are varied.
      objective: What to lower, see :func:`ibjax.training.train`.
      probes: What to measure, :func:`ibjax.probes.default_probes` by default.
      varied: Names of numbers that are varied.
      description: More to keep in the configuration.

    Returns:
      The networks.

    Raises:
      ValueError: If the arguments do not fit together, see :func:`ibjax.sweep`.
      TypeError: If a probe or the objective is no function.
    """
    checks.instance("task", task, Task)
    if description is not None:
        checks.instance("description", description, Mapping)
    measured = check_probes(default_probes(task.kind) if probes is None else probes)
    for name in checks.instance("varied", varied, list, tuple):
        checks.instance("each of varied", name, str)
    _check_varied(varied, network, config, objective, measured)
    shown, shown_config = _shown(network, varied), _shown(config, varied)
    training.num_train_rows(task, shown_config)  # Refuses what cannot be trained.
    objective = objective_of(objective, task, shown)
    if shown_config.label_noise is not None and task.kind != "classes":
        raise ValueError(
            f"label_noise needs a task of classes that are certain, got {task.kind}"
        )
    _check_network(shown, task)

    # Fixed numbers are arguments of the program, so that others do not compile again.
    # A configuration with functions in it is none.
    given = None
    if isinstance(config, training.TrainConfig) and isinstance(config.optimizer, str):
        given = config

    def of(data, numbers):
        task, chosen = data
        if chosen is None:
            chosen = config
        return task, made_of(network, numbers), made_of(chosen, numbers)

    def init(key, data, numbers):
        task, network, config = of(data, numbers)
        state = training.init_state(key, network, config)
        rows = training.split_rows(key, task, config)
        labels = None
        if config.label_noise is not None:
            labels = noisy_labels(key, rows, task, config)
        return state, SeedOrder(key, rows, numbers, labels)

    def run_epoch(state, own, data, batches, epoch):
        task, network, config = of(data, own.numbers)
        if own.labels is not None:
            task = task.relabelled(own.labels)
        return training.run_epoch(
            training.epoch_key(own.key, epoch),
            state,
            own.rows,
            batches,
            task,
            network,
            config,
            objective=objective,
            numbers=own.numbers | {"epoch": epoch},
        )

    def measure(state, own, data, batches, epoch, is_last):
        task, network, config = of(data, own.numbers)
        if own.labels is not None:
            task = task.relabelled(own.labels)
        snapshot = take_snapshot(
            own.key,
            network.merge(state.params, state.memory),
            own.rows,
            batches,
            task,
            network,
            config,
            objective=objective,
            epoch=epoch,
            numbers=own.numbers,
        )
        return measure_all(snapshot, measured, is_last)

    return Trainable(
        init=init,
        run_epoch=run_epoch,
        measure=measure,
        data=(task, given),
        draw=lambda data, epoch: training.epoch_batches(epoch, data[0], shown_config),
        draw_measured=lambda data, epoch: training.measured_batches(
            epoch, data[0], shown_config
        ),
        params=lambda state: state.params,
        layers=shown.layers,
        variables=_variables(measured, objective.name),
        estimators={k: v for probe in measured for k, v in probe.labels.items()},
        constants={k: v for probe in measured for k, v in probe.constants.items()},
        configuration=_configuration(
            task, shown, shown_config, objective.name, measured, varied, description
        ),
        attributes={
            "task": task.name,
            "num_samples": task.measured.num_samples,
            "h_y": float(task.measured.h_y),
            "i_xy": float(task.measured.i_xy),
        },
        title=f"ibjax sweep of {{num}} networks on {task.name}",
        numbers=tuple(varied),
    )


def made_of(made: Any, numbers: dict[str, jax.Array]) -> Any:
    """A network or a configuration, from the numbers that it takes."""
    if isinstance(made, Network):
        return made
    if isinstance(made, training.TrainConfig):
        names = {field.name for field in fields(made)} & numbers.keys()
        return replace(made, **{name: numbers[name] for name in names})
    return made(**{k: v for k, v in numbers.items() if k in _keywords(made)})


def _shown(made: Any, varied: Sequence[str]) -> Any:
    """A network or configuration in whose description numbers are merely varied."""
    found: list[Any] = []

    def make(numbers):
        found.append(made_of(made, numbers))
        return jnp.zeros(())

    jax.eval_shape(
        make, {name: jax.ShapeDtypeStruct((), jnp.float32) for name in varied}
    )
    return found[0]


def _keywords(made: Any) -> set[str]:
    """Names of the numbers that a network or a configuration is a function of."""
    if isinstance(made, Network):
        return set()
    if isinstance(made, training.TrainConfig):
        # A transformation of optax has a rate of its own.
        has_rate = isinstance(made.optimizer, str)
        return {"label_noise"} | ({"learning_rate"} if has_rate else set())
    if not callable(made):
        raise TypeError(
            "network and config must be a Network and a TrainConfig, or functions of "
            f"numbers that return them, got {type(made).__name__}"
        )
    return set(inspect.signature(made).parameters)


def number_names(network: Any, config: Any, objective: ObjectiveFn | None) -> set[str]:
    """Names of the numbers that what is trained takes, which a sweep may vary."""
    known = _keywords(network) | _keywords(config)
    if objective is not None:
        known |= as_objective(objective).keywords - GIVEN
    return known


def _required(made: Any) -> set[str]:
    """Names of those without a default."""
    if isinstance(made, Network | training.TrainConfig):
        return set()
    arguments = inspect.signature(made).parameters
    return {k for k, v in arguments.items() if v.default is inspect.Parameter.empty}


def _check_varied(varied, network, config, objective, probes) -> None:
    known = number_names(network, config, objective)
    needed = _required(network) | _required(config)
    if objective is not None:
        needed |= as_objective(objective).required - GIVEN
    read = {name for probe in probes for name in probe.numbers}
    known, needed = known | read, needed | read
    unused = [name for name in varied if name not in known]
    if unused:
        hint = ""
        if "learning_rate" in unused and isinstance(config, training.TrainConfig):
            hint = (
                "; the rate of an optax optimizer is varied by config=lambda rate: "
                "TrainConfig(optimizer=optax.sgd(rate))"
            )
        raise ValueError(
            f"vary must name numbers that the network, the configuration, the "
            f"objective or a probe takes, {', '.join(sorted(known))}; got "
            f"{', '.join(unused)}{hint}"
        )
    missing = sorted(needed - set(varied))
    if missing:
        raise ValueError(f"vary must give values of {', '.join(missing)}, got none")


def _check_network(network: Network, task: Task) -> None:
    """Check that the network takes the task's inputs and gives its outputs."""
    shape = task.measured.x.shape
    params = jax.eval_shape(network.init, jax.random.key(0))
    try:
        found = jax.eval_shape(network.activations, params, task.measured.x)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"network must take the task's inputs, of shape {list(shape)}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    widths = [layer.width for layer in network.layers]
    if [t.shape for t in found] != [(shape[0], width) for width in widths]:
        raise ValueError(
            f"network must return layers of {widths} units for {shape[0]} inputs, got "
            f"shapes {[t.shape for t in found]}"
        )
    expected = task.vectors.shape[1] if task.kind == "vectors" else None
    if task.labels is not None:
        expected = task.num_classes
    if expected is not None and widths[-1] != expected:
        what = "classes" if task.labels is not None else "numbers a target"
        raise ValueError(
            f"network must have an output for each of the task's {expected} {what}, "
            f"got {widths[-1]} outputs"
        )


def check_probes(probes: Any, name: str = "probes") -> tuple[Probe, ...]:
    """Some probes, or plain functions, as probes; TypeError if they are none."""
    if callable(probes) or not isinstance(probes, Sequence):
        raise TypeError(f"{name} must be some functions, got {probes!r:.80}")
    probes = tuple(probes)
    checks.not_empty(name, probes)
    return tuple(as_probe(probe, name) for probe in probes)


def measure_all(snapshot: Any, probes: Sequence[Probe], is_last: Any) -> dict[str, Any]:
    """What some probes find in a snapshot, by name; ``is_last`` may be traced."""
    measured: dict[str, Any] = {}
    for probe in probes:
        found = _run_probe(probe, snapshot, is_last)
        taken = measured.keys() & found.keys()
        if taken:
            raise ValueError(
                f"probes must return names of their own, got {sorted(taken)} twice"
            )
        measured |= found
    return measured


def _run_probe(probe: Probe, snapshot, is_last) -> dict[str, Any]:
    where = f"probe {probe.name or 'of this sweep'}"

    def run():
        found = probe(snapshot)
        if not isinstance(found, dict):
            raise TypeError(
                f"{where} must return a dict of arrays by name, got "
                f"{type(found).__name__}"
            )
        for name, value in found.items():
            checks.instance(f"each name that {where} returns", name, str)
            for leaf in jax.tree.leaves(value):
                checks.numeric(f"{name} of {where}", leaf)
        return jax.tree.map(jnp.asarray, found)

    if not probe.last_only:
        return run()

    def recorded():
        return as_recorded(run())

    shapes = jax.eval_shape(recorded)
    nothing = jax.tree.map(lambda a: jnp.full(a.shape, jnp.nan, a.dtype), shapes)
    return lax.cond(is_last, recorded, lambda: nothing)


def _variables(probes: Sequence[Probe], objective: str) -> dict[str, Variable]:
    """Variables of probes by name, in the units of an objective."""
    units = _UNITS.get(objective, LOSS_UNITS)
    return {
        name: variable._replace(units=units)
        if variable.units == LOSS_UNITS
        else variable
        for probe in probes
        for name, variable in probe.variables.items()
    }


def _configuration(
    task, network, config, objective, probes, varied, description
) -> dict[str, Any]:
    """All that decides the numbers."""
    training_fields = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name not in varied
    }
    if config.label_noise is None:
        training_fields.pop("label_noise", None)
    if isinstance(config.learning_rate, jax.core.Tracer):  # Made of varied numbers.
        training_fields["learning_rate"] = None
    elif "learning_rate" in training_fields:
        training_fields["learning_rate"] = float(config.learning_rate)
    if isinstance(config.optimizer, optax.GradientTransformation):
        training_fields |= {
            "optimizer": _optimizer_text(config.optimizer, network),
            "learning_rate": None,
        }
    labels = {k: v for probe in probes for k, v in probe.labels.items()}
    configuration = {
        **(description or {}),
        **training_fields,
        "task": task.name,
        "task_sha256": _task_digest(task),
        "num_measured": task.num_measured,
        "network": network.description,
        "estimators": labels,
        "probes": [probe.configuration for probe in probes],
    }
    # What is as it always was goes without saying, so that older runs can go on.
    if objective not in ("cross_entropy",):
        configuration["objective"] = objective
    if task.class_names is not None:
        configuration["class_names"] = list(task.class_names)
    return configuration


def _task_digest(task: Task) -> str:
    """Digest of all arrays of a task."""
    rows = task.train_rows, task.test_rows, task.measured_rows
    has_rows = any(each is not None for each in rows)
    digest = hashlib.sha256()
    for path, array in jax.tree.leaves_with_path(replace(task, packed_x=None)):
        # By their names, where rows to train on could be rows to measure on. Tasks
        # without have the digest that they always had, so that older runs can go on.
        name = jax.tree_util.keystr(path)
        digest.update(
            array_bytes(array, name) if has_rows else np.asarray(array).tobytes()
        )
    return digest.hexdigest()


def _optimizer_text(optimizer, network: Network) -> str:
    """An optax transformation by what it does to this network's parameters."""

    def both(params):
        trainable, _ = network.split(params)
        state = optimizer.init(trainable)
        return optimizer.update(trainable, state, trainable)

    params = jax.eval_shape(network.init, jax.random.key(0))
    return f"optax transformation {program_digest(both, params)}"
