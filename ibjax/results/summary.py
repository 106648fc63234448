"""Summary of a sweep in numbers: intervals over seeds and a verdict for every layer.

The dataset is in nats, like the rest of the library, and the summary in bits: every key
that ends in ``_bits`` is in bits, and no other key is an information.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr

from ibjax.numerics import checks
from ibjax.results.ceiling import layers_at_ceiling
from ibjax.results.cells import cells_of
from ibjax.results.compression import compression_interval, compression_verdict
from ibjax.results.curve_distance import curve_distance, has_curve
from ibjax.results.data_processing import (
    data_processing_violations,
    summarize_violations,
)
from ibjax.results.edges import layers_beyond_edges
from ibjax.results.statistics import (
    COMPRESSION_THRESHOLD_BITS,
    NATS_PER_BIT,
    TURNING_SNAPSHOTS,
    MeanInterval,
    check_nats,
    majority_quantiles,
    mean_interval,
    turning_epochs,
)

__all__ = ["has_information", "summarize", "summarize_grid"]


def summarize(dataset: xr.Dataset) -> dict[str, Any]:
    """Summary of a sweep, ready for JSON, informations in bits.

    Per estimator and layer it holds the largest and the last I(X;T), the
    compression, the epoch of the largest (the first, where several are) and the last
    I(T;Y); per layer the epoch at which the gradient's signal-to-noise ratio falls
    below one (:func:`ibjax.results.statistics.turning_epochs`); and the last losses and
    accuracies. A sweep that measured no information has no estimators. Compression is
    the largest I(X;T) over the recorded epochs less the last one, seed by seed.

    A verdict (:func:`ibjax.results.compression.compression_verdict`) compares the
    cautious 95 % interval of the mean compression
    (:func:`ibjax.results.compression.compression_interval`) with 0.1 bit.

    What a reader could get wrong:

    * The largest value of a noisy curve is biased upward, and the mean compression with
      it: it is never negative, and jitter alone makes it positive. The lower end of the
      interval is free of this bias: jitter exceeds it in 2.5 % of cases. With four
      seeds or so only large falls are decided.
    * The other intervals are Student's, which cover less of skewed numbers.
    * A verdict is about the estimate. Binned tanh units that saturate lose I(X;T)
      in this sense although the network's map stays one to one.
    * I(T;Y) under ``kde_upper`` and ``kde_lower`` is a difference of two bounds and
      is itself no bound.
    * Seeds that diverged, or with an I(X;T) that is not finite at some epoch, are left
      out of a layer's numbers.

    Args:
      dataset: Dataset of a sweep with ``i_xt``, ``i_ty`` over ``(seed, epoch, layer,
        estimator)`` in nats, and the losses, accuracies and gradient statistics, or
        with some of them.

    Returns:
      A dictionary of strings, numbers, lists and dictionaries; a number that does
      not exist is ``None``. Intervals are ``{"mean", "low", "high", "num_seeds"}``.

    Raises:
      ValueError: If ``dataset`` lacks ``i_xt`` or ``i_ty`` but not both, or has no seed
        or epoch.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> summary = summarize(example_dataset(num_seeds=5))
      >>> binning = summary["estimators"][0]
      >>> [(layer["name"], layer["verdict"]) for layer in binning["layers"]][-1]
      ('softmax 2', 'compresses')
    """
    checks.instance("dataset", dataset, xr.Dataset)
    check_nats(dataset)
    informed = has_information(dataset)
    checks.holds("dataset", dataset.dims, "seed", "epoch", why="to be one of a sweep")
    if "diverged" in dataset and dataset["diverged"].dims != ("seed",):
        raise ValueError(
            "dataset must be of one cell, which sel chooses; summarize_grid takes all "
            f"cells, got seeds over {dataset['diverged'].dims}"
        )
    for dim in ("seed", "epoch"):
        if dataset.sizes[dim] == 0:
            raise ValueError(f"dataset must have at least one {dim}, got none")
    epochs = dataset["epoch"].values
    seeds = dataset["seed"].values
    diverged = _diverged(dataset)
    estimators, finished = [], _finished(dataset)
    if informed:
        estimators = _estimators(dataset, epochs, diverged)
    num_samples = int(dataset.attrs.get("num_samples", 0)) or None
    return _plain(
        {
            "title": str(dataset.attrs.get("title", "")),
            "task": str(dataset.attrs.get("task", "")),
            "num_seeds": len(seeds),
            "diverged_seeds": seeds[diverged].tolist(),
            "collapsed_seeds": seeds[_collapsed(dataset)].tolist(),
            "unfinished_seeds": seeds[~diverged & ~finished].tolist(),
            "epochs": {
                "first": epochs[0],
                "last": epochs[-1],
                "num_recorded": len(epochs),
            },
            "num_samples": num_samples,
            "ceilings": {
                "h_y_bits": _to_bits(dataset.attrs.get("h_y", np.nan)),
                "i_xy_bits": _to_bits(dataset.attrs.get("i_xy", np.nan)),
                "log2_num_samples_bits": _to_bits(np.log(num_samples or np.nan)),
            },
            "at_ceiling": layers_at_ceiling(dataset),
            "beyond_edges": layers_beyond_edges(dataset),
            "training": _training(dataset),
            "estimators": estimators,
            "gradients": _gradients(dataset, ~diverged),
            "optimality": _optimality(dataset),
            "data_processing": _data_processing(dataset, informed),
            "compression_threshold_bits": COMPRESSION_THRESHOLD_BITS,
            "notes": list(_NOTES),
        }
    )


# Rates of a code, on test rows or of its objective, and what is next to nothing.
_RATES = ("test_rate", "rate")
_COLLAPSED_NATS = 0.01

_NOTES = (
    "Intervals are 95 % Student t intervals of the mean over seeds, but for that of "
    "the compression.",
    "Compression is the largest recorded I(X;T) less the last, seed by seed. The "
    "largest value of a noisy curve is biased upward, so compression is too.",
    "The verdict compares the interval of the mean compression with 0.1 bit. For its "
    "lower end a quarter of the seeds choose the epoch of the maximum and the others "
    "measure the fall from there, so that jitter passes for compression in 2.5 % of "
    "cases only. Its upper end allows for skewness, but not for outcomes so rare that "
    "no seed shows them.",
    "The SNR turns at the first snapshot where it is below one there and at the next "
    "two, and at nine tenths or more of the snapshots from there on.",
    "I(T;Y) by KDE is a difference of two bounds and is itself no bound.",
)


def has_information(dataset: xr.Dataset) -> bool:
    """Check whether a sweep measured I(X;T) and I(T;Y), which come together.

    Raises:
      ValueError: If the dataset holds one of them alone.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> has_information(example_dataset(num_seeds=2, num_epochs=4))
      True
    """
    if "i_xt" in dataset or "i_ty" in dataset:
        checks.holds("dataset", dataset, "i_xt", "i_ty", why="or none of the two")
        return True
    return False


def _estimators(
    dataset: xr.Dataset, epochs: np.ndarray, diverged: np.ndarray
) -> list[dict[str, Any]]:
    """Every estimator's layers."""
    i_xt = _values(dataset, "i_xt", "estimator", "layer", "seed", "epoch")
    i_ty = _values(dataset, "i_ty", "estimator", "layer", "seed", "epoch")
    estimators = []
    for m, estimator in enumerate(dataset["estimator"].values.tolist()):
        layers = [
            _layer(dataset, index)
            | _compression(
                epochs, i_xt[m, index][~diverged], i_ty[m, index, ~diverged, -1]
            )
            for index in range(dataset.sizes["layer"])
        ]
        label = _coordinate(dataset, "estimator_label", m, estimator)
        estimators.append({"estimator": estimator, "label": label, "layers": layers})
    return estimators


