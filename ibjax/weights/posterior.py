"""Posteriors over the weights of a network, every weight by itself."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, full_precision
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.weights.divergences import mean_field_kl_of_logs, optimal_prior_variance
from ibjax.weights.likelihood import share_wrong

__all__ = [
    "AnyPosterior",
    "LogNormalPosterior",
    "Posterior",
    "gibbs_error",
    "init_log_normal_posterior",
    "init_posterior",
    "kl",
    "sample",
]


class Posterior(NamedTuple):
    """Independent Gaussian weights.

    Attributes:
      mean: Means, a pytree of arrays.
      log_std: Logarithms of the standard deviations, a tree of the same structure.
    """

    mean: Any
    log_std: Any

    @property
    def std(self) -> Any:
        """Standard deviations."""
        return jax.tree.map(jnp.exp, self.log_std)

    def weights(self, noise: Any) -> Any:
        """Weights for standard normal numbers, a tree of the same structure."""
        return jax.tree.map(lambda m, s, z: m + s * z, self.mean, self.std, noise)


class LogNormalPosterior(NamedTuple):
    r"""Independent weights that are multiplied by log-normal noise of mean one.

    :math:`w = \epsilon \hat w` with :math:`\log \epsilon \sim N(-\alpha / 2,
    \alpha)`. The variance :math:`\alpha` is at most one: more would hide the weight,
    and nothing would keep the noise of a weight that no output needs from growing for
    ever.

    Attributes:
      mean: Means :math:`\hat w`, a pytree of arrays.
      logit: :math:`\log \alpha / (1 - \alpha)`, a tree of the same structure.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018, sec. 4.
    """

    mean: Any
    logit: Any

    @property
    def alpha(self) -> Any:
        """Variances of the logarithm of the noise, in (0, 1)."""
        return jax.tree.map(jax.nn.sigmoid, self.logit)

    @property
    def std(self) -> Any:
        """Standard deviations of the weights."""

        def of_array(mean, alpha):
            # A variance that underflows must not have an infinite slope.
            least = jnp.finfo(alpha.dtype).tiny
            return jnp.abs(mean) * jnp.sqrt(jnp.maximum(jnp.expm1(alpha), least))

        return jax.tree.map(of_array, self.mean, self.alpha)

    def weights(self, noise: Any) -> Any:
        """Weights for standard normal numbers, a tree of the same structure."""

        def of_array(mean, logit, z):
            log_alpha = jax.nn.log_sigmoid(logit)
            return mean * jnp.exp(jnp.exp(log_alpha / 2) * z - jnp.exp(log_alpha) / 2)

        return jax.tree.map(of_array, self.mean, self.logit, noise)


AnyPosterior = Posterior | LogNormalPosterior
"""A posterior over weights: a mean and a standard deviation for each."""


def init_posterior(params: Any, *, std: ArrayLike) -> Posterior:
    """Posterior around some weights, with one standard deviation for all.

    Args:
      params: The weights, a pytree of arrays.
      std: Standard deviation, positive; it may be traced.

    Returns:
      The posterior.

    Raises:
      ValueError: If ``std`` is not positive, or there are no weights.

    Example:
      >>> posterior = init_posterior({"w": jnp.ones(2)}, std=1.0)
      >>> print(posterior.mean["w"], posterior.std["w"])
      [1. 1.] [1. 1.]
    """
    std = checks.positive("std", std)
    checks.not_empty_tree("params", params, "weight")
    # Whole numbers too have deviations that are none.
    params = jax.tree.map(lambda w: checks.floats("params", w), params)
    log_std = jax.tree.map(lambda w: jnp.full_like(w, jnp.log(std)), params)
    return Posterior(params, log_std)


def init_log_normal_posterior(params: Any, *, std: ArrayLike) -> LogNormalPosterior:
    """Log-normal noise on some weights, of one relative size for all.

    Args:
      params: The weights, a pytree of arrays.
      std: Standard deviation of a weight over its size, in (0, 1.31), where the
        variance of the logarithm is one; it may be traced.

    Returns:
      The posterior.

    Raises:
      ValueError: If ``std`` is out of range, or there are no weights.

    Example:
      >>> posterior = init_log_normal_posterior({"w": jnp.array([1.0, -2.0])}, std=0.5)
      >>> print(posterior.std["w"].round(3))
      [0.5 1. ]
      >>> print(f"{posterior.alpha['w'][0]:.4f}")  # log(1 + 0.5^2)
      0.2231
    """
    std = checks.in_range("std", std, "(0, 1.31)")
    checks.not_empty_tree("params", params, "weight")
    params = jax.tree.map(lambda w: checks.floats("params", w), params)
    alpha = jnp.log1p(jnp.square(std))
    logit = jnp.log(alpha) - jnp.log1p(-alpha)
    return LogNormalPosterior(
        params, jax.tree.map(lambda w: jnp.full_like(w, logit), params)
    )


def sample(key: jax.Array, posterior: AnyPosterior) -> Any:
    """One draw of all weights.

    Args:
      key: Draws the weights.
      posterior: The posterior.

    Returns:
      Weights, a tree like ``posterior.mean``.

    Raises:
      TypeError: If ``key`` is no typed key.

    Example:
      >>> posterior = init_posterior({"w": jnp.ones(3)}, std=0.1)
      >>> sample(jax.random.key(0), posterior)["w"].shape
      (3,)
    """
    checks.instance("posterior", posterior, Posterior, LogNormalPosterior)
    checks.key("key", key)
    # One flat draw: compiling a draw costs far more than running it.
    flat, as_tree = ravel_pytree(posterior.std)
    return posterior.weights(as_tree(jax.random.normal(key, flat.shape, flat.dtype)))


def kl(
    posterior: Posterior, *, prior_variance: Any = None, prior_mean: Any = 0.0
) -> jax.Array:
    """Information in the weights: the divergence from a Gaussian prior, in nats.

    Args:
      posterior: The posterior, a Gaussian one: log-normal noise never takes a weight
        through zero, so that the divergence of a weight of zero would be infinite.
      prior_variance: Variance of the prior, a number or a prefix tree of numbers; None
        for the best one of every array, which the data choose and a bound on the risk
        has to pay for.
      prior_mean: Mean of the prior, as in :func:`ibjax.weights.mean_field_kl`.

    Returns:
      The divergence, shape ``[]``.

    Raises:
      ValueError: If trees do not fit, or a variance is not positive.

    Example:
      >>> posterior = init_posterior(jnp.ones(3), std=0.5)
      >>> print(f"{kl(posterior, prior_variance=1.0):.4f} {kl(posterior):.4f} nats")
      2.4544 2.4142 nats
    """
    checks.instance("posterior", posterior, Posterior)
    mean, log_std = posterior
    if prior_variance is None:
        prior_variance = optimal_prior_variance(
            mean, posterior.std, prior_mean=prior_mean
        )
    return mean_field_kl_of_logs(
        mean, log_std, prior_variance=prior_variance, prior_mean=prior_mean
    )


@full_precision
def gibbs_error(
    key: jax.Array,
    posterior: AnyPosterior,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    network: Network,
    num_draws: int,
) -> jax.Array:
    """Share of wrong predictions, over samples and over draws of all the weights.

    Every draw is of weights that all samples share, as
    :func:`ibjax.weights.pac_bayes.monte_carlo_error` asks for. A network that has
    diverged predicts nothing: its error is NaN.

    Args:
      key: Draws the weights.
      posterior: The posterior.
      x: Inputs, shape ``[num_samples, ...]``.
      labels: Classes, integers of shape ``[num_samples]``.
      network: The network, with weights as the posterior has them and no state.
      num_draws: Number of draws.

    Returns:
      The share, shape ``[]``; NaN where a logit of any draw is not finite.

    Raises:
      ValueError: If shapes do not fit, labels are outside of the classes, or
        ``num_draws`` is not positive.
      TypeError: If ``key`` is no typed key, or labels are no integers.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([1, 2])
      >>> weights = ((jnp.array([[0.0], [1.0]]), jnp.zeros(2)),)
      >>> posterior = init_posterior(weights, std=1e-3)
      >>> x, labels = jnp.array([[1.0], [-1.0], [2.0], [3.0]]), jnp.array([1, 0, 1, 0])
      >>> print(
      ...     gibbs_error(
      ...         jax.random.key(0), posterior, x, labels, network=network, num_draws=5
      ...     )
      ... )
      0.25
    """
    checks.instance("network", network, Network)
    checks.instance("posterior", posterior, Posterior, LogNormalPosterior)
    checks.key("key", key)
    x = checks.shape("x", checks.jax_array("x", x), ("num_samples", "*shape"))
    labels = checks.integers("labels", checks.jax_array("labels", labels))
    checks.shape("labels", labels, (len(x),), why="to match x")

    def logits(weights, x):
        return network.activations(weights, x)[-1]

    found = shapes_of("network", logits, posterior=posterior.mean, x=x)
    checks.indices("labels", labels, found.shape[1])
    checks.count("num_draws", num_draws)
    return _error(key, posterior, x, labels, network.activations, num_draws)


@exact_jit(static_argnames=("activations", "num_draws"))
def _error(key, posterior, x, labels, activations, num_draws):
    def one(key):
        return share_wrong(activations(sample(key, posterior), x)[-1], labels)

    return jnp.mean(lax.map(one, jax.random.split(key, num_draws)))
