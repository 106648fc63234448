"""Claims about curvature over training, and about sharpness and generalisation."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from ibjax.claims.claim import Claim, decide, decide_mean
from ibjax.results.cells import cells_of
from ibjax.results.intervals import Estimate, mean_estimate

__all__ = ["MEASURES", "Batch", "batches_of", "rank_correlations", "sharpness_claims"]

MEASURES = {
    "fisher_trace_total": "Fisher trace",
    "fisher_log_determinant": "log-determinant",
    "sharpness": "largest eigenvalue of the Hessian",
    "effective_information": "effective information",
}
"""Names of what is measured, in words."""

_NAMES = (*MEASURES, "train_loss", "test_loss", "test_accuracy")


class Batch(NamedTuple):
    """Networks trained with batches of one size.

    Attributes:
      name: Rows of a batch, or "full".
      rows: Rows of a batch.
      epochs: Epochs measured at, shape ``[num_epochs]``.
      values: By name, ``[num_seeds, num_epochs]`` each.
    """

    name: str
    rows: int
    epochs: np.ndarray
    values: dict[str, np.ndarray]


def batches_of(dataset: xr.Dataset) -> list[Batch]:
    """Networks of every batch size, from the smallest on.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.sharpness.setup.SharpnessSetup`.

    Returns:
      The batches.

    Raises:
      ValueError: If the dataset is no such dataset.
    """
    if "sharpness" not in dataset:
        raise ValueError(f"dataset must have sharpness, got {list(dataset.data_vars)}")
    found = []
    for _, cell in cells_of(dataset):
        own = json.loads(cell.attrs["configuration"])
        name = own["batch"]
        rows = own["num_train"] if name == "full" else int(name)
        values = {
            n: np.atleast_2d(
                cell[n].transpose("seed", "epoch").values.astype(np.float64)
            )
            for n in _NAMES
        }
        # What a network had before it diverged is no part of one that was trained.
        diverged = ~np.isfinite(values["train_loss"][:, -1])
        for numbers in values.values():
            numbers[diverged] = np.nan
        found.append(Batch(name, rows, cell.epoch.values, values))
    return sorted(found, key=lambda batch: batch.rows)


def common_loss(batches: list[Batch]) -> float:
    """Least training loss that every network reaches."""
    least = [np.min(batch.values["train_loss"], axis=1) for batch in batches]
    return float(np.nanmax(np.concatenate(least)))


def at_loss(batch: Batch, name: str, loss: float) -> np.ndarray:
    """Value of every seed where its training loss first falls to one, ``[num_seeds]``.

    Between snapshots it is read off along the logarithm of the loss; NaN for a seed
    that does not get there.
    """
    found = np.full(len(batch.values[name]), np.nan)
    pairs = zip(batch.values["train_loss"], batch.values[name], strict=True)
    for seed, (losses, values) in enumerate(pairs):
        below = np.flatnonzero(losses <= loss)
        if not len(below):
            continue
        last = below[0]
        if last == 0:
            found[seed] = values[0]
            continue
        logs = np.log(losses[[last, last - 1]])
        found[seed] = np.interp(np.log(loss), logs, values[[last, last - 1]])
    return found


def rank_correlations(
    batches: list[Batch], name: str, *, against: str = "gap", loss: float | None = None
) -> tuple[float, np.ndarray]:
    """Spearman's correlation over all networks, at the last snapshot or at one loss.

    Args:
      batches: Networks.
      name: One of :data:`MEASURES`.
      against: ``"gap"``, the test loss less the training loss; ``"error"``, the share
        of wrong classes on test images; or ``"loss"``, the training loss.
      loss: Training loss where both are read off, see :func:`at_loss`; None for the
        last snapshot.

    Returns:
      The correlation, and the jackknife's pseudo-values by seed, whose mean and spread
      are about those of the correlation, ``[num_seeds]``; NaN for seeds without any
      network that has both.
    """

    def values(name):
        return np.stack(
            [
                b.values[name][:, -1] if loss is None else at_loss(b, name, loss)
                for b in batches
            ]
        )

    x = values(name)
    if against == "gap":
        y = values("test_loss") - values("train_loss")
    else:
        y = values("train_loss") if against == "loss" else 1 - values("test_accuracy")
    valid = np.isfinite(x) & np.isfinite(y)
    seeds = np.flatnonzero(valid.any(axis=0))

    def rho(chosen):
        own = valid[:, chosen]
        if own.sum() < 2:
            return math.nan
        return float(stats.spearmanr(x[:, chosen][own], y[:, chosen][own]).statistic)

    whole = rho(seeds)
    left = np.array([rho(np.delete(seeds, n)) for n in range(len(seeds))])
    pseudo = np.full(x.shape[1], np.nan)
    pseudo[seeds] = len(seeds) * whole - (len(seeds) - 1) * left
    return whole, pseudo


def _words(batch: Batch) -> str:
    return "the full batch" if batch.name == "full" else f"batches of {batch.name}"


def correlation_estimate(pseudo: np.ndarray, *, confidence: float = 0.95) -> Estimate:
    """A correlation from its pseudo-values, with an interval of what it can be."""
    found = mean_estimate(pseudo, confidence=confidence)
    low, high = np.clip([found.low, found.high], -1, 1)
    return found._replace(
        low=float(low), high=float(high), again=partial(correlation_estimate, pseudo)
    )


def sharpness_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about curvature and batch size.

    In order, with labels of the model in all that is of Fisher, and prior variance one:

    1. The Fisher trace rises and then falls, for every batch size: the largest one over
       training is at least twice the first and the last.
    2. Small batches lead to flat minima: at one training loss, the least that every
       network reaches, the smallest batch has a lower Fisher trace than the
       full one; likewise for each other measure of :data:`MEASURES`.
    3. At the end of training the same, where losses differ.
    4. Flat minima generalise: over all networks, every measure at the end and the gap
       between test and training loss have a positive rank correlation.
    5. The same with the test error.
    6. (Ours.) Claim 4 at the training loss of claim 2, where no network is more certain
       than another.
    7. (Ours.) The trace at the end tells how certain networks are: it and the training
       loss have a rank correlation above one half.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.sharpness.setup.SharpnessSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille and Soatto, `Where is the information in a deep neural network?`, 2019.
      Achille, Rovere and Soatto, `Critical learning periods in deep networks`, ICLR
      2019. Keskar et al., `On large-batch training for deep learning`, ICLR 2017.
    """
    batches = batches_of(dataset)
    claims = []
    for batch in batches:
        trace = np.log10(batch.values["fisher_trace_total"])
        rise = trace.max(axis=1) - np.maximum(trace[:, 0], trace[:, -1])
        claims.append(
            decide_mean(
                f"1. {_words(batch)}: the Fisher trace rises and falls",
                "log10 of the largest trace over the larger of its ends",
                rise,
                above=np.log10(2),
            )
        )
    small, full = batches[0], batches[-1]
    if len(batches) > 1:
        loss = common_loss(batches)
        for where, text in (
            ("2", f"at a training loss of {loss:.2g}"),
            ("3", "at the end"),
        ):
            for name, words in MEASURES.items():
                pair = [
                    at_loss(b, name, loss) if where == "2" else b.values[name][:, -1]
                    for b in (small, full)
                ]
                is_log = name in ("fisher_trace_total", "sharpness")
                if is_log:
                    pair = [np.log10(np.maximum(values, 1e-30)) for values in pair]
                claims.append(
                    decide_mean(
                        f"{where}. {text}, the {words} is smaller for "
                        f"{_words(small)} than for {_words(full)}",
                        "log10 of the ratio" if is_log else "difference, nats",
                        pair[0] - pair[1],
                        below=0.0,
                    )
                )
    num = sum(np.isfinite(batch.values["train_loss"][:, -1]).sum() for batch in batches)

    def correlated(text, pseudo, above=0.0):
        return decide(
            text,
            f"Spearman's rank correlation over {num} networks, jackknife",
            correlation_estimate(pseudo),
            num_seeds=len(pseudo),
            above=above,
        )

    for number, against, words in (
        ("4", "gap", "the gap between test and training loss"),
        ("5", "error", "the test error"),
    ):
        for name, measure in MEASURES.items():
            claims.append(
                correlated(
                    f"{number}. the {measure} and {words} rise together",
                    rank_correlations(batches, name, against=against)[1],
                )
            )
    for name, measure in MEASURES.items():
        loss = common_loss(batches)
        claims.append(
            correlated(
                f"6. at a training loss of {loss:.2g} the {measure} and the gap rise "
                "together",
                rank_correlations(batches, name, loss=loss)[1],
            )
        )
    claims.append(
        correlated(
            "7. the Fisher trace follows the training loss",
            rank_correlations(batches, "fisher_trace_total", against="loss")[1],
            above=0.5,
        )
    )
    return claims
