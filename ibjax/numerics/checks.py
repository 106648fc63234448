"""Checks of arguments that many public functions take, one line each.

Each returns its argument, or raises an error that names the argument, what was
expected and what came. What only a value can tell is not checked of a traced array,
whose values are not known yet. Arrays stay what they are, of NumPy or of JAX; anything
else that is to be an array becomes one of JAX.
"""

import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "array",
    "at_least",
    "booleans",
    "broadcastable",
    "count",
    "counts",
    "finite",
    "flag",
    "floating",
    "floats",
    "function",
    "holds",
    "host_array",
    "in_range",
    "indices",
    "instance",
    "integers",
    "is_traced",
    "jax_array",
    "jax_tree",
    "key",
    "not_empty",
    "not_empty_tree",
    "not_negative",
    "number",
    "numeric",
    "one_of",
    "positive",
    "real",
    "real_tree",
    "same_length",
    "same_shape",
    "same_tree",
    "shape",
    "whole",
    "within",
]

Value = TypeVar("Value")
Axes = Sequence[str | int]

_ARRAYS: Any = (np.ndarray, np.generic, jax.Array, jax.ShapeDtypeStruct)
_TOO_LONG = {np.dtype(np.longdouble)} - {np.dtype(float)}
# Sizes are 32-bit numbers in a program, and more of anything has no room.
_LARGEST_COUNT = 2**31 - 1


def is_traced(*values: Any) -> bool:
    """Check if any of the values is traced, so that its numbers are not known yet."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def array(name: str, value: Any, convert: Callable[[Any], Any] = jnp.asarray) -> Any:
    """Check that a value is an array without a mask, or ``convert`` it to one."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask, got a masked one")
    if isinstance(value, _ARRAYS):
        # Of more digits than JAX can read.
        return value.astype(float) if value.dtype in _TOO_LONG else value
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        convert = np.asarray  # Of pandas, say, or xarray, with dtypes of their own.
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(
            f"{name} must be an array of numbers, got {value!r:.80}"
        ) from error


def host_array(name: str, value: Any) -> np.ndarray:
    """Check that a value is an array, of anything but keys, and make one of NumPy.

    Example:
      >>> host_array("labels", ["no", "yes"]).shape
      (2,)
    """
    found = array(name, value, np.asarray)
    if not isinstance(found.dtype, np.dtype):  # A key's is JAX's own.
        raise TypeError(f"{name} must be an array, got one of {found.dtype}")
    return np.asarray(found)


def numeric(name: str, value: Any, convert: Callable[[Any], Any] = jnp.asarray) -> Any:
    """Check that a value is an array of numbers, not of texts, objects or keys."""
    found = array(name, value, convert)
    # A key has a dtype of JAX's own; of NumPy's kind V are half precisions too.
    is_plain = isinstance(found.dtype, np.dtype) and found.dtype.type is not np.void
    if not is_plain or found.dtype.kind in "OSUMm":
        raise TypeError(f"{name} must hold numbers, got {found.dtype}")
    return found


def real(name: str, value: Any, convert: Callable[[Any], Any] = jnp.asarray) -> Any:
    """Check that a value is an array of real numbers, integers or floating."""
    found = numeric(name, value, convert)
    if found.dtype == bool or jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must hold real numbers, got {found.dtype}")
    return found


def jax_array(name: str, value: Any, dtype: Any = None) -> jax.Array:
    """Check that a value holds real numbers, and make an array of JAX of it."""
    return jnp.asarray(real(name, value), dtype)


def floats(name: str, value: Any) -> jax.Array:
    """Check that a value holds real numbers, and make floating ones of JAX of it.

    Example:
      >>> floats("loss", np.array([1, 2**40])).dtype
      dtype('float32')
    """
    found = real(name, value)
    is_floating = jnp.issubdtype(found.dtype, jnp.floating)
    return jnp.asarray(found, None if is_floating else float)


