"""Claims of Achille et al. (2019) about deficits in early training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.critical_periods.pathways import (
    pathway_claims,
    trained_pathways,
)
from ibjax.results.cells import configured_cells
from ibjax.results.intervals import rank_correlation

__all__ = ["Windowed", "critical_claims", "networks_of", "removals", "sliding"]

# Percentage points: more than nothing.
_SOME = 1.0
# By how much the trace falls at least from its peak.
_FALL = 1.1


class Windowed(NamedTuple):
    """Networks with a deficit in one window.

    Attributes:
      start: First epoch with the deficit.
      stop: First epoch without it again.
      accuracy: Percent of the test images, when judged, ``[num_seeds]``.
      loss: Percentage points below networks without a deficit that had as many epochs
        without one, ``[num_seeds]``.
      epochs: Epochs of the snapshots, ``[num_epochs]``.
      trace: Trace of the Fisher information there, nats, ``[num_seeds, num_epochs]``.
    """

    start: int
    stop: int
    accuracy: np.ndarray
    loss: np.ndarray
    epochs: np.ndarray
    trace: np.ndarray

    @property
    def length(self) -> int:
        """Epochs with the deficit."""
        return self.stop - self.start


def networks_of(dataset: xr.Dataset) -> dict[str, list[Windowed]]:
    """Networks of every deficit, by window.

    Args:
      dataset: Dataset of
        :class:`ibjax.experiments.critical_periods.setup.CriticalSetup`.

    Returns:
      For every deficit its windows, the empty one first.

    Raises:
      ValueError: If the dataset has no windows.
    """
    if "deficit_start" not in dataset:
        raise ValueError(
            "dataset must be of networks with a deficit, with deficit_start, got "
            f"{list(dataset.data_vars)}"
        )
    cells: dict[str, list[tuple[xr.Dataset, Any]]] = {}
    for own, cell in configured_cells(dataset):
        name = str(own["deficit"])
        cells.setdefault(name, []).append((cell, own))
    found: dict[str, Any] = {}
    for name, windows in cells.items():
        (whole, _), *_ = windows

        def judged(cell, epoch):
            accuracy = cell["test_accuracy"].sel(epoch=epoch)
            return 100 * accuracy.values.astype(np.float64)

        found[name] = []
        for cell, own in windows:
            start, stop = own["windows"][int(own["window"])]
            clean = own["clean_epochs"]
            accuracy = judged(cell, stop + clean)
            trace = cell["fisher_trace_total"].transpose("seed", "epoch")
            found[name].append(
                Windowed(
                    start,
                    stop,
                    accuracy,
                    judged(whole, start + clean) - accuracy,
                    cell["epoch"].values.astype(np.float64),
                    trace.values.astype(np.float64),
                )
            )
    return found


def removals(windows: list[Windowed]) -> list[Windowed]:
    """Windows that begin with the training, the shortest first, the empty one too."""
    return sorted((w for w in windows if w.start == 0), key=lambda w: w.stop)


def sliding(windows: list[Windowed]) -> list[Windowed]:
    """Windows of one length, the earliest first; none if no two have one."""
    lengths = [w.length for w in windows if w.start > 0]
    found = [w for w in windows if lengths and w.length == lengths[0]]
    return sorted(found, key=lambda w: w.start)


def critical_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims of Achille et al. (2019), of those deficits that the dataset has.

    A loss is in percentage points of test accuracy, on images as they are, seed by
    seed: of networks with a deficit below those without one that had as many epochs
    without a deficit. An epoch with a deficit that taught nothing, and spoiled nothing,
    loses none. In order:

    1. Blur leaves a loss for good: that of its longest window from the beginning on is
       more than a point.
    2. The loss is larger the later blur ends: more for the longest window than for the
       shortest.
    3. A flip and permuted labels leave none: less than a point.
    4. Noise leaves a loss, too, but less than blur.
    5. Blur costs more early than late: the mean loss of the windows of one length in
       the first half of the beginnings is above that in the second half.
    6. Without a deficit the trace of the Fisher information rises and falls: its peak,
       where the mean of the networks has it, comes after the start and is more than
       1.1 times what it is at the end.
    7. Blur costs more where the trace is higher: the rank correlation of loss and trace
       over the windows of one length, the latter without a deficit in the middle of the
       window.

    Then those of :func:`ibjax.experiments.critical_periods.pathways.pathway_claims`,
    about linear networks, which are trained for them.

    Args:
      dataset: Dataset of
        :class:`ibjax.experiments.critical_periods.setup.CriticalSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille, Rovere and Soatto, `Critical learning periods in deep networks`, ICLR
      2019.
    """
    found = networks_of(dataset)
    claims = [_lasting(found, name) for name in ("flip", "labels") if name in found]
    if "blur" in found:
        claims += _of_blur(found["blur"])
    if "noise" in found:
        claims += _of_noise(found)
    claims.append(_peak(next(iter(found.values()))[0]))
    claims += pathway_claims(trained_pathways())
    return sorted(claims, key=lambda claim: claim.claim.split(".")[0])


