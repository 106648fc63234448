"""Published claims about the information plane, held against a sweep.

Each claim comes down to one number with a 95 % interval over seeds and a criterion,
and the interval alone decides: the claim holds if all of it meets the criterion, does
not hold if none of it does, and is undecided otherwise. Informations come in as nats;
a :class:`Claim` gives them in bits and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special

from ibjax.statistics import (
    TURNING_SNAPSHOTS,
    MeanInterval,
    mean_interval,
    turning_epochs,
)
from ibjax.summary import COMPRESSION_THRESHOLD_BITS

__all__ = [
    "COINCIDENCE_FACTOR",
    "Claim",
    "Estimate",
    "claims_json",
    "claims_markdown",
    "compression_interval",
    "compression_onsets",
    "fraction_interval",
    "median_interval",
    "spread_ratio",
    "szt_claims",
]

COINCIDENCE_FACTOR = 2.0
"""Two epochs coincide if neither is more than this many times the other."""

_NATS_PER_BIT = math.log(2.0)
_THRESHOLD = COMPRESSION_THRESHOLD_BITS * _NATS_PER_BIT
# Compression that starts later than this part of the epochs takes no "most" of them.
_FITTING_FRACTION = 0.1


class Claim(NamedTuple):
    """A claim, the number that decides it, and the verdict.

    Attributes:
      claim: The claim, in the words of a statement that is true or false.
      quantity: What was measured to decide it, with its unit.
      criterion: What the whole interval has to satisfy, e.g. ``"above 0.1"``.
      value: The number.
      low: Lower end of its 95 % interval; NaN with too few seeds for one.
      high: Upper end of its 95 % interval; NaN with too few seeds for one.
      verdict: ``"holds"``, ``"does not hold"`` or ``"undecided"``.
      num_seeds: Seeds the number comes from.
      num_left_out: The other seeds: diverged, or without the quantity.
    """

    claim: str
    quantity: str
    criterion: str
    value: float
    low: float
    high: float
    verdict: str
    num_seeds: int
    num_left_out: int


class Estimate(NamedTuple):
    """A number over seeds and its interval.

    Attributes:
      value: The number; NaN without seeds.
      low: Lower end of the interval; NaN with too few seeds for one.
      high: Upper end of the interval; NaN with too few seeds for one.
      count: Seeds it comes from.
    """

    value: float
    low: float
    high: float
    count: int


def szt_claims(dataset: xr.Dataset, *, estimator: str | None = None) -> list[Claim]:
    """What Shwartz-Ziv and Tishby (2017) say of Figs. 2 to 4, against a sweep.

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
       (:func:`ibjax.statistics.turning_epochs`).
    6. In deep layers that epoch over the one at which I(X;T) starts to fall
       (:func:`compression_onsets`) is within a factor of :data:`COINCIDENCE_FACTOR`
       of one. If only one of the two happens the ratio is zero or infinite, as it
       is if one happens at epoch 0; without either the seed is left out.
    7. In most networks the same layers lose more than 0.1 bit by each KDE bound as
       by ``estimator``. This is a check of the others, not a claim of the paper.
    8. Networks end closer to each other than they start (:func:`spread_ratio`), along
       either axis of the output layer's plane.

    Means have Student t intervals, medians those of :func:`median_interval` and
    fractions those of :func:`fraction_interval`. What a reader could get wrong:

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
      >>> from ibjax.plots.example import example_dataset
      >>> claims = szt_claims(example_dataset(num_seeds=10))
      >>> print(claims[0].claim, claims[0].verdict, sep=": ")
      1. Fitting raises I(T;Y) of the last hidden layer, 5 (tanh 3): holds
    """
    for name in ("i_xt", "i_ty"):
        if name not in dataset:
            raise ValueError(f"dataset must hold {name}, got {sorted(dataset)}")
    for dim in ("seed", "epoch"):
        if dataset.sizes[dim] == 0:
            raise ValueError(f"dataset must have at least one {dim}, got none")
    num_layers = dataset.sizes["layer"]
    if num_layers < 2:
        raise ValueError(
            f"dataset must hold a hidden layer and the output, got {num_layers} layer"
        )
    names = dataset["estimator"].values.tolist()
    if estimator is None:
        estimator = "binning" if "binning" in names else names[0]
    if estimator not in names:
        raise ValueError(f"estimator must be one of {names}, got {estimator!r}")
    curves = _Curves(dataset, estimator)
    hidden = range(num_layers - 1)
    near = list(hidden[:2][: num_layers - 2])
    deep = [layer for layer in hidden[-2:] if layer not in near]
    claims = [_fitting(curves, hidden[-1])]
    claims += [_compresses(curves, layer) for layer in (*deep, num_layers - 1)]
    claims += [_keeps(curves, layer) for layer in near]
    claims.append(_mostly_compression(curves, hidden[-1]))
    if "gradient_snr" in dataset:
        claims += [claim(curves, n) for n in hidden for claim in (_drift, _diffusion)]
        claims += [_coincidence(curves, layer) for layer in deep]
    others = [name for name in names if name.startswith("kde") and name != estimator]
    claims += [_agreement(curves, _Curves(dataset, name)) for name in others]
    claims += [_convergence(curves, symbol) for symbol in ("I(X;T)", "I(T;Y)")]
    return claims


def compression_interval(i_xt: ArrayLike) -> MeanInterval:
    """Mean fall of I(X;T) from its maximum to the end, with a cautious 95 % interval.

    The mean is of each seed's own maximum less its last value. Jitter alone makes
    that positive, so the interval does not trust it from below: its upper end is
    that of the mean, its lower end that of another, whose snapshot of the maximum is
    taken for each seed from the mean curve of the other seeds. Jitter does not raise
    this one; seeds that peak apart lower it. Between the two lies the fall of the
    curves without jitter, so either verdict on a threshold can be trusted.

    Args:
      i_xt: Shape ``[num_seeds, num_epochs]``, in any unit. Seeds with a value that is
        not finite are left out.

    Returns:
      Mean and interval in the unit of ``i_xt``; NaN ends with fewer than two seeds.

    Raises:
      ValueError: If ``i_xt`` does not have rank 2.

    Example:
      >>> jitter = np.random.default_rng(0).normal(size=(20, 50))
      >>> interval = compression_interval(jitter)
      >>> print(bool(interval.mean > 1), bool(interval.low < 0))
      True True
    """
    i_xt = np.asarray(i_xt, np.float64)
    if i_xt.ndim != 2:
        raise ValueError(
            f"i_xt must have shape [num_seeds, num_epochs], got {i_xt.shape}"
        )
    i_xt = i_xt[np.isfinite(i_xt).all(axis=1)]
    if len(i_xt) == 0:
        return mean_interval(np.zeros(0))
    own = mean_interval(np.max(i_xt, axis=1) - i_xt[:, -1])
    others = np.sum(i_xt, axis=0) - i_xt
    peaks = np.argmax(others, axis=1)
    low = mean_interval(i_xt[np.arange(len(i_xt)), peaks] - i_xt[:, -1]).low
    return own._replace(low=np.minimum(low, own.mean))


def compression_onsets(
    epochs: ArrayLike, i_xt: ArrayLike, *, threshold: float = _THRESHOLD
) -> np.ndarray:
    """Epoch at which I(X;T) starts to fall for good.

    It is the last snapshot at which I(X;T) is within ``threshold`` of its maximum.
    Unlike the snapshot of the maximum itself it does not depend on which part of a
    plateau happens to be the highest.

    Args:
      epochs: Epochs of the snapshots, shape ``[num_epochs]``, rising.
      i_xt: I(X;T) in nats, shape ``[..., num_epochs]``.
      threshold: The least fall that is called one, in nats; 0.1 bit by default.

    Returns:
      Epochs, float64, shape ``[...]``; NaN where I(X;T) is within ``threshold`` of its
      maximum at the end, or not finite somewhere.

    Raises:
      ValueError: If the last axis of ``i_xt`` is not ``num_epochs`` long.

    Example:
      >>> i_xt = [[2.0, 5.0, 5.01, 4.99, 3.0], [2.0, 3.0, 4.0, 5.0, 5.0]]
      >>> print(compression_onsets([0, 1, 10, 100, 1000], i_xt))
      [100.  nan]
    """
    epochs, i_xt = np.asarray(epochs, np.float64), np.asarray(i_xt, np.float64)
    if epochs.ndim != 1 or i_xt.shape[-1:] != epochs.shape:
        raise ValueError(
            "i_xt must have shape [..., num_epochs] with num_epochs = "
            f"{epochs.shape}, got {i_xt.shape}"
        )
    finite = np.isfinite(i_xt).all(axis=-1)
    curves = np.where(finite[..., None], i_xt, 0.0)
    high = curves >= np.max(curves, axis=-1, keepdims=True) - threshold
    last = len(epochs) - 1 - np.argmax(high[..., ::-1], axis=-1)
    return np.where(finite & (last < len(epochs) - 1), epochs[last], np.nan)


def median_interval(values: ArrayLike) -> Estimate:
    """Median and 95 % interval between order statistics.

    The interval assumes nothing of the distribution but independence, covers at least
    95 %, and does not depend on the scale: that of the logarithms is the same.

    Args:
      values: Shape ``[num_seeds]``. NaNs are left out, infinities are not.

    Returns:
      The estimate; fewer than six values have no such interval.

    Example:
      >>> print(median_interval([1, 2, 3, 4, 5, 6, 7, 8]))
      Estimate(value=4.5, low=1.0, high=8.0, count=8)
    """
    values = np.asarray(values, np.float64).reshape(-1)
    values = np.sort(values[~np.isnan(values)])
    count = len(values)
    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    value = float(values[(count - 1) // 2] + values[count // 2]) / 2.0
    # The most values that may be dropped at either end: P(Binomial <= cut) <= 0.025.
    cut = -1
    while special.bdtr(cut + 1, count, 0.5) <= 0.025:
        cut += 1
    if cut < 0:
        return Estimate(value, math.nan, math.nan, count)
    return Estimate(value, float(values[cut]), float(values[count - 1 - cut]), count)


def fraction_interval(true: ArrayLike) -> Estimate:
    """Fraction of seeds of which something is true, and its 95 % interval.

    The interval is Clopper and Pearson's, which covers at least 95 %.

    Args:
      true: Booleans, shape ``[num_seeds]``.

    Returns:
      The estimate; NaNs without seeds.

    References:
      Clopper and Pearson, `Biometrika` 26, 1934.

    Example:
      >>> estimate = fraction_interval([True] * 9 + [False])
      >>> print(f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]")
      0.90 [0.55, 1.00]
    """
    true = np.asarray(true, bool).reshape(-1)
    count, successes = len(true), int(np.sum(true))
    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(special.betaincinv(successes, count - successes + 1, 0.025))
    if successes < count:
        high = float(special.betaincinv(successes + 1, count - successes, 0.975))
    return Estimate(successes / count, low, high, count)


def spread_ratio(first: ArrayLike, last: ArrayLike) -> Estimate:
    """Standard deviation over seeds at the end over that at the start.

    The 95 % interval is of Student's t around the logarithm of the ratio, with the
    standard error by leaving out one seed at a time, which takes into account that
    both ends are of the same seeds and does not need them to be normal.

    Args:
      first: Values at the start, shape ``[num_seeds]``.
      last: Values of the same seeds at the end, in the same unit. Seeds with a value
        that is not finite are left out.

    Returns:
      The estimate. NaN with fewer than two seeds or no spread at the start; the
      interval also with fewer than three, or where the spread comes from one seed.

    Raises:
      ValueError: If the shapes differ or are not of rank 1.

    Example:
      >>> estimate = spread_ratio([1.0, 2.0, 3.0, 4.0], [1.1, 1.2, 1.3, 1.4])
      >>> print(f"{estimate.value:.2f}")
      0.10
    """
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    if first.ndim != 1 or first.shape != last.shape:
        raise ValueError(
            "first and last must have one shape [num_seeds], got "
            f"{first.shape} and {last.shape}"
        )
    kept = np.isfinite(first) & np.isfinite(last)
    first, last = first[kept], last[kept]
    count = len(first)
    if count < 2 or np.ptp(first) == 0.0:
        return Estimate(math.nan, math.nan, math.nan, count)
    value = float(np.std(last) / np.std(first))
    without = [np.delete(np.arange(count), seed) for seed in range(count)]
    spreads = np.array([[np.std(v[rows]) for rows in without] for v in (first, last)])
    # Rounding leaves equal values a spread of an ulp or so.
    scale = max(np.max(np.abs(first)), np.max(np.abs(last)))
    if count < 3 or np.any(spreads <= 1e-12 * scale):
        return Estimate(value, math.nan, math.nan, count)
    logs = np.log(spreads[1] / spreads[0])
    error = math.sqrt((count - 1) / count * np.sum((logs - np.mean(logs)) ** 2))
    factor = math.exp(float(special.stdtrit(count - 1, 0.975)) * error)
    return Estimate(value, value / factor, value * factor, count)


def claims_json(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Claims as dictionaries in JSON's types.

    Args:
      claims: The claims.

    Returns:
      One dictionary per claim; NaN becomes ``None`` and an infinity ``"inf"``.

    Example:
      >>> nan = float("nan")
      >>> claim = Claim("c", "q", "above 1", nan, nan, nan, "undecided", 0, 2)
      >>> claims_json([claim])[0]["value"] is None
      True
    """
    return [{k: _plain(v) for k, v in c._asdict().items()} for c in claims]


