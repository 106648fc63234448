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
the ratio to its own centre is one, :math:`I(X;T) \le \log N` holds term by term. It
also takes :math:`|z|^2 / 2` out of the entropy, whose mean d / 2 is known: centres that
the noise does not mix have the standard error 0.

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
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.estimators.layers import check_layer, label_weights
from ibjax.estimators.propagation.mixtures import columns_of, log_ratio, log_sums
from ibjax.networks.network import Params
from ibjax.networks.network import Network as NoisyNetwork

__all__ = [
    "MonteCarloEstimate",
    "PropagatedInformation",
    "layer_information",
    "mixture_entropy",
    "noisy_layer_information",
]

_ROWS = 256


class MonteCarloEstimate(NamedTuple):
    """An estimate and the standard error of its random draws.

    Attributes:
      value: In nats, shape ``[]``.
      standard_error: In nats, shape ``[]``.
    """

    value: jax.Array
    standard_error: jax.Array


class PropagatedInformation(NamedTuple):
    """Where one noisy layer stands on the information plane, in nats.

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
    centres = _check_centres(centres, ranks=(2,))
    noise_std = _check_options(noise_std, num_draws, num_replicas=1)
    no_labels = jnp.zeros((len(centres), 0), centres.dtype)
    estimate = _information(key, centres[:, None], no_labels, noise_std, num_draws)
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

    Memory is O(num_samples num_replicas dim), time
    O(num_samples^2 num_replicas num_draws dim).

    Args:
      key: A random key.
      centres: The layer without its noise, shape ``[num_samples, dim]`` or
        ``[num_samples, num_replicas, dim]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      num_classes: Number of classes.
      noise_std: Standard deviation of the noise, positive, shape ``[]``.
      num_draws: Draws of t per input, at least 2; with replicas, at most as many.

    Returns:
      Information and standard errors, each of shape ``[]``. NaN if, under ``jit``, a
      centre is not finite.

    Raises:
      ValueError: If shapes do not match, a label is out of range, ``noise_std`` is not
        positive, ``num_draws`` does not fit or, outside of ``jit``, a centre is not
        finite.
      TypeError: If a dtype is wrong.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> s = jnp.array([[-1.0], [-1.0], [1.0], [1.0]])
      >>> information = layer_information(
      ...     jax.random.key(0), s, jnp.array([0, 0, 1, 1]), num_classes=2,
      ...     noise_std=0.1,
      ... )
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      0.6931 0.6931 nats
    """
    centres = _check_centres(centres, ranks=(2, 3))
    _, labels = check_layer(centres.reshape(len(centres), -1), labels, num_classes)
    centres = centres[:, None] if centres.ndim == 2 else centres
    noise_std = _check_options(noise_std, num_draws, num_replicas=centres.shape[1])
    weights = label_weights(labels, num_classes, centres.dtype)
    return _information(key, centres, weights, noise_std, num_draws)


def noisy_layer_information(
    key: jax.Array,
    params: Params,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    network: NoisyNetwork,
    num_classes: int,
    num_replicas: int = 32,
    num_draws: int = 8,
) -> tuple[PropagatedInformation, ...]:
    r"""I(X;T) and I(T;Y) of every hidden layer of a noisy network, in nats.

    Propagates ``num_replicas`` noisy copies of every input and estimates each layer
    with :func:`layer_information`: the first from the inputs alone, the others from
    the replicas. The logits carry no noise and are left out.

    ``i_xt`` is biased up with depth and ``i_xt_held_out`` down; more replicas bring
    them together. How many are needed grows with the spread of a layer given its
    input, in units of the noise, and with the dimension.

    Args:
      key: A random key.
      params: Parameters of the network.
      x: All inputs, each once, shape ``[num_samples, num_inputs]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      network: A network of :func:`ibjax.networks.noisy`.
      num_classes: Number of classes.
      num_replicas: Noisy passes per input, at least 2. Goldfeld et al. took 1,000.
      num_draws: Draws of t per input, from 2 to ``num_replicas``.

    Returns:
      The information of every hidden layer.

    Raises:
      ValueError: As :func:`layer_information`.
      TypeError: If a dtype is wrong.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax.networks import noisy
      >>> network = noisy([1, 1, 2], noise_std=0.1)
      >>> params = ((20 * jnp.ones((1, 1)), jnp.zeros(1)),)  # A step; no logits yet.
      >>> x, labels = jnp.array([[-1.0], [1.0]]), jnp.array([0, 1])
      >>> (layer,) = noisy_layer_information(
      ...     jax.random.key(1), params, x, labels, network=network, num_classes=2
      ... )
      >>> print(f"{layer.i_xt:.4f} nats")
      0.6931 nats
    """
    x = _check_centres(x, ranks=(2,), name="x")
    if num_replicas < 2:
        raise ValueError(f"num_replicas must be at least 2, got {num_replicas}")
    num_samples = len(x)
    information = []
    t = x
    for number, noise_std in enumerate(network.noise_std):
        key_noise, key_draws = jax.random.split(jax.random.fold_in(key, number))
        s = network.layer(params, number, t)
        centres = s if number == 0 else s.reshape(num_samples, num_replicas, -1)
        information.append(
            layer_information(
                key_draws,
                centres,
                labels,
                num_classes=num_classes,
                noise_std=noise_std,
                num_draws=num_draws,
            )
        )
        if number == 0:
            s = jnp.repeat(s, num_replicas, axis=0)
        t = s + noise_std * jax.random.normal(key_noise, s.shape, s.dtype)
    return tuple(information)


