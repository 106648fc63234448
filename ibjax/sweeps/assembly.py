"""From the records of a sweep to one labelled dataset."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import jax
import numpy as np
import xarray as xr

from ibjax.datasets.task import Task
from ibjax.estimators import LayerInformation
from ibjax.probes.probe import InformationProbe, LastProbe, Probe
from ibjax.results.provenance import describe_devices, package_versions

__all__ = ["attributes", "estimator_labels", "flatten_record", "to_dataset"]

_DESCRIPTIONS = {
    "i_xt": ("I(X;T)", "nats"),
    "i_ty": ("I(T;Y)", "nats"),
    "gradient_mean": ("norm of the mean minibatch gradient", "nats"),
    "gradient_std": ("norm of the standard deviation of minibatch gradients", "nats"),
    "gradient_snr": ("gradient signal-to-noise ratio", "1"),
    "weight_norm": ("norm of the weights", "1"),
    "gradient_mean_normalized": ("gradient mean over weight norm", "nats"),
    "gradient_std_normalized": ("gradient standard deviation over weight norm", "nats"),
    "train_loss": ("cross-entropy on training rows", "nats"),
    "test_loss": ("cross-entropy on test rows", "nats"),
    "train_accuracy": ("accuracy on training rows", "1"),
    "test_accuracy": ("accuracy on test rows", "1"),
    "optimal_beta": ("beta of the closest optimal encoder", "1"),
    "optimality_divergence": ("mean KL divergence from the closest one", "nats"),
    "curve_i_xt": ("I(X;T) on the information curve", "nats"),
    "curve_i_ty": ("I(T;Y) on the information curve", "nats"),
    "diverged": ("parameters not finite at the end", "1"),
}


def flatten_record(measured: dict[str, Any]) -> dict[str, jax.Array]:
    """One flat dictionary of arrays from what the probes returned.

    Args:
      measured: Arrays and :class:`~ibjax.estimators.LayerInformation` by name.

    Returns:
      Arrays by name; an estimator's two go by ``i_xt:name`` and ``i_ty:name``.
    """
    flat = {}
    for name, value in measured.items():
        if isinstance(value, LayerInformation):
            flat[f"i_xt:{name}"] = value.i_xt
            flat[f"i_ty:{name}"] = value.i_ty
        else:
            flat[name] = value
    return flat


def estimator_labels(probes: Sequence[Probe]) -> dict[str, str]:
    """What every estimator among the probes is, in words, by name."""
    labels: dict[str, str] = {}
    for probe in probes:
        if isinstance(probe, InformationProbe):
            labels |= probe.labels
    return labels


def to_dataset(
    records: Sequence[dict[str, np.ndarray]],
    *,
    snapshots: Sequence[int],
    first_seed: int,
    probes: Sequence[Probe],
    layer_names: Sequence[str],
    layer_widths: Sequence[int],
    diverged: np.ndarray,
) -> xr.Dataset:
    """Label the records of a sweep.

    Args:
      records: For every snapshot flat arrays by name, ``[num_seeds, ...]`` each.
      snapshots: Their epochs.
      first_seed: Number of the first seed.
      probes: The probes that made them.
      layer_names: A name for every layer.
      layer_widths: Number of units of every layer.
      diverged: Whether each seed diverged, ``[num_seeds]``.

    Returns:
      Dataset over ``seed``, ``epoch``, ``layer`` and ``estimator``.
    """
    num_layers = len(layer_names)
    columns = {
        name: np.moveaxis(np.stack([record[name] for record in records]), 0, 1)
        for name in records[0]
    }
    labels = estimator_labels(probes)
    # In the order of the probes; estimators of a plain function come last.
    found = [name.removeprefix("i_xt:") for name in columns if name.startswith("i_xt:")]
    estimators = [name for name in labels if name in found]
    estimators += [name for name in found if name not in labels]
    variables: dict[str, Any] = {}
    for quantity in ("i_xt", "i_ty") if estimators else ():
        values = [columns.pop(f"{quantity}:{name}") for name in estimators]
        dims = ("seed", "epoch", "layer", "estimator")
        variables[quantity] = (dims, np.stack(values, axis=-1))
    for name, column in columns.items():
        extra = [f"{name}_{axis}" for axis in range(column.ndim - 2)]
        if column.ndim == 3 and column.shape[2] == num_layers:
            extra = ["layer"]
        variables[name] = (("seed", "epoch", *extra), column)
    variables["diverged"] = (("seed",), diverged)
    for probe in probes:
        if isinstance(probe, LastProbe):
            variables |= probe.constants
    dataset = xr.Dataset(
        variables,
        coords={
            "seed": first_seed + np.arange(len(diverged)),
            "epoch": np.asarray(snapshots),
            "layer": np.arange(1, num_layers + 1),
            "layer_name": ("layer", np.asarray(layer_names)),
            "layer_width": ("layer", list(layer_widths)),
        },
    )
    if estimators:
        dataset = dataset.assign_coords(
            estimator=np.asarray(estimators),
            estimator_label=(
                "estimator",
                np.asarray([labels.get(name, name) for name in estimators]),
            ),
        )
    for name in dataset.data_vars:
        if name in _DESCRIPTIONS:
            long_name, units = _DESCRIPTIONS[name]
            dataset[name].attrs |= {"long_name": long_name, "units": units}
    return dataset


def attributes(
    task: Task,
    configuration: dict[str, Any],
    *,
    devices: Sequence[jax.Device],
    wall_seconds: float,
    compile_seconds: float,
) -> dict[str, Any]:
    """Everything needed to know how a dataset came about, as netCDF attributes."""
    return {
        "title": f"ibjax sweep of {configuration['num_seeds']} networks on {task.name}",
        "task": task.name,
        "num_samples": task.measured.num_samples,
        "h_y": float(task.measured.h_y),
        "i_xy": float(task.measured.i_xy),
        "configuration": json.dumps(configuration),
        "versions": json.dumps(package_versions()),
        "devices": describe_devices(devices),
        "wall_seconds": wall_seconds,
        "compile_seconds": compile_seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
