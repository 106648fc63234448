r"""Variational bounds on mutual information as functions of a critic's scores.

A critic gives every pair a score :math:`T(x, y)`. A bound compares its mean over joint
samples (the expectation :math:`E_p`) with its size over pairs drawn independently
(:math:`E_q`), which are joint samples put together anew:

==================  ========================================================  ==========
Donsker-Varadhan    :math:`E_p T - \log E_q e^T`                              below
NWJ                 :math:`E_p T - E_q e^{T - 1}`                             below
InfoNCE             :math:`E_p T(x_i, y_i) - \log \frac1B \sum_j
                    e^{T(x_i, y_j)}`                                          below
SMILE               :math:`E_p T - \log E_q e^{clip(T, -\tau, \tau)}`         neither
CLUB                :math:`E_p T - E_q T` for :math:`T = \log q(y|x)`         above
==================  ========================================================  ==========

They are reached by :math:`T = \log p(x, y) / p(x) p(y)` plus any constant for
Donsker-Varadhan, plus one for NWJ, plus any function of x for InfoNCE (and then only in
the limit of large batches: it never exceeds the log of the number of scores compared).
CLUB is above I(X;Y) where q is p(y|x), and may be on either side where it is not. What
holds of expectations holds of averages over samples that are linear in them: for NWJ,
CLUB and InfoNCE. The logarithm of an average over n pairs is too small on average, so
Donsker-Varadhan from few pairs is too large.

Every function takes ``scores``, floating, in one of two forms, and raises
``ValueError`` for other shapes and ``TypeError`` for other dtypes:

- of all pairs, ``[batch, batch]``, ``scores[i, j]`` of :math:`(x_i, y_j)`, whose
  diagonal holds the joint samples and whose B(B - 1) other entries the independent
  pairs. It uses every sample B times.
- of joint samples, ``[batch]``, with ``marginal`` beside them, the scores of
  independent pairs, of any shape. It is for critics too costly for all pairs.

The result is in nats, of shape ``[]``.
"""

import math

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, logsumexp
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = [
    "club",
    "donsker_varadhan",
    "infonce",
    "js",
    "mine",
    "nwj",
    "off_diagonal",
    "smile",
]


def donsker_varadhan(scores: ArrayLike, marginal: ArrayLike | None = None) -> jax.Array:
    r"""Donsker-Varadhan bound, :math:`E_p T - \log E_q e^T`, in nats.

    Its gradient from a small batch is biased, as the logarithm of an average; see
    :func:`mine`.

    Args:
      scores: Scores; see the module.
      marginal: Scores of independent pairs, if they are apart.

    Returns:
      The bound.

    References:
      Donsker and Varadhan, `Asymptotic evaluation of certain Markov process
      expectations for large time, IV`, 1983.

    Example:
      >>> scores = jnp.array([[1.0, 0.0], [0.0, 1.0]])
      >>> print(f"{donsker_varadhan(scores):.4f} nats")
      1.0000 nats
    """
    joint, marginal = _joint_and_marginal(scores, marginal)
    return jnp.mean(joint) - _log_mean_exp(marginal)


def mine(
    scores: ArrayLike,
    marginal: ArrayLike | None = None,
    *,
    log_average: ArrayLike,
    rate: float = 0.01,
) -> tuple[jax.Array, jax.Array]:
    r"""Donsker-Varadhan bound with the gradient of MINE, in nats.

    The gradient of :math:`\log E_q e^T` is :math:`E_q [e^T \nabla T] / E_q e^T`, and
    this ratio of averages over the same few pairs is biased. MINE divides by an average
    over the batches so far instead. The value remains :func:`donsker_varadhan`'s.

    Args:
      scores: Scores; see the module.
      marginal: Scores of independent pairs, if they are apart.
      log_average: Logarithm of the running average of :math:`E_q e^T`, shape ``[]``, as
        returned for the batch before; minus infinity for the first batch.
      rate: Weight of this batch in the average.

    Returns:
      The bound, and the logarithm of the average with this batch in it, which is what
      the gradient is divided by. No gradient flows through the latter.

    Raises:
      ValueError: If ``rate`` is not in (0, 1].

    References:
      Belghazi et al., `Mutual information neural estimation`, ICML 2018, sec. 3.2.

    Example:
      >>> scores = jnp.array([[1.0, 0.0], [0.0, 1.0]])
      >>> value, log_average = mine(scores, log_average=-jnp.inf)
      >>> print(f"{value:.4f} {log_average:.4f}")
      1.0000 0.0000
    """
    checks.in_range("rate", rate, "(0, 1]")
    log_average = checks.number("log_average", log_average)
    joint, marginal = _joint_and_marginal(scores, marginal)
    log_mean = _log_mean_exp(marginal)
    now = jax.lax.stop_gradient(log_mean)
    # The first batch is all of its average, which would be too small if it began at 0.
    before = jnp.asarray(log_average, now.dtype)
    weight = jnp.where(before == -jnp.inf, 1.0, rate).astype(now.dtype)
    average = jnp.logaddexp(before + jnp.log1p(-weight), now + jnp.log(weight))
    average = jax.lax.stop_gradient(average)
    # Zero, but with the gradient of E_q e^T over the average.
    second = jnp.exp(log_mean - average) - jnp.exp(now - average)
    return jnp.mean(joint) - (now + second), average