def shape(name: str, value: Any, *shapes: Axes, why: str = "") -> Any:
    """Check the shape of an array.

    Args:
      name: Name of the argument.
      value: The array.
      *shapes: Shapes it may have. An axis is its length, or a name for any length but
        zero; a last name with a star stands for one axis or more.
      why: What the shape follows from, as in "to match t".

    Example:
      >>> t = shape("t", jnp.ones((3, 2)), ("num_samples", "dim"))
      >>> shape("labels", jnp.ones(2), (3,), why="to match t")
      Traceback (most recent call last):
      ValueError: labels must have shape [3] to match t, got (2,)
    """
    found = array(name, value)
    if not any(_fits(found.shape, axes) for axes in shapes):
        expected = " or ".join(f"[{', '.join(map(str, axes))}]" for axes in shapes)
        why = why and f" {why}"
        raise ValueError(f"{name} must have shape {expected}{why}, got {found.shape}")
    return found


def same_shape(**arrays: Any) -> None:
    """Check that arrays have one shape."""
    shapes = [np.shape(array) for array in arrays.values()]
    if len(set(shapes)) > 1:
        raise ValueError(f"{_all(arrays)} must have one shape, got {_all(shapes)}")


def same_tree(**trees: Any) -> None:
    """Check that pytrees of arrays have one structure, and the same shapes."""
    structures = [str(jax.tree.structure(tree)) for tree in trees.values()]
    if len(set(structures)) > 1:
        raise ValueError(
            f"{_all(trees)} must have one structure, got {_all(structures):.200}"
        )
    for leaves in zip(*map(jax.tree.leaves, trees.values()), strict=True):
        found = [real(name, leaf) for name, leaf in zip(trees, leaves, strict=True)]
        same_shape(**dict(zip(trees, found, strict=True)))


def real_tree(name: str, tree: Any) -> Any:
    """Check that a pytree holds real numbers; its arrays as of :func:`real`."""
    return jax.tree.map(lambda leaf: real(name, leaf), tree)


def jax_tree(name: str, tree: Any) -> Any:
    """Check that what looks like an array in a pytree is one that JAX takes.

    Example:
      >>> jax_tree("params", {"w": np.ones(2), "steps": 3})["steps"]
      3
    """
    for leaf in jax.tree.leaves(tree):
        dtype = getattr(leaf, "dtype", None)
        if not isinstance(leaf, _ARRAYS) and dtype is not None:
            raise TypeError(
                f"{name} must hold arrays that JAX takes, got a {type(leaf).__name__}"
            )
        if dtype in _TOO_LONG:
            raise TypeError(
                f"{name} must hold arrays that JAX takes, got one of {dtype}"
            )
    return tree


def broadcastable(**arrays: Any) -> None:
    """Check that arrays fit together by NumPy's rules of broadcasting."""
    shapes = [np.shape(array) for array in arrays.values()]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(
            f"{_all(arrays)} must broadcast together, got shapes {_all(shapes)}"
        ) from error


def same_length(**arrays: Any) -> None:
    """Check that arrays have as many samples, along their first axes."""
    lengths = [len(array) for array in arrays.values()]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"{_all(arrays)} must have as many samples, got {_all(lengths)}"
        )


def floating(name: str, value: Any, *, hint: str = "") -> Any:
    """Check that an array is floating; ``hint`` says what to do if it is not."""
    return _kind(name, value, jnp.floating, "floating", hint)


def integers(name: str, value: Any, *, hint: str = "") -> Any:
    """Check that an array holds integers; ``hint`` says what to do if not."""
    return _kind(name, value, jnp.integer, "integers", hint)


def booleans(name: str, value: Any, *, hint: str = "") -> Any:
    """Check that an array holds booleans; ``hint`` says what to do if not."""
    return _kind(name, value, np.bool_, "bool", hint)


def finite(name: str, value: Any) -> Any:
    """Check that an array, if its values are known, holds no NaN and no infinity."""
    found = numeric(name, value)
    if not is_traced(found):
        bad = np.sum(~np.isfinite(np.asarray(found)))
        if bad:
            raise ValueError(
                f"{name} must be finite, got {bad} NaN or infinite entries"
            )
    return found


def indices(name: str, value: Any, size: int) -> Any:
    """Check that an array of integers, if its values are known, lies in [0, size)."""
    found = numeric(name, value)
    if not is_traced(found) and found.size:
        values = np.asarray(found)
        low, high = values.min(), values.max()
        if low < 0 or high >= size:
            raise ValueError(
                f"{name} must lie in [0, {size}), got values from {low} to {high}"
            )
    return found


