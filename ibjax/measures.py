r"""Information measures of known discrete distributions, in nats.

Every function takes one distribution, given as a table of probabilities, and returns
one number; ``jax.vmap`` makes a batch of it. Cells of probability zero add nothing
and have a finite gradient. Values are not checked: a table that does not sum to one
gives the formula's value for that table, and NaN gives NaN.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = [
    "NATS_PER_BIT",
    "conditional_entropy",
    "entropy",
    "kl_divergence",
    "mutual_information",
]

NATS_PER_BIT = math.log(2.0)
"""Nats in a bit: an information in nats, divided by this, is in bits."""


def entropy(p: ArrayLike) -> jax.Array:
    r"""Entropy :math:`H(X) = -\sum_x p(x) \log p(x)`, in nats.

    Args:
      p: Probabilities, any shape; the whole array is one distribution.

    Returns:
      Entropy in nats, shape ``[]``. Divide by :data:`NATS_PER_BIT` for bits.

    Raises:
      TypeError: If ``p`` is not floating, e.g. a table of counts.

    References:
      Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006, sec. 2.1.

    Example:
      >>> print(f"{entropy([0.5, 0.5, 0.0]):.4f} nats")
      0.6931 nats
    """
    p = _probabilities("p", p)
    # Not p > 0, which is false of NaN as well: NaN is to stay NaN.
    empty = p <= 0
    return -jnp.sum(jnp.where(empty, 0.0, p * jnp.log(jnp.where(empty, 1.0, p))))


def kl_divergence(p: ArrayLike, q: ArrayLike) -> jax.Array:
    r"""Kullback-Leibler divergence :math:`\sum_x p(x) \log [p(x) / q(x)]`, in nats.

    Args:
      p: Probabilities, any shape.
      q: Probabilities of the same shape.

    Returns:
      Divergence in nats, shape ``[]``; infinite where ``p`` puts mass and ``q`` none.

    Raises:
      ValueError: If the shapes differ.
      TypeError: If either is not floating.

    References:
      Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006, sec. 2.3.

    Example:
      >>> print(f"{kl_divergence([0.5, 0.5], [0.9, 0.1]):.4f} nats")
      0.5108 nats
    """
    p, q = _probabilities("p", p), _probabilities("q", q)
    checks.same_shape(p=p, q=q)
    # Not p > 0, which is false of NaN as well: NaN is to stay NaN, in either.
    empty = (p <= 0) & ~jnp.isnan(q)
    log_ratio = jnp.log(jnp.where(empty, 1.0, p)) - jnp.log(jnp.where(empty, 1.0, q))
    return jnp.sum(jnp.where(empty, 0.0, p * log_ratio))


def mutual_information(p_xy: ArrayLike) -> jax.Array:
    r"""Mutual information :math:`I(X;Y)` of a joint distribution, in nats.

    Computes :math:`\sum_{xy} p(x,y) \log [p(x,y) / (p(x)\,p(y))]`.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.

    Returns:
      Mutual information in nats, shape ``[]``.

    Raises:
      ValueError: If ``p_xy`` does not have rank 2.
      TypeError: If ``p_xy`` is not floating, e.g. a table of counts.

    References:
      Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006, sec. 2.3.

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> print(f"{mutual_information(noisy_bit):.4f} nats")
      0.3681 nats
    """
    p_xy = _joint(p_xy)
    p_x = jnp.sum(p_xy, axis=1, keepdims=True)
    p_y = jnp.sum(p_xy, axis=0, keepdims=True)
    product = p_x * p_y
    # In rare cells the product is out of range, and its logarithm is not.
    rare = (p_xy > 0) & (product < jnp.finfo(product.dtype).tiny)
    log_p, log_x, log_y = (jnp.log(jnp.where(rare, p, 1.0)) for p in (p_xy, p_x, p_y))
    of_rare = jnp.sum(jnp.where(rare, p_xy * (log_p - log_x - log_y), 0.0))
    return kl_divergence(p_xy, jnp.where(rare, p_xy, product)) + of_rare


def conditional_entropy(p_xy: ArrayLike) -> jax.Array:
    r"""Conditional entropy :math:`H(Y|X) = -\sum_{xy} p(x,y) \log p(y|x)`, in nats.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.

    Returns:
      Entropy of the column variable given the row variable, in nats, shape ``[]``.

    Raises:
      ValueError: If ``p_xy`` does not have rank 2.
      TypeError: If ``p_xy`` is not floating.

    References:
      Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006, sec. 2.2.

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> print(f"{conditional_entropy(noisy_bit):.4f} nats")
      0.3251 nats
    """
    p_xy = _joint(p_xy)
    p_x = jnp.broadcast_to(jnp.sum(p_xy, axis=1, keepdims=True), p_xy.shape)
    return -kl_divergence(p_xy, p_x)


def _probabilities(name: str, p: ArrayLike) -> jax.Array:
    p = checks.floating(name, checks.numeric(name, p), hint="divide counts by n")
    return jnp.asarray(p)


def _joint(p_xy: ArrayLike) -> jax.Array:
    p_xy = _probabilities("p_xy", p_xy)
    if p_xy.ndim != 2:
        raise ValueError(f"p_xy must have shape [num_x, num_y], got {p_xy.shape}")
    return p_xy
