r"""Seven PAC-Bayes bounds on the risk of a stochastic classifier.

The loss lies in [0, 1], the prior P is fixed before the data are seen, and ``error`` is
the empirical risk of the posterior Q, the mean loss of weights drawn from it. With
probability at least :math:`1 - \delta` over ``num_samples`` independent samples, the
true risk of every posterior is below the bound. Bounds are not cut off at one: above it
they say nothing. With :math:`n` samples,

.. math::
    c_1 = \frac{\mathrm{KL}(Q \| P) + \log (1 / \delta)}{n}, \qquad
    c_2 = \frac{\mathrm{KL}(Q \| P) + \log (2 \sqrt n / \delta)}{n} .

What is chosen after the data have been seen, a prior of several, or a constant of
:func:`catoni` or :func:`mcallester`, has to be paid for: add
:func:`~ibjax.weights.pac_bayes.union_cost` to ``kl``. All arguments may be arrays,
which are broadcast; results are float64.

Every function raises ``ValueError`` for an error outside of [0, 1], a negative KL, a
delta that is not between 0 and 1, and fewer samples than its proof needs.
"""

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.weights.pac_bayes.binary import float64, kl_inverse

__all__ = [
    "catoni",
    "langford_seeger",
    "maurer",
    "mcallester",
    "pinsker",
    "quad",
    "thiemann",
]


def maurer(
    error: ArrayLike, kl: ArrayLike, num_samples: ArrayLike, *, delta: ArrayLike
) -> np.ndarray:
    r"""PAC-Bayes-kl bound: the largest R with :math:`kl(error \| R) \le c_2`.

    It is the tightest of those that hold for all posteriors at once.

    Args:
      error: Empirical risk of the posterior, in [0, 1].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples, at least 8.
      delta: Probability with which the bound may fail.

    Returns:
      Bound on the risk, at most one.

    References:
      Maurer, `A note on the PAC Bayesian theorem`, 2004, thm. 5.

    Example:
      >>> print(f"{maurer(0.028, 5000, 60_000, delta=0.025):.8f}")
      0.15013584
    """
    error = float64("error", error, "[0, 1]")
    return kl_inverse(error, _c2(kl, num_samples, delta))


def langford_seeger(
    error: ArrayLike, kl: ArrayLike, num_samples: ArrayLike, *, delta: ArrayLike
) -> np.ndarray:
    r"""PAC-Bayes-kl bound in its older form, which Dziugaite and Roy certify with.

    The largest R with the following; :func:`maurer` is tighter.

    .. math:: kl(error \| R) \le \frac{\mathrm{KL} + \log (n / \delta)}{n - 1} .

    Args:
      error: Empirical risk of the posterior, in [0, 1].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples, at least 2.
      delta: Probability with which the bound may fail.

    Returns:
      Bound on the risk, at most one.

    References:
      Langford and Seeger, `Bounds for averaging classifiers`, 2001. Dziugaite and Roy,
      `Computing nonvacuous generalization bounds for deep (stochastic) neural
      networks`, UAI 2017.

    Example:
      >>> print(f"{langford_seeger(0.028, 5000, 60_000, delta=0.025):.8f}")
      0.15022100
    """
    error = float64("error", error, "[0, 1]")
    kl, num_samples, delta = _checked(kl, num_samples, delta, 2)
    return kl_inverse(error, (kl + np.log(num_samples / delta)) / (num_samples - 1))


def pinsker(
    error: ArrayLike, kl: ArrayLike, num_samples: ArrayLike, *, delta: ArrayLike
) -> np.ndarray:
    r"""McAllester's classic bound, :math:`error + \sqrt{c_2 / 2}`.

    It follows from :func:`maurer` by Pinsker's inequality, and is loose where the error
    is small.

    Args:
      error: Empirical risk of the posterior, in [0, 1].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples, at least 8.
      delta: Probability with which the bound may fail.

    Returns:
      Bound on the risk.

    References:
      McAllester, `Some PAC-Bayesian theorems`, 1999. Maurer, 2004.

    Example:
      >>> print(f"{pinsker(0.028, 5000, 60_000, delta=0.025):.8f}")
      0.23232578
    """
    error = float64("error", error, "[0, 1]")
    return error + np.sqrt(_c2(kl, num_samples, delta) / 2)


def quad(
    error: ArrayLike, kl: ArrayLike, num_samples: ArrayLike, *, delta: ArrayLike
) -> np.ndarray:
    r"""PAC-Bayes-quadratic bound, :math:`(\sqrt{error + c_2/2} + \sqrt{c_2/2})^2`.

    It equals :func:`thiemann` at its best lambda.

    Args:
      error: Empirical risk of the posterior, in [0, 1].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples, at least 8.
      delta: Probability with which the bound may fail.

    Returns:
      Bound on the risk.

    References:
      Rivasplata, Tankasali and Szepesvari, `PAC-Bayes with backprop`, 2019. Perez-Ortiz
      et al., `Tighter risk certificates for neural networks`, JMLR 22, 2021.

    Example:
      >>> print(f"{quad(0.028, 5000, 60_000, delta=0.025):.8f}")
      0.21942310
    """
    error = float64("error", error, "[0, 1]")
    half = _c2(kl, num_samples, delta) / 2
    return (np.sqrt(error + half) + np.sqrt(half)) ** 2


