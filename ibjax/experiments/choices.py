"""Choices that several experiments have in common."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ibjax import training
from ibjax.datasets.task import Task
from ibjax.numerics import checks

__all__ = [
    "Activation",
    "COINCIDENCE_FACTOR",
    "COMPRESSES",
    "Optimizer",
    "best_place",
    "check_batch",
    "hidden_widths",
    "smaller",
    "still_useful",
    "train_config",
]


Activation = Literal["tanh", "relu", "softsign", "softplus", "linear", "hard-tanh"]


Optimizer = Literal["adam", "sgd", "momentum", "adadelta"]


COMPRESSES = {
    "tanh": True,
    "softsign": True,
    "relu": False,
    "softplus": False,
    "linear": False,
}
"""Whether Saxe et al. say that units compress, by activation function."""


COINCIDENCE_FACTOR = 2.0
"""Two epochs coincide within this factor of each other."""


OptionsT = TypeVar("OptionsT")


def smaller(options: OptionsT, **small: Any) -> OptionsT:
    """Options of a small run: those of them that are the defaults are replaced.

    Args:
      options: A dataclass whose fields all have defaults.
      **small: Other values of some fields.

    Returns:
      The options.

    Example:
      >>> from ibjax.experiments.bifurcations.curves import BifurcationOptions
      >>> smaller(BifurcationOptions(tables=("szt",)), betas=30, tables=("random",))
      BifurcationOptions(betas=30, tables=('szt',))
    """
    default = type(options)()
    kept = {k for k in small if getattr(options, k) != getattr(default, k)}
    return dataclasses.replace(
        options, **{k: v for k, v in small.items() if k not in kept}
    )


def train_config(setup: Any, random_seed: int, **others: Any) -> training.TrainConfig:
    """Training by the fields of a set-up that all call alike, and by others.

    Args:
      setup: Has ``learning_rate``, ``optimizer`` and ``batch_size``, unless given.
      random_seed: Of the shuffles.
      **others: More fields of the configuration.

    Example:
      >>> from ibjax.experiments.vib.setup import VibSetup
      >>> train_config(VibSetup(), 3, train_fraction=1.0).shuffle_seed
      3
    """
    names = {"learning_rate", "optimizer", "batch_size"} - set(others)
    fields = {name: getattr(setup, name) for name in names}
    return training.TrainConfig(shuffle_seed=random_seed, **fields, **others)


def best_place(values: Sequence[ArrayLike]) -> int:
    """Place of the networks with the least mean over seeds.

    Networks that diverged are left out, places at which all did too.

    Args:
      values: A value of every seed, for each place.

    Raises:
      ValueError: If all networks diverged.

    Example:
      >>> best_place([[np.nan, np.nan], [2.0, np.nan], [1.0, 5.0]])
      1
    """
    left = [np.asarray(own)[np.isfinite(own)] for own in values]
    if not any(len(own) for own in left):
        raise ValueError("values must be finite for some network, got none")
    return int(np.argmin([np.mean(own) if len(own) else np.inf for own in left]))


def still_useful(points: Sequence[Any], within: float) -> list[Any]:
    """Points whose mean test error is near the best one.

    Args:
      points: Networks of one price each, with their ``test_error`` in percent.
      within: Percentage points that it may be above.

    Returns:
      The points, in their order.
    """
    errors = [float(np.nanmean(point.test_error)) for point in points]
    # Whose networks have all diverged is NaN, and near nothing.
    limit = np.nanmin(errors) + within
    return [p for p, error in zip(points, errors, strict=True) if error <= limit]


def check_batch(task: Task, config: training.TrainConfig) -> None:
    """Check that there are as many rows to train on as a batch is asked to have."""
    num_rows = training.num_train_rows(task, config)
    if config.batch_size is not None:
        name = f"batch_size, of {num_rows} rows to train on,"
        checks.in_range(name, config.batch_size, f"[1, {num_rows}]")


def hidden_widths(hidden: str) -> tuple[int, ...]:
    """Units of the hidden layers that a set-up names.

    Args:
      hidden: Numbers of units, separated by dashes.

    Returns:
      The numbers.

    Raises:
      ValueError: If they are no numbers.

    Example:
      >>> hidden_widths("10-7")
      (10, 7)
    """
    try:
        return tuple(int(width) for width in hidden.split("-"))
    except ValueError:
        raise ValueError(
            f"hidden must be numbers of units such as 10-7-5-4-3, got {hidden!r}"
        ) from None
