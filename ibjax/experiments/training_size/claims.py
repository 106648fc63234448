"""Claims of Shwartz-Ziv and Tishby (2017) about the size of the training set."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.results.cells import cells_over
from ibjax.results.intervals import mean_estimate
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = ["LOST_BITS", "training_size_claims"]

LOST_BITS = 0.05
"""The least fall of I(T;Y) that is called a loss, in bits."""


def training_size_claims(
    dataset: xr.Dataset, *, estimator: str | None = None
) -> list[Claim]:
    """Claims of Shwartz-Ziv and Tishby (2017), Fig. 3, against sweeps over fractions.

    For the last two hidden layers and the output:

    1. With the smallest training set they lose information on the label, more than
       0.05 bits after they had most of it.
    2. With the largest they gain some while they compress, from the snapshot of the
       largest I(X;T) to the end.
    3. They compress (by more than 0.1 bit) with every training set.

    I(X;T) and I(T;Y) are of all 4,096 inputs, those not trained on included, so that
    losing I(T;Y) is overfitting.

    Args:
      dataset: Dataset of a grid over ``train_fraction``.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset is no grid over ``train_fraction`` alone.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, arXiv:1703.00810, 2017.

    Example:
      >>> from ibjax.results.cells import combine
      >>> from ibjax.results.example import example_dataset
      >>> parts = [example_dataset(seed=n, num_seeds=5) for n in range(2)]
      >>> dataset = combine([{"train_fraction": f} for f in (0.05, 0.85)], parts)
      >>> print(training_size_claims(dataset)[0].claim)
      1. With 5 % of the inputs layer 4 (tanh 4) ends by losing information on the label
    """
    cells = cells_over(dataset, "train_fraction")
    cells = sorted(cells, key=lambda cell: cell[0]["train_fraction"])
    by_fraction = {
        place["train_fraction"]: Curves(cell, estimator) for place, cell in cells
    }
    smallest, *_, largest = by_fraction
    claims = []
    curves = by_fraction[smallest]
    for layer in range(len(curves.i_xt))[-3:]:
        claims.append(
            decide(
                f"1. With {100 * smallest:g} % of the inputs layer "
                f"{curves.name(layer)} ends by losing information on the label",
                "largest I(T;Y) less the last, bits",
                curves.forgotten_bits(layer),
                num_seeds=curves.num_seeds,
                above=LOST_BITS,
            )
        )
    curves = by_fraction[largest]
    for layer in range(len(curves.i_xt))[-3:]:
        claims.append(
            decide(
                f"2. With {100 * largest:g} % of the inputs layer {curves.name(layer)} "
                "gains information on the label while it compresses",
                "last I(T;Y) less that at the epoch of the largest I(X;T), bits",
                mean_estimate(_change(curves, layer) / NATS_PER_BIT),
                num_seeds=curves.num_seeds,
                above=0.0,
            )
        )
    for fraction, curves in by_fraction.items():
        for layer in range(len(curves.i_xt))[-3:]:
            claims.append(
                decide(
                    f"3. With {100 * fraction:g} % of the inputs layer "
                    f"{curves.name(layer)} compresses",
                    "largest I(X;T) less the last, bits",
                    curves.compression_bits(layer),
                    num_seeds=curves.num_seeds,
                    above=COMPRESSION_THRESHOLD_BITS,
                )
            )
    return claims


def _change(curves: Curves, layer: int) -> np.ndarray:
    kept = curves.kept[layer]
    i_xt, i_ty = curves.i_xt[layer, kept], curves.i_ty[layer, kept]
    peak = np.argmax(i_xt, axis=1)
    return i_ty[:, -1] - i_ty[np.arange(len(i_ty)), peak]
