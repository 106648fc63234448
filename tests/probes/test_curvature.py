"""The curvature probe, against matrices written out."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import datasets, networks, probes, weights

NUM = 6


def _snapshot(key):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(NUM, 3)).astype(np.float32)
    network = networks.mlp((3, 4, 2), "tanh")
    task = datasets.make_task(x, rng.integers(0, 2, NUM))
    params = jax.tree.map(
        lambda w: jnp.asarray(rng.normal(size=w.shape), jnp.float32),
        jax.eval_shape(network.init, key),
    )
    return SimpleNamespace(
        network=network,
        params=params,
        task=task,
        rows=jnp.arange(NUM),
        num_train=NUM,
        key=key,
    )


def test_curvature_is_that_of_the_matrices(key):
    snapshot = _snapshot(key)
    network, task = snapshot.network, snapshot.task
    flat, as_tree = ravel_pytree(snapshot.params)
    variance = 0.7

    def logits(w, x):
        return network.activations(as_tree(w), x)[-1]

    def loss(w):
        found = jax.nn.log_softmax(logits(w, task.x))
        return -jnp.mean(found[jnp.arange(NUM), task.labels])

    @jax.jit
    def written_out(w):
        jacobian = jax.jacrev(lambda w: logits(w, task.x))(w)
        p = jax.nn.softmax(logits(w, task.x))
        # All weights that the first layer depends on come first.
        hidden = jax.jacrev(lambda w, x: network.activations(as_tree(w), x[None])[0][0])
        of_x = jax.jacrev(lambda x, w: network.activations(as_tree(w), x[None])[0][0])
        jacobians = [(of_x(x, w), hidden(w, x)) for x in task.x]
        return jax.jacrev(jax.grad(loss))(w), jacobian, p, jacobians

    probe = probes.curvature(num_samples=NUM, prior_variance=variance, num_steps=26)
    found = jax.jit(lambda: probe(snapshot))()
    hessian, jacobian, p, jacobians = written_out(flat)
    inner = np.einsum("nc,cd->ncd", p, np.eye(2)) - np.einsum("nc,nd->ncd", p, p)
    fisher = np.einsum("nci,ncd,ndj->ij", jacobian, inner, jacobian) / NUM
    _, expected = np.linalg.slogdet(np.eye(len(flat)) + NUM * variance * fisher)
    np.testing.assert_allclose(found["fisher_log_determinant"], expected / 2, rtol=1e-4)
    # The iteration is exact with a step for each parameter.
    top = np.linalg.eigvalsh(hessian)[-1]
    np.testing.assert_allclose(found["sharpness"], top, rtol=1e-4)
    precision = NUM * np.diag(fisher) + 1 / variance
    matrices = np.stack(
        [weights.activation_precision(g, j, precision, beta=1.0) for g, j in jacobians]
    )
    expected = weights.effective_information(matrices, input_entropy=0.0)
    np.testing.assert_allclose(found["effective_information"], expected, rtol=1e-3)


def test_other_networks_and_numbers_are_refused(key):
    with pytest.raises(ValueError, match="prior_variance must be one positive"):
        probes.curvature(prior_variance=0.0)
    snapshot = _snapshot(key)
    chain = snapshot.network
    snapshot.network = chain._replace(output="linear")
    with pytest.raises(ValueError, match="network's output must be one of softmax"):
        probes.curvature()(snapshot)


def test_of_any_network_there_is_curvature(key):
    chain = _snapshot(key)
    # What is no chain, and has a state: noisy weights, measured at their means.
    noisy = weights.noisy_weights(chain.network, keep_initial=True)
    posterior, state = jax.jit(noisy.init)(key)
    params = posterior._replace(mean=chain.params), state
    other = SimpleNamespace(**vars(chain) | {"network": noisy, "params": params})
    probe = probes.curvature(num_samples=NUM, num_steps=26)
    found, expected = (jax.jit(lambda s=s: probe(s))() for s in (other, chain))
    assert np.isnan(found["effective_information"])
    # Deviations change nothing at the means: the same matrices, and rows of zeros.
    for name in ("fisher_log_determinant", "sharpness"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)
