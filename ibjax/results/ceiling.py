"""Estimates that sit at their ceiling, the logarithm of the number of inputs.

Estimates of I(X;T) from bins and from kernels are at most log N for N inputs. They are
there when no two inputs share a bin, or when the noise that is added mixes none: in any
layer so wide, whatever it has learned. I(T;Y) is then that of the inputs themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ibjax.numerics import checks
from ibjax.results.cells import cells_of, place_text
from ibjax.results.statistics import NATS_PER_BIT

__all__ = [
    "CEILING_WORDS",
    "at_ceiling",
    "ceiling_list",
    "layers_at_ceiling",
    "with_ceiling",
]

CEILING_WORDS = (
    "I(X;T) is at its ceiling, the logarithm of the number of inputs: all inputs are "
    "told apart, and neither it nor I(T;Y) says more of the layer"
)
"""What it means that an estimate is at its ceiling."""

# Of the inputs so many, at most, share a bin with another one. In a bin of m an input's
# term is log N - log m, and log m is log 2 or more: with a share s of such inputs an
# entropy is s log 2 or more below log N. A kernel's term is log N - log(1 + K), where K
# sums an input's kernels to all others: within the same distance of log N the mean of
# log(1 + K) is s log 2 at most.
_SHARE = 0.01
_TOLERANCE = _SHARE * NATS_PER_BIT
# Of a layer's values so many have to be there for it to be told.
_MOST = 0.5


def at_ceiling(dataset: xr.Dataset) -> xr.DataArray:
    """Mask of the estimates of I(X;T) that are the logarithm of the number of inputs.

    An estimate from bins is marked where at most one input in a hundred shares its bin
    with another, and one from kernels where the other inputs' kernels add as little.

    Args:
      dataset: Dataset of a sweep, with ``i_xt`` in nats and the attribute
        ``num_samples``, the number of measured inputs. Without it nothing is marked.

    Returns:
      Booleans over the dims of ``i_xt``.

    Raises:
      TypeError: If it is no dataset.
      ValueError: If it has no ``i_xt``.

    Example:
      >>> values = np.log(4096) - np.array([[[0.0, 1e-3, 1.0]]])
      >>> dataset = xr.Dataset({"i_xt": (("seed", "epoch", "layer"), values)})
      >>> at_ceiling(dataset.assign_attrs(num_samples=4096)).values.tolist()
      [[[True, True, False]]]
    """
    checks.instance("dataset", dataset, xr.Dataset)
    checks.holds("dataset", dataset, "i_xt")
    num_samples = int(dataset.attrs.get("num_samples", 0))
    ceiling = np.log(num_samples) if num_samples > 1 else np.inf
    return abs(dataset["i_xt"] - ceiling) <= _TOLERANCE


def layers_at_ceiling(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Layers whose estimates are at the ceiling for more than half of the time.

    Args:
      dataset: Dataset of one sweep, see :func:`at_ceiling`.

    Returns:
      For each the ``estimator``, the number of the ``layer``, its ``name`` and the
      ``share`` of the seeds' snapshots that are there; NaN are left out. None of a
      sweep that measured no information.
    """
    if "i_xt" not in dataset:
        return []
    marked = at_ceiling(dataset)
    known = np.isfinite(dataset["i_xt"])
    over = [dim for dim in marked.dims if dim not in ("layer", "estimator")]
    count = known.sum(over)
    share = (marked & known).sum(over) / count.where(count > 0)
    found = []
    for estimator in dataset["estimator"].values.tolist():
        for number in dataset["layer"].values.tolist():
            value = float(share.sel(estimator=estimator, layer=number))
            if value > _MOST:
                name = f"layer {number}"
                if "layer_name" in dataset.coords:
                    name = str(dataset["layer_name"].sel(layer=number).item())
                entry = {"estimator": estimator, "layer": int(number), "name": name}
                found.append(entry | {"share": value})
    return found


def ceiling_list(entries: Sequence[Mapping[str, Any]]) -> str:
    """What :func:`layers_at_ceiling` finds, as words.

    Example:
      >>> entries = [{"estimator": "binning", "layer": n} for n in (1, 2)]
      >>> ceiling_list(entries)
      'binning in layers 1, 2'
    """
    layers: dict[str, list[str]] = {}
    for entry in entries:
        layers.setdefault(entry["estimator"], []).append(str(entry["layer"]))
    return ", ".join(
        f"{name} in layer{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
        for name, numbers in layers.items()
    )


def with_ceiling(dataset: xr.Dataset) -> xr.Dataset:
    """A sweep's or a grid's dataset, with a warning in its attributes if one is due.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=2)
      >>> dataset["i_xt"][:, :, 0, 1] = np.log(4096)
      >>> with_ceiling(dataset).attrs["at_ceiling"].rpartition(": ")[2]
      'bin_width in layer 1'
    """
    if "i_xt" not in dataset or "estimator" not in dataset["i_xt"].dims:
        return dataset
    found = []
    for place, cell in cells_of(dataset):
        listed = ceiling_list(layers_at_ceiling(cell))
        if listed:
            found.append(f"{place_text(place)}: {listed}" if place else listed)
    attributes = {k: v for k, v in dataset.attrs.items() if k != "at_ceiling"}
    if found:
        attributes["at_ceiling"] = f"{CEILING_WORDS}: {'; '.join(found)}"
    return dataset.drop_attrs(deep=False).assign_attrs(attributes)
