"""Losses and penalties that networks are trained on."""

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.networks.network import Network, Params

__all__ = ["mean_loss", "orthonormality"]


def orthonormality(params: Params, network: Network) -> jax.Array:
    r"""How far weight arrays are from orthonormal rows or columns.

    :math:`\sum_l \|G_l - I\|_F^2`, where :math:`G_l` is the smaller of
    :math:`W_l W_l^T` and :math:`W_l^T W_l`: zero is within reach then, whether a layer
    widens or narrows.

    Args:
      params: Parameters of the network.
      network: The network; all its weight arrays must be matrices.

    Returns:
      The sum, shape ``[]``.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax import networks
      >>> params = ((2 * jnp.eye(2, 3), jnp.zeros(2)),)
      >>> print(orthonormality(params, networks.mlp([3, 2])))
      18.0
    """
    total = jnp.zeros(())
    for w in network.kernels(params):
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        total += jnp.sum((gram - jnp.eye(len(gram), dtype=w.dtype)) ** 2)
    return total


def mean_loss(logits: jax.Array, targets: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean cross-entropy, in nats.

    Args:
      logits: Shape ``[num_samples, num_classes]``.
      targets: Distribution of the label, shape ``[num_samples, num_classes]``.
      weights: Weight of every sample, shape ``[num_samples]``.

    Returns:
      Mean loss, shape ``[]``.

    Example:
      >>> weights = jnp.array([1.0, 1.0, 0.0])
      >>> value = mean_loss(jnp.zeros((3, 2)), jnp.eye(3, 2), weights)
      >>> print(f"{value:.3f}")  # The logarithm of two.
      0.693
    """
    # With the samples in the last axis, as the networks keep them: in the other
    # layout these few lines cost a CPU more than a whole layer.
    logits, targets = logits.T, targets.T
    logits = logits - lax.stop_gradient(jnp.max(logits, axis=0, keepdims=True))
    log_normalizer = jnp.log(jnp.sum(jnp.exp(logits), axis=0))
    losses = log_normalizer - jnp.sum(targets * logits, axis=0)
    return jnp.sum(losses * weights) / jnp.sum(weights)
