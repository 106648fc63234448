"""Sweeps over several processes, each with devices of its own: pods, GPU hosts.

Every process runs the same call on the same data and has all of its results; the first
one alone reads and writes the directory of results, and tells the others what it found.
:func:`start` is for before JAX has looked for devices.
"""

import contextlib
import errno
import os
import pickle
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from ibjax.numerics import checks
from ibjax.results.directory import RunDirectory, reserved
from ibjax.results.provenance import package_versions

__all__ = [
    "EXIT_STATUS",
    "JobError",
    "gathered",
    "have_joined",
    "is_first",
    "of_first",
    "reserved_by_first",
    "spread",
    "start",
    "together",
]

# A process that has not been heard of for so long is lost; JAX waits 100 seconds.
_HEARTBEAT_SECONDS = 20
_CHARACTERS = 200
_LARGEST_PORT = 65_535

# In the words of what carries messages: Gloo, NCCL, and JAX's own service.
_IS_LOST = re.compile(r"gloo|nccl|coordination", re.IGNORECASE)

EXIT_STATUS = 3
"""Of a command that ended because its job could not begin, or not go on."""

T = TypeVar("T")


class JobError(RuntimeError):
    """A job of several processes cannot begin, or cannot go on."""


def start(
    address: str | None = None,
    num_processes: int | None = None,
    process: int | None = None,
    *,
    timeout: int = 300,
) -> None:
    """Join the processes of one job, before JAX has looked for devices.

    Args:
      address: Host and port of the first process, ``"10.0.0.1:4321"``. Without it all
        three are what the cluster says: SLURM, Open MPI, Kubernetes, or a TPU pod.
      num_processes: Number of processes.
      process: Number of this one, from 0.
      timeout: Seconds to wait for the others. If they do not come, JAX ends this
        process, with a stack trace.

    Raises:
      ValueError: If only some of them are given, or JAX finds no cluster.
      JobError: If the first process cannot listen at the address, JAX has begun before,
        what the cluster is asked fails, or the others have other versions or another
        number of devices.
    """
    given = [value is not None for value in (address, num_processes, process)]
    if any(given) and not all(given):
        raise ValueError(
            "address, num_processes and process go together, got "
            f"{address!r}, {num_processes!r}, {process!r}"
        )
    if address is not None and num_processes is not None:
        if not re.fullmatch(r".+:\d{1,5}", address):
            raise ValueError(f"address must be HOST:PORT, got {address!r}")
        port = int(address.rpartition(":")[2])
        checks.whole("the port of address", port, f"[1, {_LARGEST_PORT}]")
        checks.count("num_processes", num_processes)
        checks.whole("process", process, f"[0, {num_processes - 1}]")
        if process == 0:
            _check_port(address, port)
    # Whoever asks this process to stop asks it, and not JAX.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            address,
            num_processes,
            process,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        )
    except ValueError as error:
        if address is not None:
            raise
        raise ValueError(
            "there is no cluster here that JAX knows; give the address of the first "
            f"process, the number of processes and that of this one ({error})"
        ) from error
    except Exception as error:  # What a cluster answers has types of its own.
        said = " ".join(str(error).split()) or type(error).__name__
        raise JobError(f"the job cannot begin: {said}") from error
    _check_alike()


def have_joined() -> bool:
    """Whether this process is one of a job."""
    return jax.distributed.is_initialized()


def is_first() -> bool:
    """Whether this process is the one that reads and writes results."""
    return jax.process_index() == 0


def of_first(function: Callable[[], T]) -> T:
    """Result of a function that the first process alone calls, in all processes.

    Args:
      function: What to call; an error that it raises is raised in all processes.

    Returns:
      What it returned.

    Example:
      >>> of_first(lambda: 3)
      3
    """
    if jax.process_count() == 1:
        return function()
    result, error = None, None
    if is_first():
        try:
            result = function()
        except Exception as raised:
            error = raised
    message = np.frombuffer(pickle.dumps((result, error)), np.uint8)
    size = multihost_utils.broadcast_one_to_all(np.int32(len(message)))
    # What is sent must have one size everywhere.
    own = message if is_first() else np.zeros(size, np.uint8)
    result, error = pickle.loads(multihost_utils.broadcast_one_to_all(own).tobytes())
    if error is not None:
        raise error
    return result


@contextlib.contextmanager
def reserved_by_first(directory: Path | None) -> Iterator[RunDirectory | None]:
    """Reserve a directory in the first process; the others have none.

    Args:
      directory: The directory; None for none.

    Yields:
      The reserved directory, in the first process, or None.

    Raises:
      ResultsError: If another run is using it, in all processes.
    """
    if directory is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        own = None

        def reserve():
            nonlocal own
            own = stack.enter_context(reserved(directory))

        of_first(reserve)
        yield own


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Context of what all processes do together; it ends when one of them has ended.

    Raises:
      JobError: In the others.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or not _IS_LOST.search(str(error)):
            raise
        raise JobError(
            "another process of this job has ended; what is saved stays"
        ) from error


def gathered(tree: Any) -> Any:
    """Arrays that are spread over the devices of all processes, as numpy arrays."""
    if jax.process_count() == 1:
        return jax.tree.map(np.asarray, tree)
    return multihost_utils.process_allgather(tree, tiled=True)


def spread(values: np.ndarray, sharding: jax.sharding.Sharding) -> jax.Array:
    """An array that every process has, over the devices of all processes."""
    return jax.make_array_from_callback(
        values.shape, sharding, lambda index: values[index]
    )


def _check_port(address: str, port: int) -> None:
    """Check that the first process can listen; JAX may crash where it cannot."""
    if "JAX_COORDINATOR_BIND_ADDRESS" in os.environ:  # It listens elsewhere.
        return
    # As JAX does, at all addresses of the machine.
    is_dual = socket.has_dualstack_ipv6()
    with socket.socket(socket.AF_INET6 if is_dual else socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_dual:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            listening.bind(("", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                return
            raise JobError(
                f"the first process cannot listen at {address}: {error.strerror}; "
                "give all processes another port"
            ) from error


def _check_alike() -> None:
    """Check that the processes of a job could run one program."""
    counts = Counter(device.process_index for device in jax.devices())
    own = jax.local_device_count()
    for process, count in sorted(counts.items()):
        if count != own:
            fewest = min(counts.values())
            raise JobError(
                f"all processes must have as many devices: process "
                f"{jax.process_index()} has {own}, process {process} {count}; on CPUs "
                f"JAX_NUM_CPU_DEVICES={fewest} in the environment of each makes them "
                "alike, on GPUs CUDA_VISIBLE_DEVICES does"
            )
    versions = package_versions()
    text = ", ".join(f"{name} {versions[name]}" for name in ("ibjax", "jax", "jaxlib"))
    sent = np.frombuffer(text[:_CHARACTERS].ljust(_CHARACTERS).encode(), np.uint8)
    for process, found in enumerate(multihost_utils.process_allgather(sent)):
        other = found.tobytes().decode().rstrip()
        if other != text:
            raise JobError(
                f"all processes must have the same versions: process "
                f"{jax.process_index()} has {text}, process {process} {other}"
            )
