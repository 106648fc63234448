r"""Fisher information of a network's parameters, streamed over samples.

The Fisher matrix is :math:`F = E_x E_y\, \nabla \log p_w(y|x)\, \nabla \log
p_w(y|x)^T`, a mean over samples. With the labels of the *model*, :math:`y \sim
p_w(y|x)`, it is the curvature of what the network says, :math:`\mathrm{KL}(p_w \|
p_{w + d}) \approx \frac12 d^T F d`, and the Gauss-Newton matrix of the cross-entropy;
the sum over classes is exact here, nothing is drawn. With the labels of the *data* the
same formula is the empirical Fisher, which is another matrix, and vanishes where every
label is fitted.

Gradients are squared sample by sample. The square of a batch's mean gradient is no
substitute: for labels of the model its mean is F over the batch size, and for labels of
the data it vanishes at a minimum.

Of a network with softmax outputs p(y|x) is the softmax; of a linear one it is normal
around the output with variance one, whose log-likelihood is minus half the squared
error. Networks are taken as they are without noise and dropout. For a loss that is
summed over samples, multiply by their number.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import GetAttrKey, tree_leaves_with_path
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, for_each, jit, on_cpu, sum_of_parts
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.numerics.memory import check_fits
from ibjax.weights.likelihood import batches_of, checked_samples

__all__ = [
    "FisherTrace",
    "fisher_block_log_determinants",
    "fisher_blocks",
    "fisher_diagonal",
    "fisher_log_determinant",
    "fisher_trace",
    "fisher_vector_product",
]

# Roundings of a gradient's square, times the root of the number of gradients, above
# which a matrix of their products is positive in spite of rounding.
_ROUNDINGS = 32


class FisherTrace(NamedTuple):
    """Trace of the Fisher matrix: the mean squared norm of a sample's gradient.

    Attributes:
      total: Over all parameters, biases too, shape ``[]``.
      layers: Over every layer's weights, without biases, shape ``[num_layers]``.
    """

    total: jax.Array
    layers: jax.Array


def fisher_diagonal(
    params: Params,
    x: ArrayLike,
    *,
    network: Network,
    labels: str | ArrayLike = "model",
    batch_size: int = 64,
) -> Any:
    """Diagonal of the Fisher matrix, the mean square of every parameter's gradient.

    Args:
      params: Parameters of the network.
      x: Inputs, shape ``[num_samples, ...]``.
      network: The network.
      labels: ``"model"`` for the Fisher matrix. For the empirical one the data's:
        classes, integers of shape ``[num_samples]``; distributions over classes, shape
        ``[num_samples, num_classes]``, over which squares are averaged; or vectors,
        shape ``[num_samples, dim]``, for a linear output.
      batch_size: Samples whose gradients are held at once, but on a CPU, where it is
        one.

    Returns:
      The diagonal, a tree like that of the trained parameters.

    Raises:
      ValueError: If shapes do not fit, nothing of the network is trained, labels are
        outside of the classes or no distributions over them, or ``labels`` is another
        name.
      TypeError: If classes are no integers.

    References:
      Kunstner, Balles and Hennig, `Limitations of the empirical Fisher approximation
      for natural gradient descent`, NeurIPS 2019. Achille, Rovere and Soatto, `Critical
      learning periods in deep networks`, ICLR 2019.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([2, 2])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> ((w, b),) = fisher_diagonal(params, jnp.array([[1.0, 2.0]]), network=network)
      >>> print(w[0], b[0])  # p (1 - p) x^2
      [0.25 1.  ] 0.25
    """
    x, labels, likelihood = checked_samples(params, x, network, labels)
    checks.count("batch_size", batch_size)
    return _diagonal(*network.split(params), x, labels, likelihood, batch_size)


@jit(static_argnames=("likelihood", "batch_size"))
def _diagonal(trainable, kept, x, labels, likelihood, batch_size):
    zeros = jax.tree.map(jnp.zeros_like, trainable)

    def add_squares(total, sample):
        x, label, weight = sample
        output, pullback = jax.vjp(likelihood.outputs(kept, x[None]), trainable)
        weights, gradients = likelihood.directions(output[0], label)

        # Direction by direction: one gradient a sample is held, not one a class.
        def add(total, direction):
            share, gradient = direction
            (found,) = pullback(gradient[None])
            # Inputs may be float64 where parameters are not.
            return jax.tree.map(
                lambda t, g: t + share.astype(t.dtype) * g**2, total, found
            ), None

        return lax.scan(add, total, (weight * weights, gradients))[0]

    def add_batch(total, batch):
        if on_cpu():
            # There a product of many small matrices is slower than one after another.
            return lax.scan(lambda t, s: (add_squares(t, s), None), total, batch)
        found = jax.vmap(add_squares, (None, 0))(zeros, batch)
        return jax.tree.map(lambda t, f: t + jnp.sum(f, axis=0), total, found), None

    def sum_of_part(*part):
        return lax.scan(add_batch, zeros, batches_of(x, labels, batch_size, *part))[0]

    return jax.tree.map(lambda t: t / len(x), sum_of_parts(sum_of_part))


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
      labels: Labels, as :func:`fisher_diagonal` takes them.
      batch_size: Samples whose gradients are held at once, ``[batch_size * num_classes,
        num_params]`` of them with labels of the model.

    Returns:
      The blocks, a tree like that of the trained parameters with a matrix ``[size,
      size]`` in place of every layer. Rows and columns are in the order of
      ``jax.flatten_util.ravel_pytree`` of the layer; ``jax.tree.map(function, blocks,
      diagonal)`` takes a block and what :func:`fisher_diagonal` has of its layer.

    Raises:
      ValueError: As :func:`fisher_diagonal`.
      TypeError: As :func:`fisher_diagonal`.
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


def fisher_trace(
    params: Params,
    x: ArrayLike,
    *,
    network: Network,
    labels: str | ArrayLike = "model",
    batch_size: int = 64,
) -> FisherTrace:
    """Trace of the Fisher matrix, of every layer and in all.

    Achille et al. follow it over training. Late in training it falls because p (1 - p)
    goes to zero as the network grows certain, even if no decision changes: report the
    loss beside it. It is not the information in the weights.

    Args:
      params: Parameters of the network.
      x: Inputs, shape ``[num_samples, ...]``.
      network: The network.
      labels: Labels, as :func:`fisher_diagonal` takes them.
      batch_size: Samples whose gradients are held at once.

    Returns:
      The traces.

    Raises:
      ValueError: As :func:`fisher_diagonal`.
      TypeError: As :func:`fisher_diagonal`.

    References:
      Achille, Rovere and Soatto, `Critical learning periods in deep networks`, ICLR
      2019.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([2, 2])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> print(fisher_trace(params, jnp.array([[1.0, 2.0]]), network=network))
      FisherTrace(total=Array(3., dtype=float32), layers=Array([2.5], dtype=float32))
    """
    diagonal = fisher_diagonal(
        params, x, network=network, labels=labels, batch_size=batch_size
    )
    # A diagonal is built as the parameters are: what finds weights finds theirs.
    kernels = network.kernels(network.merge(diagonal, network.split(params)[1]))
    checks.not_empty("kernels of network", kernels, "layer")
    return FisherTrace(_sum(diagonal), jnp.stack([_sum(layer) for layer in kernels]))


def fisher_vector_product(
    params: Params,
    x: ArrayLike,
    vector: Any,
    *,
    network: Network,
    batch_size: int = 1024,
) -> Any:
    """Product F v of the Fisher matrix, with labels of the model, and a vector.

    The matrix is never built. It serves :func:`ibjax.weights.top_eigenvalues` and
    :func:`ibjax.weights.log_determinant` where there are too many parameters for
    :func:`fisher_log_determinant`.

    Args:
      params: Parameters of the network.
      x: Inputs, shape ``[num_samples, ...]``.
      vector: The vector, a tree like that of the trained parameters.
      network: The network.
      batch_size: Samples that go through the network at once.

    Returns:
      The product, a tree like the vector, in the types of the parameters.

    Raises:
      ValueError: If ``x`` holds no samples, nothing of the network is trained, or
        ``batch_size`` is not positive.

    References:
      Schraudolph, `Fast curvature matrix-vector products for second-order gradient
      descent`, Neural Computation 14, 2002.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([1, 2])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> ones = jax.tree.map(jnp.ones_like, params)
      >>> ((w, b),) = fisher_vector_product(
      ...     params, jnp.ones((3, 1)), ones, network=network
      ... )
      >>> print(w.ravel(), b)  # Logits that move together change nothing.
      [0. 0.] [0. 0.]
    """
    x, labels, likelihood = checked_samples(params, x, network, "model")
    checks.count("batch_size", batch_size)
    trainable, kept = network.split(params)
    checks.same_tree(params=trainable, vector=vector)
    vector = jax.tree.map(
        lambda v, w: checks.jax_array("vector", v, jnp.result_type(w)),
        vector,
        trainable,
    )
    return _vector_product(trainable, kept, x, labels, vector, likelihood, batch_size)


@exact_jit(static_argnames=("likelihood", "batch_size"))
def _vector_product(trainable, kept, x, labels, vector, likelihood, batch_size):
    def add_batch(total, batch):
        x, _, weights = batch
        output, pullback = jax.vjp(likelihood.outputs(kept, x), trainable)
        # J v is the transpose of the pullback g -> J^T g: networks have derivatives
        # in reverse mode only.
        _, transposed = jax.vjp(lambda g: pullback(g)[0], jnp.zeros_like(output))
        (change,) = transposed(vector)
        if likelihood.output == "softmax":
            p = jax.nn.softmax(output, axis=1)
            change = p * (change - jnp.sum(p * change, axis=1, keepdims=True))
        (found,) = pullback(weights[:, None] * change)
        return jax.tree.map(jnp.add, total, found), None

    zeros = jax.tree.map(jnp.zeros_like, trainable)
    total, _ = lax.scan(add_batch, zeros, batches_of(x, labels, batch_size))
    return jax.tree.map(lambda t: t / len(x), total)


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
      labels: Labels, as :func:`fisher_diagonal` takes them.

    Returns:
      The log-determinant, shape ``[]``. In float32 it has four digits or more where the
      largest eigenvalue times the scale is below 1e10, and is NaN from some 1e13 on.

    Raises:
      ValueError: As :func:`fisher_diagonal`, or if ``scale`` is negative.
      TypeError: As :func:`fisher_diagonal`.

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
      labels: Labels, as :func:`fisher_diagonal` takes them.

    Returns:
      A tree like that of the trained parameters with a number, shape ``[]``, in place
      of every layer of :func:`fisher_blocks`; in digits as
      :func:`fisher_log_determinant`.

    Raises:
      ValueError: As :func:`fisher_log_determinant`.
      TypeError: As :func:`fisher_diagonal`.

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


def _sum(tree: Any) -> jax.Array:
    return sum((jnp.sum(leaf) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))
