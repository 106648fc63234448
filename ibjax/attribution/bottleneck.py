r"""Information bottleneck attribution of one input at a time (IBA).

Noise takes the place of a part of a layer's activity R,

.. math:: Z = \lambda R + (1 - \lambda) \varepsilon, \qquad
    \varepsilon \sim N(\mu, \sigma^2),

with the mean and standard deviation that a feature (a channel at a position) has over
many inputs. For every input :math:`\lambda`, one number a feature, is found that lowers
the cross-entropy of the target plus :math:`\beta` times the information that still
passes. A feature's information is bounded by its *capacity*, the Kullback-Leibler
divergence of :math:`p(z|r)` from :math:`N(\mu, \sigma^2)`; the map of capacities is the
attribution. Where it is zero, the network can do without: a guarantee for this layer
and this :math:`\beta`, and one of a bound. In early layers the bound is loose, because
it counts features as independent.

References:
  Schulz, Sixt, Tombari and Landgraf, `Restricting the flow: information bottlenecks for
  attribution`, ICLR 2020.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.attribution.cutting import joined
from ibjax.attribution.heatmaps import smooth
from ibjax.attribution.noise import noise_of_inputs
from ibjax.attribution.statistics import FeatureStatistics
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = [
    "PerSample",
    "capacity",
    "noisy_features",
    "passed",
    "per_sample",
    "terms",
]

# Below, the formula would lose what is left of lambda squared; a series does not.
_SMALL = 0.1


class PerSample(NamedTuple):
    """Attribution of each input; ``num`` inputs, a layer of shape ``[*layer]``.

    Attributes:
      capacity: Information that each feature may pass, nats, ``[num, *layer]``.
      lam: Part of each feature that is kept, ``[num, *layer]``. One that rounds to 1
        has a finite capacity, because what is noise is known apart from it.
      information: Sum of the capacities before every step and after the last, nats,
        ``[num, num_steps + 1]``.
      cross_entropy: Of the target, nats, at the same times: mean over noisy copies,
        each time fresh ones, ``[num, num_steps + 1]``.
    """

    capacity: jax.Array
    lam: jax.Array
    information: jax.Array
    cross_entropy: jax.Array


def capacity(r: ArrayLike, lam: ArrayLike) -> jax.Array:
    r"""Capacity of features, in nats: an upper bound on what they let through.

    .. math:: C = \tfrac12 \left[ \lambda^2 r^2 + (1 - \lambda)^2 - 1
        - \log (1 - \lambda)^2 \right]

    It is the divergence of :math:`N(\lambda r, (1 - \lambda)^2)` from the standard
    normal. It is zero at :math:`\lambda = 0`, whatever r, and infinite at 1.

    Args:
      r: Activities less their mean, over their standard deviation, any shape.
      lam: Part that is kept, in [0, 1], of a shape that fits ``r``.

    Returns:
      Nats per feature. NaN where an argument is NaN or ``lam`` outside of [0, 1] under
      ``jit``.

    Raises:
      ValueError: If a ``lam`` whose value is known is outside of [0, 1].

    References:
      Schulz et al., 2020, equation 6 and appendix.

    Example:
      >>> print([f"{c:.4f}" for c in capacity([0.0, 2.0, 2.0], [0.5, 0.5, 0.0])])
      ['0.3181', '0.8181', '0.0000']
    """
    r, lam = (checks.floats(n, v) for n, v in (("r", r), ("lam", lam)))
    checks.broadcastable(r=r, lam=lam)
    if not checks.is_traced(lam) and np.any((np.asarray(lam) < 0) | (lam > 1)):
        raise ValueError(
            f"lam must lie in [0, 1], got values from {lam.min()} to {lam.max()}"
        )
    return _checked_capacity(r, lam)


@jax.jit
def _checked_capacity(r, lam):
    dtype = jnp.promote_types(jnp.result_type(r, lam), jnp.float32)
    r, lam = jnp.broadcast_arrays(r.astype(dtype), lam.astype(dtype))
    return jnp.where((lam >= 0) & (lam <= 1), _capacity(r, lam, 1 - lam), jnp.nan)


def _capacity(r: jax.Array, lam: jax.Array, complement: jax.Array) -> jax.Array:
    """Capacity, given 1 - lam as well, which rounding would take from lam near 1."""
    is_small = lam < _SMALL
    small = jnp.where(is_small, lam, 0)
    # -2 log(1 - lam) - 2 lam + lam^2 = 2 lam^2 (1 + lam / 3 + lam^2 / 4 + ...)
    series = jnp.zeros_like(lam)
    for power in range(10 if lam.dtype == jnp.float32 else 20, 2, -1):
        series = small * (series + 1 / power)
    formula = lam**2 - 2 * lam - 2 * jnp.log(jnp.where(is_small, 1, complement))
    return (
        (lam * r) ** 2 + jnp.where(is_small, 2 * lam**2 * (1 + series), formula)
    ) / 2


def noisy_features(
    key: jax.Array, r: ArrayLike, lam: ArrayLike, statistics: FeatureStatistics
) -> jax.Array:
    r"""Draw of :math:`Z = \lambda R + (1 - \lambda) \varepsilon`.

    Args:
      key: A typed key.
      r: Activities, ``[num, *layer]``.
      lam: Part of them that is kept, of the same shape.
      statistics: Of the features, by ``feature_statistics``.

    Returns:
      The noisy activities, ``[num, *layer]``; inactive features are at their mean.

    Example:
      >>> statistics = FeatureStatistics(*map(jnp.array, ([2.0], [0.1], [True], 9.0)))
      >>> kept = noisy_features(jax.random.key(0), [[3.0]], [[1.0]], statistics)
      >>> print(f"{kept[0, 0]:.1f}")
      3.0
    """
    checks.instance("statistics", statistics, FeatureStatistics)
    checks.key("key", key)
    r, lam = (checks.floats(n, v) for n, v in (("r", r), ("lam", lam)))
    checks.same_shape(r=r, lam=lam)
    checks.shape("statistics.mean", statistics.mean, r.shape[1:], why="to match r")
    return _noisy_features(key, r, lam, statistics)


@jax.jit
def _noisy_features(key, r, lam, statistics):
    noise = jax.random.normal(key, r.shape, r.dtype)
    return statistics.denormalize(lam * statistics.normalize(r) + (1 - lam) * noise)


def per_sample(
    key: jax.Array,
    front: Callable,
    back: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    statistics: FeatureStatistics,
    *,
    beta: ArrayLike = 10.0,
    num_steps: int = 10,
    num_copies: int = 10,
    learning_rate: ArrayLike = 1.0,
    smoothing: float = 1.0,
    batch_size: int | None = 8,
) -> PerSample:
    r"""Information bottleneck attribution, for each input its own lambda.

    :math:`\lambda` is the sigmoid of what Adam optimises, starting from 5, smoothed
    over positions. The loss of an input is the mean cross-entropy of noisy copies plus
    ``beta`` times the mean capacity of its k features, so that ``beta=10`` is what the
    paper calls 10/k. The capacities returned are those after the last step. They are
    noisy; ``jax.vmap`` over keys gives several to average.

    Args:
      key: A typed key. An input's noise depends on it and on the input's number. The
        noise of two inputs is uncorrelated, but of the same magnitudes: see
        :mod:`ibjax.attribution.noise`.
      front: ``front(params, x) -> r``, as of ``split(network, layer)``.
      back: ``back(params, r) -> logits [num, num_classes]``.
      params: Parameters of both.
      x: Inputs, ``[num, ...]``.
      targets: Class of each input to explain, ``[num]``, or one for all.
      statistics: Of the features, by ``feature_statistics``.
      beta: Price of information, not negative.
      num_steps: Steps of Adam.
      num_copies: Noisy copies of an input in each step.
      learning_rate: Adam's.
      smoothing: Standard deviation, in positions, of the blur of lambda in layers
        ``[height, width, channels]``; 0 for none. Others have none.
      batch_size: Inputs at a time, which with the copies bounds the memory; None for
        all at once. It changes results to within rounding. On a CPU few at a time are
        faster, whose copies stay in its cache.

    Returns:
      Capacities, lambdas, and how the two terms of the loss fell.

    Raises:
      ValueError: If shapes do not match, a target is no class, an input is not finite,
        or an option is out of range.
      TypeError: If the key, inputs or targets are of another type.

    References:
      Schulz et al., 2020, section 3.1.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.attribution import feature_statistics, split
      >>> network = networks.mlp([6, 4, 3])
      >>> params = network.init(jax.random.key(0))
      >>> x = jax.random.normal(jax.random.key(1), (50, 6))
      >>> front, back = split(network, "tanh 4")
      >>> statistics = feature_statistics(front, params, x)
      >>> key, targets = jax.random.key(2), jnp.array([0, 2])
      >>> found = per_sample(key, front, back, params, x[:2], targets, statistics)
      >>> found.capacity.shape, bool(jnp.all(found.capacity >= 0))
      ((2, 4), True)
    """
    checks.instance("statistics", statistics, FeatureStatistics)
    checks.key("key", key)
    checks.count("num_steps", num_steps)
    checks.count("num_copies", num_copies)
    beta = checks.not_negative("beta", beta)
    learning_rate = checks.positive("learning_rate", learning_rate)
    smoothing = checks.not_negative("smoothing", smoothing)
    if batch_size is not None:
        checks.count("batch_size", batch_size)
    both = joined(front, back)
    x, targets = loops.check_model(both, params, x, targets, "back of front")
    layer = loops.shape_of_one(front, params, x)[1:]
    key, key_inputs = _split(key)
    checks.shape("statistics.mean", statistics.mean, layer, why="of the layer")

    def explain(x, targets, keys):
        r, state = _start(front, params, x, statistics)
        inputs = _Inputs(params, r, targets, statistics)

        def noise(number):
            return noise_of_inputs(key, keys, number, (num_copies, *layer), r.dtype)

        def step(state, number):
            return _step(
                back, smoothing, inputs, noise(number), beta, learning_rate, *state
            )

        found = yield from loops.stepwise(step, state, num_steps, axis=1)
        (alpha, _), history = found
        last = noise(np.int32(num_steps))
        return _end(back, smoothing, inputs, last, alpha, history)

    return loops.in_batches(
        explain, batch_size, x, targets, loops.keys_of_inputs(key_inputs, len(x))
    )


# One program: alone every operation would be another.
_split = jax.jit(jax.random.split)


class _Inputs(NamedTuple):
    """Inputs of a batch, as activities ``r [batch, *layer]``, and all they need."""

    params: Any
    r: jax.Array
    targets: jax.Array
    statistics: FeatureStatistics


@exact_jit(static_argnames="front")
def _start(front, params, x, statistics):
    """Normalised activities, and alpha with Adam's state, whatever its rate."""
    r = statistics.normalize(front(params, x))
    alpha = jnp.full_like(r, 5.0)
    return r, (alpha, optax.adam(1.0).init(alpha))


