"""Losses, accuracies and gradient statistics at a snapshot."""

import jax
import jax.numpy as jnp

from ibjax import training
from ibjax.probes.snapshot import Snapshot
from ibjax.training.gradients import gradient_curves

__all__ = ["gradients", "losses"]


def gradients(snapshot: Snapshot) -> dict[str, jax.Array]:
    """Minibatch gradient statistics and weight norms, one entry per layer.

    Mean, standard deviation and signal-to-noise ratio as
    :func:`ibjax.gradients.minibatch_statistics` defines them, and both norms divided
    by the weight norm, as in the caption of Shwartz-Ziv and Tishby's Fig. 4.

    Args:
      snapshot: The network.

    Returns:
      ``gradient_mean``, ``gradient_std``, ``gradient_snr``, ``weight_norm``,
      ``gradient_mean_normalized`` and ``gradient_std_normalized``, ``[num_layers]``.

    Example:
      >>> import ibjax
      >>> from ibjax import datasets, networks
      >>> dataset = ibjax.sweep(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     networks.mlp([12, 3, 2]),
      ...     training.TrainConfig(),
      ...     num_seeds=1,
      ...     snapshots=[0],
      ...     probes=[gradients],
      ... )
      >>> dict(dataset.gradient_snr.sizes)
      {'seed': 1, 'epoch': 1, 'layer': 2}
    """
    return gradient_curves(snapshot.gradient_statistics, snapshot.kernels)


def losses(snapshot: Snapshot) -> dict[str, jax.Array]:
    """Cross-entropy in nats and accuracy, on the training rows and on the others.

    Accuracy counts the inputs whose most probable class is the label. Without rows to
    test on, the test values are NaN.

    Args:
      snapshot: The network.

    Returns:
      ``train_loss``, ``test_loss``, ``train_accuracy`` and ``test_accuracy``, ``[]``.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> config = training.TrainConfig()
      >>> from ibjax.probes.snapshot import take_snapshot
      >>> snapshot = take_snapshot(
      ...     network.init(jax.random.key(0)),
      ...     training.split_rows(jax.random.key(0), task, config),
      ...     training.measured_batches(0, task, config),
      ...     task,
      ...     network,
      ...     config,
      ... )
      >>> sorted(losses(snapshot))
      ['test_accuracy', 'test_loss', 'train_accuracy', 'train_loss']
    """
    task = snapshot.task
    place = (
        jnp.zeros(task.num_samples, jnp.int32)
        .at[snapshot.rows]
        .set(jnp.arange(task.num_samples, dtype=jnp.int32))
    )
    correct = jnp.argmax(snapshot.logits, axis=1) == task.labels
    result = {}
    for name, chosen in (
        ("train", place < snapshot.num_train),
        ("test", place >= snapshot.num_train),
    ):
        weights = chosen.astype(task.x.dtype)
        result[f"{name}_loss"] = training.mean_loss(
            snapshot.logits, task.p_y_given_x, weights
        )
        result[f"{name}_accuracy"] = jnp.sum(correct * weights) / jnp.sum(weights)
    return result
