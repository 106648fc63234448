"""One seed of a sweep again: its parameters and activities at any epoch.

A sweep measures activities where they arise and keeps none. What they were is found by
training the seed once more, by the sweep's own program: a block of the same size, whose
other places hold copies of it, so that every product is summed in the same order.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax import training
from ibjax.datasets.szt import szt
from ibjax.datasets.task import Task
from ibjax.networks.described import from_description
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.results.cells import cell_configurations
from ibjax.results.files import open_dataset
from ibjax.sweeps import program
from ibjax.sweeps.networks import (
    NetworkFn,
    made_of,
    network_trainable,
    number_names,
)
from ibjax.training.config import OPTIMIZERS
from ibjax.training.objectives import ObjectiveFn

__all__ = ["Replay", "replay"]

# Parts of a configuration that a replay may have otherwise.
_FREE = ("estimators", "probes")


class Replay(NamedTuple):
    """One network of a sweep at one epoch.

    Attributes:
      params: Its parameters, for ``network.activations(params, x)``.
      layers: Activities of every layer for the measured inputs, without noise, the last
        layer's after the softmax if it has one, ``[num_measured, units]`` each: what
        the probes saw.
      logits: The last layer's before it for all inputs, ``[num_samples, num_outputs]``.
      rows: The network's order of rows, those for training first, ``[num_samples]``.
      network: The network.
      task: The task.
    """

    params: Params
    layers: tuple[np.ndarray, ...]
    logits: np.ndarray
    rows: np.ndarray
    network: Network
    task: Task


def replay(
    run: xr.Dataset | str | Path,
    seed: int,
    epoch: int,
    *,
    task: Task | None = None,
    network: Network | NetworkFn | None = None,
    config: training.TrainConfig | Callable[..., training.TrainConfig] | None = None,
    objective: ObjectiveFn | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Replay:
    """Train one network of a sweep again, up to an epoch.

    On the kind of device that ran the sweep, with the same versions of JAX, parameters
    and activities are the sweep's own to the last bit. (:func:`ibjax.training.train`
    with the seed's key trains the same network, but rounds otherwise, and a network may
    amplify that over thousands of epochs.)

    What the run says of itself is enough for Shwartz-Ziv and Tishby's task, networks of
    :func:`ibjax.networks.mlp` and :func:`ibjax.networks.noisy`, a configuration with an
    optimizer of a name, and the default objectives. Everything else is to be given as
    it was to the sweep, and is compared with what the run says.

    Args:
      run: The sweep's dataset, or its directory. Of a grid, or of numbers that were
        varied, one cell: ``dataset.sel(learning_rate=1e-3)``.
      seed: Number of the network, one of ``dataset.seed``.
      epoch: Number of epochs, from 0 to the last one of the run.
      task: What was learned.
      network: The network, or a function of numbers that were varied.
      config: How it was trained, or such a function.
      objective: What training lowered.
      devices: Devices to use, all by default; one is used.

    Returns:
      The network, as numpy arrays.

    Raises:
      ValueError: If the run has no such seed or epoch, is no single cell, or what is
        given is not what the run was made of.
      TypeError: If ``run`` is neither a dataset nor a directory.
      ResultsError: If the directory holds no results, or damaged ones.

    Example:
      >>> from ibjax import datasets, networks, probes
      >>> from ibjax.sweeps import sweep
      >>> dataset = sweep(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     networks.mlp([12, 3, 2]),
      ...     training.TrainConfig(),
      ...     num_seeds=2,
      ...     snapshots=[0, 2],
      ...     probes=[probes.losses],
      ... )
      >>> found = replay(dataset, seed=1, epoch=2)
      >>> [t.shape for t in found.layers]
      [(4096, 3), (4096, 2)]
    """
    dataset = open_dataset(run) if isinstance(run, str | Path) else run
    if not isinstance(dataset, xr.Dataset):
        raise TypeError(
            f"run must be a sweep's dataset or its directory, got {type(run).__name__}"
        )
    place, configuration = _cell(dataset)
    seeds = configuration["first_seed"] + np.arange(configuration["num_seeds"])
    if checks.whole("seed", seed) not in seeds:
        raise ValueError(
            f"seed must be one of the run's, {seeds[0]} to {seeds[-1]}, got {seed}"
        )
    checks.whole("epoch", epoch, f"[0, {configuration['snapshots'][-1]}]")
    task = _task(configuration) if task is None else task
    network = _network(configuration) if network is None else network
    config = _config(configuration) if config is None else config
    varied = [
        name for name in place if name in number_names(network, config, objective)
    ]
    trainable = network_trainable(
        task,
        network,
        config,
        objective=objective,
        probes=[Probe(_activities, name="activities")],
        varied=varied,
    )
    numbers = {name: place[name] for name in varied}
    _check_same(trainable.configuration | numbers, configuration)
    state, own, record = _trained(
        configuration["key"],
        trainable,
        seed,
        epoch,
        numbers,
        program.lay_out(1, _block(dataset), devices),
    )
    network = made_of(network, jax.tree.map(jnp.float32, numbers))
    return Replay(
        params=network.merge(state.params, state.memory),
        layers=tuple(record[f"layer {n}"] for n in range(len(network.layers))),
        logits=record["logits"],
        rows=own.rows,
        network=network,
        task=task if own.labels is None else task.relabelled(jnp.asarray(own.labels)),
    )


def _cell(dataset: xr.Dataset) -> tuple[dict[str, float | str], dict[str, Any]]:
    """Place and configuration of the one cell that a dataset holds."""
    try:
        cells = cell_configurations(json.loads(dataset.attrs["configuration"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "run must be a sweep's dataset, got one without a configuration"
        ) from error
    chosen = [
        (place, own)
        for place, own in cells
        if all(np.any(dataset.get(axis) == value) for axis, value in place.items())
    ]
    if len(chosen) != 1:
        axes = {k: [place[k] for place, _ in chosen or cells] for k in cells[0][0]}
        wanted = "; ".join(
            f"{k} of {', '.join(map(str, dict.fromkeys(values)))}"
            for k, values in axes.items()
            if len(set(values)) > 1 or not chosen
        )
        raise ValueError(f"run must be one cell of its grid: select one {wanted}")
    if "network" not in chosen[0][1]:
        raise ValueError("run must be of networks on a task, got one of something else")
    return chosen[0]


def _task(configuration: Mapping[str, Any]) -> Task:
    task = szt()
    if configuration["task"] != task.name:
        raise ValueError(
            "task must be given for a run on other data than Shwartz-Ziv and Tishby's, "
            f"got none for {configuration['task']!r}"
        )
    return task


def _network(configuration: Mapping[str, Any]) -> Network | NetworkFn:
    found = from_description(configuration["network"])
    if found is None:
        raise ValueError(
            "network must be given where its description does not tell all, got none "
            f"for {configuration['network']!r}"
        )
    return found


def _config(configuration: Mapping[str, Any]) -> training.TrainConfig:
    if configuration["optimizer"] not in OPTIMIZERS:
        raise ValueError(
            "config must be given for an optimizer without a name, got none for "
            f"{configuration['optimizer']!r}"
        )
    names = [field.name for field in dataclasses.fields(training.TrainConfig)]
    return training.TrainConfig(
        **{name: configuration[name] for name in names if name in configuration}
    )


def _check_same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that all that decides the numbers is as the run says."""
    found = json.loads(json.dumps(found))
    # The task's own digest first: what follows from another task is no news.
    arguments = {"task_sha256": "task", "network": "network", "objective": "objective"}
    arguments |= {"num_measured": "task", "class_names": "task"}
    names = [*arguments, *(name for name in found if name not in arguments)]
    for name in names:
        one, other = found.get(name), expected.get(name)
        if name not in _FREE and one != other:
            argument = arguments.get(name, "config")
            raise ValueError(
                f"{argument} must be that of the run, where {name} is {other}, got "
                f"{one}"
            )


def _block(dataset: xr.Dataset) -> int | None:
    # Runs of earlier versions do not say; theirs was the usual one, unless chosen.
    return int(dataset.attrs["block"]) if "block" in dataset.attrs else None


def _trained(key, trainable, seed, epoch, numbers, layout):
    """State of one seed after an epoch, what it keeps, and what is measured there."""
    traced = program.trace(
        jax.random.wrap_key_data(np.asarray(key, np.uint32)),
        trainable,
        np.array([seed]),
        {name: np.array([value]) for name, value in numbers.items()},
        layout,
    )
    compiled = traced.compile()
    states, own = compiled.start(*traced.arguments)
    states, record = compiled.advance(states, own, trainable.data, 0, epoch, True)
    own = own._replace(key=None)  # NumPy does not hold keys.
    found = program.by_seed((states, own, record), layout)
    return jax.tree.map(lambda leaf: leaf[0], found)


def _activities(snapshot: Snapshot) -> dict[str, jax.Array]:
    layers = {f"layer {n}": t for n, t in enumerate(snapshot.layers)}
    return {**layers, "logits": snapshot.logits}
