"""Samples a critic is trained on: common scale, minibatches."""

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.numerics import checks

__all__ = ["draw_batch", "other_places", "split_sizes", "standardise"]

LARGEST_BATCH = 256
"""Batch size where none is asked for, if there are samples enough."""


def split_sizes(
    num_samples: int, held_out_fraction: float, batch_size: int | None
) -> tuple[int, int]:
    """Number of held-out samples, and the batch size."""
    checks.in_range("held_out_fraction", held_out_fraction, "(0, 1)")
    num_held_out = round(num_samples * held_out_fraction)
    num_train = num_samples - num_held_out
    if min(num_held_out, num_train) < 2:
        raise ValueError(
            "num_samples must leave at least 2 for training and 2 held out, got "
            f"{num_train} and {num_held_out}"
        )
    if batch_size is None:
        # As few batches as can be, and as equal: fewer held-out samples are left over.
        num_batches = -(-num_held_out // min(LARGEST_BATCH, num_train))
        return num_held_out, max(2, num_held_out // num_batches)
    checks.count("batch_size", batch_size, 2)
    if not 2 <= batch_size <= min(num_held_out, num_train):
        raise ValueError(
            "batch_size must be at least 2 and at most the samples for training, "
            f"{num_train}, and those held out, {num_held_out}, got {batch_size}"
        )
    return num_held_out, batch_size


def standardise(samples: jax.Array, num_train: int) -> jax.Array:
    """Mean zero and variance one in every column of the first ``num_train`` samples.

    A column that is constant there becomes zero. Whatever the scale, no square
    overflows.
    """
    train = samples[:num_train]
    constant = jnp.ptp(train, axis=0, keepdims=True) == 0
    samples = samples - jnp.mean(train, axis=0, keepdims=True)
    size = jnp.max(jnp.abs(samples[:num_train]), axis=0, keepdims=True)
    samples = samples / jnp.where(constant, 1.0, size)
    # Again, for what the first mean of large numbers has lost to rounding.
    samples = samples - jnp.mean(samples[:num_train], axis=0, keepdims=True)
    spread = jnp.std(samples[:num_train], axis=0, keepdims=True)
    return jnp.where(constant, 0.0, samples / jnp.where(constant, 1.0, spread))


def draw_batch(
    key: jax.Array, num_train: int, batch_size: int
) -> tuple[jax.Array, jax.Array]:
    """One sample of every stratum, and a random number for :func:`other_places`.

    The first ``num_train`` samples, in random order, are ``batch_size`` strata whose
    sizes differ by at most one. The samples' numbers are ``[batch_size]``, the random
    number is in ``[0, batch_size - 1)``.
    """
    edges = np.arange(batch_size + 1) * num_train // batch_size
    size = jnp.asarray(np.diff(edges), jnp.uint32)
    # One flat draw; the remainder favours small numbers by 1 part in 2^32 / size.
    words = jax.random.bits(key, (batch_size + 1,), jnp.uint32)
    rows = jnp.asarray(edges[:-1], jnp.uint32) + words[:-1] % size
    return rows.astype(jnp.int32), (words[-1] % (batch_size - 1)).astype(jnp.int32)


def other_places(start: jax.Array, num_others: int, batch_size: int) -> jax.Array:
    """Every place in a batch and so many others, ``[batch_size, 1 + num_others]``.

    The others are at the same distances, in a circle, from every place, which change
    with ``start``: each sample is in as many pairs as any other.
    """
    place = jnp.arange(batch_size)[:, None]
    distance = 1 + (start + jnp.arange(num_others)) % (batch_size - 1)
    others = (place + distance[None]) % batch_size
    return jnp.concatenate([place, others], axis=1)
