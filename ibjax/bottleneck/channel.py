r"""Capacity of a channel and rate-distortion function of a source (Blahut, Arimoto).

Both are convex problems that the same alternation solves, and both come with a bound
from the other side (Blahut, 1972): the difference is a certificate, not an estimate,
of the distance from the optimum, and the iteration stops by it. The distance falls
geometrically unless the optimum is degenerate (an input or a reproduction that it does
not use, but would use after any small change), where it falls as one over the number
of steps. Probabilities are carried as logarithms, so that none underflows.

References:
  Blahut, `Computation of channel capacity and rate-distortion functions`, IEEE
  Transactions on Information Theory 18, 1972. Arimoto, `An algorithm for computing the
  capacity of arbitrary discrete memoryless channels`, same volume, 1972.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.probabilities import check_sums

__all__ = ["Capacity", "RateDistortion", "capacity", "rate_distortion"]


class Capacity(NamedTuple):
    r"""Capacity of a channel; ``vmap`` adds a leading axis to each field.

    The capacity lies between ``capacity`` and ``upper``.

    Attributes:
      capacity: I(X;Y) for the inputs' distribution ``p_x``, in nats, shape ``[]``.
      upper: The largest :math:`D(p(y|x) \| p(y))` of an input, in nats, shape ``[]``.
      p_x: Distribution of the inputs, shape ``[num_x]``.
      num_steps: Steps that ran, int32, shape ``[]``.
      converged: Whether ``upper - capacity`` is ``tol`` or less, shape ``[]``.
    """

    capacity: jax.Array
    upper: jax.Array
    p_x: jax.Array
    num_steps: jax.Array
    converged: jax.Array


class RateDistortion(NamedTuple):
    """Point of a rate-distortion function; ``vmap`` adds a leading axis.

    The least rate at ``distortion`` lies between ``lower`` and ``rate``.

    Attributes:
      rate: I(X;T) of the encoder ``p_t_given_x``, in nats, shape ``[]``.
      lower: A lower bound on the rate of every encoder whose distortion is no larger,
        in nats, shape ``[]``.
      distortion: Mean distortion of the encoder, shape ``[]``.
      p_t_given_x: Encoder, shape ``[num_x, num_t]``; rows sum to one.
      num_steps: Steps that ran, int32, shape ``[]``.
      converged: Whether ``rate - lower`` is ``tol`` or less, shape ``[]``.
    """

    rate: jax.Array
    lower: jax.Array
    distortion: jax.Array
    p_t_given_x: jax.Array
    num_steps: jax.Array
    converged: jax.Array


def capacity(
    p_y_given_x: ArrayLike, *, max_steps: int = 10_000, tol: float = 1e-6
) -> Capacity:
    r"""Capacity :math:`\max_{p(x)} I(X;Y)` of a channel, in nats.

    Every step multiplies the probability of an input by
    :math:`e^{D(p(y|x) \| p(y))}`, starting from equal ones.

    The gradient of ``capacity`` with respect to the channel is the one at the optimum,
    where a change of p(x) does not matter; the gradients of other fields are zero.

    Args:
      p_y_given_x: Channel, shape ``[num_x, num_y]``; rows sum to one.
      max_steps: Steps at most.
      tol: Distance of the bounds in nats at which to stop; in float32 rounding limits
        it to about 1e-6.

    Returns:
      The capacity, its upper bound, and the inputs that achieve it. NaN under ``jit``
      if a probability is negative or NaN.

    Raises:
      ValueError: If the shape is wrong or, outside of ``jit``, a probability is
        negative or NaN, a row does not sum to one, ``max_steps`` is negative or
        ``tol`` negative or not finite.
      TypeError: If the channel is not floating.

    References:
      Blahut, 1972. Arimoto, 1972.

    Example:
      >>> noisy_bit = jnp.array([[0.9, 0.1], [0.1, 0.9]])
      >>> print(f"{capacity(noisy_bit).capacity:.4f} nats")
      0.3681 nats
    """
    p_y_given_x = _check_probabilities("p_y_given_x", p_y_given_x, ndim=2)
    tol = _check_stopping(max_steps, tol)
    return _capacity(p_y_given_x, max_steps, tol)


def rate_distortion(
    p_x: ArrayLike,
    distortion: ArrayLike,
    slope: ArrayLike,
    *,
    max_steps: int = 10_000,
    tol: float = 1e-6,
) -> RateDistortion:
    r"""Point of the rate-distortion function where its slope is -s, in nats.

    It is the rate and distortion of the encoder that minimises
    :math:`I(X;T) + s\, E[d(X,T)]`. Every step takes
    :math:`p(t|x) \propto p(t)\, e^{-s\, d(x,t)}` and then p(t) from it, starting from
    equal ones. ``jax.vmap`` over slopes gives the curve.

    At a corner of the function several slopes give one point; where it is straight, one
    slope gives any point of the line. Slope zero is the limit of small slopes: a T
    independent of X, at the least distortion such a T can have. If no t may stand for
    every x, it is a T of the least rate that is allowed, and several distortions may
    go with that rate. Slope infinity is the least distortion, at the least rate that
    allows it. Forward-mode derivatives go through the steps; reverse mode is not
    supported.

    Args:
      p_x: Distribution of the source, shape ``[num_x]``.
      distortion: d(x, t), shape ``[num_x, num_t]``. Infinite for a t that must not
        stand for x, at any slope.
      slope: s, nats per unit of distortion, not negative, possibly infinite, shape
        ``[]``.
      max_steps: Steps at most.
      tol: Distance of the bounds in nats at which to stop; in float32 rounding limits
        it to about 1e-6.

    Returns:
      Rate, its lower bound, distortion and encoder. The encoder's row for a source
      letter of probability zero is the formula's, or p(t) if nothing may stand for the
      letter. NaN under ``jit`` if an argument is out of range.

    Raises:
      ValueError: If a shape is wrong or, outside of ``jit``, ``p_x`` is not a
        distribution, a distortion is NaN or minus infinity, nothing may stand for a
        source letter, ``slope`` is negative or NaN, ``max_steps`` is negative or
        ``tol`` negative or not finite.
      TypeError: If ``p_x`` or ``distortion`` is not floating.

    References:
      Blahut, 1972. Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006,
      sec. 10.8.

    Example:
      >>> hamming = 1 - jnp.eye(2)
      >>> point = rate_distortion(jnp.array([0.5, 0.5]), hamming, jnp.log(9.0))
      >>> print(f"{point.rate:.4f} nats at {point.distortion:.2f}")
      0.3681 nats at 0.10
    """
    p_x = _check_probabilities("p_x", p_x, ndim=1)
    distortion = _check_distortion(distortion, p_x)
    checks.in_range("slope", slope, "[0, inf]")
    tol = _check_stopping(max_steps, tol)
    dtype = jnp.result_type(p_x, distortion)
    slope = checks.jax_array("slope", slope, dtype)
    return _rate_distortion(
        p_x.astype(dtype), distortion.astype(dtype), slope, max_steps, tol
    )


@exact_jit
def _capacity(p_y_given_x, max_steps, tol):
    # The optimal p(x) is constant to first order, so the gradient needs only the last
    # evaluation; reverse mode could not pass the loop anyway.
    constant = lax.stop_gradient(p_y_given_x)

    def evaluate(log_p):
        divergence = _divergence(constant, log_p)
        upper = jnp.max(divergence)
        return log_p, divergence, upper, upper - jnp.sum(jnp.exp(log_p) * divergence)

    def unfinished(carry):
        (_, _, _, gap), num_steps = carry
        return (gap > tol) & (num_steps < max_steps)

    def step(carry):
        (log_p, divergence, _, _), num_steps = carry
        return evaluate(jax.nn.log_softmax(log_p + divergence)), num_steps + 1

    num_x = p_y_given_x.shape[0]
    start = jnp.full(num_x, -np.log(num_x), p_y_given_x.dtype)
    (log_p, _, upper, gap), num_steps = lax.while_loop(
        unfinished, step, (evaluate(start), jnp.int32(0))
    )
    p_x = jnp.exp(log_p)
    return Capacity(
        capacity=jnp.sum(p_x * _divergence(p_y_given_x, log_p)),
        upper=upper,
        p_x=p_x,
        num_steps=num_steps,
        converged=gap <= tol,
    )


def _divergence(p_y_given_x: jax.Array, log_p: jax.Array) -> jax.Array:
    """Divergence of every row from the rows' mixture, shape ``[num_x]``."""
    chex.assert_shape(log_p, p_y_given_x.shape[:1])
    zero = p_y_given_x == 0
    log_channel = jnp.log(jnp.where(zero, 1, p_y_given_x))
    # An output of probability zero gets any finite logarithm: it is multiplied by zero,
    # and minus infinity less itself would be NaN.
    never = jnp.where(jnp.all(zero, axis=0, keepdims=True), 0, -jnp.inf)
    joint = jnp.where(zero, never, log_channel + log_p[:, None])
    log_ratio = log_channel - jax.nn.logsumexp(joint, axis=0, keepdims=True)
    return jnp.sum(p_y_given_x * jnp.where(zero, 0, log_ratio), axis=1)


