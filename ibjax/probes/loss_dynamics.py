r"""Change of the loss in a step, measured and as the gradient predicts it.

A step of gradient descent, :math:`\theta - \alpha g` with :math:`g = \nabla L`, changes
the loss by

.. math:: \Delta L = -\alpha |g|^2 + \tfrac{\alpha^2}{2} g^T H g + O(\alpha^3) .

To first order every parameter takes part by the square of its own derivative, and so do
layers: :math:`G^l = G^{l-1} - \alpha (|\partial L / \partial W^l|^2 + |\partial L /
\partial b^l|^2)` with :math:`G^0 = 0` and :math:`G^L = \Delta L`. With minibatches a
step changes the whole loss by :math:`-\alpha \langle g, g_b \rangle`, and the mean over
the batches of an epoch is again :math:`-\alpha |g|^2`, exactly, if a short batch counts
by its size. The second order is another matter: where batches disagree, g_b is much
larger than g, and with it the curvature term.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax import training
from ibjax.compilation import full_precision
from ibjax.networks.network import Params
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.objectives import cross_entropy, evaluate
from ibjax.training.trainable import LOSS_UNITS, Variable

__all__ = ["SMALL_STEP", "LossChange", "loss_change", "loss_dynamics"]

SMALL_STEP = 0.1
"""Part of the training's step that the probe also takes, to come nearer the limit.

