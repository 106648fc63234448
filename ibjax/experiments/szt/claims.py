"""Claims of Shwartz-Ziv and Tishby (2017) about their networks."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.experiments.choices import COINCIDENCE_FACTOR
from ibjax.numerics import checks
from ibjax.results.compression import compression_onsets
from ibjax.results.intervals import (
    Estimate,
    event_ratios,
    fraction_interval,
    geometric_mean,
    mean_estimate,
    median_interval,
    spread_ratio,
)
from ibjax.results.statistics import (
    COMPRESSION_THRESHOLD_BITS,
    NATS_PER_BIT,
)

__all__ = ["szt_claims"]

# Compression that starts later than this part of the epochs takes no "most" of them.
_FITTING_FRACTION = 0.1


def szt_claims(dataset: xr.Dataset, *, estimator: str | None = None) -> list[Claim]:
    """Claims of Shwartz-Ziv and Tishby (2017), Figs. 2 to 4, against a sweep.

    The last layer is the output. Of the hidden ones the first two, but never the
    last, count as near the input, and the last two of the others as deep; with five
    hidden layers these are 1 and 2, and 4 and 5. In order, with a fall or rise of
    0.1 bit as the least that is called one:

    1. I(T;Y) of the last hidden layer rises while it fits, which is from the first
       snapshot to that of the layer's largest I(X;T).
    2. Deep layers and the output compress (:func:`compression_interval`).
    3. Layers near the input do not.
    4. The last hidden layer's largest I(X;T) comes within a tenth of the epochs. A
       network whose layer never compresses counts as taking all of them.
    5. A hidden layer's gradient signal-to-noise ratio (SNR) is above one at the first
       snapshot, and in most networks falls below one for good
       (:func:`ibjax.results.statistics.turning_epochs`).
    6. In deep layers that epoch over the one at which I(X;T) starts to fall
       (:func:`compression_onsets`) is within a factor of two of one. If only one of
       the two happens the ratio is zero or infinite, as it is if one happens at epoch
       0; without either the seed is left out.
    7. In most networks the same layers lose more than 0.1 bit by each KDE bound as
       by ``estimator``. This is a check of the others, not a claim of the paper.
    8. Networks end closer to each other than they start (:func:`spread_ratio`), along
       either axis of the output layer's plane.

    Means have the intervals of :func:`mean_estimate`, medians those of
    :func:`median_interval` and fractions those of
    :func:`fraction_interval`. What a reader could get wrong:

    * Each interval covers 95 % by itself; of twenty claims one may go wrong by chance.
    * A verdict is about the estimate under this training, not about networks.
    * Epochs are as coarse as the snapshots, and 4 and 6 depend on how far the
      training went.
    * Before training I(T;Y) of the output is near zero in every network, so in 8 its
      spread starts small and has little to shrink by.

    Args:
      dataset: Dataset of a sweep. Without ``gradient_snr`` 5 and 6 are left out, and
        without estimators named ``kde...`` so is 7.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      The claims, several for one number where it speaks of several layers.

    Raises:
      ValueError: If the dataset lacks ``i_xt`` or ``i_ty``, the estimator, a seed, an
        epoch, or a hidden layer.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, arXiv:1703.00810, 2017.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> claims = szt_claims(example_dataset(num_seeds=10))
      >>> print(claims[0].claim, claims[0].verdict, sep=": ")
      1. Fitting raises I(T;Y) of the last hidden layer, 5 (tanh 3): holds
    """
    num_layers = dataset.sizes["layer"]
    checks.at_least("number of the dataset's layers", num_layers, 2)
    curves = Curves(dataset, estimator)
    names = dataset["estimator"].values.tolist()
    hidden = range(num_layers - 1)
    # In small networks a layer is near the input or deep, and never both.
    near = list(hidden[:2][: num_layers - 2])
    deep = [layer for layer in hidden[-2:] if layer not in near]
    claims = [_fitting(curves, hidden[-1])]
    claims += [_compresses(curves, layer) for layer in (*deep, num_layers - 1)]
    claims += [_keeps(curves, layer) for layer in near]
    claims.append(_mostly_compression(curves, hidden[-1]))
    if "gradient_snr" in dataset:
        claims += [claim(curves, n) for n in hidden for claim in (_drift, _diffusion)]
        claims += [_coincidence(curves, layer) for layer in deep]
    others = [n for n in names if n.startswith("kde") and n != curves.estimator]
    claims += [_agreement(curves, Curves(dataset, name)) for name in others]
    claims += [_convergence(curves, symbol) for symbol in ("I(X;T)", "I(T;Y)")]
    return claims


def _fitting(curves: Curves, layer: int) -> Claim:
    kept = curves.kept[layer]
    i_xt, i_ty = curves.i_xt[layer, kept], curves.i_ty[layer, kept]
    peak = np.argmax(i_xt, axis=1)
    rise = i_ty[np.arange(len(i_ty)), peak] - i_ty[:, 0]
    return _claim(
        curves,
        f"1. Fitting raises I(T;Y) of the last hidden layer, {curves.name(layer)}",
        "I(T;Y) at the epoch of the largest I(X;T) less that at the first, bits",
        mean_estimate(rise / NATS_PER_BIT),
        above=COMPRESSION_THRESHOLD_BITS,
    )


def _compresses(curves: Curves, layer: int) -> Claim:
    return _claim(
        curves,
        f"2. After fitting, layer {curves.name(layer)} compresses",
        "largest I(X;T) less the last, bits",
        curves.compression_bits(layer),
        above=COMPRESSION_THRESHOLD_BITS,
    )


def _keeps(curves: Curves, layer: int) -> Claim:
    return _claim(
        curves,
        f"3. Layer {curves.name(layer)}, near the input, does not compress",
        "largest I(X;T) less the last, bits",
        curves.compression_bits(layer),
        below=COMPRESSION_THRESHOLD_BITS,
    )


def _mostly_compression(curves: Curves, layer: int) -> Claim:
    kept = curves.kept[layer]
    peak = curves.epochs[np.argmax(curves.i_xt[layer], axis=1)]
    # Without compression no epoch is spent on it, wherever the largest value is.
    with np.errstate(invalid="ignore"):
        fraction = np.where(curves.compresses()[layer], peak / curves.epochs[-1], 1.0)
    return _claim(
        curves,
        "4. Most epochs are spent on compression, not on fitting",
        f"epoch of the largest I(X;T) of layer {curves.name(layer)} over the last epoch"
        ", or 1 where the layer does not compress, median",
        median_interval(fraction[kept]),
        below=_FITTING_FRACTION,
    )


def _drift(curves: Curves, layer: int) -> Claim:
    first = curves.snr[layer, :, 0]
    return _claim(
        curves,
        f"5. Layer {curves.name(layer)} starts in drift, with a gradient SNR above one",
        "SNR at the first snapshot, geometric mean",
        geometric_mean(first),
        above=1.0,
    )


def _diffusion(curves: Curves, layer: int) -> Claim:
    turning, known = curves.turning(layer)
    return _claim(
        curves,
        f"5. Layer {curves.name(layer)} goes over to diffusion, with a gradient SNR "
        "below one",
        "fraction of networks whose SNR falls below one for good",
        fraction_interval(np.isfinite(turning[known])),
        above=0.5,
    )


def _coincidence(curves: Curves, layer: int) -> Claim:
    turning, known = curves.turning(layer)
    onset = compression_onsets(curves.epochs, curves.i_xt[layer])
    known = known & curves.kept[layer]
    ratio = event_ratios(turning, onset)
    return _claim(
        curves,
        f"6. In layer {curves.name(layer)} compression starts as drift turns into "
        "diffusion",
        "epoch at which the SNR falls below one over that at which I(X;T) starts to "
        "fall, median",
        median_interval(ratio[known]),
        above=1.0 / COINCIDENCE_FACTOR,
        below=COINCIDENCE_FACTOR,
    )


def _agreement(curves: Curves, others: Curves) -> Claim:
    kept = (curves.kept & others.kept).all(axis=0)
    same = (curves.compresses() == others.compresses()).all(axis=0)
    return _claim(
        curves,
        f"7. (A check.) {others.estimator} and {curves.estimator} agree on which "
        "layers compress",
        f"fraction of networks with the same layers losing more than "
        f"{COMPRESSION_THRESHOLD_BITS:g} bit of I(X;T) by both",
        fraction_interval(same[kept]),
        above=0.5,
    )


def _convergence(curves: Curves, symbol: str) -> Claim:
    values = {"I(X;T)": curves.i_xt, "I(T;Y)": curves.i_ty}[symbol][-1]
    # One network that diverged would make any spread.
    values = values[curves.kept[-1]]
    return _claim(
        curves,
        f"8. Networks end near each other in {symbol} of the output",
        f"standard deviation of {symbol} over seeds, last over first snapshot",
        spread_ratio(values[:, 0], values[:, -1]),
        below=1.0,
    )


def _claim(
    curves: Curves, claim: str, quantity: str, estimate: Estimate, **limits: float
) -> Claim:
    return decide(claim, quantity, estimate, num_seeds=curves.num_seeds, **limits)
