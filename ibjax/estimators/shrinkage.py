"""Correlations of few samples, drawn towards none (Ledoit and Wolf, 2004)."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.numerics.covariances import matmul

__all__ = ["LEDOIT_WOLF", "check_shrinkage", "shrink"]

LEDOIT_WOLF = "ledoit_wolf"
# Stands for a weight that is to be found.
_UNKNOWN = -1.0


def check_shrinkage(
    shrinkage: ArrayLike | str | None, dtype: jnp.dtype
) -> jax.Array | None:
    """Refuse what is no weight.

    Args:
      shrinkage: Weight of the identity in [0, 1], the name of a rule, or None.
      dtype: Type of the result.

    Returns:
      What :func:`shrink` takes.

    Raises:
      ValueError: If the name is not known or, outside of ``jit``, the weight is out of
        range.
    """
    if shrinkage is None:
        return None
    if isinstance(shrinkage, str):
        if shrinkage != LEDOIT_WOLF:
            raise ValueError(
                f'shrinkage must be in [0, 1] or "{LEDOIT_WOLF}", got {shrinkage!r}'
            )
        return jnp.asarray(_UNKNOWN, dtype)
    concrete = not isinstance(shrinkage, jax.core.Tracer)
    if jnp.ndim(shrinkage) != 0 or (concrete and not 0 <= shrinkage <= 1):
        raise ValueError(f"shrinkage must be one number in [0, 1], got {shrinkage}")
    return jnp.asarray(shrinkage, dtype)


def shrink(rows: jax.Array, shrinkage: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Rows whose products are those of the shrunken correlation matrix.

    Args:
      rows: Standardised samples, ``[num_samples, dim]``.
      shrinkage: From :func:`check_shrinkage`.

    Returns:
      Rows, ``[num_samples, dim]``, or ``dim`` more with shrinkage; and the weight of
      the identity, ``[]``.
    """
    if shrinkage is None:
        return rows, jnp.zeros((), rows.dtype)
    weight = jnp.where(shrinkage < 0, _ledoit_wolf(rows), shrinkage)
    # As many rows more as there are components, which have no correlations.
    prior = jnp.sqrt(weight * (len(rows) - 1)) * jnp.eye(
        rows.shape[1], dtype=rows.dtype
    )
    return jnp.concatenate([jnp.sqrt(1 - weight) * rows, prior]), weight


def _ledoit_wolf(rows):
    """Weight of the identity with least expected squared error, in [0, 1]."""
    num_samples, dim = rows.shape
    covariance = matmul(rows.T, rows) / num_samples
    scale = jnp.trace(covariance) / dim
    spread = jnp.sum((covariance - scale * jnp.eye(dim, dtype=rows.dtype)) ** 2)
    square = jnp.sum(jnp.sum(rows**2, axis=1) ** 2) / num_samples
    error = (square - jnp.sum(covariance**2)) / num_samples
    return jnp.where(spread > 0, jnp.clip(error / spread, 0, 1), 1)
