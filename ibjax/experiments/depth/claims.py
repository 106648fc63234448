"""Claims of Shwartz-Ziv and Tishby (2017) about depth, and of width."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.results.cells import cells_over
from ibjax.results.intervals import median_interval
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = ["REACHED_BITS", "compression_times", "depth_claims", "width_claims"]

REACHED_BITS = 0.8
"""I(T;Y) of the output at which a network counts as having learnt."""

# Of the whole fall of I(X;T): compression is over when so much of it is done.
_DONE = 0.9


def depth_claims(dataset: xr.Dataset, *, estimator: str | None = None) -> list[Claim]:
    """Claims of Shwartz-Ziv and Tishby (2017), Fig. 5, against sweeps over depths.

    1. A network with one more hidden layer reaches 0.8 bits of I(T;Y) in its output
       in fewer epochs, interpolated between snapshots; networks that never do count
       as taking forever.
    2. In the deepest network each layer that compresses takes fewer epochs for it than
       the one before (:func:`compression_times`).

    Args:
      dataset: Dataset of a grid over ``hidden``, with rising numbers of layers.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset is no grid over ``hidden`` alone.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, arXiv:1703.00810, 2017.

    Example:
      >>> from ibjax.results.cells import combine
      >>> from ibjax.results.example import example_dataset
      >>> parts = [example_dataset(seed=n, num_seeds=5) for n in range(2)]
      >>> dataset = combine([{"hidden": "10"}, {"hidden": "10-7"}], parts)
      >>> print(depth_claims(dataset)[0].claim)
      1. 10-7 learns in fewer epochs than 10
    """
    cells = _cells(dataset, estimator)
    claims = []
    for (name, curves), (deeper_name, deeper) in zip(
        cells[:-1], cells[1:], strict=True
    ):
        epochs, deeper_epochs = (_epochs_to_learn(c) for c in (curves, deeper))
        # Where neither network learns there is no ratio; where one does not, inf or 0.
        with np.errstate(invalid="ignore"):
            ratio = deeper_epochs / epochs
        claims.append(
            decide(
                f"1. {deeper_name} learns in fewer epochs than {name}",
                f"epochs to {REACHED_BITS:g} bits of I(T;Y) in the output, over those "
                "of the shallower network of the same seed, median",
                median_interval(ratio),
                num_seeds=curves.num_seeds,
                below=1.0,
            )
        )
    name, deepest = cells[-1]
    times = compression_times(deepest.epochs, deepest.i_xt)
    for layer in range(1, len(times)):
        kept = deepest.kept[layer - 1] & deepest.kept[layer]
        ratio = times[layer, kept] / times[layer - 1, kept]
        claims.append(
            decide(
                f"2. In {name} layer {deepest.name(layer)} compresses faster than "
                f"layer {deepest.name(layer - 1)}",
                "epochs of compression, over those of the layer before, median",
                median_interval(ratio),
                num_seeds=deepest.num_seeds,
                below=1.0,
            )
        )
    return claims


def width_claims(dataset: xr.Dataset, *, estimator: str | None = None) -> list[Claim]:
    """Compression of wide layers, against sweeps over widths.

    1. The last two hidden layers of each network compress (by more than 0.1 bit).

    Args:
      dataset: Dataset of a grid over ``hidden``.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset is no grid over ``hidden`` alone.

    Example:
      >>> from ibjax.results.cells import combine
      >>> from ibjax.results.example import example_dataset
      >>> parts = [example_dataset(seed=n, num_seeds=5) for n in range(2)]
      >>> dataset = combine([{"hidden": "5-5-5-5-5"}, {"hidden": "9-9-9-9-9"}], parts)
      >>> len(width_claims(dataset))
      4
    """
    return [
        decide(
            f"1. In {name} layer {curves.name(layer)} compresses",
            "largest I(X;T) less the last, bits",
            curves.compression_bits(layer),
            num_seeds=curves.num_seeds,
            above=COMPRESSION_THRESHOLD_BITS,
        )
        for name, curves in _cells(dataset, estimator)
        for layer in range(len(curves.i_xt) - 1)[-2:]
    ]


def compression_times(epochs: np.ndarray, i_xt: np.ndarray) -> np.ndarray:
    """Epochs from a layer's largest I(X;T) until nine tenths of its fall are done.

    Args:
      epochs: Epochs of the snapshots, ``[num_epochs]``.
      i_xt: I(X;T) in nats, ``[..., num_epochs]``.

    Returns:
      Epochs, ``[...]``; NaN where I(X;T) falls by less than 0.1 bit, or is not finite.

    Example:
      >>> epochs = np.array([0, 1, 10, 100, 1000])
      >>> print(compression_times(epochs, np.array([1.0, 5.0, 4.0, 2.1, 2.0])))
      99.0
    """
    epochs, i_xt = np.asarray(epochs, np.float64), np.asarray(i_xt, np.float64)
    finite = np.isfinite(i_xt).all(axis=-1)
    # NaN would be taken for the largest; these seeds are left out in the end.
    curves = np.where(finite[..., None], i_xt, 0.0)
    peak = np.argmax(curves, axis=-1)
    highest, last = np.max(curves, axis=-1), curves[..., -1]
    fall = highest - last
    # I(X;T) is as low before it rises: only what follows the peak counts.
    after = np.arange(len(epochs)) >= peak[..., None]
    done = curves <= (highest - _DONE * fall)[..., None]
    end = np.argmax(done & after, axis=-1)
    falls = fall > COMPRESSION_THRESHOLD_BITS * NATS_PER_BIT
    return np.where(finite & falls, epochs[end] - epochs[peak], np.nan)


def _cells(dataset: xr.Dataset, estimator: str | None) -> list[tuple[str, Curves]]:
    cells = cells_over(dataset, "hidden")
    named = [(str(place["hidden"]), Curves(cell, estimator)) for place, cell in cells]
    # The shallowest first, whatever the order of the options.
    return sorted(named, key=lambda pair: len(pair[1].i_xt))


def _epochs_to_learn(curves: Curves) -> np.ndarray:
    """Epoch at which the output's I(T;Y) first suffices, interpolated; inf for never.

    NaN for networks that diverged.
    """
    level = REACHED_BITS * NATS_PER_BIT
    epochs = np.full(curves.num_seeds, np.inf)
    for seed, i_ty in enumerate(curves.i_ty[-1]):
        reached = np.flatnonzero(i_ty >= level)
        if len(reached):
            # Between two snapshots, which are far apart late in the training.
            ends = slice(max(reached[0] - 1, 0), reached[0] + 1)
            epochs[seed] = np.interp(level, i_ty[ends], curves.epochs[ends])
    return np.where(curves.kept[-1], epochs, np.nan)
