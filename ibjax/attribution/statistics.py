"""Mean and standard deviation of a layer's features, over more inputs than fit."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of

__all__ = ["FeatureStatistics", "feature_statistics"]


class FeatureStatistics(NamedTuple):
    """Moments of the features of a layer of shape ``[*layer]``.

    Attributes:
      mean: Mean over inputs, ``[*layer]``.
      std: Standard deviation, at least ``min_std``, ``[*layer]``.
      active: Whether a feature can carry information, because it varies and is nonzero
        often enough, bool, ``[*layer]``. The others are masked: no method finds bits in
        them.
      num_inputs: Number of inputs, ``[]``.
    """

    mean: jax.Array
    std: jax.Array
    active: jax.Array
    num_inputs: jax.Array

    def normalize(self, r: jax.Array) -> jax.Array:
        """Activities ``[..., *layer]`` less their mean, over their standard deviation.

        Inactive features are zero.
        """
        mean, std, active = self._of_rank(r.ndim)
        return jnp.where(active, (r - mean) / std, 0)

    def denormalize(self, z: jax.Array) -> jax.Array:
        """Activities ``[..., *layer]`` of normalised ones; if inactive, their mean."""
        mean, std, active = self._of_rank(z.ndim)
        return mean + std * jnp.where(active, z, 0)

    def _of_rank(self, ndim: int) -> list[jax.Array]:
        shape = (1,) * (ndim - self.mean.ndim) + self.mean.shape
        return [t.reshape(shape) for t in self[:3]]


def feature_statistics(
    front: Callable,
    params: Any,
    x: ArrayLike | Iterable[ArrayLike],
    *,
    min_std: float = 0.01,
    min_active: float = 0.01,
    batch_size: int = 128,
) -> FeatureStatistics | tuple[FeatureStatistics, ...]:
    """Statistics of a layer's features over many inputs, a batch at a time.

    Some thousands of inputs are needed for the standard deviation of a feature to be
    known to a few per cent.

    Args:
      front: ``front(params, x) -> r``, activities ``[num, *layer]``, or a tuple of
        those of several layers, as of ``layers_of``.
      params: Its parameters.
      x: Inputs ``[num, ...]``, or an iterable of such arrays, as read from a disk.
      min_std: Least standard deviation, positive: what a smaller one is raised to.
      min_active: A feature is inactive if no larger part of the inputs has it nonzero,
        or if it is the same for all.
      batch_size: Inputs at a time.

    Returns:
      The statistics, of one input or more; the standard deviation is ``min_std`` for
      one. NaN where an activity is. For several layers a tuple.

    Raises:
      ValueError: If there are no inputs, or an option is out of range.

    References:
      Chan, Golub and LeVeque, `Updating formulae and a pairwise algorithm for computing
      sample variances`, 1979.

    Example:
      >>> x = jnp.array([[0.0, 1.0], [0.0, 3.0]])
      >>> statistics = feature_statistics(lambda params, x: x, None, x)
      >>> print(statistics.mean, statistics.active)
      [0. 2.] [False  True]
    """
    checks.function("front", front)
    min_std = checks.positive("min_std", min_std)
    checks.in_range("min_active", min_active, "[0, 1)")
    checks.count("batch_size", batch_size)
    moments = None
    parts: Any = [x] if hasattr(x, "shape") else x
    for part in checks.instance("x", parts, Iterable):
        part = checks.shape("x", part, ("num", "*axes"))
        if moments is None:
            moments = jax.tree.map(
                lambda r: _Moments(
                    np.zeros((), loops.sum_dtype(r)),
                    *np.zeros((3, *r.shape[1:]), loops.sum_dtype(r)),
                ),
                shapes_of("front", front, params=params, x=part[:1]),
            )
        moments = _added(front, params, part, moments, batch_size)
    if moments is None:
        raise ValueError("x must hold at least one batch of inputs, got none")
    return _statistics(moments, min_std, min_active)


def _added(front, params, x, moments, batch_size):
    """Moments with those of more inputs."""
    # Small sets are not filled up, so that a program of their own size serves them.
    batch_size = min(batch_size, len(x))
    if loops.one_program():
        x = jnp.asarray(x)

    def step(moments, number):
        places = number * batch_size + np.arange(batch_size)
        # Rows of an array of NumPy are taken on the host: it may be larger than memory.
        rows = places.clip(max=len(x) - 1)
        is_input = places < len(x)
        return _updated(front, params, jnp.asarray(x[rows]), is_input, moments), None

    return loops.repeat(step, moments, -(-len(x) // batch_size))[0]


class _Moments(NamedTuple):
    """Number of inputs, mean, sum of squares about it, and how many are nonzero."""

    num: jax.Array
    mean: jax.Array
    squares: jax.Array
    nonzero: jax.Array


def _map_layers(function: Callable, moments: Any, *others: Any) -> Any:
    """A function of the moments of one layer, for one or for a tuple of layers."""
    return jax.tree.map(
        function, moments, *others, is_leaf=lambda t: isinstance(t, _Moments)
    )


@jax.jit
def _statistics(moments, min_std, min_active):
    def of_layer(moments):
        num, mean, squares, nonzero = moments
        std = jnp.sqrt(squares / jnp.maximum(num - 1, 1))
        # What rounding alone makes of a constant is no variance; one input has none.
        noise = 8 * jnp.finfo(std.dtype).eps * jnp.abs(mean)
        is_active = (nonzero > min_active * num) & ((std > noise) | (num <= 1))
        return FeatureStatistics(mean, jnp.maximum(std, min_std), is_active, num)

    return _map_layers(of_layer, moments)


@exact_jit(static_argnames="front")
def _updated(front, params, x, is_input, moments):
    def of_layer(moments, r):
        num, mean, squares, nonzero = moments
        r = r.astype(mean.dtype)
        weights = is_input.astype(r.dtype).reshape(-1, *[1] * mean.ndim)
        more = jnp.sum(weights)
        mean_here = jnp.sum(weights * r, axis=0) / more
        squares_here = jnp.sum(weights * (r - mean_here[None]) ** 2, axis=0)
        total = num + more
        difference = mean_here - mean
        return _Moments(
            total,
            mean + difference * more / total,
            squares + squares_here + difference**2 * num * more / total,
            nonzero + jnp.sum(weights * (r != 0), axis=0),
        )

    return _map_layers(of_layer, moments, front(params, x))
