"""Activities beyond the edges of fixed bins, all of which are in an outermost bin.

Edges that suit tanh, from -1 to 1, hold little of a layer whose activities grow: what
leaves them is told apart no more, and the layer seems to compress.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ibjax.numerics import checks

__all__ = [
    "EDGES_WORDS",
    "beyond_edges_list",
    "layers_beyond_edges",
    "leaves_edges",
]

EDGES_WORDS = (
    "Activities beyond the outer edges share a bin, so that a layer whose activities "
    "grow seems to compress"
)
"""What it means that activities lie beyond the edges."""

# Of a layer's activities more have to be there for it to be told.
_SHARE = 0.01


def leaves_edges(dataset: xr.Dataset, estimator: str) -> bool:
    """Check if of any layer more than one activity in a hundred left the edges.

    Args:
      dataset: Dataset of sweeps, or any selection of one.
      estimator: Name of the estimator; one without fixed edges has none to leave.

    Example:
      >>> shares = xr.DataArray([[[0.0, 0.3]]], dims=("seed", "epoch", "layer"))
      >>> leaves_edges(xr.Dataset({"binning_beyond_edges": shares}), "binning")
      True
    """
    name = f"{estimator}_beyond_edges"
    if name not in dataset:
        return False
    shares = dataset[name]
    return bool(shares.mean({"seed"} & set(shares.dims)).max() > _SHARE)


def layers_beyond_edges(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Layers of which more than one activity in a hundred left an estimator's edges.

    Args:
      dataset: Dataset of one sweep, with a share over ``(seed, epoch, layer)`` for each
        estimator of fixed edges, see :func:`ibjax.probes.bin_edges`.

    Returns:
      For each the ``estimator``, the number of the ``layer`` and the ``share``, the
      mean over seeds at the snapshot where it is largest; NaN are left out.

    Raises:
      TypeError: If it is no dataset.

    Example:
      >>> shares = xr.DataArray([[[0.0, 0.3]]], dims=("seed", "epoch", "layer"))
      >>> dataset = xr.Dataset({"binning_beyond_edges": shares})
      >>> layers_beyond_edges(dataset.assign_coords(layer=[1, 2]))
      [{'estimator': 'binning', 'layer': 2, 'share': 0.3}]
    """
    checks.instance("dataset", dataset, xr.Dataset)
    found = []
    for variable in dataset.data_vars:
        estimator = str(variable).removesuffix("_beyond_edges")
        if estimator == variable:
            continue
        shares = dataset[variable].mean("seed").max("epoch")
        for number in shares["layer"].values.tolist():
            share = float(shares.sel(layer=number))
            if np.isfinite(share) and share > _SHARE:
                found.append({"estimator": estimator, "layer": number, "share": share})
    return found


def beyond_edges_list(entries: Sequence[Mapping[str, Any]]) -> str:
    """What :func:`layers_beyond_edges` finds, as words.

    Example:
      >>> entry = {"estimator": "binning", "layer": 2, "share": 0.3}
      >>> beyond_edges_list([entry, entry | {"layer": 3}])
      'binning up to 30 % in layer 2, 30 % in layer 3'
    """
    layers: dict[str, list[str]] = {}
    for entry in entries:
        text = f"{100 * entry['share']:.0f} % in layer {entry['layer']}"
        layers.setdefault(entry["estimator"], []).append(text)
    return "; ".join(f"{name} up to {', '.join(of)}" for name, of in layers.items())
