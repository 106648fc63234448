r"""The Fisher matrix itself: blocks of layers, and determinants of few samples.

Its conventions are those of :mod:`ibjax.weights.fisher`.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import GetAttrKey, tree_leaves_with_path
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, for_each, jit, sum_of_parts
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.numerics.memory import check_fits
from ibjax.weights.likelihood import batches_of, checked_samples

__all__ = [
    "fisher_block_log_determinants",
    "fisher_blocks",
    "fisher_log_determinant",
]

# Roundings of a gradient's square, times the root of the number of gradients, above
# which a matrix of their products is positive in spite of rounding.
_ROUNDINGS = 32


def fisher_blocks(
    params: Params,
    x: ArrayLike,
    *,
    network: Network,
    labels: str | ArrayLike = "model",
    batch_size: int = 64,
) -> Any:
    """Blocks of the Fisher matrix on its diagonal, one of every layer.

    A layer is what holds arrays and nothing else in the tree of parameters, as a pair
    ``(w, b)``, a module's dictionary, or one array that is no layer's. Its block has
    the products of its weights and biases with each other; of the whole matrix it lacks
    those with other layers. A tree that has all its arrays in one place is one layer,
    and its block the whole matrix.

    Args:
      params: Parameters of the network.
      x: Inputs, shape ``[num_samples, ...]``.
      network: The network.
      labels: Labels, as :func:`ibjax.weights.fisher_diagonal` takes them.
      batch_size: Samples whose gradients are held at once, ``[batch_size * num_classes,
        num_params]`` of them with labels of the model.

    Returns:
      The blocks, a tree like that of the trained parameters with a matrix ``[size,
      size]`` in place of every layer. Rows and columns are in the order of
      ``jax.flatten_util.ravel_pytree`` of the layer; ``jax.tree.map(function, blocks,
      diagonal)`` takes a block and what :func:`ibjax.weights.fisher_diagonal` has of
      its layer.

    Raises:
      ValueError: As :func:`ibjax.weights.fisher_diagonal`.
      TypeError: As :func:`ibjax.weights.fisher_diagonal`.
      MemoryError: If the blocks do not fit the memory.

    References:
      Martens and Grosse, `Optimizing neural networks with Kronecker-factored
      approximate curvature`, ICML 2015, on blocks of layers.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([1, 2])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> (block,) = fisher_blocks(params, jnp.array([[2.0]]), network=network)
      >>> print(jnp.round(block[:2, :2], 3))  # Of weights, (diag(p) - p p^T) x^2.
      [[ 1. -1.]
       [-1.  1.]]
      >>> block.shape  # Biases follow.
      (4, 4)
    """
    x, labels, likelihood = checked_samples(params, x, network, labels)
    checks.count("batch_size", batch_size)
    trainable, kept = network.split(params)
    blocks = [_block_of(layer) for layer in _layers(trainable)]
    check_fits(
        f"a block of every layer, of {', '.join(str(len(b)) for b in blocks)} rows,",
        sum(block.size * block.dtype.itemsize for block in blocks),
        x,
        *jax.tree.leaves(trainable),
        hint="take fisher_diagonal or fisher_vector_product",
    )
    return _blocks(trainable, kept, x, labels, likelihood, batch_size)


@jit(static_argnames=("likelihood", "batch_size"))
def _blocks(trainable, kept, x, labels, likelihood, batch_size):
    zeros = [jnp.zeros_like(_block_of(layer)) for layer in _layers(trainable)]

    def add_products(total, rows):
        rows = rows.reshape(-1, rows.shape[-1])
        # Inputs may be float64 where parameters are not.
        return total + (rows.T @ rows).astype(total.dtype)

    def add_batch(total, batch):
        rows = for_each(partial(_rows, trainable, kept, likelihood))(*batch)
        return jax.tree.map(add_products, total, rows), None

    def sum_of_part(*part):
        return lax.scan(add_batch, zeros, batches_of(x, labels, batch_size, *part))[0]

    structure = jax.tree.structure(trainable, is_leaf=_is_layer)
    return structure.unflatten([t / len(x) for t in sum_of_parts(sum_of_part)])


def fisher_log_determinant(
    params: Params,
    x: ArrayLike,
    *,
    network: Network,
    scale: ArrayLike,
    labels: str | ArrayLike = "model",
) -> jax.Array:
    r"""Log-determinant :math:`\log |I + s F|` of few samples, exactly, in nats.

    The rank of F is at most the number of samples times that of classes, so that the
    determinant is that of a matrix of this size. For the information in the weights of
    n samples it is :math:`s = n \lambda^2 / \beta`: flat directions cost nothing,
    whereas :math:`\log |F|` alone is minus infinity.

    Args:
      params: Parameters of the network.
      x: Inputs, shape ``[num_samples, ...]``. All gradients are held twice,
        ``[num_samples * num_classes, num_params]``.
      network: The network.
      scale: The factor s, not negative; it may be traced.
      labels: Labels, as :func:`ibjax.weights.fisher_diagonal` takes them.

    Returns:
      The log-determinant, shape ``[]``. In float32 it has four digits or more where the
      largest eigenvalue times the scale is below 1e10, and is NaN from some 1e13 on.

    Raises:
      ValueError: As :func:`ibjax.weights.fisher_diagonal`, or if ``scale`` is negative.
      TypeError: As :func:`ibjax.weights.fisher_diagonal`.

    References:
      Achille and Soatto, `Where is the information in a deep neural network?`, 2019.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([1, 2])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> x = jnp.array([[2.0]])  # One eigenvalue, (2^2 + 1^2) / 2.
      >>> found = fisher_log_determinant(params, x, network=network, scale=2.0)
      >>> print(f"{found:.4f}")  # log (1 + 2 * 2.5)
      1.7918
    """
    scale = checks.not_negative("scale", scale)
    x, labels, likelihood = checked_samples(params, x, network, labels)
    return _log_determinant(*network.split(params), x, labels, scale, likelihood)


@exact_jit(static_argnames="likelihood")
def _log_determinant(trainable, kept, x, labels, scale, likelihood):
    layers = _all_rows(trainable, kept, x, labels, likelihood)
    return _log_determinant_of(jnp.concatenate(layers, axis=1), scale)


def fisher_block_log_determinants(
    params: Params,
    x: ArrayLike,
    *,
    network: Network,
    scale: ArrayLike,
    labels: str | ArrayLike = "model",
) -> Any:
    r"""Log-determinants :math:`\log |I + s F_b|` of every layer's block, in nats.

    What each layer's weights would cost if those of the others said nothing of them.
    Their sum is at least :func:`fisher_log_determinant`, by Fischer's inequality.

    Args:
      params: Parameters of the network.
      x: Inputs, shape ``[num_samples, ...]``. All gradients are held, as there.
      network: The network.
      scale: The factor s, not negative; it may be traced.
      labels: Labels, as :func:`ibjax.weights.fisher_diagonal` takes them.

    Returns:
      A tree like that of the trained parameters with a number, shape ``[]``, in place
      of every layer of :func:`fisher_blocks`; in digits as
      :func:`fisher_log_determinant`.

    Raises:
      ValueError: As :func:`fisher_log_determinant`.
      TypeError: As :func:`ibjax.weights.fisher_diagonal`.

    References:
      Horn and Johnson, `Matrix analysis`, 2nd ed., 2013, sec. 7.8, on the inequality.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([1, 1, 2])
      >>> params = ((jnp.ones((1, 1)), jnp.zeros(1)), (jnp.ones((2, 1)), jnp.zeros(2)))
      >>> x = jnp.array([[2.0]])
      >>> found = fisher_block_log_determinants(
      ...     params, x, network=network, scale=2.0
      ... )
      >>> print([f"{value:.4f}" for value in found])  # Equal logits hide the first.
      ['0.0000', '1.0748']
    """
    scale = checks.not_negative("scale", scale)
    x, labels, likelihood = checked_samples(params, x, network, labels)
    return _block_log_determinants(*network.split(params), x, labels, scale, likelihood)


@exact_jit(static_argnames="likelihood")
def _block_log_determinants(trainable, kept, x, labels, scale, likelihood):
    found = []
    for rows in _all_rows(trainable, kept, x, labels, likelihood):
        found.append(_log_determinant_of(rows, scale))
        # One after another: decompositions beside each other in one program can wait
        # for ever on a CPU (jaxlib 0.10).
        scale += 0 * jnp.where(jnp.isfinite(found[-1]), found[-1], 0.0)
    structure = jax.tree.structure(trainable, is_leaf=_is_layer)
    return structure.unflatten(found)


def _all_rows(trainable, kept, x, labels, likelihood):
    """Matrices R of every layer, ``[num_gradients, size]``, whose blocks are R^T R."""
    layers = lax.map(
        lambda sample: _rows(trainable, kept, likelihood, *sample, 1.0), (x, labels)
    )
    root = math.sqrt(len(x))
    return [rows.reshape(-1, rows.shape[-1]) / root for rows in layers]


def _rows(trainable, kept, likelihood, x, label, weight):
    """Gradients of a sample, each times the root of its weight, as rows of layers."""
    output, pullback = jax.vjp(likelihood.outputs(kept, x[None]), trainable)
    weights, gradients = likelihood.directions(output[0], label)
    (found,) = jax.vmap(lambda gradient: pullback(gradient[None]))(gradients)
    roots = jnp.sqrt(weight * weights)[:, None]

    def of_layer(layer):
        arrays = [leaf.reshape(len(roots), -1) for leaf in jax.tree.leaves(layer)]
        return roots * jnp.concatenate(arrays, axis=1)

    return [of_layer(layer) for layer in _layers(found)]


def _log_determinant_of(rows, scale):
    # I + R R^T and I + R^T R have the same determinant; the smaller one is built.
    rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
    unit = jnp.eye(len(rows), dtype=rows.dtype)
    # Null directions, as that of all classes of a sample, are lost in the rounding of
    # the product. So its diagonal is raised above that, and what this adds is taken
    # back by a second factor, made of the gradients and not of their product.
    gram = scale * (rows @ rows.T)
    rounding = _ROUNDINGS * jnp.finfo(rows.dtype).eps * math.sqrt(len(rows))
    root = jnp.linalg.cholesky(unit + gram + rounding * jnp.diag(jnp.diagonal(gram)))
    both = jnp.concatenate([unit, rows], axis=1)
    both = jax.scipy.linalg.solve_triangular(root, both, lower=True)
    unit, rows = jnp.split(both, [len(rows)], axis=1)
    rest = jnp.linalg.cholesky(unit @ unit.T + scale * (rows @ rows.T))
    diagonals = jnp.diagonal(root), jnp.diagonal(rest)
    return 2 * sum(jnp.sum(jnp.log(diagonal)) for diagonal in diagonals)


def _layers(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=_is_layer)


def _is_layer(node: Any) -> bool:
    """Check that a node of a tree holds arrays, and nothing that holds others."""
    paths = [path for path, _ in tree_leaves_with_path(node)]
    # Flax keeps an array as the value of a variable, which is a node too.
    box = (GetAttrKey("value"),)
    depths = [len(path) - (path[-1:] == box) for path in paths]
    return bool(paths) and max(depths) <= 1


def _block_of(layer: Any) -> jax.ShapeDtypeStruct:
    leaves = jax.tree.leaves(layer)
    size = sum(math.prod(jnp.shape(leaf)) for leaf in leaves)
    return jax.ShapeDtypeStruct((size, size), jnp.result_type(*leaves))
