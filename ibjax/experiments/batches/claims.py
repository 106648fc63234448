"""Claims about stochastic against full-batch gradients."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.experiments.choices import COINCIDENCE_FACTOR, COMPRESSES
from ibjax.results.cells import cells_over
from ibjax.results.compression import compression_onsets
from ibjax.results.intervals import (
    event_ratios,
    fraction_interval,
    mean_estimate,
    median_interval,
    rank_correlation,
)
from ibjax.results.statistics import (
    COMPRESSION_THRESHOLD_BITS,
    NATS_PER_BIT,
    TURNING_SNAPSHOTS,
    loss_kinks,
    turning_epochs,
)

__all__ = ["SAME_BITS", "batch_claims", "copy_claims", "transition_epochs"]

SAME_BITS = 0.5
"""Two falls of I(X;T) count as the same within so many bits."""

_EVENTS = {
    "turning": "the SNR falls below one",
    "kink": "the loss bends",
    "onset": "I(X;T) starts to fall",
}


def batch_claims(dataset: xr.Dataset, *, estimator: str | None = None) -> list[Claim]:
    """Claims of Saxe et al. (2018, Fig. 5) and of the stochastic-gradient hypothesis.

    All of the last hidden layer:

    1. tanh layers compress and ReLU layers do not, with every size of the batch.
    2. The fall of I(X;T) with minibatches less that with the full batch is within
       :data:`SAME_BITS` of zero.
    3. In compressing networks three epochs coincide (their ratio is within a factor of
       two of one): that at which the gradient's SNR falls below one for good, that at
       which the loss bends (:func:`ibjax.results.statistics.loss_kinks`), and that at
       which I(X;T) starts to fall. Where one of two never happens their ratio is zero
       or infinite.
    4. Over seeds they move together (their rank correlation is positive).

    3 and 4 are what the hypothesis says that makes the noise of stochastic gradients
    the cause of compression. Where training takes the full batch the SNR is that of
    gradients over minibatches, at the same parameters.

    Args:
      dataset: Dataset of a grid over ``activation`` and ``batch_size``.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset is no such grid.

    References:
      Saxe et al., `On the information bottleneck theory of deep learning`, ICLR 2018.
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, arXiv:1703.00810, 2017.

    Example:
      >>> from ibjax.results.cells import combine
      >>> from ibjax.results.example import example_dataset
      >>> batches = [{"activation": "tanh", "batch_size": n} for n in ("512", "full")]
      >>> dataset = combine(batches, [example_dataset(num_seeds=5)] * 2)
      >>> claims = batch_claims(dataset)
      >>> print(f"{claims[0].claim}: {claims[0].verdict}")
      1. tanh, batch 512: layer 5 (tanh 3) compresses: holds
    """
    cells = cells_over(dataset, "activation", "batch_size")
    curves = {
        (place["activation"], place["batch_size"]): (Curves(cell, estimator), cell)
        for place, cell in cells
    }
    claims = []
    for (activation, batch), (found, _) in curves.items():
        if activation not in COMPRESSES:
            continue
        compresses = COMPRESSES[activation]
        limit = "above" if compresses else "below"
        claims.append(
            decide(
                f"1. {activation}, batch {batch}: layer {_last(found)} "
                f"{'compresses' if compresses else 'does not compress'}",
                "largest I(X;T) less the last, bits",
                found.compression_bits(len(found.i_xt) - 2),
                num_seeds=found.num_seeds,
                **{limit: COMPRESSION_THRESHOLD_BITS},
            )
        )
    for (activation, batch), (found, _) in curves.items():
        # Networks of one seed start alike at every batch size: compared in pairs.
        if batch == "full" or (activation, "full") not in curves:
            continue
        full, _ = curves[activation, "full"]
        claims.append(
            decide(
                f"2. {activation}: layer {_last(found)} compresses as far with batches "
                f"of {batch} as with the full one",
                "fall of I(X;T) with minibatches less that with the full batch, bits",
                mean_estimate((_fall(found) - _fall(full)) / NATS_PER_BIT),
                num_seeds=found.num_seeds,
                above=-SAME_BITS,
                below=SAME_BITS,
            )
        )
    for (activation, batch), (found, cell) in curves.items():
        # Its layers should not compress, which leaves no epoch to compare.
        if activation == "relu":
            continue
        events = transition_epochs(found, cell)
        for number in (3, 4):
            for first, second in (
                ("turning", "onset"),
                ("kink", "onset"),
                ("turning", "kink"),
            ):
                claims.append(
                    _together(number, activation, batch, found, events, first, second)
                )
    return claims


def copy_claims(dataset: xr.Dataset) -> list[Claim]:
    """Disagreement of copies that drift apart, in every layer but the output.

    Args:
      dataset: Dataset of :func:`ibjax.experiments.batches.copies.copy_sweep`.

    Returns:
      The claims.
    """
    found = []
    for layer in dataset["layer"].values[:-1]:
        chosen = dataset.sel(layer=layer)
        ratio = chosen["gradient_snr"].transpose("seed", "epoch").values
        # NaN where the ratio never falls below one for good.
        turning = turning_epochs(chosen["epoch"].values, ratio)
        known = np.sum(~np.isnan(ratio), axis=1) >= TURNING_SNAPSHOTS
        found.append(
            decide(
                f"Layer {layer} ({chosen['layer_name'].item()}) goes over to a "
                "gradient SNR below one",
                "fraction of networks whose SNR over copies falls below one for good",
                fraction_interval(np.where(known, np.isfinite(turning), np.nan)),
                num_seeds=dataset.sizes["seed"],
                above=0.5,
            )
        )
    return found


def transition_epochs(curves: Curves, dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """Epochs of the three events in the last hidden layer, of every seed.

    Args:
      curves: The curves of a sweep.
      dataset: Its dataset, for the loss.

    Returns:
      ``turning``, ``kink`` and ``onset``, ``[num_seeds]`` each; NaN where there is no
      such epoch.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=5)
      >>> sorted(transition_epochs(Curves(dataset, "binning"), dataset))
      ['kink', 'onset', 'turning']
    """
    layer = len(curves.i_xt) - 2
    turning, known = curves.turning(layer)
    loss = dataset["train_loss"].transpose("seed", "epoch").values
    return {
        "turning": np.where(known, turning, np.nan),
        "kink": loss_kinks(curves.epochs, loss),
        "onset": compression_onsets(curves.epochs, curves.i_xt[layer]),
    }


def _together(number, activation, batch, curves, events, first, second) -> Claim:
    one, other = events[first], events[second]
    layer = len(curves.i_xt) - 2
    # What is not known must not pass for an event that never happens.
    known = curves.kept[layer] & curves.turning(layer)[1] & ~np.isnan(events["kink"])
    verb = "coincides with" if number == 3 else "moves over seeds with"
    claim = (
        f"{number}. {activation}, batch {batch}: the epoch at which {_EVENTS[first]} "
        f"{verb} that at which {_EVENTS[second]}, layer {_last(curves)}"
    )
    if number == 4:
        return decide(
            claim,
            "rank correlation over seeds",
            rank_correlation(one, other),
            num_seeds=curves.num_seeds,
            above=0.0,
        )
    # Limits of equal size on a log scale, over which the snapshots are spread.
    return decide(
        claim,
        "the first over the second, median",
        median_interval(np.where(known, event_ratios(one, other), np.nan)),
        num_seeds=curves.num_seeds,
        above=1.0 / COINCIDENCE_FACTOR,
        below=COINCIDENCE_FACTOR,
    )


def _fall(curves: Curves) -> np.ndarray:
    """Largest I(X;T) of the last hidden layer less the last, in nats, by seed."""
    layer = len(curves.i_xt) - 2
    fall = np.max(curves.i_xt[layer], axis=-1) - curves.i_xt[layer, :, -1]
    return np.where(curves.kept[layer], fall, np.nan)


def _last(curves: Curves) -> str:
    return curves.name(len(curves.i_xt) - 2)
