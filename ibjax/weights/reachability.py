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

Potentials of one or two weights are given on a grid of equal spacings, with walls at
its ends; times of passage are of one. Everything is float64, but for simulated paths.

Between tasks the loss is that of the one that is trained now: the ways there and back
are on two losses, and each has barriers of its own.

References:
  Achille, Mbeng and Soatto, `Dynamics and reachability of learning tasks`, 2018. The
  factor 1/2D, the free energy of Kramers' time and the sign of the potential in the
  paths are those of a derivation, not of every print.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from scipy import sparse

from ibjax.compilation import full_precision
from ibjax.numerics import checks

__all__ = [
    "Reachability",
    "kramers_time",
    "langevin_paths",
    "passage_time",
    "reachability",
    "task_reachability",
]


# Terms of the exponential of at most a half, whose next one is below any rounding.
_TERMS = 16
# Of all their pairs eight tables are held, of 128 MiB each.
_MOST_PLACES = 4096


class Reachability(NamedTuple):
    """Transition density on a grid, and its two parts.

    Attributes:
      density: Density of being at the column's place after a time, from the row's,
        shape ``[num_places, num_places]``. Its sum over columns times the spacing is
        one. Of two axes the first two are of the place it starts from, ``[num_places_1,
        num_places_2, num_places_1, num_places_2]``, and the spacing is their product.
      static: What the losses at both ends say, likewise; infinite where the loss falls
        by more than some 1,400 temperatures.
      dynamic: What is left, the sum over paths, symmetric in the two places, likewise.
    """

    density: np.ndarray
    static: np.ndarray
    dynamic: np.ndarray


def reachability(
    potential: ArrayLike, *, spacing: ArrayLike, temperature: float, time: float
) -> Reachability:
    r"""Transition density between all places of a grid, of one axis or of two.

    The exponential of a generator of jumps between neighbours, at rates :math:`D / h^2
    e^{-\Delta U / 2 D}`, which keeps the stationary law :math:`e^{-U / D}` exactly. Of
    a sum of two potentials, one of each axis, all is the product of what each has.

    Tables of all pairs of places are multiplied, so that memory grows with the square
    of the number of places and time with its cube: 32 x 32 of them take 70 MB and a
    second, and 4,096, the most, a gigabyte and a minute.

    Args:
      potential: Loss U on a grid, shape ``[num_places]``, or ``[num_places_1,
        num_places_2]`` of two weights. Its changes between neighbours should be small
        beside the temperature.
      spacing: Distance h of neighbours, positive; of two axes also a pair.
      temperature: Temperature D, positive.
      time: Time, positive.

    Returns:
      The density and its parts.

    Raises:
      ValueError: If a number is not positive, or the potential not finite, too steep or
        of too many places.

    Example:
      >>> w = np.linspace(-3, 3, 121)
      >>> found = reachability(w**2 / 2, spacing=0.05, temperature=0.5, time=1.0)
      >>> mean = found.density[80] @ w * 0.05
      >>> print(f"{w[80]:.1f} -> {mean:.3f}")  # e^-1
      1.0 -> 0.368
      >>> w = np.linspace(-2, 2, 21)
      >>> bowl = (w[:, None] ** 2 + w**2) / 2
      >>> reachability(bowl, spacing=0.2, temperature=0.5, time=1.0).density.shape
      (21, 21, 21, 21)
    """
    u = _potential(potential, ("num_places",), ("num_places_1", "num_places_2"))
    spacings = _spacings(spacing, u.ndim)
    temperature = checks.positive("temperature", temperature)
    time = checks.positive("time", time)
    if u.size > _MOST_PLACES:
        raise ValueError(
            f"potential must have at most {_MOST_PLACES} places, as there must be room "
            f"for all their pairs, got {u.size}; take wider spacings or simulate paths"
        )
    rates = _rates(u, spacings, temperature)
    leaves = rates.sum(axis=1)
    # Sums and products of positive numbers alone: improbable places are as exact, in
    # proportion, as others.
    fastest = leaves.max()
    if not np.isfinite(fastest):
        steps = (np.abs(np.diff(u, axis=axis)).max() for axis in range(u.ndim))
        raise ValueError(
            "potential must change by less than some 1,400 temperatures from one place "
            f"to the next, got {max(steps) / temperature:.4g}"
        )
    jumps = (rates + sparse.diags_array(fastest - leaves)) / fastest
    halvings = max(0, math.ceil(math.log2(2 * fastest * time)))
    mean = fastest * time / 2**halvings
    moved = term = np.exp(-mean) * np.eye(u.size)
    for number in range(1, _TERMS):
        term = term @ jumps * (mean / number)
        moved = moved + term
    for _ in range(halvings):
        moved = moved @ moved
        # What is lost or won by rounding would double with every product.
        moved /= moved.sum(axis=1, keepdims=True)
    density = moved / math.prod(spacings)
    rise = (u.ravel()[None] - u.ravel()[:, None]) / (2 * temperature)
    with np.errstate(over="ignore"):
        static = np.exp(-rise)
    # Of the two ways only the one down: up, both factors may be below any number. Where
    # there is neither, both count by half.
    dynamic = density * np.exp(np.minimum(rise, 0)) * (1 - np.sign(rise)) / 2
    parts = (density, static, dynamic + dynamic.T)
    return Reachability(*(part.reshape(u.shape * 2) for part in parts))


