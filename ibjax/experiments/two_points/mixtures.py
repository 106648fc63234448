r"""Codes of one dimension of a few inputs: exact numbers, by quadrature.

Inputs of equal weight whose codes are Gaussians :math:`q(z|x_i) = N(m_i, s_i^2)` have
the mixture :math:`q(z) = \frac1n \sum_i q(z|x_i)`. A mean over it is a mean over the
Gaussians, each of which is integrated in its own units by the trapezoidal rule, which
for what is smooth and ends in zero is right to rounding.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from ibjax.compilation import exact_jit

__all__ = [
    "code_discrepancy",
    "code_divergence",
    "expected",
    "log_code_density",
    "standard_nodes",
]


def standard_nodes(num_nodes: int = 2001) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights, which add up to one, for a mean over N(0, 1).

    Example:
      >>> nodes, weights = standard_nodes()
      >>> print(f"{np.sum(weights * nodes**4):.6f}")
      3.000000
    """
    nodes = np.linspace(-9.0, 9.0, num_nodes)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def expected(
    value: Callable[[jax.Array], jax.Array], mean: jax.Array, std: jax.Array
) -> jax.Array:
    """Mean of a function over every input's code.

    Args:
      value: From codes, ``[num_nodes]``, to numbers, ``[num_inputs, num_nodes]`` for
        every input or ``[num_nodes]`` for all.
      mean: Means of the codes, ``[num_inputs]``.
      std: Their deviations, ``[num_inputs]``.

    Returns:
      Means, ``[num_inputs]``; of inputs' own functions each is over its own code.
    """
    nodes, weights = (jnp.asarray(a, mean.dtype) for a in standard_nodes())

    def of_input(number, mean, std):
        found = value(mean + std * nodes)
        return jnp.sum(weights * (found[number] if found.ndim > 1 else found))

    return jax.vmap(of_input)(jnp.arange(len(mean)), mean, std)


def log_code_density(z: jax.Array, mean: jax.Array, std: jax.Array) -> jax.Array:
    """Logarithm of the mixture's density, ``[num_points]`` for ``z`` of that shape."""
    each = norm.logpdf(z[None], mean[:, None], std[:, None])
    return logsumexp(each, axis=0) - jnp.log(float(len(mean)))


@exact_jit
def code_divergence(mean: jax.Array, std: jax.Array) -> jax.Array:
    """KL divergence of the mixture from N(0, 1), in nats.

    Example:
      >>> value = code_divergence(jnp.array([1.0, 1.0]), jnp.array([0.5, 0.5]))
      >>> print(f"{value:.5f}")
      0.81815
    """

    def log_ratio(z):
        return log_code_density(z, mean, std) - norm.logpdf(z)

    return jnp.mean(expected(log_ratio, mean, std))


@exact_jit
def code_discrepancy(
    mean: jax.Array, std: jax.Array, bandwidth: float | jax.Array
) -> jax.Array:
    """Squared maximum mean discrepancy of the mixture from N(0, 1), in closed form.

    Example:
      >>> value = code_discrepancy(jnp.ones(2), jnp.ones(2), 1.0)
      >>> print(f"{value:.4f}")
      0.1773
    """

    def kernel(variance, difference):
        total = bandwidth**2 + variance
        height = bandwidth / jnp.sqrt(total)
        return height * jnp.exp(-(difference**2) / (2 * total))

    pairs = kernel(std[:, None] ** 2 + std[None] ** 2, mean[:, None] - mean[None])
    between = kernel(std**2 + 1.0, mean)
    return jnp.mean(pairs) + kernel(2.0, 0.0) - 2 * jnp.mean(between)