Steps much smaller drown in the rounding of the parameters."""

# Its stream, apart from those of other probes.
_DRAWS = 212

_VARIABLES = {
    "loss_change": Variable((), LOSS_UNITS, "change of the loss by the next step"),
    "loss_change_first_order": Variable((), LOSS_UNITS, "-learning rate |gradient|^2"),
    "loss_change_second_order": Variable(
        (), LOSS_UNITS, "curvature's part of the change"
    ),
    "batch_alignment": Variable((), "1", "mean of <g, g_b> over |g|^2"),
    "small_step_ratio": Variable((), "1", "change over its first order, small steps"),
    "loss_change_by_layer": Variable(("layer",), LOSS_UNITS, "first order by layer"),
}


class LossChange(NamedTuple):
    r"""Change of the loss by one step, and its prediction from the gradient.

    Attributes:
      measured: The loss after the step less that before, shape ``[]``; with batches
        the mean over them.
      first_order: :math:`-\alpha |g|^2`, shape ``[]``.
      second_order: :math:`\alpha^2 / 2` times the curvature along the step, shape
        ``[]``.
      alignment: Mean over batches of :math:`\langle g, g_b \rangle` over
        :math:`|g|^2`, shape ``[]``; one up to rounding.
      gradient: The gradient of the whole loss, as the parameters.
    """

    measured: jax.Array
    first_order: jax.Array
    second_order: jax.Array
    alignment: jax.Array
    gradient: Params


@full_precision
def loss_change(
    losses: Callable[[Params], jax.Array],
    params: Params,
    learning_rate: ArrayLike,
    batches: ArrayLike | None = None,
) -> LossChange:
    """Change of the mean loss by one step of gradient descent.

    The change is a mean over samples of the change of each one's loss, so that steps
    are resolved that are small against the rounding of the loss itself.

    Args:
      losses: From parameters to the loss of every sample, shape ``[num_samples]``.
      params: Parameters, a pytree.
      learning_rate: Step size, shape ``[]``.
      batches: Samples of each batch, integers of shape ``[num_batches, batch_size]``;
        -1 fills up a short batch. Together they are every sample once. None for one
        batch of all.

    Returns:
      The change, measured and predicted.

    Raises:
      ValueError: If ``losses`` does not give one number per sample, or ``batches`` is
        not of rank 2.

    Example:
      >>> change = loss_change(lambda w: w * jnp.ones(4) ** 2, jnp.array(3.0), 0.1)
      >>> print(f"{change.measured:.3f} {change.first_order:.3f}")
      -0.100 -0.100
    """
    before = losses(params)
    checks.shape("losses(params)", before, ("num_samples",))
    if batches is None:
        batches = jnp.arange(len(before), dtype=jnp.int32)[None]
    batches = checks.shape(
        "batches", jnp.asarray(batches), ("num_batches", "batch_size")
    )

    def mean_loss(params, weights):
        return jnp.sum(losses(params) * weights) / jnp.sum(weights)

    every = jnp.ones_like(before)
    whole = jax.grad(mean_loss)(params, every)

    def one_batch(places):
        # Added, not set: -1, which fills up a batch, names the last sample too.
        inside = places >= 0
        weights = jnp.zeros_like(before).at[places].add(inside.astype(before.dtype))
        step = jax.tree.map(
            lambda g: -learning_rate * g, jax.grad(mean_loss)(params, weights)
        )
        after = losses(jax.tree.map(jnp.add, params, step))
        # The Hessian times the step, by two gradients and without the Hessian.
        along = jax.grad(lambda p: _inner(jax.grad(mean_loss)(p, every), step))(params)
        changes = jnp.mean(after - before), _inner(whole, step), _inner(along, step) / 2
        return jnp.sum(inside), jnp.stack(changes)

    sizes, changes = lax.map(one_batch, batches)
    shares = (sizes / jnp.sum(sizes)).astype(before.dtype)
    measured, linear, second_order = jnp.sum(shares[:, None] * changes, axis=0)
    first_order = -(learning_rate * _inner(whole, whole))
    return LossChange(measured, first_order, second_order, linear / first_order, whole)


def loss_dynamics(config: training.TrainConfig) -> Probe:
    """Change of what training lowers by the next steps, measured and predicted.

    In a sweep it gives ``loss_change``, ``loss_change_first_order`` and
    ``loss_change_second_order`` of one step in the units of the sweep's objective (nats
    for the cross-entropy), the mean over an epoch's batches as if each was the next;
    ``batch_alignment``; ``loss_change_by_layer``, what every layer's weights and biases
    contribute to first order; and ``small_step_ratio``, the measured change over that
    of the first order for :data:`SMALL_STEP` of the step, from the same parameters.

    Args:
      config: How the network is trained, by plain gradient descent. The network's
        parameters must be a sequence with one entry per layer, and its rows must not
        see each other. What is random, such as its noise, is drawn once for every row.

    Returns:
      The probe.

    Raises:
      ValueError: If the optimizer is another one or, before the sweep, the objective is
        no mean over rows, as far as it says (``weighs``).

    References:
      Shwartz-Ziv and Tishby, 2017, on drift and diffusion, follow the gradient's mean;
      this is its square.

    Example:
      >>> import ibjax
      >>> network = ibjax.networks.mlp([12, 3, 2])
      >>> config = ibjax.TrainConfig(optimizer="sgd", learning_rate=0.01)
      >>> dataset = ibjax.sweep(
      ...     jax.random.key(0),
      ...     ibjax.datasets.szt(),
      ...     network,
      ...     config,
      ...     num_seeds=1,
      ...     snapshots=[0],
      ...     probes=[loss_dynamics(config)],
      ... )
      >>> ratio = dataset.loss_change / dataset.loss_change_first_order
      >>> bool(abs(ratio - 1) < 0.02)
      True
    """
    checks.one_of("the config's optimizer", config.optimizer, ["sgd"])

    def measure(snapshot: Snapshot) -> dict[str, Any]:
        task, network = snapshot.task, snapshot.network
        checks.one_of("the optimizer", snapshot.config.optimizer, ["sgd"])
        # The snapshot's own rate, which may be one of several that are varied.
        rate = snapshot.config.learning_rate
        if len(snapshot.params) != len(network.layer_names):
            raise ValueError(
                "network must keep its parameters as one entry per layer, "
                f"{len(network.layer_names)}, got {len(snapshot.params)}"
            )
        losses = _losses_of_rows(snapshot)
        # Those of one epoch at all snapshots, which then differ by the network alone.
        batches = training.epoch_batches(jnp.int32(0), task, snapshot.config)
        change = loss_change(losses, snapshot.params, rate, batches)
        small = loss_change(losses, snapshot.params, SMALL_STEP * rate, batches)
        squares = jnp.stack([_inner(layer, layer) for layer in change.gradient])
        return {
            "loss_change": change.measured,
            "loss_change_first_order": change.first_order,
            "loss_change_second_order": change.second_order,
            "batch_alignment": change.alignment,
            "small_step_ratio": small.measured / small.first_order,
            "loss_change_by_layer": -rate * squares,
        }

    return Probe(measure, variables=_VARIABLES, name="loss_dynamics")


def _losses_of_rows(snapshot: Snapshot) -> Callable[[Params], jax.Array]:
    """From parameters to the objective of every training row alone."""
    network, objective = snapshot.network, snapshot.objective
    if not objective.weighs or network.state is not None:
        what = objective.name if network.state is None else "statistics of batches"
        raise ValueError(
            "objective must be a mean over rows, each by itself, for loss_dynamics "
            f"(one of your own says so: objectives.objective(..., weighs=True)), got "
            f"{what}"
        )
    batch = snapshot.task.batch(snapshot.rows[: snapshot.num_train])
    key = jax.random.fold_in(snapshot.key, _DRAWS)
    if objective == cross_entropy():
        # Through the network all rows at once, which takes a third of the time.
        one = jnp.ones(1, batch.x.dtype)

        def cross_entropies(params):
            logits = network.activations(params, batch.x, key=key, training=True)[-1]
            return jax.vmap(
                lambda logit, target: training.mean_loss(logit[None], target[None], one)
            )(logits, batch.targets)

        return cross_entropies
    keys = jax.random.split(key, len(batch.x))
    numbers = snapshot.numbers | {"epoch": snapshot.epoch}

    def losses(params):
        def one_row(key, row):
            alone = jax.tree.map(lambda leaf: leaf[None], row)
            return evaluate(objective, params, alone, key, network, numbers)[0]

        return jax.vmap(one_row)(keys, batch)

    return losses


def _inner(a: Params, b: Params) -> jax.Array:
    """Sum over all parameters of the products."""
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    return jnp.asarray(sum(jax.tree.leaves(products)))
