r"""The information curve: the most that can be known of Y at every I(X;T).

The curve is traced by its slopes: at every trade-off beta, the solution of the
bottleneck is the point where the curve's slope is 1 / beta. Solutions at neighbouring
betas help each other. From a large beta, where every input may have a cluster of its
own, beta is lowered and each solution starts from the one before. Where the dual of the
problem shows that a cluster is missed, because one was given up too early, it is added
with a small weight and the solution found anew. Where a solution from elsewhere on the
curve, or a random restart, does better, it is the start instead.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.bottleneck import iteration
from ibjax.bottleneck.blahut_arimoto import (
    MAX_STEPS,
    default_tol,
    gap_of,
    information_of,
    merge_where_known,
    one_cluster_per_input,
    random_encoder,
)
from ibjax.bottleneck.tables import check_joint

__all__ = [
    "LEAST_DISTANCE",
    "LEAST_WEIGHT",
    "InformationCurve",
    "critical_beta",
    "information_curve",
]

# Share of the perturbation in the next start: small beside every cluster that matters.
_PERTURBATION = 1e-3
# In units of the clusters' tolerance; a larger gap is worth another cluster.
_TOLERATED_GAP = 10.0
_EXTENSIONS = 10
_RESTART_STEPS = 300
# Clusters lighter than this are not counted, nor those of one decoder twice.
LEAST_WEIGHT = 1e-6
LEAST_DISTANCE = 1e-3
# Halvings of the interval in which a critical beta lies, and steps for each. Closer to
# it than these steps resolve, the halves are too much alike to tell.
_BISECTIONS = 12
_BISECTION_STEPS = 1_000


class InformationCurve(NamedTuple):
    r"""Points of the information curve, one for every beta, in the order given.

    Attributes:
      beta: Trade-offs, shape ``[num_betas]``.
      p_t_given_x: Encoders, shape ``[num_betas, num_x, num_t]``.
      i_xt: I(X;T) in nats, shape ``[num_betas]``.
      i_ty: I(T;Y) in nats, shape ``[num_betas]``.
      objective: :math:`I(X;T) - \beta I(T;Y)` in nats, shape ``[num_betas]``.
      gap: What the objective may lie above the least one, from
        :func:`ibjax.bottleneck.optimality_gap`, in nats, shape ``[num_betas]``.
      num_clusters: Clusters that differ: of a weight above 1e-6, with decoders more
        than 1e-3 apart in total variation, int32, shape ``[num_betas]``.
      num_steps: Steps of the last iteration of every point, shape ``[num_betas]``.
      converged: Whether it came to its end, shape ``[num_betas]``.
      critical_beta: Betas at which ``num_clusters`` changes, increasing, shape
        ``[num_transitions]``, found to about 0.3 %, below which the clusters on both
        sides are too much alike. One is reported between neighbouring betas of
        different numbers: the highest. Empty if not asked for.
    """

    beta: np.ndarray
    p_t_given_x: np.ndarray
    i_xt: np.ndarray
    i_ty: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
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
    """The information curve of a joint table, a point for every beta.

    Solutions are annealed from the largest beta down and, with a ``key``, compared
    with random restarts at every beta. Then each beta takes the best start among all
    solutions found, so that the points lie on a concave curve. See the module for the
    method and :func:`ibjax.bottleneck.blahut_arimoto` for one point, its start, and
    the case that Y is a function of X.

    With ``num_t`` below the number of clusters that the optimum has, the points are
    the best found with so many clusters: a sub-optimal branch, which leaves the curve
    where the optimum splits once more (Tishby and Zaslavsky 2015). Its gap is an upper
    bound on what it loses.

    The function plans on the host, with the values of the table and of the betas: it
    works with concrete arrays only, not under ``jit``.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``, floating.
      betas: Trade-offs, non-negative, in any order, shape ``[num_betas]``.
      key: Random key for restarts; without one there are none.
      num_restarts: Random restarts at every beta.
      num_t: Clusters at most; as many as inputs of different p(y|x) by default. Fewer
        need a ``key``.
      max_steps: Steps at most of each iteration.
      tol: See :func:`ibjax.bottleneck.blahut_arimoto`.
      find_critical_betas: Whether to look for them, between neighbouring betas of
        different numbers of clusters. On a table of hundreds of inputs that takes
        longer than the points.

    Returns:
      The curve, as numpy arrays.

    Raises:
      ValueError: If the table is no distribution, a beta is negative or not finite, or
        ``num_t`` asks for restarts without a key.
      TypeError: If ``p_xy`` is not floating, or traced.

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
    if isinstance(p_xy, jax.core.Tracer):
        raise TypeError("p_xy must be concrete, got a traced array; use blahut_arimoto")
    betas = _check_betas(betas, p_xy.dtype)
    merged = merge_where_known(p_xy)
    num_x = merged.shape[0]
    num_t = num_x if num_t is None else num_t
    if num_t < 1:
        raise ValueError(f"num_t must be at least 1, got {num_t}")
    if num_t < num_x and key is None:
        raise ValueError(
            f"num_t below the {num_x} inputs of different p(y|x) needs a key for "
            f"random starts, got num_t={num_t} and none"
        )
    if key is None:
        num_restarts, key = 0, jax.random.key(0)
    elif num_restarts < 1:
        raise ValueError(f"num_restarts must be at least 1, got {num_restarts}")
    options = {
        "max_steps": max_steps,
        "tol": default_tol(p_xy.dtype) if tol is None else tol,
    }
    order = np.argsort(-betas, kind="stable")
    points = _trace(
        key, merged, betas[order], num_t=num_t, num_restarts=num_restarts, **options
    )
    critical = np.zeros(0, betas.dtype)
    if find_critical_betas:
        critical = _find_transitions(merged, betas[order], points, **options)
    encoders = _expand(p_xy, points.clusters, betas[order])
    back = np.argsort(order, kind="stable")
    in_order = {
        name: np.asarray(getattr(points, name))[back]
        for name in InformationCurve._fields
        if name in points._fields
    }
    return InformationCurve(
        beta=betas,
        p_t_given_x=np.asarray(encoders)[back],
        critical_beta=critical,
        **in_order,
    )


