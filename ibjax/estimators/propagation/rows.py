r"""Sample propagation at some of the inputs: what a sweep can afford at every snapshot.

:mod:`ibjax.estimators.propagation` takes means over all inputs and uses the same
replicas in every density. Of the two densities in

.. math:: I(X;T) = E_{x,t} \log \frac{g_x(t)}{g(t)}, \qquad
    g = \frac1N \sum_{x'} g_{x'} ,

the narrow one, :math:`g_x`, needs many replicas of one input, and the wide one few of
every input. So here

- the mean over x is one over ``num_rows`` inputs drawn without replacement, which is
  unbiased, while g stays the mixture over all inputs: I(X;T) can reach log N;
- :math:`g_x` is made from ``num_own`` replicas of each of these inputs, above and as
  the input's own part of g below, so that a draw never gives more than log N;
- the other inputs are in g with ``num_replicas`` replicas each.

Few replicas of the others make log g too small on average and I(X;T) too large, but by
little, since g sums over all of them. The held-out side leaves a draw's own replica out
of :math:`g_x` above alone, so this part of the bias stays in it.
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
from ibjax.estimators.propagation.information import PropagatedInformation
from ibjax.estimators.propagation.mixtures import columns_of, log_ratio, log_sums
from ibjax.networks.network import Params
from ibjax.networks.network import Network as NoisyNetwork

__all__ = ["DEFAULT_EFFORT", "Effort", "layer_information_at", "network_information_at"]

_ROWS = 256


class Effort(NamedTuple):
    """How many samples to take.

    Attributes:
      num_rows: Inputs that the means are over, drawn without replacement.
      num_own: Noisy passes of each of them.
      num_replicas: Noisy passes of every input, for the density over all.
      num_draws: Draws of t for each of the inputs that the means are over.
    """

    num_rows: int = 512
    num_own: int = 256
    num_replicas: int = 8
    num_draws: int = 2


DEFAULT_EFFORT = Effort()
"""About a second of one core for Shwartz-Ziv and Tishby's network."""


def layer_information_at(
    key: jax.Array,
    own_centres: ArrayLike,
    centres: ArrayLike,
    rows: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    noise_std: ArrayLike,
    num_draws: int = 2,
) -> PropagatedInformation:
    r"""I(X;T) and I(T;Y) of a layer T = S + Z, in nats, from draws at some inputs.

    See the module for what is estimated. With one own centre and one centre per input
    the layer is a function of the input before its noise, and there is no bias.

    The standard error is that of a sample without replacement: with :math:`s^2` the
    variance between the rows' means and w the part of it that the draws explain,
    :math:`s^2 / n - (s^2 - w) / N`.

    Memory is O(num_samples num_replicas dim + num_rows num_own dim), time
    O(num_rows num_draws (num_samples num_replicas + num_own) dim).

    Args:
      key: A random key.
      own_centres: Replicas of the layer without its last noise for the inputs in
        ``rows``, shape ``[num_rows, num_own, dim]``, floating.
      centres: Replicas for all inputs, shape ``[num_samples, num_replicas, dim]``.
      rows: Distinct numbers of inputs, shape ``[num_rows]``, integers.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      num_classes: Number of classes.
      noise_std: Standard deviation of the noise, positive, shape ``[]``.
      num_draws: Draws of t per row, at least 2; with replicas, at most ``num_own``.

    Returns:
      Information and standard errors, each of shape ``[]``; NaN where a centre is not
      finite.

    Raises:
      ValueError: If shapes do not match or a number is out of range.
      TypeError: If a dtype is wrong.

    Example:
      >>> s = jnp.array([[-1.0], [-1.0], [1.0], [1.0]])[:, None]
      >>> rows = jnp.array([0, 2])
      >>> information = layer_information_at(
      ...     jax.random.key(0), s[rows], s, rows, jnp.array([0, 0, 1, 1]),
      ...     num_classes=2, noise_std=0.1,
      ... )
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      0.6931 0.6931 nats
    """
    own_centres, centres = jnp.asarray(own_centres), jnp.asarray(centres)
    rows = jnp.asarray(rows)
    if centres.ndim != 3 or own_centres.ndim != 3 or rows.ndim != 1:
        raise ValueError(
            "own_centres, centres and rows must have shapes [num_rows, num_own, dim], "
            "[num_samples, num_replicas, dim] and [num_rows], got "
            f"{own_centres.shape}, {centres.shape} and {rows.shape}"
        )
    if own_centres.shape[::2] != (len(rows), centres.shape[2]):
        raise ValueError(
            f"own_centres must have shape [{len(rows)}, num_own, {centres.shape[2]}] "
            f"to match rows and centres, got {own_centres.shape}"
        )
    if not jnp.issubdtype(rows.dtype, jnp.integer):
        raise TypeError(f"rows must be integers, got {rows.dtype}")
    num_own = own_centres.shape[1]
    if num_draws < 2 or 1 < num_own < num_draws:
        raise ValueError(
            "num_draws must be at least 2 and at most the number of own centres if "
            f"there are several, got {num_draws} draws of {num_own}"
        )
    _, labels = check_layer(centres.reshape(len(centres), -1), labels, num_classes)
    weights = label_weights(labels, num_classes, centres.dtype)
    return _information(
        key, own_centres, centres, rows, weights, noise_std, num_draws=num_draws
    )


