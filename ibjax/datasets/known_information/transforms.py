"""Invertible maps of variables, which leave their mutual information unchanged.

Every function takes a task and returns the transformed one, its own name put before
that of the task. Maps of columns treat every column of X and of Y alike, unless said
otherwise.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtr

from ibjax.compilation import exact_jit
from ibjax.datasets.known_information.families import KnownInformation
from ibjax.numerics import checks

__all__ = [
    "asinh",
    "bimodal",
    "half_cube",
    "normal_cdf",
    "spiral",
    "swissroll",
    "transform",
    "wiggly",
]

# Weights and means of the two unit normals that a bimodal variable is a mixture of.
_BIMODAL_X = ((0.3, 0.7), (0.0, 5.0))
_BIMODAL_Y = ((0.5, 0.5), (-1.0, 3.0))
# Halvings of an interval of length 5: beyond what float32 resolves.
_HALVINGS = 32


def transform(
    task: KnownInformation,
    name: str,
    map_x: Callable[[jax.Array], jax.Array],
    map_y: Callable[[jax.Array], jax.Array] | None = None,
) -> KnownInformation:
    """Task with X and Y sent through injective maps, its information unchanged.

    Args:
      task: The task.
      name: Put before the name of the task.
      map_x: From ``[num_samples, dim_x]`` to ``[num_samples, new_dim_x]``, row by row.
        It must be injective, which is not checked; otherwise the value is wrong.
      map_y: Map of Y; ``map_x`` by default.

    Returns:
      The new task.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = transform(multinormal_sparse(1, 1, [0.5]), "cubed", lambda v: v**3)
      >>> print(task.name, f"{task.mutual_information:.4f}")
      cubed-multinormal-sparse-1-1-0.5 0.1438
    """
    map_y = map_x if map_y is None else map_y
    checks.instance("task", task, KnownInformation)
    checks.function("map_x", map_x)
    checks.function("map_y", map_y)

    def sample(key, num_samples):
        x, y = task.sample(key, num_samples)
        return map_x(x), map_y(y)

    x, y = jax.eval_shape(lambda key: sample(key, 1), jax.random.key(0))
    checks.shape("map_x's result", x, ("num_samples", "dim"))
    checks.shape("map_y's result", y, ("num_samples", "dim"))
    return KnownInformation(
        f"{name}-{task.name}", x.shape[1], y.shape[1], task.mutual_information, sample
    )


def normal_cdf(task: KnownInformation) -> KnownInformation:
    """Columns through the normal distribution function: uniform on (0, 1) if normal.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = normal_cdf(multinormal_sparse(1, 1, [0.5]))
      >>> print(task.name, f"{task.mutual_information:.3f}")
      normal_cdf-multinormal-sparse-1-1-0.5 0.144
    """
    return transform(task, "normal_cdf", ndtr)


def half_cube(task: KnownInformation) -> KnownInformation:
    """Columns v as ``v sqrt(|v|)``: longer tails, and a density with a pole at zero.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = half_cube(multinormal_sparse(1, 1, [0.5]))
      >>> print(task.name, f"{task.mutual_information:.3f}")
      half_cube-multinormal-sparse-1-1-0.5 0.144
    """
    return transform(task, "half_cube", lambda v: v * jnp.sqrt(jnp.abs(v)))


def asinh(task: KnownInformation) -> KnownInformation:
    """Columns through the inverse hyperbolic sine, which shortens heavy tails.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = asinh(multinormal_sparse(1, 1, [0.5]))
      >>> print(task.name, f"{task.mutual_information:.3f}")
      asinh-multinormal-sparse-1-1-0.5 0.144
    """
    return transform(task, "asinh", jnp.arcsinh)


def wiggly(task: KnownInformation) -> KnownInformation:
    """Columns bent by a sum of sines, one for X and another for Y, both increasing.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = wiggly(multinormal_sparse(1, 1, [0.5]))
      >>> print(task.name, f"{task.mutual_information:.3f}")
      wiggly-multinormal-sparse-1-1-0.5 0.144
    """

    def wave(*terms):
        def bend(v):
            return v + sum(a * jnp.sin(w * v + shift) for a, w, shift in terms)

        return bend

    return transform(
        task,
        "wiggly",
        wave((0.4, 1.0, 0.0), (0.2, 1.7, 1.0), (0.03, 3.3, -2.5)),
        wave((-0.4, 0.4, 0.0), (0.17, 1.3, 3.5), (0.02, 4.3, -2.5)),
    )


def bimodal(task: KnownInformation) -> KnownInformation:
    """Unit normal columns turned into mixtures of two normals.

    The columns of X become 0.3 N(0, 1) + 0.7 N(5, 1), those of Y
    0.5 N(-1, 1) + 0.5 N(3, 1), by the increasing map between the two distributions.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = bimodal(multinormal_sparse(1, 1, [0.5]))
      >>> print(task.name, f"{task.mutual_information:.3f}")
      bimodal-multinormal-sparse-1-1-0.5 0.144
    """
    map_x = partial(_to_mixture, weights=_BIMODAL_X[0], means=_BIMODAL_X[1])
    map_y = partial(_to_mixture, weights=_BIMODAL_Y[0], means=_BIMODAL_Y[1])
    return transform(task, "bimodal", map_x, map_y)


def spiral(task: KnownInformation) -> KnownInformation:
    r"""Rows turned by an angle that grows with their length.

    A row v turns by :math:`|v|^2 / \dim`: X in the plane of its first two axes, Y in
    that of its second and third. Lengths stay, so the turn is invertible. X needs two
    columns at least, Y three.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = spiral(multinormal_sparse(3, 3, [0.5]))
      >>> print(task.name, task.dim_x)
      spiral-multinormal-sparse-3-3-0.5 3
    """
    checks.instance("task", task, KnownInformation)
    if task.dim_x < 2 or task.dim_y < 3:
        raise ValueError(
            "task must have at least 2 columns of X and 3 of Y, got "
            f"{task.dim_x} and {task.dim_y}"
        )

    def turn(v, first):
        angle = jnp.mean(v**2, axis=1)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        a, b = v[:, first], v[:, first + 1]
        turned = jnp.stack([cos * a - sin * b, sin * a + cos * b], axis=1)
        return v.at[:, first : first + 2].set(turned)

    map_x, map_y = partial(turn, first=0), partial(turn, first=1)
    return transform(task, "spiral", map_x, map_y)


def swissroll(task: KnownInformation) -> KnownInformation:
    """X, one column in [0, 1], rolled up in the plane; Y unchanged.

    X then lies on a curve: it has no density in the plane, and estimators that assume
    one fail.

    Example:
      >>> from ibjax.datasets.known_information.families import multinormal_sparse
      >>> task = swissroll(normal_cdf(multinormal_sparse(1, 1, [0.5])))
      >>> print(task.name, task.dim_x, task.dim_y)
      swissroll_x-normal_cdf-multinormal-sparse-1-1-0.5 2 1
    """
    checks.instance("task", task, KnownInformation)
    if task.dim_x != 1:
        raise ValueError(f"task must have one column of X, got {task.dim_x}")

    def roll(v):
        angle = 1.5 * jnp.pi * (1 + 2 * v[:, 0])
        return jnp.stack([angle * jnp.cos(angle), angle * jnp.sin(angle)], axis=1) / 21

    return transform(task, "swissroll_x", roll, lambda v: v)


@exact_jit(static_argnames=("weights", "means"))
def _to_mixture(
    v: jax.Array, weights: tuple[float, ...], means: tuple[float, ...]
) -> jax.Array:
    """Quantiles of a mixture of unit normals at the probabilities ndtr(v)."""
    # Compare the lighter tails: their probabilities keep their relative precision.
    sign = jnp.where(v > 0, -1.0, 1.0)
    target = ndtr(sign * v)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        tails = [
            w * ndtr(sign * (middle - m)) for w, m in zip(weights, means, strict=True)
        ]
        above = sign * (sum(tails) - target) > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    # The quantile lies between those of the components.
    low, high = lax.fori_loop(0, _HALVINGS, halve, (v + min(means), v + max(means)))
    return (low + high) / 2