def _rates(
    u: np.ndarray, spacings: tuple[float, ...], temperature: float
) -> sparse.csr_array:
    """Rates of jumps to neighbours, ``[num_places, num_places]`` of all axes."""
    places = np.arange(u.size).reshape(u.shape)
    rates, rows, columns = [], [], []
    for axis, spacing in enumerate(spacings):
        low, high = (np.delete(places, end, axis).ravel() for end in (-1, 0))
        drops = np.diff(u, axis=axis).ravel() / (2 * temperature)
        with np.errstate(over="ignore"):
            both = np.exp([-drops, drops]) * (temperature / spacing**2)
        rates.append(both.ravel())
        rows += [low, high]
        columns += [high, low]
    entries = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array((np.concatenate(rates), entries), shape=(u.size, u.size))


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
    u = _potential(potential, ("num_places",))
    spacing = checks.positive("spacing", spacing)
    temperature = checks.positive("temperature", temperature)
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
        w = _moved(key, w, gradient, heat, step)
        return w, w

    return lax.scan(one_step, start, jax.random.split(key, num_steps))[1]


@full_precision
def task_reachability(
    key: jax.Array,
    losses: Sequence[Callable[[jax.Array], Any]],
    minima: ArrayLike,
    *,
    radius: float,
    temperature: float,
    step: float,
    num_steps: int,
    num_paths: int,
) -> jax.Array:
    r"""How likely training on a task goes from another's minimum to its own in time.

    Paths from the minimum of the row's task, on the loss of the column's task and with
    noise (:func:`langevin_paths`); the share of them that end in a ball around the
    column's minimum. From a task whose minimum a barrier surrounds on its own loss
    alone to a simpler one the way is downhill, while the way back waits for
    :func:`kramers_time`. On the diagonal is how likely the weights stay.

    A share p has a standard error of :math:`\sqrt{p (1 - p) / n}` for its n paths, and
    what the length of the steps adds, of the size of it times the curvature. Of one
    weight or two :func:`reachability` tells the same without either, summed over the
    ball.

    Args:
      key: Draws the noise.
      losses: Of every task ``loss(w)``, of weights ``[num_weights]``, a number, with
        its penalty.
      minima: Weights of every task, shape ``[num_tasks, num_weights]``.
      radius: Radius of the balls, positive.
      temperature: Temperature D, positive.
      step: Length of a step in time, positive.
      num_steps: Number of steps.
      num_paths: Number of paths from every minimum on every loss.

    Returns:
      The shares, float32, shape ``[num_tasks, num_tasks]``; NaN where a path ended at
      infinity, as those of too long steps do.

    Raises:
      ValueError: If a number is not positive, minima are not finite or shapes do not
        fit.
      TypeError: If ``key`` is no typed key or ``losses`` are no functions.

    Example:
      >>> def loss(w, target):  # Three layers of one weight, and its decay.
      ...     return (w[0] ** 3 - target) ** 2 / 2 + w[0] ** 2 / 2
      >>> shares = task_reachability(
      ...     jax.random.key(0),
      ...     [lambda w: loss(w, 0.0), lambda w: loss(w, 1.0)],
      ...     [[0.0], [0.84]],
      ...     radius=0.25,
      ...     temperature=0.01,
      ...     step=0.02,
      ...     num_steps=1000,
      ...     num_paths=100,
      ... )
      >>> to_learn, to_forget = shares[0, 1], shares[1, 0]
      >>> print(f"{to_forget:.1f}", bool(to_learn < 0.5))
      1.0 True
    """
    checks.key("key", key)
    checks.instance("losses", losses, list, tuple)
    losses = [checks.function("losses", loss) for loss in losses]
    num_tasks = len(checks.not_empty("losses", losses, "function"))
    minima = checks.jax_array("minima", minima, jnp.float32)
    checks.shape("minima", minima, (num_tasks, "num_weights"), why="to match losses")
    checks.finite("minima", minima)
    radius = checks.positive("radius", radius)
    temperature = checks.positive("temperature", temperature)
    step = checks.positive("step", step)
    checks.count("num_steps", num_steps)
    checks.count("num_paths", num_paths)
    starts = jnp.repeat(minima[:, None], num_paths, axis=1)
    shares = []
    for own, loss, goal in zip(
        jax.random.split(key, num_tasks), losses, minima, strict=True
    ):
        gradient = jax.vmap(jax.vmap(jax.grad(loss)))

        def one_step(w, key, gradient=gradient):
            return _moved(key, w, gradient, temperature, step), None

        ends, _ = lax.scan(one_step, starts, jax.random.split(own, num_steps))
        apart = jnp.linalg.norm(ends - goal[None, None], axis=-1)
        arrived = jnp.where(jnp.isfinite(apart), apart <= radius, jnp.nan)
        shares.append(arrived.mean(axis=1))
    return jnp.stack(shares, axis=1)


def _moved(key, w, gradient, heat, step):
    """Weights after a step, with the noise of the place it starts from."""
    noise = jax.random.normal(key, w.shape, w.dtype)
    return w - step * gradient(w) + jnp.sqrt(2 * heat * step) * noise


def _potential(potential: ArrayLike, *shapes: tuple[str, ...]) -> np.ndarray:
    u = np.asarray(checks.real("potential", potential, np.asarray), np.float64)
    checks.shape("potential", u, *shapes)
    if min(u.shape) < 2:
        each = " along each axis" if u.ndim > 1 else ""
        raise ValueError(
            f"potential must have at least two places{each}, got {min(u.shape)}"
        )
    return checks.finite("potential", u)


def _spacings(spacing: ArrayLike, num_axes: int) -> tuple[float, ...]:
    """Distance of neighbours along every axis."""
    if np.ndim(checks.real("spacing", spacing, np.asarray)) == 0:
        return (float(checks.positive("spacing", spacing)),) * num_axes
    checks.shape("spacing", spacing, (num_axes,))
    return tuple(float(checks.positive("spacing", h)) for h in np.asarray(spacing))