def _finished(dataset: xr.Dataset) -> np.ndarray:
    """Seeds with a value at the last epoch, of any layer and estimator, or a loss."""
    names = [name for name in ("i_xt", "i_ty", "train_loss") if name in dataset]
    if not names:
        return np.ones(dataset.sizes["seed"], bool)
    # Some estimators have I(T;Y) alone.
    known = [name for name in names if np.isfinite(dataset[name]).any()]
    last = dataset[(known or names)[0]].isel(epoch=-1)
    finite = last.copy(data=np.isfinite(last.values))
    return finite.any([dim for dim in last.dims if dim != "seed"]).values


def _values(dataset: xr.Dataset, name: str, *dims: str) -> np.ndarray:
    return dataset[name].transpose(*dims).values.astype(np.float64)


def _to_bits(nats: float) -> float:
    return float(nats) / NATS_PER_BIT


def _collapsed(dataset: xr.Dataset) -> np.ndarray:
    """Seeds whose code costs next to nothing at the last epoch: it tells nothing."""
    rate = next((dataset[name] for name in _RATES if name in dataset), None)
    if rate is None or set(rate.dims) != {"seed", "epoch"}:
        return np.zeros(dataset.sizes["seed"], bool)
    return rate.isel(epoch=-1).values < _COLLAPSED_NATS


def _diverged(dataset: xr.Dataset) -> np.ndarray:
    if "diverged" not in dataset:
        return np.zeros(dataset.sizes["seed"], bool)
    return dataset["diverged"].values.astype(bool)


def _coordinate(dataset: xr.Dataset, name: str, index: int, default: Any) -> Any:
    return (
        np.asarray(dataset[name].values[index]).item()
        if name in dataset.coords
        else default
    )


def _layer(dataset: xr.Dataset, index: int) -> dict[str, Any]:
    number = int(dataset["layer"].values[index])
    return {
        "layer": number,
        "name": _coordinate(dataset, "layer_name", index, f"layer {number}"),
        "width": _coordinate(dataset, "layer_width", index, None),
    }


def _interval(values: np.ndarray) -> dict[str, Any]:
    return _named(mean_interval(values))


def _named(interval: MeanInterval) -> dict[str, Any]:
    mean, low, high, count = interval
    return {"mean": mean, "low": low, "high": high, "num_seeds": count}


