"""The trace of the Fisher information in a sweep, against a plain calculation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, probes, sweep

X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)


def _sweep(*measured, **options):
    arguments = {
        "num_seeds": 2,
        "snapshots": [0, 3],
        "probes": [*measured, _first_layer],
    }
    task = datasets.make_task(X, LABELS)
    config = TrainConfig(learning_rate=0.5, optimizer="sgd", train_fraction=1.0)
    network = networks.mlp((2, 2))
    return sweep(jax.random.key(0), task, network, config, **arguments | options)


def _first_layer(snapshot):
    ((w, b),) = snapshot.params
    return {"w": w, "b": b, "rows": snapshot.rows}


def test_traces_over_training_are_those_of_the_closed_form():
    dataset = _sweep(
        probes.fisher_trace(num_samples=5, batch_size=3), probes.fisher_trace("data")
    )
    assert dataset.fisher_trace.dims == ("seed", "epoch", "layer")
    assert dataset.fisher_trace_total.dims == ("seed", "epoch")
    assert dataset.fisher_trace.units == "nats"
    for seed in range(2):
        for epoch in range(2):
            at = dataset.isel(seed=seed, epoch=epoch)
            logits = X @ at.w.values.T + at.b.values
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            # Of the logits' curvature p (1 - p), and of squared errors.
            rows = at.rows.values.astype(int)[:5]
            per_row = np.sum(p * (1 - p), axis=1), np.sum(X**2, axis=1)
            np.testing.assert_allclose(
                at.fisher_trace[0], np.mean((per_row[0] * per_row[1])[rows]), rtol=1e-5
            )
            np.testing.assert_allclose(
                at.fisher_trace_total,
                np.mean((per_row[0] * (per_row[1] + 1))[rows]),
                rtol=1e-5,
            )
            errors = np.sum((p - np.eye(2)[LABELS]) ** 2, axis=1)
            np.testing.assert_allclose(
                at.empirical_fisher_trace[0], np.mean(errors * per_row[1]), rtol=1e-5
            )


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="labels must be one of model, data"):
        probes.fisher_trace("empirical")
    with pytest.raises(ValueError, match="num_samples must be a whole number"):
        probes.fisher_trace(num_samples=0)
    with pytest.raises(ValueError, match="labels must be 'model' for a task without"):
        sweep(
            jax.random.key(0),
            datasets.make_task(X),
            networks.mlp((2, 2), output="linear"),
            TrainConfig(),
            num_seeds=1,
            snapshots=[0],
            probes=[probes.fisher_trace("data")],
            objective=lambda params, batch, key: jnp.zeros(()),
        )
