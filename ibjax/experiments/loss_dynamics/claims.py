"""Claims about the fall of the loss and the square of the gradient."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim
from ibjax.claims.curves import decide_seeds
from ibjax.numerics import checks
from ibjax.probes.loss_dynamics import SMALL_STEP

__all__ = ["loss_dynamics_claims"]

# The part by which the measured change may differ from the predicted one.
_CLOSE = 0.01
# Of the difference, the part that the curvature may leave.
_LEFT = 0.1
_DIFFERENCE = (
    "largest part along training by which the measured change differs from the "
    "predicted one"
)


def loss_dynamics_claims(dataset: xr.Dataset) -> list[Claim]:
    """Prediction of the loss's fall by the squared gradient, against a sweep.

    In order, of the largest or mean value along the training of each network:

    1. The loss changes by minus the step size times the squared gradient, within 1 %,
       for a tenth of the training's step
       (:data:`ibjax.probes.loss_dynamics.SMALL_STEP`).
    2. It does so for the step itself.
    3. What is left is the curvature along the step: nine tenths of the difference.
    4. The mean over batches of the product of their gradients with the whole one is its
       square; this is algebra, and measures rounding.
    5. Every layer gives a share of the fall. What an equal share would be is the
       criterion: a claim holds for the layers that give more.

    Numbers of 1 and 2 are medians over seeds, the others means.

    Args:
      dataset: Dataset of a sweep with the probe
        :func:`ibjax.probes.loss_dynamics.loss_dynamics`.

    Returns:
      The claims.

    Raises:
      ValueError: If the dataset lacks what the probe records.

    Example:
      >>> dims = ("seed", "epoch")
      >>> first = np.full((6, 2), -1e-3)
      >>> shares = first[:, :, None] * [0.2, 0.8]
      >>> dataset = xr.Dataset(
      ...     {
      ...         "loss_change": (dims, 0.999 * first),
      ...         "loss_change_first_order": (dims, first),
      ...         "loss_change_second_order": (dims, -0.001 * first),
      ...         "batch_alignment": (dims, np.ones((6, 2))),
      ...         "small_step_ratio": (dims, np.ones((6, 2))),
      ...         "loss_change_by_layer": ((*dims, "layer"), shares),
      ...     },
      ...     coords={"layer": [1, 2]},
      ... )
      >>> [claim.verdict for claim in loss_dynamics_claims(dataset)][:2]
      ['holds', 'holds']
    """
    names = ("loss_change", "loss_change_first_order", "loss_change_second_order")
    names = (*names, "batch_alignment", "small_step_ratio", "loss_change_by_layer")
    checks.holds("dataset", dataset, *names)
    measured, first, second, alignment, small, by_layer = (
        dataset[name].transpose("seed", "epoch", ...).values.astype(np.float64)
        for name in names
    )
    num_layers = by_layer.shape[2]
    # Of the prediction, whose parts add up: the measured change is of all layers.
    shares = by_layer / np.sum(by_layer, axis=2, keepdims=True)
    claims = [
        decide_seeds(
            dataset,
            "1. In small steps the loss falls by step size times squared gradient",
            f"{_DIFFERENCE}, for {SMALL_STEP:g} of the step, median",
            np.max(np.abs(small - 1), axis=1),
            median=True,
            added=True,
            below=_CLOSE,
        ),
        decide_seeds(
            dataset,
            "2. In the steps of the training it does so too",
            f"{_DIFFERENCE}, median",
            np.max(np.abs(measured / first - 1), axis=1),
            median=True,
            below=_CLOSE,
        ),
        decide_seeds(
            dataset,
            "3. The rest is the curvature along the step",
            "what the second order leaves of the difference, root mean square along "
            "training over that of the difference",
            _root_mean_square((measured - first - second) / first)
            / _root_mean_square((measured - first) / first),
            below=_LEFT,
        ),
        decide_seeds(
            dataset,
            "4. Minibatch gradients agree with the whole one on average",
            "mean product with the whole gradient over its square, largest difference "
            "from 1 along training",
            np.max(np.abs(alignment - 1), axis=1),
            below=1e-3,
        ),
    ]
    for layer in range(num_layers):
        number = dataset["layer"].values[layer]
        claims.append(
            decide_seeds(
                dataset,
                f"5. Layer {number} gives more than an equal share of the fall",
                "share of the predicted change, mean along training",
                np.mean(shares[:, :, layer], axis=1),
                above=1 / num_layers,
            )
        )
    return claims


def _root_mean_square(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(values**2, axis=1))
