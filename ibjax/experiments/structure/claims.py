"""Claims about structure functions of true and random labels."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.corrupted_labels import (
    Run,
    of_structures,
    runs_of,
    structures,
)
from ibjax.weights.structure import sufficient_point

__all__ = ["structure_claims", "sufficient_information"]

# Nats an image at which the curves are compared: the information of a label.
_COMPARED = math.log(10)


def sufficient_information(run: Run, share: float, beta: float = 1.0) -> np.ndarray:
    """Information where a nat saves ``beta`` nats, nats an image, ``[num_seeds]``."""
    return of_structures(
        structures(run.shares[share], run.num_classes),
        lambda s: sufficient_point(s, beta=beta).information,
    )


def structure_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about structure functions, at the last snapshot.

    In order:

    1. The more labels are random, the higher the curve: the loss left at 2.3 nats an
       image, from one share to the next.
    2. Random labels have no structure: the minimal sufficient information, where a nat
       saves a nat, is below 0.1 nats an image.
    3. True labels have: theirs is above that.
    4. (Ours.) The curve of random labels is nowhere below the line of slope -1 from
       guessing, by more than a twentieth of a nat an image.
    5. A share of random labels leaves the structure of the true ones in place: at
       a price of a fifth, partly random labels take more than 0.1 nats an image.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.corruption.setup.CorruptionSetup`
        with the Gaussian prior.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille, Mbeng, Paolini and Soatto, `The information complexity of learning tasks,
      their structure and their distance`, Information and Inference 10, 2021.
    """
    claims = []
    for run in runs_of(dataset):
        claims += _claims_of(run)
    return claims


def _claims_of(run: Run) -> list[Claim]:
    shares = sorted(run.shares)
    curves = {s: structures(run.shares[s], run.num_classes) for s in shares}

    def claim(text, quantity, values, **limits):
        number, _, text = text.partition(" ")
        where = f"{number} {run.num_train} images"
        return decide_mean(f"{where}: {text}", quantity, values, **limits)

    claims = []
    left = {
        s: of_structures(c, lambda s: float(s.at(_COMPARED))) for s, c in curves.items()
    }
    for lower, higher in zip(shares, shares[1:], strict=False):
        claims.append(
            claim(
                f"1. {100 * higher:g} % random labels leave more loss than "
                f"{100 * lower:g} %",
                f"difference of the loss at {_COMPARED:.1f} nats an image, nats an "
                "image",
                left[higher] - left[lower],
                above=0.0,
            )
        )
    quantity = "information where a nat saves a nat, nats an image"
    if shares[-1] == 1:
        claims.append(
            claim(
                "2. random labels have no structure",
                quantity,
                sufficient_information(run, 1.0),
                below=0.1,
            )
        )
    if shares[0] == 0:
        claims.append(
            claim(
                "3. true labels have structure",
                quantity,
                sufficient_information(run, 0.0),
                above=0.1,
            )
        )
    if shares[-1] == 1:
        below = of_structures(
            curves[1.0],
            lambda s: float(np.max(math.log(run.num_classes) - s.loss - s.information)),
        )
        claims.append(
            claim(
                "4. no network knows more of random labels than it holds",
                "most that log classes less the loss is above the information, nats an "
                "image",
                below,
                below=0.05,
            )
        )
    for share in shares:
        if 0 < share < 1:
            claims.append(
                claim(
                    f"5. {100 * share:g} % random labels leave structure in place",
                    "information where a nat saves a fifth, nats an image",
                    sufficient_information(run, share, beta=0.2),
                    above=0.1,
                )
            )
    return claims
