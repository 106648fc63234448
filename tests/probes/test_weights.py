"""The trace of the Fisher information in a sweep, against a plain calculation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, probes, sweep, weights

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


def _posterior(snapshot):
    posterior, state = snapshot.network.split(snapshot.params)
    ((w, b),), ((w_log, b_log),) = posterior
    ((w0, b0),) = state.initial
    return {"w": w, "b": b, "w_log": w_log, "b_log": b_log, "w0": w0, "b0": b0}


def _kl(mean, log_std, centre, variance):
    mean, log_std, centre = (v.values.astype(float) for v in (mean, log_std, centre))
    ratio = np.exp(2 * log_std) / variance
    terms = ratio + (mean - centre) ** 2 / variance - 1 - np.log(ratio)
    return terms.sum(axis=-1) / 2


def test_information_in_the_weights_is_that_of_the_formula():
    task = datasets.make_task(X, LABELS)
    variances = [0.1, 1.0]
    dataset = sweep(
        jax.random.key(0),
        task,
        weights.noisy_weights(networks.mlp((2, 2)), keep_initial=True),
        TrainConfig(learning_rate=0.1, train_fraction=1.0),
        num_seeds=1,
        snapshots=[0, 3],
        probes=[
            probes.weight_information("prior_variance", prior_mean="initial"),
            probes.objective_terms,
            _posterior,
        ],
        objective=weights.weight_bottleneck(num_samples=12, prior_mean="initial"),
        vary={"prior_variance": variances},
    )
    total = dataset.total_weight_information
    # The objective measures the same.
    np.testing.assert_allclose(total, dataset.weight_information, rtol=1e-5)
    for variance in variances:
        at = dataset.sel(prior_variance=variance).squeeze("seed")
        # The data set stacks the weights' axes, [units, inputs], behind the epoch.
        of_w = _kl(at.w, at.w_log, at.w0, variance).sum(axis=-1)
        of_b = _kl(at.b, at.b_log, at.b0, variance)
        found = at.layer_weight_information.isel(layer=0)
        np.testing.assert_allclose(found, of_w, rtol=1e-5)
        np.testing.assert_allclose(at.total_weight_information, of_w + of_b, rtol=1e-5)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="prior_variance must be one positive number"):
        probes.weight_information(0.0)
    with pytest.raises(ValueError, match="prior_mean must be one of zero, initial"):
        probes.weight_information(prior_mean="first")
    with pytest.raises(TypeError, match="network must be one of weights.noisy_weights"):
        _sweep(probes.weight_information())
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
