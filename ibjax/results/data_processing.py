"""Where the measured layers of a sweep break the data-processing inequality.

True informations fall from layer to layer. Measured ones need not: every layer is
binned or given noise by itself, so the binned or noisy layer is no function of the
binned or noisy layer before it, even in a deterministic network, and the error of an
estimator differs from layer to layer. A violation is therefore a finding about the
estimator, and this module lists them all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.results.statistics import mean_interval

__all__ = [
    "Violation",
    "data_processing_violations",
    "format_violations",
    "list_violations",
]

_QUANTITIES = {"i_xt": "I(X;T)", "i_ty": "I(T;Y)"}
_NATS_PER_BIT = math.log(2.0)


def data_processing_violations(
    dataset: xr.Dataset, *, confidence: float = 0.95, tolerance: float = 1e-5
) -> xr.Dataset:
    r"""Rise of I(X;T) and I(T;Y) from each layer to the next, with verdicts, in nats.

    By data processing :math:`I(X;T_{k+1}) - I(X;T_k) \le 0` and
    :math:`I(T_{k+1};Y) - I(T_k;Y) \le 0`. For every estimator, epoch and pair of
    adjacent layers the difference is taken seed by seed and averaged over seeds; the
    interval is the Student t interval of that mean. The verdict is "violated" if the
    whole interval is above the tolerance, "holds" if none of it is, "undecided"
    otherwise or with fewer than two seeds, and "no data" without a seed.

    What a reader could get wrong:

    * The chain is one of true informations. With binned layers and with the KDE's
      noise, which is added to each layer apart, it may break in any network, so a
      violation accuses the estimate and not the network. ``kde_lower`` and
      ``kde_upper`` bound I(X;T) only, and bounds need not fall with what they bound.
    * "holds" is of the mean; single seeds may rise, and ``num_rising`` counts them.
    * Thousands of intervals are not corrected for their number: where two layers have
      exactly as much, about one in forty comes out as violated by chance. Raise
      ``confidence`` to guard against that.
    * Seeds without a finite value in either layer, as after divergence, are left out
      at that epoch.

    Args:
      dataset: Dataset of a sweep with ``i_xt`` and ``i_ty`` over ``(seed, epoch,
        layer, estimator)`` in nats, layers in the order in which they act.
      confidence: Coverage of the interval, in (0, 1).
      tolerance: Rise in nats that is rounding: sums over thousands of samples in
        float32 are right to about this.

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
    """A pair of layers whose mean information rises, at one or more epochs.

    Attributes:
      estimator: Name of the estimator.
      quantity: ``"i_xt"`` or ``"i_ty"``.
      layer: Number of the first layer.
      next_layer: Number of the layer that has more.
      epochs: Every epoch at which the interval is above zero.
      epoch: The one of the largest rise.
      rise: Its mean rise over seeds, in nats.
      low: Lower end of its interval, in nats.
      high: Upper end of its interval, in nats.
      num_seeds: Seeds it comes from.
      num_rising: Those of them that rise.
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
    """Every violation, one entry for each estimator, quantity and pair of layers.

    Args:
      chain: What :func:`data_processing_violations` returns, or a selection of it
        that keeps the four axes.

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


def format_violations(chain: xr.Dataset) -> str:
    """The violations as plain text for a terminal, informations in bits.

    Args:
      chain: What :func:`data_processing_violations` returns.

    Returns:
      Lines without a newline at the end: how many comparisons gave which verdict, and
      a row for each entry of :func:`list_violations` with its epochs and its largest
      rise, ``+-`` half the width of the interval. ``seeds`` are those that rise.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=5, estimators=("binning",))
      >>> dataset["i_ty"].loc[{"layer": 4, "epoch": 10000}] += 0.5
      >>> print(format_violations(data_processing_violations(dataset)).splitlines()[-1])
      binning    I(T;Y)    3 -> 4  1 of 60: 10000  0.711 +- 0.021      10000     5/5
    """
    verdicts = chain["verdict"].values
    words = {
        "hold": "holds",
        "violated": "violated",
        "undecided": "undecided",
        "without data": "no data",
    }
    counts = [
        f"{np.sum(verdicts == verdict)} {word}" for word, verdict in words.items()
    ]
    compared = int(chain["num_seeds"].sum())
    lines = [
        f"Data processing from layer to layer: {', '.join(counts)}",
        f"Of {compared} differences of single seeds {int(chain['num_rising'].sum())} "
        "are rises",
    ]
    violations = list_violations(chain)
    if not violations:
        return "\n".join([*lines, "No mean over seeds rises beyond its interval"])
    header = ("estimator", "quantity", "layers", "epochs", "largest rise, bits")
    rows = [(*header, "at epoch", "seeds")]
    num_epochs = chain.sizes["epoch"]
    for v in violations:
        half = (v.high - v.low) / 2.0
        extent = "" if len(v.epochs) == 1 else f" to {v.epochs[-1]}"
        rows.append(
            (
                v.estimator,
                _QUANTITIES[v.quantity],
                f"{v.layer} -> {v.next_layer}",
                f"{len(v.epochs)} of {num_epochs}: {v.epochs[0]}{extent}",
                f"{v.rise / _NATS_PER_BIT:.3f} +- {half / _NATS_PER_BIT:.3f}",
                str(v.epoch),
                f"{v.num_rising}/{v.num_seeds}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    percent = f"{100.0 * chain.attrs['confidence']:g} %"
    note = (
        f"Rise: mean over seeds +- {percent} interval, not corrected for their number"
    )
    return "\n".join([*lines, note, "", *table])
