"""Memory that a sweep cannot do without, beside what there is, before it is compiled.

Only what is certain is counted: the states of all networks, which are on the devices
from the first step to the last, and what was measured of them, which the host keeps. A
program needs more than that, which it says itself.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

if TYPE_CHECKING:
    from ibjax.training.trainable import Trainable

__all__ = ["check_records", "check_states", "total_memory"]

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
    return _host_memory()


def check_states(
    trainable: "Trainable",
    num_rows: int,
    devices: Sequence[jax.Device],
    numbers: Sequence[str] = (),
) -> None:
    """Check that the states of all networks could fit the devices.

    Args:
      trainable: What is trained.
      num_rows: Number of networks.
      devices: Where they run.
      numbers: Names of numbers that are varied.

    Raises:
      MemoryError: If they do not, with what to lower.
    """
    number = jax.ShapeDtypeStruct((), "float32")
    size = _num_bytes(
        jax.eval_shape(
            trainable.init,
            jax.eval_shape(lambda: jax.random.key(0)),
            trainable.data,
            dict.fromkeys(numbers, number),
        )
    )
    device = devices[0]
    # Devices of a CPU share its memory.
    places = num_rows if device.platform == "cpu" else -(-num_rows // len(devices))
    available = total_memory(device)
    if size * places <= available:
        return
    where = f"{device.device_kind} has {_text(available)}"
    if size > available:
        raise MemoryError(
            f"one network with its optimizer takes {_text(size)}, and {where}: lower "
            "the number of units (--hidden)"
        )
    raise MemoryError(
        f"{places} networks with their optimizers take {_text(size * places)}, and "
        f"{where}: lower num_seeds (--seeds), of which no more than "
        f"{available // size} fit"
    )


def check_records(record: dict[str, Any], num_rows: int, num_snapshots: int) -> None:
    """Check that what is measured of all networks could fit the host.

    Args:
      record: Shapes of what one network is measured by at a snapshot.
      num_rows: Number of networks.
      num_snapshots: Number of snapshots.

    Raises:
      MemoryError: If it does not, with what to lower.
    """
    size = _num_bytes(record) * num_rows * num_snapshots
    available = _host_memory()
    if size > available:
        raise MemoryError(
            f"what is measured of {num_rows} networks at {num_snapshots} snapshots "
            f"takes {_text(size)}, and this machine has {_text(available)}: lower "
            "num_seeds (--seeds) or the number of snapshots (--snapshots)"
        )


def _num_bytes(tree: Any) -> int:
    # A key has no item size of its own; its words are counted nowhere else.
    return sum(
        math.prod(leaf.shape) * getattr(leaf.dtype, "itemsize", 4)
        for leaf in jax.tree.leaves(tree)
    )


def _host_memory() -> int:
    """Bytes of this machine, or of the part of it that this process may use."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _LIMITS:
        try:
            available = min(available, int(Path(name).read_text()))
        except (OSError, ValueError):  # No limit, or not on this system.
            continue
    return available


def _text(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB"
