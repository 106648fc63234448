"""Linear regression by noisy weights, whose stationary posteriors are known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import datasets

NUM = 12


def problem(rng, bias=0.0):
    """A task of two inputs, its inputs with a column of ones, and its targets."""
    x = rng.normal(size=(NUM, 2)).astype(np.float32)
    y = (x @ [1.0, -2.0] + bias + rng.normal(size=NUM)).astype(np.float32)
    a = np.column_stack([x, np.ones(NUM)]).astype(np.float64)
    return datasets.make_task(x, targets=y), a, y


def as_params(v):
    """Two weights and a bias as a network has them."""
    return ((jnp.array([v[:2]], jnp.float32), jnp.array(v[2:], jnp.float32)),)


@partial(jax.jit, static_argnums=(0, 1))
def _gradients(network, objective, batch, params, keys):
    def loss(params, key):
        return objective(params, batch, key, network=network)[0]

    found = jax.vmap(jax.grad(loss), (None, 0))(params, keys)
    return jnp.concatenate(
        [leaf.reshape(len(keys), -1) for leaf in jax.tree.leaves(found)], axis=1
    )


def mean_gradient(network, objective, task, params, key, num=20_000):
    """Mean gradient over draws, means before deviations, and its standard error."""
    batch, keys = task.batch(jnp.arange(NUM)), jax.random.split(key, num)
    found = np.asarray(_gradients(network, objective, batch, params, keys), np.float64)
    return found.mean(axis=0), found.std(axis=0) / np.sqrt(num)
