"""Networks on labels of which a share is random, as several experiments read them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import xarray as xr
from scipy.special import entr

from ibjax.plots.style import EPOCH_COLORMAP
from ibjax.results.cells import cells_of
from ibjax.weights.structure import StructureFunction, structure_function

__all__ = [
    "Labels",
    "Run",
    "critical_betas",
    "fitted_information",
    "jump_betas",
    "label_entropy",
    "of_structures",
    "runs_of",
    "share_color",
    "share_text",
    "structures",
]

# A network has fitted its labels below the first and given up above the second, in
# shares of the error of guessing.
_FITTED, _GIVEN_UP = 0.1, 0.8


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
        Run(prior, rows, classes, {s: _labels(p, rows) for s, p in by.items()})
        for (prior, rows, classes), by in grouped.items()
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


def label_entropy(share: float, num_classes: int) -> float:
    """Entropy of a label given its true class, nats; a share is drawn from all classes.

    Example:
      >>> f"{label_entropy(0.5, 10):.3f}, {label_entropy(1.0, 10):.3f} nats"
      '1.677, 2.303 nats'
    """
    other = share / num_classes
    return float(entr(1 - (num_classes - 1) * other) + (num_classes - 1) * entr(other))


def structures(labels: Labels, num_classes: int) -> list[StructureFunction | None]:
    """Structure function of every seed, nats a training image, with guessing.

    None for a seed of which a network diverged: what its price would have shown is
    missing.
    """
    guessing = math.log(num_classes)
    complete = np.isfinite(labels.information + labels.loss).all(axis=0)
    return [
        structure_function(
            np.append(0.0, labels.information[:, seed]),
            np.append(guessing, labels.loss[:, seed]),
        )
        if complete[seed]
        else None
        for seed in range(len(complete))
    ]


def of_structures(
    found: Sequence[StructureFunction | None],
    number: Callable[[StructureFunction], float],
) -> np.ndarray:
    """A number of each structure function, ``[num_seeds]``; NaN where there is none."""
    return np.array([math.nan if s is None else number(s) for s in found])


def critical_betas(labels: Labels, num_classes: int) -> np.ndarray:
    """Price beyond which no network of a seed is worth it, ``[num_seeds]``.

    It is the steepest slope from the network that guesses, whose loss is the logarithm
    of the number of classes; NaN for a seed with nothing better than guessing, or of
    which a network diverged.
    """
    return of_structures(
        structures(labels, num_classes),
        lambda s: s.betas[0] if len(s.betas) else math.nan,
    )


def jump_betas(labels: Labels, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Prices between which the training error jumps, ``[num_seeds]`` each.

    The largest at which labels are fitted, below a tenth of the error of guessing, and
    the least at which they are given up, above four fifths of it; NaN where there is
    none, or of which a network diverged.
    """
    chance = 1 - 1 / num_classes
    betas = labels.betas[:, None]
    with np.errstate(invalid="ignore"):
        fitted = np.where(labels.train_error < _FITTED * chance, betas, -np.inf)
        given_up = np.where(labels.train_error > _GIVEN_UP * chance, betas, np.inf)
    least, most = fitted.max(axis=0), given_up.min(axis=0)
    complete = np.isfinite(labels.train_error).all(axis=0)
    return (
        np.where(complete & np.isfinite(least), least, np.nan),
        np.where(complete & np.isfinite(most), most, np.nan),
    )


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


def share_color(share: float):
    """Colour of a share of random labels, dark for true ones."""
    return matplotlib.colormaps[EPOCH_COLORMAP](0.9 * share)


def share_text(share: float) -> str:
    """A share of random labels for a legend.

    Example:
      >>> [share_text(share) for share in (0.0, 0.25, 1.0)]
      ['true labels', '25 % random', 'all random']
    """
    if share == 0:
        return "true labels"
    return "all random" if share == 1 else f"{100 * share:g} % random"
