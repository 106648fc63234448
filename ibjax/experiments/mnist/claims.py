"""Claims of Saxe et al. (2018) about networks on MNIST."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.results.cells import cells_of, place_text
from ibjax.results.intervals import mean_estimate
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = ["mnist_claims"]

_COMPRESSES = {"tanh": True, "relu": False}
_AXES = ("hidden", "activation")


def mnist_claims(
    dataset: xr.Dataset, *, estimators: Sequence[str] | None = None
) -> list[Claim]:
    """Claims of Saxe et al. (2018, appendices) about MNIST, for every kind of network.

    1. The last hidden layer of tanh units compresses (by more than 0.1 bit), that of
       ReLU units does not; decided anew by every estimator.
    2. The first hidden layer keeps the inputs apart: its I(X;T) stays within 0.1 bit
       of log2 of their number at every snapshot. As a check, the last hidden layer
       ends below that: it is the largest estimate there is, and whether a layer at it
       compresses cannot be seen.
    3. The signal-to-noise ratio of the minibatch gradient is above one in every layer
       at some snapshot, and below one in every layer at the last.

    Args:
      dataset: Dataset of a grid over ``activation``, or over ``hidden`` and
        ``activation``, of networks of tanh and ReLU units.
      estimators: Names of estimators, all of the dataset by default. The second claim
        is decided by the first.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset is no such grid.

    References:
      Saxe et al., `On the information bottleneck theory of deep learning`, ICLR 2018.
    """
    cells = cells_of(dataset)
    axes = list(cells[0][0])
    known = all(place.get("activation") in _COMPRESSES for place, _ in cells)
    if axes not in (list(_AXES), list(_AXES[1:])) or not known:
        raise ValueError(
            "dataset must be a grid over hidden and activation, or over activation, of "
            f"{' and '.join(_COMPRESSES)}, got {[place for place, _ in cells]}"
        )
    if estimators is None:
        estimators = dataset["estimator"].values.tolist()
    found = {
        place_text(place): [
            _compression(place, Curves(cell, estimator)) for estimator in estimators
        ]
        + [
            *_ceiling(place, cell, Curves(cell, estimators[0])),
            *_gradients(place, Curves(cell, estimators[0])),
        ]
        for place, cell in cells
    }
    return sorted(
        (claim for claims in found.values() for claim in claims),
        key=lambda claim: claim.claim.split(".")[0],
    )


def _compression(place, curves: Curves) -> Claim:
    layer = len(curves.i_xt) - 2
    compresses = _COMPRESSES[place["activation"]]
    limit = "above" if compresses else "below"
    return decide(
        f"1. {place_text(place)}: layer {curves.name(layer)} "
        f"{'compresses' if compresses else 'does not compress'} by {curves.estimator}",
        "largest I(X;T) less the last, bits",
        curves.compression_bits(layer),
        num_seeds=curves.num_seeds,
        **{limit: COMPRESSION_THRESHOLD_BITS},
    )


def _ceiling(place, cell: xr.Dataset, curves: Curves) -> list[Claim]:
    ceiling = math.log2(cell.attrs["num_samples"])
    name, last = place_text(place), len(curves.i_xt) - 2
    first_bits, last_bits = (
        curves.i_xt[layer, curves.kept[layer]] / NATS_PER_BIT for layer in (0, last)
    )
    return [
        decide(
            f"2. {name}: layer {curves.name(0)} stays at log2 of the number of inputs "
            f"by {curves.estimator}",
            f"{ceiling:.2f} less the least I(X;T), bits",
            mean_estimate(ceiling - np.min(first_bits, axis=1)),
            num_seeds=curves.num_seeds,
            below=COMPRESSION_THRESHOLD_BITS,
        ),
        decide(
            f"2. (A check.) {name}: layer {curves.name(last)} ends below it",
            f"{ceiling:.2f} less the last I(X;T), bits",
            mean_estimate(ceiling - last_bits[:, -1]),
            num_seeds=curves.num_seeds,
            above=COMPRESSION_THRESHOLD_BITS,
        ),
    ]


def _gradients(place, curves: Curves) -> list[Claim]:
    if curves.snr is None:
        return []
    name = place_text(place)
    return [
        decide(
            f"3. {name}: the gradient of every layer is first mostly signal",
            "largest SNR over the snapshots, of the layer where it is least",
            mean_estimate(np.min(np.max(curves.snr, axis=2), axis=0)),
            num_seeds=curves.num_seeds,
            above=1.0,
        ),
        decide(
            f"3. {name}: the gradient of every layer ends mostly noise",
            "last SNR, of the layer where it is largest",
            mean_estimate(np.max(curves.snr[:, :, -1], axis=0)),
            num_seeds=curves.num_seeds,
            below=1.0,
        ),
    ]
