"""Curvature of the loss over training, and what it leaves of the input in a layer."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax import weights
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.trainable import Variable

__all__ = ["curvature"]

# Its stream, apart from those of other probes.
_STREAM = 211


def curvature(
    num_samples: int = 50,
    *,
    hessian_samples: int = 500,
    prior_variance: float = 1.0,
    num_steps: int = 15,
) -> Probe:
    r"""Fisher log-determinant, sharpness, and effective information in the first layer.

    For n training samples and a Gaussian prior of variance :math:`\lambda^2`, all at
    :math:`\beta = 1`: the log-determinant :math:`\frac12 \log |I + n \lambda^2 F|`, the
    part of the information in the weights that curvature makes; the largest eigenvalue
    of the Hessian of the mean cross-entropy in training, whatever the objective; and
    the effective information about the input in the first layer, less the input's
    entropy, where weights carry independent noise of the precision :math:`n F_{ii} + 1
    / \lambda^2`, the least that the training data leave. There it is minus infinity
    with fewer units than inputs, and NaN of a network that is no chain of dense layers.

    Args:
      num_samples: Training rows for the log-determinant and the effective information,
        the first of the network's own order, which is random. Their gradients by all
        parameters are held twice, for every class.
      hessian_samples: Training rows for the Hessian and the diagonal of F, likewise; at
        most all.
      prior_variance: Variance of the prior.
      num_steps: Steps of the iteration for the eigenvalue.

    Returns:
      The probe of ``fisher_log_determinant``, ``sharpness`` and
      ``effective_information``, ``[]`` each, for networks on classes, which are taken
      without their noise and dropout.

    Raises:
      ValueError: If a number is not positive.

    References:
      Achille and Soatto, `Where is the information in a deep neural network?`, 2019.

    Example:
      >>> sorted(curvature().variables)
      ['effective_information', 'fisher_log_determinant', 'sharpness']
    """
    checks.count("num_samples", num_samples)
    checks.count("hessian_samples", hessian_samples)
    checks.count("num_steps", num_steps)
    checks.positive("prior_variance", prior_variance)

    def measure(snapshot: Snapshot) -> dict[str, Any]:
        network, params = snapshot.network, snapshot.params
        checks.one_of("the network's output", network.output, ["softmax"])
        rows = snapshot.rows[: snapshot.num_train]
        few = snapshot.task.batch(rows[:num_samples])
        more = snapshot.task.batch(rows[:hessian_samples])
        scale = snapshot.num_train * prior_variance
        trainable, state = network.split(params)

        def loss(trainable):
            logits = network.activations(network.merge(trainable, state), more.x)[-1]
            found = jax.nn.log_softmax(logits)
            labels = snapshot.task.labels[rows[:hessian_samples]]
            return -jnp.mean(jnp.take_along_axis(found, labels[:, None], axis=1))

        log_determinant = weights.fisher_log_determinant(
            params, few.x, network=network, scale=scale
        )
        top = weights.top_eigenvalues(
            jax.random.fold_in(snapshot.key, _STREAM),
            partial(weights.hvp, loss, trainable),
            trainable,
            num_values=1,
            num_steps=num_steps,
        )
        effective = jnp.full((), jnp.nan)
        if network.activate is not None:
            diagonal = weights.fisher_diagonal(params, more.x, network=network)
            effective = weights.effective_information(
                _precisions(params[0][0], diagonal[0], few.x, scale, prior_variance),
                input_entropy=0.0,
            )
        return {
            "fisher_log_determinant": log_determinant / 2,
            "sharpness": top.values[0],
            "effective_information": effective,
        }

    return Probe(
        measure,
        parameters={
            "curvature": [num_samples, hessian_samples, num_steps, prior_variance]
        },
        variables={
            "fisher_log_determinant": Variable(
                (), "nats", "half the log-determinant of I + n lambda^2 F"
            ),
            "sharpness": Variable(
                (), "1", "largest eigenvalue of the Hessian of the cross-entropy"
            ),
            "effective_information": Variable(
                (), "nats", "effective information in layer 1 less the input's entropy"
            ),
        },
    )


def _precisions(w, diagonal, x, scale, prior_variance):
    """Fisher information of every input in a dense layer with noisy weights.

    Every unit has weights of its own, so that its slope cancels: it scales what the
    input does to it and what the noise does alike.
    """
    w_variance, b_variance = (prior_variance / (1 + scale * leaf) for leaf in diagonal)

    # One plain product: in a loop beside others, batched ones can wait for ever on a
    # CPU of several devices (jaxlib 0.10).
    variance = x**2 @ w_variance.T + b_variance[None]
    return (w.T[None] / variance[:, None]) @ w
