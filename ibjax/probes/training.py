"""Losses, accuracies and gradient statistics at a snapshot."""

import jax
import jax.numpy as jnp

from ibjax import training
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.gradients import gradient_curves
from ibjax.training.trainable import LOSS_UNITS, Variable

__all__ = ["gradients", "losses", "objective_terms", "squared_errors"]


def _gradients(snapshot: Snapshot) -> dict[str, jax.Array]:
    return gradient_curves(snapshot.gradient_statistics, snapshot.kernels)


def _splits(snapshot: Snapshot):
    """Weights of the rows of each split, in the task's order."""
    task = snapshot.task
    # By place in the network's order, so that its logits stay in the task's: gathering
    # them would be a copy for each split.
    place = (
        jnp.zeros(task.num_samples, jnp.int32)
        .at[snapshot.rows]
        .set(jnp.arange(task.num_samples, dtype=jnp.int32))
    )
    tested = place >= snapshot.num_train
    if snapshot.num_train + snapshot.num_test < task.num_samples:
        tested &= place < snapshot.num_train + snapshot.num_test
    for name, chosen in (("train", place < snapshot.num_train), ("test", tested)):
        yield name, chosen.astype(task.x.dtype)


def _losses(snapshot: Snapshot) -> dict[str, jax.Array]:
    task = snapshot.task
    if task.labels is None:
        raise ValueError(
            f"losses needs a task of classes, got one of {task.kind}; "
            "squared_errors is for vectors"
        )
    correct = jnp.argmax(snapshot.logits, axis=1) == task.labels
    result = {}
    for name, weights in _splits(snapshot):
        result[f"{name}_loss"] = training.mean_loss(
            snapshot.logits, task.p_y_given_x, weights
        )
        result[f"{name}_accuracy"] = jnp.sum(correct * weights) / jnp.sum(weights)
    return result


def _squared_errors(snapshot: Snapshot) -> dict[str, jax.Array]:
    task = snapshot.task
    if task.vectors is None:
        raise ValueError(
            f"squared_errors needs a task of vectors, got one of {task.kind}"
        )
    errors = jnp.sum((snapshot.logits - task.vectors) ** 2, axis=1)
    return {
        f"{name}_loss": jnp.sum(errors * weights) / jnp.sum(weights)
        for name, weights in _splits(snapshot)
    }


gradients = Probe(
    _gradients,
    variables={
        "gradient_mean": Variable(
            ("layer",), LOSS_UNITS, "norm of the mean minibatch gradient"
        ),
        "gradient_std": Variable(
            ("layer",),
            LOSS_UNITS,
            "norm of the standard deviation of minibatch gradients",
        ),
        "gradient_snr": Variable(("layer",), "1", "gradient signal-to-noise ratio"),
        "weight_norm": Variable(("layer",), "1", "norm of the weights"),
        "gradient_mean_normalized": Variable(
            ("layer",), LOSS_UNITS, "gradient mean over weight norm"
        ),
        "gradient_std_normalized": Variable(
            ("layer",), LOSS_UNITS, "gradient standard deviation over weight norm"
        ),
    },
    name="gradients",
)
"""Minibatch gradient statistics and weight norms, one entry per layer.

Mean, standard deviation and signal-to-noise ratio of the objective's gradients as
:func:`ibjax.training.gradients.minibatch_statistics` defines them, and both norms
divided by the weight norm, as in the caption of Shwartz-Ziv and Tishby's Fig. 4. It
returns ``gradient_mean``, ``gradient_std``, ``gradient_snr``, ``weight_norm``,
``gradient_mean_normalized`` and ``gradient_std_normalized``, ``[num_layers]`` each.
"""

losses = Probe(
    _losses,
    variables={
        "train_loss": Variable((), "nats", "cross-entropy on training rows"),
        "test_loss": Variable((), "nats", "cross-entropy on test rows"),
        "train_accuracy": Variable((), "1", "accuracy on training rows"),
        "test_accuracy": Variable((), "1", "accuracy on test rows"),
    },
    name="losses",
)
"""Cross-entropy in nats and accuracy, on the training rows and on those to test on.

Accuracy counts the inputs whose most probable class is the label. Without rows to test
on, the test values are NaN. The network is measured without its noise. Returns
``train_loss``, ``test_loss``, ``train_accuracy`` and ``test_accuracy``, ``[]`` each.
"""

squared_errors = Probe(
    _squared_errors,
    variables={
        "train_loss": Variable((), "1", "mean squared error on training rows"),
        "test_loss": Variable((), "1", "mean squared error on test rows"),
    },
    name="squared_errors",
)
"""Mean squared error, summed over the target's dimensions, for tasks of vectors.

Returns ``train_loss`` and ``test_loss``, ``[]`` each; without rows to test on the
latter is NaN.
"""

objective_terms = Probe(
    lambda snapshot: snapshot.objective_terms,
    variables={"objective": Variable((), "1", "objective on training rows")},
    name="objective_terms",
)
"""Objective and its named terms on the training rows, with the network's noise.

They are means over the batches of an epoch at the same parameters, ``[]`` each.
"""
