"""Critical betas: a cluster divides, or another one appears."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.bottleneck import iteration
from ibjax.bottleneck.annealing import compact, solve_from, take
from ibjax.bottleneck.tables import check_joint
from ibjax.compilation import exact_jit

__all__ = ["critical_beta", "find_transitions"]

# Halvings of the interval in which a critical beta lies, and steps for each. Closer to
# the transition than these resolve, the two sides' clusters are too similar.
_BISECTIONS = 12
_BISECTION_STEPS = 1_000


def critical_beta(p_xy: ArrayLike) -> jax.Array:
    r"""Critical beta where the trivial representation stops being a local optimum.

    The trivial representation is a local optimum up to :math:`\beta = 1 / \sigma_2^2`,
    with :math:`\sigma_2` the second singular value of :math:`p(x,y) / \sqrt{p(x)p(y)}`:
    the maximal correlation of X and Y. A rare cluster whose decoder is far from p(y)
    can pay from a smaller beta on: the curve then leaves the origin earlier, by a
    cluster that appears far away with no weight instead of by one that divides. The
    least beta at which any representation pays is the least ratio of
    :math:`D(q_X \| p_X)` to :math:`D(q_Y \| p_Y)` over the distributions q of X
    (Anantharam et al. 2013), never above this one.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.

    Returns:
      The critical beta, shape ``[]``; infinite if X and Y are independent.

    Raises:
      ValueError: If the table is no distribution.
      TypeError: If ``p_xy`` is not floating.

    References:
      Wu, Fischer, Chuang and Tegmark, `Learnability for the information bottleneck`,
      2019. Wu and Fischer, `Phase transitions for the information bottleneck in
      representation learning`, 2020.

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> print(f"{critical_beta(noisy_bit):.4f}")
      1.5625
    """
    p_xy = check_joint(p_xy)
    p_x, p_y = jnp.sum(p_xy, axis=1), jnp.sum(p_xy, axis=0)
    scale = jnp.sqrt(p_x)[:, None] * jnp.sqrt(p_y)[None, :]
    possible = scale > 0
    # Without the first pair of singular vectors, sqrt(p(x)) and sqrt(p(y)).
    correlation = jnp.where(possible, p_xy / jnp.where(possible, scale, 1), 0) - scale
    largest = jnp.linalg.svd(correlation, compute_uv=False)[0]
    eps = jnp.finfo(p_xy.dtype).eps * np.sqrt(p_xy.size)
    return jnp.where(largest > eps, 1 / largest**2, jnp.inf)


def find_transitions(p_xy, betas, points, *, max_steps, tol):
    """Betas at which the number of clusters changes, from points at decreasing betas.

    The result is sorted, shape ``[num_transitions]``.
    """
    counts = np.asarray(points.num_clusters)
    places = np.flatnonzero(np.diff(counts) != 0)
    if not len(places):
        return np.zeros(0, betas.dtype)

    high, low = take(points, places), take(points, places + 1)
    intervals = (high.clusters, low.clusters, betas[places], betas[places + 1])
    found = _bisect(
        p_xy,
        intervals,
        high.num_clusters,
        num_t=int(counts.max()),
        max_steps=min(max_steps, _BISECTION_STEPS),
        tol=tol,
    )
    return np.sort(np.asarray(found))


@exact_jit(static_argnames=("num_t", "max_steps", "tol"))
def _bisect(p_xy, intervals, counts, *, num_t, max_steps, tol):
    """Bisection of intervals of beta, each around one change of ``counts``."""
    solve = partial(
        solve_from, iteration.make_source(p_xy), max_steps=max_steps, tol=tol
    )

    def halve(_, carry):
        (above, below, high, low), count = carry
        middle = (high + low) / 2
        # Start from both sides: at a discontinuous transition either branch stays a
        # local optimum beyond it, so the objective has to decide.
        sides = jax.tree.map(lambda *pair: jnp.stack(pair), above, below)
        points = jax.vmap(lambda start: solve(start, middle))(sides)
        best = take(points, jnp.argmin(points.objective))
        interval = jax.tree.map(
            partial(jnp.where, best.num_clusters == count),
            (best.clusters, below, middle, low),
            (above, best.clusters, high, middle),
        )
        return interval, count

    def one(args):
        (above, below, *bounds), count = args
        sides = (compact(clusters, num_t) for clusters in (above, below))
        start = (*sides, *bounds), count
        (*_, high, low), _ = lax.fori_loop(0, _BISECTIONS, halve, start)
        return (high + low) / 2

    return lax.map(one, (intervals, counts))
