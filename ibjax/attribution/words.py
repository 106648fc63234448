r"""How much noise each word of a sentence bears, by Guan et al. (2019).

Every word :math:`x_i`, an embedding of some dimensions, is given normal noise of a
standard deviation :math:`\sigma_i` of its own. These are made as large as they can be
while the representation :math:`\Phi` of the sentence hardly moves:

.. math:: L = E \left[ \frac{(\Phi(x + \epsilon) - \Phi(x))^2}{\sigma_S^2} \right]
    - \frac{\lambda}{n} \sum_{i=1}^n \log \sigma_i ,

where the square is averaged over the units of :math:`\Phi`, :math:`\sigma_S` is a
unit's standard deviation over sentences, and :math:`\lambda` the rate. What the
representation leaves open of the word is then

.. math:: H(X_i | s) = \log (\sigma_i \sqrt{2 \pi e}) ,

in nats for each dimension of the embedding: small where the word is used. Differences
between words and between layers say something; the number itself changes with the scale
of the embeddings and with the rate. Words may be any groups of numbers, as of pixels.

:math:`\log \sigma` is what Adam optimises, with a rate that falls to zero, and the
result is the mean over the second half of the steps: a sigmoid's tail is slow, and the
iterate with the lowest of noisy losses is one that was lucky.

References:
  Guan et al., `Towards a deep and unified understanding of deep neural models in NLP`,
  ICML 2019.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.attribution.noise import noise_of_inputs
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["WordNoise", "linear_noise", "word_entropy", "word_noise"]


class WordNoise(NamedTuple):
    """Noise that words bear.

    Attributes:
      sigma: Standard deviation of each word's noise, ``[num, num_words]``; NaN for
        words that are not there.
      entropy: What the representation leaves open of each word, nats for each dimension
        of its embedding, ``[num, num_words]``.
      distortion: The first term of the loss, mean over the second half of the steps,
        ``[num]``. At an optimum of a representation that is linear in the reach of the
        noise, and no sigma at its maximum, it is half the rate.
    """

    sigma: jax.Array
    entropy: jax.Array
    distortion: jax.Array


def word_noise(
    key: jax.Array,
    function: Callable,
    params: Any,
    x: ArrayLike,
    *,
    output_std: ArrayLike,
    rate: ArrayLike = 0.1,
    max_sigma: float | None = None,
    groups: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    num_steps: int = 1000,
    num_copies: int = 16,
    learning_rate: float = 0.05,
    batch_size: int | None = 8,
) -> WordNoise:
    """Noise that each word of each sentence bears.

    Args:
      key: A typed key. The noise of a sentence depends on it and on its number, see
        :mod:`ibjax.attribution.noise`.
      function: ``function(params, x) -> representation [num, ...]``, of embeddings.
      params: Its parameters.
      x: Embeddings, ``[num, num_words, dim]``, or inputs of any shape ``[num, ...]``.
      output_std: Standard deviation of the representation over sentences, positive: one
        number, or one for each unit, as in
        ``feature_statistics(function, params, x, min_std=1e-6).std``.
      rate: Weight of the noise's entropy, positive.
      max_sigma: Largest standard deviation, where that of words without any influence
        ends; None for ten times the standard deviation of ``x``.
      groups: Number of each entry's word, from 0 on, or -1 for no noise, in the leading
        axes of an input; None for the first axis. For square parts of an image it is
        ``[height, width]``.
      mask: Whether a word is there, ``[num, num_words]``, for sentences that are filled
        up to one length; None if all are.
      num_steps: Steps of Adam.
      num_copies: Noisy copies of a sentence in each step. The relative error of sigma
        is about ``sqrt(num_words / (num_steps * num_copies))``.
      learning_rate: Adam's at the start.
      batch_size: Sentences at a time; None for all at once. On a CPU few at a time are
        faster, whose copies stay in its cache.

    Returns:
      Noise, entropies and the representation's relative change.

    Raises:
      ValueError: If shapes do not match, an input is not finite or a number is out of
        range.
      TypeError: If the key, the inputs, the mask or the groups are of another type.

    References:
      Guan et al., 2019, section 3.

    Example:
      >>> phi = lambda weights, x: x[:, :, 0] @ weights
      >>> weights, x = jnp.array([[1.0], [2.0]]), jnp.zeros((1, 2, 1))
      >>> found = word_noise(
      ...     jax.random.key(0), phi, weights, x, output_std=1.0, max_sigma=1.0
      ... )
      >>> print([f"{s:.1f}" for s in found.sigma[0] * jnp.array([1.0, 2.0])])
      ['0.2', '0.2']
    """
    checks.key("key", key)
    x = checks.finite("x", checks.floating("x", checks.shape("x", x, ("num", "*axes"))))
    x = jnp.asarray(x)
    groups = _check_groups(groups, x)
    num_words = int(groups.max()) + 1
    if mask is None:
        mask = jnp.ones((len(x), num_words), bool)
    mask = checks.shape("mask", mask, (len(x), num_words), why="for each word")
    mask = checks.booleans("mask", mask, hint="true where a word is there")
    rate = checks.positive("rate", rate)
    checks.count("num_steps", num_steps, 2)
    checks.count("num_copies", num_copies)
    learning_rate = checks.positive("learning_rate", learning_rate)
    if batch_size is not None:
        checks.count("batch_size", batch_size)
    output_std = _check_output_std(output_std, function, params, x)
    if max_sigma is None:
        max_sigma = 10 * jnp.std(x)
        if not checks.is_traced(x) and max_sigma == 0:
            raise ValueError("max_sigma must be given where x is constant, got None")
    max_sigma = checks.positive("max_sigma", max_sigma)

    key_magnitudes, key_inputs = _split(key)
    dtype = loops.sum_dtype(x)
    numbers = (output_std, rate, max_sigma, learning_rate)

    def fit(x, mask, keys):
        problem = _Sentences(params, x, groups, mask, *numbers)
        carry = _start(x, mask, max_sigma)

        def step(carry, number):
            part = (number / num_steps, number >= num_steps // 2)
            shape = (num_copies, *x.shape[1:])
            noise = noise_of_inputs(key_magnitudes, keys, number, shape, dtype)
            return _step(function, num_copies, problem, noise, *carry, part), None

        (_, _, sums), _ = yield from loops.stepwise(step, carry, num_steps)
        return _end(sums, mask, num_steps - num_steps // 2)

    keys = loops.keys_of_inputs(key_inputs, len(x))
    return loops.in_batches(fit, batch_size, x, jnp.asarray(mask), keys)


def word_entropy(sigma: ArrayLike) -> jax.Array:
    r"""Entropy :math:`\log (\sigma \sqrt{2 \pi e})` of normal noise, nats a dimension.

    Example:
      >>> print(f"{word_entropy(1.0):.4f}")
      1.4189
    """
    sigma = checks.floats("sigma", sigma)
    return jnp.log(sigma) + 0.5 * math.log(2 * math.pi * math.e)


def linear_noise(
    weights: ArrayLike, output_std: ArrayLike, *, rate: ArrayLike = 0.1
) -> jax.Array:
    r"""Noise that the words of a linear representation bear, in closed form.

    With :math:`\Phi_k(x) = \sum_i w_{ik}^T x_i` and K units it is

    .. math:: \sigma_i = \sqrt{\frac{\lambda}{2 n}} \left[
        \frac1K \sum_k \frac{\|w_{ik}\|^2}{\sigma_{S,k}^2} \right]^{-1/2} ,

    so that :math:`\sigma_i |w_i|` is the same for all words of a single unit.

    Args:
      weights: Weights, ``[num_words, dim, num_units]``.
      output_std: Standard deviation of the representation over sentences, positive: one
        number, or ``[num_units]``.
      rate: Weight of the noise's entropy, positive.

    Returns:
      Standard deviations, ``[num_words]``; infinite for words without any weight.

    Raises:
      ValueError: If a shape does not match or a number is not positive.

    References:
      Setting the derivatives of the loss of Guan et al., 2019, to zero.

    Example:
      >>> weights = jnp.array([10.0, 20.0, 5.0, -20.0, -10.0]).reshape(5, 1, 1)
      >>> output_std = 0.01 * jnp.linalg.norm(weights)
      >>> print([f"{s:.5f}" for s in linear_noise(weights, output_std)])
      ['0.00320', '0.00160', '0.00640', '0.00160', '0.00320']
    """
    weights = checks.floating(
        "weights", checks.shape("weights", weights, ("num_words", "dim", "num_units"))
    )
    rate = checks.positive("rate", rate)
    output_std = checks.jax_array("output_std", output_std, weights.dtype)
    if output_std.ndim:
        checks.shape("output_std", output_std, weights.shape[2:], why="or one number")
    _check_positive(output_std)
    return _linear_noise(weights, output_std, rate)


@jax.jit
def _linear_noise(weights, output_std, rate):
    relative = weights / output_std.reshape(1, 1, -1)
    squares = jnp.mean(jnp.sum(relative**2, axis=1), axis=1)
    return jnp.sqrt(rate / (2 * len(weights))) / jnp.sqrt(squares)


# One program: alone every operation would be another.
_split = jax.jit(jax.random.split)

# Noise that is far too large at first has gradients of other orders of magnitude: what
# Adam remembers of their squares must not outlast them, or sigma would fall too slowly.
_ADAM = optax.scale_by_adam(b1=0.9, b2=0.9)


class _Sentences(NamedTuple):
    """Sentences of a batch and all that their noise depends on."""

    params: Any
    x: jax.Array
    groups: jax.Array
    mask: jax.Array
    output_std: jax.Array
    rate: jax.Array
    max_sigma: jax.Array
    learning_rate: jax.Array


@jax.jit
def _start(x, mask, max_sigma):
    """First log sigma, Adam's state, and sums over steps."""
    log_sigma = jnp.full(mask.shape, jnp.log(max_sigma / 10), loops.sum_dtype(x))
    sums = (jnp.zeros_like(log_sigma), jnp.zeros(len(x), log_sigma.dtype))
    return log_sigma, _ADAM.init(log_sigma), sums


