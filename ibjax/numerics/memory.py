"""Memory that a call cannot do without, before it is compiled, and what it took."""

import ctypes
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from ibjax.numerics import checks

__all__ = [
    "check_fits",
    "gibibytes",
    "host_memory",
    "peak_memory",
    "resident_memory",
    "total_memory",
]

_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


def total_memory(device: jax.Device) -> int:
    """Bytes that a device may use at most; on a CPU those of the machine.

    Example:
      >>> total_memory(jax.devices("cpu")[0]) > 2**20
      True
    """
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return stats.get("bytes_limit", 2**63)
    return host_memory()


@functools.cache
def host_memory() -> int:
    """Bytes of this machine, or of the part of it that this process may use."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _LIMITS:
        try:
            available = min(available, int(Path(name).read_text()))
        except (OSError, ValueError):  # No limit, or not on this system.
            continue
    return available


def check_fits(what: str, num_bytes: int, *values: Any, hint: str) -> None:
    """Check that what a function cannot do without could fit the device.

    Args:
      what: What takes the memory, with the arguments that decide it.
      num_bytes: How much it takes, at least.
      *values: Arrays of the call; traced ones say nothing of a device yet, and the
        program they are part of tells its memory itself.
      hint: What to do.

    Raises:
      MemoryError: If it does not fit.
    """
    if checks.is_traced(*values):
        return
    known = [value for value in values if isinstance(value, jax.Array)]
    device = next(iter(known[0].devices())) if known else jax.devices()[0]
    available = total_memory(device)
    if num_bytes > available:
        raise MemoryError(
            f"{what} takes {gibibytes(num_bytes)}, and {device.device_kind} has "
            f"{gibibytes(available)}: {hint}"
        )


def gibibytes(num_bytes: int) -> str:
    """A number of bytes as a text.

    Example:
      >>> gibibytes(3 * 2**30)
      '3.0 GiB'
    """
    return f"{num_bytes / 2**30:,.1f} GiB"


def peak_memory(function: Callable[[], Any]) -> tuple[Any, int | None]:
    """Calls a function, and measures what the call adds to the resident memory.

    It is the host's memory, and of the whole process. What a first call compiles is
    in it.

    Args:
      function: Function without arguments.

    Returns:
      The function's result and the bytes added at the peak, or None where the system
      does not say (anything but Linux).

    Example:
      >>> total, num_bytes = peak_memory(lambda: bytearray(2**25).count(0))
      >>> num_bytes is None or num_bytes > 2**24
      True
    """
    try:
        # glibc: hand back what earlier calls freed, so that it is counted again.
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        pass
    try:
        # Linux: forget the highest resident size so far.
        Path("/proc/self/clear_refs").write_text("5")
        before = resident_memory()
    except OSError:
        return jax.block_until_ready(function()), None
    result = jax.block_until_ready(function())
    return result, max(resident_memory("VmHWM") - before, 0)


def resident_memory(field: str = "VmRSS") -> int:
    """Bytes of memory that this process has now, or had at most (``VmHWM``); on Linux.

    Raises:
      OSError: If the system does not tell.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"no {field} in /proc/self/status")