def thiemann(
    error: ArrayLike,
    kl: ArrayLike,
    num_samples: ArrayLike,
    *,
    delta: ArrayLike,
    lam: ArrayLike | None = None,
) -> np.ndarray:
    r"""PAC-Bayes-lambda bound, :math:`[error + c_2 / \lambda] / (1 - \lambda / 2)`.

    It holds for all lambdas at once: the best one costs nothing.

    Args:
      error: Empirical risk of the posterior, in [0, 1].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples, at least 8.
      delta: Probability with which the bound may fail.
      lam: The trade-off lambda, in (0, 2); None for the best one,
        :math:`2 / (1 + \sqrt{1 + 2\, error / c_2})`.

    Returns:
      Bound on the risk.

    Raises:
      ValueError: If ``lam`` does not lie in (0, 2), besides what the module names.

    References:
      Thiemann, Igel, Wintenberger and Seldin, `A strongly quasiconvex PAC-Bayesian
      bound`, ALT 2017, thm. 3.

    Example:
      >>> print(f"{thiemann(0.028, 5000, 60_000, delta=0.025, lam=0.8724):.8f}")
      0.21942310
    """
    error = float64("error", error, "[0, 1]")
    c2 = _c2(kl, num_samples, delta)
    if lam is None:
        lam = 2 / (1 + np.sqrt(1 + 2 * error / c2))
    lam = float64("lam", lam, "(0, 2)")
    return (error + c2 / lam) / (1 - lam / 2)


def catoni(
    error: ArrayLike,
    kl: ArrayLike,
    num_samples: ArrayLike,
    *,
    delta: ArrayLike,
    c: ArrayLike,
) -> np.ndarray:
    r"""Catoni's bound, :math:`[1 - e^{-C\, error - c_1}] / [1 - e^{-C}]`.

    Its least value over C is the inverse of the divergence at :math:`c_1`, a little
    below :func:`maurer`; but C has to be fixed before the data are seen.

    Args:
      error: Empirical risk of the posterior, in [0, 1].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples.
      delta: Probability with which the bound may fail.
      c: The constant C, positive.

    Returns:
      Bound on the risk.

    Raises:
      ValueError: If ``c`` is not positive, besides what the module names.

    References:
      Catoni, `PAC-Bayesian supervised classification`, 2007, thm. 1.2.6.

    Example:
      >>> print(f"{catoni(0.028, 5000, 60_000, delta=0.025, c=1.0):.4f}")
      0.1668
    """
    error = float64("error", error, "[0, 1]")
    c = float64("c", c, "(0, inf)")
    return np.expm1(-c * error - _c1(kl, num_samples, delta)) / np.expm1(-c)


def mcallester(
    error: ArrayLike,
    kl: ArrayLike,
    num_samples: ArrayLike,
    *,
    delta: ArrayLike,
    beta: ArrayLike,
    max_loss: ArrayLike = 1.0,
) -> np.ndarray:
    r"""McAllester's linear bound, :math:`[r + \beta L c_1] / [1 - 1 / (2 \beta)]`.

    The numerator is the Lagrangian of the information in the weights: a loss summed
    over samples plus :math:`\beta L` times KL. So its beta there has to exceed
    :math:`L / 2`. Here :math:`\beta` has to be fixed before the data are seen.

    Args:
      error: Empirical risk of the posterior r, in [0, max_loss].
      kl: KL(Q || P) in nats.
      num_samples: Number of samples.
      delta: Probability with which the bound may fail.
      beta: The trade-off beta, above 1/2.
      max_loss: Largest value of the loss, L; of a cross-entropy with probabilities cut
        off at p it is log(1 / p).

    Returns:
      Bound on the risk, in units of the loss.

    Raises:
      ValueError: If ``beta`` is not above 1/2 or an error above ``max_loss``, besides
        what the module names.

    References:
      McAllester, `A PAC-Bayesian tutorial with a dropout bound`, 2013, thm. 2.

    Example:
      >>> print(f"{mcallester(0.028, 5000, 60_000, delta=0.025, beta=1.0):.4f}")
      0.2228
    """
    max_loss = float64("max_loss", max_loss, "(0, inf)")
    error = float64("error", error, "[0, inf]")
    checks.within("error / max_loss", error / max_loss, "[0, 1]")
    beta = float64("beta", beta, "(0.5, inf)")
    penalty = beta * max_loss * _c1(kl, num_samples, delta)
    return (error + penalty) / (1 - 1 / (2 * beta))


def _c1(kl, num_samples, delta) -> np.ndarray:
    kl, num_samples, delta = _checked(kl, num_samples, delta, 1)
    return (kl - np.log(delta)) / num_samples


def _c2(kl, num_samples, delta) -> np.ndarray:
    # Maurer's moment bound by 2 sqrt(n) is proven from 8 samples on.
    kl, num_samples, delta = _checked(kl, num_samples, delta, 8)
    return (kl + np.log(2 * np.sqrt(num_samples) / delta)) / num_samples


def _checked(kl, num_samples, delta, fewest: int) -> tuple[np.ndarray, ...]:
    return (
        float64("kl", kl, "[0, inf]"),
        float64("num_samples", num_samples, f"[{fewest}, inf)"),
        float64("delta", delta, "(0, 1)"),
    )
