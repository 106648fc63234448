"""Information plane of activities that were recorded elsewhere.

A network of any framework gives its activities as arrays, and gets the dataset of a
sweep: the probes that need activities and labels alone run in a sweep's own program, so
that numbers are those which a sweep would have measured.
"""

import contextlib
import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax.datasets.task import Task, make_task
from ibjax.networks.network import Layer, layer_number
from ibjax.numerics import checks
from ibjax.probes.named import named_estimators
from ibjax.probes.probe import Probe, ProbeFn
from ibjax.results.ceiling import with_ceiling
from ibjax.sweeps import assembly, program
from ibjax.sweeps.activities import (
    NOT_LAYERS,
    Recording,
    open_recording,
    read_recording,
)
from ibjax.sweeps.configurations import check_outside
from ibjax.sweeps.networks import check_probes, measure_all
from ibjax.sweeps.runs import Progress, progress_after
from ibjax.training.trainable import Trainable, Variable

__all__ = ["RecordedSnapshot", "information_plane"]

_DIVERGED = Variable((), "1", "activities not finite at some epoch", of_seed=True)


class RecordedSnapshot:
    """Activities of one network at one epoch, as probes see them.

    Attributes:
      layers: Activities of every layer, ``[num_samples, units]`` each.
      task: The labels; its inputs are not known.
      measured: The same.
      epoch: Number of the epoch.
      key: Key of this network, the same at all epochs.
      numbers: None, for there are none that vary.
    """

    def __init__(self, layers, task, described, epoch, key):
        """Gather what is known."""
        self.layers, self.task, self.measured = tuple(layers), task, task
        self.epoch, self.key = epoch, key
        self.numbers: dict[str, jax.Array] = {}
        self._described = described

    def activity(self, layer: str | int) -> jax.Array:
        """Activities of a layer in its own shape, ``[num_samples, *shape]``."""
        number = layer_number(self._described, layer)
        return self.layers[number].reshape(-1, *self._described[number].shape)

    def __getattr__(self, name: str) -> Any:
        raise ValueError(
            "estimators of recorded activities must need activities and labels alone, "
            f"got one that reads {name}"
        )


