"""Task2Vec: embeddings against explicit gradients, distances against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cosine

from ibjax import networks, weights

RNG = np.random.default_rng(0)
NETWORK = networks.mlp([2, 4, 3], "tanh")
X = RNG.normal(size=(5, 2)).astype(np.float32)
PARAMS = tuple(
    (
        RNG.normal(size=(after, before)).astype(np.float32),
        RNG.normal(size=after).astype(np.float32),
    )
    for before, after in ((2, 4), (4, 3))
)
EMBEDDINGS = RNG.uniform(0.1, 2, (4, 6))


def test_embeddings_are_means_of_squared_gradients_of_single_samples():
    found = weights.task2vec(PARAMS, X, network=NETWORK, batch_size=2)
    (w1, b1), (w2, b2) = (tuple(map(np.float64, layer)) for layer in PARAMS)
    expected = np.zeros(4)
    for x in X.astype(np.float64):
        t = np.tanh(w1 @ x + b1)
        p = np.exp(w2 @ t + b2) / np.exp(w2 @ t + b2).sum()
        for label in range(3):
            # Of -log p(label): to the logits, to the units, to their weights.
            slope = (w2.T @ (p - np.eye(3)[label])) * (1 - t**2)
            squares = np.outer(slope, x) ** 2
            expected += p[label] * squares.mean(axis=1) / len(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Classes in another order are the same task.
    order = [2, 0, 1]
    permuted = (PARAMS[0], (PARAMS[1][0][order], PARAMS[1][1][order]))
    again = weights.task2vec(permuted, X, network=NETWORK, batch_size=2)
    np.testing.assert_allclose(again, found, rtol=1e-5)


def test_filters_are_along_the_axis_that_is_asked_for():
    tree = ((jnp.arange(6.0).reshape(2, 3), None), (jnp.ones((1, 2)), None))
    rows = weights.filter_means(tree, network=networks.mlp([3, 2, 1]))
    np.testing.assert_array_equal(rows, [1.0, 4.0])
    columns = weights.filter_means(tree, network=NETWORK, output_axis=-1)
    np.testing.assert_array_equal(columns, [1.5, 2.5, 3.5])
    with pytest.raises(ValueError, match="layers before its last"):
        weights.filter_means(tree[:1], network=networks.mlp([3, 2]))


def test_the_variational_embedding_is_the_precision_of_the_noise():
    posterior = weights.init_posterior(PARAMS, std=1.0)
    log_std = jax.tree.map(lambda m: jnp.log(0.5 + m**2), posterior.mean)
    found = weights.task2vec_of_posterior(
        posterior._replace(log_std=log_std), network=NETWORK
    )
    expected = np.mean((0.5 + PARAMS[0][0] ** 2) ** -2, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_distances_are_those_of_normalised_cosines():
    found = weights.embedding_distances(EMBEDDINGS)
    for (i, j), value in np.ndenumerate(found):
        a, b = EMBEDDINGS[i], EMBEDDINGS[j]
        np.testing.assert_allclose(value, cosine(a / (a + b), b / (a + b)), atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    # However small the numbers: the scale of the Fisher information is no matter.
    again = weights.embedding_distances(1e-12 * EMBEDDINGS)
    np.testing.assert_allclose(again, found, atol=1e-12)
    trivial = np.full(6, 0.3)
    lopsided = weights.embedding_distances(EMBEDDINGS, trivial=trivial, alpha=0.2)
    start = weights.task_distance(EMBEDDINGS, np.broadcast_to(trivial, (4, 6)))
    np.testing.assert_allclose(lopsided, found - 0.2 * start[:, None], atol=1e-12)


def test_filters_that_matter_to_neither_task_do_not_count():
    a, b = [0.0, 1.0, 2.0], [0.0, 3.0, 1.0]
    np.testing.assert_allclose(
        weights.task_distance(a, b), weights.task_distance(a[1:], b[1:])
    )
    assert np.isnan(weights.task_distance([0.0, 0.0], [1.0, 0.0]))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: weights.task_distance([1.0], [1.0, 2.0]), "must have one shape"),
        (lambda: weights.task_distance([-1.0], [1.0]), "first must not be negative"),
        (lambda: weights.embedding_distances([1.0]), "embeddings must have shape"),
        (
            lambda: weights.embedding_distances(EMBEDDINGS, trivial=[1.0]),
            "trivial must have shape",
        ),
        (
            lambda: weights.asymmetric_task_distance([1.0], [1.0], [1.0], alpha=-1),
            "alpha must be one number from 0 on",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
