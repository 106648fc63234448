"""Configuration of training: optimizer, batches, and the split of the rows."""

import numbers
from dataclasses import dataclass

import jax
import optax

from ibjax.numerics import checks

__all__ = ["OPTIMIZERS", "SPLITS", "TrainConfig"]

OPTIMIZERS = ("adam", "sgd", "momentum", "adadelta")
"""Optimizers by name; momentum is 0.9, Adadelta's decay 0.95 and epsilon 1e-7."""

SPLITS = ("random", "ordered")
"""How rows are split: at random for each network, or the first rows for training."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainConfig:
    """Configuration of a network's training.

    Attributes:
      learning_rate: Step size; not used where ``optimizer`` is no name.
      optimizer: One of :data:`OPTIMIZERS`, or any ``optax.GradientTransformation``,
        which brings its own step size or schedule.
      batch_size: Rows of a batch; None, or more than there are, for the whole training
        set. The last batch of an epoch is short when it does not come out even, and its
        loss is its own mean.
      train_fraction: Part of the rows to train on, in (0, 1], where the task does not
        name its rows.
      split: One of :data:`SPLITS`. ``"ordered"`` trains on the first rows of the task,
        as Shwartz-Ziv and Tishby's program does; there they are in counting order.
      shuffle_seed: Seed of the epochs' shuffles, see :mod:`ibjax.training.batches`.
      measured_batch_size: Rows of the batches whose gradients are compared at a
        snapshot where training takes the full batch, which has nothing to compare.
      label_noise: Share of the training labels that are replaced, each by one of all
        classes, drawn for each network; None for none. All that is measured is held
        against the labels as they are then.
    """

    # What shapes and programs follow from is static. The two numbers that are not may
    # be traced: another value compiles nothing.
    learning_rate: float = 4e-4
    optimizer: str | optax.GradientTransformation = jax.tree.static(default="adam")
    batch_size: int | None = jax.tree.static(default=512)
    train_fraction: float = jax.tree.static(default=0.8)
    split: str = jax.tree.static(default="random")
    shuffle_seed: int = jax.tree.static(default=0)
    measured_batch_size: int = jax.tree.static(default=512)
    label_noise: float | None = None

    def __post_init__(self):
        """Check every field."""
        if not isinstance(self.optimizer, optax.GradientTransformation):
            otherwise = "an optax transformation"
            checks.one_of("optimizer", self.optimizer, OPTIMIZERS, otherwise=otherwise)
        checks.one_of("split", self.split, SPLITS)
        if self.batch_size is not None:
            checks.count("batch_size", self.batch_size, otherwise="None for all")
        checks.count("measured_batch_size", self.measured_batch_size)
        checks.in_range("train_fraction", self.train_fraction, "(0, 1]")
        # As leaves of a pytree the two may be anything, a specification for instance.
        if isinstance(self.label_noise, numbers.Real):
            checks.in_range("label_noise", self.label_noise, "[0, 1]")
        if callable(self.learning_rate):
            raise TypeError(
                "learning_rate must be one positive number, got a function; a schedule "
                "belongs to an optimizer, e.g. optimizer=optax.adam(schedule)"
            )
        if isinstance(self.learning_rate, numbers.Real):
            checks.positive("learning_rate", self.learning_rate)
