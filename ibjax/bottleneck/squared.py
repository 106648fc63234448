r"""Squared bottleneck, which reaches every point of the information curve.

The bottleneck's objective is linear in I(X;T) and I(T;Y): on a straight part of the
curve all points are equally good, and only its ends are found. If Y is a function of X
the whole curve is straight. Kolchinsky, Tracey and Van Kuyk (2019) square I(X;T),

.. math:: \min \; I(X;T)^2 - \beta\, I(T;Y),

which has one solution on the curve for every beta, and every point for some beta.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.bottleneck import iteration
from ibjax.bottleneck.blahut_arimoto import (
    MAX_STEPS,
    BottleneckSolution,
    check_options,
    default_tol,
    information_of,
    merge_where_known,
    one_cluster_per_input,
)
from ibjax.bottleneck.tables import check_joint, is_joint
from ibjax.compilation import exact_jit

__all__ = ["squared_bottleneck"]

# Logarithms of slopes to search between; below slope one the solution is trivial.
_LOG_SLOPES = (-0.7, 14.0)
# Roundings of the logarithm at which bisection ends.
_ROUNDINGS = 16


def squared_bottleneck(
    p_xy: ArrayLike,
    beta: ArrayLike,
    *,
    max_steps: int = MAX_STEPS,
    tol: float | None = None,
) -> BottleneckSolution:
    r"""Solution of the squared bottleneck, least :math:`I(X;T)^2 - \beta I(T;Y)`.

    It also solves the bottleneck at the slope :math:`\beta / (2 I(X;T))`, which is
    found by bisection, as closely as the inner iterations converge. Where I(X;T) jumps
    at that slope, the solution lies on a straight part of the curve: T is then a random
    choice between the two solutions at its ends, and tells which. The encoder therefore
    has twice as many clusters as there are inputs of different p(y|x); the first half
    are those of the end with less I(X;T).

    If Y is a function of X, I(X;T) = I(T;Y) = beta / 2 up to H(Y).

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``, floating.
      beta: Trade-off in nats, non-negative, shape ``[]``.
      max_steps: Steps at most of each inner iteration.
      tol: See :func:`ibjax.bottleneck.blahut_arimoto`.

    Returns:
      The solution; ``objective`` is :math:`I(X;T)^2 - \beta I(T;Y)`, ``num_steps`` the
      sum over all inner iterations and ``history`` is empty. NaN and not converged
      under ``jit`` for values that are no distribution.

    Raises:
      ValueError: As :func:`ibjax.bottleneck.blahut_arimoto`.
      TypeError: If ``p_xy`` is not floating.

    References:
      Kolchinsky, Tracey and Van Kuyk, `Caveats for information bottleneck in
      deterministic scenarios`, ICLR 2019.

    Example:
      >>> certain = jnp.array([[0.25, 0.0], [0.25, 0.0], [0.0, 0.5]])
      >>> solution = squared_bottleneck(certain, 0.8)
      >>> print(f"{solution.i_xt:.3f} {solution.i_ty:.3f} nats")
      0.400 0.400 nats
    """
    p_xy = check_joint(p_xy)
    check_options(beta, 1.0, max_steps, tol)
    beta = jnp.asarray(beta, p_xy.dtype)
    merged = merge_where_known(p_xy)
    tol = default_tol(p_xy.dtype) if tol is None else float(tol)
    return _solve(p_xy, merged, beta, max_steps=max_steps, tol=tol)


@exact_jit(static_argnames=("max_steps", "tol"))
def _solve(p_xy, merged, beta, *, max_steps, tol):
    dtype = p_xy.dtype
    beta, one = jnp.asarray(beta, dtype), jnp.ones((), dtype)
    source = iteration.make_source(merged)
    start = one_cluster_per_input(merged)

    def at(slope):
        fixed = iteration.iterate(
            source, start, slope, one, max_steps=max_steps, tol=tol
        )
        encoder = iteration.best_encoder(source, fixed.clusters, slope, one)
        return fixed, information_of(source, encoder)

    def halve(carry):
        # 2 slope I(X;T) rises with the slope: where it equals beta is the solution.
        low, high, num_steps, _ = carry
        middle = (low + high) / 2
        fixed, (i_xt, _) = at(jnp.exp(middle))
        too_high = 2 * jnp.exp(middle) * i_xt > beta
        # At the slope of a straight part all its points are fixed and the iteration
        # does not converge: the ends of the bracket then give those of the part.
        stays = ~fixed.converged
        return (
            jnp.where(too_high | stays, low, middle),
            jnp.where(too_high & ~stays, middle, high),
            num_steps + fixed.num_steps,
            stays,
        )

    def wide(carry):
        low, high, _, stays = carry
        return ~stays & (high - low > _ROUNDINGS * jnp.finfo(dtype).eps)

    low, high = (jnp.asarray(slope, dtype) for slope in _LOG_SLOPES)
    low, high, num_steps, _ = lax.while_loop(
        wide, halve, (low, high, jnp.int32(0), jnp.bool_(False))
    )
    (less, i_less), (more, i_more) = at(jnp.exp(low)), at(jnp.exp(high))
    # Least of the parabola over the share of the upper end; any where the ends agree.
    span_xt, span_ty = (b - a for a, b in zip(i_less, i_more, strict=True))
    some = span_xt > 0
    slope = span_ty / jnp.where(some, span_xt, 1)
    share = (beta * slope / 2 - i_less[0]) / jnp.where(some, span_xt, 1)
    share = jnp.where(some, jnp.clip(share, 0, 1), 0)

    full = iteration.make_source(p_xy)
    encoder = jnp.concatenate(
        [
            (1 - share)
            * iteration.best_encoder(full, less.clusters, jnp.exp(low), one),
            share * iteration.best_encoder(full, more.clusters, jnp.exp(high), one),
        ],
        axis=1,
    )
    i_xt, i_ty = information_of(full, encoder)
    valid = is_joint(p_xy) & (beta >= 0) & jnp.isfinite(beta)
    numbers = (encoder, i_xt, i_ty, i_xt**2 - beta * i_ty, jnp.zeros(0, dtype))
    numbers = jax.tree.map(lambda number: jnp.where(valid, number, jnp.nan), numbers)
    converged = less.converged & more.converged & valid
    num_steps = num_steps + less.num_steps + more.num_steps
    return BottleneckSolution(*numbers, num_steps, converged)
