"""One estimate over several devices."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax

from ibjax.compilation import dividing_over
from ibjax.numerics import checks

__all__ = ["over_devices"]


def over_devices(
    function: Callable[..., Any], devices: Sequence[jax.Device] | None = None
) -> Callable[..., Any]:
    """A function whose estimates divide their work among several devices.

    Samples are divided where neighbours are searched and counted, pairs of samples
    where kernels are summed; all else, as bins, is done by every device, which holds
    all samples. It pays where an estimate keeps a device busy for seconds. What is
    called inside a ``jit``, under ``vmap`` or a derivative runs as without it.

    Args:
      function: A function of arrays that estimates information by neighbours or by
        kernels, of this library or one of yours that calls some.
      devices: Devices of one platform; None for all that JAX has. The cores of a CPU
        are as many devices as ``jax.config.update("jax_num_cpu_devices", number)``
        says before JAX starts.

    Returns:
      The function, with the same arguments; its results are on the first device. By
      neighbours it returns the same to the last bit as on one device, by kernels to
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
        with dividing_over(devices):
            return jax.tree.map(_of_one_device, function(*args, **kwargs))

    return call


def _of_one_device(value: Any) -> Any:
    """The copy that one device holds: arrays on other devices could not meet others."""
    is_copied = isinstance(value, jax.Array) and len(value.sharding.device_set) > 1
    return value.addressable_data(0) if is_copied else value