@exact_jit(static_argnames=("back", "smoothing"))
def _end(back, smoothing, inputs, noise, alpha, history):
    last, found = _terms(back, smoothing, inputs, noise, alpha)
    history = [
        jnp.concatenate([steps, end[:, None]], axis=1)
        for steps, end in zip(history, last, strict=True)
    ]
    return PerSample(*found, *history)


def _terms(back, smoothing, inputs, noise, alpha):
    params, r, targets, statistics = inputs
    return terms(back, params, statistics, r, alpha, targets, noise, smoothing)


@exact_jit(static_argnames=("back", "smoothing"))
def _step(back, smoothing, inputs, noise, beta, learning_rate, alpha, optimizer_state):
    def loss(alpha):
        terms, _ = _terms(back, smoothing, inputs, noise, alpha)
        information, cross_entropy = terms
        # Inactive features count in the mean too, as in the authors' program.
        num_features = alpha[0].size
        return jnp.sum(cross_entropy + beta * information / num_features), terms

    # Adam works on every number by itself: the sum over inputs is one problem each.
    gradient, terms = jax.grad(loss, has_aux=True)(alpha)
    updates, optimizer_state = optax.adam(learning_rate).update(
        gradient, optimizer_state
    )
    return (optax.apply_updates(alpha, updates), optimizer_state), terms


