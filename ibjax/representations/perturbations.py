"""Options of attacks, and points of the ball around an input that they go to."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.representations.predictors import averaged, evaluate

__all__ = [
    "ATTACK_LOSSES",
    "Attack",
    "NORMS",
    "as_attack",
    "gradient",
    "judged",
    "lengths",
    "margin",
    "one_step",
    "other_classes",
    "random_points",
    "share_right",
    "starting_points",
    "tries",
]

NORMS = ("linf", "l2")
"""Norms of a perturbation: its largest entry, or its length."""

ATTACK_LOSSES = ("cross-entropy", "margin")
"""What an attack climbs, see :class:`Attack`."""


@dataclass(frozen=True)
class Attack:
    r"""Options of an attack.

    Attributes:
      norm: One of :data:`NORMS`.
      loss: What is climbed, one of :data:`ATTACK_LOSSES`: the cross-entropy
        :math:`-\log p(y|x)`, or the margin :math:`\log p(j|x) - \log p(y|x)`. There j
        is the best other class at every step of the first try; every restart aims at
        one other class, in the order of their probability at x, as in AutoAttack. The
        margin has a gradient where a certain class has none.
      num_steps: Steps of :func:`pgd`.
      num_tries: Starts of it: the first is at the input, all others at random points
        of the ball.
      step_size: Steps in units of the radius: a number, or a function of the step's
        number such as one of optax's schedules. None falls linearly from 10 /
        ``num_steps`` to zero, so that all steps together are five radii long.
      num_draws: Draws that every gradient is averaged over.
      num_predicted: Draws that the predictor averages its probabilities over.
      num_evaluations: Predictions, of fresh draws, by which a point is judged.
      box: Least and largest value of an input's entries.
    """

    norm: str = "linf"
    loss: str = "cross-entropy"
    num_steps: int = 40
    num_tries: int = 1
    step_size: float | Callable[[jax.Array], ArrayLike] | None = None
    num_draws: int = 20
    num_predicted: int = 12
    num_evaluations: int = 10
    box: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self):
        """Check every field."""
        checks.one_of("norm", self.norm, NORMS)
        checks.one_of("loss", self.loss, ATTACK_LOSSES)
        for field in dataclasses.fields(self):
            if field.name.startswith("num_"):
                checks.count(field.name, getattr(self, field.name))
        if self.step_size is not None and not callable(self.step_size):
            checks.positive("step_size", self.step_size)
        checks.shape("box", checks.real("box", self.box, np.asarray), (2,))
        object.__setattr__(self, "box", tuple(map(float, self.box)))
        low, high = self.box
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"box must be a least and a larger value, got {self.box}")

    def step(self, number: jax.Array) -> ArrayLike:
        """Length of a step in units of the radius."""
        if callable(self.step_size):
            return self.step_size(number)
        if self.step_size is not None:
            return self.step_size
        return 10 / self.num_steps * (1 - number / self.num_steps)


def margin(logs: jax.Array, labels: jax.Array, aims: jax.Array) -> jax.Array:
    """Log ratio of another class, the best one where ``aims`` is -1, to the label's."""
    classes = jnp.arange(logs.shape[1])[None]
    is_own = classes == labels[:, None]
    own = jnp.sum(jnp.where(is_own, logs, 0.0), axis=1)
    best = jnp.max(jnp.where(is_own, -jnp.inf, logs), axis=1)
    aimed = jnp.sum(jnp.where(classes == aims[:, None], logs, 0.0), axis=1)
    return jnp.where(aims < 0, best, aimed) - own


def climbed(key, f, x, labels, aims, attack: Attack) -> jax.Array:
    """What the attack climbs, ``[num_inputs]``."""
    logs = averaged(key, f, x, attack.num_draws)
    if attack.loss == "margin":
        return margin(logs, labels, aims)
    return -jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0]


def project(x, points, radius, attack: Attack) -> jax.Array:
    """The points, brought back into the ball and the box."""
    change = points - x
    limits = _column(radius, x)
    if attack.norm == "linf":
        change = jnp.clip(change, -limits, limits)
    else:
        change = change * jnp.minimum(1.0, limits / _positive(lengths(change)))
    # Towards x, which is in the box: the ball is not left again.
    return jnp.clip(x + change, *attack.box)


def lengths(change: jax.Array) -> jax.Array:
    """Euclidean length of every row, as a column that broadcasts to it."""
    axes = tuple(range(1, change.ndim))
    return jnp.sqrt(jnp.sum(change**2, axis=axes, keepdims=True))


def random_points(key, x, radius, attack: Attack) -> jax.Array:
    """One point for every input, uniform in the ball, cut off at the box."""
    limits = _column(radius, x)
    if attack.norm == "linf":
        change = limits * jax.random.uniform(key, x.shape, x.dtype, -1.0, 1.0)
    else:
        key_direction, key_length = jax.random.split(key)
        normal = jax.random.normal(key_direction, x.shape, x.dtype)
        share = jax.random.uniform(key_length, limits.shape, x.dtype)
        share = share ** (1 / math.prod(x.shape[1:]))
        change = limits * share * normal / _positive(lengths(normal))
    return project(x, x + change, radius, attack)


