"""Gradients of linear and polynomial models, whose attributions are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import attribution, networks

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2, 0, 1])
METHODS = {
    "gradient": attribution.gradient,
    "gradient_times_input": attribution.gradient_times_input,
    "integrated_gradients": lambda *args, **options: (
        attribution.integrated_gradients(*args, **options).attributions
    ),
    "smooth_grad": lambda *args, **options: attribution.smooth_grad(
        KEY, *args, num_samples=3, **options
    ),
}


def _linear(params, x):
    return x @ params + 1


def _cubic(params, x):
    return jnp.sum(params * x**3, axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
def test_linear_models_are_exact(method):
    own = WEIGHTS.T[TARGETS]
    expected = own if method in ("gradient", "smooth_grad") else own * X
    for batch_size in (None, 2):
        found = METHODS[method](_linear, WEIGHTS, X, TARGETS, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    one = METHODS[method](_linear, WEIGHTS, X, 1, batch_size=2)
    expected = np.tile(WEIGHTS[:, 1], (5, 1)) * (expected / own)
    np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)


def test_integrated_gradients_add_up():
    network = networks.mlp([4, 6, 3])
    params = jax.jit(network.init)(KEY)
    model = attribution.output(network)
    found, back = (
        attribution.integrated_gradients(model, params, x, TARGETS, baselines=b)
        for x, b in ((X, X[::-1]), (X[::-1], X))
    )
    logits = np.asarray(jax.jit(model)(params, X))
    outputs, start = (t[np.arange(5), TARGETS] for t in (logits, logits[::-1]))
    np.testing.assert_allclose(
        np.sum(found.attributions, axis=1), outputs - start, atol=1e-4
    )
    assert np.all(np.abs(found.delta) < 1e-5) and np.all(np.abs(back.delta) < 1e-5)


def test_integrated_gradients_are_exact_for_polynomials():
    """Two points of Gauss and Legendre integrate up to the third degree."""
    found = attribution.integrated_gradients(
        _cubic, jnp.float32(2.0), X, 0, baselines=X[0], num_steps=2
    )
    expected = 2 * (X**3 - X[:1] ** 3)
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-5, atol=1e-5)
    rough = attribution.integrated_gradients(
        _cubic, jnp.float32(2.0), X, 0, num_steps=1
    )
    # The midpoint: 3 x^2 / 4 for x^2, so a fourth of the sum is missing.
    np.testing.assert_allclose(rough.delta, -0.5 * np.sum(X**3, axis=1), rtol=1e-4)


def test_smooth_grad_is_the_mean_over_noise():
    x = jnp.array([[0.0, 1.0, -1.0, 0.5]])
    found = attribution.smooth_grad(
        KEY, _cubic, jnp.float32(1.0), x, 0, noise_level=0.25, num_samples=2000
    )
    # The range is two, the deviation s a half: the mean of 3 (x + s z)^2.
    expected = 3 * (x**2 + 0.25)
    variance = 9 * (4 * x**2 * 0.25 + 2 * 0.25**2)
    assert np.all(np.abs(found - expected) < 4 * np.sqrt(variance / 2000))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_summed_in_full(dtype):
    def total(params, x):
        return params * jnp.sum(x, axis=1, keepdims=True)

    x, one = jnp.ones((2, 3), dtype), jnp.ones((), dtype)
    found = attribution.smooth_grad(KEY, total, one, x, 0, num_samples=3000)
    np.testing.assert_allclose(found, 1, rtol=1e-4)
    found = attribution.integrated_gradients(total, one, x, 0, num_steps=500)
    np.testing.assert_allclose(found.attributions, 1, rtol=1e-4)


def test_attributions_have_gradients_by_the_parameters():
    def total(params):
        return jnp.sum(attribution.gradient_times_input(_cubic, params, X, 0) ** 2)

    expected = 2 * 1.5 * np.sum((3 * X.astype(np.float64) ** 3) ** 2)
    np.testing.assert_allclose(jax.grad(total)(1.5), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(1.5), expected, rtol=1e-5)


def test_random_attributions_are_of_the_key():
    found = attribution.random_attribution(KEY, X)
    assert found.shape == X.shape
    assert np.all(found != attribution.random_attribution(jax.random.key(1), X))


def test_inputs_of_more_digits_than_jax_has_are_taken():
    found = attribution.gradient_times_input(_linear, WEIGHTS, np.longdouble(X), 0)
    np.testing.assert_array_equal(
        found, attribution.gradient_times_input(_linear, WEIGHTS, X, 0)
    )


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match="baselines must be one number or fit"):
        attribution.integrated_gradients(_linear, WEIGHTS, X, 0, baselines=np.ones(3))
    with pytest.raises(ValueError, match="baselines must be finite, got 1 NaN"):
        attribution.integrated_gradients(_linear, WEIGHTS, X, 0, baselines=np.nan)
    with pytest.raises(TypeError, match="baselines must hold real numbers"):
        attribution.integrated_gradients(_linear, WEIGHTS, X, 0, baselines=1j)
    with pytest.raises(ValueError, match="num_steps must be a whole number"):
        attribution.integrated_gradients(_linear, WEIGHTS, X, 0, num_steps=0)
    with pytest.raises(ValueError, match="noise_level must be one number from 0 on"):
        attribution.smooth_grad(KEY, _linear, WEIGHTS, X, 0, noise_level=-1)
    with pytest.raises(TypeError, match="key must be a key"):
        attribution.random_attribution(0, X)
