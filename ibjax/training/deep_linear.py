r"""Exact dynamics of the modes of a deep linear network, with a deficit on the way.

Gradient flow on half the squared error, from small and balanced weights that are
aligned with the singular modes of the task, treats every mode by itself. With two
layers the strength a of a mode whose singular value is s, the product of both layers'
weights, follows

.. math:: \dot a = 2\, g\, a\, (s - g\, a),

where the gain g is what a deficit leaves of the mode in the inputs: 1 for nothing
missing, 0 for a mode that is not seen (the fine ones of a blurred image), -1 for one
that a flip turns over. A single mode only loses time: it goes to s whatever was before.
Where two pathways from different inputs compete for one mode, time decides: what one of
them has learned while the other saw nothing is not left to learn for the other.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["mode_strength", "pathway_strengths"]


def mode_strength(
    time: ArrayLike,
    *,
    strength: ArrayLike,
    initial: ArrayLike,
    gain: ArrayLike = 0.0,
    start: ArrayLike = 0.0,
    stop: ArrayLike = 0.0,
) -> jax.Array:
    r"""Strength of a mode over time, with a deficit from ``start`` to ``stop``.

    Without one, :math:`a(t) = s / (1 - (1 - s / a_0)\, e^{-2 s t})`. All arguments
    broadcast.

    Args:
      time: Times of gradient flow, not negative: step size times steps.
      strength: Singular value s of the task's mode.
      initial: Strength where training starts, positive.
      gain: What the deficit leaves of the mode in the inputs.
      start: Time at which the deficit begins.
      stop: Time at which it ends; before ``start`` there is none.

    Returns:
      The strengths.

    Raises:
      ValueError: If ``initial`` is not positive or a time negative.

    References:
      Saxe, McClelland and Ganguli, `Exact solutions to the nonlinear dynamics of
      learning in deep linear neural networks`, ICLR 2014. Kleinman, Achille and Soatto,
      `Critical learning periods emerge even in deep linear networks`, ICLR 2024.

    Example:
      >>> times = jnp.array([0.0, 3.0, 9.0])
      >>> for stop in (0.0, 3.0):
      ...     found = mode_strength(times, strength=1.0, initial=0.01, stop=stop)
      ...     print([f"{a:.3f}" for a in found])
      ['0.010', '0.803', '1.000']
      ['0.010', '0.010', '0.999']
    """
    return _mode_strength(
        **_checked(
            time=time,
            strength=strength,
            initial=initial,
            gain=gain,
            start=start,
            stop=stop,
        )
    )


@exact_jit
def _mode_strength(time, strength, initial, gain, start, stop):
    before, during, after = _parts(time, start, stop)
    log = jnp.log(initial)
    log += _log_growth(before, strength, log)
    # 2 g a (s - g a) is 2 g^2 a (s / g - a): another target, at another pace.
    seen = jnp.where(gain == 0, 1.0, gain)
    learned = _log_growth(during * seen**2, strength / seen, log)
    log += jnp.where(gain == 0, 0.0, learned)
    return jnp.exp(log + _log_growth(after, strength, log))


def pathway_strengths(
    time: ArrayLike,
    *,
    strength: ArrayLike,
    initial: ArrayLike,
    start: ArrayLike,
    stop: ArrayLike,
) -> tuple[jax.Array, jax.Array]:
    r"""Strengths of a mode in two pathways, of which one sees nothing for a while.

    Both inputs carry the mode and the network adds both pathways, each of two layers:
    :math:`\dot a = 2 a (s - a - b)` and :math:`\dot b = 2 b (s - a - b)`. The ratio of
    a and b stays what it is while both see; while the second sees nothing, b stands
    still, adds nothing, and a goes to s alone. So the second keeps for good the share
    that it has at the end of the deficit. All arguments broadcast.

    Args:
      time: Times of gradient flow, not negative: step size times steps.
      strength: Singular value s of the task's mode, positive.
      initial: Strength of either pathway where training starts, positive.
      start: Time from which the second pathway sees nothing.
      stop: Time from which it sees again; before ``start`` it always does.

    Returns:
      Strengths of the first and of the second pathway.

    Raises:
      ValueError: If ``strength`` or ``initial`` is not positive, or a time negative.

    References:
      Kleinman, Achille and Soatto, `Critical learning periods emerge even in deep
      linear networks`, ICLR 2024.

    Example:
      >>> options = {"strength": 1.0, "initial": 1e-3, "start": 0.0}
      >>> for stop in (0.0, 1.0, 3.0):
      ...     first, second = pathway_strengths(50.0, stop=stop, **options)
      ...     print(f"{first:.3f} {second:.3f}")
      0.500 0.500
      0.880 0.120
      0.997 0.003
    """
    checks.within("strength", checks.real("strength", strength), "(0, inf)")
    return _pathway_strengths(
        **_checked(
            time=time, strength=strength, initial=initial, start=start, stop=stop
        )
    )


@exact_jit
def _pathway_strengths(time, strength, initial, start, stop):
    before, during, after = _parts(time, start, stop)

    def together(time, a, b):
        growth = _log_growth(time, strength, jnp.logaddexp(a, b))
        return a + growth, b + growth

    # Logarithms of both.
    a, b = together(before, jnp.log(initial), jnp.log(initial))
    a += _log_growth(during, strength, a)
    a, b = together(after, a, b)
    return jnp.exp(a), jnp.exp(b)


def _parts(time, start, stop):
    """Times spent before, during and after the deficit."""
    stop = jnp.maximum(start, stop)
    before = jnp.minimum(time, start)
    during = jnp.clip(time, start, stop) - start
    return before, during, jnp.maximum(time, stop) - stop


def _log_growth(time, strength, log):
    """Growth of log a by a' = 2 a (s - a), for any sign of s.

    It is -log [e^(-2 s t) + a (1 - e^(-2 s t)) / s]. Logarithms, because a mode that is
    turned over decays below the least of floats, and comes back.
    """
    zero, falls = strength == 0, strength < 0
    exponent = -2 * strength * time
    size = jnp.abs(strength)
    # What is positive in the exponent is a factor of both terms.
    factor = jnp.where(falls, exponent, 0.0)
    decay = jnp.where(falls, 0.0, exponent)
    grown = -jnp.expm1(-2 * size * time) / jnp.where(zero, 1.0, size)
    # The limit where s is zero.
    grown = jnp.where(zero, 2 * time, grown)
    larger = lax.stop_gradient(jnp.maximum(decay, log))
    terms = jnp.exp(decay - larger) + jnp.exp(log - larger) * grown
    return -(factor + larger + jnp.log(terms))


def _checked(**given):
    """Arrays of one shape and one floating type, each with its range checked."""
    arrays = {name: checks.real(name, value) for name, value in given.items()}
    for name, value in arrays.items():
        if name in ("time", "start", "stop"):
            checks.within(name, value, "[0, inf)")
        checks.finite(name, value)
    checks.within("initial", arrays["initial"], "(0, inf)")
    try:
        shape = jnp.broadcast_shapes(*(value.shape for value in arrays.values()))
    except ValueError as error:
        shapes = ", ".join(f"{k} {v.shape}" for k, v in arrays.items())
        raise ValueError(f"arguments must broadcast, got {shapes}") from error
    dtype = jnp.result_type(float, *arrays.values())
    return {
        name: jnp.broadcast_to(jnp.asarray(value, dtype), shape)
        for name, value in arrays.items()
    }
