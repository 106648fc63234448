"""Layers of untrained networks on all 12-bit inputs, which estimators are timed on."""

from collections.abc import Callable, Sequence
from typing import Any

import harness
import jax
import numpy as np

__all__ = [
    "LAYER_WIDTHS",
    "map_networks",
    "random_layers",
    "random_networks",
    "szt_inputs",
    "two_classes",
]

LAYER_WIDTHS = (10, 7, 5, 4, 3, 2)


def szt_inputs() -> np.ndarray:
    """Returns all 12-bit inputs, float32 of shape ``[4096, 12]``."""
    bits = np.arange(4096)[:, None] >> np.arange(11, -1, -1)
    return (bits & 1).astype(np.float32)


def two_classes() -> np.ndarray:
    """Returns a label per 12-bit input, int32 of shape ``[4096]``: six ones or more."""
    return (szt_inputs().sum(axis=1) >= 6).astype(np.int32)


def random_layers(
    rng: np.random.Generator, *, widths: Sequence[int], gain: float
) -> list[np.ndarray]:
    """Returns the layers of an untrained tanh network on all 12-bit inputs.

    Args:
      rng: Source of the weights.
      widths: Units per layer.
      gain: Factor on weights of variance ``1 / fan_in``. A large one saturates the
        units, as training does; a small one keeps all samples close together.

    Returns:
      One float32 array of shape ``[4096, width]`` per layer.
    """
    t = szt_inputs() - 0.5
    layers = []
    for width in widths:
        weights = rng.normal(size=(t.shape[1], width)) / np.sqrt(t.shape[1])
        t = np.tanh(gain * t @ weights).astype(np.float32)
        layers.append(t)
    return layers


def random_networks(num_networks: int) -> list[np.ndarray]:
    """Returns the six layers of many networks, from nearly linear to saturated.

    Args:
      num_networks: Networks; their gains are spread evenly over [1, 4].

    Returns:
      One float32 array of shape ``[num_networks, 4096, width]`` per layer.
    """
    rng = np.random.default_rng(0)
    networks = [
        random_layers(rng, widths=LAYER_WIDTHS, gain=gain)
        for gain in np.linspace(1.0, 4.0, num_networks)
    ]
    return [np.stack(layers) for layers in zip(*networks, strict=True)]


def map_networks(
    fn: Callable[..., Any], layers: Sequence[np.ndarray], num_devices: int
) -> tuple[Any, Any, float]:
    """Maps a function of one network's layers over networks, sharded over devices.

    Args:
      fn: Function of the list of one network's layers.
      layers: What :func:`random_networks` returns; the number of networks must be a
        multiple of ``num_devices``.
      num_devices: Devices to use.

    Returns:
      The compiled function, the layers placed on the devices, and the seconds that
      tracing, lowering and compiling took.
    """
    devices = jax.devices()[:num_devices]
    mesh = jax.make_mesh((num_devices,), ("network",), devices=devices)
    spec = jax.P("network")
    # Loops start from constants, which the check of varying axes would refuse.
    mapped = jax.shard_map(
        lambda layers: jax.lax.map(fn, layers),
        mesh=mesh,
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )
    placed = jax.device_put(list(layers), jax.NamedSharding(mesh, spec))
    compiled, seconds = harness.compile_function(mapped, placed)
    return compiled, placed, seconds