def nwj(scores: ArrayLike, marginal: ArrayLike | None = None) -> jax.Array:
    r"""Bound of Nguyen, Wainwright and Jordan, :math:`E_p T - E_q e^{T-1}`, in nats.

    Unbiased, as is its gradient, but of large variance at high information. In float32
    it is minus infinity where the average itself is beyond :math:`e^{88}`.

    Args:
      scores: Scores; see the module.
      marginal: Scores of independent pairs, if they are apart.

    Returns:
      The bound.

    References:
      Nguyen, Wainwright and Jordan, `Estimating divergence functionals and the
      likelihood ratio by convex risk minimization`, IEEE Transactions on Information
      Theory, 2010.

    Example:
      >>> print(f"{nwj(jnp.ones((2, 2))):.4f} nats")
      0.0000 nats
    """
    joint, marginal = _joint_and_marginal(scores, marginal)
    return jnp.mean(joint) - jnp.exp(_log_mean_exp(marginal) - 1)


def infonce(scores: ArrayLike, marginal: ArrayLike | None = None) -> jax.Array:
    r"""InfoNCE, the log-loss of finding the partner of x among several, in nats.

    .. math::
        \frac1B \sum_i \log \frac{e^{T_{ii}}}{\frac1B \sum_j e^{T_{ij}}} \le \log B .

    Args:
      scores: Scores; see the module.
      marginal: Scores of each x with independent y, ``[batch, num_negatives]``; the
        bound is then the log of ``1 + num_negatives``.

    Returns:
      The bound.

    References:
      van den Oord, Li and Vinyals, `Representation learning with contrastive predictive
      coding`, 2018. Poole et al., `On variational bounds of mutual information`, ICML
      2019.

    Example:
      >>> certain = 100 * jnp.eye(4)
      >>> print(f"{infonce(certain) / math.log(4):.4f}")
      1.0000
    """
    if marginal is None:
        scores = _check_scores(scores)
        joint = jnp.diagonal(scores)
    else:
        joint, marginal = _joint_and_marginal(scores, marginal)
        shape = (len(joint), "num_negatives")
        checks.shape("marginal", marginal, shape, why="to match scores")
        scores = jnp.concatenate([joint[:, None], marginal], axis=1)
    return jnp.mean(joint - logsumexp(scores, axis=1)) + math.log(scores.shape[1])


def smile(
    scores: ArrayLike, marginal: ArrayLike | None = None, *, clip: float = 5.0
) -> jax.Array:
    r"""SMILE, Donsker-Varadhan with the scores of independent pairs clipped, in nats.

    Clipping to [-clip, clip] bounds the variance of the second term by
    :math:`e^{2 clip}` over the number of pairs. It costs the guarantee: the value can
    exceed I(X;Y). The scores of joint samples are not clipped. The critic is trained on
    :func:`js`, whose best scores are the log of the density ratio without a constant.

    Args:
      scores: Scores; see the module.
      marginal: Scores of independent pairs, if they are apart.
      clip: Where to clip, positive; infinity gives Donsker-Varadhan.

    Returns:
      The estimate.

    Raises:
      ValueError: If ``clip`` is not positive.

    References:
      Song and Ermon, `Understanding the limitations of variational mutual information
      estimators`, ICLR 2020.

    Example:
      >>> scores = jnp.array([[9.0, 6.0], [6.0, 9.0]])
      >>> print(f"{smile(scores):.4f} {smile(scores, clip=jnp.inf):.4f}")
      4.0000 3.0000
    """
    # Infinity is allowed: no clipping.
    clip = checks.number("clip", clip)
    if not clip > 0:
        raise ValueError(f"clip must be positive, got {clip}")
    joint, marginal = _joint_and_marginal(scores, marginal)
    return jnp.mean(joint) - _log_mean_exp(jnp.clip(marginal, -clip, clip))


