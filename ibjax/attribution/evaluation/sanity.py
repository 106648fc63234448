"""Sanity check: attributions must change when the network's weights are drawn anew."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.networks.dependencies import first_layers
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of

__all__ = ["Randomization", "rank_correlation", "randomization"]


class Randomization(NamedTuple):
    """Rank correlations of attributions with those of the network as it was.

    Attributes:
      layers: Names of the layers, in the order in which they were drawn anew.
      correlation: Spearman correlation after each, ``[num_layers, num]``.
      absolute_correlation: The same of absolute values, ``[num_layers, num]``.
      similarities: Further similarities, by name, ``[num_layers, num]`` each.
    """

    layers: tuple[str, ...]
    correlation: jax.Array
    absolute_correlation: jax.Array
    similarities: Mapping[str, jax.Array] = MappingProxyType({})


def randomization(
    key: jax.Array,
    network: Network,
    params: Params,
    attribute: Callable,
    x: ArrayLike,
    *,
    independent: bool = False,
    similarities: Mapping[str, Callable] = MappingProxyType({}),
) -> Randomization:
    """Draw layers anew from the output down and see how attributions change.

    Where they hardly change, they do not explain what the network has learned. What a
    layer's parameters are is read off the network's program: those that it is the first
    of ``network.layers`` to depend on, so that weights between two layers that are
    recorded go with the upper one. Layers without any are left out.

    Args:
      key: A typed key, for the new parameters.
      network: The network.
      params: Its trained parameters.
      attribute: ``attribute(params, x) -> attributions [num, ...]``. What it needs of
        the network, such as the statistics of a layer's features, it must compute from
        the parameters that it is given.
      x: Inputs, ``[num, ...]``.
      independent: Whether one layer at a time is drawn anew, the others as trained;
        else layers stay drawn, and the last correlations are of a new network.
      similarities: What else to compare attributions by, by name:
        ``similarity(before, after) -> [num]``, as
        :func:`ibjax.attribution.structural_similarity` of maps.

    Returns:
      Correlations for every layer and input. NaN where attributions are constant.

    Raises:
      ValueError: If attributions, or similarities, are not one for each input.

    References:
      Adebayo et al., `Sanity checks for saliency maps`, NeurIPS 2018.

    Example:
      >>> from ibjax import attribution, networks
      >>> network = networks.mlp([6, 4, 3])
      >>> params = network.init(jax.random.key(0))
      >>> x = jax.random.normal(jax.random.key(1), (8, 6))
      >>> model = attribution.output(network)
      >>> attribute = lambda params, x: attribution.gradient(model, params, x, 0)
      >>> found = randomization(jax.random.key(2), network, params, attribute, x)
      >>> found.layers, found.correlation.shape
      (('softmax 3', 'tanh 4'), (2, 8))
    """
    checks.instance("network", network, Network)
    checks.function("attribute", attribute)
    for name in checks.instance("similarities", similarities, Mapping):
        checks.function(f"similarities[{name!r}]", similarities[name])
    checks.key("key", key)
    checks.flag("independent", independent)
    x = checks.shape("x", x, ("num", "*axes"))
    shapes_of("network", network.activations, params=params, x=x[:1])
    leaves, structure = jax.tree.flatten(params)
    fresh = jax.tree.leaves(jax.jit(network.init)(key))
    first = first_layers(network.activations, params, jnp.asarray(x[:1]))
    before = attribute(params, x)
    if jnp.ndim(before) < 2 or len(before) != len(x):
        raise ValueError(
            "attribute must return an array [num, ...] for inputs [num, ...], got "
            f"shape {jnp.shape(before)} for {x.shape}"
        )
    names, signed, absolute = [], [], []
    others: dict[str, list] = {name: [] for name in similarities}
    current = leaves
    for number in reversed(range(len(network.layers))):
        if number not in first:
            continue
        start = leaves if independent else current
        current = [
            new if place == number else old
            for new, old, place in zip(fresh, start, first, strict=True)
        ]
        after = attribute(jax.tree.unflatten(structure, current), x)
        names.append(network.layers[number].name)
        # In one program: the second attributions are those of absolute values.
        correlation = _both_correlations(before, after)
        signed.append(correlation[0])
        absolute.append(correlation[1])
        for name, similarity in similarities.items():
            others[name].append(
                checks.shape(name, similarity(before, after), (len(x),), why="of each")
            )
    return Randomization(
        tuple(names),
        jnp.stack(signed),
        jnp.stack(absolute),
        {name: jnp.stack(values) for name, values in others.items()},
    )


def rank_correlation(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Spearman's rank correlation of the attributions of each input.

    Args:
      a: Attributions, ``[num, ...]``.
      b: Others, of the same shape.

    Returns:
      Correlations, ``[num]``; equal values share their mean rank. NaN where all are
      equal, or one is NaN.

    Raises:
      ValueError: If the shapes differ.

    Example:
      >>> a, b = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[1.0, 9.0, 5.0]])
      >>> print(f"{rank_correlation(a, b)[0]:.3f}")
      0.500
    """
    a, b = checks.floats("a", a), checks.floats("b", b)
    checks.same_shape(a=a, b=b)
    return _rank_correlation(*(t.reshape(len(t), -1) for t in (a, b)))


@jax.jit
def _both_correlations(before, after):
    pairs = (before, after), (jnp.abs(before), jnp.abs(after))
    return [_rank_correlation(*(t.reshape(len(t), -1) for t in p)) for p in pairs]


@jax.jit
def _rank_correlation(a, b):
    ranks = []
    for t in (a, b):
        rank = jax.vmap(_mean_ranks)(t)
        # Ranks have the same mean whatever the ties; halves, exact in float32.
        ranks.append(rank - (t.shape[1] - 1) / 2)
    norms = [jnp.sqrt(jnp.sum(r**2, axis=1)) for r in ranks]
    found = jnp.sum((ranks[0] / norms[0][:, None]) * (ranks[1] / norms[1][:, None]), 1)
    is_nan = jnp.any(jnp.isnan(a) | jnp.isnan(b), axis=1)
    return jnp.where(is_nan, jnp.nan, found)


def _mean_ranks(values: jax.Array) -> jax.Array:
    """Ranks from 0, equal values with the mean of theirs."""
    ascending = jnp.sort(values)
    below = jnp.searchsorted(ascending, values, side="left")
    up_to = jnp.searchsorted(ascending, values, side="right")
    return (below + up_to - 1) / 2
