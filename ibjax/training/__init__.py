"""Training of one network as a pure function of a key."""

from ibjax.training import deep_linear, deficits, objectives
from ibjax.training.batches import (
    epoch_batches,
    measured_batches,
    num_train_rows,
    split_rows,
)
from ibjax.training.config import OPTIMIZERS, SPLITS, TrainConfig
from ibjax.training.loop import (
    TrainState,
    batch_gradients,
    epoch_key,
    gradient_statistics,
    init_state,
    run_epoch,
    train,
)
from ibjax.training.objectives import Objective, mean_loss, orthonormality
from ibjax.training.trainable import Trainable, Variable

__all__ = [
    "OPTIMIZERS",
    "SPLITS",
    "Objective",
    "TrainConfig",
    "TrainState",
    "Trainable",
    "Variable",
    "batch_gradients",
    "deep_linear",
    "deficits",
    "epoch_batches",
    "epoch_key",
    "gradient_statistics",
    "init_state",
    "mean_loss",
    "measured_batches",
    "num_train_rows",
    "objectives",
    "orthonormality",
    "run_epoch",
    "split_rows",
    "train",
]
