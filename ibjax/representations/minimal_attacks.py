"""Smallest perturbations that change a class: the attack of Carlini and Wagner."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.representations.attacks import checked
from ibjax.representations.perturbations import (
    Attack,
    lengths,
    margin,
    other_classes,
    share_right,
)
from ibjax.representations.predictors import LogProbabilities, averaged

__all__ = ["MinimalPerturbation", "minimal_l2"]

# Inputs at the box's edge would be infinitely far away in the attack's variable, and a
# few hundred steps do not leave what is near it.
_INSIDE = 1 - 1e-4
# A point is looked for on the line so many times as far from the input, and halved so
# often: to 0.2 % of that.
_FAR = (1.0, 2.0, 4.0, 8.0, 16.0)
_NUM_HALVINGS = 9


class MinimalPerturbation(NamedTuple):
    """The nearest points found that are of another class.

    Attributes:
      x: Points; the input itself where none was found.
      distance: Euclidean distances from the inputs, shape ``[num_inputs]``: zero where
        the input is of another class already, infinite where no point was found.
      found: Whether a point was found. Where none was, the attack has failed: that is
        no distance, and no robustness.
    """

    x: jax.Array
    distance: jax.Array
    found: jax.Array


def minimal_l2(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    confidence: float = 0.0,
    num_steps: int = 200,
    num_searches: int = 9,
    num_tries: int = 1,
    first_weight: float = 1e-2,
    learning_rate: float = 5e-2,
    num_draws: int = 20,
    num_predicted: int = 12,
    num_evaluations: int = 10,
    box: tuple[float, float] = (0.0, 1.0),
) -> MinimalPerturbation:
    r"""Smallest perturbation, in length, after which the predictor is mostly wrong.

    Adam minimises

    .. math::
        |x' - x|^2 + c \max(\log p(y|x') - \max_{j \ne y} \log p(j|x') + \kappa, 0)

    where x' = low + (high - low) (1 + tanh w) / 2 never leaves the box. By input, c
    grows by tens until a point is found, and is then bisected, in its logarithm. At
    every step p is the mean of ``num_draws`` fresh draws. The class j that is most
    probable is not always the nearest, and the descent stays with it: every further
    try aims at one other class.

    Among thousands of noisy steps some are lucky. So no point is judged by a step's own
    draws: for every c the last one is, by ``num_evaluations`` further predictions, and
    moved on the line through it and the input, to where half of them are wrong. The
    line whose point is the nearest is searched once more with fresh draws. The
    distances are upper bounds: there may be nearer points.

    Args:
      key: Draws the noise.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``, floating, within the box.
      labels: Their classes, shape ``[num_inputs]``.
      confidence: The margin :math:`\kappa` in nats.
      num_steps: Steps of Adam for each c; Carlini and Wagner take up to 10,000.
      num_searches: Values of c.
      num_tries: Descents for each c; as many as there are classes aim at every one.
      first_weight: The first c, in squared length for a nat.
      learning_rate: Adam's at first, in units of w; it falls linearly to zero.
      num_draws: Draws that every step's gradient is averaged over.
      num_predicted: Draws that the predictor averages its probabilities over.
      num_evaluations: Predictions by which a point is judged.
      box: Least and largest value of an input's entries.

    Returns:
      The points and their distances.

    Raises:
      ValueError: If a number is out of range, shapes do not fit, or an input or label
        (outside of ``jit``) is out of range or NaN.
      TypeError: If labels are no integers, inputs not floating, or ``key`` no key.

    References:
      Carlini and Wagner, `Towards evaluating the robustness of neural networks`, IEEE
      Symposium on Security and Privacy, 2017.

    Example:
      >>> weights = jnp.array([[1.0, -1.0], [0.0, 2.0]])
      >>> linear = lambda key, x: jax.nn.log_softmax(x @ weights)
      >>> found = minimal_l2(
      ...     jax.random.key(0),
      ...     linear,
      ...     jnp.array([[0.5, 0.1]]),
      ...     jnp.array([0]),
      ...     num_draws=1,
      ...     num_predicted=1,
      ...     num_evaluations=1,
      ... )
      >>> print(f"{found.distance[0]:.3f}")  # 0.8 / sqrt(8).
      0.283
    """
    confidence = checks.not_negative("confidence", confidence)
    checks.count("num_searches", num_searches)
    first_weight = checks.positive("first_weight", first_weight)
    learning_rate = checks.positive("learning_rate", learning_rate)
    attack = Attack(
        norm="l2",
        num_steps=num_steps,
        num_tries=num_tries,
        num_draws=num_draws,
        num_predicted=num_predicted,
        num_evaluations=num_evaluations,
        box=box,
    )
    f, x, labels, _ = checked(key, log_probabilities, x, labels, 0.0, attack)
    return _minimal_l2(
        key,
        f,
        x,
        labels,
        confidence,
        first_weight,
        learning_rate,
        attack=attack,
        num_searches=num_searches,
    )


@exact_jit(static_argnames=("attack", "num_searches"))
def _minimal_l2(
    key, f, x, labels, confidence, first_weight, learning_rate, *, attack, num_searches
):
    key_order, key_search, key_line = jax.random.split(key, 3)
    low, high = attack.box
    scaled = 2 * (x - low) / (high - low) - 1
    start = jnp.arctanh(_INSIDE * scaled)
    optimizer = optax.adam(optax.linear_schedule(learning_rate, 0.0, attack.num_steps))

    def points_of(w):
        return low + (high - low) * (1 + jnp.tanh(w)) / 2

    def loss(w, weight, aims, key):
        points = points_of(w)
        logs = averaged(key, f, points, attack.num_draws)
        hinge = jnp.maximum(confidence - margin(logs, labels, aims), 0.0)
        return jnp.sum((points - x) ** 2) + jnp.sum(weight * hinge)

    def one_weight(aims, state, key):
        weight, least, most, nearest = state
        key_steps, key_line = jax.random.split(key)

        def step(carry, key):
            w, optimizer_state = carry
            found = jax.grad(loss)(w, weight, aims, key)
            # A gradient without a value leaves Adam's averages without one for good.
            found = jnp.where(jnp.isfinite(found), found, 0.0)
            updates, optimizer_state = optimizer.update(found, optimizer_state)
            return (w + updates, optimizer_state), None

        (w, _), _ = lax.scan(
            step,
            (start, optimizer.init(start)),
            jax.random.split(key_steps, attack.num_steps),
        )
        new, is_wrong = _along_the_line(key_line, f, x, labels, points_of(w), attack)
        nearest = _nearer(nearest, new)
        most = jnp.where(is_wrong, jnp.minimum(most, weight), most)
        least = jnp.where(is_wrong, least, jnp.maximum(least, weight))
        between = jnp.sqrt(jnp.where(jnp.isinf(most), 1.0, least * most))
        weight = jnp.where(
            jnp.isinf(most), 10 * weight, jnp.where(least > 0, between, most / 10)
        )
        return (weight, least, most, nearest), None

    nothing = jnp.full(labels.shape, jnp.inf, x.dtype)

    def one_try(nearest, numbered):
        number, aims = numbered
        weights = jnp.full(labels.shape, first_weight, x.dtype)
        state = weights, jnp.zeros_like(nothing), nothing, nearest
        keys = jax.random.split(jax.random.fold_in(key_search, number), num_searches)
        (*_, nearest), _ = lax.scan(partial(one_weight, aims), state, keys)
        return nearest, None

    of_tries = other_classes(key_order, f, x, labels, attack)
    nearest = MinimalPerturbation(x, nothing, labels < 0)
    nearest, _ = lax.scan(one_try, nearest, (jnp.arange(attack.num_tries), of_tries))
    key_once_more, key_input = jax.random.split(key_line)
    chosen, _ = _along_the_line(key_once_more, f, x, labels, nearest.x, attack)
    already = _is_wrong(key_input, f, x, labels, attack)
    return _nearer(
        chosen,
        MinimalPerturbation(x, jnp.where(already, 0.0, jnp.inf), already),
    )


def _along_the_line(key, f, x, labels, points, attack):
    """Where, on the line through the points, half of the predictions are wrong.

    Also whether half of them are at the points themselves.
    """

    def at(share):
        return jnp.clip(x + _column(share, x) * (points - x), *attack.box)

    def wrong_at(number, share):
        key_number = jax.random.fold_in(key, number)
        return _is_wrong(key_number, f, at(share), labels, attack)

    tried = jnp.stack([jnp.full(labels.shape, share, x.dtype) for share in _FAR])
    wrong = lax.map(
        lambda numbered: wrong_at(*numbered), (jnp.arange(len(_FAR)), tried)
    )
    far = jnp.min(jnp.where(wrong, tried, _FAR[-1]), axis=0)

    def halve(number, bounds):
        near, far = bounds
        middle = (near + far) / 2
        wrong = wrong_at(len(_FAR) + number, middle)
        return jnp.where(wrong, near, middle), jnp.where(wrong, middle, far)

    _, far = lax.fori_loop(0, _NUM_HALVINGS, halve, (jnp.zeros_like(far), far))
    found = wrong.any(axis=0)
    at_border = jnp.where(_column(found, x), at(far), x)
    distance = jnp.where(found, lengths(at_border - x).reshape(-1), jnp.inf)
    return MinimalPerturbation(at_border, distance, found), wrong[0]


def _is_wrong(key, f, points, labels, attack: Attack) -> jax.Array:
    # Not of NaN, of which nothing is known.
    return share_right(key, f, points, labels, attack) <= 0.5


def _nearer(
    first: MinimalPerturbation, second: MinimalPerturbation
) -> MinimalPerturbation:
    """The nearer point of two for every input."""
    less = second.distance < first.distance
    return MinimalPerturbation(
        jnp.where(_column(less, first.x), second.x, first.x),
        jnp.where(less, second.distance, first.distance),
        first.found | second.found,
    )


def _column(values: jax.Array, x: jax.Array) -> jax.Array:
    return values.reshape(-1, *[1] * (x.ndim - 1))
