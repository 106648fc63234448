"""Critics: shapes, pairs against the matrix, the Gaussian's density, first weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from scipy import stats

from ibjax.compilation import exact_jit
from ibjax.estimators.variational.critics import (
    GaussianConditional,
    JointCritic,
    SeparableCritic,
    initial_params,
)

NUM_X, NUM_Y, DIM_X, DIM_Y = 4, 6, 3, 2
CRITICS = (
    JointCritic((8, 5)),
    SeparableCritic((8, 5), 4),
    GaussianConditional((8, 5)),
)


def _samples():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(NUM_X, DIM_X)), rng.normal(size=(NUM_Y, DIM_Y))
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(scope="module")
def scored():
    """Parameters, scores of all pairs and the same as pairs, of every critic."""

    @exact_jit
    def score(key, x, y):
        found = []
        for critic in CRITICS:
            params = initial_params(critic, key, x, y)
            every = jnp.broadcast_to(y[None], (NUM_X, NUM_Y, DIM_Y))
            pairs = critic.apply(params, x[:, None], every, method="pairs")
            found.append((params, critic.apply(params, x, y), pairs))
        return found

    return score(jax.random.key(1), *_samples())


@pytest.mark.parametrize("which", range(len(CRITICS)))
def test_the_matrix_holds_the_scores_of_pairs(scored, which):
    _, scores, pairs = scored[which]
    assert scores.shape == (NUM_X, NUM_Y)
    assert np.std(scores) > 1e-3
    # Both are sums of some 20 products, of scores of order ten at most.
    np.testing.assert_allclose(pairs, scores, rtol=1e-5, atol=1e-5)


def test_a_joint_critic_is_a_network_of_both_side_by_side(scored):
    params, scores, _ = scored[0]
    weights = jax.tree.map(np.float64, params["params"])
    x, y = _samples()
    first = np.concatenate([weights[f"{s}_layer"]["kernel"] for s in "xy"])
    second, last = weights["layers_0"]["kernel"], weights["last"]["kernel"]
    for i in range(NUM_X):
        for j in range(NUM_Y):
            hidden = np.maximum(np.concatenate([x[i], y[j]]) @ first, 0)
            expected = np.maximum(hidden @ second, 0) @ last
            np.testing.assert_allclose(scores[i, j], expected[0], rtol=1e-5, atol=1e-6)


def _network(weights, x, num_layers):
    for layer in range(num_layers):
        x = x @ weights[f"layers_{2 * layer}"]["kernel"]
        x = np.maximum(x, 0) if layer < num_layers - 1 else x
    return x


def test_a_separable_critic_is_an_inner_product(scored):
    params, scores, _ = scored[1]
    weights = jax.tree.map(np.float64, params["params"])
    x, y = (
        _network(weights[f"{name}_network"], samples, 3)
        for name, samples in zip("xy", _samples(), strict=True)
    )
    np.testing.assert_allclose(scores, x @ y.T, rtol=1e-5, atol=1e-5)


def test_the_conditional_is_a_normalised_gaussian(scored):
    params, scores, _ = scored[2]
    weights = jax.tree.map(np.float64, params["params"])
    x, y = _samples()
    hidden = x
    for layer in range(2):
        hidden = np.maximum(hidden @ weights[f"Dense_{layer}"]["kernel"], 0)
    mean = hidden @ weights["mean"]["kernel"]
    log_variance = 10 * np.tanh(hidden @ weights["log_variance"]["kernel"] / 10)
    density = stats.norm(mean[:, None], np.exp(log_variance / 2)[:, None])
    expected = np.sum(density.logpdf(y[None]), axis=2)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_the_conditional_never_overflows():
    critic = CRITICS[2]
    x, y = _samples()

    @jax.jit
    def score(scale):
        params = initial_params(critic, jax.random.key(0), x, y)
        return critic.apply(jax.tree.map(lambda w: scale * w, params), x, y)

    # Means of 1e9 and log-variances at their bound: the square is e^10 1e18.
    assert np.isfinite(score(1e3)).all()


def test_first_weights_have_variance_one_over_the_inputs():
    critic = SeparableCritic((200,), 200)
    x, y = np.zeros((2, 50), np.float32), np.zeros((2, 30), np.float32)
    params = jax.jit(lambda key: initial_params(critic, key, x, y))(jax.random.key(0))
    for path, leaf in jax.tree.leaves_with_path(params):
        if leaf.ndim == 1:
            np.testing.assert_array_equal(leaf, 0)
            continue
        # A uniform's fourth moment makes its variance known to sqrt(.8 / size).
        error = np.sqrt(0.8 / leaf.size)
        variance = float(np.mean(np.square(leaf)))
        assert abs(variance * leaf.shape[0] - 1) < 5 * error, path
        assert np.max(np.abs(leaf)) <= np.sqrt(3 / leaf.shape[0])


def test_a_module_of_ones_own_draws_its_own():
    class Scaled(linen.Module):
        @linen.compact
        def __call__(self, x, y):
            return self.param("scale", linen.initializers.constant(3.0), ()) * x @ y.T

    params = initial_params(Scaled(), jax.random.key(0), *np.ones((2, 3, 2)))
    assert params["params"]["scale"] == 3


def test_samples_are_matrices():
    with pytest.raises(ValueError, match="x must have shape .num_samples, dim., got"):
        initial_params(CRITICS[1], jax.random.key(0), np.ones(3), np.ones((3, 2)))