@jax.jit
def _end(sums, mask, num_averaged):
    log_sigma, distortion = (total / num_averaged for total in sums)
    sigma = jnp.where(mask, jnp.exp(log_sigma), jnp.nan)
    return WordNoise(sigma, word_entropy(sigma), distortion)


@exact_jit(static_argnames=("function", "num_copies"))
def _step(
    function, num_copies, sentences, noise, log_sigma, optimizer_state, sums, part
):
    params, x, groups, mask, *numbers = sentences
    output_std, rate, max_sigma, first_rate = numbers
    part_done, is_late = part
    whole = function(params, x)

    def loss(log_sigma):
        sigma = jnp.where(mask, jnp.exp(log_sigma), 0)
        # The last one, of the group -1, has no noise.
        sigma = jnp.pad(sigma, ((0, 0), (0, 1)))[:, groups]
        sigma = sigma.reshape(
            len(x), 1, *groups.shape, *[1] * (x.ndim - groups.ndim - 1)
        )
        noisy = (x[:, None] + sigma * noise).reshape(-1, *x.shape[1:])
        found = function(params, noisy).reshape(len(x), num_copies, *whole.shape[1:])
        change = (found - whole[:, None]) / output_std[None, None]
        distortion = jnp.mean((change**2).reshape(len(x), -1), axis=1)
        entropy = jnp.sum(jnp.where(mask, log_sigma, 0), axis=1)
        entropy = entropy / jnp.maximum(jnp.sum(mask, axis=1), 1)
        return jnp.sum(distortion - rate * entropy), distortion

    gradient, distortion = jax.grad(loss, has_aux=True)(log_sigma)
    direction, optimizer_state = _ADAM.update(gradient, optimizer_state)
    # Half a period of a cosine, not optax's schedule: a number of steps that is part of
    # the program would be compiled anew for each.
    rate_now = first_rate * (1 + jnp.cos(jnp.pi * part_done)) / 2
    log_sigma = jnp.minimum(log_sigma - rate_now * direction, jnp.log(max_sigma))
    sums = [
        total + jnp.where(is_late, value, 0)
        for total, value in zip(sums, (log_sigma, distortion), strict=True)
    ]
    return log_sigma, optimizer_state, tuple(sums)


