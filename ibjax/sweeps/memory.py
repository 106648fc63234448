"""Memory that a sweep cannot do without, beside what there is, before it is compiled.

Only what is certain is counted: the states of all networks, which are on the devices
from the first step to the last, and what was measured of them, which the host keeps. A
program needs more than that, which it says itself.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax

from ibjax.numerics import memory

if TYPE_CHECKING:
    from ibjax.training.trainable import Trainable

__all__ = ["check_records", "check_states"]


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
    available = memory.total_memory(device)
    if size * places <= available:
        return
    where = f"{device.device_kind} has {memory.gibibytes(available)}"
    if size > available:
        raise MemoryError(
            f"one network with its optimizer takes {memory.gibibytes(size)}, and "
            f"{where}: lower the number of units (--hidden)"
        )
    all_of_them = memory.gibibytes(size * places)
    raise MemoryError(
        f"{places} networks with their optimizers take {all_of_them}, and {where}: "
        f"lower num_seeds (--seeds), of which no more than {available // size} fit"
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
    available = memory.host_memory()
    if size > available:
        raise MemoryError(
            f"what is measured of {num_rows} networks at {num_snapshots} snapshots "
            f"takes {memory.gibibytes(size)}, and this machine has "
            f"{memory.gibibytes(available)}: lower num_seeds (--seeds) or the number "
            "of snapshots (--snapshots)"
        )


def _num_bytes(tree: Any) -> int:
    # A key has no item size of its own; its words are counted nowhere else.
    return sum(
        math.prod(leaf.shape) * getattr(leaf.dtype, "itemsize", 4)
        for leaf in jax.tree.leaves(tree)
    )
