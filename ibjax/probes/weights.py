"""Information in the weights over training."""

from typing import Any

import jax.numpy as jnp

from ibjax import weights
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.trainable import Variable

__all__ = ["fisher_trace"]


def fisher_trace(
    labels: str = "model", *, num_samples: int | None = None, batch_size: int = 64
) -> Probe:
    """Trace of the Fisher information of every layer's weights, and of all parameters.

    It is measured on training rows, without noise and dropout; of noisy weights, at
    their means. Beside it a sweep should record the training loss: late in training the
    trace falls for no other reason than that the network grows certain.

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


def _targets(batch) -> jnp.ndarray:
    if batch.targets is None:
        raise ValueError("labels must be 'model' for a task without targets, got data")
    return batch.targets
