r"""Information of layers with Gaussian noise, by sample propagation.

A noisy layer is T = S + Z with S = f(previous layer) and Z ~ N(0, s^2 I). Given samples
of S, the density of T is estimated by the mixture of Gaussians around them, whose
entropy is an integral that Monte Carlo takes without bias (Goldfeld et al., 2019). The
estimate uses the known noise: its error falls as one over the root of the number of
samples, whatever the dimension, although with a factor that grows exponentially in it.

Everything here is a mean of logarithms of density ratios. A sample drawn from the
Gaussian of centre i, :math:`t = s_i + \sigma z`, has the density of centre k relative
to that of its own

.. math:: \log \frac{N(t; s_k)}{N(t; s_i)} = z \cdot a - |a|^2 / 2, \quad
    a = (s_k - s_i) / \sigma ,

from differences of centres, so that nothing cancels however small the noise; and since
the ratio to its own centre is one, :math:`I(X;T) \le \log N` holds term by term.

What the numbers mean:

- The inputs given *are* the distribution of X. Take every input once. Inputs drawn with
  replacement repeat, and N draws out of N then cannot give more than
  :math:`\log N - E \log (1 + \mathrm{Poisson}(1))`, 7.744 instead of 8.318 nats for
  N = 4096: the first layers of Goldfeld et al.'s noisy network lie at that value.
- The first layer is exact but for Monte Carlo. Deeper down S given x is itself random
  and is replaced by replicas, noisy passes of the same input. The entropy h(T|X) of
  finitely many replicas is too small on average, so that I(X;T) is too large, by more
  the deeper the layer: estimates can rise with depth. The data-processing inequality
  holds for the network; such a violation belongs to the estimator. A second estimate
  that leaves a sample's own replica out is too small on average, so that the two
  enclose the truth up to their standard errors.
- Of the two densities in :math:`I(X;T) = E \log [g_x(t) / g(t)]` the narrow one,
  :math:`g_x`, needs many replicas of one input, and the wide one few of every input,
  since it sums over all of them. So the mean over x can be one over some *rows*, inputs
  drawn without replacement, that have replicas of their own; g stays the mixture over
  all inputs, so that I(X;T) can reach log N. Few replicas of the other inputs make
  log g too small on average and I(X;T) too large, but by little. This part of the bias
  stays in the held-out side too.
"""

import math
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.layers import check_layer, label_weights
from ibjax.estimators.propagation.mixtures import columns_of, log_ratio, log_sums
from ibjax.estimators.samples import (
    as_array,
    at_least_float32,
    at_least_int32,
    to_jax,
)
from ibjax.numerics import checks

__all__ = [
    "MonteCarloEstimate",
    "PropagatedInformation",
    "information_at",
    "layer_information",
    "mixture_entropy",
]

# Draws that meet a tile of centres at once: tiles of 256 x 1,024 stay in the cache.
_DRAWS = 256


class MonteCarloEstimate(NamedTuple):
    """An estimate and the standard error of its random draws.

    Attributes:
      value: In nats, shape ``[]``.
      standard_error: In nats, shape ``[]``.
    """

    value: jax.Array
    standard_error: jax.Array


class PropagatedInformation(NamedTuple):
    """Place of one noisy layer on the information plane, in nats.

    Attributes:
      i_xt: I(X;T), shape ``[]``. Exact up to the standard error for one centre per
        input; too large on average for replicas.
      i_ty: I(T;Y), shape ``[]``.
      i_xt_held_out: I(X;T) from densities that leave a sample's own replica out, too
        small on average, shape ``[]``; equal to ``i_xt`` for one centre per input.
      i_xt_error: Standard error of ``i_xt`` and, to first order, of ``i_xt_held_out``.
      i_ty_error: Standard error of ``i_ty``.
    """

    i_xt: jax.Array
    i_ty: jax.Array
    i_xt_held_out: jax.Array
    i_xt_error: jax.Array
    i_ty_error: jax.Array