def claims_markdown(claims: Sequence[Claim]) -> str:
    """Claims as a Markdown table, with a note on how to read it.

    Args:
      claims: The claims.

    Returns:
      The table and the note, with a newline at the end. A dash stands for a number
      that does not exist.

    Example:
      >>> claim = Claim("It is so", "x, bits", "above 1", 2.0, 1.5, 2.5, "holds", 9, 1)
      >>> print(claims_markdown([claim]).splitlines()[2])
      | It is so | x, bits: 2.00 [1.50, 2.50], n = 9 (1 left out) | above 1 | holds |
    """
    rows = ["| claim | number that decides it | holds if | verdict |"]
    rows.append("| --- | --- | --- | --- |")
    for c in claims:
        left_out = f" ({c.num_left_out} left out)" if c.num_left_out else ""
        value, low, high = (_number(number) for number in (c.value, c.low, c.high))
        number = f"{c.quantity}: {value} [{low}, {high}], n = {c.num_seeds}{left_out}"
        rows.append(f"| {c.claim} | {number} | {c.criterion} | {c.verdict} |")
    return "\n".join([*rows, "", _NOTE, ""])


_NOTE = (
    "In brackets 95 % intervals over seeds, each by itself, not corrected for their "
    "number; n is the number of seeds, and those left out diverged or lack the "
    "quantity. A claim holds if the whole interval meets the criterion, does not hold "
    "if none of it does, and is undecided otherwise or with too few seeds for an "
    "interval."
)


