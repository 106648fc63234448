"""The clusters of a solution: how many differ, and with more or fewer of them."""

import jax
import jax.numpy as jnp

from ibjax.bottleneck import iteration

__all__ = ["LEAST_DISTANCE", "LEAST_WEIGHT", "compact", "count", "pad", "with_one_more"]

# Clusters lighter than this are not counted, nor those of one decoder twice.
LEAST_WEIGHT = 1e-6
LEAST_DISTANCE = 1e-3
# Share of the perturbation in the next start: small beside every cluster that matters.
_PERTURBATION = 1e-3


def count(clusters):
    """Clusters of some weight whose decoder no earlier one has."""
    counts, twin = _twins(clusters)
    return jnp.sum(counts & (twin == jnp.arange(len(twin))))


def compact(clusters, num_t):
    """The heaviest clusters, each with the weight of those that repeat it."""
    _, twin = _twins(clusters)
    same = jax.nn.one_hot(twin, len(twin), dtype=clusters.log_weight.dtype)
    weight = same.T @ jnp.exp(clusters.log_weight)
    heaviest = jnp.argsort(-weight)[:num_t]
    weight = weight[heaviest] / jnp.sum(weight[heaviest])
    return iteration.Clusters(
        iteration.log_or_nothing(weight), clusters.log_decoder[heaviest]
    )


def pad(clusters, num_t):
    """With clusters of no weight, up to a number."""
    missing = num_t - len(clusters.log_weight)
    return iteration.Clusters(
        jnp.pad(clusters.log_weight, (0, missing), constant_values=iteration.NOTHING),
        jnp.pad(clusters.log_decoder, ((0, missing), (0, 0)), mode="edge"),
    )


def with_one_more(clusters, log_decoder):
    """Clusters with one more in the place of the least needed."""
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
    """Which clusters are of some weight, and the first that each of them repeats."""
    decoder = jnp.exp(clusters.log_decoder)
    apart = jnp.sum(jnp.abs(decoder[:, None, :] - decoder[None, :, :]), axis=2) / 2
    counts = clusters.log_weight > jnp.log(LEAST_WEIGHT)
    repeats = (apart < LEAST_DISTANCE) & counts[None, :] & counts[:, None]
    number = jnp.arange(len(counts))
    return counts, jnp.where(counts, jnp.argmax(repeats, axis=1), number)
