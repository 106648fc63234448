"""Compression: PCA against NumPy, an autoencoder on a curve, and the bound."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators import compression, knn
from ibjax.networks import autoencoders

SMALL = {"num_steps": 800, "learning_rate": 5e-3, "batch_size": 64}


def _normal_information(x, y):
    """Of jointly normal x and y, from the determinants of their correlations."""
    joint = jnp.corrcoef(jnp.hstack([x, y]).T)
    dim = x.shape[1]
    log_det = [
        jnp.linalg.slogdet(m)[1] for m in (joint[:dim, :dim], joint[dim:, dim:], joint)
    ]
    return 0.5 * (log_det[0] + log_det[1] - log_det[2])


@pytest.fixture(scope="module")
def curve():
    """Three quarters of a circle, which no straight line can tell apart."""
    angle = np.sort(np.random.default_rng(0).uniform(0, 4.7, size=600))
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return jnp.float32(x), angle


@pytest.fixture(scope="module")
def model(curve):
    modules = autoencoders.dense_autoencoder((2,), 1, widths=(32, 32))
    return compression.autoencoder_fit(
        jax.random.key(0), curve[0], dim=1, modules=modules, code_noise=0.01, **SMALL
    )


@pytest.mark.parametrize("shape", [(50, 3, 4), (9, 3, 4)])
def test_pca_is_the_singular_value_decomposition(shape):
    rng = np.random.default_rng(1)
    scale = np.linspace(3, 0.5, 12).reshape(3, 4)
    x = 5 + scale * rng.normal(size=shape)
    pca = compression.pca_fit(jnp.float32(x), 4)
    flat = x.reshape(len(x), -1)
    centred = flat - flat.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    # Eigenvalues of a float32 covariance are right to a few roundings of the largest,
    # vectors to that over their gap, here at least 5 % of the largest.
    np.testing.assert_allclose(
        pca.explained_variance, values[:4] ** 2 / (len(x) - 1), rtol=1e-5
    )
    ours = np.float64(pca.components).reshape(4, -1)
    agreement = np.abs(np.sum(ours * directions[:4], axis=1))
    np.testing.assert_allclose(agreement, 1, atol=1e-5)
    np.testing.assert_allclose(ours @ ours.T, np.eye(4), atol=1e-5)
    assert np.all(ours[np.arange(4), np.abs(ours).argmax(axis=1)] > 0)

    code = compression.encode(pca, jnp.float32(x))
    np.testing.assert_allclose(code, centred @ ours.T, atol=1e-4)
    back = compression.decode(pca, code)
    assert back.shape == shape
    expected = flat.mean(axis=0) + centred @ ours.T @ ours
    np.testing.assert_allclose(back.reshape(len(x), -1), expected, atol=1e-4)


def test_pca_of_data_in_fewer_dimensions_keeps_everything():
    rng = np.random.default_rng(2)
    x = jnp.float32(rng.normal(size=(40, 2)) @ rng.normal(size=(2, 6)))
    pca = compression.pca_fit(x, 3)
    error = compression.decode(pca, compression.encode(pca, x)) - x
    assert float(jnp.abs(error).max()) < 1e-4
    assert float(pca.explained_variance[2]) < 1e-5
    components = np.asarray(pca.components)
    gram = components @ components.T
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-5)


def test_autoencoder_unrolls_a_curve(curve, model):
    x, angle = curve
    code = compression.encode(model, x)
    assert code.shape == (600, 1) and float(jnp.abs(code).max()) <= 1
    # One number that keeps the order along the circle determines the point.
    rank = np.argsort(np.argsort(np.asarray(code[:, 0])))
    assert abs(np.corrcoef(rank, np.arange(600))[0, 1]) > 0.999
    residual = compression.decode(model, code) - x
    spread = jnp.std(x - jnp.mean(x, axis=0, keepdims=True))
    # A straight line leaves about half of the spread, the curve none.
    assert float(jnp.std(residual) / spread) < 0.1
    pca = compression.pca_fit(x, 1)
    straight = compression.decode(pca, compression.encode(pca, x)) - x
    assert float(jnp.std(straight) / spread) > 0.4
    assert model.losses.shape == (SMALL["num_steps"],)
    assert float(model.losses[-100:].mean()) < 0.1 * float(model.losses[:10].mean())


def test_code_of_a_sample_is_its_own(curve, model):
    x, _ = curve
    alone = compression.encode(model, x[17:18])
    np.testing.assert_allclose(alone, compression.encode(model, x)[17:18], atol=1e-5)


def test_fits_under_jit_and_vmap(curve, model):
    x, _ = curve
    options = SMALL | {"num_steps": 5}

    @jax.jit
    @jax.vmap
    def fit(key):
        model = compression.autoencoder_fit(
            key, x, dim=1, modules=modules, code_noise=0.01, **options
        )
        return model.losses, compression.encode(model, x)

    modules = model.modules
    losses, codes = fit(jnp.stack([jax.random.key(0), jax.random.key(1)]))
    assert losses.shape == (2, 5) and codes.shape == (2, len(x), 1)
    assert not np.allclose(codes[0], codes[1])
    assert np.all(np.isfinite(losses)) and np.all(np.abs(codes) <= 1)


def test_bernoulli_loss_of_images():
    rng = np.random.default_rng(3)
    place = rng.integers(0, 4, size=64)
    x = jnp.float32(np.eye(4)[place].reshape(64, 2, 2))
    modules = autoencoders.convolutional_autoencoder((2, 2), 2, channels=(16,))
    model = compression.autoencoder_fit(
        jax.random.key(0), x, dim=2, modules=modules, loss="bernoulli", **SMALL
    )
    back = compression.decode(model, compression.encode(model, x))
    assert back.shape == x.shape
    assert float(back.min()) >= 0 and float(back.max()) <= 1
    # Four points in the plane can be told apart.
    np.testing.assert_array_equal(np.argmax(back.reshape(64, 4), axis=1), place)


def test_components_of_float64_far_from_the_origin():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(200, 4)) * [3, 1, 0.5, 0.1]
    # Powers of two beside which float64 keeps 1e-9 and float32 nothing of the last.
    far = x + np.array([2.0**20, -(2.0**30), 0, 2.0**24])
    near, there = compression.pca_fit(x, 2), compression.pca_fit(far, 2)
    # Float32 of the differences that float64 has, 2^-23 of 2^30.
    atol = 2.0**-22 + 1e-6
    np.testing.assert_allclose(there.components, near.components, atol=atol)
    np.testing.assert_allclose(
        there.explained_variance, near.explained_variance, rtol=atol
    )
    codes = compression.encode(near, x)
    np.testing.assert_allclose(compression.encode(there, far), codes, atol=10 * atol)
    # A sample that was not among those that it was fitted to.
    np.testing.assert_allclose(
        compression.encode(there, far[:50] + [0, 0, 1, 0]),
        compression.encode(near, x[:50] + [0, 0, 1, 0]),
        atol=10 * atol,
    )
    found, expected = (
        compression.compressed_information(
            lambda code, _: jnp.mean(code**2), pca, samples, None, x
        )
        for pca, samples in ((there, far), (near, x))
    )
    np.testing.assert_allclose(found[:4], expected[:4], rtol=10 * atol)


def test_autoencoder_of_float64_far_from_the_origin(model):
    rng = np.random.default_rng(8)
    x = rng.normal(size=(200, 2)) * [1, 0.3]
    far = x + np.array([1e8, -(2.0**30)])
    options = {"dim": 1, "modules": model.modules, "num_steps": 5, "batch_size": 16}
    near, there = (
        compression.autoencoder_fit(jax.random.key(0), samples, **options)
        for samples in (x, far)
    )
    # What float64 keeps beside 2^30, and float32 of five steps.
    codes = compression.encode(near, x)
    np.testing.assert_allclose(compression.encode(there, far), codes, atol=1e-5)
    found, expected = (
        compression.compressed_information(
            lambda code, _: jnp.mean(code**2), fitted, samples, None, x
        )
        for fitted, samples in ((there, far), (near, x))
    )
    np.testing.assert_allclose(found[:4], expected[:4], rtol=1e-4)
    back = np.asarray(compression.decode(there, codes))
    assert np.all(np.abs(back - far.mean(axis=0)) <= 64 + 4)  # A step of float32.


def test_compressed_information_of_normal_variables():
    rng = np.random.default_rng(4)
    num_samples, rho = 4000, 0.8
    a, c = rng.normal(size=(2, num_samples, 1))
    b = rho * a + math.sqrt(1 - rho**2) * c
    noise = 0.1 * rng.normal(size=(2, num_samples, 2))
    x = jnp.float32(np.hstack([3 * a, noise[0]]))
    y = jnp.float32(np.hstack([3 * b, noise[1]]))
    pca_x, pca_y = compression.pca_fit(x, 1), compression.pca_fit(y, 1)
    result = compression.compressed_information(
        _normal_information, pca_x, x, pca_y, y, noise_variance=0.01
    )
    # The standard error of -log(1 - r^2) / 2 is |rho| / sqrt(n).
    truth = -0.5 * math.log1p(-(rho**2))
    assert abs(float(result.value) - truth) < 4 * rho / math.sqrt(num_samples)
    # Two of three columns are lost, of variance 0.01 each.
    np.testing.assert_allclose(result.rms_error_x, 0.1 * math.sqrt(2 / 3), rtol=0.05)
    np.testing.assert_allclose(
        result.relative_error_y, math.sqrt(0.02 / 9.02), rtol=0.05
    )
    # Noise of the same variance: log(2) / 2 for each lost column.
    np.testing.assert_allclose(result.residual_x, math.log(2), rtol=0.05)
    np.testing.assert_allclose(result.residual_y, math.log(2), rtol=0.05)

    without = compression.compressed_information(
        lambda code, other: _normal_information(code, other[:, :1]), pca_x, x, None, y
    )
    assert abs(float(without.value) - truth) < 4 * rho / math.sqrt(num_samples)
    assert float(without.rms_error_y) == 0 and math.isnan(without.residual_x)


def test_bound_holds_where_the_residual_is_informative():
    """All of Y is in what the compressor throws away."""
    rng = np.random.default_rng(5)
    num_samples, noise_variance = 5000, 0.25
    large, small = rng.normal(size=(2, num_samples))
    x = jnp.float32(np.stack([5 * large, small], axis=1))
    y = jnp.float32(small[:, None])
    pca = compression.pca_fit(x, 1)
    result = compression.compressed_information(
        _normal_information, pca, x, None, y, noise_variance=noise_variance
    )
    # Codes know nothing; read through noise, the second column tells log(1 + 4) / 2.
    truth = 0.5 * math.log1p(1 / noise_variance)
    assert float(result.value) < 0.01
    upper = float(result.value + result.residual_x + result.residual_y)
    # Equality here, up to the sampling error of a variance, sqrt(2 / n) / 2 at most.
    assert abs(upper - truth) < 4 * math.sqrt(0.5 / num_samples) + 0.001


@pytest.mark.parametrize("shape", [(30, 2, 3), (4, 2, 3)])
def test_residual_information_is_the_log_determinant(shape):
    residual = np.random.default_rng(6).normal(size=shape)
    flat = residual.reshape(len(residual), -1)
    covariance = np.cov(flat.T)
    expected = 0.5 * np.linalg.slogdet(np.eye(6) + covariance / 0.3)[1]
    value = compression.residual_information(jnp.float32(residual), 0.3)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_the_slope_of_a_bound_of_residuals_without_full_rank():
    residual = np.float32([[1, 1], [2, 2], [3, 3], [0, 0]])
    slope = jax.grad(compression.residual_information)(residual, 0.3)
    rows = residual - residual.mean(axis=0)
    inside = np.linalg.inv(np.eye(2) + np.cov(residual.T) / 0.3)
    np.testing.assert_allclose(slope, rows @ inside / (3 * 0.3), rtol=1e-4, atol=1e-6)


def test_a_result_with_a_value_is_understood(curve):
    x, _ = curve
    pca = compression.pca_fit(x, 1)
    result = compression.compressed_information(
        lambda a, b: compression.CompressedInformation(1.5, *[0.0] * 6), pca, x, pca, x
    )
    assert float(result.value) == 1.5


def test_bad_input(key, curve, model):
    x, _ = curve
    fit = compression.autoencoder_fit
    with pytest.raises(ValueError, match=r"x must have shape \[num_samples, \*shape\]"):
        compression.pca_fit(x[:, 0], 1)
    with pytest.raises(TypeError, match="x must be floating"):
        compression.pca_fit(jnp.ones((5, 2), int), 1)
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN"):
        compression.pca_fit(x.at[3, 1].set(jnp.nan), 1)
    with pytest.raises(ValueError, match="x must have at least 2 samples"):
        compression.pca_fit(x[:1], 1)
    with pytest.raises(ValueError, match=r"dim must lie in \[1, 2\], got 3"):
        compression.pca_fit(x, 3)
    with pytest.raises(
        ValueError, match="dim must be a whole number, at least 1, got 0"
    ):
        fit(key, x, dim=0)
    with pytest.raises(
        ValueError, match="num_steps must be a whole number, at least 1, got 0"
    ):
        fit(key, x, dim=1, num_steps=0)
    with pytest.raises(ValueError, match="learning_rate must be one positive number"):
        fit(key, x, dim=1, learning_rate=0.0)
    with pytest.raises(ValueError, match="loss must be one of"):
        fit(key, x, dim=1, loss="absolute")
    with pytest.raises(ValueError, match="all samples are equal"):
        fit(key, jnp.ones((5, 2)), dim=1)
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        fit(key, x, dim=1, loss="bernoulli")
    with pytest.raises(ValueError, match="modules must give codes"):
        fit(key, x, dim=2, modules=autoencoders.dense_autoencoder((2,), 1, widths=(2,)))
    with pytest.raises(ValueError, match=r"x must have shape \[num_samples, 2\]"):
        compression.encode(model, jnp.zeros((5, 3)))
    with pytest.raises(TypeError, match="x must be floating"):
        compression.encode(model, jnp.zeros((5, 2), int))
    with pytest.raises(ValueError, match=r"code must have shape \[num_samples, dim\]"):
        compression.decode(model, jnp.zeros(5))
    pca = compression.pca_fit(x, 1)
    with pytest.raises(ValueError, match="code must have shape"):
        compression.decode(pca, jnp.zeros((5, 2)))
    with pytest.raises(ValueError, match="as many samples"):
        compression.compressed_information(_normal_information, pca, x, pca, x[1:])
    with pytest.raises(ValueError, match="noise_variance must be one positive number"):
        compression.compressed_information(
            _normal_information, pca, x, pca, x, noise_variance=0.0
        )
    with pytest.raises(ValueError, match="noise_variance must be one positive number"):
        compression.residual_information(x, -1.0)


def test_what_is_not_compressed_keeps_its_digits():
    x, noise = np.random.default_rng(0).normal(size=(2, 400, 1))
    y = x + noise
    plain = knn.ksg(x, y)
    found = compression.compressed_information(knn.ksg, None, x + 1e7, None, y - 1e7)
    # Of 1e7 float32 holds steps of one; of float64's 2e-9 hardly a neighbour changes.
    assert abs(found.value - plain) < 1e-3


@pytest.mark.parametrize(
    "call",
    [
        lambda x: compression.encode(None, x),
        lambda x: compression.decode(None, x),
        lambda x: compression.pca_encode(None, x),
        lambda x: compression.pca_decode(None, x),
        lambda x: compression.compressed_information(knn.ksg, 3, x, None, x),
    ],
)
def test_what_is_no_compressor_is_named(call):
    with pytest.raises(TypeError, match="(compressor|compressor_x|pca) must be a Pca"):
        call(np.ones((4, 2), np.float32))


def test_residuals_whose_squares_float32_does_not_hold():
    x = np.random.default_rng(9).normal(size=(60, 2)).astype(np.float32)
    cov = np.cov(x.astype(float).T) * 1e60
    exact = np.linalg.slogdet(np.eye(2) + cov)[1] / 2
    found = compression.residual_information(x * np.float32(1e30), 1.0)
    np.testing.assert_allclose(found, exact, rtol=1e-6)
