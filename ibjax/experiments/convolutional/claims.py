"""Claims about convolutional networks on the information plane."""

from __future__ import annotations

import json
import math

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide, exact_claim
from ibjax.claims.curves import Curves
from ibjax.estimators.calibration import calibrated_noise_variance, label_information
from ibjax.numerics import checks
from ibjax.results.intervals import mean_estimate
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = ["CALIBRATED_BITS", "convolutional_claims"]

CALIBRATED_BITS = 0.01
"""Largest distance of the labels' estimate from the target of a calibrated variance."""

_BOUNDS = ("upper", "lower")


def convolutional_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about convolutional layers, by the two ways to measure them.

    1. With all channels side by side (*concat*) the layers with channels stay within
       0.1 bit of the plane's top right corner, log2 of the number of inputs and H(Y).
    2. Averaged over channels (*mean*) the data-processing inequality is broken: in the
       trained network some layer has over 0.1 bit of I(X;T) more than the one before.
       As a check, with all channels side by side none has.
    3. No hidden layer compresses by more than 0.1 bit.
    4. The noise variance is one at which the kernel density gives one-hot labels
       log2 of the number of classes, to 0.01 bit; by the bound that it was chosen by,
       the upper one, and by the other.

    Args:
      dataset: Dataset of a sweep with the estimators ``concat_upper``,
        ``concat_lower``, ``mean_upper`` and ``mean_lower``, whose ``configuration``
        holds ``shapes``, the layers' shapes, ``noise_variance`` and ``p_y``, the
        probabilities of the classes.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset lacks any of these.
    """
    configuration = json.loads(dataset.attrs["configuration"])
    needed = ("shapes", "noise_variance", "p_y")
    checks.holds("the dataset's configuration", configuration, *needed)
    by_name = {
        f"{how}_{bound}": Curves(dataset, f"{how}_{bound}")
        for how in ("concat", "mean")
        for bound in _BOUNDS
    }
    num_channeled = sum(len(shape) == 3 for shape in configuration["shapes"])
    corner = math.log2(dataset.attrs["num_samples"]), dataset.attrs["h_y"]
    return [
        *(
            _pinned(by_name[f"concat_{bound}"], layer, corner)
            for layer in range(num_channeled)
            for bound in _BOUNDS
        ),
        *(_rises(curves) for curves in by_name.values()),
        *(_compression(curves) for curves in by_name.values()),
        *(_calibration(configuration, bound) for bound in _BOUNDS),
    ]


def _pinned(curves: Curves, layer: int, corner: tuple[float, float]) -> Claim:
    log2_num_samples, h_y = corner
    kept = curves.kept[layer]
    i_xt, i_ty = (v[layer, kept] / NATS_PER_BIT for v in (curves.i_xt, curves.i_ty))
    missing = np.maximum(
        log2_num_samples - np.min(i_xt, axis=1),
        np.max(np.abs(h_y / NATS_PER_BIT - i_ty), axis=1),
    )
    return decide(
        f"1. Layer {curves.name(layer)} stays in the top right corner by "
        f"{curves.estimator}",
        "largest distance from it of I(X;T) or I(T;Y), bits",
        mean_estimate(missing),
        num_seeds=curves.num_seeds,
        below=COMPRESSION_THRESHOLD_BITS,
    )


def _rises(curves: Curves) -> Claim:
    """Claim 2: the layer that exceeds the one before it by most I(X;T), at the end."""
    rises = np.diff(curves.i_xt[:, :, -1], axis=0) / NATS_PER_BIT
    kept = curves.kept[:-1] & curves.kept[1:]
    rises = np.where(kept, rises, np.nan)
    layer = _largest(np.array([mean_estimate(rise).value for rise in rises]))
    # The mean over channels is no function of the layer before: it may rise.
    mean = curves.estimator.startswith("mean")
    limit = "above" if mean else "below"
    return decide(
        f"2. {'' if mean else '(A check.) '}By {curves.estimator} the trained network "
        f"{'breaks' if mean else 'obeys'} the data-processing inequality",
        f"I(X;T) of layer {curves.name(layer + 1)} less that of the one before, the "
        "largest such, bits",
        mean_estimate(rises[layer]),
        num_seeds=curves.num_seeds,
        **{limit: COMPRESSION_THRESHOLD_BITS},
    )


def _compression(curves: Curves) -> Claim:
    """Claim 3, of the hidden layer that falls most."""
    falls = [curves.compression_bits(n) for n in range(len(curves.i_xt) - 1)]
    layer = _largest(np.array([fall.value for fall in falls]))
    return decide(
        f"3. No hidden layer compresses by {curves.estimator}",
        "largest I(X;T) less the last, of the layer where it is largest, "
        f"{curves.name(layer)}, bits",
        falls[layer],
        num_seeds=curves.num_seeds,
        below=COMPRESSION_THRESHOLD_BITS,
    )


def _calibration(configuration, bound: str) -> Claim:
    p_y, variance = configuration["p_y"], configuration["noise_variance"]
    found = label_information(p_y, variance, bound=bound) / NATS_PER_BIT
    target = math.log2(len(p_y))
    entropy = -sum(p * math.log2(p) for p in p_y if p > 0)
    others = ""
    if entropy > target - CALIBRATED_BITS:
        largest = calibrated_noise_variance(
            p_y, bound=bound, tolerance=CALIBRATED_BITS * NATS_PER_BIT
        ).largest
        others = f" (which all variances below {largest:.2g} give)"
    distance = abs(target - found)
    return exact_claim(
        f"4. Variance {variance:g} gives the labels log2 {len(p_y)} bits by the "
        f"{bound} bound{others}",
        f"distance of {found:.4f} bits, their estimate, from {target:.4f}; their own "
        f"entropy is {entropy:.4f}",
        f"below {CALIBRATED_BITS:g}",
        distance,
        "holds" if distance < CALIBRATED_BITS else "does not hold",
    )


def _largest(values: np.ndarray) -> int:
    """Place of the largest value that is a number."""
    return int(np.argmax(np.where(np.isnan(values), -np.inf, values)))
