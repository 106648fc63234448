r"""Activities of any network whose weights are drawn for every sample.

*Local* draws are of pre-activations: a product with noisy weights is normal, of mean
:math:`x M` and variance :math:`x^2 S^2`, and drawn as such for every sample. *Flipout*
draws one deviation of all weights for a batch, and for every sample signs for their
inputs and outputs, so that deviations of different samples are uncorrelated; a product
is then :math:`x M + ((x \circ s) \Delta) \circ r`.

References:
  Kingma, Salimans and Welling, `Variational dropout and the local reparameterization
  trick`, NeurIPS 2015. Wen, Vicol, Ba, Tran and Grosse, `Flipout: efficient
  pseudo-independent weight perturbations on mini-batches`, ICLR 2018.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax.weights.posterior import AnyPosterior, Posterior
from ibjax.weights.programs import Rules, Sign, Weight, run_program

__all__ = ["flipout_activations", "local_activations"]

# Samples that go through a network side by side where each has its own signs.
_SAMPLES_AT_ONCE = 1024


class _Sum(NamedTuple):
    """Pre-activations whose noise is still to be drawn."""

    mean: jax.Array
    variance: jax.Array


class _Source:
    """Normal numbers, cut from one flat draw; without one, zeros that are counted."""

    def __init__(self, key: jax.Array | None = None, size: int = 0):
        self.size = 0
        self._flat = None if key is None else jax.random.normal(key, (size,))

    def take(self, like: jax.Array) -> jax.Array:
        start, self.size = self.size, self.size + like.size
        if self._flat is None:
            return jnp.zeros(like.shape, like.dtype)
        flat = self._flat[start : self.size]
        return flat.reshape(like.shape).astype(like.dtype)


def local_activations(
    key: jax.Array, function: Callable, posterior: AnyPosterior, *inputs: Any
) -> Any:
    """Activities with pre-activations drawn for every sample by itself.

    Weights that are used otherwise than in one product, or are no bias, are drawn once
    for all samples, and so are those of a loop, whose steps have the same weights.

    Args:
      key: Draws the noise.
      function: ``function(weights, *inputs)``: activities, a tree of arrays.
      posterior: Weights.
      *inputs: More inputs, trees of arrays.

    Returns:
      What ``function`` returns.
    """
    means, tree = jax.tree.flatten(posterior.mean)
    stds = jax.tree.leaves(posterior.std)
    program, shape = jax.make_jaxpr(function, return_shape=True)(
        posterior.mean, *inputs
    )
    rest = jax.tree.leaves(inputs)

    def activities(source, uses, shared):
        rules = _local_rules(source, uses)
        weights = [
            shared.get(leaf, Weight(mean, std, (), leaf))
            for leaf, (mean, std) in enumerate(zip(means, stds, strict=True))
        ]
        return _numbers(run_program(program, [*weights, *rest], rules), rules)

    # How much is drawn and what is used for what, from a run without numbers.
    count = _Source()
    uses: Counter[int] = Counter()
    jax.eval_shape(lambda: activities(count, uses, {}))
    leaves = [leaf for leaf, number in uses.items() if number != 1]
    size = count.size + sum(means[leaf].size for leaf in leaves)
    source = _Source(key, size)
    noise = [jnp.zeros_like(mean) for mean in means]
    for leaf in leaves:
        noise[leaf] = source.take(stds[leaf])
    drawn = jax.tree.leaves(posterior.weights(jax.tree.unflatten(tree, noise)))
    shared = {leaf: drawn[leaf] for leaf in leaves}
    found = activities(source, Counter(), shared)
    return jax.tree.unflatten(jax.tree.structure(shape), found)


def _local_rules(source: _Source, uses: Counter) -> Rules:
    def product(bind, equation, weight, other, is_first):
        if equation.params.get("batch_group_count", 1) != 1:
            return None
        uses[weight.leaf] += 1
        return _Sum(bind(weight.mean, other), bind(weight.spread**2, other**2))

    def add(weight, other):
        uses[weight.leaf] += 1
        if isinstance(other, _Sum):
            # Of one shape, to which a bias is spread out.
            mean = other.mean + weight.mean
            variance = jnp.broadcast_to(other.variance, mean.shape)
            return _Sum(mean, variance + weight.spread**2)
        mean = other + weight.mean
        return mean + weight.spread * source.take(mean)

    def drawn(weight):
        # Two uses or none: one draw for all of them is made before the next run.
        uses[weight.leaf] += 2
        return weight.mean

    def settled(value):
        if not isinstance(value, _Sum):
            return value
        # A variance that underflows must not have an infinite slope.
        std = jnp.sqrt(value.variance + jnp.finfo(value.variance.dtype).tiny)
        return value.mean + std * source.take(value.mean)

    # A step that drew anew would have other weights than the one before.
    return Rules(product, add, drawn, settled, in_loops=False)


def flipout_activations(
    key_weights: jax.Array,
    function: Callable,
    posterior: Posterior,
    x: jax.Array,
    *,
    key: jax.Array,
) -> Any:
    """Activities with deviations of the weights that all samples share but for signs.

    A sample by itself has the law that drawn weights give it.

    Args:
      key_weights: Draws deviations and signs.
      function: ``function(weights, x, key)``: activities ``[num_samples, ...]``, a
        tree of arrays; every sample's must depend on itself alone.
      posterior: Weights.
      x: Inputs, shape ``[num_samples, ...]``.
      key: Draws what the function draws.

    Returns:
      What ``function`` returns.
    """
    means = jax.tree.leaves(posterior.mean)
    stds = jax.tree.leaves(posterior.std)
    key_deviations, key_signs = jax.random.split(key_weights)
    source = _Source(key_deviations, sum(mean.size for mean in means))
    deviations = [std * source.take(std) for std in stds]
    # Signs of the inputs and of the outputs of a kernel, of the units of a bias.
    lengths = [mean.shape[-2:] or (1,) for mean in means]
    signs = jax.random.rademacher(
        key_signs, (len(x), sum(map(sum, lengths))), x.dtype if _is_float(x) else float
    )
    own = jax.random.split(key, len(x))
    program, shape = jax.make_jaxpr(function, return_shape=True)(
        posterior.mean, x[:1], own[0]
    )

    def one(sample):
        x, signs, key = sample
        weights, start = [], 0
        for leaf, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
            own = []
            axes = (-2, -1)[-len(lengths[leaf]) :]
            for axis, length in zip(axes, lengths[leaf], strict=True):
                values = signs[start : start + length].astype(deviation.dtype)
                own.append(Sign(values, _along(mean.shape, axis)))
                start += length
            weights.append(Weight(mean, deviation, tuple(own), leaf))
        found = run_program(program, [*weights, x[None], key], _FLIPOUT)
        return [t[0] for t in _numbers(found, _FLIPOUT)]

    samples = (x, signs, own)
    if len(x) <= _SAMPLES_AT_ONCE:
        found = jax.vmap(one)(samples)
    else:
        found = lax.map(one, samples, batch_size=_SAMPLES_AT_ONCE)
    return jax.tree.unflatten(jax.tree.structure(shape), found)


def _is_float(x: jax.Array) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _along(shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Place along an axis of every entry of an array."""
    if not shape:
        return np.zeros((), int)
    places = np.arange(shape[axis]).reshape([-1] + [1] * (-axis - 1))
    return np.broadcast_to(places, shape)


