"""Claims of Saxe et al. (2018) about deep linear students, whose numbers are exact."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves, decide_seeds
from ibjax.claims.phases import FITTED
from ibjax.numerics import checks
from ibjax.results.intervals import fraction_interval
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = ["deep_linear_claims", "largest_falls"]

# Of what the best student gains over zero weights, the least that is called good.
_LEAST_SHARE = 0.9
# Test errors that grow by less are not called overtraining.
_OVERTRAINING = 1.5
# A part of an information below which a fall is none.
_FALL = 0.1


def deep_linear_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims of Saxe et al. (2018), Figs. 3, 4, 6, 18 and 21, against students.

    A fall is the most that a curve of one network ever lies below an earlier point of
    itself. Under every noise variance of a dataset, in order:

    1. ``generalization``, without compression: at its best epoch a student gets at
       least nine tenths of the gain in test error, over zero weights, of the best
       student there is; and in no layer does I(X;T) ever fall by 0.1 bit.
    2. ``overtraining``, without compression: the last test error is more than 1.5
       times the smallest, I(X;T) does not fall by 0.1 bit in any layer, and I(T;Y) of
       every layer falls by more than a tenth of its largest value.
    3. ``relevance``, compression of irrelevant inputs by the output: I(X_i;T) falls by
       more than a tenth of its largest value, I(X_r;T) is larger where that fall ends
       than where it starts, most of the fall happens while the training error still
       falls, and I(X;T) of no layer ever falls by 0.1 bit. For ``low_snr`` I(X_i;T)
       does not fall by a tenth.
    4. ``gradient_snr``, the step of the gradient without compression: over minibatches
       its signal-to-noise ratio is above one at some snapshot, in every layer, and
       below one at the last; in most networks it goes from the one to the other for
       good (:func:`ibjax.results.statistics.turning_epochs`); and I(X;T) of no layer
       ever falls by 0.1 bit.

    I(X;T) depends on the noise variance, and so does what a bit of it means: compare it
    with the largest I(X;T) of the layer. 0.1 bit is much where that is half a bit. The
    signal-to-noise ratio depends on the size of the batches: four times as many samples
    double it, and where the teacher's weights are small it may start below one.

    Args:
      datasets: Datasets of
        :func:`ibjax.experiments.deep_linear.students.student` by names that
        start with those; claims of missing ones are left out.

    Returns:
      The claims.

    Raises:
      ValueError: If there is no dataset of such a name, or one has no irrelevant inputs
        or no minibatches where it needs them.

    References:
      Saxe et al., `On the information bottleneck theory of deep learning`, ICLR 2018.

    Example:
      >>> import jax
      >>> from ibjax.experiments.deep_linear import students as deep_linear
      >>> from ibjax.sweeps import sweep_trainable
      >>> config = deep_linear.StudentConfig(hidden=(4,), num_samples=20, num_inputs=8)
      >>> dataset = sweep_trainable(
      ...     jax.random.key(0),
      ...     deep_linear.student(config),
      ...     num_seeds=3,
      ...     snapshots=[0, 10, 100, 1000]
      ... )
      >>> for claim in deep_linear_claims({"generalization": dataset}):
      ...     print(claim.quantity)
      gain in test error over zero weights at the best epoch, over the best student's
      largest fall of I(X;T) in any layer, noise variance 1, bits
    """
    claims: list[Claim] = []
    # By the beginnings of names: of one kind there are datasets of several sizes.
    for name, dataset in datasets.items():
        if name.startswith("generalization"):
            claims += _generalization(dataset)
        elif name.startswith("overtraining"):
            claims += _overtraining(dataset)
        elif name.startswith(("relevance", "low_snr")):
            why = "of students with irrelevant inputs"
            checks.holds(f"datasets[{name!r}]", dataset, "i_irrelevant", why=why)
            found = (_low_snr if name.startswith("low") else _relevance)(dataset)
            # 400 samples were added after 200 had been seen to be borderline.
            claims += [c._replace(added=name == "relevance_400") for c in found]
        elif name.startswith("gradient_snr"):
            why = "of students trained in minibatches"
            checks.holds(f"datasets[{name!r}]", dataset, "gradient_snr", why=why)
            claims += _gradient_step(dataset)
    if not claims:
        raise ValueError(
            "datasets must hold generalization, overtraining, relevance, low_snr or "
            f"gradient_snr, got {sorted(datasets)}"
        )
    return claims


