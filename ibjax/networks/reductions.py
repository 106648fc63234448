"""Reductions: a layer's activities as few numbers, some inputs at a time.

A wide layer tells all inputs apart, whatever it has learned, and holding it for many
inputs takes gigabytes. A :class:`Reduction` makes a few numbers of each input's
activities: means over positions for convolutions and sentences, random projections,
principal components, one after another by :func:`in_turn`, or any function of yours
from ``[num_samples, *shape]`` to ``[num_samples, dim]``, row by row.
:func:`ibjax.networks.reduced` puts them behind the layers of a network.

What is measured of a reduced layer is the reduced layer's: by the data processing
inequality its I(X;T) and I(T;Y) are at most those of the layer itself.
"""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.numerics import checks
from ibjax.numerics.principal_directions import principal_directions

__all__ = [
    "Reduction",
    "as_reduction",
    "in_turn",
    "pooled",
    "position_mean",
    "principal_components",
    "random_projection",
    "token_mean",
]


class Reduction(NamedTuple):
    """How the activities of a layer are made few.

    Attributes:
      name: What it is, in words that tell it from others.
      apply: ``apply(found, t)``: of activities ``t [num_samples, *shape]`` the numbers
        that are left, ``[num_samples, dim]``, each row from its own row alone.
      find: ``find(t)``: what ``apply`` takes besides, once for all inputs, from the
        activities of ``sample``; without a sample ``t`` has no rows, but the layer's
        shape. None where there is nothing to find.
      sample: Inputs whose activities ``find`` sees, ``[num_sample, ...]``, or None.
      named: Whether the name does tell it from others. That of a plain function does
        not, and :func:`ibjax.networks.reduced` adds a digest of what it computes.
    """

    name: str
    apply: Callable[[Any, jax.Array], jax.Array]
    find: Callable[[jax.Array], Any] = lambda t: None
    sample: jax.Array | None = None
    named: bool = True


def as_reduction(name: str, given: Any) -> Reduction:
    """A reduction as it is, or a plain function of activities as one.

    Args:
      name: What to call it in an error.
      given: A reduction, or a function.

    Raises:
      TypeError: If it is neither.
    """
    if isinstance(given, Reduction):
        return given
    checks.function(name, given)
    return Reduction(
        f"function {getattr(given, '__qualname__', type(given).__name__)}",
        lambda _, t: given(t),
        named=False,
    )


def _position_mean(_: Any, t: jax.Array) -> jax.Array:
    return jnp.mean(t, axis=tuple(range(1, t.ndim - 1)))


def _token_mean(_: Any, t: jax.Array) -> jax.Array:
    axes = tuple(range(1, t.ndim - 1))
    there = jnp.any(t != 0, axis=-1, keepdims=True).astype(t.dtype)
    number = jnp.maximum(jnp.sum(there, axis=axes), 1)
    return jnp.sum(t, axis=axes) / number


position_mean = Reduction("mean over positions", _position_mean)
"""Mean over all axes of a layer but the last: of a channel's pixels, of all tokens."""

token_mean = Reduction("mean over tokens", _token_mean)
"""Mean over the positions that are not zero in all units.

A sentence's mean, where the network puts zeros in the places that have no word. If a
place has no word and another value, the mean is of all places.
"""