def information_plane(
    activities: Any,
    labels: Any = None,
    *,
    targets: Any = None,
    p_y_given_x: Any = None,
    epochs: Sequence[int] | None = None,
    layers: Sequence[str] | None = None,
    estimators: Sequence[str | ProbeFn] | None = None,
    num_bins: int = 30,
    bin_width: float = 0.07,
    noise_variance: float = 1e-3,
    name: str = "recorded",
    first_seed: int = 0,
    devices: Sequence[jax.Device] | None = None,
    description: dict[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> xr.Dataset:
    """Information of the layers of networks whose activities were recorded.

    All activities are of the same inputs, in the order of the labels, at every epoch;
    that of a classifier's output is best taken after its softmax, as sweeps have it.
    They come in one of these forms, as arrays of NumPy, JAX, PyTorch or whatever NumPy
    reads:

    - an array for each layer, ``[epoch, sample, unit]``, or ``[seed, epoch, sample,
      unit]`` of several networks: a dict by the layers' names, a list, or one alone;
    - the path of an ``.npz``, HDF5 or zarr file of such arrays by name, which may hold
      ``labels`` (or ``targets``, ``p_y_given_x``), ``epochs``, and ``layers``, the
      names in order, beside them (HDF5 and zarr keep none of their own);
    - epoch by epoch dicts or lists of arrays ``[sample, unit]`` or ``[seed, sample,
      unit]``: a dict by the number of the epoch, a list, an iterator, which is read
      once and holds one epoch at a time, or a function of the epoch.

    The axis of samples is the first one that is as long as the labels, after that of
    epochs where there is one; all axes after it, of images or of time, are units, flat.

    Args:
      activities: The activities.
      labels: Class of every sample, in any form that :func:`ibjax.datasets.make_task`
        takes; from the file by default.
      targets: Real targets in place of labels, see there.
      p_y_given_x: Distribution of the label, see there.
      epochs: Increasing epochs of the activities; 0, 1, 2 and so on by default, those
        of the file or the dict if there are any. A function must have them.
      layers: Names of the layers in order, or of those to take from a dict or a file.
      estimators: Names (:func:`ibjax.probes.named_estimators`) or probes, which may
        look at activities and labels alone; ``bin-width`` and ``kde`` by default, for
        real targets ``ksg`` and ``gaussian``.
      num_bins: Edges on [-1, 1] of the estimators ``binning`` and ``closed-binning``.
      bin_width: Width of the bins of ``bin-width``, in units of activity.
      noise_variance: Variance of the noise of ``kde`` and ``knn``, in squared units of
        activity.
      name: Name of the data.
      first_seed: Number of the first network.
      devices: Devices to spread networks over, all by default.
      description: More to keep in the dataset's ``configuration``.
      on_progress: Called with a :class:`~ibjax.sweeps.Progress` after every epoch.

    Returns:
      Dataset as of :func:`ibjax.sweep`, for summaries, figures, reports and files. A
      network with activities that are not finite is NaN at that epoch and marked in
      ``diverged``; the others stand, with a warning.

    Raises:
      ValueError: If layers, epochs or labels do not fit together, there are no labels,
        or no network's activities are finite; the file, layer or epoch is named.
      TypeError: If something is no array of numbers.
      FileNotFoundError: If there is no such file.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> labels = np.where(rng.random(50) < 0.5, "cat", "dog")
      >>> hidden = rng.normal(size=(3, 50, 4)).clip(0)
      >>> dataset = information_plane(
      ...     {"hidden": hidden}, labels, epochs=[0, 10, 100], estimators=["bin-width"]
      ... )
      >>> dict(dataset.i_xt.sizes)
      {'seed': 1, 'epoch': 3, 'layer': 1, 'estimator': 1}
    """
    if layers is not None:
        checks.instance("layers", layers, list, tuple)
    checks.instance("name", name, str)
    if description is not None:
        checks.instance("description", description, Mapping)
    check_outside(None, devices, on_progress)
    started = time.perf_counter()
    where = "activities"
    given = {"labels": labels, "targets": targets, "p_y_given_x": p_y_given_x}
    with contextlib.ExitStack() as stack:
        if isinstance(activities, str | Path):
            where = str(activities)
            found = stack.enter_context(open_recording(activities))
            if all(value is None for value in given.values()):
                given = {k: found[k][()] for k in given if k in found}
            epochs = (
                found["epochs"][()] if epochs is None and "epochs" in found else epochs
            )
            if layers is None and "layers" in found:
                layers = [_text(layer) for layer in found["layers"][()]]
            activities = {k: v for k, v in found.items() if k not in NOT_LAYERS}
        task = _task(given, name, where)
        recording = read_recording(
            activities, task.num_samples, epochs=epochs, layers=layers, where=where
        )
        probes = _probes(
            estimators,
            task,
            recording,
            where,
            num_bins=num_bins,
            bin_width=bin_width,
            noise_variance=checks.positive("noise_variance", noise_variance),
        )
        return _measured(
            recording,
            _trainable(task, recording.layers, probes, description),
            first_seed=checks.count("first_seed", first_seed, 0),
            devices=tuple(jax.devices() if devices is None else devices),
            where=where,
            started=started,
            on_progress=on_progress,
        )


def _task(given: dict[str, Any], name: str, where: str) -> Task:
    given = {k: v for k, v in given.items() if v is not None}
    if not given:
        holds = "" if where == "activities" else f", and {where} holds none"
        raise ValueError(f"labels or targets must be given, got none{holds}")
    for key, values in given.items():
        values = values.detach().cpu() if hasattr(values, "detach") else values
        values = checks.host_array(key, values)
        if values.dtype.kind in "SO":  # As HDF5 keeps text.
            texts = [v.decode() if isinstance(v, bytes) else v for v in values.ravel()]
            values = np.array(texts)
        if values.ndim == 0 or len(values) == 0:
            raise ValueError(f"{key} must be one for each sample, got {values.shape}")
        given[key] = values
    num_samples = len(next(iter(given.values())))
    return make_task(np.zeros((num_samples, 1)), **given, name=name)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _probes(
    estimators: Any, task: Task, recording: Recording, where: str, **numbers: Any
) -> tuple[Probe, ...]:
    if estimators is None:
        is_real = task.kind == "vectors"
        estimators = ("ksg", "gaussian") if is_real else ("bin-width", "kde")
    if isinstance(estimators, str):
        estimators = (estimators,)
    if callable(estimators):
        estimators = (estimators,)

    def find_range():
        if not recording.repeats:
            raise ValueError(
                f"data-range reads {where} twice, and an iterator is read once; give a "
                "function of the epoch, a list or a file"
            )
        low, high = np.inf, -np.inf
        for _, arrays in recording.frames():
            for t in arrays:
                finite = t[np.isfinite(t)]
                low = min(low, finite.min(initial=np.inf))
                high = max(high, finite.max(initial=-np.inf))
        if not low < high:
            raise ValueError(f"{where} must not all be equal, got {low} to {high}")
        return float(low), float(high)

    chosen: list[Any] = []
    for each in checks.instance("estimators", estimators, list, tuple):
        if isinstance(each, str):
            chosen += named_estimators([each], find_range=find_range, **numbers)
        else:
            chosen.append(each)
    found = check_probes(chosen, "estimators")
    for probe in found:
        if probe.numbers:
            raise ValueError(
                "estimators of recorded activities must have all their numbers, got "
                f"one without {', '.join(probe.numbers)}"
            )
    return found


def _trainable(
    task: Task,
    layers: tuple[Layer, ...],
    probes: tuple[Probe, ...],
    description: dict[str, Any] | None,
) -> Trainable:
    """Recorded networks as what a sweep measures; they are not trained."""

    def measure(state, own, data, drawn, epoch, is_last):
        key = jax.random.fold_in(jax.random.key(0), own)
        snapshot = RecordedSnapshot(state, data, layers, epoch, key)
        return measure_all(snapshot, probes, is_last)

    def not_trained(*_):
        raise ValueError("recorded networks cannot be trained")

    digest = hashlib.sha256()
    for array in jax.tree.leaves(task):
        digest.update(np.ascontiguousarray(array).tobytes())
    estimators = {k: v for probe in probes for k, v in probe.labels.items()}
    configuration = {
        **(description or {}),
        "recorded": True,
        "task": task.name,
        "labels_sha256": digest.hexdigest(),
        "layers": [layer.name for layer in layers],
        "estimators": estimators,
        "probes": [probe.configuration for probe in probes],
    }
    if task.class_names is not None:
        configuration["class_names"] = list(task.class_names)
    return Trainable(
        init=not_trained,
        run_epoch=not_trained,
        measure=measure,
        data=task,
        layers=layers,
        variables={"diverged": _DIVERGED}
        | {k: v for probe in probes for k, v in probe.variables.items()},
        estimators=estimators,
        constants={k: v for probe in probes for k, v in probe.constants.items()},
        configuration=configuration,
        attributes={
            "task": task.name,
            "num_samples": task.num_samples,
            "h_y": float(task.h_y),
            "i_xy": float(task.i_xy),
        },
        title="Activities of " + task.name.replace("{", "{{").replace("}", "}}"),
    )


def _measured(
    recording: Recording,
    trainable: Trainable,
    *,
    first_seed: int,
    devices: tuple[jax.Device, ...],
    where: str,
    started: float,
    on_progress: Callable[[Progress], None] | None,
) -> xr.Dataset:
    num_seeds = recording.num_seeds
    layout = program.lay_out(num_seeds, -(-num_seeds // len(devices)), devices)
    seeds = first_seed + np.arange(num_seeds)

    def placed(values):
        return jax.device_put(program.arrange(values, layout), layout.sharding)

    own = placed(np.asarray(seeds, np.int32))
    measure, compile_seconds = None, 0.0
    records, epochs = [], []
    bad = np.zeros(num_seeds, bool)
    with program.within_memory(layout):
        for (epoch, arrays), is_last in _with_last(recording.frames()):
            step_started = time.perf_counter()
            _mark_not_finite(bad, arrays, recording.layers, epoch, seeds, where)
            arguments = (
                tuple(map(placed, arrays)),
                own,
                trainable.data,
                jnp.int32(epoch),
                jnp.bool(is_last),
            )
            if measure is None:
                measure = program.compiled_measure(trainable, layout, *arguments)
                compile_seconds = time.perf_counter() - step_started
            found = measure(*arguments)
            records.append(program.by_seed(found, layout))
            epochs.append(epoch)
            if on_progress is not None:
                known = recording.epochs or epochs
                seconds = time.perf_counter() - step_started
                on_progress(progress_after(len(epochs), known, "run", seconds))
    dataset = assembly.to_dataset(
        records, trainable, snapshots=epochs, first_seed=first_seed, diverged=bad
    )
    configuration = trainable.configuration | {
        "snapshots": epochs,
        "num_seeds": num_seeds,
        "first_seed": first_seed,
    }
    dataset.attrs |= assembly.attributes(
        trainable,
        configuration,
        devices=layout.devices,
        block=layout.block,
        wall_seconds=time.perf_counter() - started,
        compile_seconds=compile_seconds,
    )
    if on_progress is not None:
        on_progress(progress_after(len(epochs), epochs, "done"))
    return with_ceiling(dataset)


def _with_last(frames: Iterator[Any]) -> Iterator[tuple[Any, bool]]:
    """Each item, and whether it is the last one."""
    held = next(frames)
    for following in frames:
        yield held, False
        held = following
    yield held, True


def _mark_not_finite(bad, arrays, layers, epoch, seeds, where) -> None:
    """Mark networks with activities that are not finite, and say so of new ones."""
    for layer, t in zip(layers, arrays, strict=True):
        found = ~np.isfinite(t).all(axis=(1, 2))
        if np.all(bad | found):
            raise ValueError(
                f"layer {layer.name!r} of {where} must be finite, got NaN or infinity "
                f"at epoch {epoch}"
                + (", and other networks before it" if len(bad) > 1 else "")
            )
        for seed in seeds[found & ~bad]:
            warnings.warn(
                f"seed {seed} is not finite at epoch {epoch} in layer {layer.name!r} "
                f"of {where}: its numbers there are NaN, and summaries leave it out",
                stacklevel=4,
            )
        bad |= found
