"""What all cases of training.py share: the task, and how a case is checked."""

import math
from typing import Any

import harness
import jax.numpy as jnp
import numpy as np
import untrained

HIDDEN_WIDTHS = untrained.LAYER_WIDTHS[:-1]
NUM_CLASSES = untrained.LAYER_WIDTHS[-1]
NUM_TRAIN = 3277
BATCH_SIZE = 512
LEARNING_RATE = 4e-4
STEPS_PER_EPOCH = math.ceil(NUM_TRAIN / BATCH_SIZE)


def training_rows() -> tuple[Any, Any]:
    """Returns inputs and labels of the training rows."""
    from ibjax import datasets

    task = datasets.szt()
    rows = np.random.default_rng(0).permutation(4096)[:NUM_TRAIN]
    x, y = np.asarray(task.x)[rows], np.asarray(task.labels)[rows]
    return jnp.asarray(x), jnp.asarray(y)


def where() -> str:
    """Returns platform and number of devices, in words."""
    info = harness.device()
    return f"{info['platform']}, devices: {info['num_devices']}"


def check_learned(name: str, initial: Any, final: Any) -> dict[str, Any]:
    """Stops if the mean loss did not fall; else returns what to report of it."""
    initial = np.asarray(initial, dtype=np.float64)
    final = np.asarray(final, dtype=np.float64)
    if not final.mean() < initial.mean() - 0.01:
        raise SystemExit(
            f"{name}: the mean loss went from {initial.mean():.4f} to "
            f"{final.mean():.4f} nats and should have fallen by 0.01"
        )
    return {
        "initial_loss": initial.mean(),
        "final_loss": final.mean(),
        "final_loss_standard_error": final.std(ddof=1) / math.sqrt(len(final)),
        "num_networks_checked": len(final),
    }


def rates_of(timing: harness.Timing, num_seed_epochs: int) -> dict[str, Any]:
    """Returns microseconds a seed-step, the least and the median."""
    num_steps = num_seed_epochs * STEPS_PER_EPOCH
    return {
        "microseconds_min": 1e6 * timing.minimum / num_steps,
        "microseconds_median": 1e6 * timing.median / num_steps,
        "num_repeats": timing.num_repeats,
        "num_seed_steps_per_repeat": num_steps,
    }
