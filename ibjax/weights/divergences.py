"""Divergences of noisy weights from their prior, in nats, on pytrees.

Trees are of any structure. What is one number for all weights may be a tree with one
number for each layer: a prefix of the tree of weights, as for ``jax.vmap``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.logarithms import expm1_minus_x, square_minus_log

__all__ = [
    "log_normal_information",
    "mean_field_kl",
    "mean_field_kl_of_logs",
    "optimal_prior_variance",
]


def mean_field_kl(
    mean: Any, std: Any, *, prior_variance: Any, prior_mean: Any = 0.0
) -> jax.Array:
    r"""Divergence of independent Gaussian weights from a Gaussian prior, in nats.

    .. math:: \frac12 \sum_i \Big[ \frac{\sigma_i^2 + (\mu_i - m_i)^2}{\lambda^2}
       - 1 - \log \frac{\sigma_i^2}{\lambda^2} \Big] .

    Args:
      mean: Means of the weights, a pytree of arrays.
      std: Standard deviations, a tree of the same structure and shapes.
      prior_variance: Variance of the prior, a number or a prefix tree of numbers.
      prior_mean: Mean of the prior, such as the weights at initialization: a number or
        a prefix tree of numbers or of arrays of the weights' shapes.

    Returns:
      The divergence, shape ``[]``; infinite for a standard deviation of zero, NaN for a
      negative one.

    Raises:
      ValueError: If trees or shapes do not fit, or a prior variance is not positive.

    References:
      Hinton and van Camp, `Keeping neural networks simple by minimizing the description
      length of the weights`, COLT 1993.

    Example:
      >>> kl = mean_field_kl(jnp.ones(3), jnp.full(3, 0.5), prior_variance=1.0)
      >>> print(f"{kl:.4f} nats")  # 3/2 [0.25 + 1 - 1 - log 0.25]
      2.4544 nats
    """
    return _checked_kl(mean, std, prior_variance, prior_mean, are_logs=False)


def mean_field_kl_of_logs(
    mean: Any, log_std: Any, *, prior_variance: Any, prior_mean: Any = 0.0
) -> jax.Array:
    """:func:`mean_field_kl` from logarithms of standard deviations, of any size.

    It stays finite, with its gradient, where a variance underflows.
    """
    return _checked_kl(mean, log_std, prior_variance, prior_mean, are_logs=True)


def _checked_kl(mean, std, prior_variance, prior_mean, are_logs: bool) -> jax.Array:
    name = "log_std" if are_logs else "std"
    means, stds = _same_leaves(mean, std, name)
    variances = _broadcast("prior_variance", prior_variance, mean)
    for variance in variances:
        checks.positive("prior_variance", variance)
    centres = _centres(prior_mean, mean)
    # Of a variance that float32 does not hold the deviation may be ordinary.
    roots = [jnp.sqrt(v) if checks.is_traced(v) else np.sqrt(v) for v in variances]
    return _kl(means, stds, roots, centres, are_logs)


@exact_jit(static_argnames="are_logs")
def _kl(means, stds, prior_stds, centres, are_logs):
    total = jnp.zeros(())
    for m, s, std, centre in zip(means, stds, prior_stds, centres, strict=True):
        dtype = jnp.result_type(m, s, float)
        m, s, std = (array.astype(dtype) for array in (m, s, std))
        if are_logs:
            spread = expm1_minus_x(2 * (s - jnp.log(std)))
        else:
            spread = square_minus_log(jnp.where(s >= 0, s, jnp.nan), std)
        total += jnp.sum(spread + ((m - centre) / std) ** 2) / 2
    return total


def optimal_prior_variance(mean: Any, std: Any, *, prior_mean: Any = 0.0) -> Any:
    r"""Prior variance of each array that its weights are nearest to.

    The mean over weights of :math:`\sigma_i^2 + (\mu_i - m_i)^2`. A prior that follows
    the posterior is not fixed before the data: a bound on the risk has to pay for it,
    see ``ibjax.weights.pac_bayes.prior_union_cost``.

    Args:
      mean: Means of the weights, a pytree of arrays.
      std: Standard deviations, a tree of the same structure and shapes.
      prior_mean: Mean of the prior, as in :func:`mean_field_kl`.

    Returns:
      A tree of the same structure with one number, shape ``[]``, for each array.

    Raises:
      ValueError: If trees or shapes do not fit.

    Example:
      >>> print(optimal_prior_variance(jnp.array([1.0, -1.0]), jnp.array([0.5, 0.5])))
      1.25
    """
    means, stds = _same_leaves(mean, std)
    centres = _centres(prior_mean, mean)
    found = [
        jnp.mean(s**2 + (m - centre) ** 2)
        for m, s, centre in zip(means, stds, centres, strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(mean), found)


def log_normal_information(alphas: Any) -> jax.Array:
    r"""Information of multiplicative log-normal noise, up to a constant, in nats.

    :math:`-\frac12 \sum_i \log \alpha_i`, the divergence of :math:`w = \epsilon \hat w`
    with :math:`\log \epsilon \sim N(-\alpha / 2, \alpha)` from the log-uniform prior.
    That prior has no norm, so that the constant is arbitrary: only differences between
    noises of the same weights mean something, and no bound on the risk follows.

    Args:
      alphas: Variances of the log of the noise, positive, a pytree of arrays.

    Returns:
      The information, shape ``[]``; infinite without noise.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018, prop. 4.1.

    Example:
      >>> coarse, fine = (log_normal_information(jnp.full(10, a)) for a in (0.4, 0.1))
      >>> print(f"{fine - coarse:.4f} nats")  # 10 log 2
      6.9315 nats
    """
    arrays = [checks.floats("alphas", alpha) for alpha in jax.tree.leaves(alphas)]
    total = sum(jnp.sum(jnp.log(alpha)) for alpha in arrays)
    return jnp.asarray(-total / 2)


def _same_leaves(
    mean: Any, std: Any, name: str = "std"
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Arrays of two trees of one structure and of the same shapes."""
    checks.same_tree(**{"mean": mean, name: std})
    means, stds = (
        [checks.floats(name, leaf) for leaf in jax.tree.leaves(tree)]
        for name, tree in (("mean", mean), (name, std))
    )
    return means, stds


def _centres(prior_mean: Any, mean: Any) -> list[jax.Array]:
    """Means of the prior, of the shapes of the weights or one number."""
    found = _broadcast("prior_mean", prior_mean, mean)
    found = [checks.floats("prior_mean", centre) for centre in found]
    for centre, leaf in zip(found, jax.tree.leaves(mean), strict=True):
        checks.shape("prior_mean", centre, (), jnp.shape(leaf), why="to match mean")
    return found


def _broadcast(name: str, prefix: Any, tree: Any) -> list[Any]:
    """Leaves of a prefix tree, one for every leaf of the full one."""
    try:
        return jax.tree.leaves(jax.tree.broadcast(prefix, tree))
    except ValueError as error:
        raise ValueError(
            f"{name} must be one number or a tree that begins as that of the weights, "
            f"got {jax.tree.structure(prefix)}"
        ) from error
