"""Samples as the estimators take them: checked on the host, then converted, once.

JAX cuts 64-bit numbers to 32 bits without a word. What the caller gave is therefore
looked at before it becomes an array of JAX: integers that do not fit are refused, and
an offset that float32 would spend its digits on is taken off in the caller's precision.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.numerics.calls import warn
from ibjax.numerics.digits import ends_lose_digits

__all__ = [
    "as_array",
    "at_least_float32",
    "at_least_int32",
    "centred",
    "check_array",
    "check_classes",
    "check_pair",
    "check_sample_shape",
    "check_samples",
    "offsets",
    "rounded_mean",
    "single_labels",
    "to_jax",
    "warn_of_pairs",
    "without_offsets",
]

# An offset of so many times the range of a column costs four digits of float32's 24.
_LARGE_OFFSET = 16.0
# Differences that a core takes in an hour, at a thousand million a second.
_PAIRS_OF_AN_HOUR = 3.6e12
# How many times as fast a product takes them, in many dimensions.
_PRODUCTS = 30
_FEW_DIMENSIONS = 5


def as_array(name: str, values: ArrayLike) -> np.ndarray | jax.Array:
    """An array of JAX as it is, anything else as one of NumPy, nothing cut off."""
    of_jax = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values))
    return checks.array(name, values, jnp.asarray if of_jax else np.asarray)


def to_jax(name: str, array: np.ndarray | jax.Array) -> jax.Array:
    """An array of JAX; what its dtypes cannot hold is refused, not cut off."""
    if isinstance(array, jax.Array):
        return array
    checks.numeric(name, array)
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if dtype == array.dtype or not array.size:
        return jnp.asarray(array)
    if jnp.issubdtype(dtype, jnp.integer):
        limits = np.iinfo(dtype)
        low, high = array.min(), array.max()
        if low < limits.min or high > limits.max:
            raise ValueError(
                f"{name} must fit {dtype} unless jax_enable_x64 is set, got values "
                f"from {low} to {high}"
            )
        return jnp.asarray(array)
    limits = np.finfo(dtype)
    if limits.tiny / limits.eps <= max(-array.min(), array.max()) <= limits.max:
        return jnp.asarray(array)
    size = np.abs(array)
    if np.any((size > limits.max) & (size < np.inf)):
        raise ValueError(
            f"{name} must lie within {limits.max:.1e} of zero, what {dtype} holds, "
            f"unless jax_enable_x64 is set, got {np.max(size[size < np.inf]):.1e}"
        )
    rounded = array.astype(dtype)
    if array.ndim and np.any(np.ptp(array, axis=0) > 0):
        # JAX takes numbers below the smallest normal one for zero.
        seen = np.where(np.abs(rounded) < limits.tiny, 0, rounded)
        vanished = (np.ptp(array, axis=0) > 0) & (np.ptp(seen, axis=0) == 0)
        if np.any(vanished):
            raise ValueError(
                f"{name} must vary by more than {limits.tiny:.1e}, the smallest "
                f"{dtype}, unless jax_enable_x64 is set, got values of at most "
                f"{np.max(size):.1e}: multiply them by a number"
            )
    return jnp.asarray(rounded)


def check_samples(
    name: str,
    x: ArrayLike,
    fewest: int = 2,
    *,
    any_shape: bool = False,
    movable: bool = True,
    hint: str = "",
) -> jax.Array:
    """Check that x holds at least ``fewest`` finite samples; at least float32.

    Args:
      name: Name of the argument.
      x: Samples, shape ``[num_samples, dim]``, floating.
      fewest: Samples that are needed.
      any_shape: Whether a sample may have more axes than one, as an image has.
      movable: Whether only differences between samples matter, so that an offset may be
        taken off where the conversion would spend digits on it.
      hint: Advice to those whose samples are not floating.
    """
    array = check_array(name, x, fewest, any_shape=any_shape, hint=hint)
    if movable:
        array = without_offsets(name, array)
    return at_least_float32(to_jax(name, array))


def check_array(
    name: str, x: ArrayLike, fewest: int, *, any_shape: bool = False, hint: str = ""
) -> np.ndarray | jax.Array:
    """Samples checked as by :func:`check_samples`, but not converted."""
    axes = ("num_samples", "*shape") if any_shape else ("num_samples", "dim")
    array = checks.shape(name, as_array(name, x), axes)
    checks.floating(name, array, hint=hint)
    if len(array) < fewest:
        raise ValueError(
            f"{name} must have at least {fewest} samples, got {len(array)}"
        )
    return checks.finite(name, array)


def check_pair(x: ArrayLike, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Samples of two variables, ``[num_samples, dim]`` each, of one dtype."""
    x, y = check_samples("x", x), check_samples("y", y)
    checks.same_length(x=x, y=y)
    dtype = jnp.result_type(x, y)
    return x.astype(dtype), y.astype(dtype)


