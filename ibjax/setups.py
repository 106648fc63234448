"""Set-ups of the published experiments on Shwartz-Ziv and Tishby's task.

A set-up is everything a grid of sweeps needs but its size; a field that holds several
values is swept. :data:`PRESETS` names those of the papers, which ``ibjax sweep`` runs.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import datasets, networks, probes, training
from ibjax.datasets.szt import NUM_BITS
from ibjax.grid import Cell
from ibjax.probes import Probe
from ibjax.sweep import sweep

__all__ = ["PRESETS", "Preset", "Scale", "SztSetup", "activity_range", "szt_cells"]

Activation = Literal["tanh", "relu", "softsign", "softplus", "linear", "hard-tanh"]
Optimizer = Literal["adam", "sgd", "momentum", "adadelta"]
Estimator = Literal["binning", "bin-width", "data-range", "kde", "knn"]

# With it the soft labels have the paper's p(y=1) and I(X;Y).
_SOFT_THRESHOLD = 7.632
_RANGE_BINS = 100


class Scale(NamedTuple):
    """How large a grid of sweeps is.

    Attributes:
      seeds: Networks of every cell.
      epochs: Passes over the training rows.
      snapshots: Epochs at which to measure.
    """

    seeds: int
    epochs: int
    snapshots: int


@dataclass(frozen=True)
class SztSetup:
    """Networks on Shwartz-Ziv and Tishby's task; a field with several values is swept.

    Attributes:
      hidden: Units of every hidden layer, as 10-7-5-4-3; several networks are swept.
      activation: Activation function of the hidden layers; several are swept.
      optimizer: Optimizer; momentum is SGD with momentum 0.9. Several are swept.
      learning_rate: Step size of the optimizer; several are swept.
      batch_size: Rows of a batch, or "full" for the whole training set; several are
        swept. Where several fractions are, a batch is at most the training set.
      train_fraction: Part of the 4,096 inputs to train on, in (0, 1]; several are
        swept.
      noise_variance: Variance of the noise for the estimators kde and knn, in squared
        units of activity; several are swept.
      split: Rows to train on: drawn for each network, or the first ones in counting
        order as in the authors' program.
      sharpness: Slope of the sigmoid that softens the labels, per unit of score; 54.5
        gives the paper's I(X;Y) of 0.99 bits. None for certain labels.
      init: Standard deviation of the weights: 1/sqrt(inputs) as Shwartz-Ziv and
        Tishby's program, or 1/sqrt(units) as Saxe et al.'s.
      estimators: Estimators of the information. Data-range has 100 bins from the least
        to the largest activity of the whole run, for which the networks are trained
        twice; knn takes far longer than the others.
      num_bins: Edges on [-1, 1] for the estimator binning; 30 are Shwartz-Ziv and
        Tishby's.
      bin_width: Bin width for the estimator bin-width, in units of activity.
    """

    hidden: tuple[str, ...] = ("10-7-5-4-3",)
    activation: tuple[Activation, ...] = ("tanh",)
    optimizer: tuple[Optimizer, ...] = ("adam",)
    learning_rate: tuple[float, ...] = (4e-4,)
    batch_size: tuple[int | Literal["full"], ...] = (512,)
    train_fraction: tuple[float, ...] = (0.8,)
    noise_variance: tuple[float, ...] = (1e-3,)
    split: Literal["random", "ordered"] = "random"
    sharpness: float | None = None
    init: Literal["fan-in", "fan-out"] = "fan-in"
    estimators: tuple[Estimator, ...] = ("binning", "bin-width", "kde")
    num_bins: int = 30
    bin_width: float = 0.07

    def swept(self, name: str) -> tuple[float | str, ...]:
        """Values of a field; plain numbers in ``hidden`` are one network's layers."""
        values = getattr(self, name)
        if name == "hidden" and all(value.isdecimal() for value in values):
            return ("-".join(values),)
        return values

    @property
    def axes(self) -> dict[str, tuple[float | str, ...]]:
        """The fields that are swept, with their values."""
        axes = {}
        for name in _AXES:
            values = self.swept(name)
            if len(values) > 1:
                labels = values
                if any(isinstance(value, str) for value in values):
                    labels = tuple(map(str, values))
                axes[name] = labels
        return axes


_AXES = (
    "hidden",
    "activation",
    "optimizer",
    "learning_rate",
    "batch_size",
    "train_fraction",
    "noise_variance",
)


class Preset(NamedTuple):
    """A published experiment.

    Attributes:
      summary: What it shows, in one sentence.
      setup: Its set-up.
      full: Its size.
      quick: A size to try it with.
    """

    summary: str
    setup: SztSetup
    full: Scale
    quick: Scale


_BINNED = ("binning", "bin-width")
_GRID = Scale(50, 10_000, 40)
_GRID_QUICK = Scale(5, 1_000, 12)

