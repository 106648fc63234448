"""Networks that have nothing to train are refused by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, probes, sweep, weights
from ibjax.networks.network import Layer, Network

X = np.ones((4, 2), np.float32)
IDENTITY = Network(
    init=lambda key: (),
    activations=lambda params, x, *, key=None, training=False: (x,),
    kernels=lambda params: (),
    layers=(Layer("identity 2", (2,)),),
    description="identity",
)
# As an untrained one of another library may have it.
EMPTY = {"w": np.zeros((0, 2), np.float32)}
NOISY = weights.noisy_weights(IDENTITY)
NONE = weights.Posterior((), ())
TASK = datasets.make_task(X, [0, 1, 1, 0])


def _of_objective(objective):
    batch = TASK.batch(jnp.arange(4))
    return objective(NONE, batch, jax.random.key(0), network=NOISY)


@pytest.mark.parametrize("params", [(), EMPTY])
@pytest.mark.parametrize(
    "call",
    [
        weights.fisher_diagonal,
        weights.fisher_blocks,
        weights.fisher_trace,
        weights.task2vec,
        lambda *args, **known: weights.fisher_vector_product(*args, (), **known),
        lambda *args, **known: weights.fisher_log_determinant(
            *args, scale=1.0, **known
        ),
        lambda *args, **known: weights.fisher_block_log_determinants(
            *args, scale=1.0, **known
        ),
    ],
)
def test_nothing_has_no_fisher_matrix(call, params):
    message = "params must hold at least one weight that network trains, got none"
    with pytest.raises(ValueError, match=message):
        call(params, X, network=IDENTITY)


@pytest.mark.parametrize("params", [(), EMPTY])
def test_nothing_has_no_posterior(params):
    with pytest.raises(ValueError, match="params must hold at least one weight, got"):
        weights.init_posterior(params, std=0.1)
    network = weights.noisy_weights(IDENTITY._replace(init=lambda key: params))
    with pytest.raises(ValueError, match="network must hold at least one weight to"):
        network.init(jax.random.key(0))


@pytest.mark.parametrize(
    "bottleneck", [weights.weight_bottleneck, weights.log_uniform_bottleneck]
)
def test_nothing_is_trained_on_no_information(bottleneck):
    with pytest.raises(ValueError, match="network must hold at least one weight to"):
        _of_objective(bottleneck(num_samples=4))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda key, f: weights.hvp(lambda w: 0.0, (), ()), "params"),
        (lambda key, f: weights.hessian_trace(key, f, ()), "like"),
        (
            lambda key, f: weights.top_eigenvalues(
                key, f, EMPTY, num_values=1, num_steps=1
            ),
            "like",
        ),
        (lambda key, f: weights.spectral_sum(key, jnp.log1p, f, ()), "like"),
        (lambda key, f: weights.log_determinant(key, f, (), scale=1.0), "like"),
    ],
)
def test_nothing_has_no_curvature(call, name):
    with pytest.raises(ValueError, match=f"{name} must hold at least one number, got"):
        call(jax.random.key(0), lambda v: v)


def test_layers_without_weights_have_no_filters():
    network = IDENTITY._replace(kernels=lambda params: ((), params))
    with pytest.raises(ValueError, match="network must have weights in layers before"):
        weights.filter_means(jnp.ones((2, 2)), network=network)


def test_traces_of_no_layers_are_refused():
    base = networks.mlp((2, 2))
    params = ((np.ones((2, 2)), np.ones(2)),)
    with pytest.raises(ValueError, match="kernels of network must hold at least one"):
        weights.fisher_trace(
            params, X, network=base._replace(kernels=lambda params: ())
        )


@pytest.mark.parametrize(
    ("network", "probe"),
    [
        (IDENTITY, probes.fisher_trace()),
        (IDENTITY._replace(activate=lambda number, s: s), probes.curvature()),
        (NOISY, probes.weight_information()),
    ],
)
def test_nothing_is_swept(network, probe):
    options = {"num_seeds": 1, "snapshots": [0], "probes": [probe]}
    with pytest.raises(ValueError, match="network must hold at least one weight to"):
        sweep(jax.random.key(0), TASK, network, TrainConfig(), **options)
