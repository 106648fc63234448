"""Claims about the test error of noisy weights, and about bounds on the risk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.choices import best_place
from ibjax.results.cells import configured_cells
from ibjax.weights import pac_bayes

__all__ = ["BOUNDS", "Width", "certificates", "weights_claims", "widths_of"]

_DELTA, _DELTA_DRAWS = 0.025, 0.01
# Constants that two bounds need fixed before the data.
_CATONI, _MCALLESTER = 2.0, 1.0


def _catoni(error, kl, num_samples, *, delta):
    return pac_bayes.catoni(error, kl, num_samples, delta=delta, c=_CATONI)


def _mcallester(error, kl, num_samples, *, delta):
    return pac_bayes.mcallester(error, kl, num_samples, delta=delta, beta=_MCALLESTER)


BOUNDS = {
    "Maurer": pac_bayes.maurer,
    "Langford-Seeger": pac_bayes.langford_seeger,
    f"Catoni, C = {_CATONI:g}": _catoni,
    "quad": pac_bayes.quad,
    "Thiemann": pac_bayes.thiemann,
    f"McAllester, beta = {_MCALLESTER:g}": _mcallester,
    "Pinsker": pac_bayes.pinsker,
}
"""Bounds on the risk by name."""


class Width(NamedTuple):
    """Networks of one width for all prices, at their last snapshot.

    Attributes:
      hidden: Units of the hidden layers, in words.
      num_weights: Number of weights.
      num_train: Number of training images.
      draws: Independent draws of weights behind an error of the training images.
      betas: Prices, increasing, shape ``[num_betas]``.
      values: By name, ``[num_betas, num_seeds]`` each.
    """

    hidden: str
    num_weights: int
    num_train: int
    draws: int
    betas: np.ndarray
    values: dict[str, np.ndarray]


_NAMES = (
    "train_accuracy",
    "test_accuracy",
    "train_gibbs_error",
    "test_gibbs_error",
    "paid_information",
    "weight_information",
)


def widths_of(dataset: xr.Dataset) -> list[Width]:
    """Networks of every width, by their number of weights.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.weights.setup.WeightsSetup`.

    Returns:
      The widths.

    Raises:
      ValueError: If the dataset has no information in weights that was paid for.
    """
    if "paid_information" not in dataset:
        raise ValueError(
            "dataset must be of networks with noisy weights, with paid_information, "
            f"got {list(dataset.data_vars)}"
        )
    grouped: dict[tuple, list] = {}
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)
        values = {n: np.atleast_1d(last[n].values.astype(np.float64)) for n in _NAMES}
        hidden = "-".join(map(str, own["hidden"]))
        train = own["num_train"]
        width = hidden, own["num_weights"], train, own["draws"] * train
        beta = float(own["beta"])
        grouped.setdefault(width, []).append((beta, values))
    found = []
    for (hidden, num_weights, train, draws), points in grouped.items():
        points = sorted(points, key=lambda point: point[0])
        betas = np.array([beta for beta, _ in points])
        values = {n: np.stack([v[n] for _, v in points]) for n in _NAMES}
        found.append(Width(hidden, num_weights, train, draws, betas, values))
    return sorted(found, key=lambda width: width.num_weights)


def certificates(width: Width) -> dict[str, np.ndarray]:
    """Bounds on the error of networks with drawn weights, by name of the bound.

    Each holds by itself with probability 0.965 over images and draws. That of a price
    which the bounds chose costs the logarithm of the number of prices more.

    Args:
      width: Networks of one width.

    Returns:
      The certificates, ``[num_betas, num_seeds]`` each; NaN for a seed that diverged.
    """
    error = width.values["train_gibbs_error"]
    information = width.values["paid_information"]
    valid = np.isfinite(error) & np.isfinite(information)
    found = {}
    for name, bound in BOUNDS.items():
        risk = pac_bayes.certificate(
            np.where(valid, error, 0.0),
            np.where(valid, np.maximum(information, 0.0), 0.0),
            width.num_train,
            num_draws=width.draws,
            delta=_DELTA,
            delta_draws=_DELTA_DRAWS,
            bound=bound,
        ).risk
        found[name] = np.where(valid, risk, np.nan)
    return found


def weights_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about test errors and certificates, at the last snapshot.

    Test errors are of weights at their means unless drawn weights are named. In order:

    1. The test error has a least value between prices: at the best one it is less than
       at the least and at the largest price, for every width.
    2. It stays where it is as networks grow: at the best price, the widest network errs
       at most half a point more than the one before it.
    3. Certificates at beta = 1 mean something: each bound is below 0.9, the error of
       guessing, for the middle one of the widths.
    4. How much they leave: the best bound at beta = 1 is less than five times the
       measured error of drawn weights.
    5. None is broken: the certificate is above the measured error with drawn weights,
       at the price where they are nearest.
    6. The price with the best certificate is within half a decade of beta = 1.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.weights.setup.WeightsSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018. Dziugaite and Roy, `Computing nonvacuous
      generalization bounds for deep (stochastic) neural networks`, UAI 2017.
    """
    widths = widths_of(dataset)
    percent = [100 * (1 - w.values["test_accuracy"]) for w in widths]
    best = [best_place(error) for error in percent]

    claims = []
    for width, error, place in zip(widths, percent, best, strict=True):
        # One price alone is no curve.
        for end in (0, -1) if len(width.betas) > 1 else ():
            claims.append(
                decide_mean(
                    f"1. {width.hidden} units: beta {width.betas[place]:g} errs less "
                    f"than {width.betas[end]:g}",
                    "difference of the test errors, percentage points",
                    error[place] - error[end],
                    below=0.0,
                )
            )
    if len(widths) > 1:
        claims.append(
            decide_mean(
                f"2. {widths[-1].hidden} units err no more than {widths[-2].hidden}",
                "difference of the least test errors, percentage points",
                percent[-1][best[-1]] - percent[-2][best[-2]],
                below=0.5,
            )
        )
    width = widths[len(widths) // 2]
    at_one = int(np.argmin(np.abs(np.log(width.betas))))
    beta = width.betas[at_one]
    found = certificates(width)
    guessing = 1 - 1 / int(dataset["layer_width"].values.reshape(-1)[-1])
    for name, risk in found.items():
        claims.append(
            decide_mean(
                f"3. {width.hidden} units: {name} says more than guessing, "
                f"beta {beta:g}",
                "bound on the error of drawn weights",
                risk[at_one],
                below=guessing,
            )
        )
    measured = width.values["test_gibbs_error"]
    least = np.min([risk for risk in found.values()], axis=0)
    claims += [
        decide_mean(
            f"4. {width.hidden} units: the best bound is less than five times the "
            f"error, beta {beta:g}",
            "certificate over the measured error of drawn weights",
            least[at_one] / measured[at_one],
            below=5.0,
        ),
        decide_mean(
            f"5. {width.hidden} units: no certificate is broken",
            "certificate less the measured error, where it is least over prices",
            np.min(least - measured, axis=0),
            above=0.0,
        ),
    ]
    nearest = width.betas[np.argmin(np.where(np.isnan(least), np.inf, least), axis=0)]
    nearest = np.where(np.isfinite(least).any(axis=0), nearest, np.nan)
    claims.append(
        decide_mean(
            f"6. {width.hidden} units: beta = 1 has about the best certificate",
            "log10 of the price with the best certificate",
            np.log10(nearest),
            above=-0.5 - 1e-9,
            below=0.5 + 1e-9,
        )
    )
    return claims
