"""Sums over the components of a mixture of equal Gaussians, a tile at a time.

Densities are relative to that of the component a draw comes from, as logarithms, and
from differences of centres: nothing cancels, however far the centres are from zero.
"""

from functools import partial

import chex
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import on_cpu

__all__ = ["columns_of", "log_ratio", "log_sums"]

_COLUMNS = 1024
# A product of fewer columns takes a CPU longer.
_FEWEST_COLUMNS = 4
# On an accelerator so many units are one program, not one each.
_FEW_UNITS = 64
# Accelerators round the factors of a product to 10 bits or fewer unless asked not to.


def columns_of(centres, weights):
    """All centres in blocks, with weights that pad with zeros.

    Args:
      centres: In units of the noise, ``[num_samples, num_replicas, dim]``.
      weights: Of the samples in every sum but the first, which is that of all,
        ``[num_samples, num_sums]``.

    Returns:
      Centres, ``[blocks, dim, width]``, and weights, ``[blocks, width, sums]``.
    """
    num_samples, num_replicas, dim = centres.shape
    chex.assert_shape(weights, (num_samples, None))
    num_centres = num_samples * num_replicas
    width = min(_COLUMNS, num_centres)
    num_blocks = -(-num_centres // width)
    # Padding repeats the last centre with weight zero.
    padded = jnp.minimum(jnp.arange(num_blocks * width), num_centres - 1)
    is_centre = (jnp.arange(num_blocks * width) < num_centres).astype(centres.dtype)
    of_all = jnp.ones((num_samples, 1), centres.dtype)
    weights = jnp.concatenate([of_all, weights], axis=1)
    missing = max(0, _FEWEST_COLUMNS - weights.shape[1])
    weights = jnp.pad(weights, ((0, 0), (0, missing)))
    weights = weights[padded // num_replicas] * is_centre[:, None]
    columns = centres.reshape(-1, dim)[padded].reshape(num_blocks, width, dim)
    return jnp.swapaxes(columns, 1, 2), weights.reshape(num_blocks, width, -1)


def log_ratio(centre, z, others):
    """Log density of other Gaussians relative to a draw's own, over the last axis."""
    difference = others - centre
    return jnp.sum(difference * (z - 0.5 * difference), axis=-1)


def log_sums(centre, z, columns, column_weights):
    """Log of the total density, ``[rows]``, and of each class's, ``[rows, sums - 1]``.

    Both are relative to the density of the draw's own centre and are not divided by the
    number of centres. ``columns`` and ``column_weights`` are those of
    :func:`columns_of`.
    """
    num_rows, dim = centre.shape
    num_blocks, _, width = columns.shape
    chex.assert_shape(z, (num_rows, dim))
    chex.assert_shape(columns, (num_blocks, dim, width))
    chex.assert_shape(column_weights, (num_blocks, width, None))

    # Unrolled, XLA computes all of it twice, for the maximum and for the exponential,
    # which an accelerator does sooner than it reads and writes a tile for every unit.
    # Not by ``by_platform``: a gradient would hold what either way needs.
    unrolled = not on_cpu() and dim <= _FEW_UNITS

    # A loop over the units holds one tile.
    def add_unit(column, unit, exponent):
        difference = column[unit][None, :] - centre[:, unit][:, None]
        return exponent + difference * (z[:, unit][:, None] - 0.5 * difference)

    def add_block(state, block):
        largest, sums = state
        column, weight = block
        exponent = lax.fori_loop(
            0,
            dim,
            partial(add_unit, column),
            jnp.zeros((num_rows, width), centre.dtype),
            unroll=unrolled or None,
        )
        # The largest exponent is carried along, so that no sum overflows: a centre can
        # be far likelier than the draw's own, by exp(|z|^2 / 2).
        new = jnp.maximum(largest, jnp.max(exponent, axis=1))
        kernel = jnp.exp(exponent - new[:, None])
        added = kernel @ weight
        return (new, sums * jnp.exp(largest - new)[:, None] + added), None

    # Relative to its own centre a draw's density is one, so no maximum is below zero.
    start = (
        jnp.zeros(num_rows, centre.dtype),
        jnp.zeros((num_rows, column_weights.shape[2]), centre.dtype),
    )
    (largest, sums), _ = lax.scan(add_block, start, (columns, column_weights))
    # No sum without a weight has a part in gradients, which log 0 would make NaN.
    positive = sums > 0
    total = jnp.log(jnp.where(positive, sums, 1.0)) + largest[:, None]
    total = jnp.where(positive, total, -jnp.inf)
    return total[:, 0], total[:, 1:]