def network_information_at(
    key: jax.Array,
    params: Params,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    network: NoisyNetwork,
    num_classes: int,
    effort: Effort = DEFAULT_EFFORT,
) -> PropagatedInformation:
    """I(X;T) and I(T;Y) of every hidden layer of a noisy network, in nats.

    The layers after the first are padded with units that are always zero and measured
    by the same compiled code.

    Args:
      key: A random key.
      params: Parameters of the network.
      x: All inputs, each once, shape ``[num_samples, num_inputs]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      network: A network of :func:`ibjax.networks.noisy`.
      num_classes: Number of classes.
      effort: How many samples to take; ``num_rows`` beyond the inputs are all of them.

    Returns:
      The information, each field of shape ``[num_hidden]``.

    Raises:
      ValueError: If a number is out of range.
      TypeError: If a dtype is wrong.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax.networks import noisy
      >>> network = noisy([1, 1, 2], noise_std=0.1)
      >>> affine = lambda w, num: (w * jnp.ones((num, 1)), jnp.zeros(num))
      >>> params = (affine(20, 1), affine(1, 2))
      >>> found = network_information_at(
      ...     jax.random.key(1), params, jnp.array([[-1.0], [1.0]]), jnp.array([0, 1]),
      ...     network=network, num_classes=2,
      ... )
      >>> print(f"{found.i_xt[0]:.4f} nats")
      0.6931 nats
    """
    x = jnp.asarray(x)
    check_layer(x, labels, num_classes)
    _check_effort(effort)
    key_rows, key_all, key_own, key_draws = jax.random.split(key, 4)
    num_rows = min(effort.num_rows, len(x))
    rows = jax.random.permutation(key_rows, len(x))[:num_rows]
    estimate = partial(
        layer_information_at,
        rows=rows,
        labels=labels,
        num_classes=num_classes,
        num_draws=effort.num_draws,
    )
    draws = jax.random.split(key_draws, len(network.noise_std))
    s = network.layer(params, 0, x)[:, None]
    first = estimate(draws[0], s[rows], s, noise_std=network.noise_std[0])
    if len(network.noise_std) == 1:
        return jax.tree.map(lambda value: value[None], first)
    own = _centres(key_own, params, x[rows], network, effort.num_own)
    every = _centres(key_all, params, x, network, effort.num_replicas)
    others = lax.map(
        lambda layer: estimate(*layer, noise_std=1.0), (draws[1:], own, every)
    )
    return jax.tree.map(
        lambda one, more: jnp.concatenate([one[None], more]), first, others
    )


def _check_effort(effort: Effort) -> None:
    for name, least in (("num_rows", 2), ("num_own", 2), ("num_replicas", 1)):
        if getattr(effort, name) < least:
            raise ValueError(
                f"{name} must be at least {least}, got {getattr(effort, name)}"
            )


def _centres(key, params, x, network, num_replicas):
    """Layers from the second on before their noise, in its units and one width.

    Returns:
      Shape ``[num_hidden - 1, num_samples, num_replicas, dim]``.
    """
    noisy = network.activations(params, jnp.repeat(x, num_replicas, axis=0), key=key)
    layers = [
        network.layer(params, number, noisy[number - 1]) / network.noise_std[number]
        for number in range(1, len(network.noise_std))
    ]
    width = max(s.shape[1] for s in layers)
    padded = [jnp.pad(s, ((0, 0), (0, width - s.shape[1]))) for s in layers]
    return jnp.stack(padded).reshape(len(layers), len(x), num_replicas, width)


@partial(jax.jit, static_argnames="num_draws")
def _information(key, own, centres, rows, weights, noise_std, *, num_draws):
    num_samples, num_replicas, dim = centres.shape
    num_rows, num_own, _ = own.shape
    num_classes = weights.shape[1]
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
        z = jax.random.normal(jax.random.fold_in(key, number), centre.shape, dtype)
        flat = partial(jnp.reshape, shape=(-1, dim))
        over_all, by_class = log_sums(flat(centre), flat(z), columns, column_weights)
        by_draw = partial(jnp.reshape, shape=(len(places), num_draws))
        by_class = by_class[:, :num_classes].reshape(len(places), num_draws, -1)
        within = log_ratio(centre[:, :, None], z[:, :, None], mine[:, None])
        log_g_x = jax.nn.logsumexp(within, axis=2) - math.log(num_own)
        # Below, everything is relative to g_x. The input's few replicas among those of
        # all are taken out of the sums, its many own ones put in.
        few = centres[rows[places]]
        few = log_ratio(centre[:, :, None], z[:, :, None], few[:, None])
        few = jnp.exp(jax.nn.logsumexp(few, axis=2) - log_g_x)
        all_few = jnp.exp(by_draw(over_all) - log_g_x)
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
        ratio = jnp.log(weight + rest) - log_size - jnp.log(total)[..., None]
        i_ty = jnp.sum(jnp.where(weight > 0, weight * ratio, 0.0), axis=2)
        return i_xt, held_out, i_ty + math.log(num_samples)

    log_size = jnp.log(jnp.maximum(jnp.sum(weights, axis=0), jnp.finfo(dtype).tiny))
    log_size = log_size[None, None]
    num_block_rows = min(max(1, _ROWS // num_draws), num_rows)
    num_blocks = -(-num_rows // num_block_rows)
    places = jnp.minimum(jnp.arange(num_blocks * num_block_rows), num_rows - 1)
    starts = (jnp.arange(num_blocks), places.reshape(num_blocks, num_block_rows))
    i_xt, held_out, i_ty = (
        values.reshape(len(places), num_draws)[:num_rows]
        for values in lax.map(block, starts)
    )
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
    """Of the mean of ``[num_rows, num_draws]`` as that of all samples."""
    num_rows, num_draws = values.shape
    within = jnp.mean(jnp.var(values, axis=1, ddof=1)) / num_draws
    if num_rows == 1:
        return jnp.sqrt(within)
    between = jnp.var(jnp.mean(values, axis=1), ddof=1)
    inputs = jnp.maximum(between - within, 0.0)
    return jnp.sqrt(jnp.maximum(between / num_rows - inputs / num_samples, 0.0))
