"""What the layers of a network with information dropout let through, and where."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.numerics.digests import array_digest
from ibjax.probes.probe import Probe
from ibjax.representations.information_dropout import (
    InformationDropout,
    information_map,
)
from ibjax.representations.log_normal import log_total_correlation
from ibjax.training.trainable import Variable

__all__ = ["dropout_information", "region_of_layer"]

# A key of its own: what this draws tells nothing of what another probe draws.
_DRAWS = 110
_ROWS_AT_ONCE = 100


def dropout_information(
    model: InformationDropout,
    *,
    regions: Mapping[str, ArrayLike] = MappingProxyType({}),
    num_rows: int = 1000,
) -> Probe:
    r"""Nats that noisy layers let through, in all and by region of the image.

    ``layer_information``: nats of every noisy layer, the mean over inputs.
    ``region_information``: of layers with places, those of convolutions, nats per place
    (the sum over channels), the mean over all places of all inputs whose receptive
    field has its centre in a region; NaN for other layers. ``total_correlation``: nats
    per unit of the logarithms of the noisy activities, of layers with fewer than half
    as many units as there are inputs; NaN for others.

    The first measured inputs are taken. Layers see those before them without noise, but
    for the total correlation, which is of a draw.

    Args:
      model: The network.
      regions: For every region by name, whether a pixel of each measured input belongs
        to it, ``[num_measured, height, width]``.
      num_rows: Inputs to measure on at most.

    Returns:
      The probe.

    Raises:
      ValueError: If a number is not positive, or a region no such array.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.representations import with_information_dropout
      >>> model = with_information_dropout(networks.mlp([12, 5, 2], "relu"))
      >>> sorted(dropout_information(model).variables)
      ['layer_information', 'total_correlation']
    """
    checks.instance("model", model, InformationDropout)
    checks.instance("regions", regions, Mapping)
    checks.count("num_rows", num_rows)
    masks = {}
    for name, mask in regions.items():
        axes = "num_measured", "height", "width"
        mask = checks.shape(f"regions[{name!r}]", mask, axes)
        masks[name] = jnp.asarray(mask[:num_rows], bool)
    num_layers = len(model.layers)

    def measure(snapshot):
        x = snapshot.measured.x[:num_rows]
        for name, mask in masks.items():
            axes = len(x), *mask.shape[1:]
            checks.shape(f"regions[{name!r}]", mask, axes, why="for those inputs")
        size = min(_ROWS_AT_ONCE, len(x))
        num_parts = -(-len(x) // size)
        places = jnp.arange(num_parts * size).reshape(num_parts, size)

        def one_part(places):
            weights = (places < len(x)).astype(x.dtype)
            rows = jnp.minimum(places, len(x) - 1)
            maps = information_map(snapshot.params, x[rows], model=model)
            totals = jnp.stack(
                [jnp.sum(m.reshape(size, -1).sum(axis=1) * weights) for m in maps]
            )
            sums = [
                [_sums(m, mask[rows], weights) for mask in masks.values()] for m in maps
            ]
            return totals, jnp.asarray(sums)

        totals, sums = jax.tree.map(
            lambda parts: jnp.sum(parts, axis=0), lax.map(one_part, places)
        )
        found = {
            "layer_information": totals / len(x),
            "total_correlation": _correlations(snapshot, model, x),
        }
        if masks:
            found["region_information"] = sums[..., 0] / sums[..., 1]
        return found

    own, by_region = ("noisy_layer",), ("noisy_layer", "region")
    variables = {
        "layer_information": Variable(own, "nats", "information of a noisy layer"),
        "total_correlation": Variable(
            own, "nats", "total correlation of log-activities per unit"
        ),
    }
    if masks:
        text = "information per place by region"
        variables["region_information"] = Variable(by_region, "nats", text)
    constants = {"noisy_layer_name": ("noisy_layer", np.array(model.layer_names))}
    if masks:
        constants["region_name"] = ("region", np.array(list(masks)))
    # In order, which is that of the dim; none are told as they always were.
    digests: Any = [[name, array_digest(mask)] for name, mask in masks.items()] or {}
    return Probe(
        measure,
        variables=variables,
        parameters={
            "dropout_information": {
                "rows": num_rows,
                "layers": num_layers,
                "regions": digests,
            }
        },
        constants=constants,
    )


def region_of_layer(mask: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Pixels at the centres of the receptive fields of a convolution's places.

    Args:
      mask: An array of pixels, ``[num_images, height, width]``.
      shape: Shape of a layer after convolutions without padding, ``(height, width,
        channels)``: it lost as many pixels on either side.

    Returns:
      The array, ``[num_images, *shape[:2]]``.

    Example:
      >>> region_of_layer(jnp.arange(25).reshape(1, 5, 5), (1, 1, 8))
      Array([[[12]]], dtype=int32)
    """
    top, left = ((n - m) // 2 for n, m in zip(mask.shape[1:], shape[:2], strict=True))
    return mask[:, top : top + shape[0], left : left + shape[1]]


def _sums(nats: jax.Array, mask: jax.Array, weights: jax.Array) -> jax.Array:
    """Nats in a region and its places, ``[2]``; NaN and one for a layer without."""
    if nats.ndim != 4:
        return jnp.array([jnp.nan, 1.0])
    chosen = region_of_layer(mask, nats.shape[1:]) * weights[:, None, None]
    return jnp.stack([jnp.sum(nats.sum(axis=3) * chosen), jnp.sum(chosen)])


def _correlations(snapshot, model: InformationDropout, x: jax.Array) -> jax.Array:
    small = [2 * snapshot.network.layers[n].width < len(x) for n in model.layers]
    if not any(small):
        return jnp.full(len(small), jnp.nan)
    key = jax.random.fold_in(snapshot.key, _DRAWS)
    layers = model.run(snapshot.params, x, key=key).layers
    return jnp.stack(
        [
            log_total_correlation(layers[n]).nats_per_unit if fits else jnp.nan
            for n, fits in zip(model.layers, small, strict=True)
        ]
    )
