"""Errors of networks whose weights are drawn."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ibjax import weights
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.training.trainable import Variable
from ibjax.weights.likelihood import share_wrong

__all__ = ["gibbs_errors"]

# Its streams, apart from those of other probes.
_TRAIN, _TEST = 201, 202


def gibbs_errors(num_draws: int = 20) -> Probe:
    """Share of wrong classes at the last snapshot, of networks with drawn weights.

    A bound on the risk of a stochastic classifier is about this error. It is an
    estimate from draws, which ``ibjax.weights.pac_bayes.certificate`` pays for. Weights
    are drawn as ``ibjax.weights.noisy_weights`` draws them: where draws are local,
    every row has weights of its own, so that as many draws are independent as there are
    rows times ``num_draws``; where they are of all rows, ``num_draws`` are.

    Args:
      num_draws: Draws for every row.

    Returns:
      The probe of ``train_gibbs_error`` and ``test_gibbs_error``, ``[]`` each; NaN of
      networks that have diverged.

    Raises:
      ValueError: If ``num_draws`` is not positive.

    References:
      Langford and Caruana, `(Not) bounding the true error`, NeurIPS 2001.

    Example:
      >>> sorted(gibbs_errors(10).variables)
      ['test_gibbs_error', 'train_gibbs_error']
    """
    checks.count("num_draws", num_draws)

    def measure(snapshot: Snapshot) -> dict[str, Any]:
        network, params = snapshot.network, snapshot.params
        kinds = weights.Posterior, weights.LogNormalPosterior
        if not isinstance(network.split(params)[0], kinds):
            raise TypeError(
                "network must be one of weights.noisy_weights, got parameters of type "
                f"{type(network.split(params)[0]).__name__}"
            )
        first = snapshot.num_train
        last = first + snapshot.num_test
        found = {}
        for name, stream, rows in (
            ("train", _TRAIN, snapshot.rows[:first]),
            ("test", _TEST, snapshot.rows[first:last]),
        ):
            x = snapshot.task.batch(rows).x
            labels = snapshot.task.labels[rows]

            def error(key, x=x, labels=labels):
                return share_wrong(network.activations(params, x, key=key)[-1], labels)

            keys = jax.random.split(jax.random.fold_in(snapshot.key, stream), num_draws)
            found[f"{name}_gibbs_error"] = jnp.mean(lax.map(error, keys))
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
        usually_last=True,
    )
