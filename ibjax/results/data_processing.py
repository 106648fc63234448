"""Violations of the data-processing inequality by the measured layers of a sweep.

True informations never rise from layer to layer. Measured ones can: each layer is
binned, or given noise, by itself, so a binned or noisy layer is not a function of the
binned or noisy layer before it, even in a deterministic network, and the error of an
estimator differs from layer to layer. A violation is therefore a finding about the
estimator.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.numerics import checks
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = [
    "Violation",
    "data_processing_violations",
    "list_violations",
    "summarize_violations",
]

_QUANTITIES = ("i_xt", "i_ty")


def data_processing_violations(
    dataset: xr.Dataset, *, confidence: float = 0.95, tolerance: float = 1e-5
) -> xr.Dataset:
    r"""Rise of I(X;T) and I(T;Y) from each layer to the next, in nats, with verdicts.

    By data processing :math:`I(X;T_{k+1}) - I(X;T_k) \le 0` and
    :math:`I(T_{k+1};Y) - I(T_k;Y) \le 0`. For every estimator, epoch and pair of
    adjacent layers the difference is taken seed by seed and averaged over seeds; the
    interval is the Student t interval of that mean. The verdict is "violated" if the
    whole interval is above the tolerance, "holds" if none of it is, "undecided"
    otherwise or with fewer than two seeds, and "no data" without a seed.

    What a reader could get wrong:

    * The inequality is about true informations. With binned layers, and with the KDE's
      noise, which is added to each layer separately, it may break in any network, so a
      violation is evidence against the estimate and not against the network.
      ``kde_lower`` and ``kde_upper`` bound I(X;T) only, and bounds need not fall with
      the quantity they bound.
    * "holds" is about the mean; single seeds may rise, and ``num_rising`` counts them.
    * Thousands of intervals are not corrected for their number: where two layers have
      the same information, about one in forty is a violation by chance. Raise
      ``confidence`` to guard against that.
    * Seeds without a finite value in either layer, as after divergence, are left out
      at that epoch.

    Args:
      dataset: Dataset of a sweep with ``i_xt`` and ``i_ty`` over ``(seed, epoch,
        layer, estimator)`` in nats, layers in the order in which they act.
      confidence: Coverage of the interval, in (0, 1).
      tolerance: Largest rise, in nats, that counts as rounding: the error of sums over
        thousands of samples in float32.

    Returns:
      Dataset over ``quantity`` (``"i_xt"``, ``"i_ty"``), ``estimator``, ``epoch`` and
      ``pair`` (``"1-2"``, ...) with ``rise``, ``low``, ``high`` in nats, ``verdict``,
      ``num_seeds`` and ``num_rising``. NaN is a number that does not exist.

    Raises:
      ValueError: If ``dataset`` lacks ``i_xt`` or ``i_ty``, or has fewer than two
        layers, or ``confidence`` is not in (0, 1).

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> chain = data_processing_violations(example_dataset(num_seeds=5))
      >>> chain.verdict.sel(quantity="i_xt", estimator="binning", pair="1-2").item(-1)
      'holds'
    """
    checks.instance("dataset", dataset, xr.Dataset)
    checks.number("confidence", confidence)
    checks.number("tolerance", tolerance)
    for name in _QUANTITIES:
        if name not in dataset:
            raise ValueError(f"dataset must hold {name}, got {sorted(dataset)}")
    layers = dataset["layer"].values
    if len(layers) < 2:
        raise ValueError(f"dataset must have at least two layers, got {len(layers)}")
    dims = ("estimator", "epoch", "layer", "seed")
    information = np.stack(
        [dataset[name].transpose(*dims).values.astype(float) for name in _QUANTITIES]
    )
    information = np.where(np.isfinite(information), information, np.nan)
    rise = information[..., 1:, :] - information[..., :-1, :]
    mean, low, high, count = mean_interval(rise, axis=-1, confidence=confidence)
    verdict = np.select(
        [count == 0, low > tolerance, high <= tolerance],
        ["no data", "violated", "holds"],
        "undecided",
    )
    dims = ("quantity", "estimator", "epoch", "pair")
    coordinates = {
        "quantity": list(_QUANTITIES),
        "estimator": dataset["estimator"].values,
        "epoch": dataset["epoch"].values,
        "pair": [f"{a}-{b}" for a, b in zip(layers[:-1], layers[1:], strict=True)],
        "layer": ("pair", layers[:-1]),
        "next_layer": ("pair", layers[1:]),
    }
    if "layer_name" in dataset.coords:
        names = dataset["layer_name"].values
        coordinates["layer_name"] = ("pair", names[:-1])
        coordinates["next_layer_name"] = ("pair", names[1:])
    return xr.Dataset(
        {
            "rise": (dims, mean, {"units": "nats"}),
            "low": (dims, low, {"units": "nats"}),
            "high": (dims, high, {"units": "nats"}),
            "verdict": (dims, verdict),
            "num_seeds": (dims, count),
            "num_rising": (dims, np.sum(rise > tolerance, axis=-1)),
        },
        coordinates,
        {"confidence": confidence, "tolerance": tolerance},
    )


class Violation(NamedTuple):
    """Pair of layers whose mean information rises, at one or more epochs.

    Attributes:
      estimator: Name of the estimator.
      quantity: ``"i_xt"`` or ``"i_ty"``.
      layer: Number of the first layer.
      next_layer: Number of the next layer, which has more.
      epochs: Every epoch at which the interval is above zero.
      epoch: Epoch of the largest rise.
      rise: The largest rise, mean over seeds, in nats.
      low: Lower end of its interval, in nats.
      high: Upper end of its interval, in nats.
      num_seeds: Number of seeds in the mean.
      num_rising: Number of them that rise.
    """

    estimator: str
    quantity: str
    layer: int
    next_layer: int
    epochs: tuple[int, ...]
    epoch: int
    rise: float
    low: float
    high: float
    num_seeds: int
    num_rising: int


def list_violations(chain: xr.Dataset) -> list[Violation]:
    """List of violations, one for each estimator, quantity and pair of layers.

    Args:
      chain: Result of :func:`data_processing_violations`, or a selection of it that
        keeps the four axes.

    Returns:
      :class:`Violation` tuples in the order of the axes; empty if there is none.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=5)
      >>> dataset["i_ty"].loc[{"layer": 4, "epoch": 10000}] += 0.5
      >>> violations = list_violations(data_processing_violations(dataset))
      >>> [(v.estimator, v.quantity, v.epochs) for v in violations][:1]
      [('binning', 'i_ty', (10000,))]
    """
    checks.instance("chain", chain, xr.Dataset)
    chain = chain.transpose("estimator", "quantity", "pair", "epoch")
    epochs = chain["epoch"].values
    violated = chain["verdict"].values == "violated"
    found = []
    for index in np.argwhere(violated.any(axis=-1)):
        m, q, p = index
        rise = np.where(violated[m, q, p], chain["rise"].values[m, q, p], -np.inf)
        largest = int(np.argmax(rise))
        numbers = {
            name: chain[name].values[m, q, p, largest].item()
            for name in ("rise", "low", "high", "num_seeds", "num_rising")
        }
        found.append(
            Violation(
                estimator=str(chain["estimator"].values[m]),
                quantity=str(chain["quantity"].values[q]),
                layer=int(chain["layer"].values[p]),
                next_layer=int(chain["next_layer"].values[p]),
                epochs=tuple(epochs[violated[m, q, p]].tolist()),
                epoch=epochs[largest].item(),
                **numbers,
            )
        )
    return found


def summarize_violations(chain: xr.Dataset) -> dict[str, Any]:
    """Counts of the verdicts and the list of violations, ready for JSON.

    Args:
      chain: Result of :func:`data_processing_violations`.

    Returns:
      ``verdicts``, the number of comparisons by verdict; ``num_differences`` of single
      seeds and ``num_rising`` of them; ``num_epochs``; ``confidence``; and
      ``violations``, one dictionary per :class:`Violation` with ``rise_bits``,
      ``low_bits`` and ``high_bits`` in place of nats.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=5, estimators=("binning",))
      >>> dataset["i_ty"].loc[{"layer": 4, "epoch": 10000}] += 0.5
      >>> found = summarize_violations(data_processing_violations(dataset))
      >>> found["verdicts"]["violated"], found["violations"][0]["layer"]
      (1, 3)
    """
    violations = []
    for violation in list_violations(chain):
        entry = violation._asdict() | {"epochs": list(violation.epochs)}
        for name in ("rise", "low", "high"):
            entry[f"{name}_bits"] = entry.pop(name) / NATS_PER_BIT
        violations.append(entry)
    verdicts = chain["verdict"].values
    return {
        "verdicts": {
            verdict: int(np.sum(verdicts == verdict))
            for verdict in ("holds", "violated", "undecided", "no data")
        },
        "num_differences": int(chain["num_seeds"].sum()),
        "num_rising": int(chain["num_rising"].sum()),
        "num_epochs": chain.sizes["epoch"],
        "confidence": float(chain.attrs["confidence"]),
        "violations": violations,
    }
