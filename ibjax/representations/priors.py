"""Priors of a code: what its distribution is held against, and what that costs.

A prior is a description of the code that needs no input. The divergence of the code
from it, the rate, bounds I(X;Z) from above, the tighter the nearer the prior is to the
codes' own distribution; a learned one follows them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.numerics import checks
from ibjax.representations.gaussians import (
    gaussian_kl,
    gaussian_log_density,
    relative_gaussian_kl,
)

__all__ = [
    "Prior",
    "class_prior",
    "gaussian_prior",
    "mixture_prior",
    "standard_prior",
]


class Prior(NamedTuple):
    """A prior r(z) of codes, as pure functions of its parameters.

    Attributes:
      init: ``init(key) -> params``.
      rate: ``rate(params, posterior, z, targets)``: divergence in nats of the posterior
        of every input from the prior, ``[num_samples]``, exact or its estimate by the
        draws ``z``. ``targets`` are those of the inputs.
      sample: ``sample(key, params, num_samples)``: codes, ``[num_samples, k]``.
      description: It in words.
      needs_targets: Whether it is another one for every class.
    """

    init: Callable[[jax.Array], Any]
    rate: Callable[..., jax.Array]
    sample: Callable[[jax.Array, Any, int], jax.Array]
    description: str
    needs_targets: bool = False


def standard_prior(dim: int) -> Prior:
    """The standard Gaussian, which has no parameters.

    Args:
      dim: Dimensions of the code.

    Returns:
      The prior.

    Example:
      >>> standard_prior(2).description
      'N(0, I)'
    """
    checks.count("dim", dim)

    def rate(params, posterior, z, targets):
        del params, z, targets
        return gaussian_kl(posterior.mean, posterior.scale)

    return Prior(
        init=lambda key: (),
        rate=rate,
        sample=lambda key, params, num: jax.random.normal(key, (num, dim)),
        description="N(0, I)",
    )


def gaussian_prior(dim: int) -> Prior:
    """A Gaussian with a learned mean and variance of every dimension.

    Args:
      dim: Dimensions of the code.

    Returns:
      The prior; its parameters are the mean and the logarithm of the deviations,
      ``[dim]`` each, of a standard Gaussian before training.

    Example:
      >>> jax.tree.map(jnp.shape, gaussian_prior(2).init(jax.random.key(0)))
      ((2,), (2,))
    """
    checks.count("dim", dim)

    def rate(params, posterior, z, targets):
        del z, targets
        mean, log_std = (array[None] for array in params)
        return relative_gaussian_kl(*posterior, mean, jnp.exp(log_std))

    def sample(key, params, num):
        mean, log_std = (array[None] for array in params)
        return mean + jnp.exp(log_std) * jax.random.normal(key, (num, dim))

    return Prior(
        init=lambda key: (jnp.zeros(dim), jnp.zeros(dim)),
        rate=rate,
        sample=sample,
        description="learned Gaussian",
    )


def mixture_prior(dim: int, num_components: int) -> Prior:
    """A learned mixture of Gaussians with independent dimensions.

    The divergence from it has no closed form and is estimated by the codes drawn: the
    mean over a batch has no bias, while one input's value may be negative.

    Args:
      dim: Dimensions of the code.
      num_components: Number of Gaussians.

    Returns:
      The prior; its parameters are the logits of the weights, ``[num_components]``, and
      means and logarithms of deviations, ``[num_components, dim]`` each.

    Example:
      >>> mixture_prior(2, 10).description
      'learned mixture of 10 Gaussians'
    """
    checks.count("dim", dim)
    checks.count("num_components", num_components)

    def init(key):
        # Apart from each other, or they would stay one.
        means = jax.random.normal(key, (num_components, dim))
        return jnp.zeros(num_components), means, jnp.zeros((num_components, dim))

    def log_density(params, z):
        logits, means, log_stds = params

        def component(mean, log_std):
            mean, log_std = (
                jnp.broadcast_to(a[None], z.shape) for a in (mean, log_std)
            )
            return gaussian_log_density(z, mean, jnp.exp(log_std))

        each = jax.vmap(component)(means, log_stds)
        weights = jax.nn.log_softmax(logits)
        return jax.scipy.special.logsumexp(each + weights[:, None], axis=0)

    def rate(params, posterior, z, targets):
        del targets
        return gaussian_log_density(z, *posterior) - log_density(params, z)

    def sample(key, params, num):
        logits, means, log_stds = params
        key_component, key_normal = jax.random.split(key)
        chosen = jax.random.categorical(key_component, logits, shape=(num,))
        normal = jax.random.normal(key_normal, (num, dim))
        return means[chosen] + jnp.exp(log_stds[chosen]) * normal

    return Prior(init, rate, sample, f"learned mixture of {num_components} Gaussians")


def class_prior(dim: int, num_classes: int, *, learned_std: bool = False) -> Prior:
    r"""A learned Gaussian for every class: the backward encoder b(z|y).

    The rate against it bounds I(X;Z|Y), the information about the input that the label
    does not account for, which can be zero where I(X;Z) = H(Y): training with it is the
    conditional entropy bottleneck.

    Args:
      dim: Dimensions of the code.
      num_classes: Number of classes.
      learned_std: Whether the deviations are learned too. Otherwise they are one: both
        may shrink together without bound.

    Returns:
      The prior; its parameters are means and, if learned, logarithms of deviations,
      ``[num_classes, dim]`` each. Codes are drawn as if classes were equally frequent.

    References:
      Fischer, `The conditional entropy bottleneck`, Entropy 2020.

    Example:
      >>> prior = class_prior(2, 10)
      >>> prior.needs_targets, jax.tree.map(jnp.shape, prior.init(jax.random.key(0)))
      (True, ((10, 2),))
    """
    checks.flag("learned_std", learned_std)
    checks.count("dim", dim)
    checks.count("num_classes", num_classes)
    shape = num_classes, dim

    def init(key):
        means = jax.random.normal(key, shape)
        return (means, jnp.zeros(shape)) if learned_std else (means,)

    def of(params):
        return params[0], jnp.exp(params[1]) if learned_std else jnp.ones(shape)

    def rate(params, posterior, z, targets):
        expected = len(z), num_classes
        checks.shape("targets", targets, expected, why="for a prior of each class")

        def from_class(mean, std):
            return relative_gaussian_kl(*posterior, mean[None], std[None])

        # The mean over the label, where that is not certain.
        return jnp.sum(targets.T * jax.vmap(from_class)(*of(params)), axis=0)

    def sample(key, params, num):
        means, stds = of(params)
        key_class, key_normal = jax.random.split(key)
        chosen = jax.random.randint(key_class, (num,), 0, num_classes)
        normal = jax.random.normal(key_normal, (num, dim))
        return means[chosen] + stds[chosen] * normal

    deviations = "and deviations " if learned_std else ""
    return Prior(
        init, rate, sample, f"learned means {deviations}of {num_classes} classes", True
    )
