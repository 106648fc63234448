"""Claims of Butakov et al. (2024) about the phases of a stochastic network."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.claims.phases import (
    FITTED,
    STANDARD_ERRORS,
    Stretches,
    difference_errors,
    rise_epochs,
    stretches,
)
from ibjax.numerics import checks
from ibjax.results.cells import cells_of
from ibjax.results.compression import THRESHOLD_NATS, compression_onsets
from ibjax.results.intervals import (
    Estimate,
    event_ratios,
    fraction_interval,
    mean_estimate,
    median_interval,
)
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = [
    "SAME_CURVES_BITS",
    "stochastic_convolutional_claims",
]

SAME_CURVES_BITS = {"i_xt": 0.5, "i_ty": 0.1}
"""Curves are the same if they differ by less on average over epochs, in bits."""

_SYMBOLS = {"i_xt": "I(X;L)", "i_ty": "I(L;Y)"}


class _Cell(NamedTuple):
    """One sweep: its noise, its dataset and its curves."""

    noise: str
    dataset: xr.Dataset
    curves: Curves
    groups: np.ndarray

    def accuracy(self) -> np.ndarray:
        """Test accuracy, ``[num_seeds, num_epochs]``."""
        return self.dataset["test_accuracy"].transpose("seed", "epoch").values


def stochastic_convolutional_claims(
    dataset: xr.Dataset, *, estimator: str = "compressed"
) -> list[Claim]:
    """Claims of Butakov et al. (2024) about a stochastic network, by kind of noise.

    A change of a curve is seen where it is above 0.1 bit and above several standard
    errors of the difference, which groups of inputs tell: 4.5 for a stretch, the range
    of many snapshots, and three for the fall from the largest to the last.

    1. There are several phases: in most networks I(X;L) has three or more stretches of
       rising or falling (:func:`ibjax.claims.phases.stretches`); of each layer.
    2. In most networks the last layer compresses more than once: two or more of its
       stretches fall.
    3. The last layer compresses
       (:func:`ibjax.results.compression.compression_interval`); in most
       networks by more than three standard errors; and after it fits: I(X;L) starts to
       fall for good (:func:`ibjax.results.compression.compression_onsets`) at a later
       epoch than that at which test accuracy, and its I(L;Y), have done 95 % of their
       rise. Networks whose last layer does not fall by 0.1 bit are left out there.
    4. In the trained network information obeys the data-processing inequality: no layer
       has over 0.1 bit more of X or of Y than one before it, of the pair where it is
       largest on average. As a check, no layer's I(L;Y) exceeds the entropy of the
       labels.
    5. Additive and multiplicative noise give the same curves: those of one seed differ
       on average over epochs by less than :data:`SAME_CURVES_BITS`, in the layer where
       they differ most.

    What a reader could get wrong:

    * Every snapshot is measured with the same inputs, codes and draws of the noise: a
      difference of two is surer than either. That it is one of the network, and not of
      how components and neighbours fall, no error tells.
    * The information is between codes, which may lose more of one layer than of the
      next: a breach of the inequality by the numbers is not one by the network.
    * The seeds share the codes of the inputs: their intervals do not see what another
      autoencoder would change.

    Args:
      dataset: Dataset of sweeps with :func:`ibjax.probes.compressed.compressed` and
        :func:`ibjax.probes.losses`: a grid over ``noise``, or one sweep whose
        ``configuration`` holds ``noise``.
      estimator: Name of the estimator.

    Returns:
      The claims; the fifth only for a grid with both kinds of noise.

    Raises:
      ValueError: If the dataset lacks the estimator, its groups, the accuracy or the
        noise.

    References:
      Butakov, Tolmachev, Malanchuk, Neopryatnaya, Frolov and Andreev, `Information
      bottleneck analysis of deep neural networks via lossy compression`, ICLR 2024.
    """
    cells = _read(dataset, estimator)
    claims = []
    for cell in cells:
        layers = range(len(cell.curves.i_xt))
        claims += [_phases(cell, layer) for layer in layers]
        claims += [_falls_again(cell, layers[-1])]
        claims += _compresses_after_fit(cell, layers[-1])
        claims += [_obeys(cell, quantity) for quantity in _SYMBOLS]
        claims += [_below_labels(cell)]
    by_noise = {cell.noise: cell for cell in cells}
    if {"additive", "multiplicative"} <= by_noise.keys():
        pair = by_noise["additive"], by_noise["multiplicative"]
        claims += [_same(*pair, quantity) for quantity in _SYMBOLS]
    return sorted(claims, key=lambda claim: claim.claim.split(".")[0])


def _read(dataset: xr.Dataset, estimator: str) -> list[_Cell]:
    cells, name = [], f"{estimator}_i_xt_groups"
    for _, cell in cells_of(dataset):
        options = json.loads(cell.attrs["configuration"])
        checks.holds("dataset", cell.data_vars, name, "test_accuracy")
        checks.holds("the dataset's configuration", options, "noise")
        # Axes of a network's own have no names: they come last, in order.
        groups = cell[name].transpose("seed", "epoch", ...).values.astype(np.float64)
        groups = np.moveaxis(groups, 2, 0)
        cells.append(_Cell(options["noise"], cell, Curves(cell, estimator), groups))
    return cells


def _phases(cell: _Cell, layer: int) -> Claim:
    found = _stretches_of(cell, layer)
    return _in_most(
        cell,
        f"1. I(X;L) of layer {cell.curves.name(layer)} goes through several phases",
        "three or more stretches of rising or falling",
        found.rising + found.falling,
        3,
    )


def _falls_again(cell: _Cell, layer: int) -> Claim:
    return _in_most(
        cell,
        f"2. layer {cell.curves.name(layer)} compresses more than once",
        "two or more stretches of falling I(X;L)",
        _stretches_of(cell, layer).falling,
        2,
    )


def _in_most(cell, claim, what, counts, least) -> Claim:
    mean = f"{np.mean(counts):.1f}" if len(counts) else "-"
    return _claim(
        cell,
        claim,
        f"fraction of networks with {what} beyond the errors (on average {mean})",
        fraction_interval(np.where(np.isnan(counts), np.nan, counts >= least)),
        above=0.5,
    )


def _compresses_after_fit(cell: _Cell, layer: int) -> list[Claim]:
    curves = cell.curves
    kept = curves.kept[layer]
    name, i_xt = curves.name(layer), curves.i_xt[layer, kept]
    seeds, peak = np.arange(len(i_xt)), np.argmax(i_xt, axis=1)
    fall = i_xt[seeds, peak] - i_xt[:, -1]
    # Both values come from the same images: the error of their difference is smaller
    # than two errors added up.
    for seed, groups in enumerate(cell.groups[layer, kept]):
        fall[seed] -= STANDARD_ERRORS * difference_errors(groups)[peak[seed], -1]
    claims = [
        _claim(
            cell,
            f"3. layer {name} compresses",
            "largest I(X;L) less the last, bits",
            curves.compression_bits(layer),
            above=COMPRESSION_THRESHOLD_BITS,
        ),
        _claim(
            cell,
            f"3. in most networks layer {name} compresses beyond the errors of the "
            "estimate",
            "fraction of networks whose I(X;L) falls by more than 0.1 bit, three "
            "standard errors taken off",
            fraction_interval(np.where(np.isnan(fall), np.nan, fall > THRESHOLD_NATS)),
            above=0.5,
        ),
    ]
    onsets = compression_onsets(curves.epochs, i_xt)
    for text, values in (
        ("test accuracy", cell.accuracy()[kept]),
        ("its I(L;Y)", curves.i_ty[layer, kept]),
    ):
        ratios = event_ratios(onsets, rise_epochs(curves.epochs, values))
        claims.append(
            _claim(
                cell,
                f"3. layer {name} compresses after it fits, by {text}",
                f"epoch at which I(X;L) starts to fall over that at which {text} has "
                f"done {FITTED:.0%} of its rise, median",
                # A network that does not compress does not do so late.
                median_interval(np.where(np.isnan(onsets), np.nan, ratios)),
                above=1.0,
            )
        )
    return claims


def _obeys(cell: _Cell, quantity: str) -> Claim:
    curves, symbol = cell.curves, _SYMBOLS[quantity]
    last = getattr(curves, quantity)[:, :, -1] / NATS_PER_BIT
    last = np.where(curves.kept, last, np.nan)
    rises = {
        (first, later): mean_estimate(last[later] - last[first])
        for later in range(len(last))
        for first in range(later)
    }
    # Two layers without a network that kept both have no rise, which max would take.
    known = {pair: e for pair, e in rises.items() if not np.isnan(e.value)} or rises
    first, later = max(known, key=lambda pair: known[pair].value)
    return _claim(
        cell,
        f"4. {symbol} of the trained network obeys the data-processing inequality",
        f"{symbol} of layer {curves.name(later)} less that of {curves.name(first)}, "
        "the largest such, bits",
        known[first, later],
        below=COMPRESSION_THRESHOLD_BITS,
    )


def _below_labels(cell: _Cell) -> Claim:
    curves = cell.curves
    excess = (curves.i_ty[:, :, -1] - cell.dataset.attrs["h_y"]) / NATS_PER_BIT
    found = [
        mean_estimate(e[kept]) for e, kept in zip(excess, curves.kept, strict=True)
    ]
    layer = int(np.argmax([-np.inf if np.isnan(e.value) else e.value for e in found]))
    return _claim(
        cell,
        "4. (A check.) I(L;Y) stays below the entropy of the labels",
        f"I(L;Y) of layer {curves.name(layer)} at the end less H(Y), the largest such, "
        "bits",
        found[layer],
        below=0.0,
    )


def _same(one: _Cell, other: _Cell, quantity: str) -> Claim:
    difference = getattr(one.curves, quantity) - getattr(other.curves, quantity)
    # Of curves, not of their means, which agree where single networks do not.
    distance = np.mean(np.abs(difference), axis=2) / NATS_PER_BIT
    distance = np.where(one.curves.kept & other.curves.kept, distance, np.nan)
    found = [mean_estimate(d) for d in distance]
    layer = int(np.argmax([-np.inf if np.isnan(e.value) else e.value for e in found]))
    return decide(
        f"5. {_SYMBOLS[quantity]} has the same curves with additive and multiplicative "
        "noise",
        f"distance of the curves of one seed in layer {one.curves.name(layer)}, where "
        "it is largest, mean over epochs, bits",
        found[layer],
        num_seeds=one.curves.num_seeds,
        below=SAME_CURVES_BITS[quantity],
    )


def _stretches_of(cell: _Cell, layer: int) -> Stretches:
    kept = cell.curves.kept[layer]
    return stretches(cell.curves.i_xt[layer, kept], cell.groups[layer, kept])


def _claim(
    cell: _Cell, claim: str, quantity: str, estimate: Estimate, **limits: float
) -> Claim:
    number, text = claim.split(" ", 1)
    return decide(
        f"{number} {cell.noise.capitalize()} noise: {text}",
        quantity,
        estimate,
        num_seeds=cell.curves.num_seeds,
        **limits,
    )