def within(name: str, value: Any, interval: str) -> Any:
    """Check that an array, if its values are known, lies in an interval as "[0, 1)"."""
    found = numeric(name, value)
    if not is_traced(found):
        values = np.asarray(found)
        outside = values[~_is_inside(interval)(values)]
        if outside.size:
            raise ValueError(f"{name} must lie in {interval}, got {outside.flat[0]}")
    return found


def instance(name: str, value: Value, *kinds: type) -> Value:
    """Check that a value is of one of these types.

    Example:
      >>> instance("names", 3, list, tuple)
      Traceback (most recent call last):
      TypeError: names must be a list or a tuple, got 3
    """
    if not isinstance(value, kinds):
        expected = " or a ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be a {expected}, got {value!r:.80}")
    return value


def function(name: str, value: Value) -> Value:
    """Check that a value can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {value!r:.80}")
    return value


def flag(name: str, value: Value) -> Value:
    """Check that a value is True or False."""
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be True or False, got {value!r:.80}")
    return value


def whole(name: str, value: Value, interval: str = "") -> Value:
    """Check that a value is one integer, of Python or of NumPy.

    ``interval`` says where it must lie, if not anywhere, as in ``"[0, 10)"``.

    Example:
      >>> whole("layer", True, "[0, 4)")
      Traceback (most recent call last):
      TypeError: layer must be an integer, got True
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r:.80}")
    return in_range(name, value, interval) if interval else value


def at_least(name: str, value: Value, least: float) -> Value:
    """Check that a value is one number, not below ``least``."""
    return _number(name, value, f"be at least {least}", lambda v: v >= least)


def count(name: str, value: Any, least: int = 1, *, otherwise: str = "") -> Any:
    """Check that a value is a whole number, not below ``least``.

    ``otherwise`` says what else the argument may be, to the eyes of the caller alone.
    """
    otherwise = otherwise and f", or {otherwise}"
    expected = f"be a whole number, at least {least}{otherwise}"
    if isinstance(value, numbers.Integral) and int(value) > _LARGEST_COUNT:
        expected = f"be at most {_LARGEST_COUNT}"
    return _number(
        name,
        value,
        expected,
        lambda v: _is_count(v) and least <= v <= _LARGEST_COUNT,
    )


def counts(
    name: str, values: Any, *, fewest: int = 1, most: float = np.inf
) -> tuple[int, ...]:
    """Check that values are some whole numbers above zero, and return them as a tuple.

    Example:
      >>> counts("widths", [12, 2], fewest=2)
      (12, 2)
      >>> counts("widths", [12], fewest=2)
      Traceback (most recent call last):
      ValueError: widths must be 2 or more positive whole numbers, got [12]
    """
    is_one = getattr(values, "ndim", None) == 0 or not isinstance(values, Iterable)
    values = [values] if is_one else list(values)
    positive = all(_is_count(v) and 1 <= v <= _LARGEST_COUNT for v in values)
    if not positive or not fewest <= len(values) <= most:
        how_many = f"{fewest} " if fewest == most else f"{fewest} or more "
        how_many = how_many if fewest > 0 else ""
        raise ValueError(
            f"{name} must be {how_many}positive whole numbers, got {values}"
        )
    return tuple(map(int, values))


def positive(name: str, value: Any) -> Any:
    """Check that a value is one positive, finite number; a large integer as a float."""
    expected = "be one positive number"
    return _for_jax(_number(name, value, expected, lambda v: 0 < v < np.inf))


def not_negative(name: str, value: Any) -> Any:
    """Check that a value is one finite number, zero or above, as :func:`positive`."""
    expected = "be one number from 0 on"
    return _for_jax(_number(name, value, expected, lambda v: 0 <= v < np.inf))


def number(name: str, value: Any) -> Any:
    """Check that a value is one number, not NaN; a large integer as a float."""
    return _for_jax(_number(name, value, "be one number", lambda v: v == v))


def in_range(name: str, value: Value, interval: str) -> Value:
    """Check that a value is one number of an interval, written as in ``"[0, 1)"``."""
    return _number(name, value, f"lie in {interval}", _is_inside(interval))