def pooled(size: int) -> Reduction:
    """Means over windows of positions, side by side.

    Args:
      size: Positions of a window along every axis of the layer but the last.

    Returns:
      The reduction, of an image ``[height, width, channels]`` to ``height // size *
      width // size * channels`` numbers. A layer whose axes ``size`` does not divide is
      refused.

    Raises:
      ValueError: If ``size`` is not positive.

    Example:
      >>> t = jnp.arange(16.0).reshape(1, 4, 4, 1)
      >>> print(pooled(2).apply(None, t))
      [[ 2.5  4.5 10.5 12.5]]
    """
    checks.count("size", size)

    def apply(_, t):
        rows, *positions, units = t.shape
        if any(length % size for length in positions):
            raise ValueError(
                f"pooled({size}) needs axes that {size} divides, got {positions}"
            )
        split = [part for length in positions for part in (length // size, size)]
        axes = tuple(range(2, 2 * len(positions) + 1, 2))
        return jnp.mean(t.reshape(rows, *split, units), axis=axes).reshape(rows, -1)

    return Reduction(f"means over {size} positions each way", apply)


def random_projection(key: jax.Array, dim: int) -> Reduction:
    r"""Sums of all units with random signs, which nearly keep distances.

    With signs :math:`r_{ij} = \pm 1` it is :math:`r\,t / \sqrt{dim}`. The squared
    distance of two inputs is kept in the mean, and to within a factor :math:`1 \pm
    \epsilon` but for a probability of :math:`2 \exp(-(\epsilon^2 / 2 - \epsilon^3 / 3)
    dim / 2)`, however many units there are. The signs take ``4 * units * dim`` bytes.

    Args:
      key: Key of the signs, the same for all networks of a sweep.
      dim: Numbers that are left.

    Returns:
      The reduction.

    Raises:
      TypeError: If ``key`` is no typed key.
      ValueError: If ``dim`` is not positive.

    References:
      Achlioptas, `Database-friendly random projections: Johnson-Lindenstrauss with
      binary coins`, JCSS 2003, Theorem 1.1.

    Example:
      >>> reduction = random_projection(jax.random.key(0), 2)
      >>> signs = reduction.find(jnp.zeros((0, 3)))
      >>> print(signs.shape, jnp.unique(jnp.abs(signs)).shape)
      (3, 2) (1,)
    """
    checks.key("key", key)
    checks.count("dim", dim)

    def find(t):
        units = int(np.prod(t.shape[1:]))
        return jax.random.rademacher(key, (units, dim), t.dtype) / np.sqrt(dim)

    @full_precision
    def apply(signs, t):
        return t.reshape(t.shape[0], -1) @ signs.astype(t.dtype)

    numbers = " ".join(map(str, np.ravel(jax.random.key_data(key))))
    return Reduction(f"random projection to {dim}, key {numbers}", apply, find)


def principal_components(sample: ArrayLike, dim: int) -> Reduction:
    """Coordinates along the directions in which a layer varies most over some inputs.

    The directions are found anew of every network at every snapshot, from the same
    inputs; the layer is held for these alone, all its units. They follow the scale of
    the layer, which the coordinates keep.

    Args:
      sample: Those inputs, shape ``[num_sample, ...]``, as the network takes them.
      dim: Number of directions, at most ``num_sample - 1``.

    Returns:
      The reduction. A layer with fewer units than ``dim`` is refused.

    Raises:
      ValueError: If ``dim`` is not positive, or there are too few inputs for it.

    Example:
      >>> t = jnp.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
      >>> reduction = principal_components(jnp.zeros((3, 5)), 1)
      >>> print(reduction.apply(reduction.find(t), t).round(3)[:, 0])
      [-5.  0.  5.]
    """
    sample = checks.jax_array("sample", sample)
    checks.shape("sample", sample, ("num_sample", "*shape"))
    checks.count("dim", dim)
    if dim > sample.shape[0] - 1:
        raise ValueError(
            f"dim must be at most {sample.shape[0] - 1}, one less than the inputs of "
            f"sample, got {dim}"
        )

    @full_precision
    def find(t):
        rows = t.reshape(t.shape[0], -1)
        if rows.shape[1] < dim:
            raise ValueError(
                f"{dim} principal components need {dim} units or more, got "
                f"{rows.shape[1]}"
            )
        mean, directions, _ = principal_directions(rows, dim)
        return mean, directions

    @full_precision
    def apply(found, t):
        mean, directions = found
        return (t.reshape(t.shape[0], -1) - mean[None]) @ directions

    digest = hashlib.sha256(np.asarray(sample).tobytes()).hexdigest()[:12]
    name = f"{dim} principal components of {sample.shape[0]} inputs {digest}"
    return Reduction(name, apply, find, sample)


def in_turn(*reductions: Reduction | Callable[[jax.Array], jax.Array]) -> Reduction:
    """One reduction after another, as principal components of a mean.

    Args:
      *reductions: The reductions, or functions of activities; of those that need a
        sample all must have the same one.

    Returns:
      The reduction.

    Raises:
      TypeError: If one is neither a reduction nor a function.
      ValueError: If there is none, or samples differ.

    Example:
      >>> print(in_turn(position_mean, pooled(1)).name)
      mean over positions, then means over 1 positions each way
    """
    checks.not_empty("reductions", reductions)
    steps = [as_reduction(f"reductions[{n}]", r) for n, r in enumerate(reductions)]
    samples = [step.sample for step in steps if step.sample is not None]
    if any(not _same(sample, samples[0]) for sample in samples):
        raise ValueError("reductions must have the same sample, got several")

    def find(t):
        found: list[Any] = []
        for step in steps:
            found.append(step.find(t))
            t = step.apply(found[-1], t)
        return found

    def apply(found, t):
        for step, own in zip(steps, found, strict=True):
            t = step.apply(own, t)
        return t

    return Reduction(
        ", then ".join(step.name for step in steps),
        apply,
        find,
        samples[0] if samples else None,
        all(step.named for step in steps),
    )


def _same(one: jax.Array, another: jax.Array) -> bool:
    return one is another or np.array_equal(one, another)