def mixture_entropy(
    key: jax.Array, centres: ArrayLike, *, noise_std: ArrayLike, num_draws: int = 16
) -> MonteCarloEstimate:
    r"""Differential entropy of an equal mixture of equal Gaussians, in nats.

    The entropy of :math:`g(t) = \frac1n \sum_i N(t; s_i, \sigma^2 I)` is

    .. math::
        h = \frac{d}{2} \log (2 \pi e \sigma^2) - E_{i, z} \log \frac1n \sum_k
            \exp(z \cdot a_{ik} - |a_{ik}|^2 / 2)

    with :math:`a_{ik} = (s_k - s_i) / \sigma`, and the expectation is a mean over
    ``num_draws`` draws of z around every centre. It is unbiased for the entropy of the
    mixture, and the second term never exceeds log n. As an estimate of h(S + Z) from n
    samples of S it is biased low.

    The draws are stratified by centre, so the standard error is that of the draws
    around given centres, :math:`\sqrt{\sum_i v_i / m} / n` with the variance
    :math:`v_i` of the m draws around centre i. It says nothing of how h(S + Z) would
    change with other samples of S. It is itself too small where centres hardly overlap:
    what counts are rare draws then, and few draws have none of them.

    Memory is O(num_centres (dim + num_draws)), time
    O(num_centres^2 num_draws dim).

    Args:
      key: A random key.
      centres: The centres s, shape ``[num_centres, dim]``, floating.
      noise_std: Standard deviation of every Gaussian, positive, shape ``[]``.
      num_draws: Draws around every centre, at least 2.

    Returns:
      Entropy and standard error, each of shape ``[]``. NaN if, under ``jit``, a centre
      is not finite.

    Raises:
      ValueError: If ``centres`` has no such shape, ``noise_std`` is not positive,
        ``num_draws`` is too small or, outside of ``jit``, a centre is not finite.
      TypeError: If ``centres`` is not floating.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.
      Goldfeld, Greenewald, Niles-Weed and Polyanskiy, `Convergence of smoothed
      empirical measures with applications to entropy estimation`, 2020.

    Example:
      >>> centres = jnp.array([[-1.0], [1.0]])
      >>> h = mixture_entropy(
      ...     jax.random.key(0), centres, noise_std=0.1, num_draws=1000
      ... )
      >>> noise = 0.5 * math.log(2 * math.pi * math.e * 0.1**2)
      >>> print(f"{h.value - noise:.4f} nats")
      0.6931 nats
    """
    checks.key("key", key)
    centres = _check_centres(centres, ("num_centres", "dim"))
    noise_std = checks.positive("noise_std", noise_std)
    _check_draws(num_draws, 1)
    no_labels = jnp.zeros((len(centres), 0), centres.dtype)
    estimate = information_at(
        key, None, centres[:, None], None, no_labels, noise_std, num_draws=num_draws
    )
    dim = centres.shape[1]
    noise_entropy = dim * (0.5 * math.log(2 * math.pi * math.e) + jnp.log(noise_std))
    return MonteCarloEstimate(noise_entropy + estimate.i_xt, estimate.i_xt_error)