def one_of(
    name: str, value: Value, allowed: Iterable[Any], *, otherwise: str = ""
) -> Value:
    """Check that a value is one of those allowed, names or None.

    ``otherwise`` says what else the argument may be, to the eyes of the caller alone.
    """
    allowed = tuple(allowed)
    # An array equals a name entry by entry, which `in` could not make a yes or no of.
    if (
        not isinstance(value, str | int | float | np.number | None)
        or value not in allowed
    ):
        names = ", ".join(map(str, allowed))
        otherwise = otherwise and f" or {otherwise}"
        raise ValueError(f"{name} must be one of {names}{otherwise}, got {value!r}")
    return value


def not_empty(name: str, value: Value, what: str = "") -> Value:
    """Check that a collection has an element; ``what`` says an element of what kind."""
    if not len(value):
        what = what and f" {what}"
        raise ValueError(f"{name} must hold at least one{what}, got none")
    return value


def not_empty_tree(name: str, tree: Value, what: str) -> Value:
    """Check that the arrays of a pytree hold a number; ``what`` says what it is called.

    Example:
      >>> not_empty_tree("params", {"w": np.ones((0, 2))}, "weight")
      Traceback (most recent call last):
      ValueError: params must hold at least one weight, got none
    """
    if not any(np.size(leaf) for leaf in jax.tree.leaves(tree)):
        raise ValueError(f"{name} must hold at least one {what}, got none")
    return tree


def holds(name: str, value: Iterable[Any], *needed: str, why: str = "") -> None:
    """Check that a mapping or a dataset has entries of these names.

    ``why`` says what needs them.
    """
    found = list(map(str, value))
    if not set(needed) <= set(found):
        why = why and f" {why}"
        raise ValueError(f"{name} must hold {_all(needed)}{why}, got {sorted(found)}")


def key(name: str, value: Any) -> Any:
    """Check that a value is one typed key of JAX."""
    dtype = value.dtype if isinstance(value, _ARRAYS) else None
    if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        found = repr(value) if dtype is None else f"an array of {dtype}"
        raise TypeError(f"{name} must be a key such as jax.random.key(0), got {found}")
    return shape(name, value, ())


def _is_inside(interval: str) -> Callable[[Any], Any]:
    """Membership of an interval, of a number or of an array's entries."""
    low, high = map(float, interval[1:-1].split(","))

    def is_inside(v):
        above = v >= low if interval[0] == "[" else v > low
        return above & (v <= high if interval[-1] == "]" else v < high)

    return is_inside


def _fits(actual: tuple[int, ...], axes: Axes) -> bool:
    """Compare a shape with one written as names and lengths."""
    if axes and str(axes[-1]).startswith("*"):
        # One name for every axis that is left, of any length but zero too.
        num_more = max(1, len(actual) - len(axes) + 1)
        axes = (*axes[:-1], *[axes[-1]] * num_more)
    return len(actual) == len(axes) and all(
        length > 0 if isinstance(axis, str) else length == axis
        for length, axis in zip(actual, axes, strict=True)
    )


def _kind(name: str, value: Any, kind: Any, expected: str, hint: str) -> Any:
    found = array(name, value)
    if not jnp.issubdtype(found.dtype, kind):
        hint = hint and f"; {hint}"
        raise TypeError(f"{name} must be {expected}, got {found.dtype}{hint}")
    return found


def _number(
    name: str, value: Value, expected: str, is_fine: Callable[[Any], bool]
) -> Value:
    try:
        found = np.shape(value)
    except ValueError:  # A list of lists that differ in length.
        found = ()
    if found != ():
        # An array may be of any size, and its numbers are not what is wrong.
        raise ValueError(f"{name} must {expected}, got shape {found}")
    dtype = getattr(value, "dtype", None)
    is_number = isinstance(value, int | float)
    if dtype is not None:
        is_number |= any(jnp.issubdtype(dtype, kind) for kind in (jnp.number, bool))
    if not is_number or isinstance(value, complex):
        raise TypeError(f"{name} must {expected}, got {value!r:.80}")
    if not is_traced(value) and not is_fine(value):
        raise ValueError(f"{name} must {expected}, got {value}")
    return value


def _is_count(value: Any) -> bool:
    """True for an integer; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _for_jax(value: Value) -> Value | float:
    """An integer that JAX has no room for as a float, where any number will do."""
    is_large = isinstance(value, int) and value > _LARGEST_COUNT
    return float(value) if is_large else value


def _all(words: Iterable[Any]) -> str:
    """Words as a list in a sentence: "x, y and z"."""
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last
