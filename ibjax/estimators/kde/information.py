r"""Kernel-density bounds on the information of a layer with added Gaussian noise.

A deterministic layer T = f(X) has infinite I(X;T) when X is continuous, so one studies
T + Z with Z ~ N(0, s^2 I). Its density is a mixture of Gaussians, one per sample, whose
entropy has no closed form but two bounds from pairwise distances (Kolchinsky and
Tracey, 2017), which Saxe et al. (2018) turned into an information plane:

.. math::
    -\frac1N \sum_i \log \frac1N \sum_j e^{-r_{ij}^2 / 8 s^2} \le I(X; T + Z) \le
    -\frac1N \sum_i \log \frac1N \sum_j e^{-r_{ij}^2 / 2 s^2} .

The pair sums, nearly all the work, are in :mod:`ibjax.estimators.kde.kernel_sums`, and
the units they are taken in, at any scale, in :mod:`ibjax.estimators.kde.units`.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import jit
from ibjax.estimators.kde.kernel_sums import kernel_sums
from ibjax.estimators.kde.units import in_kernel_units
from ibjax.estimators.layers import (
    LayerInformation,
    LayerInformationBounds,
    check_layer,
    label_weights,
)
from ibjax.estimators.samples import warn_of_pairs
from ibjax.numerics import checks

__all__ = ["layer_information"]


def layer_information(
    t: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    noise_variance: ArrayLike,
) -> LayerInformationBounds:
    r"""Bounds on I(X;T) and estimates of I(T;Y) for a layer with added noise, in nats.

    ``i_xt`` of ``lower`` and ``upper`` bound :math:`I(X; T + Z)` for the empirical
    distribution of the samples, each lying in [0, log num_samples]. ``i_ty`` is
    :math:`H(T) - \sum_y p(y) H(T|y)` with the same bound for each entropy: a
    difference of two bounds, which is not itself a bound and can leave [0, H(Y)].

    Sums are in float32. On layers of ordinary scale the result is within 1e-4 bits of
    float64; the error grows with the squared spread of the layer over the noise
    variance, 1e-3 bits at 1,000 units of variance one and noise variance 1e-3, until
    samples are 2,400 noise standard deviations from their mean. From there on samples
    that may be near each other are told apart by their differences, at any scale that
    float32 has, which takes longer. ``i_xt`` never exceeds log num_samples.
    Reverse-mode gradients are defined, with respect to ``t`` and ``noise_variance``.

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``. A class that no sample has adds nothing.
      num_classes: Number of classes.
      noise_variance: Variance s^2 of the noise, in the squared units of ``t``,
        positive.

    Returns:
      Lower and upper estimates, each with fields of shape ``[]``. NaN if an activity
      is not finite; zero if all activities are equal.

    Raises:
      ValueError: If shapes do not match, a label is out of range, or
        ``noise_variance`` is not positive in the precision of ``t`` (values are checked
        outside of ``jit``).
      TypeError: If ``t`` is not floating.

    References:
      Kolchinsky and Tracey, `Estimating mixture entropy with pairwise distances`,
      Entropy, 2017. Saxe et al., `On the information bottleneck theory of deep
      learning`, ICLR 2018.

    Example:
      >>> t = jnp.array([[-1.0], [-1.0], [1.0], [1.0]])
      >>> bounds = layer_information(
      ...     t, jnp.array([0, 0, 1, 1]), num_classes=2, noise_variance=1e-3
      ... )
      >>> print(f"{bounds.upper.i_xt:.4f} {bounds.upper.i_ty:.4f} nats")
      0.6931 0.6931 nats
    """
    t, labels = check_layer(t, labels, num_classes, movable=True)
    warn_of_pairs(*t.shape, products=True)
    noise_variance = _in_range(checks.positive("noise_variance", noise_variance), t)
    return _layer_information(t, labels, num_classes, noise_variance)


def _in_range(noise_variance: ArrayLike, t: jax.Array) -> ArrayLike:
    """Check that a noise variance, if known, is a number in the precision of t."""
    if not checks.is_traced(noise_variance):
        limits = jnp.finfo(t.dtype)
        low, high = float(limits.smallest_subnormal), float(limits.max)
        if not low <= float(noise_variance) <= high:
            raise ValueError(
                f"noise_variance must lie in [{low:.1e}, {high:.1e}], what {t.dtype} "
                f"holds, got {noise_variance}: multiply t by a number, and "
                "noise_variance by its square"
            )
    return noise_variance


@jit(static_argnames="num_classes")
def _layer_information(
    t: jax.Array, labels: jax.Array, num_classes: int, noise_variance: jax.Array
) -> LayerInformationBounds:
    num_samples = t.shape[0]
    weights = label_weights(labels, num_classes, t.dtype)
    finite = jnp.isfinite(jnp.max(jnp.abs(t)))
    points, unit = in_kernel_units(jnp.where(finite, t, 0.0), noise_variance)
    finite &= jnp.isfinite(unit)
    wide, narrow = kernel_sums(points.T, unit, weights)

    class_size = jnp.sum(weights, axis=0)
    tiny = jnp.finfo(t.dtype).tiny

    def information(sums):
        # A sample is its own neighbour at distance zero: no sum is truly below that.
        total = jnp.maximum(jnp.sum(sums, axis=1), 1.0)
        within = jnp.where(weights > 0, jnp.maximum(sums, weights), 1.0)
        log_density = jnp.log(within) - jnp.log(jnp.maximum(class_size, tiny))[None]
        i_xt = math.log(num_samples) - jnp.mean(jnp.log(total))
        i_ty = i_xt + jnp.sum(weights * log_density) / num_samples
        nan = jnp.asarray(jnp.nan, t.dtype)
        return LayerInformation(
            jnp.where(finite, jnp.maximum(i_xt, 0.0), nan), jnp.where(finite, i_ty, nan)
        )

    return LayerInformationBounds(lower=information(wide), upper=information(narrow))