def layer_information(
    key: jax.Array,
    centres: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    noise_std: ArrayLike,
    num_draws: int = 8,
    rows: ArrayLike | None = None,
    own_centres: ArrayLike | None = None,
) -> PropagatedInformation:
    r"""I(X;T) and I(T;Y) of a layer T = S + Z with Gaussian noise Z, in nats.

    With :math:`g_x` the mixture of Gaussians around the centres of input x, g that
    around all of them and :math:`g_y` that around those of class y,

    .. math::
        I(X;T) = E_{x,t} \log \frac{g_x(t)}{g(t)}, \qquad
        I(T;Y) = E_{x,t} \sum_y p(y|x) \log \frac{g_y(t)}{g(t)} ,

    as means over ``num_draws`` draws of t for every input. Both are the differences
    h(T) - h(T|X) and h(T) - h(T|Y) of Goldfeld et al.'s entropies, but of the same
    draws, which makes them steadier. Inputs are taken as equally probable and as all
    there are: I(X;T) cannot exceed log num_samples.

    *One centre per input* (``centres`` of rank 2) is a layer that is a function of the
    input before its noise is added, as the first noisy layer of a network: then
    :math:`g_x` is one Gaussian, h(T|X) is (d/2) log(2 pi e s^2), and the draws are the
    only error. The standard error is theirs.

    *Replicas* (rank 3) stand for a layer that is random given the input. Information
    is convex in the channel, so replacing it by replicas makes ``i_xt`` and ``i_ty``
    too large on average, by O(1 / num_replicas); see the module. In
    ``i_xt_held_out``, :math:`g_x` leaves out the replica that t was drawn from, which
    makes log g_x(t) too small on average by Jensen's inequality. Each draw comes from
    another replica, and the standard error is that of their mean within each input:
    to first order it covers both the draws and the choice of replicas, and is
    conservative for fewer draws than replicas.

    *Rows* are the inputs that the means are over, all of them by default. In the place
    of their replicas among ``centres``, those in ``own_centres`` make :math:`g_x`,
    above, and the input's own part of g and :math:`g_y`, below, so that a draw never
    gives more than log num_samples. The standard error is that of a sample without
    replacement: with :math:`s^2` the variance between the rows' means and w the part of
    it that the draws explain, :math:`s^2 / n - (s^2 - w) / N`.

    Memory is O(num_samples num_replicas dim + num_rows num_own dim), time
    O(num_rows num_draws (num_samples num_replicas + num_own) dim).

    Args:
      key: A random key.
      centres: The layer without its noise, shape ``[num_samples, dim]`` or
        ``[num_samples, num_replicas, dim]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      num_classes: Number of classes.
      noise_std: Standard deviation of the noise, positive, shape ``[]``.
      num_draws: Draws of t per row, at least 2; with replicas, at most as many.
      rows: Distinct numbers of inputs, integers, shape ``[num_rows]``; None for all.
      own_centres: Replicas of the rows alone, shape ``[num_rows, num_own, dim]``; by
        default those in ``centres``.

    Returns:
      Information and standard errors, each of shape ``[]``. NaN if, under ``jit``, a
      centre is not finite.

    Raises:
      ValueError: If shapes do not match, a label is out of range, ``noise_std`` is not
        positive, ``num_draws`` does not fit or, outside of ``jit``, a centre is not
        finite or a row out of range.
      TypeError: If a dtype is wrong.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> s = jnp.array([[-1.0], [-1.0], [1.0], [1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> options = {"num_classes": 2, "noise_std": 0.1}
      >>> information = layer_information(jax.random.key(0), s, labels, **options)
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      0.6931 0.6931 nats
      >>> rows = jnp.array([0, 2])
      >>> some = layer_information(jax.random.key(0), s, labels, rows=rows, **options)
      >>> print(f"{some.i_xt:.4f} {some.i_ty:.4f} nats")
      0.6931 0.6931 nats
    """
    checks.key("key", key)
    shapes = ("num_samples", "dim"), ("num_samples", "num_replicas", "dim")
    centres = _check_centres(centres, *shapes)
    _, labels = check_layer(centres.reshape(len(centres), -1), labels, num_classes)
    noise_std = checks.positive("noise_std", noise_std)
    centres = centres[:, None] if centres.ndim == 2 else centres
    if rows is not None:
        rows = checks.shape("rows", as_array("rows", rows), ("num_rows",))
        rows = checks.indices("rows", checks.integers("rows", rows), len(centres))
        rows = at_least_int32(to_jax("rows", rows))
        if own_centres is None:
            own_centres = centres[rows]
        own_centres = _check_centres(
            own_centres,
            (len(rows), "num_own", centres.shape[2]),
            name="own_centres",
            why="to match rows and centres",
        ).astype(centres.dtype)
    elif own_centres is not None:
        raise ValueError("own_centres are those of rows: give rows too, got None")
    _check_draws(num_draws, (centres if own_centres is None else own_centres).shape[1])
    weights = label_weights(labels, num_classes, centres.dtype)
    return information_at(
        key, own_centres, centres, rows, weights, noise_std, num_draws=num_draws
    )


def _check_centres(centres, *shapes, name="centres", why=""):
    centres = checks.shape(name, as_array(name, centres), *shapes, why=why)
    checks.finite(name, checks.floating(name, centres))
    return at_least_float32(to_jax(name, centres))


def _check_draws(num_draws, num_replicas):
    # One draw has no variance, of which the standard error is made.
    checks.count("num_draws", num_draws, 2)
    if 1 < num_replicas < num_draws:
        raise ValueError(
            "num_draws must be at most the number of replicas, so that each draw comes "
            f"from another, got {num_draws} draws of {num_replicas} replicas"
        )