def check_sample_shape(name: str, x: ArrayLike, shape: tuple[int, ...]) -> jax.Array:
    """Check that every sample has the shape that something was made for."""
    x = checks.shape(name, as_array(name, x), ("num_samples", *shape))
    return to_jax(name, checks.floating(name, x))


def check_classes(
    name: str, labels: ArrayLike, num_classes: int, num_samples: int, why: str
) -> jax.Array:
    """Check that there is a class in ``[0, num_classes)`` for every sample; as int32.

    Integers of 32 bits or more stay what they are.
    """
    labels = checks.integers(name, as_array(name, labels))
    checks.shape(name, labels, (num_samples,), why=why)
    return at_least_int32(to_jax(name, checks.indices(name, labels, num_classes)))


def at_least_float32(x: jax.Array) -> jax.Array:
    """Half precision as float32; sums of many squares need its digits and range."""
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x


def at_least_int32(x: jax.Array) -> jax.Array:
    """Narrow integers as int32: JAX compares them with a size in their own range."""
    return x.astype(jnp.int32) if x.dtype.itemsize < 4 else x


def single_labels(labels: np.ndarray) -> tuple[np.ndarray, str]:
    """Samples whose label nobody shares, booleans, and a sentence on them, or none."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    single = (counts == 1)[inverse.reshape(-1)]
    if not np.any(single):
        return single, ""
    return single, (
        f"{np.sum(single)} of {len(labels)} samples have a label of their own and were "
        "left out"
    )


def warn_of_pairs(
    num_samples: int, dim: int, *, all_meet: bool = False, products: bool = False
) -> None:
    """Warn of samples so many that to compare them all takes hours.

    Unless ``all_meet``, pairs that are far apart are passed over, of samples in few
    dimensions nearly all. With ``products`` differences come from a matrix product.
    """
    met = 1 if all_meet or dim > _FEW_DIMENSIONS else 1e-3
    if products:
        met /= _PRODUCTS
    if met * num_samples**2 * dim > _PAIRS_OF_AN_HOUR:
        warn(
            f"{num_samples:,} samples of {dim} numbers each are {num_samples**2:.0e} "
            "pairs, which may take hours to compare, though little memory: a random "
            "part of them says nearly as much in minutes"
        )


def without_offsets(name: str, array: np.ndarray | jax.Array) -> np.ndarray | jax.Array:
    """Samples without the offsets of columns that are far from zero for their range.

    They are taken off where the array is to be rounded; one that was rounded before
    keeps its own, with a warning if little is left of it.
    """
    if checks.is_traced(array):
        return array
    values = np.asarray(array)
    low, high = values.min(axis=0), values.max(axis=0)
    lost = ends_lose_digits(name, low, high)
    if lost:
        warn(lost)
    offset = _offsets(array, low, high)
    return array if offset is None else array - offset[None]


def offsets(array: np.ndarray | jax.Array) -> np.ndarray | None:
    """Offsets that :func:`without_offsets` takes off, or None if it takes off none."""
    if not isinstance(array, np.ndarray):
        return None
    return _offsets(array, array.min(axis=0), array.max(axis=0))


def _offsets(array, low, high):
    if not isinstance(array, np.ndarray):
        return None
    if array.dtype == jax.dtypes.canonicalize_dtype(array.dtype):
        return None
    # Halves, since the difference can be out of range.
    far = np.maximum(np.abs(low), np.abs(high)) / 2 > _LARGE_OFFSET * (
        high / 2 - low / 2
    )
    return np.where(far, low / 2 + high / 2, 0) if np.any(far) else None


def rounded_mean(offset: np.ndarray, mean: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The mean of samples whose offset was taken off, and what rounding left out."""
    exact = offset + np.asarray(mean, offset.dtype)
    rounded = exact.astype(mean.dtype)
    remainder = (exact - rounded).astype(rounded.dtype)
    return jnp.asarray(rounded), jnp.asarray(remainder)


def centred(
    name: str, x: ArrayLike, mean: jax.Array, remainder: jax.Array | float
) -> jax.Array:
    """Samples less a :func:`rounded_mean`, in the precision they came in if it is far.

    Args:
      name: Name of the argument.
      x: Samples, shape ``[num_samples, *shape]``.
      mean: The mean, shape ``[*shape]``.
      remainder: What is left of the mean, likewise, or zero.
    """
    array = checks.shape(name, as_array(name, x), ("num_samples", *mean.shape))
    checks.floating(name, array)
    if not checks.is_traced(mean, remainder) and offsets(array) is not None:
        exact = np.asarray(mean, array.dtype) + np.asarray(remainder)
        return to_jax(name, array - exact[None])
    return check_sample_shape(name, array, mean.shape) - mean[None] - remainder