def critical_beta(p_xy: ArrayLike) -> jax.Array:
    r"""Beta from which on telling inputs apart pays, however little, shape ``[]``.

    The trivial representation is a local optimum up to :math:`\beta = 1 / \sigma_2^2`,
    with :math:`\sigma_2` the second singular value of :math:`p(x,y) / \sqrt{p(x)p(y)}`:
    the maximal correlation of X and Y. A rare cluster whose decoder is far from p(y)
    can pay from a smaller beta on: the curve then leaves the origin before, by a
    cluster that appears far away with no weight instead of by one that divides. The
    first beta of all is the least ratio of :math:`D(q_X \| p_X)` to
    :math:`D(q_Y \| p_Y)` over the distributions q of X (Anantharam et al. 2013), never
    above this one.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.

    Returns:
      The critical beta; infinite if X and Y are independent.

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


class _Points(NamedTuple):
    clusters: iteration.Clusters
    i_xt: jax.Array
    i_ty: jax.Array
    objective: jax.Array
    gap: jax.Array
    num_clusters: jax.Array
    num_steps: jax.Array
    converged: jax.Array


@partial(jax.jit, static_argnames=("num_t", "num_restarts", "max_steps", "tol"))
def _trace(key, p_xy, betas, *, num_t, num_restarts, max_steps, tol):
    """Points at decreasing betas."""
    source = iteration.make_source(p_xy)

    def solve(clusters, beta):
        return _solve_and_extend(source, clusters, beta, max_steps=max_steps, tol=tol)

    def best_restart(args):
        key, beta = args

        def one_start(key):
            encoder = random_encoder(key, len(source.p_x), num_t, source.p_x.dtype)
            start = iteration.clusters_of(source, encoder)
            steps = min(max_steps, _RESTART_STEPS)
            return _solve(source, start, beta, max_steps=steps, tol=tol)

        points = jax.vmap(one_start)(jax.random.split(key, num_restarts))
        return _take(points, jnp.argmin(points.objective))

    restarted = None
    if num_restarts:
        keys = jax.random.split(key, len(betas))
        restarted = lax.map(best_restart, (keys, betas))
    if num_t < len(source.p_x):
        first = _take(restarted.clusters, 0)
    else:
        first = _pad(one_cluster_per_input(p_xy), num_t)

    def one_pass(starts, annealing):
        def one_beta(clusters, step):
            start, beta = step
            start = jax.tree.map(partial(jnp.where, annealing), clusters, start)
            point = solve(start, beta)
            return point.clusters, point

        _, points = lax.scan(one_beta, first, (starts, betas))
        pool = points
        if restarted is not None:
            pool = jax.tree.map(lambda *f: jnp.concatenate(f), points, restarted)
        return _take(pool.clusters, _best_at_each(betas, pool)), points

    # First each from the one before, then each from the best of all.
    starts = jax.tree.map(lambda f: jnp.broadcast_to(f, betas.shape + f.shape), first)
    _, passes = lax.scan(one_pass, starts, jnp.array([True, False]))
    return _take(passes, 1)


def _solve_and_extend(source, clusters, beta, *, max_steps, tol):
    """The point reached from some clusters, and those that turn out to be missing."""
    solve = partial(_solve, source, beta=beta, max_steps=max_steps, tol=tol)

    def extend(carry):
        start, best, _, rounds = carry
        point = solve(start)
        gap, missing = gap_of(source, point.clusters, beta, point.objective)
        point = point._replace(gap=gap)
        better = point.objective <= best.objective
        best = jax.tree.map(partial(jnp.where, better), point, best)
        more = better & (gap > _TOLERATED_GAP * tol)
        return _with(point.clusters, missing), best, more, rounds + 1

    def extensible(carry):
        _, _, more, rounds = carry
        return more & (rounds < _EXTENSIONS)

    shapes = jax.eval_shape(solve, clusters)
    none = jax.tree.map(lambda field: jnp.zeros(field.shape, field.dtype), shapes)
    none = none._replace(objective=jnp.full_like(none.objective, jnp.inf))
    start = clusters, none, jnp.bool_(True), jnp.int32(0)
    _, point, _, _ = lax.while_loop(extensible, extend, start)
    return point


def _pad(clusters, num_t):
    """With clusters of no weight, up to a number."""
    missing = num_t - len(clusters.log_weight)
    return iteration.Clusters(
        jnp.pad(clusters.log_weight, (0, missing), constant_values=iteration.NOTHING),
        jnp.pad(clusters.log_decoder, ((0, missing), (0, 0)), mode="edge"),
    )


def _take(tree, places):
    return jax.tree.map(lambda field: field[places], tree)


def _solve(source, clusters, beta, *, max_steps, tol):
    """The point that is reached from some clusters."""
    one = jnp.ones((), source.p_x.dtype)
    fixed = iteration.iterate(source, clusters, beta, one, max_steps=max_steps, tol=tol)
    encoder = iteration.best_encoder(source, fixed.clusters, beta, one)
    i_xt, i_ty = information_of(source, encoder)
    return _Points(
        clusters=fixed.clusters,
        i_xt=i_xt,
        i_ty=i_ty,
        objective=i_xt - beta * i_ty,
        gap=jnp.asarray(jnp.nan, source.p_x.dtype),
        num_clusters=_count(fixed.clusters),
        num_steps=fixed.num_steps,
        converged=fixed.converged,
    )


def _best_at_each(betas, points):
    """Which of some points has the least objective at every beta."""
    objectives = points.i_xt[None, :] - betas[:, None] * points.i_ty[None, :]
    return jnp.argmin(objectives, axis=1)


def _with(clusters, log_decoder):
    """Clusters with one more in the place of the least needed."""
    num_t = len(clusters.log_weight)
    clusters = _compact(clusters, num_t)
    added = iteration.Clusters(
        jnp.where(jnp.arange(num_t) == num_t - 1, 0.0, iteration.NOTHING).astype(
            clusters.log_weight.dtype
        ),
        jnp.broadcast_to(log_decoder, clusters.log_decoder.shape),
    )
    return iteration.mix(clusters, added, _PERTURBATION)


def _count(clusters):
    """Clusters of some weight whose decoder no earlier one has."""
    counts, twin = _twins(clusters)
    return jnp.sum(counts & (twin == jnp.arange(len(twin))))


def _twins(clusters):
    """Which clusters are of some weight, and the first that each of them repeats."""
    decoder = jnp.exp(clusters.log_decoder)
    apart = jnp.sum(jnp.abs(decoder[:, None, :] - decoder[None, :, :]), axis=2) / 2
    counts = clusters.log_weight > jnp.log(LEAST_WEIGHT)
    repeats = (apart < LEAST_DISTANCE) & counts[None, :] & counts[:, None]
    number = jnp.arange(len(counts))
    return counts, jnp.where(counts, jnp.argmax(repeats, axis=1), number)


def _compact(clusters, num_t):
    """The heaviest clusters, each with the weight of those that repeat it."""
    _, twin = _twins(clusters)
    same = jax.nn.one_hot(twin, len(twin), dtype=clusters.log_weight.dtype)
    weight = same.T @ jnp.exp(clusters.log_weight)
    heaviest = jnp.argsort(-weight)[:num_t]
    weight = weight[heaviest] / jnp.sum(weight[heaviest])
    return iteration.Clusters(
        iteration.log_or_nothing(weight), clusters.log_decoder[heaviest]
    )


def _find_transitions(p_xy, betas, points, *, max_steps, tol):
    """Betas at which the number of clusters changes, from points at decreasing ones."""
    counts = np.asarray(points.num_clusters)
    places = np.flatnonzero(np.diff(counts) != 0)
    if not len(places):
        return np.zeros(0, betas.dtype)

    high, low = _take(points, places), _take(points, places + 1)
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


@partial(jax.jit, static_argnames=("num_t", "max_steps", "tol"))
def _bisect(p_xy, intervals, counts, *, num_t, max_steps, tol):
    """Halve intervals of beta around a change of the number of clusters."""
    source = iteration.make_source(p_xy)

    def halve(_, carry):
        (above, below, high, low), count = carry
        middle = (high + low) / 2
        # From both sides: a transition with a jump leaves either of them behind.
        points = jax.vmap(
            lambda start: _solve(source, start, middle, max_steps=max_steps, tol=tol)
        )(jax.tree.map(lambda *sides: jnp.stack(sides), above, below))
        best = _take(points, jnp.argmin(points.objective))
        interval = jax.tree.map(
            partial(jnp.where, best.num_clusters == count),
            (best.clusters, below, middle, low),
            (above, best.clusters, high, middle),
        )
        return interval, count

    def one(args):
        (above, below, *bounds), count = args
        sides = (_compact(clusters, num_t) for clusters in (above, below))
        start = (*sides, *bounds), count
        (*_, high, low), _ = lax.fori_loop(0, _BISECTIONS, halve, start)
        return (high + low) / 2

    return lax.map(one, (intervals, counts))


@jax.jit
def _expand(p_xy, clusters, betas):
    source = iteration.make_source(p_xy)
    one = jnp.ones((), p_xy.dtype)
    return lax.map(
        lambda args: iteration.best_encoder(source, *args, one), (clusters, betas)
    )


def _check_betas(betas, dtype) -> np.ndarray:
    betas = np.asarray(betas, dtype)
    if betas.ndim != 1 or not betas.size:
        raise ValueError(f"betas must have shape [num_betas], got {betas.shape}")
    if not (np.isfinite(betas) & (betas >= 0)).all():
        bad = betas[~(np.isfinite(betas) & (betas >= 0))][0]
        raise ValueError(f"betas must be finite and not negative, got {bad}")
    return betas
