"""Sums of two Gaussian kernels over samples that lie on a line.

Such samples, as the outputs of a softmax over two classes, meet at the nodes of a grid
instead of in pairs.
"""

import math

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.estimators.kde.units import FARTHEST, exp2

__all__ = ["is_line", "sums_on_line"]

# Nodes, taken a block at a time, lie so far apart and reach so far beyond the samples,
# in units in which the kernel is 2^(-r^2).
_NODE_SPACING = 0.5
_NODE_MARGIN = 2.5
_NODE_BLOCK = 16


def is_line(
    points: jax.Array,
    direction: jax.Array,
    projection: jax.Array,
    negligible: float,
) -> jax.Array:
    """Samples lie on a line, and close enough together to make use of it: a boolean."""
    farthest = jnp.max(jnp.abs(points - direction[:, None] * projection[None]))
    # Two samples are at most twice as far from each other, across the line, as one is
    # from it, and the narrow kernel is 2^(-4 r^2).
    straight = 16 * len(points) * farthest**2 < negligible
    # What was brought nearer is on no line that can be seen.
    straight &= jnp.max(jnp.abs(points)) < FARTHEST
    num_blocks = sum(_num_node_blocks(scale * projection) for scale in (1, 2))
    return straight & (4 * _NODE_BLOCK * num_blocks < points.shape[1])


def _num_node_blocks(place: jax.Array) -> jax.Array:
    length = jnp.max(place) - jnp.min(place) + 2 * _NODE_MARGIN
    return jnp.ceil(length / (_NODE_SPACING * _NODE_BLOCK))


def sums_on_line(
    projection: jax.Array, weights: jax.Array, on_line: jax.Array
) -> jax.Array:
    r"""Kernel sums of samples on a line, in time proportional to its length.

    A Gaussian is the convolution of two others of half its variance, an integral that
    the trapezoidal rule takes almost exactly:

    .. math::
        2^{-(a-b)^2} = 2 \delta \sqrt{\tfrac{\log 2}{\pi}}
            \sum_g 2^{-2 (a - u_g)^2} \, 2^{-2 (b - u_g)^2} (1 + \epsilon) ,
            \quad |\epsilon| \le 2 e^{-\pi^2 / 4 \delta^2 \log 2} ,

    for nodes :math:`u_g` a distance :math:`\delta` apart; at 1/2 that is 1.3e-6. So
    samples give their weights to the nodes and take their sums from there. No term is
    negative, so that sums of any size keep this relative precision.
    """
    chex.assert_shape(weights, (*projection.shape, None))
    factor = 2 * _NODE_SPACING * math.sqrt(math.log(2) / math.pi)

    def sums(place):
        start = jnp.min(place) - _NODE_MARGIN
        block = jnp.arange(_NODE_BLOCK, dtype=place.dtype)

        def add_nodes(n, sums):
            node = (n * _NODE_BLOCK).astype(place.dtype) + block
            distance = (start + _NODE_SPACING * node)[:, None] - place[None]
            share = exp2(-2 * distance**2)
            mass = factor * jnp.matmul(share, weights)
            # Transposed once, here: a product that does it itself is much slower.
            mass = lax.optimization_barrier(mass.T)
            return sums + jnp.matmul(mass, share)

        # Under vmap this runs even for samples that are on no line: in no steps then.
        num_blocks = jnp.where(on_line, _num_node_blocks(place), 0).astype(jnp.int32)
        return lax.fori_loop(0, num_blocks, add_nodes, jnp.zeros_like(weights.T)).T

    # The narrow kernel is the wide one at twice the distance.
    return jnp.stack([sums(projection), sums(2 * projection)])