def js(scores: ArrayLike, marginal: ArrayLike | None = None) -> jax.Array:
    r"""Log-likelihood of a critic that tells joint from independent pairs, in nats.

    .. math::
        E_p \log \sigma(T) + E_q \log (1 - \sigma(T)) \le 2 JS(p, q) - 2 \log 2 ,

    for :math:`\sigma` the logistic function. This is SMILE's training objective, no
    estimate of I(X;Y). It is largest where T is the log of the density ratio.

    Args:
      scores: Scores; see the module.
      marginal: Scores of independent pairs, if they are apart.

    Returns:
      The objective, in ``[-inf, 0]``.

    References:
      Nowozin, Cseke and Tomioka, `f-GAN`, NIPS 2016.

    Example:
      >>> print(f"{js(jnp.zeros((3, 3))) / math.log(2):.4f}")
      -2.0000
    """
    joint, marginal = _joint_and_marginal(scores, marginal)
    return jnp.mean(log_sigmoid(joint)) + jnp.mean(log_sigmoid(-marginal))


def club(scores: ArrayLike, marginal: ArrayLike | None = None) -> jax.Array:
    r"""CLUB, :math:`E_p \log q(y|x) - E_q \log q(y|x)`, in nats.

    Where q is p(y|x) this is I(X;Y) plus :math:`E_{p(x)} KL(p(y), p(y|x))`, so above it
    and often far above: for a bivariate Gaussian it is :math:`\rho^2 / (1 - \rho^2)`
    against :math:`-\frac12 \log(1 - \rho^2)`. The conditional density q is trained by
    maximum likelihood, not on this.

    Args:
      scores: Log-densities of y_j given x_i; see the module.
      marginal: Those of independent pairs, if they are apart; one for each sample makes
        the sampled form of CLUB.

    Returns:
      The estimate.

    References:
      Cheng et al., `CLUB: a contrastive log-ratio upper bound of mutual information`,
      ICML 2020.

    Example:
      >>> print(f"{club(jnp.array([[-1.0, -3.0], [-2.0, -1.0]])):.4f} nats")
      1.5000 nats
    """
    joint, marginal = _joint_and_marginal(scores, marginal)
    return jnp.mean(joint) - jnp.mean(marginal)


def off_diagonal(matrix: jax.Array) -> jax.Array:
    """Entries off the diagonal, ``[n, n]`` to ``[n, n - 1]``, without a gather."""
    matrix = checks.jax_array("matrix", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(
            f"matrix must have shape [n, n] with n at least 2, got {matrix.shape}"
        )
    n = matrix.shape[0]
    # Without its first entry, the flat matrix has the diagonal in one last column.
    return matrix.reshape(-1)[1:].reshape(n - 1, n + 1)[:, :-1].reshape(n, n - 1)


def _check_scores(scores: ArrayLike) -> jax.Array:
    scores = checks.jax_array("scores", scores)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2:
        raise ValueError(
            "scores must have shape [batch, batch] with batch at least 2, or [batch] "
            f"with marginal beside it, got {scores.shape}"
        )
    return checks.floating("scores", scores)


def _joint_and_marginal(
    scores: ArrayLike, marginal: ArrayLike | None
) -> tuple[jax.Array, jax.Array]:
    """Scores of joint samples, ``[batch]``, and of independent pairs."""
    if marginal is None:
        scores = _check_scores(scores)
        return jnp.diagonal(scores), off_diagonal(scores)
    joint = checks.jax_array("scores", scores)
    marginal = checks.jax_array("marginal", marginal)
    if joint.ndim != 1 or joint.size == 0 or marginal.size == 0:
        raise ValueError(
            "scores must have shape [batch] beside a marginal that is not empty, got "
            f"{joint.shape} and {marginal.shape}"
        )
    return checks.floating("scores", joint), checks.floating("marginal", marginal)


def _log_mean_exp(values: jax.Array) -> jax.Array:
    return logsumexp(values) - math.log(values.size)
