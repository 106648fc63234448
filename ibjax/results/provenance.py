"""Versions and devices that a result depends on."""

import importlib.metadata
import platform as platform_module
from collections.abc import Sequence

import jax

__all__ = ["package_versions", "describe_devices"]


def package_versions() -> dict[str, str]:
    """Versions of everything that a result depends on, by name."""
    versions = {
        name: importlib.metadata.version(name)
        for name in ("jax", "jaxlib", "flax", "optax", "numpy", "xarray")
    }
    try:
        versions["ibjax"] = importlib.metadata.version("ibjax")
    except importlib.metadata.PackageNotFoundError:  # Used from a source tree.
        versions["ibjax"] = "unknown"
    return versions | {"python": platform_module.python_version()}


def describe_devices(devices: Sequence[jax.Device]) -> str:
    """Devices in words.

    Args:
      devices: Devices of one kind.

    Returns:
      How many of which.

    Example:
      >>> describe_devices(jax.devices("cpu")[:1])
      '1 x cpu'
    """
    kind, platform = devices[0].device_kind, devices[0].platform
    name = platform if kind == platform else f"{platform} ({kind})"
    return f"{len(devices)} x {name}"
