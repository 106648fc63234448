r"""Task2Vec: tasks as the Fisher information of a network that has learned them.

One probe network serves all tasks: its body stays, its last layer is trained on the
task, and the diagonal of the Fisher matrix of the body, with labels of the model, says
which of its filters matter to the task. An average over every filter's weights is one
number of the embedding.

Gradients are squared sample by sample here; the square of a batch's mean gradient, as
in the authors' program, is smaller by the size of the batch, so that embeddings of
different batches cannot be compared.

References:
  Achille, Lam, Tewari, Ravichandran, Maji, Fowlkes, Soatto and Perona, `Task2Vec: task
  embedding for meta-learning`, ICCV 2019.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.weights.fisher import fisher_diagonal
from ibjax.weights.posterior import Posterior

__all__ = [
    "asymmetric_task_distance",
    "embedding_distances",
    "filter_means",
    "task2vec",
    "task2vec_of_posterior",
    "task_distance",
]


def task2vec(
    params: Params,
    x: ArrayLike,
    *,
    network: Network,
    output_axis: int | None = None,
    batch_size: int = 64,
) -> jax.Array:
    """Embedding of a task by the Fisher information of a probe network.

    Labels are those of the model, summed over exactly: those of the task have had their
    say when its last layer was trained. Another order of the classes leaves the
    embedding as it is.

    Args:
      params: Parameters of the probe network, its last layer trained on the task.
      x: Inputs of the task, shape ``[num_samples, ...]``.
      network: The probe network.
      output_axis: See :func:`filter_means`.
      batch_size: As in :func:`ibjax.weights.fisher_diagonal`.

    Returns:
      Mean Fisher information of the weights of every filter of all layers but the last,
      shape ``[num_filters]``.

    Raises:
      ValueError: If shapes do not fit, or no layer but the last has weights.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([2, 3, 2])
      >>> params = network.init(jax.random.key(0))
      >>> task2vec(params, jnp.ones((5, 2)), network=network).shape
      (3,)
    """
    diagonal = fisher_diagonal(params, x, network=network, batch_size=batch_size)
    merged = network.merge(diagonal, network.split(params)[1])
    return filter_means(merged, network=network, output_axis=output_axis)


def task2vec_of_posterior(
    posterior: Posterior, *, network: Network, output_axis: int | None = None
) -> jax.Array:
    """Variational embedding: the precision of the noise that a task leaves room for.

    The posterior is one that was trained, with the last layer, on the task's loss and
    the information in the weights; where the loss is quadratic, its precision is the
    Fisher information over beta with that of the prior.

    Args:
      posterior: Posterior over the weights of the probe network.
      network: The probe network, without noise of its weights.
      output_axis: See :func:`filter_means`.

    Returns:
      Mean precision of the weights of every filter of all layers but the last, shape
      ``[num_filters]``.

    Raises:
      TypeError: If ``posterior`` is none.
      ValueError: If no layer but the last has weights.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.weights import init_posterior
      >>> network = networks.mlp([2, 3, 2])
      >>> weights = init_posterior(network.init(jax.random.key(0)), std=0.5)
      >>> print(task2vec_of_posterior(weights, network=network))
      [4. 4. 4.]
    """
    checks.instance("posterior", posterior, Posterior)
    precision = jax.tree.map(lambda s: jnp.exp(-2 * s), posterior.log_std)
    return filter_means(precision, network=network, output_axis=output_axis)


def filter_means(
    tree: Params, *, network: Network, output_axis: int | None = None
) -> jax.Array:
    """Means over the weights of every filter, of all layers but the last.

    Args:
      tree: Numbers that are built as the network's parameters are.
      network: The network.
      output_axis: Axis of weight arrays that filters are along; by default the first
        one for networks of :func:`ibjax.networks.mlp`, and the last one for others.

    Returns:
      The means, layer after layer, shape ``[num_filters]``.

    Raises:
      ValueError: If no layer but the last has weights.

    Example:
      >>> from ibjax import networks
      >>> tree = ((jnp.array([[1.0, 3.0], [0.0, 0.0]]), None), (jnp.ones((2, 2)), None))
      >>> print(filter_means(tree, network=networks.mlp([2, 2, 2])))
      [2. 0.]
    """
    checks.instance("network", network, Network)
    if output_axis is not None:
        checks.whole("output_axis", output_axis)
    if output_axis is None:
        output_axis = 0 if network.activate is not None else -1
    shapes_of("network", network.kernels, tree=tree)
    body = network.kernels(tree)[:-1]
    if not jax.tree.leaves(body):
        raise ValueError(
            "network must have weights in layers before its last one, got "
            f"{', '.join(network.layer_names)}"
        )
    for w in jax.tree.leaves(body):
        checks.in_range("output_axis", output_axis, f"[{-w.ndim}, {w.ndim})")
    means = [
        jnp.mean(jnp.moveaxis(w, output_axis, 0).reshape(w.shape[output_axis], -1), 1)
        for w in jax.tree.leaves(body)
    ]
    return jnp.concatenate(means)


def task_distance(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Symmetric distance of embeddings: one less their cosine, each number by its sum.

    Every number of both is divided by the sum of the two, so that filters count alike
    whatever their scale; where both are zero, neither counts.

    Args:
      first: Embedding, not negative, shape ``[..., num_filters]``.
      second: Another of the same probe network, likewise.

    Returns:
      The distance in [0, 1], float64, without the last axis. That of one multiple of
      both embeddings is the same; from an embedding of zeros it is NaN.

    Raises:
      ValueError: If shapes do not fit or a number is negative.

    Example:
      >>> same, apart = (task_distance([1.0, 0.0], b) for b in ([1.0, 0.0], [0.0, 2.0]))
      >>> print(same, apart)
      0.0 1.0
    """
    a, b = _embeddings(first=first, second=second)
    total = a + b
    total = np.where(total > 0, total, 1.0)
    a, b = a / total, b / total
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(1 - np.sum(a * b, axis=-1) / norms, 0.0, 1.0)


