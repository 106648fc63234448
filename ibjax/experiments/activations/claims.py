"""Claims of Saxe et al. (2018) about activation functions."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.experiments.choices import COMPRESSES
from ibjax.results.cells import cells_over
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS

__all__ = ["activation_claims"]


def activation_claims(
    dataset: xr.Dataset, *, estimators: Sequence[str] | None = None
) -> list[Claim]:
    """Compression by activation function, decided anew by every estimator.

    Saxe et al. (2018, Figs. 1 and 2 and appendix B): networks of tanh units compress,
    softsign units a little, ReLU, softplus and linear units do not. The claim is made
    of the last hidden layer. Where the rows of one activation function differ, it is
    the estimator that decides.

    Args:
      dataset: Dataset of a grid over ``activation``.
      estimators: Names of estimators, all of the dataset by default.

    Returns:
      The claims, in the order of the activation functions.

    Raises:
      ValueError: If the dataset is no grid over ``activation`` alone.

    References:
      Saxe et al., `On the information bottleneck theory of deep learning`, ICLR 2018.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> claims = activation_claims(example_grid(num_seeds=5), estimators=["binning"])
      >>> [claim.verdict for claim in claims]
      ['holds', 'holds']
    """
    cells = cells_over(dataset, "activation")
    if estimators is None:
        estimators = dataset["estimator"].values.tolist()
    claims = []
    for place, cell in cells:
        activation = place["activation"]
        if activation not in COMPRESSES:
            continue
        compresses = COMPRESSES[activation]
        limit = "above" if compresses else "below"
        for estimator in estimators:
            curves = Curves(cell, estimator)
            layer = len(curves.i_xt) - 2
            claims.append(
                decide(
                    f"{activation}: layer {curves.name(layer)} "
                    f"{'compresses' if compresses else 'does not compress'} by "
                    f"{estimator}",
                    "largest I(X;T) less the last, bits",
                    curves.compression_bits(layer),
                    num_seeds=curves.num_seeds,
                    **{limit: COMPRESSION_THRESHOLD_BITS},
                )
            )
    return claims