def _check_groups(groups: ArrayLike | None, x: jax.Array) -> np.ndarray:
    if groups is None:
        return np.arange(x.shape[1])
    if checks.is_traced(groups):
        raise TypeError("groups must be known while tracing, got a traced array")
    groups = checks.integers("groups", checks.array("groups", groups))
    if not 0 < groups.ndim < x.ndim or groups.shape != x.shape[1 : groups.ndim + 1]:
        raise ValueError(
            f"groups must have the shape of an input, {x.shape[1:]}, or of its leading "
            f"axes, got {groups.shape}"
        )
    numbers = np.unique(np.asarray(groups))
    numbers = numbers[numbers != -1]
    if not len(numbers) or not np.array_equal(numbers, np.arange(len(numbers))):
        raise ValueError(
            "groups must be numbered from 0 on without a gap, or -1 for no noise, got "
            f"{numbers}"
        )
    return np.asarray(groups)


def _check_output_std(output_std, function, params, x) -> jax.Array:
    shape = loops.shape_of_one(function, params, x)
    if len(shape) < 2 or shape[0] != 1:
        raise ValueError(
            "function must return a representation [num, ...] of inputs [num, ...], "
            f"got {shape} of {(1, *x.shape[1:])}"
        )
    output_std = checks.jax_array("output_std", output_std, x.dtype)
    if output_std.ndim:
        checks.shape("output_std", output_std, shape[1:], why="or be one number")
    _check_positive(output_std)
    return jnp.broadcast_to(output_std, shape[1:])


def _check_positive(output_std: jax.Array) -> None:
    if not checks.is_traced(output_std) and not np.all(np.asarray(output_std) > 0):
        raise ValueError(
            f"output_std must be positive, got {np.min(np.asarray(output_std))}"
        )
