"""From the records of a sweep to one labelled dataset."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from ibjax.estimators import LayerInformation
from ibjax.numerics import checks
from ibjax.results.provenance import run_attributes
from ibjax.training.trainable import Trainable, Variable

__all__ = [
    "as_recorded",
    "attributes",
    "check_record",
    "flatten_record",
    "to_dataset",
]

# Quantities of every dataset.
_VARIABLES = {
    "i_xt": Variable(("layer", "estimator"), "nats", "I(X;T)"),
    "i_ty": Variable(("layer", "estimator"), "nats", "I(T;Y)"),
    "diverged": Variable((), "1", "parameters not finite at the end", of_seed=True),
}
_COORDINATES = {"seed", "epoch", "layer", "estimator", "layer_name", "layer_width"}


def as_recorded(values: Any) -> Any:
    """Arrays as they are recorded, floating, so that NaN can say that there is none.

    Args:
      values: A pytree of arrays.

    Returns:
      The same arrays; integers and booleans, and floats that NumPy does not know, in
      JAX's own precision, which has whole numbers up to 2^24 exactly.

    Example:
      >>> import jax.numpy as jnp
      >>> as_recorded({"correct": jnp.array([3, 4]), "share": jnp.float16(0.5)})
      {'correct': Array([3., 4.], dtype=float32), 'share': Array(0.5, dtype=float16)}
    """

    def recorded(value):
        known = value.dtype.isbuiltin == 1 and value.dtype.kind in "fc"
        return value if known else value.astype(float)

    return jax.tree.map(recorded, values)


def flatten_record(measured: dict[str, Any]) -> dict[str, jax.Array]:
    """One flat dictionary of arrays from what was measured.

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


def check_record(
    record: dict[str, Any], trainable: Trainable, varied: Sequence[str] = ()
) -> None:
    """Check names and shapes of what a snapshot records, before anything is compiled.

    Args:
      record: Shapes by name, of one seed at one snapshot.
      trainable: What is trained.
      varied: Names of numbers that are varied, which become dims.

    Raises:
      ValueError: If a name is taken, or an array has other than its declared dims.
    """
    num_layers = len(trainable.layers)
    taken = _COORDINATES | _VARIABLES.keys() | trainable.constants.keys()
    for name in varied:
        if name in taken | record.keys():
            raise ValueError(f"vary must not use the name {name}, which is taken")
    for name, value in record.items():
        if name in _COORDINATES or name == "diverged":
            raise ValueError(f"probes must not use the name {name}, which is taken")
        known = _VARIABLES.get(name, trainable.variables.get(name, None))
        if name.startswith(("i_xt:", "i_ty:")):  # Of one estimator.
            dims = ("layer",)
        elif known is None:
            continue
        else:
            dims = known.dims
        axes = [num_layers if dim == "layer" else dim for dim in dims]
        checks.shape(name, value, axes, why=f"for the dims {dims} of its probe")


def to_dataset(
    records: Sequence[dict[str, np.ndarray]],
    trainable: Trainable,
    *,
    snapshots: Sequence[int],
    first_seed: int,
    diverged: np.ndarray,
) -> xr.Dataset:
    """Label the records of a sweep.

    Args:
      records: For every snapshot flat arrays by name, ``[num_seeds, ...]`` each.
      trainable: What was trained.
      snapshots: Epochs of the snapshots.
      first_seed: Number of the first seed.
      diverged: Whether each seed diverged, ``[num_seeds]``.

    Returns:
      Dataset over ``seed``, ``epoch``, ``layer`` and ``estimator``.
    """
    num_layers = len(trainable.layers)
    columns = {
        name: np.moveaxis(np.stack([record[name] for record in records]), 0, 1)
        for name in records[0]
    }
    labels = trainable.estimators
    # In the order of the labels; estimators of a plain function come last.
    found = [name.removeprefix("i_xt:") for name in columns if name.startswith("i_xt:")]
    estimators = [name for name in labels if not found or name in found]
    estimators += [name for name in found if name not in labels]
    variables: dict[str, Any] = {}
    for quantity in ("i_xt", "i_ty") if found else ():
        values = [columns.pop(f"{quantity}:{name}") for name in estimators]
        dims = ("seed", "epoch", "layer", "estimator")
        variables[quantity] = (dims, np.stack(values, axis=-1))
    known = _VARIABLES | trainable.variables
    for name, column in columns.items():
        if name in known and known[name].of_seed:
            variables[name] = (("seed", *known[name].dims), column[:, -1])
            continue
        dims = _guessed_dims(name, column, num_layers)
        if name in known:
            dims = known[name].dims
        variables[name] = (("seed", "epoch", *dims), column)
    variables["diverged"] = (("seed",), diverged)
    dataset = xr.Dataset(
        variables | trainable.constants,
        coords={
            "seed": first_seed + np.arange(len(diverged)),
            "epoch": np.asarray(snapshots),
            "layer": np.arange(1, num_layers + 1),
            "layer_name": ("layer", [layer.name for layer in trainable.layers]),
            "layer_width": ("layer", [layer.width for layer in trainable.layers]),
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
        if name in known:
            long_name, units = known[name].long_name, known[name].units
            dataset[name].attrs |= {"long_name": long_name, "units": units}
    return dataset


def attributes(
    trainable: Trainable,
    configuration: dict[str, Any],
    *,
    devices: Sequence[jax.Device],
    block: int,
    wall_seconds: float,
    compile_seconds: float,
) -> dict[str, Any]:
    """Everything needed to know how a dataset came about, as netCDF attributes."""
    return {
        "title": trainable.title.format(num=configuration["num_seeds"]),
        **trainable.attributes,
        **run_attributes(configuration, devices, wall_seconds),
        "block": block,
        "compile_seconds": compile_seconds,
    }


def _guessed_dims(name: str, column: np.ndarray, num_layers: int) -> tuple[str, ...]:
    """Dims of what a plain function returned."""
    if column.ndim == 3 and column.shape[2] == num_layers:
        return ("layer",)
    return tuple(f"{name}_{axis}" for axis in range(column.ndim - 2))
