r"""Units in which a Gaussian kernel of a layer is a power of two, at any scale.

In units of :math:`\sqrt{8 s^2 \log 2}` the wide kernel :math:`e^{-r^2 / 8 s^2}` is
:math:`2^{-r^2}`. Activities of ordinary scale are centred and brought to these units at
once. Of a layer that reaches many such units from its mean, centring would cost the
digits that tell near samples apart, and the units might overflow: its activities stay
as they are, and their differences are brought to these units one by one.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["FARTHEST", "LOG2_E", "brought_near", "exp2", "in_kernel_units"]

LOG2_E = math.log2(math.e)
"""Exponents of the kernels are in powers of two, which are the cheapest to take."""

FARTHEST = 2.0**20
"""Units that a sample which was brought near is from the origin, at most."""

# Beyond so many units from the mean activities stay as they are: float32 keeps
# differences of 2^-13 units until there.
_ORDINARY_REACH = 2.0**10
# Outside of these variances a derivative taken in the usual way leaves float32.
_ORDINARY_VARIANCES = 2.0**-60, 2.0**60

# 2^f on [-1/2, 1/2] as 1 + f * polynomial(f): largest relative error 9.2e-8.
_EXP2_COEFFICIENTS = (
    0.6931469775373011,
    0.24022242044016756,
    0.05550733832514511,
    0.00967151453603096,
    0.001326470028665805,
)


def in_kernel_units(
    t: jax.Array, noise_variance: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Activities, and the kernel's units to a difference of what they became.

    Args:
      t: Activities, ``[num_samples, dim]``, finite.
      noise_variance: Variance of the noise, ``[]``.

    Returns:
      Points, shape of ``t``, and their unit, ``[]``: centred activities in the kernel's
      units, and one, or, of a layer that reaches too far, ``t`` and the factor that
      brings a difference to these units. Differences times the unit are right in both
      cases.
    """
    factor = _kernel_units(jnp.asarray(noise_variance, t.dtype))
    centred = t - jnp.mean(t, axis=0, keepdims=True)
    # Not a comparison with what is too far, which NaN and infinity are too.
    ordinary = jnp.max(jnp.abs(centred * factor)) <= _ORDINARY_REACH
    # A product with infinity would put NaN into the derivative.
    points = jnp.where(ordinary, centred, 0.0) * factor
    return jnp.where(ordinary, points, t), jnp.where(ordinary, 1.0, factor)


def brought_near(points: jax.Array, unit: jax.Array) -> jax.Array:
    """Points ``[dim, num_samples]`` in the kernel's units, those far off brought near.

    No two are farther from each other than before, to within rounding; points whose
    unit is one are as they were.
    """
    # Any origin will do.
    origin = jnp.mean(points, axis=1, keepdims=True)
    origin = jnp.where(jnp.isfinite(origin) & (unit != 1), origin, 0.0)
    return jnp.clip((points - origin) * unit, -FARTHEST, FARTHEST)


def _kernel_units(noise_variance: jax.Array) -> jax.Array:
    """Kernel's units to one of the activities', ``[]``; not finite if none.

    Variances are right from the smallest float on, which processors take for zero.
    """
    low, high = _ORDINARY_VARIANCES
    ordinary = (noise_variance >= low) & (noise_variance <= high)
    usual = jnp.where(ordinary, noise_variance, 1.0)
    usual = jnp.sqrt(LOG2_E / (8 * usual))
    return jnp.where(ordinary, usual, _kernel_units_at_any_scale(noise_variance))


@jax.custom_jvp
def _kernel_units_at_any_scale(noise_variance: jax.Array) -> jax.Array:
    limits = jnp.finfo(noise_variance.dtype)
    # The number of steps from zero is the value where no exponent is left.
    steps = lax.bitcast_convert_type(noise_variance, f"int{limits.bits}")
    vanishing = (steps > 0) & (noise_variance < limits.tiny)
    step = math.log2(limits.smallest_subnormal)
    large = noise_variance > 1
    variance = jnp.where(large, noise_variance / 64, noise_variance)
    variance = jnp.where(vanishing, steps.astype(noise_variance.dtype), variance)
    factor = jnp.sqrt(LOG2_E / (8 * variance))
    factor = jnp.where(large, factor / 8, factor)
    return jnp.where(vanishing, factor * 2.0 ** (-step / 2), factor)


@_kernel_units_at_any_scale.defjvp
def _kernel_units_jvp(primals, tangents):
    factor = _kernel_units_at_any_scale(*primals)
    # The factor's third power, which d factor / d variance has, may be out of range,
    # though the derivative of what depends on it is not.
    return factor, -4 / LOG2_E * (factor * (factor * (factor * tangents[0])))


def exp2(x: jax.Array) -> jax.Array:
    """2^x for x <= 0: exact at 0, else within 3e-7 of the value.

    Rounding puts x a little above 0 as often as below. Cutting all of that off would
    shift the sums; only what no rounding explains is.
    """
    x = jnp.clip(x, -126.0, 0.1)
    if x.dtype != jnp.float32:
        return jnp.exp2(x)
    integer = lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)
    fraction = x - integer
    power = jnp.float32(_EXP2_COEFFICIENTS[-1])
    for coefficient in _EXP2_COEFFICIENTS[-2::-1]:
        power = power * fraction + jnp.float32(coefficient)
    power = power * fraction + 1
    # Add the integer to the exponent field of the result.
    bits = lax.bitcast_convert_type(power, jnp.int32)
    bits += integer.astype(jnp.int32) << 23
    return lax.bitcast_convert_type(bits, jnp.float32)
