"""Train many deep linear students of noisy linear teachers, all informations exact.

Every seed draws its own teacher, training set and initial weights, and all seeds train
at once. At the snapshots the covariances give I(X;T) and I(T;Y) of every layer and the
error on new samples; nothing is estimated.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import lax

from ibjax.datasets.teacher_student import (
    LABEL_NOISE_VARIANCE,
    best_student,
    draw_problem,
    generalization_error,
    mean_squared_error,
)
from ibjax.estimators.linear_gaussian import input_information, layer_information
from ibjax.networks.deep_linear import init_weights, products
from ibjax.results.provenance import describe_devices, package_versions
from ibjax.sweeps.checkpoint import find_earlier, save_finished
from ibjax.sweeps.program import seed_key
from ibjax.sweeps.runs import Progress, check_snapshots, progress_after, run_snapshots
from ibjax.training.gradients import gradient_curves, streamed_statistics, weight_norms

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
    directory: str | Path | None = None,
    resume: bool = False,
    device: jax.Device | None = None,
    description: dict[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> xr.Dataset:
    """Train students and measure every layer at the snapshot epochs.

    All seeds train together on one device, which takes seconds.

    Args:
      key: Typed key; seed n is that of :func:`ibjax.sweep`, ``seed_key(key, n)``.
      config: What to train.
      num_seeds: Number of students.
      snapshots: Increasing numbers of epochs after which to measure; 0 is the student
        before any step, the last one ends the training.
      noise_variances: Variances of the noise of T, which is not in the network.
      directory: Where to save, as :func:`ibjax.sweep` does; nothing by default.
      resume: Whether to go on with an unfinished run of the same configuration found
        in ``directory`` (and to return a finished one as it is).
      device: Where to train; JAX's default one by default.
      description: More to keep in the dataset's ``configuration``.
      on_progress: Called with a :class:`ibjax.sweeps.runs.Progress` after every step.

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
    snapshots = check_snapshots(snapshots)
    noise_variances = tuple(float(variance) for variance in noise_variances)
    in_range = all(0 < variance < math.inf for variance in noise_variances)
    names = {estimator_name(variance) for variance in noise_variances}
    if not in_range or not 0 < len(names) == len(noise_variances):
        raise ValueError(
            "noise_variances must be different positive numbers, to six digits, got "
            f"{list(noise_variances)}"
        )
    configuration = _configuration(
        key, config, num_seeds, snapshots, noise_variances, description
    )
    directory = None if directory is None else Path(directory)
    done = find_earlier(directory, configuration, resume)
    if isinstance(done, xr.Dataset):
        return done

    device = jax.devices()[0] if device is None else device
    with jax.default_device(device):
        keys = jax.vmap(partial(seed_key, key))(jnp.arange(num_seeds))
        problems, weights, batch_keys = _start(keys, config)

        def prepare(leaves):
            start = weights
            if leaves is not None:
                start = jax.tree.unflatten(jax.tree.structure(weights), leaves)
            arguments = start, problems, batch_keys, 0, 0, config
            compiled = _advance.lower(*arguments, noise_variances).compile()

            def advance(weights, first, last, is_last):
                del is_last
                return compiled(weights, problems, batch_keys, first, last)

            return start, advance

        run = run_snapshots(
            prepare,
            snapshots,
            to_rows=jax.device_get,
            done=done,
            directory=directory,
            configuration=configuration,
            on_progress=on_progress,
        )
        constants = jax.device_get(_constants(run.states, problems))
    dataset = _to_dataset(run.records, constants, config, snapshots, noise_variances)
    dataset.attrs |= {
        "title": f"ibjax sweep of {num_seeds} deep linear students",
        "configuration": json.dumps(configuration),
        "versions": json.dumps(package_versions()),
        "devices": describe_devices([device]),
        "wall_seconds": run.wall_seconds,
        "compile_seconds": run.compile_seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if directory is not None:
        save_finished(directory, dataset)
    if on_progress is not None:
        on_progress(progress_after(len(snapshots), snapshots, "done"))
    return dataset


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


@partial(jax.jit, static_argnames=("config", "noise_variances"))
def _advance(weights, problems, keys, first, last, config, noise_variances):
    """All seeds from one snapshot to the next, and what is measured there."""

    def one(weights, problem, key):
        def one_epoch(epoch, weights):
            key_epoch = jax.random.fold_in(key, epoch)
            return _run_epoch(key_epoch, weights, problem, config)

        weights = lax.fori_loop(first, last, one_epoch, weights)
        return weights, _measure(weights, problem, config, noise_variances)

    return jax.vmap(one)(weights, problems, keys)


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
    }
    if config.batch_size is None:
        measured["weight_norm"] = weight_norms(weights)
    else:
        rows = jnp.arange(config.num_samples).reshape(-1, config.batch_size)
        statistics = streamed_statistics(
            lambda batch: _gradient(weights, problem.x[batch], problem.y[batch]), rows
        )
        measured |= gradient_curves(statistics, weights)

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
    "gradient_mean": ("norm of the mean minibatch gradient", "1"),
    "gradient_std": ("norm of the standard deviation of minibatch gradients", "1"),
    "gradient_snr": ("gradient signal-to-noise ratio", "1"),
    "gradient_mean_normalized": ("gradient mean over weight norm", "1"),
    "gradient_std_normalized": ("gradient standard deviation over weight norm", "1"),
    "weight_norm": ("norm of the weights", "1"),
    "diverged": ("weights not finite at the end", "1"),
}


def _to_dataset(records, constants, config, snapshots, noise_variances) -> xr.Dataset:
    dims = ("seed", "epoch", "layer", "estimator")
    variables = {}
    for name in records[0]:
        curves = np.stack([record[name] for record in records], axis=1)
        variables[name] = (dims[: curves.ndim], curves)
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
    return dataset


def _configuration(
    key, config, num_seeds, snapshots, noise_variances, description
) -> dict[str, Any]:
    """All that decides the numbers, as JSON would return it."""
    configuration = {
        **(description or {}),
        **dataclasses.asdict(config),
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "snapshots": list(snapshots),
        "noise_variances": list(noise_variances),
        "num_seeds": num_seeds,
        "first_seed": 0,
    }
    return json.loads(json.dumps(configuration))
