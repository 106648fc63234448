r"""Squared gradients of single samples, without the gradients where it can be.

The gradient of a weight array W that is used once, in a product of activities a and it,
is a product too, :math:`a^T d`, of the activities and of the slopes d of what is
lowered with respect to the product. A dense layer has one row of each for a sample, and
the sum over samples of the squared gradients is one product more,
:math:`\sum (a^2)^T d^2`; a convolution has as many rows as places, whose products are
squared sample by sample, where it is such a product of patches, as
:func:`ibjax.networks.convolutional.convolve` makes it. Slopes come from one pass
backwards through a batch. Arrays that are used otherwise, as biases are, have gradients
for every sample.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax.compilation import on_cpu
from ibjax.weights.programs import Rules, Sign, Weight, run_program

__all__ = ["SquaredGradients", "squared_gradients"]

# Part of the parameters that may be used otherwise: of more, sums over samples are not
# worth their copies.
_MOST_OTHERS = 0.1


class _Product(NamedTuple):
    """A product of activities and a weight array.

    Attributes:
      shape: Shape of the product for one sample.
      dtype: Type of the product.
      contracted: Axes of the array, and of the activities, that are summed over.
      is_first: Whether the array is the first factor.
      places: Which entry of the network's array is where in the product's.
    """

    shape: tuple[int, ...]
    dtype: Any
    contracted: tuple[tuple[int, ...], tuple[int, ...]]
    is_first: bool
    places: np.ndarray

    def rows(self, activities: jax.Array, slopes: jax.Array):
        """Activities ``[rows, inputs]`` and slopes ``[rows, outputs]`` of a sample."""
        _, others = self.contracted
        free = [axis for axis in range(activities.ndim) if axis not in others]
        inputs = math.prod(activities.shape[axis] for axis in others)
        a = activities.transpose(*free, *others).reshape(-1, inputs)
        if self.is_first:
            return a, slopes.reshape(-1, len(a)).T
        return a, slopes.reshape(len(a), -1)

    def laid_out(self, values: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Values ``[outputs, inputs]`` as entries of the network's array."""
        own, _ = self.contracted
        free = [axis for axis in range(self.places.ndim) if axis not in own]
        order = (*free, *own)
        places = self.places.transpose(order).ravel()
        if np.array_equal(places, np.arange(places.size)):
            return values.reshape(shape)
        return values.reshape(-1)[np.argsort(places)].reshape(shape)


class SquaredGradients(NamedTuple):
    """Sums of squared gradients over samples and directions.

    Attributes:
      add: ``add(totals, directions_of, x, *more)``: totals with a batch added. For
        its outputs ``[num_samples, dim]`` and whatever there is more of every sample
        ``directions_of(outputs, *more)`` gives directions, ``[num_samples,
        num_directions, dim]``, along each of which the gradient is squared, and before
        them what each square counts, ``[num_samples, num_directions]``.
      zeros: Totals of no sample.
      tree: From totals to a tree like that of the weights.
    """

    add: Callable
    zeros: Any
    tree: Callable


def squared_gradients(
    function: Callable, weights: Any, x: jax.Array
) -> SquaredGradients:
    """Sums of squared gradients of a function of weights and of inputs.

    Gradients are made one by one where most parameters are used otherwise than once in
    a product.

    Args:
      function: ``function(weights, x)``: outputs ``[num_samples, dim]`` of inputs
        ``[num_samples, ...]``; a sample's must depend on itself alone.
      weights: Tree of arrays.
      x: Inputs, of which shape and type count alone.

    Returns:
      How to sum them.
    """
    means = jax.tree.leaves(weights)
    one = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    program = jax.make_jaxpr(function)(weights, one)
    products = _products(program, means, one)
    size = sum(mean.size for mean in means)
    if sum(means[leaf].size for leaf in products) < (1 - _MOST_OTHERS) * size:
        return _one_by_one(function, weights)
    return _by_products(program, weights, products)


def _by_products(
    program: Any, weights: Any, products: dict[int, _Product]
) -> SquaredGradients:
    """Sums of which most are products themselves."""
    means, tree = jax.tree.flatten(weights)
    others = [leaf for leaf in range(len(means)) if leaf not in products]

    def run(taps, own, x):
        """Output of one sample, and the activities that its products are of."""
        rules, activities = _tapped(products, dict(zip(products, taps, strict=True)))
        values: list[Any] = [_weight(leaf, mean) for leaf, mean in enumerate(means)]
        for leaf, value in zip(others, own, strict=True):
            values[leaf] = value
        (output,) = run_program(program, [*values, x], rules)
        return output[0], [activities[leaf] for leaf in products]

    def add(totals, directions_of, x, *more):
        num = len(x)
        taps = [jnp.zeros((num, *p.shape), p.dtype) for p in products.values()]
        own = [jnp.broadcast_to(means[n][None], (num, *means[n].shape)) for n in others]
        output, pullback, activities = jax.vjp(
            lambda taps, own: jax.vmap(run)(taps, own, x[:, None]),
            taps,
            own,
            has_aux=True,
        )

        def add_direction(totals, weighted):
            shares, direction = weighted
            slopes, gradients = pullback(direction)
            of_products = [
                _add_product(total, product, shares, a, d)
                for total, product, a, d in zip(
                    totals[0], products.values(), activities, slopes, strict=True
                )
            ]
            of_others = [
                total + jnp.tensordot(shares.astype(total.dtype), gradient**2, 1)
                for total, gradient in zip(totals[1], gradients, strict=True)
            ]
            return (of_products, of_others), None

        shares, directions = directions_of(output, *more)
        weighted = shares.T, jnp.swapaxes(directions, 0, 1)
        if len(shares.T) == 1:
            return add_direction(totals, jax.tree.map(lambda own: own[0], weighted))[0]
        return lax.scan(add_direction, totals, weighted)[0]

    def as_tree(totals):
        found = dict(zip(others, totals[1], strict=True))
        for (leaf, product), total in zip(products.items(), totals[0], strict=True):
            found[leaf] = product.laid_out(total, means[leaf].shape)
        return jax.tree.unflatten(tree, [found[leaf] for leaf in range(len(means))])

    zeros = (
        [jnp.zeros(_sizes(p), means[leaf].dtype) for leaf, p in products.items()],
        [jnp.zeros_like(means[leaf]) for leaf in others],
    )
    return SquaredGradients(add, zeros, as_tree)


