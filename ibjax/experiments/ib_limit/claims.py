"""Claims of Shwartz-Ziv and Tishby (2017) about layers and the optimal curve."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.results.curve_distance import curve_distance
from ibjax.results.intervals import mean_estimate, median_interval
from ibjax.results.statistics import NATS_PER_BIT

__all__ = ["CLOSE_BITS", "ib_limit_claims"]

CLOSE_BITS = 0.1
"""Distances below this count as none, as falls of information do elsewhere."""


def ib_limit_claims(dataset: xr.Dataset, *, estimator: str = "binning") -> list[Claim]:
    """Claims of Shwartz-Ziv and Tishby (2017), Fig. 6, against trained layers.

    In order, for every layer:

    1. It is close to the curve: at its I(X;T) it knows of Y all that can be known, but
       for 0.1 bit.
    2. It keeps no more of X than its I(T;Y) asks for, but for 0.1 bit. (A check of the
       first, which a curve that is flat makes easy.)
    3. Its encoder satisfies the bottleneck's equations: the mean divergence from the
       closest optimal encoder of its own clusters is below 0.1 bit.
    4. The beta of that encoder falls from each layer to the next: the median ratio is
       above one. Betas at an end of the range compared count as they are.

    Means have Student t intervals, medians those of
    :func:`ibjax.results.intervals.median_interval`. The paper judges "close" by eye;
    here it is 0.1 bit.

    Args:
      dataset: Dataset of a sweep measured with :func:`ibjax.probes.layer_optimality`.
      estimator: Estimator of the layers' informations.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset lacks the curve or the estimator.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, 2017, Fig. 6.
    """
    distance = curve_distance(dataset, estimator=estimator)
    numbers = dataset["layer"].values.tolist()
    names = dataset["layer_name"].values.tolist()
    layers = [f"{n} ({name})" for n, name in zip(numbers, names, strict=True)]
    num_seeds = dataset.sizes["seed"]
    claims = []
    for claim, quantity, values in (
        (
            "1. Layer {} lies on the information curve",
            "largest possible I(T;Y) at its I(X;T) less its own, bits",
            distance.generalization_gap,
        ),
        (
            "2. (A check.) Layer {} keeps no more of X than its I(T;Y) asks for",
            "its I(X;T) less the least possible at its I(T;Y), bits",
            distance.complexity_gap,
        ),
        (
            "3. Layer {} satisfies the bottleneck's equations",
            "mean divergence from the closest optimal encoder of its clusters, bits",
            distance.divergence,
        ),
    ):
        for index, layer in enumerate(layers):
            claims.append(
                decide(
                    claim.format(layer),
                    quantity,
                    mean_estimate(values[:, index] / NATS_PER_BIT),
                    num_seeds=num_seeds,
                    below=CLOSE_BITS,
                )
            )
    ratio = distance.optimal_beta[:, :-1] / distance.optimal_beta[:, 1:]
    for index in range(len(layers) - 1):
        values = ratio[:, index]
        claims.append(
            decide(
                f"4. The beta of layer {layers[index]} is above that of layer "
                f"{layers[index + 1]}",
                "beta of the closest optimal encoder over the next layer's, median",
                median_interval(values[np.isfinite(values)]),
                num_seeds=num_seeds,
                above=1.0,
            )
        )
    return claims
