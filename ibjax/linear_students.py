"""Train many deep linear students of noisy linear teachers, all informations exact.

Every seed draws its own teacher, training set and initial weights, and all seeds train
at once. At the snapshots the covariances give I(X;T) and I(T;Y) of every layer and the
error on new samples; nothing is estimated.
"""

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import lax

from ibjax.assembly import describe_devices, package_versions
from ibjax.datasets.teacher_student import (
    LABEL_NOISE_VARIANCE,
    best_student,
    draw_problem,
    generalization_error,
    mean_squared_error,
)
from ibjax.estimators.linear_gaussian import input_information, layer_information
from ibjax.gradients import streamed_statistics
from ibjax.networks.deep_linear import init_weights, products
from ibjax.program import seed_key

__all__ = ["StudentConfig", "estimator_name", "train_students"]


@dataclasses.dataclass(frozen=True)
class StudentConfig:
    """A problem, a student and how it is trained.

    Attributes:
      hidden: Units of every hidden layer; none for a shallow student.
      num_samples: Number of training samples.
      num_inputs: Number of inputs.
      num_outputs: Number of outputs.
      num_relevant: How many inputs the teacher looks at; None for all.
      snr: Variance of the teacher's weights over that of the labels' noise, which is 1.
      batch_size: Samples of a batch, which must divide their number; None for all.
      learning_rate: Step size of gradient descent on the mean squared error.
      init_scale: See :func:`ibjax.networks.deep_linear.init_weights`.
    """

    hidden: tuple[int, ...] = (100,)
    num_samples: int = 100
    num_inputs: int = 100
    num_outputs: int = 1
    num_relevant: int | None = None
    snr: float = 1.0
    batch_size: int | None = None
    learning_rate: float = 0.15
    init_scale: float = 0.1

    def __post_init__(self):
        """Refuse what cannot be trained."""
        batch_size = self.batch_size
        if batch_size is not None and (batch_size < 1 or self.num_samples % batch_size):
            raise ValueError(
                f"batch_size must divide num_samples, {self.num_samples}, got "
                f"{batch_size}"
            )
        for name in ("learning_rate", "init_scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} must be one positive number, got {getattr(self, name)}"
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of every layer, the inputs first."""
        return (self.num_inputs, *self.hidden, self.num_outputs)


def train_students(
    key: jax.Array,
    config: StudentConfig,
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    noise_variances: Sequence[float] = (1.0,),
) -> xr.Dataset:
    """Train students and measure every layer at the snapshot epochs.

    Args:
      key: Typed key; seed n is that of :func:`ibjax.sweep`, ``seed_key(key, n)``.
      config: What to train.
      num_seeds: Number of students.
      snapshots: Increasing numbers of epochs after which to measure; 0 is the student
        before any step, the last one ends the training.
      noise_variances: Variances of the noise of T, which is not in the network.

    Returns:
      Dataset over ``seed``, ``epoch``, ``layer`` and ``estimator``, one per noise
      variance (see :func:`estimator_name`). ``i_xt`` and ``i_ty`` are in nats, and so
      are ``i_relevant`` and ``i_irrelevant``, I(X_b;T) of the inputs that the teacher
      looks at and of the others, if there are others. ``train_loss`` and ``test_loss``
      are mean squared errors, the second exactly; over seeds alone ``best_loss`` is
      that of :func:`ibjax.datasets.teacher_student.best_student` and ``null_loss`` that
      of zero weights. With minibatches there is ``gradient_snr``, over those of one
      epoch. ``diverged`` marks weights that are not finite.

    Raises:
      ValueError: If an argument is out of range.

    Example:
      >>> dataset = train_students(
      ...     jax.random.key(0),
      ...     StudentConfig(hidden=(4,), num_samples=20, num_inputs=8),
      ...     num_seeds=2,
      ...     snapshots=[0, 10],
      ... )
      >>> dict(dataset.i_xt.sizes)
      {'seed': 2, 'epoch': 2, 'layer': 2, 'estimator': 1}
    """
    if num_seeds < 1:
        raise ValueError(f"num_seeds must be at least 1, got {num_seeds}")
    snapshots = tuple(int(epoch) for epoch in snapshots)
    if not snapshots or snapshots[0] < 0 or np.any(np.diff(snapshots) <= 0):
        raise ValueError(
            f"snapshots must be increasing epochs from 0 on, got {list(snapshots)}"
        )
    noise_variances = tuple(float(variance) for variance in noise_variances)
    if not noise_variances or min(noise_variances) <= 0:
        raise ValueError(
            f"noise_variances must be positive, got {list(noise_variances)}"
        )
    started = time.perf_counter()
    keys = jax.vmap(partial(seed_key, key))(jnp.arange(num_seeds))
    problems, weights, batch_keys = _start(keys, config)
    records = []
    for first, last in zip((0, *snapshots), snapshots, strict=False):
        weights = _advance(weights, problems, batch_keys, first, last, config)
        measured = _measure_all(weights, problems, config, noise_variances)
        records.append(jax.device_get(measured))
    curves = {name: np.stack([r[name] for r in records], 1) for name in records[0]}
    constants = jax.device_get(_constants(weights, problems))
    seconds = time.perf_counter() - started
    return _to_dataset(curves, constants, config, snapshots, noise_variances, seconds)


def estimator_name(noise_variance: float) -> str:
    """Name of the exact information under noise of this variance.

    Args:
      noise_variance: The variance.

    Returns:
      Its name along the dim ``estimator``.

    Example:
      >>> estimator_name(0.01)
      'noise_0.01'
    """
    return f"noise_{noise_variance:g}"


@partial(jax.jit, static_argnames="config")
def _start(keys, config):
    """Problem, initial weights and key of the batches of every seed."""

    def one(key):
        key_problem, key_init, key_batches = jax.random.split(key, 3)
        problem = draw_problem(
            key_problem,
            num_samples=config.num_samples,
            num_inputs=config.num_inputs,
            num_outputs=config.num_outputs,
            num_relevant=config.num_relevant,
            snr=config.snr,
        )
        weights = init_weights(key_init, config.widths, scale=config.init_scale)
        return problem, weights, key_batches

    return jax.vmap(one)(keys)


@partial(jax.jit, static_argnames="config")
def _advance(weights, problems, keys, first, last, config):
    """All seeds from one snapshot to the next."""

    def one(weights, problem, key):
        def one_epoch(epoch, weights):
            key_epoch = jax.random.fold_in(key, epoch)
            return _run_epoch(key_epoch, weights, problem, config)

        return lax.fori_loop(first, last, one_epoch, weights)

    return jax.vmap(one)(weights, problems, keys)


@partial(jax.jit, static_argnames=("config", "noise_variances"))
def _measure_all(weights, problems, config, noise_variances):
    def one(weights, problem):
        return _measure(weights, problem, config, noise_variances)

    return jax.vmap(one)(weights, problems)


@jax.jit
def _constants(weights, problems):
    def one(weights, problem):
        nothing = jnp.zeros_like(problem.teacher)
        return {
            "best_loss": generalization_error(problem, best_student(problem)),
            "null_loss": generalization_error(problem, nothing),
            "diverged": ~jnp.all(jnp.isfinite(products(weights)[-1])),
        }

    return jax.vmap(one)(weights, problems)


def _run_epoch(key, weights, problem, config):
    def step(weights, rows):
        gradient = _gradient(weights, problem.x[rows], problem.y[rows])
        return jax.tree.map(
            lambda w, g: w - config.learning_rate * g, weights, gradient
        ), None

    rows = jnp.arange(config.num_samples)
    if config.batch_size is None:
        return step(weights, rows)[0]
    rows = jax.random.permutation(key, rows)
    return lax.scan(step, weights, rows.reshape(-1, config.batch_size))[0]


def _gradient(weights, x, y):
    def loss(weights):
        # From the few outputs on: no product of large matrices, forward or backward.
        total = weights[-1]
        for w in weights[-2::-1]:
            total = total @ w
        return mean_squared_error(x, y, total)

    return jax.grad(loss)(weights)


def _measure(weights, problem, config, noise_variances) -> dict[str, Any]:
    totals = products(weights)
    measured = {
        "train_loss": mean_squared_error(problem.x, problem.y, totals[-1]),
        "test_loss": generalization_error(problem, totals[-1]),
        "weight_norm": jnp.stack([jnp.sqrt(jnp.sum(w**2)) for w in weights]),
    }
    if config.batch_size is not None:
        rows = jnp.arange(config.num_samples).reshape(-1, config.batch_size)
        statistics = streamed_statistics(
            lambda batch: _gradient(weights, problem.x[batch], problem.y[batch]), rows
        )
        measured["gradient_snr"] = jnp.stack([layer.snr for layer in statistics])

    def of_layers(measure):
        layers = [[measure(w, noise) for noise in noise_variances] for w in totals]
        return jnp.stack([jnp.stack(layer) for layer in layers])

    def on_plane(w, noise):
        return jnp.stack(
            layer_information(
                w,
                problem.cov_x,
                problem.teacher,
                label_noise_variance=LABEL_NOISE_VARIANCE,
                noise_variance=noise,
            )
        )

    measured["i_xt"], measured["i_ty"] = jnp.moveaxis(of_layers(on_plane), 2, 0)
    if config.num_relevant is not None:
        for name, inputs in (
            ("i_relevant", problem.relevant),
            ("i_irrelevant", ~problem.relevant),
        ):
            measured[name] = of_layers(
                lambda w, noise, inputs=inputs: input_information(
                    w, problem.cov_x, inputs, noise_variance=noise
                )
            )
    return measured


_DESCRIPTIONS = {
    "i_xt": ("I(X;T)", "nats"),
    "i_ty": ("I(T;Y)", "nats"),
    "i_relevant": ("I(X;T) of the relevant inputs", "nats"),
    "i_irrelevant": ("I(X;T) of the irrelevant inputs", "nats"),
    "train_loss": ("mean squared error on training samples", "1"),
    "test_loss": ("mean squared error on new samples", "1"),
    "best_loss": ("mean squared error of the best student", "1"),
    "null_loss": ("mean squared error of zero weights", "1"),
    "gradient_snr": ("gradient signal-to-noise ratio", "1"),
    "weight_norm": ("norm of the weights", "1"),
    "diverged": ("weights not finite at the end", "1"),
}


def _to_dataset(
    curves, constants, config, snapshots, noise_variances, seconds
) -> xr.Dataset:
    dims = ("seed", "epoch", "layer", "estimator")
    variables = {name: (dims[: v.ndim], v) for name, v in curves.items()}
    variables |= {name: ("seed", v) for name, v in constants.items()}
    names = [f"linear {width}" for width in config.hidden]
    names.append(f"output {config.num_outputs}")
    dataset = xr.Dataset(
        variables,
        coords={
            "seed": np.arange(len(constants["diverged"])),
            "epoch": np.asarray(snapshots),
            "layer": np.arange(1, len(names) + 1),
            "layer_name": ("layer", names),
            "layer_width": ("layer", list(config.widths[1:])),
            "estimator": [estimator_name(noise) for noise in noise_variances],
            "estimator_label": (
                "estimator",
                [f"exact, noise variance {noise:g}" for noise in noise_variances],
            ),
        },
    )
    for name in dataset.data_vars:
        long_name, units = _DESCRIPTIONS[name]
        dataset[name].attrs |= {"long_name": long_name, "units": units}
    configuration = {
        **dataclasses.asdict(config),
        "snapshots": list(snapshots),
        "noise_variances": list(noise_variances),
        "num_seeds": dataset.sizes["seed"],
        "first_seed": 0,
    }
    dataset.attrs |= {
        "title": f"ibjax sweep of {dataset.sizes['seed']} deep linear students",
        "configuration": json.dumps(configuration),
        "versions": json.dumps(package_versions()),
        "devices": describe_devices(jax.devices()[:1]),
        "wall_seconds": seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return dataset
