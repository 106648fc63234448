"""Deep linear students of noisy linear teachers, all informations exact.

Every seed draws its own teacher, training set and initial weights. At the snapshots the
covariances give I(X;T) and I(T;Y) of every layer and the error on new samples; nothing
is estimated.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ibjax.datasets.teacher_student import (
    LABEL_NOISE_VARIANCE,
    best_student,
    draw_problem,
    generalization_error,
    mean_squared_error,
)
from ibjax.estimators.linear_gaussian import input_information, layer_information
from ibjax.networks.deep_linear import init_weights, products
from ibjax.networks.network import Layer
from ibjax.numerics import checks, descent
from ibjax.training.gradients import (
    gradient_curves,
    streamed_statistics,
    weight_norms,
)
from ibjax.training.trainable import Trainable, Variable

__all__ = ["StudentConfig", "estimator_name", "student"]


_BY_LAYER, _BY_ESTIMATOR = ("layer",), ("layer", "estimator")
_VARIABLES = {
    "i_xt": Variable(_BY_ESTIMATOR, "nats", "I(X;T)"),
    "i_ty": Variable(_BY_ESTIMATOR, "nats", "I(T;Y)"),
    "i_relevant": Variable(_BY_ESTIMATOR, "nats", "I(X;T) of the relevant inputs"),
    "i_irrelevant": Variable(_BY_ESTIMATOR, "nats", "I(X;T) of the irrelevant inputs"),
    "train_loss": Variable((), "1", "mean squared error on training samples"),
    "test_loss": Variable((), "1", "mean squared error on new samples"),
    "best_loss": Variable((), "1", "mean squared error of the best student", True),
    "null_loss": Variable((), "1", "mean squared error of zero weights", True),
    "gradient_mean": Variable(_BY_LAYER, "1", "norm of the mean minibatch gradient"),
    "gradient_std": Variable(
        _BY_LAYER, "1", "norm of the standard deviation of minibatch gradients"
    ),
    "gradient_snr": Variable(_BY_LAYER, "1", "gradient signal-to-noise ratio"),
    "gradient_mean_normalized": Variable(
        _BY_LAYER, "1", "gradient mean over weight norm"
    ),
    "gradient_std_normalized": Variable(
        _BY_LAYER, "1", "gradient standard deviation over weight norm"
    ),
    "weight_norm": Variable(_BY_LAYER, "1", "norm of the weights"),
}


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
        """Check every field."""
        batch_size = self.batch_size
        if batch_size is not None and (batch_size < 1 or self.num_samples % batch_size):
            raise ValueError(
                f"batch_size must divide num_samples, {self.num_samples}, got "
                f"{batch_size}"
            )
        for name in ("learning_rate", "init_scale"):
            checks.positive(name, getattr(self, name))

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of every layer, the inputs first."""
        return (self.num_inputs, *self.hidden, self.num_outputs)


def student(
    config: StudentConfig,
    *,
    noise_variances: Sequence[float] = (1.0,),
    description: dict[str, Any] | None = None,
) -> Trainable:
    """Deep linear students, for :func:`ibjax.sweeps.sweep_trainable`.

    A sweep of them has the dims of other sweeps, one estimator per noise variance (see
    :func:`estimator_name`). ``i_xt`` and ``i_ty`` are in nats, and so are
    ``i_relevant`` and ``i_irrelevant``, I(X_b;T) of the inputs that the teacher looks
    at and of the others, if there are others. ``train_loss`` and ``test_loss`` are mean
    squared errors, the second exactly; over seeds alone ``best_loss`` is that of
    :func:`ibjax.datasets.teacher_student.best_student` and ``null_loss`` that of zero
    weights. With minibatches there are gradient statistics over those of one epoch.

    Args:
      config: What to train.
      noise_variances: Variances of the noise of T, which is not in the network.
      description: More to keep in the dataset's ``configuration``.

    Returns:
      The students.

    Raises:
      ValueError: If the variances are not different positive numbers.

    Example:
      >>> from ibjax.sweeps import sweep_trainable
      >>> config = StudentConfig(hidden=(4,), num_samples=20, num_inputs=8)
      >>> dataset = sweep_trainable(
      ...     jax.random.key(0), student(config), num_seeds=2, snapshots=[0, 10]
      ... )
      >>> dict(dataset.i_xt.sizes)
      {'seed': 2, 'epoch': 2, 'layer': 2, 'estimator': 1}
    """
    noise_variances = tuple(float(variance) for variance in noise_variances)
    in_range = all(0 < variance < math.inf for variance in noise_variances)
    names = {estimator_name(variance) for variance in noise_variances}
    if not in_range or not 0 < len(names) == len(noise_variances):
        raise ValueError(
            "noise_variances must be different positive numbers, to six digits, got "
            f"{list(noise_variances)}"
        )

    def init(key, rate, numbers):
        rate = numbers.get("learning_rate", rate)
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
        state = descent.init(weights, optax.sgd(rate))
        return state, (problem, key_batches, rate)

    def run_epoch(state, own, data, drawn, epoch):
        problem, key, rate = own
        key = jax.random.fold_in(key, epoch)
        return _run_epoch(key, state, problem, config, optax.sgd(rate))

    def measure(state, own, data, drawn, epoch, is_last):
        return _measure(state.params, own[0], config, noise_variances)

    names = [f"linear {width}" for width in config.hidden]
    names.append(f"output {config.num_outputs}")
    return Trainable(
        init=init,
        run_epoch=run_epoch,
        measure=measure,
        data=jnp.float32(config.learning_rate),
        params=lambda state: products(state.params)[-1],
        layers=tuple(
            Layer(name, (width,))
            for name, width in zip(names, config.widths[1:], strict=True)
        ),
        variables=_VARIABLES,
        estimators={
            estimator_name(noise): f"exact, noise variance {noise:g}"
            for noise in noise_variances
        },
        configuration={
            **(description or {}),
            **dataclasses.asdict(config),
            "noise_variances": list(noise_variances),
        },
        title="ibjax sweep of {num} deep linear students",
        numbers=("learning_rate",),
    )


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


def _run_epoch(key, state, problem, config, optimizer) -> descent.DescentState:
    def loss(weights, memory, rows):
        value = _loss(weights, problem.x[rows], problem.y[rows])
        return value, (memory, None)

    rows = jnp.arange(config.num_samples)
    if config.batch_size is None:
        return descent.step(loss, state, rows, optimizer)[0]
    rows = jax.random.permutation(key, rows).reshape(-1, config.batch_size)
    return descent.descend(loss, state, rows, optimizer)[0]


def _loss(weights, x, y) -> jax.Array:
    # From the few outputs on: no product of large matrices, forward or backward.
    total = weights[-1]
    for w in weights[-2::-1]:
        total = total @ w
    return mean_squared_error(x, y, total)


def _measure(weights, problem, config, noise_variances) -> dict[str, Any]:
    totals = products(weights)
    measured = {
        "train_loss": mean_squared_error(problem.x, problem.y, totals[-1]),
        "test_loss": generalization_error(problem, totals[-1]),
        "best_loss": generalization_error(problem, best_student(problem)),
        "null_loss": generalization_error(problem, jnp.zeros_like(problem.teacher)),
    }
    if config.batch_size is None:
        measured["weight_norm"] = weight_norms(weights)
    else:
        rows = jnp.arange(config.num_samples).reshape(-1, config.batch_size)
        statistics = streamed_statistics(
            lambda rows: jax.grad(_loss)(weights, problem.x[rows], problem.y[rows]),
            rows,
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