def asymmetric_task_distance(
    first: ArrayLike, second: ArrayLike, trivial: ArrayLike, *, alpha: float = 0.15
) -> np.ndarray:
    r"""Distance of going from one task to another, less for a complex start.

    :math:`d(a \to b) = d(a, b) - \alpha\, d(a, t_0)`: a task far from the trivial one
    has learned more that may be of use. It can be negative.

    Args:
      first: Embedding of the task to start from, shape ``[..., num_filters]``.
      second: Embedding of the other, likewise.
      trivial: Embedding of a trivial task, likewise.
      alpha: Weight of complexity.

    Returns:
      The distance, float64, without the last axis.

    Raises:
      ValueError: If shapes do not fit, a number is negative, or ``alpha`` is.

    Example:
      >>> easy, hard, trivial = [0.2, 0.1], [9.0, 0.1], [0.1, 0.1]
      >>> there = asymmetric_task_distance(easy, hard, trivial)
      >>> back = asymmetric_task_distance(hard, easy, trivial)
      >>> bool(back < there)
      True
    """
    alpha = checks.not_negative("alpha", alpha)
    return task_distance(first, second) - alpha * task_distance(first, trivial)


def embedding_distances(
    embeddings: ArrayLike, *, trivial: ArrayLike | None = None, alpha: float = 0.15
) -> np.ndarray:
    """Distances between all tasks of a list.

    Args:
      embeddings: Embeddings by one probe network, shape ``[num_tasks, num_filters]``.
      trivial: Embedding of a trivial task, shape ``[num_filters]``, for asymmetric
        distances from rows to columns; None for symmetric ones.
      alpha: Weight of complexity in the former.

    Returns:
      The distances, float64, shape ``[num_tasks, num_tasks]``.

    Raises:
      ValueError: If shapes do not fit or a number is negative.

    Example:
      >>> print(embedding_distances([[1.0, 0.0], [0.0, 2.0]]))
      [[0. 1.]
       [1. 0.]]
    """
    (values,) = _embeddings(embeddings=embeddings)
    checks.shape("embeddings", values, ("num_tasks", "num_filters"))
    rows, columns = values[:, None], values[None]
    if trivial is None:
        return task_distance(*np.broadcast_arrays(rows, columns))
    (trivial,) = _embeddings(trivial=trivial)
    checks.shape("trivial", trivial, (values.shape[1],), why="to match embeddings")
    found = np.broadcast_arrays(rows, columns, trivial[None, None])
    return asymmetric_task_distance(*found, alpha=alpha)


def _embeddings(**arrays: Any) -> list[np.ndarray]:
    """Embeddings of one shape, float64."""
    found = {
        name: np.asarray(checks.real(name, value, np.asarray), np.float64)
        for name, value in arrays.items()
    }
    for name, value in found.items():
        checks.shape(name, value, ("*num_filters",))
        if np.any(value < 0):
            raise ValueError(f"{name} must not be negative, got {np.nanmin(value):.3g}")
    checks.same_shape(**found)
    return list(found.values())
