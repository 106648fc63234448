"""Errors of networks whose weights are drawn."""

from typing import Any

import jax

from ibjax import weights
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.trainable import Variable

__all__ = ["gibbs_errors"]

# Its streams, apart from those of other probes.
_TRAIN, _TEST = 201, 202


def gibbs_errors(network: Network, *, num_draws: int = 100) -> Probe:
    """Share of wrong classes at the last snapshot, with weights drawn for all rows.

    A bound on the risk of a stochastic classifier is about this error, of training rows
    and of test rows. It is an estimate from draws, which a certificate pays for, see
    ``ibjax.weights.pac_bayes.certificate``.

    Args:
      network: The network whose weights are noisy, without that noise; it may have no
        state.
      num_draws: Draws of the weights.

    Returns:
      The probe of ``train_gibbs_error`` and ``test_gibbs_error``, ``[]`` each.

    Raises:
      ValueError: If ``num_draws`` is not positive, or the network has a state.

    References:
      Langford and Caruana, `(Not) bounding the true error`, NeurIPS 2001.

    Example:
      >>> from ibjax import networks
      >>> sorted(gibbs_errors(networks.mlp([3, 2])).variables)
      ['test_gibbs_error', 'train_gibbs_error']
    """
    checks.instance("network", network, Network)
    checks.count("num_draws", num_draws)
    if network.state is not None:
        raise ValueError(
            f"network must have no state, got {network.description}, whose statistics "
            "are not drawn"
        )

    def measure(snapshot: Snapshot) -> dict[str, Any]:
        posterior, _ = snapshot.network.split(snapshot.params)
        if not isinstance(posterior, weights.Posterior):
            raise TypeError(
                "the sweep's network must be one of weights.noisy_weights, got "
                f"parameters of type {type(posterior).__name__}"
            )
        task, first = snapshot.task, snapshot.num_train
        last = first + snapshot.num_test
        found = {}
        for name, stream, rows in (
            ("train", _TRAIN, snapshot.rows[:first]),
            ("test", _TEST, snapshot.rows[first:last]),
        ):
            if len(rows):
                found[f"{name}_gibbs_error"] = weights.gibbs_error(
                    jax.random.fold_in(snapshot.key, stream),
                    posterior,
                    task.batch(rows).x,
                    task.labels[rows],
                    network=network,
                    num_draws=num_draws,
                )
        return found

    return Probe(
        measure,
        parameters={"gibbs_errors": num_draws},
        variables={
            "train_gibbs_error": Variable(
                (), "1", "error on training rows, weights drawn"
            ),
            "test_gibbs_error": Variable((), "1", "error on test rows, weights drawn"),
        },
        last_only=True,
    )
