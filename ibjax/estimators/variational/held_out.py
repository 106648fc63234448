"""The value of a critic on samples it was not trained on, and its standard error."""

import math

import chex
import jax
import jax.numpy as jnp
from jax.nn import logsumexp

from ibjax.estimators.variational import objectives

__all__ = ["held_out_value", "objective_value"]


def objective_value(
    objective: str, scores: tuple[jax.Array, ...], clip: float
) -> jax.Array:
    """An objective by name; ``scores`` are its arguments, ``clip`` is SMILE's."""
    if objective == "smile":
        return objectives.smile(*scores, clip=clip)
    if objective == "mine":
        return objectives.donsker_varadhan(*scores)
    return getattr(objectives, objective)(*scores)


def held_out_value(
    objective: str, scores: jax.Array, clip: float
) -> tuple[jax.Array, jax.Array]:
    r"""An objective pooled over batches of scores, and its standard error, in nats.

    The averages over joint samples and over independent pairs are each over all
    batches, so that the bias of a logarithm is that of all the pairs. For InfoNCE the
    scores compared are those of one batch.

    Pairs share samples, so the standard error is not that of an average over pairs. It
    is the infinitesimal jackknife over samples, :math:`s / \sqrt{n}` for s the standard
    deviation of what a sample adds to the value: its score, less all it adds to the
    second term, as x and as y.

    Scores are ``[num_batches, batch, batch]``, joint samples on the diagonals.

    References:
      Efron, `The jackknife, the bootstrap and other resampling plans`, 1982, ch. 6.
    """
    num_batches, batch, _ = scores.shape
    chex.assert_shape(scores, (num_batches, batch, batch))
    joint = jnp.diagonal(scores, axis1=1, axis2=2)
    if objective == "infonce":
        log_sum = logsumexp(scores, axis=2, keepdims=True)
        share = jnp.exp(scores - log_sum)
        log_share = joint - log_sum[:, :, 0]
        value = jnp.mean(log_share) + math.log(scores.shape[2])
        added = log_share - jnp.sum(share, axis=1)
    else:
        by_x, by_y = (
            jax.vmap(objectives.off_diagonal)(matrix)
            for matrix in (scores, jnp.swapaxes(scores, 1, 2))
        )
        value = objective_value(objective, (joint.reshape(-1), by_x), clip)
        # Below, by_x and by_y become what every pair adds to the second term.
        if objective == "club":
            pass
        elif objective == "nwj":
            by_x, by_y = jnp.exp(by_x - 1), jnp.exp(by_y - 1)
        else:
            limit = clip if objective == "smile" else math.inf
            by_x, by_y = (jnp.clip(pairs, -limit, limit) for pairs in (by_x, by_y))
            log_mean = logsumexp(by_x) - math.log(by_x.size)
            by_x, by_y = jnp.exp(by_x - log_mean), jnp.exp(by_y - log_mean)
        added = joint - jnp.mean(by_x, axis=2) - jnp.mean(by_y, axis=2)
    return value, jnp.std(added, ddof=1) / math.sqrt(added.size)
