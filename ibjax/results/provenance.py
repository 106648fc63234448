"""Package versions and devices that a result depends on."""

import importlib.metadata
import platform as platform_module
from collections.abc import Sequence
from typing import Any

__all__ = ["package_versions", "describe_devices"]


def package_versions() -> dict[str, str]:
    """Versions of the packages that a result depends on, by name."""
    versions = {
        name: importlib.metadata.version(name)
        for name in ("jax", "jaxlib", "flax", "optax", "numpy", "xarray")
    }
    try:
        versions["ibjax"] = importlib.metadata.version("ibjax")
    except importlib.metadata.PackageNotFoundError:  # Used from a source tree.
        versions["ibjax"] = "unknown"
    return versions | {"python": platform_module.python_version()}


def describe_devices(devices: Sequence[Any]) -> str:
    """Number and kind of JAX devices of one kind, as text.

    Example:
      >>> import jax
      >>> describe_devices(jax.devices("cpu")[:1])
      '1 x cpu'
    """
    kind, platform = devices[0].device_kind, devices[0].platform
    name = platform if kind == platform else f"{platform} ({kind})"
    return f"{len(devices)} x {name}"
