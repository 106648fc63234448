r"""Finite-sample bounds, distances from the curve, and data-processing chains, in nats.

A network's layer is a point (I(X;T), I(T;Y)). Three things limit where it can lie.
Estimates from samples have a bounded error (:func:`finite_sample_bounds`), which turns
the information curve into one with an optimum (:func:`worst_case_curve`). No point lies
above the curve; its distance below is relevant information that the layer lacks
(:func:`generalization_gap`), its distance to the right irrelevant information that it
keeps (:func:`complexity_gap`). And no layer has more information than the one before it
(:func:`information_chain`).

A curve is given by its points: ``curve_i_xt`` and ``curve_i_ty``, I(X;T) and I(T;Y) in
nats, of one shape ``[num_betas]``. Both rise; where one falls from a point to the next,
it counts as unchanged. A layer is ``i_xt`` and ``i_ty``, of any one shape. Other shapes
and, outside of ``jit``, points of a curve that are not finite raise ``ValueError``.
Gaps have the layer's shape and are NaN where its values are, or, under ``jit``, all of
them if a point of the curve is NaN.

The gaps are those to the curve itself. Tishby and Zaslavsky, `Deep learning and the
information bottleneck principle`, 2015, take theirs to the optimum of
:func:`worst_case_curve`.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = [
    "ChainCheck",
    "SampleBounds",
    "WorstCaseCurve",
    "complexity_gap",
    "finite_sample_bounds",
    "generalization_gap",
    "information_chain",
    "worst_case_curve",
]


class SampleBounds(NamedTuple):
    """Bounds on the errors of plug-in estimates, in nats.

    Attributes:
      i_xt: Bound on the error of I(X;T).
      i_ty: Bound on the error of I(T;Y).
    """

    i_xt: jax.Array
    i_ty: jax.Array


def finite_sample_bounds(
    num_samples: ArrayLike,
    num_t: ArrayLike,
    num_classes: ArrayLike,
    *,
    delta: ArrayLike = 0.05,
    form: str = "tight",
) -> SampleBounds:
    r"""Bounds on the error of plug-in I(X;T) and I(T;Y) from n samples, in nats.

    The samples (x, y) are independent, the encoder p(t|x) is known and was not fitted
    to them, and the estimates take the samples' frequencies for p(x, y); in a binned
    layer p(t|x) is 0 or 1. With probability 1 - delta both errors are within the bounds
    at once. With K = ``num_t`` and L = ``num_classes``, ``form="tight"`` computes

    .. math::
        |I(X;T) - \hat I(X;T)| &\le d(n - 1) \sqrt{\log(4/\delta) / 2n}
            + \log\left(1 + \tfrac{K - 1}{n}\right) \\
        |I(T;Y) - \hat I(T;Y)| &\le 2\, d\left(\tfrac{n - 1}{2}\right)
            \sqrt{\log(4/\delta) / 2n}
            + \log\left(1 + \tfrac{K L - \max(K, L)}{n}\right) \\
        d(c) &= (c + 1) \log(c + 1) - c \log c \le 1 + \log(c + 1)

    and, for two classes, :math:`d(n - 1)` in place of :math:`2\,d((n - 1)/2)`. The
    first terms bound the spread, the second the bias. They are derived as follows.

    * Spread of I(X;T). Let J be the number of a sample drawn uniformly and B whether
      it is the last. Then :math:`\hat I(X;T) = I(J;T) = I(B;T) + I(J;T|B)`, where the
      second term does not depend on the last sample and the first is at least zero
      and at most the entropy of B, which is d(n - 1)/n.
    * Spread of I(T;Y). With :math:`\phi(c) = c \log c` and counts N, of parts of
      samples if p(t|x) is not 0 or 1,

      .. math::
          n \hat I(T;Y) = \phi(n) - \sum_y \phi(N_y) - \sum_t \phi(N_t)
              + \sum_{ty} \phi(N_{ty})

      A last sample of class y adds :math:`-d(N_y) - g` to this, with N the counts of
      the n - 1 others. Here g is at least zero, since :math:`\phi` is convex, and at
      most :math:`d(n - 1 - N_y)`, by the log-sum inequality and since slopes of
      :math:`\phi` are concave. So two last samples differ by at most the maximum of
      d(c) + d(n - 1 - c) over c, and by at most d(n - 1) if there are two classes.
    * McDiarmid's inequality, at delta/2 for each, turns a largest change into a
      bound on the distance from the mean.
    * Bias. :math:`0 \le H(T) - E\hat H(T) \le \log(1 + (K-1)/n)` (Paninski 2003) is
      the bias of I(X;T), since H(T|X) has none: the estimate is too low. The
      estimate of H(Y|T) is too low by at most :math:`\log(1 + K(L-1)/n)`: the same
      inequality for the samples at each t, then Jensen's over t, and once more for
      an encoder that is not deterministic. The same holds with T and Y exchanged,
      so I(T;Y) comes out too high by at most the lesser of the two, and too low by
      at most log(1 + (min(K, L) - 1)/n).

    ``form="shamir"`` follows Shamir, Sabato and Tishby's argument, which adds up
    what one sample can do to every cell of the tables, log(n)/n in each:

    .. math::
        |I(X;T) - \hat I(X;T)| &\le (K \log n + \log K) \sqrt{\log(4/\delta) / 2n}
            + \tfrac{K - 1}{n} \\
        |I(T;Y) - \hat I(T;Y)| &\le (3K + 2) \log n \sqrt{\log(4/\delta) / 2n}
            + \tfrac{(K + 1)(L + 1) - 4}{n}

    for n of three or more. These constants were derived again here and not compared
    with the print. Tishby and Zaslavsky (2015) keep only the rates,
    :math:`K/\sqrt n` and :math:`K L/\sqrt n`, without constants.

    What a reader could get wrong:

    * A layer trained on the samples is fitted to them; use other samples.
    * Both forms are far above the usual error, whose mean is about
      (K - 1)(L - 1)/2n for I(T;Y) and whose spread falls as :math:`1/\sqrt n` without
      the logarithm. For n = 4096, K = 100 and L = 2 the tight bounds are 0.24 nats
      each, Shamir's 19 and 58, and 95 % of the errors of random tables with
      deterministic encoders are below 0.025.
    * No information exceeds log K or log L: a bound above that is empty.

    Args:
      num_samples: Number of samples n.
      num_t: Number of values of T; need not be whole, e.g. exp(I(X;T)).
      num_classes: Number of values of Y.
      delta: Probability that one of the two bounds fails, in (0, 1).
      form: ``"tight"`` or ``"shamir"``.

    Returns:
      :class:`SampleBounds` of the arguments' common shape; arguments are scalars or
      have that shape.

    Raises:
      ValueError: If ``form`` is neither or, outside of ``jit``, a number is below one
        (below three samples in Shamir's form) or ``delta`` not between 0 and 1.

    References:
      Shamir, Sabato and Tishby, `Learning and generalization with the information
      bottleneck`, Theoretical Computer Science 411, 2010.
      Paninski, `Estimation of entropy and mutual information`, Neural Computation
      15, 2003.
      McDiarmid, `On the method of bounded differences`, 1989.

    Example:
      >>> for form in ("tight", "shamir"):
      ...     i_xt, i_ty = finite_sample_bounds(4096, 100, 2, form=form)
      ...     print(f"{form}: {i_xt:.2f} and {i_ty:.2f} nats")
      tight: 0.24 and 0.24 nats
      shamir: 19.37 and 58.17 nats
    """
    checks.one_of("form", form, ("tight", "shamir"))
    least = {
        "num_samples": (num_samples, 3 if form == "shamir" else 1),
        "num_t": (num_t, 1),
        "num_classes": (num_classes, 1),
    }
    for name, (value, limit) in least.items():
        _all_within(
            name,
            value,
            f"at least {limit}, and finite",
            lambda v, low=limit: (v >= low) & (v < np.inf),
        )
    _all_within("delta", delta, "between 0 and 1", lambda v: (v > 0) & (v < 1))
    sizes = {name: value for name, (value, _) in least.items()} | {"delta": delta}
    checks.broadcastable(**sizes)
    return _sample_bounds(*(jnp.asarray(v, float) for v in sizes.values()), form=form)


def _all_within(name, value, expected, is_fine) -> None:
    """Check all entries of a number or an array whose values are known."""
    if not checks.is_traced(value):
        values = np.asarray(checks.numeric(name, value, np.asarray), float)
        wrong = values[~is_fine(values)]
        if wrong.size:
            raise ValueError(f"{name} must be {expected}, got {wrong.flat[0]:g}")


@exact_jit(static_argnames="form")
def _sample_bounds(
    n: jax.Array, k: jax.Array, m: jax.Array, delta: jax.Array, form: str
) -> SampleBounds:
    scale = jnp.sqrt(jnp.log(4.0 / delta) / (2.0 * n))
    if form == "shamir":
        spread_xt = k * jnp.log(n) + jnp.log(k)
        spread_ty = (3.0 * k + 2.0) * jnp.log(n)
        bias_xt, bias_ty = (k - 1.0) / n, ((k + 1.0) * (m + 1.0) - 4.0) / n
    else:
        spread_xt = _largest_step(n - 1.0)
        spread_ty = jnp.where(m > 2.0, 2.0 * _largest_step((n - 1.0) / 2.0), spread_xt)
        bias_xt = jnp.log1p((k - 1.0) / n)
        bias_ty = jnp.log1p((k * m - jnp.maximum(k, m)) / n)
    return SampleBounds(spread_xt * scale + bias_xt, spread_ty * scale + bias_ty)


def _largest_step(count: jax.Array) -> jax.Array:
    """The function d above, ``(c + 1) log(c + 1) - c log c``, without cancellation."""
    some = jnp.where(count > 0.0, count, 1.0)
    return jnp.where(count > 0.0, jnp.log1p(some) + some * jnp.log1p(1.0 / some), 0.0)


class WorstCaseCurve(NamedTuple):
    """Lower bound on an information curve, and its optimum, in nats.

    Attributes:
      i_ty: Least I(T;Y) that the error allows, shape ``[num_betas]``; empty below zero.
      best_i_ty: Its largest value, shape ``[]``.
      best_i_xt: I(X;T) of the point that has it, shape ``[]``; the least of several.
    """

    i_ty: jax.Array
    best_i_ty: jax.Array
    best_i_xt: jax.Array


def worst_case_curve(
    curve_i_xt: ArrayLike, curve_i_ty: ArrayLike, i_ty_error: ArrayLike
) -> WorstCaseCurve:
    r"""Information curve of a sample less its error, and its optimum, in nats.

    Computes :math:`\hat I(T;Y) - \epsilon` for every point of a curve estimated from
    samples. The error grows with the number of values of T, so the difference has a
    maximum: beyond it a more complex representation looks better on the samples only.
    Tishby and Zaslavsky (2015) take :math:`e^{I(X;T)}` for the number of
    values, which is the least that T can have, and an error of
    :math:`C e^{I(X;T)} |Y| / \sqrt n` with C left open, here
    ``C * jnp.exp(curve_i_xt) * num_classes / jnp.sqrt(n)``.

    They compare a network's output with this optimum: their generalization gap is
    ``best_i_ty`` less its I(T;Y), their complexity gap its I(X;T) less ``best_i_xt``.

    Args:
      curve_i_xt: I(X;T) of the curve's points.
      curve_i_ty: I(T;Y) of the curve's points.
      i_ty_error: Bound on the error of I(T;Y), shape ``[]`` or ``[num_betas]``, e.g.
        of :func:`finite_sample_bounds`.

    Returns:
      A :class:`WorstCaseCurve`; the optimum is one of the points given.

    Raises:
      ValueError: If shapes do not match, a point is not finite, or an error is negative
        or NaN.

    Example:
      >>> i_xt = jnp.linspace(0.0, 6.0, 61)
      >>> i_ty = 0.69 * (1 - jnp.exp(-2 * i_xt))
      >>> for n in (100, 10_000):
      ...     error = finite_sample_bounds(n, jnp.exp(i_xt), 2).i_ty
      ...     worst = worst_case_curve(i_xt, i_ty, error)
      ...     print(f"n = {n}: best I(X;T) {worst.best_i_xt:.1f} nats")
      n = 100: best I(X;T) 1.7 nats
      n = 10000: best I(X;T) 3.2 nats
    """
    curve_i_xt, curve_i_ty = _curve(curve_i_xt, curve_i_ty)
    error = _not_negative("i_ty_error", i_ty_error)
    checks.shape("i_ty_error", error, (), curve_i_ty.shape)
    worst = curve_i_ty - error
    best = jnp.argmax(worst)
    return WorstCaseCurve(worst, worst[best], curve_i_xt[best])


def generalization_gap(
    i_xt: ArrayLike, i_ty: ArrayLike, curve_i_xt: ArrayLike, curve_i_ty: ArrayLike
) -> jax.Array:
    r"""Vertical distance of a layer below the information curve, in nats.

    Computes :math:`I^*(I(X;T)) - I(T;Y)`: the I(T;Y) that the best representation of
    equal I(X;T) has beyond the layer. The curve :math:`I^*` is drawn straight from
    (0, 0) through the points given and flat after the last. The true one is concave and
    may go on rising, so the drawn one is never above it and the gap never too large. A
    negative gap comes from an estimate: no representation lies above the true curve,
    but a binned or noisy estimate can.

    Args:
      i_xt: I(X;T) of the layer.
      i_ty: I(T;Y) of the layer.
      curve_i_xt: I(X;T) of the curve's points.
      curve_i_ty: I(T;Y) of the curve's points.

    Example:
      >>> curve = [0.5, 1.0, 2.0], [0.4, 0.6, 0.69]
      >>> print(f"{generalization_gap(1.5, 0.6, *curve):.3f} nats")
      0.045 nats
    """
    i_xt, i_ty = _point(i_xt, i_ty)
    curve_i_xt, curve_i_ty = _curve(curve_i_xt, curve_i_ty)
    return _read(i_xt, curve_i_xt, curve_i_ty, side="right") - i_ty


def complexity_gap(
    i_xt: ArrayLike, i_ty: ArrayLike, curve_i_xt: ArrayLike, curve_i_ty: ArrayLike
) -> jax.Array:
    r"""Horizontal distance of a layer to the right of the information curve, in nats.

    Computes :math:`I(X;T) - \min\{R : I^*(R) \ge I(T;Y)\}`: the I(X;T) that the layer
    keeps beyond the least that allows its I(T;Y). The curve :math:`I^*` is drawn as in
    :func:`generalization_gap`, never above the true one, so the gap is never too large,
    as long as I(T;Y) is not above the curve's top.

    Nothing attains an I(T;Y) above the top, and the minimum would be infinite. Such
    a point comes from an estimate, often by a rounding error, so it is compared with
    the least I(X;T) at which the curve reaches its top. Its generalization gap is
    negative, which identifies it.

    Args:
      i_xt: I(X;T) of the layer.
      i_ty: I(T;Y) of the layer.
      curve_i_xt: I(X;T) of the curve's points.
      curve_i_ty: I(T;Y) of the curve's points.

    Example:
      >>> curve = [0.5, 1.0, 2.0], [0.4, 0.6, 0.69]
      >>> print(f"{complexity_gap(1.5, 0.5, *curve):.3f} nats")
      0.750 nats
    """
    i_xt, i_ty = _point(i_xt, i_ty)
    curve_i_xt, curve_i_ty = _curve(curve_i_xt, curve_i_ty)
    # From the left, since on a flat stretch the least I(X;T) counts.
    return i_xt - _read(i_ty, curve_i_ty, curve_i_xt, side="left")


class ChainCheck(NamedTuple):
    """Losses from layer to layer, and violations of data processing.

    Attributes:
      drop: Information of a layer less that of the next, in nats, shape
        ``[..., num_layers - 1]``.
      violated: Whether the next layer's lower end is above the layer's upper end,
        bool, the same shape.
    """

    drop: jax.Array
    violated: jax.Array


def information_chain(information: ArrayLike, error: ArrayLike = 0.0) -> ChainCheck:
    r"""Check of :math:`I_1 \ge I_2 \ge \dots` along layers, in nats.

    Each layer is a function of the one before it, with noise of its own or without,
    so by data processing :math:`I(X;T_1) \ge I(X;T_2) \ge \dots` and
    :math:`I(Y;T_1) \ge I(Y;T_2) \ge \dots`; I(X;Y) may stand first in the second.
    A layer that also sees an earlier one, over a skip connection, need not obey. The
    inequalities hold for true informations; estimates may break them, because every
    layer is binned or given noise on its own: the bins of one layer are not a function
    of the bins of the layer before.

    Args:
      information: I(X;T) or I(T;Y) of the layers, shape ``[..., num_layers]``, in the
        order in which they act.
      error: Half the width of the interval around each value, shape ``[]`` or that
        of ``information``, e.g. of :func:`finite_sample_bounds`. Two layers count
        as out of order if their intervals do not meet. For the mean over seeds use
        :func:`ibjax.results.data_processing.data_processing_violations`, which
        compares the layers seed by seed.

    Returns:
      A :class:`ChainCheck`; NaN is no violation.

    Raises:
      ValueError: If ``information`` has rank 0, or ``error`` has another shape or is
        negative or NaN.

    References:
      Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006, sec. 2.8.

    Example:
      >>> check = information_chain([3.0, 2.5, 2.6, 1.0, 1.5], error=0.1)
      >>> print(check.violated)
      [False False False  True]
    """
    information = checks.floats("information", information)
    error = _not_negative("error", error)
    if information.ndim == 0:
        raise ValueError("information must have shape [..., num_layers], got ()")
    checks.shape("error", error, (), information.shape)
    error = jnp.broadcast_to(error, information.shape)
    drop = information[..., :-1] - information[..., 1:]
    return ChainCheck(drop, -drop > error[..., :-1] + error[..., 1:])


def _not_negative(name: str, value: ArrayLike) -> jax.Array:
    """An error, which has no sign, and may be infinite."""
    value = checks.floats(name, value)
    _all_within(name, value, "at least 0", lambda v: v >= 0)
    return value


def _curve(curve_i_xt: ArrayLike, curve_i_ty: ArrayLike) -> tuple[jax.Array, jax.Array]:
    curve_i_xt = checks.floats("curve_i_xt", curve_i_xt)
    curve_i_ty = checks.floats("curve_i_ty", curve_i_ty)
    if curve_i_xt.ndim != 1 or curve_i_xt.shape != curve_i_ty.shape:
        raise ValueError(
            "curve_i_xt and curve_i_ty must have one shape [num_betas], got "
            f"{curve_i_xt.shape} and {curve_i_ty.shape}"
        )
    checks.finite("curve_i_xt", curve_i_xt)
    checks.finite("curve_i_ty", curve_i_ty)
    return curve_i_xt, curve_i_ty


@exact_jit(static_argnames="side")
def _read(
    at: jax.Array, abscissa: jax.Array, ordinate: jax.Array, side: str
) -> jax.Array:
    """Ordinate of a rising curve from (0, 0), constant beyond its last point."""
    chex.assert_rank([abscissa, ordinate], 1)
    origin = jnp.zeros(1, abscissa.dtype)
    # A running maximum would pass over a NaN.
    broken = jnp.any(jnp.isnan(abscissa) | jnp.isnan(ordinate))
    abscissa = jax.lax.cummax(jnp.concatenate([origin, abscissa]))
    ordinate = jax.lax.cummax(jnp.concatenate([origin, ordinate]))
    # Between neighbours a straight line; a step of no width is at its upper end, so
    # that a vertical piece of the curve is read at its top.
    inside = jnp.clip(at, 0.0, abscissa[-1])
    above = jnp.searchsorted(abscissa, inside, side=side, method="compare_all")
    above = jnp.minimum(above, abscissa.size - 1)
    below = jnp.maximum(above - 1, 0)
    run = abscissa[above] - abscissa[below]
    share = (inside - abscissa[below]) / jnp.where(run > 0.0, run, 1.0)
    share = jnp.where(run > 0.0, share, 1.0)
    value = ordinate[below] + share * (ordinate[above] - ordinate[below])
    return jnp.where(jnp.isnan(at) | broken, jnp.nan, value)


def _point(i_xt: ArrayLike, i_ty: ArrayLike) -> tuple[jax.Array, jax.Array]:
    i_xt, i_ty = checks.floats("i_xt", i_xt), checks.floats("i_ty", i_ty)
    checks.same_shape(i_xt=i_xt, i_ty=i_ty)
    return i_xt, i_ty