def terms(
    back: Callable,
    params: Any,
    statistics: FeatureStatistics,
    r: jax.Array,
    alpha: jax.Array,
    targets: jax.Array,
    noise: jax.Array,
    smoothing: float,
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """Both terms of the loss of each input, and its capacities and lambdas.

    Args:
      back: ``back(params, r) -> logits``.
      params: Its parameters.
      statistics: Of the features.
      r: Normalised activities, ``[batch, *layer]``.
      alpha: What lambda is the smoothed sigmoid of, ``[batch, *layer]``.
      targets: Classes, ``[batch]``.
      noise: Standard normal noise, ``[batch, num_copies, *layer]``.
      smoothing: Standard deviation of the blur.

    Returns:
      Information and mean cross-entropy, nats, ``[batch]`` each; capacity and lambda.
    """
    found, lam, complement = passed(statistics, r, alpha, smoothing)
    # In the units of the layer: for a copy there is one product and one sum left.
    kept = statistics.denormalize(lam * r)
    scale = statistics.std[None] * jnp.where(statistics.active[None], complement, 0)
    z = kept[:, None] + scale[:, None] * noise
    logits = back(params, z.reshape(-1, *r.shape[1:]))
    log_p = jax.nn.log_softmax(logits).reshape(*noise.shape[:2], -1)
    log_p = loops.target_outputs(jnp.mean(log_p, axis=1), targets)
    information = jnp.sum(found.reshape(len(found), -1), axis=1)
    return (information, -log_p), (found, lam)


def passed(
    statistics: FeatureStatistics, r: jax.Array, alpha: jax.Array, smoothing: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Capacity, lambda and 1 - lambda for normalised activities ``[batch, *layer]``."""
    lam = smooth(jax.nn.sigmoid(alpha), smoothing)
    # The blur averages, so that it may as well be taken of 1 - lam, which is then not
    # rounded to zero where lam is to one; the capacity stays finite.
    complement = smooth(jax.nn.sigmoid(-alpha), smoothing)
    complement = jnp.maximum(complement, jnp.finfo(complement.dtype).tiny)
    active = jnp.broadcast_to(statistics.active[None], r.shape)
    return jnp.where(active, _capacity(r, lam, complement), 0), lam, complement
