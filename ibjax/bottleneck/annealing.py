"""Deterministic annealing of the information curve, from large beta to small.

Every point is solved from the clusters of another. Then the certificate says which
points lack a cluster, and which decoder it has: it is added, and the point solved anew,
until the certificate is content. Since it bounds what is still to be gained, the curve
is optimal where it is, and not by a lucky start.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax.bottleneck import iteration
from ibjax.bottleneck.blahut_arimoto import (
    information_of,
    one_cluster_per_input,
    random_encoder,
)
from ibjax.bottleneck.certificate import LARGEST_SEARCH, Certificate, certify
from ibjax.bottleneck.mixture import refine
from ibjax.compilation import exact_jit

__all__ = [
    "LEAST_DISTANCE",
    "LEAST_WEIGHT",
    "Points",
    "compact",
    "complete",
    "solve_from",
    "take",
    "trace",
]

# Clusters lighter than this are not counted, nor those of one decoder twice.
LEAST_WEIGHT = 1e-6
LEAST_DISTANCE = 1e-3
# A gap above is worth another cluster: the curve is to be within it of the optimum.
_TOLERATED_GAP = 1e-9
_EXTENSIONS = 5
# Clusters lighter than this are found anew if they matter.
_SPARE_WEIGHT = 1e-12
# An objective lower by less, times 1 + beta, is so by rounding.
_LEAST_GAIN = 1e-13
# A restart has to find the right valley only: the second pass iterates from the best.
_RESTART_STEPS = 300


class Points(NamedTuple):
    """One solution, or several with a leading axis; fields as in InformationCurve."""

    clusters: iteration.Clusters
    i_xt: jax.Array
    i_ty: jax.Array
    objective: jax.Array
    num_clusters: jax.Array
    num_steps: jax.Array
    converged: jax.Array


@exact_jit(static_argnames=("num_t", "num_restarts", "max_steps", "tol"))
def trace(key, p_xy, betas, *, num_t, num_restarts, max_steps, tol):
    """Points at decreasing betas, ``[num_betas]``."""
    source = iteration.make_source(p_xy)
    solve = partial(solve_from, source, max_steps=max_steps, tol=tol)

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
    """Point that the iteration reaches from some clusters."""
    one = jnp.ones((), source.p_x.dtype)
    fixed = iteration.iterate(source, clusters, beta, one, max_steps=max_steps, tol=tol)
    encoder = iteration.best_encoder(source, fixed.clusters, beta, one)
    i_xt, i_ty = information_of(source, encoder)
    return Points(
        clusters=fixed.clusters,
        i_xt=i_xt,
        i_ty=i_ty,
        objective=i_xt - beta * i_ty,
        num_clusters=_count(fixed.clusters),
        num_steps=fixed.num_steps,
        converged=fixed.converged,
    )


def take(tree, places):
    """Entries ``places`` of the leading axis of every field."""
    return jax.tree.map(lambda field: field[places], tree)


def complete(p_xy, betas, points, *, extend, max_steps, tol):
    """Points with the clusters that a certificate finds missing, and the certificate.

    Without ``extend`` no cluster is added. With it, points need room for as many as
    there are inputs of different p(y|x), which is all that the optimum needs.
    """
    points = jax.tree.map(np.array, points)
    missing = np.zeros((len(betas), p_xy.shape[1]))
    certificate = Certificate(np.zeros(len(betas)), np.ones(len(betas), bool), missing)
    everyone = changed = np.ones(len(betas), bool)
    searched = min(p_xy.shape) <= LARGEST_SEARCH
    for round_ in range(_EXTENSIONS + 1):
        # Ascents find most of what is missing, so the proof comes after them.
        quick = round_ == 0 and extend and searched
        checked = everyone if round_ == 0 or (round_ == 1 and searched) else changed
        now = take(points, checked)
        log_clusters = now.clusters.log_weight, now.clusters.log_decoder
        found = certify(p_xy, betas[checked], *log_clusters, now.objective, quick=quick)
        for field, new in zip(certificate, found, strict=True):
            field[checked] = new
        # A point that was not improved would not be the next time either.
        lacking = checked & (certificate.gap > _TOLERATED_GAP * (1 + betas))
        if not extend or round_ == _EXTENSIONS or not (lacking.any() or quick):
            break
        if not lacking.any():
            continue
        starts = jax.tree.map(np.copy, points.clusters)
        for place in np.flatnonzero(lacking):
            weight, decoder = (np.exp(field[place]) for field in starts)
            suggested = np.concatenate([decoder, certificate.missing[[place]]])
            log_weight, log_decoder = refine(
                p_xy, betas[place], suggested[np.append(weight > _SPARE_WEIGHT, True)]
            )
            starts.log_weight[place] = iteration.NOTHING
            starts.log_weight[place, : len(log_weight)] = log_weight
            starts.log_decoder[place, : len(log_weight)] = log_decoder
        reached = _solve_some(
            p_xy, starts, betas, lacking, points, max_steps=max_steps, tol=tol
        )
        gain = points.objective - np.asarray(reached.objective)
        changed = lacking & (gain > _LEAST_GAIN * (1 + betas))
        for field, new in zip(
            jax.tree.leaves(points), jax.tree.leaves(reached), strict=True
        ):
            field[changed] = np.asarray(new)[changed]
    return points, certificate


@exact_jit(static_argnames=("max_steps", "tol"))
def _solve_some(p_xy, starts, betas, chosen, points, *, max_steps, tol):
    """Points solved from their starts where they are chosen, others as they were."""
    source = iteration.make_source(p_xy)

    def one(args):
        start, beta, is_chosen, point = args
        solve = partial(solve_from, source, max_steps=max_steps, tol=tol)
        return lax.cond(is_chosen, lambda: solve(start, beta), lambda: point)

    return lax.map(one, (starts, betas, chosen, points))


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


def _twins(clusters):
    """Mask of clusters of some weight, and for each the first that it repeats."""
    decoder = jnp.exp(clusters.log_decoder)
    apart = jnp.sum(jnp.abs(decoder[:, None, :] - decoder[None, :, :]), axis=2) / 2
    counts = clusters.log_weight > jnp.log(LEAST_WEIGHT)
    repeats = (apart < LEAST_DISTANCE) & counts[None, :] & counts[:, None]
    number = jnp.arange(len(counts))
    return counts, jnp.where(counts, jnp.argmax(repeats, axis=1), number)