def largest_falls(curves: np.ndarray) -> np.ndarray:
    """Largest fall of curves below an earlier point of themselves.

    Args:
      curves: Shape ``[..., num_epochs]``.

    Returns:
      Falls, not negative, shape ``[...]``.

    Example:
      >>> print(largest_falls(np.array([1.0, 3.0, 2.0, 4.0, 3.5])))
      1.0
    """
    return np.max(np.maximum.accumulate(curves, axis=-1) - curves, axis=-1)


def _generalization(dataset: xr.Dataset) -> list[Claim]:
    size = _configuration_text(dataset)
    null, best = dataset["null_loss"].values, dataset["best_loss"].values
    # At the best epoch: how far a student gets, whether it overtrains later or not.
    reached = dataset["test_loss"].min("epoch", skipna=False).values
    good = decide_seeds(
        dataset,
        f"1. Students generalise ({size})",
        "gain in test error over zero weights at the best epoch, over the best "
        "student's",
        (null - reached) / (null - best),
        above=_LEAST_SHARE,
    )
    return [good, *_keeps(dataset, f"1. They do so without compression ({size})")]


def _overtraining(dataset: xr.Dataset) -> list[Claim]:
    size = _configuration_text(dataset)
    test = _curves(dataset, "test_loss", "seed", "epoch")
    claims = [
        decide_seeds(
            dataset,
            f"2. Students overtrain ({size})",
            "test error at the last epoch over the smallest, median",
            test[:, -1] / np.min(test, axis=1),
            median=True,
            above=_OVERTRAINING,
        ),
        *_keeps(dataset, "2. They overtrain without compression"),
    ]
    for estimator in dataset["estimator"].values:
        lost = _lost(_curves(dataset, "i_ty", *_PLACES, estimator=estimator))
        claims.append(
            decide_seeds(
                dataset,
                "2. Overtraining loses information about the label, in every layer",
                f"fall of I(T;Y) over its largest value, least of the layers, "
                f"{_noise(estimator)}",
                np.min(lost, axis=0),
                above=_FALL,
            )
        )
    return claims


def _relevance(dataset: xr.Dataset) -> list[Claim]:
    size = _configuration_text(dataset)
    claims = []
    for estimator in dataset["estimator"].values:
        noise = _noise(estimator)
        irrelevant, relevant = (
            _curves(dataset, name, *_PLACES, estimator=estimator)[-1]
            for name in ("i_irrelevant", "i_relevant")
        )
        seeds = np.arange(len(irrelevant))
        # The fall begins at the peak and ends at the lowest point after it.
        start = np.argmax(irrelevant, axis=1)
        after = np.arange(irrelevant.shape[1])[None] >= start[:, None]
        end = np.argmin(np.where(after, irrelevant, np.inf), axis=1)
        fall = irrelevant[seeds, start] - irrelevant[seeds, end]
        # Where fitting is over before the fall begins, none of it was while fitting.
        fitted = irrelevant[seeds, np.maximum(_fitted(dataset), start)]
        with np.errstate(invalid="ignore", divide="ignore"):
            while_fitting = (irrelevant[seeds, start] - fitted) / fall
        rise = (relevant[seeds, end] - relevant[seeds, start]) / NATS_PER_BIT
        rise = np.where(np.isnan(fall), np.nan, rise)
        claims += [
            decide_seeds(
                dataset,
                f"3. The output compresses irrelevant inputs ({size})",
                f"fall of I(X_irrelevant;T) over its largest value, {noise}",
                _lost(irrelevant),
                above=_FALL,
            ),
            decide_seeds(
                dataset,
                "3. Meanwhile it takes in more of the relevant ones",
                "I(X_relevant;T) where that fall ends less where it starts, "
                f"{noise}, bits",
                rise,
                above=0.0,
            ),
            decide_seeds(
                dataset,
                "3. It does so while fitting, not in a later phase",
                "part of that fall done when the training error has done "
                f"{FITTED:.0%} of its own, median, {noise}",
                np.where(fall > 0, while_fitting, np.nan),
                median=True,
                above=0.5,
            ),
        ]
    return [*claims, *_keeps(dataset, "3. All the while nothing is compressed overall")]