def _quartiles(values: np.ndarray) -> dict[str, Any]:
    low, median, high = majority_quantiles(values)
    return {
        "median": median,
        "lower_quartile": low,
        "upper_quartile": high,
        "num_seeds": np.sum(np.isfinite(values)),
    }


def _compression(
    epochs: np.ndarray, i_xt: np.ndarray, final_i_ty: np.ndarray
) -> dict[str, Any]:
    """One estimator and layer; ``i_xt`` in nats, ``[num_seeds, num_epochs]``."""
    curves = i_xt[np.isfinite(i_xt).all(axis=1)] / NATS_PER_BIT
    peak, final = np.max(curves, axis=1, initial=-np.inf), curves[:, -1]
    compression = compression_interval(curves)
    return {
        "num_seeds": len(curves),
        "i_xt_max_bits": _interval(peak),
        "i_xt_final_bits": _interval(final),
        "compression_bits": _named(compression),
        "epoch_of_max": _quartiles(epochs[np.argmax(curves, axis=1)].astype(float)),
        "i_ty_final_bits": _interval(final_i_ty / NATS_PER_BIT),
        "num_seeds_compressing": np.sum(peak - final > COMPRESSION_THRESHOLD_BITS),
        "verdict": compression_verdict(compression),
    }


def _training(dataset: xr.Dataset) -> dict[str, Any]:
    """The last losses and accuracies; a loss in no unit is a mean squared error."""
    training = {}
    for split in ("train", "test"):
        final = dict.fromkeys(("loss", "squared_error", "accuracy"), np.array([np.nan]))
        for name in ("loss", "accuracy"):
            variable = f"{split}_{name}"
            if variable in dataset:
                squared = name == "loss" and dataset[variable].attrs.get("units") == "1"
                values = _values(dataset, variable, "seed", "epoch")[:, -1]
                final["squared_error" if squared else name] = values
        training[f"{split}_loss_bits"] = _interval(final["loss"] / NATS_PER_BIT)
        training[f"{split}_squared_error"] = _interval(final["squared_error"])
        training[f"{split}_accuracy"] = _interval(final["accuracy"])
    return training


def _gradients(dataset: xr.Dataset, kept: np.ndarray) -> list[dict[str, Any]]:
    if "gradient_snr" not in dataset:
        return []
    epochs = dataset["epoch"].values
    ratio = _values(dataset, "gradient_snr", "layer", "seed", "epoch")[:, kept]
    layers = []
    for index, curves in enumerate(ratio):
        known = np.sum(~np.isnan(curves), axis=1) >= TURNING_SNAPSHOTS
        turning = turning_epochs(epochs, curves[known])
        first = epochs[np.argmax(~np.isnan(curves[known]), axis=1)]
        layers.append(
            _layer(dataset, index)
            | {
                "num_seeds": np.sum(known),
                "num_seeds_turning": np.sum(np.isfinite(turning)),
                "num_seeds_below_from_start": np.sum(turning == first),
                "turning_epoch": _quartiles(turning),
            }
        )
    return layers


def _optimality(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Trained layers against the information curve, by the binned estimate."""
    if not has_curve(dataset) or "estimator" not in dataset.coords:
        return []
    if "binning" not in dataset["estimator"].values:
        return []
    distance = curve_distance(dataset)
    return [
        _layer(dataset, index)
        | {
            "optimal_beta": _quartiles(distance.optimal_beta[:, index]),
            **{
                f"{name}_bits": _interval(
                    getattr(distance, name)[:, index] / NATS_PER_BIT
                )
                for name in ("divergence", "generalization_gap", "complexity_gap")
            },
        }
        for index in range(dataset.sizes["layer"])
    ]


def _data_processing(dataset: xr.Dataset, informed: bool) -> dict[str, Any]:
    """Violations of data processing; no comparisons with a single layer."""
    if not informed or dataset.sizes["layer"] < 2:
        return {"verdicts": {}, "violations": []}
    return summarize_violations(data_processing_violations(dataset))


def _plain(value: Any) -> Any:
    """A tree in JSON's types; NaN and infinities become ``None``."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def summarize_grid(dataset: xr.Dataset) -> dict[str, Any]:
    """Summaries of all cells, ready for JSON.

    Args:
      dataset: Dataset of a grid of sweeps.

    Returns:
      ``title``, the ``axes`` with their coordinates, and ``cells``: the ``place`` and
      the ``summary`` of each, see :func:`ibjax.results.summary.summarize`.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> summary = summarize_grid(example_grid(num_seeds=2))
      >>> [cell["place"] for cell in summary["cells"]]
      [{'activation': 'tanh'}, {'activation': 'relu'}]
    """
    checks.instance("dataset", dataset, xr.Dataset)
    return {
        "title": dataset.attrs["title"],
        "axes": json.loads(dataset.attrs["configuration"])["grid"],
        "cells": [
            {"place": place, "summary": summarize(cell)}
            for place, cell in cells_of(dataset)
        ],
    }
