r"""Reachability: how likely stochastic training goes from one place to another in time.

Of weights that follow :math:`dw = -\nabla U\, dt + \sqrt{2 D}\, dB`, with a loss U that
may hold a penalty, the transition density is

.. math:: p(b, t | a) = e^{-[U(b) - U(a)] / 2 D}\, K_t(a, b) ,

a static part, what is gained in the loss, and a dynamic one, the paths between the two:
the path integral of :math:`\frac12 |\nabla U|^2 - D \Delta U`, a kernel that is
symmetric. Hence the two directions differ by :math:`e^{-[U(b) - U(a)] / D}` at every
time, while the time that a passage takes is ruled by the barrier between the two and
not by the difference of their losses. Stochastic gradients are of temperature D = step
size times variance over twice the batch size, where their noise is isotropic.

Potentials of one dimension are given on a grid of equal spacings, with walls at its
ends. Everything is float64, but for simulated paths.

References:
  Achille, Mbeng and Soatto, `Dynamics and reachability of learning tasks`, 2018. The
  factor 1/2D, the free energy of Kramers' time and the sign of the potential in the
  paths are those of a derivation, not of every print.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.numerics import checks

__all__ = [
    "Reachability",
    "kramers_time",
    "langevin_paths",
    "passage_time",
    "reachability",
]


# Terms of the exponential of at most a half, whose next one is below any rounding.
_TERMS = 16


class Reachability(NamedTuple):
    """Transition density on a grid, and its two parts.

    Attributes:
      density: Density of being at the column's place after a time, from the row's,
        shape ``[num_places, num_places]``. Its sum over columns times the spacing is
        one.
      static: What the losses at both ends say, likewise; infinite where the loss falls
        by more than some 1,400 temperatures.
      dynamic: What is left, the sum over paths, symmetric, likewise.
    """

    density: np.ndarray
    static: np.ndarray
    dynamic: np.ndarray


def reachability(
    potential: ArrayLike, *, spacing: float, temperature: float, time: float
) -> Reachability:
    r"""Transition density between all places of a grid.

    The exponential of a generator of jumps between neighbours, at rates :math:`D / h^2
    e^{-\Delta U / 2 D}`, which keeps the stationary law :math:`e^{-U / D}` exactly.

    Args:
      potential: Loss U on a grid, shape ``[num_places]``. Its changes between
        neighbours should be small beside the temperature.
      spacing: Distance h of neighbours, positive.
      temperature: Temperature D, positive.
      time: Time, positive.

    Returns:
      The density and its parts.

    Raises:
      ValueError: If a number is not positive, or the potential not finite or too steep.

    Example:
      >>> w = np.linspace(-3, 3, 121)
      >>> found = reachability(w**2 / 2, spacing=0.05, temperature=0.5, time=1.0)
      >>> mean = found.density[80] @ w * 0.05
      >>> print(f"{w[80]:.1f} -> {mean:.3f}")  # e^-1
      1.0 -> 0.368
    """
    u = _potential(potential, spacing, temperature)
    time = checks.positive("time", time)
    drops = np.diff(u) / (2 * temperature)
    with np.errstate(over="ignore"):
        rates = np.diag(np.exp(-drops), 1) + np.diag(np.exp(drops), -1)
    rates *= temperature / spacing**2
    leaves = rates.sum(axis=1)
    # Sums and products of positive numbers alone: improbable places are as exact, in
    # proportion, as others.
    fastest = leaves.max()
    if not np.isfinite(fastest):
        raise ValueError(
            "potential must change by less than some 1,400 temperatures from one place "
            f"to the next, got {2 * np.abs(drops).max():.4g}"
        )
    jumps = (rates + np.diag(fastest - leaves)) / fastest
    halvings = max(0, math.ceil(math.log2(2 * fastest * time)))
    mean = fastest * time / 2**halvings
    moved = term = np.exp(-mean) * np.eye(len(u))
    for number in range(1, _TERMS):
        term = term @ jumps * (mean / number)
        moved = moved + term
    for _ in range(halvings):
        moved = moved @ moved
        # What is lost or won by rounding would double with every product.
        moved /= moved.sum(axis=1, keepdims=True)
    density = moved / spacing
    rise = (u[None] - u[:, None]) / (2 * temperature)
    with np.errstate(over="ignore"):
        static = np.exp(-rise)
    # Of the two ways only the one down: up, both factors may be below any number. Where
    # there is neither, both count by half.
    dynamic = density * np.exp(np.minimum(rise, 0)) * (1 - np.sign(rise)) / 2
    return Reachability(density, static, dynamic + dynamic.T)


def passage_time(
    potential: ArrayLike,
    *,
    spacing: float,
    temperature: float,
    start: int,
    target: int,
) -> float:
    r"""Mean time until a place is first reached from another, by quadrature.

    :math:`\frac1D \int_a^b e^{U(y) / D} \int_{-\infty}^y e^{-U(z) / D}\, dz\, dy` to
    the right of the start, and its mirror image to the left.

    Args:
      potential: Loss U on a grid, shape ``[num_places]``.
      spacing: Distance of neighbours, positive.
      temperature: Temperature D, positive.
      start: Number of the place to start from.
      target: Number of the place to reach.

    Returns:
      The time, infinite where float64 has no number as large.

    Raises:
      ValueError: If a number is out of range or the potential not finite.

    Example:
      >>> flat = np.zeros(101)
      >>> time = passage_time(
      ...     flat, spacing=0.01, temperature=0.5, start=0, target=100
      ... )
      >>> print(f"{time:.3f}")  # From wall to wall: the square over 2 D.
      1.000
    """
    u = _potential(potential, spacing, temperature)
    for name, place in (("start", start), ("target", target)):
        checks.whole(name, place, f"[0, {len(u) - 1}]")
    if target < start:
        u, start, target = u[::-1], len(u) - 1 - start, len(u) - 1 - target
    # What lies behind the target does not matter.
    u = u[: target + 1]
    u = (u - u.min()) / temperature
    # In logarithms: a wall behind the start, which adds nothing, may be higher than any
    # exponential.
    below = np.logaddexp.accumulate(_log_areas(-u, spacing))
    outer = (u + np.concatenate([[-np.inf], below]))[start:]
    log_time = np.logaddexp.reduce(_log_areas(outer, spacing)) - math.log(temperature)
    with np.errstate(over="ignore"):
        return float(np.exp(log_time))


def _log_areas(logs: np.ndarray, spacing: float) -> np.ndarray:
    """Logarithms of the areas between neighbours, by the trapezoid rule."""
    return np.logaddexp(logs[1:], logs[:-1]) + math.log(spacing / 2)


def kramers_time(
    *,
    barrier: float,
    well_curvature: float,
    saddle_curvature: float,
    temperature: float,
) -> float:
    r"""Mean time of an escape over a barrier that is high beside the temperature.

    :math:`2 \pi / \sqrt{U''_a |U''_s|}\; e^{[U(s) - U(a)] / D}`. It is the barrier that
    counts, up to the saddle, and not the difference of the losses at both ends.

    Args:
      barrier: Loss at the saddle less that in the well, positive.
      well_curvature: Second derivative in the well, positive.
      saddle_curvature: Size of the second derivative at the saddle, positive.
      temperature: Temperature D, positive.

    Returns:
      The time.

    Raises:
      ValueError: If a number is not positive.

    Example:
      >>> options = {"well_curvature": 2.0, "saddle_curvature": 1.0}
      >>> times = [
      ...     kramers_time(barrier=barrier, temperature=0.1, **options)
      ...     for barrier in (1.0, 1.1)
      ... ]
      >>> print(f"{times[1] / times[0]:.3f}")  # e
      2.718
    """
    barrier = checks.positive("barrier", barrier)
    well_curvature = checks.positive("well_curvature", well_curvature)
    saddle_curvature = checks.positive("saddle_curvature", saddle_curvature)
    temperature = checks.positive("temperature", temperature)
    root = math.sqrt(well_curvature * saddle_curvature)
    with np.errstate(over="ignore"):
        return float(2 * math.pi / root * np.exp(barrier / temperature))


@full_precision
def langevin_paths(
    key: jax.Array,
    gradient: Callable[[Any], Any],
    start: ArrayLike,
    *,
    temperature: ArrayLike,
    step: ArrayLike,
    num_steps: int,
) -> jax.Array:
    r"""Paths of weights under their gradient and noise, by small steps.

    :math:`w \leftarrow w - s \nabla U(w) + \sqrt{2 D s}\, \xi` with normal
    :math:`\xi`. A temperature that depends on the weights, as that of stochastic
    gradients does, is a function of them; noise is then that of the place it starts
    from (Ito).

    Args:
      key: Draws the noise.
      gradient: ``gradient(w)``, the gradient of the loss.
      start: Weights, shape ``[...]``; with a leading axis, many paths, if the gradient
        takes them so.
      temperature: Temperature D, a number, or a function of the weights that gives
        numbers of their shape.
      step: Length s of a step in time.
      num_steps: Number of steps.

    Returns:
      Weights after every step, shape ``[num_steps, ...]``.

    Raises:
      ValueError: If a number is not positive.
      TypeError: If ``key`` is no typed key.

    Example:
      >>> paths = langevin_paths(
      ...     jax.random.key(0),
      ...     lambda w: w,
      ...     jnp.zeros(2000),
      ...     temperature=0.5,
      ...     step=0.05,
      ...     num_steps=100,
      ... )
      >>> print(f"{paths[-1].var():.1f}")  # That of e^(-w^2 / 2 D).
      0.5
    """
    checks.key("key", key)
    checks.function("gradient", gradient)
    checks.count("num_steps", num_steps)
    step = checks.positive("step", step)
    varies = callable(temperature)
    if not varies:
        temperature = checks.positive("temperature", temperature)
    start = checks.jax_array("start", start, jnp.float32)

    def one_step(w, key):
        heat = temperature(w) if varies else temperature
        noise = jax.random.normal(key, w.shape, w.dtype)
        w = w - step * gradient(w) + jnp.sqrt(2 * heat * step) * noise
        return w, w

    return lax.scan(one_step, start, jax.random.split(key, num_steps))[1]


def _potential(potential: ArrayLike, spacing: float, temperature: float) -> np.ndarray:
    u = np.asarray(checks.real("potential", potential, np.asarray), np.float64)
    checks.shape("potential", u, ("num_places",))
    if len(u) < 2:
        raise ValueError(f"potential must have at least two places, got {len(u)}")
    checks.finite("potential", u)
    spacing = checks.positive("spacing", spacing)
    temperature = checks.positive("temperature", temperature)
    return u
