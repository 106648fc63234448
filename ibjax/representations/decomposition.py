r"""What the rate of a code is made of: information, dependence, and its dimensions.

For a prior of independent dimensions and the code's own distribution over given
inputs, :math:`q(z) = \frac1N \sum_i q(z|x_i)`,

.. math:: E\, KL(q(z|x) \| p(z)) = I_q(x;z) + KL\Big(q(z) \Big\| \prod_j q(z_j)\Big)
          + \sum_j KL(q(z_j) \| p(z_j)).

The second term is the total correlation of the code. beta weighs all three alike; what
disentangles is the second.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import as_array, check_samples
from ibjax.estimators.whitening import standardize
from ibjax.numerics import checks
from ibjax.numerics.scales import root_of_squares
from ibjax.representations.gaussians import gaussian_kl, gaussian_log_density
from ibjax.representations.information import code_information
from ibjax.representations.variational import Posterior

__all__ = [
    "RateDecomposition",
    "gaussian_total_correlation",
    "marginals",
    "rate_decomposition",
]

# Inputs whose codes are held against all others at once.
_ROWS_AT_ONCE = 8


class RateDecomposition(NamedTuple):
    """Terms of a code's rate against N(0, I), in nats.

    Attributes:
      rate: The rate in closed form, shape ``[]``.
      information: I(X;Z), shape ``[]``.
      total_correlation: That of the code, shape ``[]``.
      dimension_kl: Divergence of every dimension's own distribution from N(0, 1), shape
        ``[k]``.
      error: Standard error, by the draws, of the sum of the three terms, which but for
        the draws is the rate.
    """

    rate: jax.Array
    information: jax.Array
    total_correlation: jax.Array
    dimension_kl: jax.Array
    error: jax.Array


def rate_decomposition(key: jax.Array, posterior: Posterior) -> RateDecomposition:
    """Information, total correlation and divergence by dimension of a Gaussian code.

    Means over one draw of every code; all pairs of inputs are taken, a few rows at a
    time. As an estimate for more inputs than are given, the information is too low,
    log num_samples at most, and the total correlation too high.

    Args:
      key: Draws the codes.
      posterior: Distribution of the code of every input, ``[num_samples, k]``, diagonal
        or full.

    Returns:
      The terms.

    Raises:
      TypeError: If ``key`` is no typed key.

    References:
      Hoffman and Johnson, `ELBO surgery`, 2016. Chen et al., `Isolating sources of
      disentanglement in variational autoencoders`, NeurIPS 2018, eq. 2.

    Example:
      >>> corners = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
      >>> found = rate_decomposition(
      ...     jax.random.key(0), Posterior(10 * corners, jnp.ones((4, 2)))
      ... )
      >>> print(f"{found.information:.3f}")  # log 4.
      1.386
    """
    checks.instance("posterior", posterior, Posterior)
    checks.key("key", key)
    nothing = jnp.zeros(len(posterior.mean), jnp.int32)
    # Draws its codes by the same key, so that the terms add up as they should.
    found = code_information(key, posterior, nothing, num_classes=1)
    return _decomposition(key, posterior, found.i_xz)


@exact_jit
def _decomposition(key, posterior, information):
    z = posterior.sample(key)
    own = gaussian_log_density(z, *posterior)
    mean, std = marginals(posterior)
    log_num = jnp.log(float(len(z)))

    def of_dimensions(z):
        each = norm.logpdf(z[None], mean, std)
        return logsumexp(each, axis=0) - log_num

    # Log density of every dimension by itself, [num_samples, k].
    by_dimension = lax.map(of_dimensions, z, batch_size=_ROWS_AT_ONCE)
    joint = jnp.mean(own) - information
    total_correlation = joint - jnp.sum(jnp.mean(by_dimension, axis=0))
    rates = gaussian_kl(*posterior)
    # By a draw what is a rate in expectation. Inputs are given, so that their rates'
    # own spread is no error.
    excess = own - jnp.sum(norm.logpdf(z), axis=1) - rates
    return RateDecomposition(
        rate=jnp.mean(rates),
        information=information,
        total_correlation=total_correlation,
        dimension_kl=jnp.mean(by_dimension - norm.logpdf(z), axis=0),
        error=jnp.sqrt(jnp.mean(excess**2) / len(z)),
    )


def marginals(posterior: Posterior) -> Posterior:
    """Every dimension of a code by itself: means and standard deviations.

    Args:
      posterior: Distribution of every code, diagonal or full.

    Returns:
      The diagonal one with the same dimensions.

    Example:
      >>> factor = jnp.array([[[3.0, 0.0], [3.0, 4.0]]])
      >>> print(marginals(Posterior(jnp.zeros((1, 2)), factor)).scale)
      [[3. 5.]]
    """
    mean, scale = posterior
    if scale.ndim == mean.ndim:
        return posterior
    return Posterior(mean, root_of_squares(scale))


def gaussian_total_correlation(codes: ArrayLike) -> jax.Array:
    r"""Total correlation that Gaussian codes of these covariances would have, in nats.

    :math:`\frac12 (\sum_i \log C_{ii} - \log |C|)`, with C the covariance of the codes:
    a measure of linear dependence alone. Dimensions that do not vary depend on nothing.

    Args:
      codes: Codes or their means, shape ``[num_samples, k]``, floating.

    Returns:
      The total correlation, shape ``[]``; infinite, or in float32 large, where
      dimensions that vary are linearly dependent, as with fewer samples than
      dimensions.

    Raises:
      ValueError: If the shape is another one, or codes are not finite (outside of
        ``jit``).
      TypeError: If codes are not floating.

    References:
      Locatello et al., `Challenging common assumptions in the unsupervised learning of
      disentangled representations`, ICML 2019, appendix.

    Example:
      >>> codes = jax.random.normal(jax.random.key(0), (5000, 1)) @ jnp.ones((1, 2))
      >>> noise = jax.random.normal(jax.random.key(1), (5000, 2))
      >>> print(f"{gaussian_total_correlation(codes + noise):.2f}")  # 0.144 + error
      0.15
    """
    codes = checks.shape("codes", as_array("codes", codes), ("num_samples", "k"))
    codes = check_samples("codes", codes, 1)
    return _gaussian_total_correlation(codes)


@exact_jit
def _gaussian_total_correlation(codes):
    # At any scale, and zero for a column that does not vary.
    standard, _, count = standardize(codes)
    correlations = standard.T @ standard / jnp.maximum(count - 1, 1)
    correlations = jnp.fill_diagonal(correlations, 1.0, inplace=False)
    return -0.5 * jnp.linalg.slogdet(correlations)[1]