@exact_jit(static_argnames="num_draws")
def information_at(
    key: jax.Array,
    own: jax.Array | None,
    centres: jax.Array,
    rows: jax.Array | None,
    weights: jax.Array,
    noise_std: ArrayLike,
    *,
    num_draws: int,
) -> PropagatedInformation:
    """The estimate of :func:`layer_information`, for arguments that are known to fit.

    ``own [num_rows, num_own, dim]`` and ``rows [num_rows]``, or None for the ``centres
    [num_samples, num_replicas, dim]`` of all; ``weights [num_samples, num_classes]``.
    """
    num_samples, num_replicas, dim = centres.shape
    if own is None or rows is None:
        own, rows = centres, jnp.arange(num_samples)
    num_rows, num_own, _ = own.shape
    num_classes = weights.shape[1]
    chex.assert_shape(own, (num_rows, num_own, dim))
    chex.assert_shape(rows, (num_rows,))
    chex.assert_shape(weights, (num_samples, num_classes))
    dtype = centres.dtype
    own, centres = (a / jnp.asarray(noise_std, dtype) for a in (own, centres))
    columns, column_weights = columns_of(centres, weights)
    # As many draws as wanted from the replicas in turn: they are exchangeable.
    of_replica = np.arange(num_draws) % num_own
    is_own = np.eye(num_own, dtype=bool)[of_replica]

    def block(start):
        number, places = start
        mine = own[places]
        centre = mine[:, of_replica]
        # A key of its own for every block, so that no array of all draws is held.
        z = jax.random.normal(jax.random.fold_in(key, number), centre.shape, dtype)
        flat = partial(jnp.reshape, shape=(-1, dim))
        over_all, by_class = log_sums(flat(centre), flat(z), columns, column_weights)
        over_all = over_all.reshape(len(places), num_draws)
        by_class = by_class[:, :num_classes].reshape(
            len(places), num_draws, num_classes
        )
        within = log_ratio(centre[:, :, None], z[:, :, None], mine[:, None])
        chex.assert_shape(within, (len(places), num_draws, num_own))
        log_g_x = jax.nn.logsumexp(within, axis=2) - math.log(num_own)
        # Below, everything is relative to g_x. The input's few replicas among those of
        # all are taken out of the sums, its many own ones put in.
        few = centres[rows[places]]
        few = log_ratio(centre[:, :, None], z[:, :, None], few[:, None])
        few = jnp.exp(jax.nn.logsumexp(few, axis=2) - log_g_x)
        all_few = jnp.exp(over_all - log_g_x)
        # Rounding can leave less than nothing where no other input is near.
        total = 1.0 + jnp.maximum(all_few - few, 0.0) / num_replicas
        weight = weights[rows[places]][:, None]
        class_few = jnp.exp(by_class - log_g_x[..., None])
        rest = jnp.maximum(class_few - weight * few[..., None], 0.0) / num_replicas
        i_xt = math.log(num_samples) - jnp.log(total)
        held_out = i_xt
        if num_own > 1:
            others = jnp.where(is_own[None], -jnp.inf, within)
            log_others = jax.nn.logsumexp(others, axis=2) - math.log(num_own - 1)
            held_out = i_xt + log_others - log_g_x
        # The inner where keeps the gradient of log 0 from becoming NaN.
        of_class = jnp.where(weight > 0, weight + rest, 1.0)
        ratio = jnp.log(of_class) - log_size - jnp.log(total)[..., None]
        i_ty = jnp.sum(jnp.where(weight > 0, weight * ratio, 0.0), axis=2)
        return i_xt, held_out, i_ty + math.log(num_samples)

    # A class without samples has weight zero everywhere: any finite number will do.
    log_size = jnp.log(jnp.maximum(jnp.sum(weights, axis=0), jnp.finfo(dtype).tiny))
    log_size = log_size[None, None]
    num_block_rows = min(max(1, _DRAWS // num_draws), num_rows)
    num_blocks = -(-num_rows // num_block_rows)
    # The last block repeats the last row, whose repetitions are cut off below.
    places = jnp.minimum(jnp.arange(num_blocks * num_block_rows), num_rows - 1)
    starts = (jnp.arange(num_blocks), places.reshape(num_blocks, num_block_rows))
    i_xt, held_out, i_ty = (
        values.reshape(len(places), num_draws)[:num_rows]
        for values in lax.map(block, starts)
    )
    # An infinite centre would pass for one that is far from all the others.
    finite = jnp.all(jnp.isfinite(centres)) & jnp.all(jnp.isfinite(own))
    estimates = PropagatedInformation(
        i_xt=jnp.mean(i_xt),
        i_ty=jnp.mean(i_ty),
        i_xt_held_out=jnp.mean(held_out),
        i_xt_error=_standard_error(i_xt, num_samples),
        i_ty_error=_standard_error(i_ty, num_samples),
    )
    return jax.tree.map(lambda value: jnp.where(finite, value, jnp.nan), estimates)


def _standard_error(values, num_samples):
    """Standard error of the mean of ``[num_rows, num_draws]`` as that of all inputs."""
    num_rows, num_draws = values.shape
    within = jnp.mean(jnp.var(values, axis=1, ddof=1)) / num_draws
    # Of all inputs only the draws are random; of one row nothing else is known.
    if num_rows in (1, num_samples):
        return jnp.sqrt(within / num_rows)
    between = jnp.var(jnp.mean(values, axis=1), ddof=1)
    inputs = jnp.maximum(between - within, 0.0)
    return jnp.sqrt(jnp.maximum(between / num_rows - inputs / num_samples, 0.0))
