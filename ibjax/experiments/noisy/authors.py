"""The run that Goldfeld et al. (2019) saved of one noisy network, beside ours."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr

from ibjax.claims.curves import Curves
from ibjax.results.cells import cells_of
from ibjax.results.intervals import mean_estimate

__all__ = ["authors_files", "authors_run"]

_AUTHORS_NOISE = 0.005
# The authors' saved run of one network, I(X;T) in nats by epoch.
_AUTHORS = {
    1874: (7.752, 7.874, 7.859, 6.699, 3.685),
    9999: (7.755, 7.903, 7.854, 5.571, 2.302),
}
_AUTHORS_PEAKS = {4: (559, 7.089), 5: (509, 4.923)}


def authors_files(dataset: xr.Dataset) -> dict[str, str]:
    """:func:`authors_run` as the text of a JSON file, by its name."""
    content = {"unit": "nats", "rows": authors_run(dataset)}
    text = json.dumps(content, indent=2, allow_nan=False)
    return {"authors_run.json": text + "\n"}


def authors_run(
    dataset: xr.Dataset, *, estimator: str = "propagation"
) -> list[dict[str, Any]]:
    """I(X;T) of the authors' saved run of one network, and of ours.

    Theirs is in the files of Goldfeld et al.'s program: noise 0.005, no penalty. Its
    inputs are drawn with replacement, which holds the first layers below 7.744 nats
    where ours reach log 4096 = 8.318, and its weights start otherwise.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.noisy.setup.NoisySetup`.
      estimator: Name of the estimator by sample propagation.

    Returns:
      Dictionaries in JSON's types, informations in nats: ``layer``, ``quantity``,
      ``authors``, and of our networks ``mean``, ``low`` and ``high`` of its 95 %
      interval, ``least`` and ``largest`` over seeds. Epochs that were not measured,
      and layers we do not have, are left out; without our networks of that noise there
      are none.

    Raises:
      ValueError: If the dataset lacks the estimator or networks without a penalty.
    """
    plain = {}
    for _, cell in cells_of(dataset):
        options = json.loads(cell.attrs["configuration"])
        if options["orthonormal"] == 0:
            plain[options["noise_std"]] = cell
    if not plain:
        raise ValueError(
            "dataset must hold networks without a penalty (orthonormal 0), got none"
        )
    if _AUTHORS_NOISE not in plain:
        return []
    curves, rows = Curves(plain[_AUTHORS_NOISE], estimator), []
    for epoch, informations in _AUTHORS.items():
        found = np.flatnonzero(np.abs(curves.epochs - epoch) <= 1)
        for layer, value in enumerate(informations[: len(curves.i_xt) - 1]):
            if len(found):
                ours = curves.i_xt[layer, curves.kept[layer], found[0]]
                rows.append(_compared(layer, f"at epoch {epoch}", value, ours))
    for number, (epoch, value) in _AUTHORS_PEAKS.items():
        if number < len(curves.i_xt):
            ours = np.max(curves.i_xt[number - 1, curves.kept[number - 1]], axis=1)
            quantity = f"largest, theirs at epoch {epoch}"
            rows.append(_compared(number - 1, quantity, value, ours))
    return rows


def _compared(layer: int, quantity: str, authors: float, ours: np.ndarray):
    estimate = mean_estimate(ours)
    row = {"layer": layer + 1, "quantity": quantity, "authors": authors}
    numbers = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
    numbers |= {"least": math.nan, "largest": math.nan}
    if len(ours):
        numbers |= {"least": float(np.min(ours)), "largest": float(np.max(ours))}
    return row | {k: v if math.isfinite(v) else None for k, v in numbers.items()}