@exact_jit
def _rate_distortion(p_x, distortion, slope, max_steps, tol):
    (num_x,) = p_x.shape
    chex.assert_shape(distortion, (num_x, None))
    log_p_x = jnp.where(p_x == 0, -jnp.inf, jnp.log(jnp.where(p_x == 0, 1, p_x)))
    # Only differences within a row matter to the encoder. Less the row's minimum, the
    # energy is zero somewhere in every row, whatever the slope.
    least = jnp.min(distortion, axis=1, keepdims=True)
    least = jnp.where(jnp.isfinite(least), least, 0)
    excess = distortion - least
    # 0 * inf is NaN: no excess stays none at an infinite slope, and a forbidden pair
    # stays forbidden at slope zero.
    priced = (excess != 0) & jnp.isfinite(excess)
    energy = jnp.where(priced, slope * jnp.where(priced, excess, 1), excess)

    def evaluate(log_r):
        """Growth of every p(t) in the next step; at the optimum none exceeds one."""
        log_partition = jax.nn.logsumexp(log_r[None, :] - energy, axis=1)
        possible = jnp.isfinite(log_partition)
        log_weight = log_p_x - jnp.where(possible, log_partition, 0)
        log_growth = jax.nn.logsumexp(log_weight[:, None] - energy, axis=0)
        # Blahut's two bounds differ by the largest logarithm less the mean one.
        largest = jnp.max(log_growth)
        after = jnp.exp(log_r + log_growth)
        gap = largest - jnp.sum(jnp.where(after > 0, after * log_growth, 0))
        return log_r, log_growth, log_partition, largest, gap

    def unfinished(carry):
        (*_, gap), num_steps = carry
        return (gap > tol) & (num_steps < max_steps)

    def step(carry):
        (log_r, log_growth, _, _, _), num_steps = carry
        return evaluate(jax.nn.log_softmax(log_r + log_growth)), num_steps + 1

    (log_r, _, log_partition, largest, gap), num_steps = lax.while_loop(
        unfinished, step, (evaluate(_start(p_x, distortion, slope)), jnp.int32(0))
    )
    possible = jnp.isfinite(log_partition)[:, None]
    log_encoder = log_r[None, :] - jnp.where(
        possible, energy + log_partition[:, None], 0
    )
    encoder = jnp.exp(log_encoder)
    joint = p_x[:, None] * encoder
    used = joint > 0

    def mean(values):
        return jnp.sum(jnp.where(used, joint * jnp.where(used, values, 0), 0))

    mean_log_partition = jnp.sum(jnp.where(p_x > 0, p_x * log_partition, 0))
    lower = -mean(energy) - mean_log_partition - largest
    valid = jnp.all(p_x >= 0) & ~jnp.any(jnp.isnan(distortion)) & (slope >= 0)
    valid = valid & jnp.isfinite(mean_log_partition)
    nan = jnp.asarray(jnp.nan, p_x.dtype)
    return RateDistortion(
        rate=jnp.where(valid, lower + gap, nan),
        lower=jnp.where(valid, lower, nan),
        distortion=jnp.where(valid, mean(distortion), nan),
        p_t_given_x=jnp.where(valid, encoder, nan),
        num_steps=num_steps,
        converged=valid & (gap <= tol),
    )