def share_right(key, f, x, labels, attack: Attack) -> jax.Array:
    """Share of right predictions of every input, as the attack judges points."""
    right, _ = evaluate(
        key,
        f,
        x,
        labels,
        num_predicted=attack.num_predicted,
        num_evaluations=attack.num_evaluations,
    )
    return jnp.mean(right, axis=0)


def judged(
    key, f, candidates, labels, attack: Attack
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of ``[num_candidates, num_inputs, ...]`` the one that is right least often.

    Also the share of right predictions of it, and of the first candidate, by as many
    further draws: the least of several noisy shares is too low.
    """
    num = attack.num_evaluations

    def one(candidate):
        right, own = evaluate(
            key,
            f,
            candidate,
            labels,
            num_predicted=attack.num_predicted,
            num_evaluations=2 * num,
        )
        # Less than one prediction more or less: it decides between equal shares.
        score = jnp.mean(right[:num] + own[:num] / (2 * num), axis=0)
        return score, jnp.mean(right[num:], axis=0)

    scores, correct = lax.map(one, candidates)
    best = jnp.argmin(scores, axis=0)[None]
    places = best.reshape(1, -1, *[1] * (candidates.ndim - 2))
    points = jnp.take_along_axis(candidates, places, axis=0)[0]
    return points, jnp.take_along_axis(correct, best, axis=0)[0], correct[0]


def starting_points(key, x, radius, attack: Attack) -> jax.Array:
    """Start of every try, ``[num_tries, num_inputs, ...]``; the first is the input."""
    if attack.num_tries == 1:
        return x[None]
    away = lax.map(
        lambda key: random_points(key, x, radius, attack),
        jax.random.split(key, attack.num_tries - 1),
    )
    return jnp.concatenate([x[None], away])


def tries(key, f, x, labels, radius, starts, attack: Attack) -> jax.Array:
    """Last point of every try, ``[num_tries, num_inputs, ...]``."""
    key_order, key_tries = jax.random.split(key)
    of_tries = jnp.full((attack.num_tries, len(labels)), -1)
    if attack.loss == "margin":
        of_tries = other_classes(key_order, f, x, labels, attack)

    def one(numbered):
        number, start, aims = numbered
        key_steps = jax.random.fold_in(key_tries, number)

        def step(step_number, points):
            key = jax.random.fold_in(key_steps, step_number)
            towards = direction(gradient(key, f, points, labels, aims, attack), attack)
            length = attack.step(step_number) * _column(radius, x)
            return project(x, points + length * towards, radius, attack)

        return lax.fori_loop(0, attack.num_steps, step, start)

    return lax.map(one, (jnp.arange(attack.num_tries), starts, of_tries))


def other_classes(key, f, x, labels, attack: Attack) -> jax.Array:
    """Class that every try aims at, ``[num_tries, num_inputs]``.

    The first is -1, for the best one at every step; then come all but the label's, the
    most probable at x first, and again from the start if there are more tries.
    """
    first = jnp.full((1, len(labels)), -1)
    if attack.num_tries == 1:
        return first
    logs = averaged(key, f, x, attack.num_draws)
    is_own = jnp.arange(logs.shape[1])[None] == labels[:, None]
    order = jnp.argsort(jnp.where(is_own, jnp.inf, -logs), axis=1)[:, :-1]
    places = np.arange(attack.num_tries - 1) % order.shape[1]
    return jnp.concatenate([first, order.T[places]])


def gradient(key, f, x, labels, aims, attack: Attack) -> jax.Array:
    """Gradient by the inputs of what the attack climbs."""
    # Inputs do not act on each other: the sum's gradient is that of each.
    return jax.grad(lambda x: jnp.sum(climbed(key, f, x, labels, aims, attack)))(x)


def direction(found: jax.Array, attack: Attack) -> jax.Array:
    """Steepest direction of norm one; zero where the gradient is zero or not finite."""
    axes = tuple(range(1, found.ndim))
    fine = jnp.isfinite(found).all(axis=axes, keepdims=True)
    found = jnp.where(fine, found, 0.0)
    if attack.norm == "linf":
        return jnp.sign(found)
    # Squares of the small gradients of a certain class would be zero.
    found = found / _positive(jnp.max(jnp.abs(found), axis=axes, keepdims=True))
    return found / _positive(lengths(found))


def as_attack(attack: Attack | None) -> Attack:
    """The options of an attack, its defaults for None."""
    return Attack() if attack is None else checks.instance("attack", attack, Attack)


def one_step(found, x, radius, attack: Attack) -> jax.Array:
    """Points of :func:`ibjax.representations.fgsm`, by the gradient at the input."""
    moved = x + _column(radius, x) * direction(found, attack)
    return project(x, moved, radius, attack)


def _column(radius: jax.Array, x: jax.Array) -> jax.Array:
    return radius.reshape(-1, *[1] * (x.ndim - 1))


def _positive(values: jax.Array) -> jax.Array:
    """Values to divide by, one in place of zero."""
    return jnp.where(values > 0, values, 1.0)
