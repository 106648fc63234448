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

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, jit, on_cpu, sum_of_parts
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.weights.likelihood import batches_of, checked_samples
from ibjax.weights.sample_gradients import squared_gradients

__all__ = [
    "FisherTrace",
    "fisher_diagonal",
    "fisher_trace",
    "fisher_vector_product",
]


# Samples at once on a CPU, where more leave the cache.
_SAMPLES_AT_ONCE = 8


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
      batch_size: Samples that go through the network at once, but on a CPU, where they
        are eight at most.

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
    def outputs(trainable, x):
        return likelihood.outputs(kept, x)(trainable)

    if on_cpu():
        batch_size = min(batch_size, _SAMPLES_AT_ONCE)
    sums = squared_gradients(outputs, trainable, x)

    def directions_of(output, labels, weights):
        shares, gradients = jax.vmap(likelihood.directions)(output, labels)
        return weights[:, None] * shares, gradients

    def add_batch(totals, batch):
        return sums.add(totals, directions_of, *batch), None

    def sum_of_part(*part):
        batches = batches_of(x, labels, batch_size, *part)
        return lax.scan(add_batch, sums.zeros, batches)[0]

    total = sums.tree(sum_of_parts(sum_of_part))
    return jax.tree.map(lambda t: t / len(x), total)


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
      batch_size: As in :func:`fisher_diagonal`.

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
    :func:`ibjax.weights.fisher_log_determinant`.

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


def _sum(tree: Any) -> jax.Array:
    return sum((jnp.sum(leaf) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))