def _longest(windows: list[Windowed]) -> Windowed:
    return removals(windows)[-1]


def _lasting(found: dict[str, list[Windowed]], name: str) -> Claim:
    longest = _longest(found[name])
    words = {"flip": "upside-down images", "labels": "permuted labels"}[name]
    return decide_mean(
        f"3. {words.capitalize()} for {longest.stop} epochs leave no loss",
        "loss, percentage points",
        longest.loss,
        below=_SOME,
    )


def _of_blur(windows: list[Windowed]) -> list[Claim]:
    _, shortest, *_ = removals(windows)
    longest = _longest(windows)
    claims = [
        decide_mean(
            f"1. Blur for {longest.stop} epochs leaves a loss for good",
            "loss, percentage points",
            longest.loss,
            above=_SOME,
        )
    ]
    if longest.stop > shortest.stop:
        claims.append(
            decide_mean(
                f"2. Blur for {longest.stop} epochs leaves more than for "
                f"{shortest.stop}",
                "difference of the losses, percentage points",
                longest.loss - shortest.loss,
                above=0.0,
            )
        )
    slid = sliding(windows)
    if len(slid) < 2:
        return claims
    losses = np.stack([window.loss for window in slid])
    half = len(slid) // 2
    claims.append(
        decide_mean(
            f"5. {slid[0].length} epochs of blur cost more early than late",
            "mean loss of early windows less that of late ones, percentage points",
            losses[:half].mean(axis=0) - losses[-half:].mean(axis=0),
            above=0.0,
        )
    )
    if len(slid) > 2:
        whole = windows[0]
        middles = [(window.start + window.stop) / 2 for window in slid]
        correlations = [
            rank_correlation(
                np.interp(middles, whole.epochs, trace), losses[:, seed]
            ).value
            for seed, trace in enumerate(whole.trace)
        ]
        claims.append(
            decide_mean(
                "7. Blur costs more where the trace of the Fisher information is "
                "higher",
                f"rank correlation over {len(slid)} windows, mean over networks",
                np.array(correlations),
                above=0.0,
            )
        )
    return claims


def _of_noise(found: dict[str, list[Windowed]]) -> list[Claim]:
    noise = _longest(found["noise"])
    claims = [
        decide_mean(
            f"4. Noise for {noise.stop} epochs leaves a loss",
            "loss, percentage points",
            noise.loss,
            above=0.0,
        )
    ]
    if "blur" in found:
        blur = _longest(found["blur"])
        claims.append(
            decide_mean(
                f"4. Noise for {noise.stop} epochs leaves less than blur",
                "loss after blur less that after noise, percentage points",
                blur.loss - noise.loss,
                above=0.0,
            )
        )
    return claims


def _peak(whole: Windowed) -> Claim:
    # What a network had before it diverged would decide for all.
    trained = np.isfinite(whole.trace).all(axis=1)
    trace = np.where(trained[:, None], whole.trace, np.nan)
    peak = int(np.argmax(np.nan_to_num(np.nanmean(trace, axis=0))))
    # A peak at the start is none.
    falls = trace[:, peak] / trace[:, -1] if peak else trace[:, 0] * 0
    return decide_mean(
        "6. The trace of the Fisher information rises, peaks and falls (peak at epoch "
        f"{whole.epochs[peak]:g})",
        "trace at the peak over that at the end",
        falls,
        above=_FALL,
    )