def _numbers(values: list, rules: Rules) -> list:
    return [rules.drawn(v) if isinstance(v, Weight) else v for v in values]


def _flipped(weight: Weight) -> jax.Array:
    deviation = weight.spread
    for sign in weight.signs:
        deviation = deviation * sign.values[sign.places]
    return weight.mean + deviation


def _flipout_product(bind, equation, weight, other, is_first):
    name = equation.primitive.name
    rule = _dot_signs if name == "dot_general" else _convolution_signs
    places = rule(equation, weight, other, is_first)
    if places is None:
        return None
    inner, outer = jnp.ones((), other.dtype), jnp.ones((), other.dtype)
    for sign, (into, out) in zip(weight.signs, places, strict=True):
        if into is not None:
            inner = inner * sign.values[into]
        else:
            outer = outer * sign.values[out]
    return bind(weight.mean, other) + outer * bind(weight.spread, other * inner)


def _dot_signs(equation, weight, other, is_first):
    """Places of signs for activities and for products; None where they mix."""
    contracted, batched = equation.params["dimension_numbers"]
    own, others = contracted if is_first else contracted[::-1]
    if batched[0]:
        return None
    free = [axis for axis in range(weight.mean.ndim) if axis not in own]
    num_free = other.ndim - len(others)
    found = []
    for sign in weight.signs:
        if (into := _constant(sign.places, free)) is not None:
            # Contracted axes in the order in which the activities have them.
            rest = [axis for axis in range(weight.mean.ndim) if axis in own]
            order = [
                rest.index(axis) for _, axis in sorted(zip(others, own, strict=True))
            ]
            shape = [1] * other.ndim
            for axis, of_other in zip(own, others, strict=True):
                shape[of_other] = weight.mean.shape[axis]
            found.append((into.transpose(order).reshape(shape), None))
        elif (out := _constant(sign.places, own)) is not None:
            ones = (1,) * num_free
            shape = (*out.shape, *ones) if is_first else (*ones, *out.shape)
            found.append((None, out.reshape(shape)))
        else:
            return None
    return found


def _convolution_signs(equation, weight, other, is_first):
    params = equation.params
    if is_first or params["batch_group_count"] != 1:
        return None
    numbers, ndim = params["dimension_numbers"], weight.mean.ndim
    out_axis, in_axis = numbers.rhs_spec[:2]
    found = []
    for sign in weight.signs:
        others = [axis for axis in range(ndim) if axis != in_axis]
        if (into := _constant(sign.places, others)) is not None:
            # Channels of all groups, one group after another.
            into = np.tile(into, params["feature_group_count"])
            found.append((_on_axis(into, numbers.lhs_spec[1], ndim), None))
            continue
        others = [axis for axis in range(ndim) if axis != out_axis]
        if (out := _constant(sign.places, others)) is None:
            return None
        found.append((None, _on_axis(out, numbers.out_spec[1], ndim)))
    return found


def _constant(places: np.ndarray, axes) -> np.ndarray | None:
    """Places without some axes, along which they must not change."""
    axes = tuple(axes)
    first = places[tuple(0 if a in axes else slice(None) for a in range(places.ndim))]
    return first if np.all(places == np.expand_dims(first, axes)) else None


def _on_axis(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


_FLIPOUT: Rules = Rules(
    product=_flipout_product,
    add=lambda weight, other: other + _flipped(weight),
    drawn=_flipped,
    settled=lambda value: value,
    in_loops=True,
)