def _low_snr(dataset: xr.Dataset) -> list[Claim]:
    size = _configuration_text(dataset)
    return [
        decide_seeds(
            dataset,
            f"3. Where labels are noisy irrelevant inputs stay ({size})",
            f"fall of I(X_irrelevant;T) of the output over its largest value, "
            f"{_noise(estimator)}",
            _lost(_curves(dataset, "i_irrelevant", *_PLACES, estimator=estimator)[-1]),
            below=_FALL,
        )
        for estimator in dataset["estimator"].values
    ]


def _gradient_step(dataset: xr.Dataset) -> list[Claim]:
    size = _configuration_text(dataset)
    curves = Curves(dataset, str(dataset["estimator"].values[0]))
    layers = range(len(curves.snr))
    turns, known = map(np.array, zip(*map(curves.turning, layers), strict=True))
    # A ratio that is below one from the start on has no step.
    steps = (turns > curves.epochs[0]) & np.isfinite(turns)
    return [
        decide_seeds(
            dataset,
            f"4. The gradient is first mostly signal ({size})",
            "largest SNR along training, of the layer where it is least, median",
            # If the layer where it is least passes one, all do.
            np.min(np.max(curves.snr, axis=2), axis=0),
            median=True,
            above=1.0,
        ),
        decide_seeds(
            dataset,
            f"4. It ends mostly noise ({size})",
            "last SNR, of the layer where it is largest, median",
            np.max(curves.snr[:, :, -1], axis=0),
            median=True,
            below=1.0,
        ),
        decide(
            f"4. In most networks it steps from the one to the other ({size})",
            "fraction of networks whose SNR falls below one for good, in every layer",
            fraction_interval(np.all(steps, axis=0)[np.all(known, axis=0)]),
            num_seeds=curves.num_seeds,
            above=0.5,
        ),
        *_keeps(dataset, f"4. It does so without compression ({size})"),
    ]


def _keeps(dataset: xr.Dataset, claim: str) -> list[Claim]:
    found = []
    for estimator in dataset["estimator"].values:
        falls = largest_falls(_curves(dataset, "i_xt", *_PLACES, estimator=estimator))
        found.append(
            decide_seeds(
                dataset,
                claim,
                f"largest fall of I(X;T) in any layer, {_noise(estimator)}, bits",
                np.max(falls, axis=0) / NATS_PER_BIT,
                below=COMPRESSION_THRESHOLD_BITS,
            )
        )
    return found


_PLACES = ("layer", "seed", "epoch")


def _curves(dataset, name, *dims, **where) -> np.ndarray:
    return dataset[name].sel(where).transpose(*dims).values.astype(np.float64)


def _lost(curves: np.ndarray) -> np.ndarray:
    """Fall over the largest value, which is zero where there is no information."""
    largest = np.max(curves, axis=-1)
    return largest_falls(curves) / np.where(largest > 0, largest, np.nan)


def _fitted(dataset: xr.Dataset) -> np.ndarray:
    """Snapshot at which the training error has done nearly all of its fall."""
    train = _curves(dataset, "train_loss", "seed", "epoch")
    least = np.min(train, axis=1)
    target = train[:, 0] - FITTED * (train[:, 0] - least)
    return np.argmax(train <= target[:, None], axis=1)


def _noise(estimator: str) -> str:
    return f"noise variance {estimator.removeprefix('noise_')}"


def _configuration_text(dataset: xr.Dataset) -> str:
    configuration = json.loads(dataset.attrs["configuration"])
    hidden = len(configuration["hidden"])
    layers = "layer" if hidden == 1 else "layers"
    batch = configuration["batch_size"] or "full"
    return (
        f"{configuration['num_samples']} samples, SNR {configuration['snr']:g}, "
        f"{hidden} hidden {layers}, batch {batch}"
    )
