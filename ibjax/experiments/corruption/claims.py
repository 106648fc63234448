"""Claims of Achille and Soatto about random labels and the price of information."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.results.cells import cells_of
from ibjax.results.intervals import mean_estimate
from ibjax.weights.structure import StructureFunction, structure_function

__all__ = ["Labels", "Run", "corruption_claims", "runs_of"]

# A network has fitted its labels below the first and given up above the second, in
# shares of the error of guessing.
_FITTED, _GIVEN_UP = 0.1, 0.8
_PAPERS_NATS = 3.0


class Labels(NamedTuple):
    """Networks of all prices on labels of which one share is random.

    Attributes:
      betas: Prices, increasing, shape ``[num_betas]``.
      train_error: Share of wrong classes among the training images, weights at their
        means, ``[num_betas, num_seeds]``.
      test_error: The same among test images.
      loss: Cross-entropy with noise, nats a training image, likewise.
      information: Information in the weights, nats a training image, likewise.
    """

    betas: np.ndarray
    train_error: np.ndarray
    test_error: np.ndarray
    loss: np.ndarray
    information: np.ndarray


class Run(NamedTuple):
    """Networks of one prior and one number of training images.

    Attributes:
      prior: The prior.
      num_train: Number of training images.
      num_classes: Number of classes.
      shares: Networks by the share of labels that is random.
    """

    prior: str
    num_train: int
    num_classes: int
    shares: dict[float, Labels]


def runs_of(dataset: xr.Dataset) -> list[Run]:
    """Networks of every prior and training size, at their last snapshot.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.corruption.setup.CorruptionSetup`.

    Returns:
      The runs, in the order of the grid.

    Raises:
      ValueError: If the dataset has no information in weights.
    """
    if "weight_information" not in dataset:
        raise ValueError(
            "dataset must be of networks with noisy weights, with weight_information, "
            f"got {list(dataset.data_vars)}"
        )
    grouped: dict[tuple, dict[float, list]] = {}
    for place, cell in cells_of(dataset):
        own = json.loads(cell.attrs["configuration"]) | place
        last = cell.isel(epoch=-1)
        found = {
            name: np.atleast_1d(last[name].values.astype(np.float64))
            for name in (
                "train_accuracy",
                "test_accuracy",
                "cross_entropy",
                "weight_information",
            )
        }
        # Of the output alone: a dataset tells its widths.
        classes = int(cell["layer_width"].values[-1])
        run = own["prior"], own["num_train"], classes
        by_share = grouped.setdefault(run, {})
        by_share.setdefault(float(own["label_noise"]), []).append((own["beta"], found))
    return [
        Run(*run, {share: _labels(points, run[1]) for share, points in shares.items()})
        for run, shares in grouped.items()
    ]


def _labels(points: list, num_train: int) -> Labels:
    points = sorted(points, key=lambda point: point[0])

    def stacked(name):
        return np.stack([found[name] for _, found in points])

    return Labels(
        np.array([float(beta) for beta, _ in points]),
        1 - stacked("train_accuracy"),
        1 - stacked("test_accuracy"),
        stacked("cross_entropy"),
        stacked("weight_information") / num_train,
    )


def structures(labels: Labels, num_classes: int) -> list[StructureFunction]:
    """Structure function of every seed, nats a training image, with guessing."""
    guessing = math.log(num_classes)
    return [
        structure_function(
            np.append(0.0, labels.information[:, seed]),
            np.append(guessing, labels.loss[:, seed]),
        )
        for seed in range(labels.loss.shape[1])
    ]


def critical_betas(labels: Labels, num_classes: int) -> np.ndarray:
    """Price beyond which no network of a seed is worth it, ``[num_seeds]``.

    It is the steepest slope from the network that guesses, whose loss is the logarithm
    of the number of classes; NaN for a seed with nothing better than guessing.
    """
    found = structures(labels, num_classes)
    return np.array([s.betas[0] if len(s.betas) else np.nan for s in found])


def jump_betas(labels: Labels, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Prices between which the training error jumps, ``[num_seeds]`` each.

    The largest at which labels are fitted, below a tenth of the error of guessing, and
    the least at which they are given up, above four fifths of it; NaN where there is
    none.
    """
    chance = 1 - 1 / num_classes
    betas = labels.betas[:, None]
    with np.errstate(invalid="ignore"):
        fitted = np.where(labels.train_error < _FITTED * chance, betas, -np.inf)
        given_up = np.where(labels.train_error > _GIVEN_UP * chance, betas, np.inf)
    ends = fitted.max(axis=0), given_up.min(axis=0)
    return tuple(np.where(np.isfinite(end), end, np.nan) for end in ends)


def fitted_information(labels: Labels, num_classes: int) -> np.ndarray:
    """Nats an image at the largest price where labels are fitted, ``[num_seeds]``."""
    last, _ = jump_betas(labels, num_classes)
    rows = [np.flatnonzero(labels.betas == beta) for beta in last]
    return np.array(
        [
            labels.information[row[0], seed] if len(row) else np.nan
            for seed, row in enumerate(rows)
        ]
    )


def corruption_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about random labels, at the last snapshot, for every prior.

    The critical price is the one beyond which guessing, for no information, has a lower
    Lagrangian than any network that was found. In order, of the largest training set
    unless another is named:

    1. Random labels are given up at beta = 1: the critical price is within a factor of
       two of it.
    2. The training error of random labels jumps: from a tenth of the error of guessing
       to four fifths of it within half a decade.
    3. The critical price of random labels does not depend on the number of images, from
       the smallest to the largest set.
    4. True labels are fitted at higher prices than random ones, by a factor of two in
       their critical prices.
    5. Information rises with the share of random labels, from one to the next, each at
       the largest price at which labels are fitted.
    6. Random labels take about three nats an image more than true ones: two to four.
    7. (Ours.) Nothing is had for less than it is worth: loss plus information of random
       labels is at least log of the number of classes. It is so on average over labels
       for every prior that is fixed, and for one that the data choose up to its cost.

    Statements 6 and 7 are of the Gaussian prior alone, as nats of the other have an
    arbitrary zero.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.corruption.setup.CorruptionSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018.
    """
    runs = runs_of(dataset)
    claims = []
    for prior in dict.fromkeys(run.prior for run in runs):
        own = sorted((r for r in runs if r.prior == prior), key=lambda r: r.num_train)
        claims += _claims_of(own)
    return claims


def _claims_of(runs: list[Run]) -> list[Claim]:
    last = runs[-1]
    most, least = max(last.shares), min(last.shares)
    classes, random, true = last.num_classes, last.shares[most], last.shares[least]
    prior = f"{last.prior} prior"

    def claim(text, quantity, values, **limits):
        number, _, text = text.partition(" ")
        return decide(
            f"{number} {prior}: {text}",
            quantity,
            mean_estimate(values),
            num_seeds=len(values),
            **limits,
        )

    def log_critical(labels):
        return np.log10(critical_betas(labels, classes))

    claims = [
        claim(
            f"1. random labels are given up at beta = 1, {last.num_train} images",
            "log10 of the critical price",
            log_critical(random),
            above=-math.log10(2),
            below=math.log10(2),
        )
    ]
    fitted, given_up = jump_betas(random, classes)
    claims.append(
        claim(
            "2. the training error of random labels jumps within half a decade",
            "decades from labels fitted to labels given up",
            np.log10(given_up / fitted),
            below=0.5 + 1e-9,
        )
    )
    if len(runs) > 1:
        first = runs[0]
        claims.append(
            claim(
                f"3. {first.num_train} images have the same critical price as "
                f"{last.num_train}",
                "log10 of the ratio of critical prices",
                log_critical(random) - log_critical(first.shares[most]),
                above=-math.log10(1.5),
                below=math.log10(1.5),
            )
        )
    if most > least:
        claims.append(
            claim(
                "4. true labels are worth a higher price than random ones",
                "log10 of the ratio of critical prices, true over random",
                log_critical(true) - log_critical(random),
                above=math.log10(2),
            )
        )
        shares = sorted(last.shares)
        needed = {s: fitted_information(last.shares[s], classes) for s in shares}
        for lower, higher in zip(shares, shares[1:], strict=False):
            claims.append(
                claim(
                    f"5. {100 * higher:g} % random labels take more than "
                    f"{100 * lower:g} %",
                    "difference of the information, nats an image",
                    needed[higher] - needed[lower],
                    above=0.0,
                )
            )
    if last.prior != "gaussian":
        return claims
    if most > least:
        claims.append(
            claim(
                "6. random labels take about three nats an image more than true ones",
                "difference of the information, nats an image",
                needed[most] - needed[least],
                above=_PAPERS_NATS - 1,
                below=_PAPERS_NATS + 1,
            )
        )
    if most == 1:
        excess = random.loss + random.information - math.log(classes)
        claims.append(
            claim(
                "7. random labels are not had for less than they are worth",
                "loss plus information less log classes, the least over prices, nats "
                "an image",
                np.min(excess, axis=0),
                above=-0.05,
            )
        )
    return claims
