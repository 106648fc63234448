"""One estimate over several devices."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.compilation import dividing_over
from ibjax.numerics import checks

__all__ = ["over_devices"]


def over_devices(
    function: Callable[..., Any], devices: Sequence[jax.Device] | None = None
) -> Callable[..., Any]:
    """A function whose estimates divide their work among several devices.

    Samples are divided where :mod:`ibjax.estimators.knn` searches and counts
    neighbours and :func:`ibjax.weights.fisher_diagonal` and ``fisher_blocks`` multiply
    gradients, pairs of samples where :mod:`ibjax.estimators.kde` sums kernels, and
    inputs where :mod:`ibjax.attribution` takes a batch of them at a time; all else, as
    bins, is done by every device, which holds all samples. It pays where a device would
    be busy for seconds. What is called inside a ``jit``, under ``vmap`` or a derivative
    runs as without it.

    On CPUs XLA ends the process where one device waits for another for 40 seconds, as
    it may in estimates of minutes on a busy machine. The environment variable
    ``XLA_FLAGS=--xla_cpu_collective_call_terminate_timeout_seconds=600``, before JAX
    starts, gives them longer.

    Args:
      function: One of these functions of arrays, or one of yours that calls some.
      devices: Devices of one platform; None for all that JAX has. The cores of a CPU
        are as many devices as ``jax.config.update("jax_num_cpu_devices", number)``
        says before JAX starts.

    Returns:
      The function, with the same arguments; its results are on JAX's default device.
      By neighbours it returns the same to the last bit as on one device, else to
      rounding.

    Raises:
      TypeError: If the function is none, or a device is none.
      ValueError: If there is no device.

    Example:
      >>> from ibjax.estimators.knn import ksg
      >>> x, y = jax.random.normal(jax.random.key(0), (2, 400, 1))
      >>> print(over_devices(ksg)(x, y, k=4) == ksg(x, y, k=4))
      True
    """
    checks.function("function", function)
    devices = jax.devices() if devices is None else devices
    checks.instance("devices", devices, list, tuple)
    for number, device in enumerate(checks.not_empty("devices", devices, "device")):
        checks.instance(f"devices[{number}]", device, jax.Device)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = jax.tree.map(_free, (args, kwargs))
        with dividing_over(devices):
            return jax.tree.map(_free, function(*args, **kwargs))

    return call


def _free(value: Any) -> Any:
    """The same array, bound to no device: bound ones meet none on other devices."""
    if not (_is_there(value) and value.committed):
        return value
    own = value.addressable_data(0) if value.is_fully_replicated else value
    return jnp.asarray(np.asarray(own))


def _is_there(value: Any) -> bool:
    """True for an array of numbers, no keys, that is computed already."""
    is_array = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    return is_array and not jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
