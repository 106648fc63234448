"""Synthetic datasets for examples and tests."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from ibjax.results.cells import combine
from ibjax.results.statistics import NATS_PER_BIT

__all__ = ["example_dataset", "example_grid"]

_WIDTHS = (10, 7, 5, 4, 3, 2)
_ESTIMATORS = {
    "binning": "30 bin edges on [-1, 1]",
    "bin_width": "bins of width 0.07",
    "kde_upper": "KDE upper bound, noise variance 0.001",
    "kde_lower": "KDE lower bound, noise variance 0.001",
}


def example_dataset(
    *,
    num_seeds: int = 8,
    num_epochs: int = 60,
    compresses: bool = True,
    estimators: tuple[str, ...] = tuple(_ESTIMATORS),
    seed: int = 0,
) -> xr.Dataset:
    """Synthetic dataset with the layout of a sweep's, informations in nats.

    No network was trained: curves follow formulas, rise and, with ``compresses``, fall
    again as the ones published for a tanh network of widths 12-10-7-5-4-3-2 do. Use it
    to try a figure, never as a result.

    Args:
      num_seeds: Length of the ``seed`` axis.
      num_epochs: Number of snapshots, log-spaced from epoch 0 to 10000.
      compresses: Whether I(X;T) falls after its maximum.
      estimators: Which of ``binning``, ``bin_width``, ``kde_upper``, ``kde_lower``.
      seed: Seed of the noise.

    Returns:
      Dataset with dims ``seed``, ``epoch``, ``layer``, ``estimator``.

    Example:
      >>> dataset = example_dataset(num_seeds=3)
      >>> print(dict(dataset["i_xt"].sizes))
      {'seed': 3, 'epoch': 60, 'layer': 6, 'estimator': 4}
    """
    rng = np.random.default_rng(seed)
    num_layers = len(_WIDTHS)
    epochs = _epochs(num_epochs)
    time = np.log1p(epochs)[:, None] / np.log(1e4)
    depth = np.arange(num_layers) / (num_layers - 1)

    def noise(scale: float) -> np.ndarray:
        """Noise between seeds and, a tenth of it, between snapshots."""
        shape = (num_seeds, len(epochs), num_layers)
        per_seed = rng.normal(size=(num_seeds, 1, num_layers))
        return scale * (per_seed + 0.1 * rng.normal(size=shape))

    def rise(at: float) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-14.0 * (time - at - noise(0.03))))

    fall = rise(0.72) * (2.6 * depth + 0.4) if compresses else 0.0
    start = 12.0 - 7.0 * depth**1.5
    gain = (12.0 - start) * (0.75 - 0.35 * depth)
    i_xt_bits = start + gain * rise(0.42) - fall + noise(0.25) * depth
    i_ty_bits = (0.85 - 0.65 * depth) * (1 - rise(0.45)) + (0.99 - 0.06 * depth) * rise(
        0.45
    )
    i_ty_bits = i_ty_bits + noise(0.012) * (0.3 + depth)
    scale = {"binning": 1.0, "bin_width": 0.96, "kde_upper": 0.9, "kde_lower": 0.78}
    i_xt = [np.clip(i_xt_bits * scale[name], 0.0, 12.0) for name in estimators]
    i_ty = [np.clip(i_ty_bits * scale[name] ** 0.3, 0.0, 0.995) for name in estimators]

    mean = 0.3 * np.exp(-6.0 * np.clip(time - 0.3, 0, None) + noise(0.2)) + 1e-4
    std = 0.06 * np.exp(2.5 * np.clip(time, 0, 0.5) + 0.6 * depth + noise(0.1))
    norm = np.exp(noise(0.05)) * (1.0 + 4.0 * time) * np.sqrt(_WIDTHS)
    learned = rise(0.45).mean(axis=-1)
    loss = 0.69 - 0.62 * learned
    overfit = 0.08 * rise(0.85).mean(axis=-1)

    def per_layer(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return ("seed", "epoch", "layer"), values.astype(np.float32)

    def per_epoch(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return ("seed", "epoch"), values.astype(np.float32)

    def information(values: list[np.ndarray], name: str) -> xr.Variable:
        stacked = np.stack(values, axis=-1) * NATS_PER_BIT
        return xr.Variable(
            ("seed", "epoch", "layer", "estimator"),
            stacked.astype(np.float32),
            {"units": "nats", "long_name": name},
        )

    names = [f"tanh {width}" for width in _WIDTHS[:-1]] + [f"softmax {_WIDTHS[-1]}"]
    return xr.Dataset(
        {
            "i_xt": information(i_xt, "I(X;T)"),
            "i_ty": information(i_ty, "I(T;Y)"),
            "gradient_mean": per_layer(mean),
            "gradient_std": per_layer(std),
            "gradient_snr": per_layer(mean / std),
            "weight_norm": per_layer(norm),
            "gradient_mean_normalized": per_layer(mean / norm),
            "gradient_std_normalized": per_layer(std / norm),
            "train_loss": per_epoch(loss),
            "test_loss": per_epoch(loss + 0.01 + overfit),
            "train_accuracy": per_epoch(0.5 + 0.48 * learned),
            "test_accuracy": per_epoch(0.5 + 0.46 * learned),
            "diverged": ("seed", np.zeros(num_seeds, bool)),
        },
        {
            "seed": np.arange(num_seeds),
            "epoch": epochs,
            "layer": np.arange(1, num_layers + 1),
            "layer_name": ("layer", names),
            "layer_width": ("layer", list(_WIDTHS)),
            "estimator": list(estimators),
            "estimator_label": ("estimator", [_ESTIMATORS[e] for e in estimators]),
        },
        {
            "title": "Synthetic example",
            "task": "synthetic",
            "num_samples": 4096,
            "h_y": NATS_PER_BIT,
            "i_xy": 0.99 * NATS_PER_BIT,
            "configuration": json.dumps({"hidden": _WIDTHS[:-1], "activation": "tanh"}),
            "versions": json.dumps({"numpy": np.__version__}),
            "devices": "none",
            "created": "2000-01-01T00:00:00",
            "wall_seconds": 0.0,
            "compile_seconds": 0.0,
        },
    )


def example_grid(**options: Any) -> xr.Dataset:
    """Synthetic grid of two sweeps: ``tanh`` compresses, ``relu`` does not.

    Args:
      **options: Of :func:`example_dataset`.

    Returns:
      Dataset with the dim ``activation`` in front.

    Example:
      >>> dataset = example_grid(num_seeds=3)
      >>> dataset["activation"].values.tolist()
      ['tanh', 'relu']
    """
    options = {"estimators": ("binning", "kde_upper")} | options
    places = [{"activation": "tanh"}, {"activation": "relu"}]
    return combine(
        places,
        [example_dataset(compresses=n == 0, seed=n, **options) for n in range(2)],
    )


def _epochs(num_epochs: int) -> np.ndarray:
    """Log-spaced whole epochs from 0 to 10000, ``num_epochs`` of them."""
    if num_epochs == 1:
        return np.zeros(1, int)
    spaced = np.zeros(0, int)
    num_points = num_epochs - 1
    while len(spaced) < num_epochs - 1:
        spaced = np.unique(np.geomspace(1, 10000, num_points).round().astype(int))
        num_points += 1
    return np.concatenate([[0], spaced])
