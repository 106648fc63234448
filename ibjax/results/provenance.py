"""Package versions and devices that a result depends on."""

import importlib.metadata
import json
import platform as platform_module
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["describe_devices", "package_versions", "run_attributes"]


def run_attributes(
    configuration: Mapping[str, Any], devices: Sequence[Any], wall_seconds: float
) -> dict[str, Any]:
    """How a dataset came about, as netCDF attributes.

    Args:
      configuration: All that decides its numbers, as JSON holds it.
      devices: JAX's devices that it ran on.
      wall_seconds: Seconds that it took.

    Returns:
      What :func:`ibjax.claims.conditions` reads, and when it was ``created``.

    Example:
      >>> import jax
      >>> found = run_attributes({"seeds": 2}, jax.devices("cpu")[:1], 1.5)
      >>> found["configuration"], found["devices"]
      ('{"seeds": 2}', '1 x cpu')
    """
    return {
        "configuration": json.dumps(configuration),
        "versions": json.dumps(package_versions()),
        "devices": describe_devices(devices),
        "wall_seconds": wall_seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
