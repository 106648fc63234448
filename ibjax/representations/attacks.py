r"""Attacks on classifiers whose predictions may be drawn at random.

What is attacked is the predictor that is used: with noise in the network that is the
mean of several draws' probabilities, and every gradient is that of
:math:`\log \frac1S \sum_s p_s(y|x)`, with fresh draws at every step. A gradient of one
draw, or of draws that stay the same, points elsewhere and passes for robustness.
Differences of log probabilities of one draw are differences of its logits.

An attack finds points, and proves nothing where it finds none:
:func:`ibjax.representations.check_attack` has what it should pass at least.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.representations.perturbations import (
    Attack,
    as_attack,
    gradient,
    judged,
    one_step,
    starting_points,
    tries,
)
from ibjax.representations.predictors import LogProbabilities, as_tree

__all__ = ["attack_gradient", "checked", "fgsm", "pgd"]


def attack_gradient(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    attack: Attack | None = None,
) -> jax.Array:
    """Gradient, by the inputs, of what an attack climbs on its first try.

    Args:
      key: Draws the noise.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``, floating.
      labels: Their classes, shape ``[num_inputs]``.
      attack: Options, of which the loss, the draws and the box are read.

    Returns:
      Gradients of the shape of ``x``, as they are: not finite where they are not.

    Raises:
      ValueError: As :func:`pgd`.
      TypeError: As :func:`pgd`.

    Example:
      >>> weights = jnp.array([[1.0, -1.0], [0.0, 3.0]])
      >>> linear = lambda key, x: jax.nn.log_softmax(x @ weights)
      >>> margin = Attack(loss="margin")
      >>> x, labels = jnp.array([[0.5, 0.0]]), jnp.array([0])
      >>> attack_gradient(jax.random.key(0), linear, x, labels, attack=margin)
      Array([[-2.,  3.]], dtype=float32)
    """
    attack = as_attack(attack)
    f, x, labels, _ = checked(key, log_probabilities, x, labels, 0.0, attack)
    return _gradient_jit(key, f, x, labels, attack)


def fgsm(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    radius: ArrayLike,
    *,
    attack: Attack | None = None,
) -> jax.Array:
    """One step along the gradient to the edge of the ball (fast gradient sign method).

    In the norm ``linf`` it goes by the gradient's sign, in ``l2`` along it, and what
    leaves the box is cut off.

    Args:
      key: Draws the noise of the gradient.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``, floating.
      labels: Their classes, shape ``[num_inputs]``.
      radius: Radius of the ball, one for all inputs or ``[num_inputs]``.
      attack: Options.

    Returns:
      Points of the shape of ``x``.

    Raises:
      ValueError: As :func:`pgd`.
      TypeError: As :func:`pgd`.

    References:
      Goodfellow, Shlens and Szegedy, `Explaining and harnessing adversarial examples`,
      ICLR 2015.

    Example:
      >>> weights = jnp.array([[1.0, -1.0], [0.0, 3.0]])
      >>> linear = lambda key, x: jax.nn.log_softmax(x @ weights)
      >>> x, labels = jnp.array([[0.5, 0.1]]), jnp.array([0])
      >>> print(fgsm(jax.random.key(0), linear, x, labels, 0.25))
      [[0.25 0.35]]
    """
    attack = as_attack(attack)
    f, x, labels, radius = checked(key, log_probabilities, x, labels, radius, attack)
    return _fgsm_jit(key, f, x, labels, radius, attack)


def pgd(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    radius: ArrayLike,
    *,
    attack: Attack | None = None,
) -> jax.Array:
    """Projected gradient ascent within a ball around every input.

    Every try's last point and the input itself are predicted ``num_evaluations`` times
    with fresh draws, and the one that is classified rightly the least often is kept.

    Args:
      key: Draws the starts and the noise.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``, floating, within the box.
      labels: Their classes, shape ``[num_inputs]``, integers.
      radius: Radius of the ball, one for all inputs or ``[num_inputs]``, not negative.
      attack: Options.

    Returns:
      Points of the shape of ``x``, within the ball and the box.

    Raises:
      ValueError: If shapes do not fit, or a radius, label or input (outside of ``jit``)
        is out of range or NaN.
      TypeError: If labels are no integers, inputs not floating, or ``key`` no key.

    References:
      Madry et al., `Towards deep learning models resistant to adversarial attacks`,
      ICLR 2018. Athalye, Carlini and Wagner, `Obfuscated gradients give a false sense
      of security`, ICML 2018. Croce and Hein, `Reliable evaluation of adversarial
      robustness with an ensemble of diverse parameter-free attacks`, ICML 2020.

    Example:
      >>> weights = jnp.array([[1.0, -1.0], [0.0, 3.0]])
      >>> linear = lambda key, x: jax.nn.log_softmax(x @ weights)
      >>> x, labels = jnp.array([[0.5, 0.1]]), jnp.array([0])
      >>> attack = Attack(num_steps=5, num_draws=1, num_evaluations=1)
      >>> print(pgd(jax.random.key(0), linear, x, labels, 0.25, attack=attack))
      [[0.25 0.35]]
    """
    attack = as_attack(attack)
    f, x, labels, radius = checked(key, log_probabilities, x, labels, radius, attack)
    return _pgd_jit(key, f, x, labels, radius, attack)


def checked(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    labels: ArrayLike,
    radius: ArrayLike,
    attack: Attack,
) -> tuple[Any, jax.Array, jax.Array, jax.Array]:
    """Check arguments of an attack; the predictor, inputs, labels, one radius each."""
    checks.key("key", key)
    f = as_tree(log_probabilities)
    x = checks.floating("x", checks.jax_array("x", x))
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    checks.shape("x", x, ("num_inputs", "*sizes"))
    checks.finite("x", x)
    if not checks.is_traced(x):
        least, most = float(x.min()), float(x.max())
        if least < attack.box[0] or most > attack.box[1]:
            raise ValueError(
                f"x must lie in the box from {attack.box[0]:g} to {attack.box[1]:g}, "
                f"got values from {least:g} to {most:g}"
            )
    why = "to match x"
    labels = checks.integers("labels", labels)
    checks.shape("labels", labels, (len(x),), why=why)
    found = jax.eval_shape(f, key, x)
    axes = (len(x), "num_classes")
    checks.shape("log_probabilities of x", found, axes, why=why)
    checks.indices("labels", labels, found.shape[1])
    radius = checks.jax_array("radius", radius, x.dtype)
    if radius.shape not in ((), (len(x),)):
        raise ValueError(
            f"radius must be one number or have shape [{len(x)}] {why}, got "
            f"{radius.shape}"
        )
    if not checks.is_traced(radius) and not bool(jnp.all(radius >= 0)):
        raise ValueError(f"radius must not be negative or NaN, got {radius}")
    return f, x, jnp.asarray(labels), jnp.broadcast_to(radius, (len(x),))


@exact_jit(static_argnums=4)
def _gradient_jit(key, f, x, labels, attack):
    return gradient(key, f, x, labels, jnp.full(labels.shape, -1), attack)


@exact_jit(static_argnums=5)
def _fgsm_jit(key, f, x, labels, radius, attack):
    return one_step(_gradient_jit(key, f, x, labels, attack), x, radius, attack)


@exact_jit(static_argnums=5)
def _pgd_jit(key, f, x, labels, radius, attack):
    key_start, key_tries, key_choice = jax.random.split(key, 3)
    starts = starting_points(key_start, x, radius, attack)
    found = tries(key_tries, f, x, labels, radius, starts, attack)
    candidates = jnp.concatenate([x[None], found])
    return judged(key_choice, f, candidates, labels, attack)[0]