class _Curves:
    """What the claims read of a dataset, seed first, and which seeds count."""

    def __init__(self, dataset: xr.Dataset, estimator: str):
        dims = ("layer", "seed", "epoch")
        chosen = dataset.sel(estimator=estimator)
        self.estimator = estimator
        self.epochs = dataset["epoch"].values.astype(np.float64)
        self.i_xt = chosen["i_xt"].transpose(*dims).values.astype(np.float64)
        self.i_ty = chosen["i_ty"].transpose(*dims).values.astype(np.float64)
        self.num_seeds = dataset.sizes["seed"]
        self.numbers = dataset["layer"].values.tolist()
        self.layer_names = (
            dataset["layer_name"].values.tolist() if "layer_name" in dataset else None
        )
        diverged = np.zeros(self.num_seeds, bool)
        if "diverged" in dataset:
            diverged = dataset["diverged"].values.astype(bool)
        self.not_diverged = ~diverged
        finite = np.isfinite(self.i_xt) & np.isfinite(self.i_ty)
        # Whether a layer's curves are whole, [num_layers, num_seeds].
        self.kept = finite.all(axis=2) & ~diverged
        self.snr = None
        if "gradient_snr" in dataset:
            snr = dataset["gradient_snr"].transpose(*dims).values.astype(np.float64)
            self.snr = np.where(diverged[None, :, None], np.nan, snr)

    def name(self, layer: int) -> str:
        number = self.numbers[layer]
        return f"{number} ({self.layer_names[layer]})" if self.layer_names else number

    def turning(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Turning epochs ``[num_seeds]``, and of which seeds they can be known."""
        snr = self.snr[layer]
        known = np.sum(~np.isnan(snr), axis=1) >= TURNING_SNAPSHOTS
        return turning_epochs(self.epochs, snr), known & self.not_diverged

    def compresses(self) -> np.ndarray:
        """Whether a layer loses 0.1 bit, ``[num_layers, num_seeds]``."""
        return np.max(self.i_xt, axis=2) - self.i_xt[:, :, -1] > _THRESHOLD


def _fitting(curves: _Curves, layer: int) -> Claim:
    kept = curves.kept[layer]
    i_xt, i_ty = curves.i_xt[layer, kept], curves.i_ty[layer, kept]
    peak = np.argmax(i_xt, axis=1)
    rise = i_ty[np.arange(len(i_ty)), peak] - i_ty[:, 0]
    return _claim(
        curves,
        f"1. Fitting raises I(T;Y) of the last hidden layer, {curves.name(layer)}",
        "I(T;Y) at the epoch of the largest I(X;T) less that at the first, bits",
        _estimate(mean_interval(rise / _NATS_PER_BIT)),
        above=COMPRESSION_THRESHOLD_BITS,
    )


def _compresses(curves: _Curves, layer: int) -> Claim:
    return _claim(
        curves,
        f"2. After fitting, layer {curves.name(layer)} compresses",
        "largest I(X;T) less the last, bits",
        _compression_bits(curves, layer),
        above=COMPRESSION_THRESHOLD_BITS,
    )


def _keeps(curves: _Curves, layer: int) -> Claim:
    return _claim(
        curves,
        f"3. Layer {curves.name(layer)}, near the input, does not compress",
        "largest I(X;T) less the last, bits",
        _compression_bits(curves, layer),
        below=COMPRESSION_THRESHOLD_BITS,
    )


def _mostly_compression(curves: _Curves, layer: int) -> Claim:
    kept = curves.kept[layer]
    peak = curves.epochs[np.argmax(curves.i_xt[layer], axis=1)]
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


def _drift(curves: _Curves, layer: int) -> Claim:
    first = curves.snr[layer, :, 0]
    logs = mean_interval(np.log(np.where(first > 0, first, np.nan)))
    return _claim(
        curves,
        f"5. Layer {curves.name(layer)} starts in drift, with a gradient SNR above one",
        "SNR at the first snapshot, geometric mean",
        Estimate(*np.exp([logs.mean, logs.low, logs.high]).tolist(), int(logs.count)),
        above=1.0,
    )


def _diffusion(curves: _Curves, layer: int) -> Claim:
    turning, known = curves.turning(layer)
    return _claim(
        curves,
        f"5. Layer {curves.name(layer)} goes over to diffusion, with a gradient SNR "
        "below one",
        "fraction of networks whose SNR falls below one for good",
        fraction_interval(np.isfinite(turning[known])),
        above=0.5,
    )


def _coincidence(curves: _Curves, layer: int) -> Claim:
    turning, known = curves.turning(layer)
    onset = compression_onsets(curves.epochs, curves.i_xt[layer])
    known = known & curves.kept[layer]
    never = np.isnan(turning) & np.isnan(onset)
    turning, onset = (np.where(np.isnan(e), np.inf, e) for e in (turning, onset))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(never, np.nan, turning / onset)
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


def _agreement(curves: _Curves, others: _Curves) -> Claim:
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


def _convergence(curves: _Curves, symbol: str) -> Claim:
    values = {"I(X;T)": curves.i_xt, "I(T;Y)": curves.i_ty}[symbol][-1]
    values = values[curves.kept[-1]]
    return _claim(
        curves,
        f"8. Networks end near each other in {symbol} of the output",
        f"standard deviation of {symbol} over seeds, last over first snapshot",
        spread_ratio(values[:, 0], values[:, -1]),
        below=1.0,
    )


def _compression_bits(curves: _Curves, layer: int) -> Estimate:
    bits = curves.i_xt[layer, curves.kept[layer]] / _NATS_PER_BIT
    return _estimate(compression_interval(bits))


def _estimate(interval: MeanInterval) -> Estimate:
    mean, low, high, count = interval
    return Estimate(float(mean), float(low), float(high), int(count))


def _claim(
    curves: _Curves,
    claim: str,
    quantity: str,
    estimate: Estimate,
    *,
    above: float = -math.inf,
    below: float = math.inf,
) -> Claim:
    value, low, high, count = estimate
    verdict = "undecided"
    if low > above and high < below:
        verdict = "holds"
    elif high < above or low > below:
        verdict = "does not hold"
    bounds = [f"above {above:g}"] if above > -math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []
    return Claim(
        claim,
        quantity,
        " and ".join(bounds),
        value,
        low,
        high,
        verdict,
        count,
        curves.num_seeds - count,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    # Two decimals, or two significant digits where that would leave fewer.
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
