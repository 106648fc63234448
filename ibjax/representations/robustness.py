r"""Accuracy under attack, and what an attack must pass to be believed.

The numbers are upper bounds on the accuracy against the best attack there is, as the
attack is a lower bound on it: they say how robust a classifier is not.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.representations.attacks import checked
from ibjax.representations.perturbations import (
    Attack,
    as_attack,
    gradient,
    judged,
    one_step,
    random_points,
    share_right,
    starting_points,
    tries,
)
from ibjax.representations.predictors import LogProbabilities, averaged

__all__ = [
    "AttackCheck",
    "AttackChecks",
    "RobustAccuracy",
    "check_attack",
    "robust_accuracy",
]

# Two-sided 95 % of a normal variable.
_QUANTILE = 1.959964
# One percent is let pass by every check, beside two standard errors.
_TOLERANCE = 0.01
# Times as many draws must not make an attack stronger.
_MORE_DRAWS = 4


class RobustAccuracy(NamedTuple):
    """Accuracy of a predictor under attack, for several radii.

    Attributes:
      radii: Shape ``[num_radii]``.
      accuracy: Mean over inputs and predictions, shape ``[num_radii]``.
      low: Lower end of the 95 % interval over draws of the inputs, shape
        ``[num_radii]``.
      high: Upper end.
      correct: Share of right predictions of every input, shape ``[num_radii,
        num_inputs]``.
      clean: Mean over inputs and predictions without an attack, shape ``[]``.
    """

    radii: jax.Array
    accuracy: jax.Array
    low: jax.Array
    high: jax.Array
    correct: jax.Array
    clean: jax.Array


class AttackCheck(NamedTuple):
    """One thing that an attack must pass.

    Attributes:
      passed: Whether it did, boolean, shape ``[]``; false of NaN.
      value: The number that decides it.
      limit: What it must not exceed.
    """

    passed: jax.Array
    value: jax.Array
    limit: jax.Array


class AttackChecks(NamedTuple):
    """What an attack must pass; to pass it all is necessary and not enough.

    Numbers are shares of predictions. Where two accuracies are compared on the same
    inputs, the limit is 0.01 and two standard errors of the mean difference.

    Attributes:
      unbounded: Accuracy where the ball is the whole box; at most 0.01.
      iterative: Accuracy under many steps less that under one.
      radius: The largest rise of the accuracy from a radius to twice the radius.
      random: Accuracy under the attack less that at the worst of as many random points
        of the ball as the attack takes steps.
      draws: Accuracy less that under gradients of four times as many draws.
      gradients: Share of inputs whose gradient is zero or not finite; at most 0.01.
    """

    unbounded: AttackCheck
    iterative: AttackCheck
    radius: AttackCheck
    random: AttackCheck
    draws: AttackCheck
    gradients: AttackCheck

    @property
    def passed(self) -> jax.Array:
        """Whether all are passed, shape ``[]``."""
        return jnp.stack([check.passed for check in self]).all(axis=0)


def robust_accuracy(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    radii: ArrayLike,
    attack: Attack | None = None,
    sources: Sequence[LogProbabilities] = (),
) -> RobustAccuracy:
    r"""Accuracy of a predictor under projected gradient ascent, for several radii.

    For every radius the tries' last points and the input itself are predicted
    ``num_evaluations`` times with fresh draws, and the one that is right least often is
    kept; the accuracy is that of as many further predictions of it, since the draws
    that a point was chosen by flatter the attack.

    The interval is Wilson's of a binomial share of the inputs. A prediction is right in
    a share of the draws, which varies less than right and wrong do with the same mean:
    the interval is too wide rather than too narrow. It says nothing of better attacks.

    Args:
      key: Draws the starts and the noise.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``, floating, within the box.
      labels: Their classes, shape ``[num_inputs]``.
      radii: Radii, shape ``[num_radii]``, not negative.
      attack: Options.
      sources: Further predictors of the same classes whose gradients the attack
        follows too, such as one without noise or another network: each has as many
        tries, and the strongest point of all is kept.

    Returns:
      The accuracy of every radius.

    Raises:
      ValueError: As :func:`ibjax.representations.pgd`.
      TypeError: As :func:`ibjax.representations.pgd`.

    References:
      Athalye, Carlini and Wagner, `Obfuscated gradients give a false sense of
      security`, ICML 2018.

    Example:
      >>> weights = jnp.array([[1.0, -1.0], [0.0, 3.0]])
      >>> linear = lambda key, x: jax.nn.log_softmax(x @ weights)
      >>> found = robust_accuracy(
      ...     jax.random.key(0),
      ...     linear,
      ...     jnp.array([[0.5, 0.1], [0.9, 0.1]]),
      ...     jnp.array([0, 0]),
      ...     radii=[0.0, 0.2, 0.5],
      ...     attack=Attack(num_steps=5, num_draws=1, num_evaluations=1),
      ... )
      >>> print(found.accuracy)
      [1.  0.5 0. ]
    """
    attack = as_attack(attack)
    f, x, labels, _ = checked(key, log_probabilities, x, labels, 0.0, attack)
    radii = checks.shape("radii", checks.floats("radii", radii), ("num_radii",))
    if not checks.is_traced(radii) and not bool(jnp.all(radii >= 0)):
        raise ValueError(f"radii must not be negative or NaN, got {radii}")
    others = _sources(key, sources, x, labels, attack)
    return _robust_accuracy(
        key, f, x, labels, radii.astype(x.dtype), others, attack=attack
    )


def check_attack(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    radius: float,
    *,
    attack: Attack | None = None,
    sources: Sequence[LogProbabilities] = (),
) -> AttackChecks:
    """Hold an attack on a predictor against what it must pass to be believed.

    Args:
      key: Draws the starts and the noise.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``, floating, within the box; two at least.
      labels: Their classes, shape ``[num_inputs]``.
      radius: The radius, positive: best one where the accuracy is neither that without
        an attack nor zero. Half and twice of it are tried too.
      attack: Options.
      sources: Further predictors whose gradients the attack follows too, as in
        :func:`robust_accuracy`. The checks of draws and of gradients are of those of
        the predictor itself.

    Returns:
      What was passed, with the numbers.

    Raises:
      ValueError: As :func:`ibjax.representations.pgd`, and of a radius of zero or
        fewer than two inputs.
      TypeError: As :func:`ibjax.representations.pgd`.

    References:
      Athalye, Carlini and Wagner, `Obfuscated gradients give a false sense of
      security`, ICML 2018, sec. 3.1. Popovic et al., 2022, show a network that passes
      such a list and is not robust.

    Example:
      >>> weights = jnp.array([[1.0, -1.0], [0.0, 3.0]])
      >>> linear = lambda key, x: jax.nn.log_softmax(x @ weights)
      >>> found = check_attack(
      ...     jax.random.key(0),
      ...     linear,
      ...     jnp.array([[0.5, 0.1], [0.9, 0.1]]),
      ...     jnp.array([0, 0]),
      ...     0.2,
      ...     attack=Attack(num_steps=5, num_draws=1, num_evaluations=1),
      ... )
      >>> bool(found.passed), float(found.iterative.value)
      (True, 0.0)
    """
    attack = as_attack(attack)
    radius = checks.positive("radius", radius)
    f, x, labels, radii = checked(key, log_probabilities, x, labels, radius, attack)
    if len(x) < 2:
        raise ValueError(f"x must hold at least 2 inputs, got {len(x)}")
    others = _sources(key, sources, x, labels, attack)
    return _check_attack(key, f, x, labels, radii, others, attack=attack)


def _sources(key, sources, x, labels, attack) -> tuple[LogProbabilities, ...]:
    checks.instance("sources", sources, list, tuple)
    return tuple(checked(key, source, x, labels, 0.0, attack)[0] for source in sources)


@exact_jit(static_argnames="attack")
def _robust_accuracy(key, f, x, labels, radii, others, *, attack):
    def one(numbered):
        number, radius = numbered
        key_radius = jax.random.fold_in(key, number)
        return _correct(key_radius, (f, *others), x, labels, radius, attack)

    correct, clean = lax.map(one, (jnp.arange(len(radii)), radii))
    accuracy = jnp.mean(correct, axis=1)
    # Wilson's score interval.
    share = _QUANTILE**2 / len(x)
    middle = (accuracy + share / 2) / (1 + share)
    inside = accuracy * (1 - accuracy) / len(x) + share / (4 * len(x))
    half = _QUANTILE / (1 + share) * jnp.sqrt(inside)
    low, high = jnp.clip(middle - half, 0, 1), jnp.clip(middle + half, 0, 1)
    return RobustAccuracy(radii, accuracy, low, high, correct, jnp.mean(clean))


@exact_jit(static_argnames="attack")
def _check_attack(key, f, x, labels, radii, others, *, attack):
    names = ("attack", "draws", "gradients", "random", "others")
    keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))
    radius = radii[0]
    low, high = attack.box
    size = high - low
    if attack.norm == "l2":
        size *= math.sqrt(math.prod(x.shape[1:]))
    tried = jnp.stack([radius / 2, radius, 2 * radius, jnp.full_like(radius, size)])
    half, full, double, unbounded = lax.map(
        lambda r: _correct(keys["attack"], (f, *others), x, labels, r, attack)[0], tried
    )
    many = dataclasses.replace(attack, num_draws=_MORE_DRAWS * attack.num_draws)
    more, _ = _correct(keys["draws"], (f, *others), x, labels, radius, many)
    no_aim = jnp.full(labels.shape, -1)
    found = gradient(keys["gradients"], f, x, labels, no_aim, attack)
    weaker = jnp.stack(
        [
            one_step(found, x, radii, attack),
            _random(keys["random"], f, x, labels, radii, attack),
        ]
    )
    single, at_random = lax.map(
        lambda keyed: share_right(keyed[0], f, keyed[1], labels, attack),
        (jax.random.split(keys["others"]), weaker),
    )
    axes = tuple(range(1, x.ndim))
    useful = jnp.isfinite(found).all(axis=axes) & (found != 0).any(axis=axes)
    rises = [
        _compared(after, before)
        for before, after in ((half, full), (full, double), (double, unbounded))
    ]
    excess = jnp.stack([rise.value - rise.limit for rise in rises])
    # Of NaN the first one is taken, which does not pass.
    worst = jnp.argmax(excess)
    return AttackChecks(
        unbounded=_check(jnp.mean(unbounded), _TOLERANCE),
        iterative=_compared(full, single),
        radius=jax.tree.map(lambda *each: jnp.stack(each)[worst], *rises),
        random=_compared(full, at_random),
        draws=_compared(full, more),
        gradients=_check(1 - jnp.mean(useful.astype(x.dtype)), _TOLERANCE),
    )


def _correct(key, predictors, x, labels, radius, attack: Attack):
    """Share of right predictions with and without the attack, ``[num_inputs]`` each.

    The gradients are those of all predictors, the predictions those of the first.
    """
    key_start, key_tries, key_judged = jax.random.split(key, 3)
    radii = jnp.broadcast_to(radius, (len(x),))
    starts = starting_points(key_start, x, radii, attack)
    found = [
        tries(
            jax.random.fold_in(key_tries, number), g, x, labels, radii, starts, attack
        )
        for number, g in enumerate(predictors)
    ]
    candidates = jnp.concatenate([x[None], *found])
    return judged(key_judged, predictors[0], candidates, labels, attack)[1:]


def _random(key, f, x, labels, radii, attack: Attack) -> jax.Array:
    """The least probable to be right of as many random points as there are steps."""

    def one(best, key):
        points, least = best
        key_points, key_draws = jax.random.split(key)
        new = random_points(key_points, x, radii, attack)
        logs = averaged(key_draws, f, new, attack.num_draws)
        own = jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0]
        less = own < least
        chosen = less.reshape(-1, *[1] * (x.ndim - 1))
        return (jnp.where(chosen, new, points), jnp.where(less, own, least)), None

    start = x, jnp.full(labels.shape, jnp.inf, x.dtype)
    (points, _), _ = lax.scan(one, start, jax.random.split(key, attack.num_steps))
    return points


def _compared(stronger: jax.Array, weaker: jax.Array) -> AttackCheck:
    """Check that the accuracy under a stronger attack is not the higher one."""
    difference = stronger - weaker
    error = jnp.std(difference, ddof=1) / math.sqrt(len(difference))
    return _check(jnp.mean(difference), _TOLERANCE + 2 * error)


def _check(value: jax.Array, limit: float | jax.Array) -> AttackCheck:
    limit = jnp.asarray(limit, value.dtype)
    return AttackCheck(value <= limit, value, limit)