def _one_by_one(function: Callable, weights: Any) -> SquaredGradients:
    """Sums of squared gradients, each of which is made."""
    zeros = jax.tree.map(jnp.zeros_like, weights)

    def add_sample(total, directions_of, sample):
        x, *more = jax.tree.map(lambda leaf: leaf[None], sample)
        output, pullback = jax.vjp(lambda w: function(w, x), weights)

        # Direction by direction: one gradient a sample is held, not one a class.
        def add(total, weighted):
            share, direction = weighted
            (found,) = pullback(direction[None])
            # Inputs may be float64 where parameters are not.
            return jax.tree.map(
                lambda t, g: t + share.astype(t.dtype) * g.astype(t.dtype) ** 2,
                total,
                found,
            ), None

        (shares,), (directions,) = directions_of(output, *more)
        return lax.scan(add, total, (shares, directions))[0]

    def add(total, directions_of, *batch):
        if on_cpu():
            # There a product of many small matrices is slower than one after another.
            return lax.scan(
                lambda t, s: (add_sample(t, directions_of, s), None), total, batch
            )[0]
        found = jax.vmap(lambda s: add_sample(zeros, directions_of, s))(batch)
        return jax.tree.map(lambda t, f: t + jnp.sum(f, axis=0), total, found)

    return SquaredGradients(add, zeros, lambda totals: totals)


def _add_product(total, product: _Product, shares, activities, slopes):
    """Squares of the gradients of a batch, ``[outputs, inputs]``."""
    rows = jax.vmap(product.rows)(activities, slopes)
    # Of inputs of float64, and of layers of bfloat16, parameters may be float32.
    shares, a, d = (array.astype(total.dtype) for array in (shares, *rows))
    if a.shape[1] == 1:
        return total + (shares[:, None] * d[:, 0] ** 2).T @ (a[:, 0] ** 2)
    if on_cpu():
        # There a product of many small matrices is slower than one after another, and
        # slopes times activities faster than the other way round.
        def add(total, sample):
            share, a, d = sample
            return total + share * (d.T @ a) ** 2, None

        return lax.scan(add, total, (shares, a, d))[0]
    squares = jnp.einsum("bro,bri->boi", d, a) ** 2
    return total + jnp.tensordot(shares, squares, 1)


def _sizes(product: _Product) -> tuple[int, int]:
    own, _ = product.contracted
    inputs = math.prod(product.places.shape[axis] for axis in own)
    return product.places.size // inputs, inputs


def _weight(leaf: int, values: jax.Array) -> Weight:
    places = np.arange(values.size).reshape(values.shape)
    return Weight(values, values, (Sign(values, places),), leaf)


def _products(program, means: Sequence[jax.Array], x) -> dict[int, _Product]:
    """The one product of every array that is used for nothing else."""
    uses: Counter[int] = Counter()
    found: dict[int, _Product] = {}

    def product(bind, equation, weight, other, is_first):
        uses[weight.leaf] += 1
        out = bind(weight.mean, other)
        described = _described(equation, weight, is_first, out)
        if described is None:
            uses[weight.leaf] += 1
        else:
            found[weight.leaf] = described
        return out

    def otherwise(weight):
        uses[weight.leaf] += 2
        return weight.mean

    rules = _rules(product, otherwise)

    def trace(means, x):
        weights = [_weight(leaf, mean) for leaf, mean in enumerate(means)]
        return run_program(program, [*weights, x], rules)

    jax.eval_shape(trace, means, x)
    return {leaf: found[leaf] for leaf in sorted(found) if uses[leaf] == 1}


def _described(equation, weight: Weight, is_first, out) -> _Product | None:
    if equation.primitive.name != "dot_general":
        return None
    contracted, batched = equation.params["dimension_numbers"]
    if batched[0]:
        return None
    pair = contracted if is_first else contracted[::-1]
    (sign,) = weight.signs
    axes = tuple(map(tuple, pair))
    return _Product(out.shape, out.dtype, axes, is_first, sign.places)


def _tapped(products: dict[int, _Product], taps: dict[int, jax.Array]):
    """Rules that add a tap to every product, and what it multiplied."""
    activities = {}

    def product(bind, equation, weight, other, is_first):
        del equation
        out = bind(weight.mean, other)
        if weight.leaf not in products:
            return out
        activities[weight.leaf] = other
        return out + taps[weight.leaf]

    return _rules(product, lambda weight: weight.mean), activities


def _rules(product: Callable, otherwise: Callable) -> Rules:
    return Rules(
        product=product,
        add=lambda weight, other: other + otherwise(weight),
        drawn=otherwise,
        settled=lambda value: value,
        # Every step of a loop would have taps of its own.
        in_loops=False,
        in_custom=False,
    )