PRESETS = {
    "szt": Preset(
        "Shwartz-Ziv and Tishby's networks on the information plane (their Figs. 2 "
        "and 4).",
        SztSetup(),
        Scale(50, 10_000, 100),
        Scale(10, 3_000, 30),
    ),
    "training-size": Preset(
        "5, 45 and 85 % of the inputs to train on (Shwartz-Ziv and Tishby, Fig. 3).",
        SztSetup(train_fraction=(0.05, 0.45, 0.85), estimators=_BINNED),
        _GRID,
        _GRID_QUICK,
    ),
    "depth": Preset(
        "One to six hidden layers of 12 units and two fewer each (Shwartz-Ziv and "
        "Tishby, Fig. 5).",
        SztSetup(
            hidden=("12", "12-10", "12-10-8", "12-10-8-6", "12-10-8-6-4")
            + ("12-10-8-6-4-2",),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "width": Preset(
        "Five hidden layers of 5, 10 or 20 units each.",
        SztSetup(
            hidden=("5-5-5-5-5", "10-10-10-10-10", "20-20-20-20-20"),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "activations": Preset(
        "Five activation functions under four estimators (Saxe et al., Fig. 1).",
        SztSetup(
            activation=("tanh", "relu", "softsign", "softplus", "linear"),
            estimators=("binning", "data-range", "kde"),
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "batches": Preset(
        "Stochastic against full-batch gradient descent (Saxe et al., Fig. 5).",
        SztSetup(
            activation=("tanh", "relu"),
            optimizer=("sgd",),
            learning_rate=(0.1,),
            batch_size=(512, "full"),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "batches-adam": Preset(
        "The same with Adam, as Shwartz-Ziv and Tishby's program.",
        SztSetup(
            activation=("tanh", "relu"),
            batch_size=(512, "full"),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
}
"""Set-ups by name."""


def szt_cells(
    setup: SztSetup,
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    key: int = 0,
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The cells of a set-up's grid, for :func:`ibjax.grid.sweep_grid`.

    Args:
      setup: The set-up.
      num_seeds: Networks of every cell, for the estimator ``data-range`` to find the
        range of their activities.
      snapshots: Epochs at which to measure.
      key: Seed of all random numbers, that of the sweep's key too.
      block: Networks trained together, see :func:`ibjax.sweep`.
      devices: Devices to use.
      description: More to keep in every dataset's ``configuration``.

    Returns:
      The cells, in the order of the grid.

    Raises:
      ValueError: If a field of the set-up is out of range.

    Example:
      >>> setup = SztSetup(activation=("tanh", "relu"), batch_size=(512, "full"))
      >>> cells = szt_cells(setup, num_seeds=2, snapshots=[0, 10])
      >>> [tuple(cell.place.values()) for cell in cells]
      [('tanh', '512'), ('tanh', 'full'), ('relu', '512'), ('relu', 'full')]
    """
    _check(setup)
    task = _szt(setup.sharpness)
    network_of = cache(_network)
    estimators_of = cache(partial(_probes, setup, task))
    axes = setup.axes
    cells = []
    for values in itertools.product(*map(setup.swept, _AXES)):
        chosen = dict(zip(_AXES, values, strict=True))
        place = {
            name: str(chosen[name]) if isinstance(labels[0], str) else chosen[name]
            for name, labels in axes.items()
        }
        config = _config(setup, chosen, task, key)
        training.num_train_rows(task, config)  # Refuses what cannot be trained.
        network = network_of(chosen["hidden"], chosen["activation"], setup.init)
        make_probes = partial(estimators_of, chosen["noise_variance"])
        if "data-range" in setup.estimators:
            find_range = partial(
                activity_range,
                jax.random.key(key),
                task,
                network,
                config,
                num_seeds=num_seeds,
                snapshots=snapshots,
                block=block,
                devices=devices,
            )
            make_probes = partial(_with_range, make_probes, find_range)
        own = {
            "hidden": list(_widths(chosen["hidden"])),
            "activation": chosen["activation"],
            "init": setup.init,
            "epochs": snapshots[-1],
            "sharpness": setup.sharpness,
            "num_bins": setup.num_bins,
            "bin_width": setup.bin_width,
            "noise_variance": chosen["noise_variance"],
        }
        cells.append(
            Cell(
                place,
                task,
                network,
                config,
                snapshots,
                make_probes,
                own | (description or {}),
            )
        )
    return cells


def activity_range(
    key: jax.Array,
    task: datasets.Task,
    network: networks.Network,
    config: training.TrainConfig,
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> tuple[float, float]:
    """Least and largest activity of a sweep's hidden layers, over all it goes through.

    The networks are trained once for it. Bins over this range are those of Saxe et
    al. (2018) for activities without limits.

    Args:
      key: Key of the sweep.
      task: What to learn.
      network: The network.
      config: How to train it.
      num_seeds: Number of networks.
      snapshots: Epochs to look at.
      block: See :func:`ibjax.sweep`.
      devices: See :func:`ibjax.sweep`.

    Returns:
      The least and the largest; networks that diverged are left out.

    Raises:
      ValueError: If all networks diverged, or the network has no hidden layer.

    Example:
      >>> network = networks.mlp([12, 3, 2], "relu")
      >>> low, high = activity_range(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     network,
      ...     training.TrainConfig(),
      ...     num_seeds=1,
      ...     snapshots=[0, 1],
      ... )
      >>> print(low, high > 1)
      0.0 True
    """
    if len(network.layer_names) < 2:
        raise ValueError(
            "network must have a hidden layer to have a range of, got none"
        )
    dataset = sweep(
        key,
        task,
        network,
        config,
        num_seeds=num_seeds,
        snapshots=snapshots,
        probes=[_extremes],
        block=block,
        devices=devices,
    )
    low = float(np.nanmin(np.where(dataset.diverged, np.nan, dataset.lowest.T)))
    high = float(np.nanmax(np.where(dataset.diverged, np.nan, dataset.highest.T)))
    if not low < high:
        raise ValueError(f"activities must not all be equal, got {low} to {high}")
    return low, high


def _extremes(snapshot: probes.Snapshot) -> dict[str, jax.Array]:
    hidden = snapshot.layers[:-1]
    return {
        "lowest": jnp.min(jnp.stack([jnp.min(t) for t in hidden])),
        "highest": jnp.max(jnp.stack([jnp.max(t) for t in hidden])),
    }


def _with_range(make_probes, find_range) -> tuple[Probe, ...]:
    edges = np.linspace(*find_range(), _RANGE_BINS + 1, dtype=np.float32)
    # A label that is the same in all cells of a grid, whatever their ranges.
    label = {"data_range": f"{_RANGE_BINS} bins over the range of activities"}
    probe = probes.bin_edges(edges, "data_range")._replace(labels=label)
    first, *others = make_probes()
    return first, probe, *others


def _check(setup: SztSetup) -> None:
    for field in dataclasses.fields(SztSetup):
        values = getattr(setup, field.name)
        name = field.name.replace("_", "-")
        if isinstance(values, tuple) and not values:
            raise ValueError(f"{name} must name at least one, got none")
        swept = setup.swept(field.name) if field.name in _AXES else ()
        if len(set(swept)) < len(swept):
            raise ValueError(f"{name} must name each value once, got {values}")
    if setup.num_bins < 2:
        raise ValueError(f"num-bins must be at least 2, got {setup.num_bins}")
    positive = [("bin-width", setup.bin_width)]
    positive += [("noise-variance", variance) for variance in setup.noise_variance]
    for name, value in positive:
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be one positive number, got {value}")


def _szt(sharpness: float | None) -> datasets.Task:
    if sharpness is None:
        return datasets.szt()
    return datasets.szt(sharpness, _SOFT_THRESHOLD)


def _widths(hidden: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in hidden.split("-"))
    except ValueError:
        raise ValueError(
            f"hidden must be numbers of units such as 10-7-5-4-3, got {hidden!r}"
        ) from None


def _network(hidden: str, activation: str, init: str) -> networks.Network:
    return networks.mlp((NUM_BITS, *_widths(hidden), 2), activation, init=init)


def _config(setup, chosen, task, key) -> training.TrainConfig:
    batch_size = None if chosen["batch_size"] == "full" else chosen["batch_size"]
    config = training.TrainConfig(
        learning_rate=chosen["learning_rate"],
        optimizer=chosen["optimizer"],
        train_fraction=chosen["train_fraction"],
        batch_size=None,
        split=setup.split,
        shuffle_seed=key,
    )
    num_rows = training.num_train_rows(task, config)
    if len(setup.train_fraction) > 1 and batch_size is not None:
        batch_size = batch_size if batch_size <= num_rows else None
    return dataclasses.replace(config, batch_size=batch_size)


def _probes(setup, task, noise_variance) -> tuple[Probe, ...]:
    edges = np.linspace(-1, 1, setup.num_bins, dtype=np.float32)
    makers = {
        "binning": lambda: probes.bin_edges(edges),
        "bin-width": lambda: probes.bin_width(setup.bin_width),
        "kde": lambda: probes.kde_bounds(noise_variance),
        "knn": lambda: probes.nearest_neighbours(noise_variance),
    }
    names = [name for name in setup.estimators if name != "data-range"]
    chosen = [makers[name]() for name in names]
    if "binning" in setup.estimators and not setup.axes:
        chosen.append(probes.optimality(task, edges=edges))
    return (*chosen, probes.gradients, probes.losses)
