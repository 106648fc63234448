"""Information in the weights over training."""

from typing import Any

import jax.numpy as jnp

from ibjax import weights
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.trainable import Variable

__all__ = ["fisher_trace", "weight_information"]


def fisher_trace(
    labels: str = "model", *, num_samples: int | None = None, batch_size: int = 64
) -> Probe:
    """Trace of the Fisher information of every layer's weights, and of all parameters.

    It is measured on training rows, without noise and dropout; of noisy weights, at
    their means. A sweep should record the training loss beside it: late in training the
    trace falls because the network grows certain, even if no decision changes.

    Args:
      labels: ``"model"`` for the Fisher information, with labels as the network would
        draw them; ``"data"`` for the empirical one, with those it is trained on, which
        vanishes as they are fitted.
      num_samples: Training rows to measure on, the first of the network's own order,
        which is random; None for all.
      batch_size: Samples whose gradients are held at once.

    Returns:
      The probe of ``fisher_trace``, ``[num_layers]``, and ``fisher_trace_total``,
      ``[]``; with labels of the data their names begin with ``empirical_``.

    Raises:
      ValueError: If ``labels`` is another name, or a number is not positive.

    References:
      Achille, Rovere and Soatto, `Critical learning periods in deep networks`, ICLR
      2019.

    Example:
      >>> sorted(fisher_trace().variables)
      ['fisher_trace', 'fisher_trace_total']
      >>> fisher_trace("data", num_samples=500).parameters
      {'fisher_trace': 'data', 'num_samples': 500}
    """
    checks.one_of("labels", labels, ["model", "data"])
    if num_samples is not None:
        checks.count("num_samples", num_samples, otherwise="None for all")
    checks.count("batch_size", batch_size)
    name = "fisher_trace" if labels == "model" else "empirical_fisher_trace"

    def measure(snapshot: Snapshot) -> dict[str, Any]:
        rows = snapshot.rows[: snapshot.num_train][:num_samples]
        batch = snapshot.task.batch(rows)
        found = weights.fisher_trace(
            snapshot.params,
            batch.x,
            network=snapshot.network,
            labels="model" if labels == "model" else _targets(batch),
            batch_size=batch_size,
        )
        return {name: found.layers, f"{name}_total": found.total}

    kind = "Fisher information" if labels == "model" else "empirical Fisher information"
    return Probe(
        measure,
        parameters={"fisher_trace": labels, "num_samples": num_samples},
        variables={
            name: Variable(("layer",), "nats", f"trace of the {kind} of weights"),
            f"{name}_total": Variable(
                (), "nats", f"trace of the {kind} of all parameters"
            ),
        },
    )


def weight_information(
    prior_variance: float | str | None = 1.0, *, prior_mean: str = "zero"
) -> Probe:
    """Information in every layer's weights, and in all, of a network with noisy ones.

    Args:
      prior_variance: Variance of the Gaussian prior; the name of a number that the
        sweep varies; or None for the best one of every array of weights.
      prior_mean: ``"zero"``, or ``"initial"`` for the weights at initialization, which
        ``weights.noisy_weights(..., keep_initial=True)`` keeps.

    Returns:
      The probe of ``layer_weight_information``, ``[num_layers]``, without biases, and
      ``total_weight_information``, ``[]``, with them.

    Raises:
      ValueError: If the variance is not positive or ``prior_mean`` is another name.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018.

    Example:
      >>> sorted(weight_information(0.1).variables)
      ['layer_weight_information', 'total_weight_information']
    """
    if isinstance(prior_variance, int | float):
        prior_variance = checks.positive("prior_variance", prior_variance)
    checks.one_of("prior_mean", prior_mean, ["zero", "initial"])

    def measure(snapshot: Snapshot) -> dict[str, Any]:
        network = snapshot.network
        posterior, state = network.split(snapshot.params)
        if not isinstance(posterior, weights.Posterior):
            raise TypeError(
                "network must be one of weights.noisy_weights with Gaussian noise, got "
                f"parameters of type {type(posterior).__name__}"
            )
        if prior_mean == "initial" and (state is None or state.initial is None):
            raise ValueError(
                "network must be one of noisy_weights(..., keep_initial=True) for "
                "prior_mean 'initial', got one that does not keep its weights"
            )
        variance: Any = prior_variance
        if isinstance(prior_variance, str):
            variance = snapshot.numbers[prior_variance]
        centre = state.initial if prior_mean == "initial" else None

        def kernels(tree):
            return network.kernels(network.merge(posterior._replace(mean=tree), state))

        def information(mean, log_std, centre):
            return weights.posterior.kl(
                weights.Posterior(mean, log_std),
                prior_variance=variance,
                prior_mean=0.0 if centre is None else centre,
            )

        # What finds the means of a layer's weights finds all else of them.
        means, logs = kernels(posterior.mean), kernels(posterior.log_std)
        centres = [None] * len(means) if centre is None else kernels(centre)
        return {
            "layer_weight_information": jnp.stack(
                [
                    information(*layer)
                    for layer in zip(means, logs, centres, strict=True)
                ]
            ),
            "total_weight_information": information(*posterior, centre),
        }

    return Probe(
        measure,
        parameters={"weight_information": prior_variance, "prior_mean": prior_mean},
        variables={
            "layer_weight_information": Variable(
                ("layer",), "nats", "information in the weights of the layer"
            ),
            "total_weight_information": Variable(
                (), "nats", "information in all the weights"
            ),
        },
        numbers=(prior_variance,) if isinstance(prior_variance, str) else (),
    )


def _targets(batch) -> jnp.ndarray:
    if batch.targets is None:
        raise ValueError("labels must be 'model' for a task without targets, got data")
    return batch.targets