def _start(p_x: jax.Array, distortion: jax.Array, slope: jax.Array) -> jax.Array:
    """Logarithm of the first p(t): uniform, or the best single t at slope zero."""
    num_t = distortion.shape[1]
    equal = jnp.full(num_t, -np.log(num_t), distortion.dtype)
    possible = p_x[:, None] > 0
    alone = jnp.sum(
        jnp.where(possible, p_x[:, None] * jnp.where(possible, distortion, 0), 0),
        axis=0,
    )
    best = jnp.argmin(alone)
    single = jnp.where(jnp.arange(num_t) == best, 0, -jnp.inf).astype(equal.dtype)
    return jnp.where((slope == 0) & jnp.isfinite(alone[best]), single, equal)


def _check_stopping(max_steps: int, tol: float) -> float:
    checks.count("max_steps", max_steps, 0)
    return checks.not_negative("tol", tol)


def _check_probabilities(name: str, p: ArrayLike, *, ndim: int) -> jax.Array:
    """Check that an array is a distribution, or one in every row."""
    p = checks.shape(name, checks.jax_array(name, p), ("num_x", "num_y")[:ndim])
    checks.floating(name, p, hint="divide counts by n")
    if p.dtype.itemsize < 4:
        p = p.astype(jnp.float32)
    if checks.is_traced(p):
        return p
    values = np.asarray(p, np.float64)
    if not np.all(values >= 0):
        raise ValueError(
            f"{name} must not be negative or NaN, got {values[~(values >= 0)][0]:g}"
        )
    check_sums(name, p)
    return p


def _check_distortion(distortion: ArrayLike, p_x: jax.Array) -> jax.Array:
    distortion = checks.jax_array("distortion", distortion)
    checks.shape("distortion", distortion, [len(p_x), "num_t"], why="to match p_x")
    checks.floating("distortion", distortion)
    if distortion.dtype.itemsize < 4:
        distortion = distortion.astype(jnp.float32)
    if checks.is_traced(distortion):
        return distortion
    values = np.asarray(distortion, np.float64)
    if not np.all(values > -np.inf):
        wrong = values[~(values > -np.inf)][0]
        raise ValueError(f"distortion must not be NaN or minus infinity, got {wrong}")
    possible = np.any(np.isfinite(values), axis=1)
    if not checks.is_traced(p_x):
        possible |= np.asarray(p_x) == 0
        if not np.all(possible):
            raise ValueError(
                "distortion must leave every source letter a finite entry, but row "
                f"{np.argmin(possible)} is infinite"
            )
    return distortion
