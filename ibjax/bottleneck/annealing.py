"""Deterministic annealing of the information curve, from large beta to small.

Every point is solved from the clusters of another, with some added or taken away.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.bottleneck import iteration
from ibjax.bottleneck.blahut_arimoto import (
    gap_of,
    information_of,
    one_cluster_per_input,
    random_encoder,
)
from ibjax.compilation import exact_jit

__all__ = [
    "LEAST_DISTANCE",
    "LEAST_WEIGHT",
    "Points",
    "compact",
    "solve_from",
    "take",
    "trace",
]

# Clusters lighter than this are not counted, nor those of one decoder twice.
LEAST_WEIGHT = 1e-6
LEAST_DISTANCE = 1e-3
# Share of the perturbation in the next start: small beside every cluster that matters.
_PERTURBATION = 1e-3
# In units of the clusters' tolerance; a larger gap is worth another cluster.
_TOLERATED_GAP = 10.0
_EXTENSIONS = 10
# A restart has to find the right valley only: the second pass iterates from the best.
_RESTART_STEPS = 300


class Points(NamedTuple):
    """One solution, or several with a leading axis; fields as in InformationCurve."""

    clusters: iteration.Clusters
    i_xt: jax.Array
    i_ty: jax.Array
    objective: jax.Array
    gap: jax.Array
    num_clusters: jax.Array
    num_steps: jax.Array
    converged: jax.Array


@exact_jit(static_argnames=("num_t", "num_restarts", "max_steps", "tol"))
def trace(key, p_xy, betas, *, num_t, num_restarts, max_steps, tol):
    """Points at decreasing betas, ``[num_betas]``."""
    source = iteration.make_source(p_xy)

    def solve(clusters, beta):
        return _solve_and_extend(source, clusters, beta, max_steps=max_steps, tol=tol)

    def best_restart(args):
        key, beta = args

        def one_start(key):
            encoder = random_encoder(key, len(source.p_x), num_t, source.p_x.dtype)
            start = iteration.clusters_of(source, encoder)
            steps = min(max_steps, _RESTART_STEPS)
            return solve_from(source, start, beta, max_steps=steps, tol=tol)

        points = jax.vmap(one_start)(jax.random.split(key, num_restarts))
        return take(points, jnp.argmin(points.objective))

    # Restarts of one beta at once, betas one by one: memory holds one beta's.
    restarted = None
    if num_restarts:
        keys = jax.random.split(key, len(betas))
        restarted = lax.map(best_restart, (keys, betas))
    # With fewer clusters than inputs there is no T = X to anneal from.
    if num_t < len(source.p_x):
        first = take(restarted.clusters, 0)
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
        return take(pool.clusters, _best_at_each(betas, pool)), points

    # First each from the one before, then each from the best of all. Both passes are
    # one scan, so that the solver is compiled once.
    starts = jax.tree.map(lambda f: jnp.broadcast_to(f, betas.shape + f.shape), first)
    _, passes = lax.scan(one_pass, starts, jnp.array([True, False]))
    return take(passes, 1)


def solve_from(source, clusters, beta, *, max_steps, tol):
    """Point that the iteration reaches from some clusters; its gap is not computed."""
    one = jnp.ones((), source.p_x.dtype)
    fixed = iteration.iterate(source, clusters, beta, one, max_steps=max_steps, tol=tol)
    encoder = iteration.best_encoder(source, fixed.clusters, beta, one)
    i_xt, i_ty = information_of(source, encoder)
    return Points(
        clusters=fixed.clusters,
        i_xt=i_xt,
        i_ty=i_ty,
        objective=i_xt - beta * i_ty,
        gap=jnp.asarray(jnp.nan, source.p_x.dtype),
        num_clusters=_count(fixed.clusters),
        num_steps=fixed.num_steps,
        converged=fixed.converged,
    )


def take(tree, places):
    """Entries ``places`` of the leading axis of every field."""
    return jax.tree.map(lambda field: field[places], tree)


def _solve_and_extend(source, clusters, beta, *, max_steps, tol):
    """Point reached from some clusters, with those added that the dual finds missing.

    A cluster that was given up at a larger beta cannot come back by itself, since its
    weight is zero; the gap shows that it is missing and where it lies.
    """
    solve = partial(solve_from, source, beta=beta, max_steps=max_steps, tol=tol)

    def extend(carry):
        start, best, _, rounds = carry
        point = solve(start)
        gap, missing = gap_of(source, point.clusters, beta, point.objective)
        point = point._replace(gap=gap)
        # An addition that made things worse ends the search and is undone.
        better = point.objective <= best.objective
        best = jax.tree.map(partial(jnp.where, better), point, best)
        more = better & (gap > _TOLERATED_GAP * tol)
        return _with_one_more(point.clusters, missing), best, more, rounds + 1

    def extensible(carry):
        _, _, more, rounds = carry
        return more & (rounds < _EXTENSIONS)

    shapes = jax.eval_shape(solve, clusters)
    none = jax.tree.map(lambda field: jnp.zeros(field.shape, field.dtype), shapes)
    none = none._replace(objective=jnp.full_like(none.objective, jnp.inf))
    start = clusters, none, jnp.bool_(True), jnp.int32(0)
    _, point, _, _ = lax.while_loop(extensible, extend, start)
    return point


def _best_at_each(betas, points):
    """Index of the point with the least objective, for every beta."""
    objectives = points.i_xt[None, :] - betas[:, None] * points.i_ty[None, :]
    return jnp.argmin(objectives, axis=1)


def _count(clusters):
    """Number of clusters of some weight with decoders that differ."""
    counts, twin = _twins(clusters)
    return jnp.sum(counts & (twin == jnp.arange(len(twin))))


def compact(clusters, num_t):
    """Heaviest ``num_t`` clusters, each with the weight of those that repeat it."""
    _, twin = _twins(clusters)
    same = jax.nn.one_hot(twin, len(twin), dtype=clusters.log_weight.dtype)
    weight = same.T @ jnp.exp(clusters.log_weight)
    heaviest = jnp.argsort(-weight)[:num_t]
    weight = weight[heaviest] / jnp.sum(weight[heaviest])
    return iteration.Clusters(
        iteration.log_or_nothing(weight), clusters.log_decoder[heaviest]
    )


def _pad(clusters, num_t):
    """Clusters filled up to ``num_t`` with some of no weight."""
    missing = num_t - len(clusters.log_weight)
    return iteration.Clusters(
        jnp.pad(clusters.log_weight, (0, missing), constant_values=iteration.NOTHING),
        jnp.pad(clusters.log_decoder, ((0, missing), (0, 0)), mode="edge"),
    )


def _with_one_more(clusters, log_decoder):
    """Clusters with one more, of decoder ``[num_y]``, in the place of the lightest."""
    num_t = len(clusters.log_weight)
    clusters = compact(clusters, num_t)
    added = iteration.Clusters(
        jnp.where(jnp.arange(num_t) == num_t - 1, 0.0, iteration.NOTHING).astype(
            clusters.log_weight.dtype
        ),
        jnp.broadcast_to(log_decoder, clusters.log_decoder.shape),
    )
    return iteration.mix(clusters, added, _PERTURBATION)


def _twins(clusters):
    """Mask of clusters of some weight, and for each the first that it repeats."""
    decoder = jnp.exp(clusters.log_decoder)
    apart = jnp.sum(jnp.abs(decoder[:, None, :] - decoder[None, :, :]), axis=2) / 2
    counts = clusters.log_weight > jnp.log(LEAST_WEIGHT)
    repeats = (apart < LEAST_DISTANCE) & counts[None, :] & counts[:, None]
    number = jnp.arange(len(counts))
    return counts, jnp.where(counts, jnp.argmax(repeats, axis=1), number)