def _check_centres(centres, ranks, name="centres"):
    centres = jnp.asarray(centres)
    if centres.ndim not in ranks or 0 in centres.shape:
        wanted = "[num_samples, dim]"
        if 3 in ranks:
            wanted += " or [num_samples, num_replicas, dim]"
        raise ValueError(f"{name} must have shape {wanted}, got {centres.shape}")
    if not jnp.issubdtype(centres.dtype, jnp.floating):
        raise TypeError(f"{name} must be floating, got {centres.dtype}")
    if not isinstance(centres, jax.core.Tracer):
        if not np.isfinite(np.asarray(centres)).all():
            raise ValueError(f"{name} must be finite, got NaN or infinite values")
    return centres.astype(jnp.float32) if centres.dtype.itemsize < 4 else centres


def _check_options(noise_std, num_draws, num_replicas):
    concrete = not isinstance(noise_std, jax.core.Tracer)
    if jnp.ndim(noise_std) != 0 or (concrete and not 0 < noise_std < math.inf):
        raise ValueError(f"noise_std must be one positive number, got {noise_std}")
    if num_draws < 2:
        raise ValueError(
            f"num_draws must be at least 2, for a standard error, got {num_draws}"
        )
    if 1 < num_replicas < num_draws:
        raise ValueError(
            "num_draws must be at most the number of replicas, so that each draw comes "
            f"from another, got {num_draws} draws of {num_replicas} replicas"
        )
    return noise_std


@partial(jax.jit, static_argnames="num_draws")
def _information(key, centres, weights, noise_std, num_draws):
    """Information of centres ``[num_samples, num_replicas, dim]`` and their noise.

    Samples are taken a block of rows at a time and meet all centres a block of columns
    at a time; the sums over columns carry their largest exponent along.
    """
    num_samples, num_replicas, dim = centres.shape
    num_classes = weights.shape[1]
    dtype = centres.dtype
    centres = centres / jnp.asarray(noise_std, dtype)
    columns, column_weights = columns_of(centres, weights)

    def block(start):
        number, rows = start
        own = centres[rows]
        shape = (len(rows), num_draws, dim)
        # As many draws as wanted from the replicas in turn: they are exchangeable.
        of_replica = np.arange(num_draws) % num_replicas
        centre = own[:, of_replica]
        z = jax.random.normal(jax.random.fold_in(key, number), shape, dtype)
        within = log_ratio(
            centre[:, :, None], z[:, :, None], own[:, None]
        )  # [rows, draws, replicas]
        flat = partial(jnp.reshape, shape=(-1, dim))
        over_all, by_class = log_sums(flat(centre), flat(z), columns, column_weights)
        log_g_x = jax.nn.logsumexp(within, axis=2) - math.log(num_replicas)
        held_out = log_g_x
        if num_replicas > 1:
            is_own = np.eye(num_replicas, dtype=bool)[of_replica]
            held_out = jnp.where(is_own[None], -jnp.inf, within)
            held_out = jax.nn.logsumexp(held_out, axis=2) - math.log(num_replicas - 1)
        by_draw = partial(jnp.reshape, shape=(len(rows), num_draws))
        log_g = by_draw(over_all) - math.log(num_samples * num_replicas)
        log_g_y = by_class[:, :num_classes].reshape(len(rows), num_draws, num_classes)
        return log_g, log_g_x, held_out, log_g_y

    num_rows = min(max(1, _ROWS // num_draws), num_samples)
    num_blocks = -(-num_samples // num_rows)
    rows = jnp.minimum(jnp.arange(num_blocks * num_rows), num_samples - 1)
    starts = (jnp.arange(num_blocks), rows.reshape(num_blocks, num_rows))
    log_g, log_g_x, held_out, log_g_y = jax.tree.map(
        lambda values: values.reshape(len(rows), *values.shape[2:])[:num_samples],
        lax.map(block, starts),
    )

    # A class without samples has weight zero everywhere.
    log_size = jnp.log(jnp.maximum(jnp.sum(weights, axis=0), jnp.finfo(dtype).tiny))
    log_g_y = log_g_y - log_size[None, None] - math.log(num_replicas)
    weight = weights[:, None, :]
    ratio_y = jnp.where(weight > 0, weight * (log_g_y - log_g[:, :, None]), 0.0)
    i_xt, i_xt_error = _stratified_mean(log_g_x - log_g)
    i_ty, i_ty_error = _stratified_mean(jnp.sum(ratio_y, axis=2))
    i_xt_held_out = i_xt
    if num_replicas > 1:
        i_xt_held_out, _ = _stratified_mean(held_out - log_g)
    return PropagatedInformation(i_xt, i_ty, i_xt_held_out, i_xt_error, i_ty_error)


def _stratified_mean(values):
    """Mean of ``[num_samples, num_draws]`` and the error of the draws alone."""
    num_samples, num_draws = values.shape
    variance = jnp.var(values, axis=1, ddof=1) / num_draws
    return jnp.mean(values), jnp.sqrt(jnp.sum(variance)) / num_samples
