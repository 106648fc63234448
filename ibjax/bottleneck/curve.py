r"""Information curve: the largest I(T;Y) at every I(X;T).

The curve is traced by its slope: at trade-off beta, the bottleneck's solution is the
point where the slope is 1 / beta. The method is deterministic annealing. From a large
beta, where every input may have a cluster of its own, beta is lowered and each solution
starts from the one before. Where a solution from elsewhere on the curve, or a random
restart, does better, it is the start instead. Where the certificate shows that clusters
are missing (:mod:`ibjax.bottleneck.certificate`), because they were given up too early
or, in tables with zeros, could not be reached, they are added and the point is solved
again by Newton's method (:mod:`ibjax.bottleneck.mixture`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.bottleneck import iteration
from ibjax.bottleneck.annealing import complete, trace
from ibjax.bottleneck.blahut_arimoto import (
    MAX_STEPS,
    default_tol,
    merge_where_known,
    round_up,
)
from ibjax.bottleneck.critical_betas import critical_beta, find_transitions
from ibjax.bottleneck.tables import check_joint
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["InformationCurve", "critical_beta", "information_curve"]


class InformationCurve(NamedTuple):
    r"""Points of the information curve, one for every beta, in the order given.

    Attributes:
      beta: Trade-offs, shape ``[num_betas]``.
      p_t_given_x: Encoders, shape ``[num_betas, num_x, num_t]``.
      i_xt: I(X;T) in nats, shape ``[num_betas]``.
      i_ty: I(T;Y) in nats, shape ``[num_betas]``.
      objective: :math:`I(X;T) - \beta I(T;Y)` in nats, shape ``[num_betas]``.
      gap: Distance of the objective from the least one at most, in nats, shape
        ``[num_betas]``: see :func:`ibjax.bottleneck.optimality_gap`.
      certified: Whether the gap is proven, shape ``[num_betas]``, as it is in all
        tables of up to four labels or four inputs of different p(y|x). Elsewhere it is
        an estimate, which may be too small.
      num_clusters: Clusters that differ: of a weight above 1e-6, with decoders more
        than 1e-3 apart in total variation, int32, shape ``[num_betas]``.
      num_steps: Steps of the last iteration of every point, shape ``[num_betas]``.
      converged: Whether it reached its tolerance, shape ``[num_betas]``.
      critical_beta: Betas at which ``num_clusters`` changes, increasing, shape
        ``[num_transitions]``, to about 0.3 %; closer to a transition, the clusters of
        both sides are too similar to tell apart. Between neighbouring betas with
        different numbers one is reported, the highest. Empty if not requested.
    """

    beta: np.ndarray
    p_t_given_x: np.ndarray
    i_xt: np.ndarray
    i_ty: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    certified: np.ndarray
    num_clusters: np.ndarray
    num_steps: np.ndarray
    converged: np.ndarray
    critical_beta: np.ndarray


def information_curve(
    p_xy: ArrayLike,
    betas: ArrayLike,
    *,
    key: jax.Array | None = None,
    num_restarts: int = 16,
    num_t: int | None = None,
    max_steps: int = MAX_STEPS,
    tol: float | None = None,
    find_critical_betas: bool = True,
) -> InformationCurve:
    """Information curve of a joint table, a point for every beta.

    Solutions are annealed from the largest beta down and, with a ``key``, compared
    with random restarts at every beta. Then each beta takes the best start among all
    solutions found, so that the points lie on a concave curve. See the module for the
    method and :func:`ibjax.bottleneck.blahut_arimoto` for one point, its start, and
    the case that Y is a function of X. All of it is computed in float64; a float32
    table gives the numbers in float32, the gap rounded up.

    With ``num_t`` below the number of clusters of the optimum, the points are the best
    found with so many clusters: a sub-optimal branch, which leaves the curve where the
    optimum splits once more (Tishby and Zaslavsky 2015). Its gap is an upper bound on
    what it loses.

    The function needs the values of the table and of the betas: it works with concrete
    arrays only, not under ``jit``.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``, floating.
      betas: Trade-offs, non-negative, in any order, shape ``[num_betas]``.
      key: Random key for restarts; without one there are none.
      num_restarts: Random restarts at every beta.
      num_t: Clusters at most; as many as inputs of different p(y|x) by default. Fewer
        need a ``key``.
      max_steps: Steps at most of each iteration.
      tol: See :func:`ibjax.bottleneck.blahut_arimoto`.
      find_critical_betas: Whether to look for critical betas between neighbouring
        betas with different numbers of clusters. On a table of hundreds of inputs that
        takes longer than the points.

    Returns:
      The curve, as numpy arrays.

    Raises:
      ValueError: If the table is no distribution, a beta is negative or not finite, or
        ``num_t`` asks for restarts without a key.
      TypeError: If ``p_xy`` is not floating, or traced, or betas are no numbers.

    References:
      Tishby, Pereira and Bialek, `The information bottleneck method`, 1999. Rose,
      `Deterministic annealing for clustering, compression, classification, regression,
      and related optimization problems`, 1998.

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> curve = information_curve(noisy_bit, [1.0, 1.5, 2.0, 4.0])
      >>> print(curve.num_clusters, f"splits at {curve.critical_beta[0]:.2f}")
      [1 1 2 2] splits at 1.56
    """
    p_xy = check_joint(p_xy)
    if checks.is_traced(p_xy):
        raise TypeError("p_xy must be concrete, got a traced array; use blahut_arimoto")
    betas = _check_betas(betas, p_xy.dtype)
    merged = merge_where_known(p_xy)
    num_x = merged.shape[0]
    num_t = num_x if num_t is None else num_t
    checks.count("num_t", num_t)
    checks.count("max_steps", max_steps, 3)
    checks.flag("find_critical_betas", find_critical_betas)
    if tol is not None:
        tol = checks.positive("tol", tol)
    if num_t < num_x and key is None:
        raise ValueError(
            f"num_t below the {num_x} inputs of different p(y|x) needs a key for "
            f"random starts, got num_t={num_t} and none"
        )
    if key is not None:
        checks.key("key", key)
    if key is None:
        num_restarts, key = 0, jax.random.key(0)
    else:
        checks.count("num_restarts", num_restarts)
    options = {
        "max_steps": max_steps,
        "tol": default_tol(np.dtype(np.float64)) if tol is None else tol,
    }
    order = np.argsort(-betas, kind="stable")
    # In float64 whatever the table's type: rounding of float32, times beta, is more
    # than what one solution is better than another.
    exact, merged = (_normalised(table) for table in (p_xy, merged))
    falling = betas[order].astype(np.float64)
    with jax.enable_x64(True):
        points = trace(
            key,
            merged,
            falling,
            num_t=num_t,
            num_restarts=num_restarts,
            **options,
        )
        points, certificate = complete(
            merged, falling, points, extend=num_t >= num_x, **options
        )
        critical = np.zeros(0)
        if find_critical_betas:
            critical = find_transitions(merged, falling, points, **options)
        encoders = _expand(exact, points.clusters, falling)
    back = np.argsort(order, kind="stable")
    fields = {
        "p_t_given_x": encoders,
        "i_xt": points.i_xt,
        "i_ty": points.i_ty,
        "objective": points.objective,
    }
    return InformationCurve(
        beta=betas,
        gap=round_up(certificate.gap, betas.dtype)[back],
        certified=certificate.certified[back],
        num_clusters=points.num_clusters[back],
        num_steps=points.num_steps[back],
        converged=points.converged[back],
        critical_beta=np.asarray(critical, betas.dtype),
        **{n: np.asarray(field, betas.dtype)[back] for n, field in fields.items()},
    )


def _normalised(p_xy) -> np.ndarray:
    """Table in float64, without labels of probability zero, that sums to one."""
    p_xy = np.asarray(p_xy, np.float64)
    p_xy = p_xy[:, p_xy.sum(axis=0) > 0]
    return p_xy / p_xy.sum()


@exact_jit
def _expand(p_xy, clusters, betas):
    """Encoders of all inputs from the clusters of the merged ones, for every beta."""
    source = iteration.make_source(p_xy)
    one = jnp.ones((), p_xy.dtype)
    return lax.map(
        lambda args: iteration.best_encoder(source, *args, one), (clusters, betas)
    )


def _check_betas(betas, dtype) -> np.ndarray:
    try:
        betas = np.asarray(betas, dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"betas must be numbers, got {betas!r:.80}") from error
    checks.shape("betas", betas, ["num_betas"])
    bad = betas[~(np.isfinite(betas) & (betas >= 0))]
    if bad.size:
        raise ValueError(f"betas must be finite and not negative, got {bad[0]}")
    return betas
