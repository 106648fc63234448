"""Training of one network as a pure function of a key."""

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
    gradient_statistics,
    init_state,
    noise_key,
    run_epoch,
    train,
)
from ibjax.training.objectives import mean_loss, orthonormality

__all__ = [
    "OPTIMIZERS",
    "SPLITS",
    "TrainConfig",
    "TrainState",
    "batch_gradients",
    "epoch_batches",
    "gradient_statistics",
    "init_state",
    "mean_loss",
    "measured_batches",
    "noise_key",
    "num_train_rows",
    "orthonormality",
    "run_epoch",
    "split_rows",
    "train",
]
