"""Where the seeds of a sweep run: in blocks, over devices."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ibjax.numerics import checks

__all__ = ["CPU_BLOCK", "Layout", "lay_out"]

CPU_BLOCK = 5
"""Seeds of a block on a CPU.

Blocks of 5 to 9 are about equally fast; always the same size, because products over
blocks of another size round differently.
"""


class Layout(NamedTuple):
    """Placement of seeds on blocks and devices.

    Attributes:
      devices: The devices.
      num_blocks: Blocks, a multiple of the devices.
      block: Seeds of a block.
      seeds_at_once: Seeds of a device that are measured together.
      sharding: Of an array with a leading axis of blocks.
      slots: Where each seed is, counted through all blocks, ``[num_seeds]``.
    """

    devices: tuple[jax.Device, ...]
    num_blocks: int
    block: int
    seeds_at_once: int
    sharding: NamedSharding
    slots: np.ndarray


def lay_out(
    num_seeds: int,
    block: int | None,
    devices: Sequence[jax.Device] | None,
    rows: np.ndarray | None = None,
) -> Layout:
    """Spread seeds over blocks and devices.

    Args:
      num_seeds: Number of seeds, or of all copies where numbers are varied.
      block: Seeds of a block; by default 5 on a CPU, all of the device's elsewhere.
      devices: Devices to use, all by default.
      rows: Numbers of these seeds, increasing, among those of a run of which they are
        a part, ``[num_seeds]``. Each then has its place of that run in a block, since
        another place may round otherwise. By default they are a run of their own; so
        they are on an accelerator where no ``block`` is given, which sets the size.

    Returns:
      The layout; blocks may have places to spare.

    Raises:
      ValueError: If ``block`` is below one or there is no device.

    Example:
      >>> layout = lay_out(3, 2, jax.devices("cpu")[:1], rows=np.array([3, 4, 5]))
      >>> layout.num_blocks, layout.slots.tolist()
      (2, [1, 2, 3])
    """
    if block is not None:
        checks.count("block", block)
    devices = tuple(jax.devices() if devices is None else devices)
    checks.not_empty("devices", devices)
    absent = set(range(jax.process_count())) - {d.process_index for d in devices}
    if absent:
        raise ValueError(
            f"devices must be some of every process, got none of process {min(absent)}"
        )
    on_cpu = devices[0].platform == "cpu"
    if rows is None or (block is None and not on_cpu):
        rows = np.arange(num_seeds)
    if block is None:
        block = CPU_BLOCK if on_cpu else -(-num_seeds // len(devices))
    blocks, block_of_row = np.unique(rows // block, return_inverse=True)
    slots = block_of_row * block + rows % block
    num_blocks = len(blocks)
    if jax.process_count() == 1:
        devices = devices[:num_blocks]
    num_blocks = -(-num_blocks // len(devices)) * len(devices)
    sharding = NamedSharding(
        Mesh(np.array(devices), ("block",)), PartitionSpec("block")
    )
    seeds_at_once = 1 if on_cpu else block
    return Layout(devices, num_blocks, block, seeds_at_once, sharding, slots)
