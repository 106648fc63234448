"""Networks through a code: draws, scales, priors and predictions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import networks
from ibjax import representations as r
from ibjax.representations.variational import Posterior

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)


def _model(covariance, **options):
    width = r.encoder_width(2, covariance)
    encoder = networks.mlp([3, 5, width], output="linear")
    decoder = networks.mlp([2, 4])
    return r.variational(encoder, decoder, dim=2, covariance=covariance, **options)


@pytest.mark.parametrize("covariance", r.COVARIANCES)
def test_draws_have_the_mean_and_the_covariance(covariance):
    model = _model(covariance, initial_std=0.7)
    params = model.network.init(KEY)
    posterior = model.encode(params, X)
    num = 4000
    z = jax.vmap(posterior.sample)(jax.random.split(KEY, num))
    scale = np.asarray(posterior.scale, np.float64)
    if scale.ndim == 2:
        scale = scale[..., None] * np.eye(2)
    expected = scale @ np.swapaxes(scale, 1, 2)
    centred = np.asarray(z - posterior.mean[None], np.float64)
    # Five standard errors of means and of products of normal variables.
    spread = np.sqrt(np.einsum("nii->ni", expected))
    assert np.all(abs(centred.mean(0)) < 5 * spread / np.sqrt(num))
    found = np.einsum("sni,snj->nij", centred, centred) / num
    errors = np.sqrt(2 / num) * spread[:, :, None] * spread[:, None]
    assert np.all(abs(found - expected) < 5 * errors)


def test_scales_begin_about_the_first_deviation():
    for covariance in r.COVARIANCES:
        model = _model(covariance, initial_std=0.01)
        params = model.network.init(KEY)
        zero = jax.tree.map(jnp.zeros_like, params.encoder)
        scale = model.encode(params._replace(encoder=zero), X).scale
        if covariance == "full":
            assert np.all(scale[:, 0, 1] == 0) and np.all(scale[:, 1, 0] == 0)
            scale = jnp.diagonal(scale, axis1=1, axis2=2)
        np.testing.assert_allclose(scale, 0.01, rtol=1e-5)


@pytest.mark.parametrize("initial_std", [1e-20, 1.0, 800.0])
def test_deviations_are_a_softplus_and_positive_far_below_zero(initial_std):
    model = _model("diagonal", initial_std=initial_std)
    params = model.network.init(KEY)
    # Last biases are the raw outputs of zero weights.
    zero = jax.tree.map(jnp.zeros_like, params.encoder)
    *hidden, (weights, _) = zero

    def rate(biases):
        encoder = (*hidden, (weights, biases))
        found = model.encode(params._replace(encoder=encoder), X)
        return found, jnp.mean(r.gaussian_kl(*found))

    raw = np.array([-5637.0, -20.0])
    found, value = rate(jnp.array([1.0, 2.0, *raw], jnp.float32))
    shift = initial_std + np.log(-np.expm1(-initial_std))
    expected = np.maximum(np.logaddexp(raw + shift, 0), 1e-30)
    # What rounding the raw outputs moves a logarithm by.
    eps = np.finfo(np.float32).eps
    tolerance = 4 * eps * np.max(np.abs([raw, raw + shift]))
    np.testing.assert_allclose(found.scale[0], expected, rtol=tolerance)
    exact = 0.5 * np.sum(expected**2 - 1 - 2 * np.log(expected)) + 2.5
    np.testing.assert_allclose(value, exact, rtol=tolerance)
    gradient = jax.grad(lambda b: rate(b)[1])(jnp.array([1.0, 2.0, *raw], jnp.float32))
    assert np.all(np.isfinite(gradient))


def test_without_a_key_the_code_is_its_mean():
    model = _model("diagonal")
    params = model.network.init(KEY)
    *_, raw, z, logits = model.network.activations(params, X)
    posterior = model.encode(params, X)
    np.testing.assert_array_equal(z, posterior.mean)
    np.testing.assert_array_equal(z, raw[:, :2])
    np.testing.assert_array_equal(logits, model.decode(params, z))
    *_, drawn, _ = model.network.activations(params, X, key=KEY)
    assert np.all(drawn != z)
    # As good as without noise, it is the network without noise.
    sure = _model("diagonal", initial_std=1e-6)
    _, _, z_sure, _ = sure.network.activations(params, X, key=KEY)
    assert np.all(abs(z_sure - z) < 1e-4)


def test_layers_and_kernels_fit():
    model = _model("full")
    params = model.network.init(KEY)
    layers = model.network.activations(params, X, key=KEY)
    assert [t.shape[1] for t in layers] == [la.width for la in model.network.layers]
    assert len(model.network.kernels(params)) == len(model.network.layers)
    assert model.network.kernels(params)[2] == ()


def test_predictions_are_means_of_probabilities():
    model = _model("diagonal")
    params = model.network.init(KEY)
    found = r.predict(jax.random.key(5), params, X, model=model, num_samples=3)
    posterior = model.encode(params, X)
    each = [
        jax.nn.softmax(model.decode(params, posterior.sample(key)))
        for key in jax.random.split(jax.random.key(5), 3)
    ]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-5)


PRIORS = [
    r.standard_prior(2),
    r.gaussian_prior(2),
    r.mixture_prior(2, 3),
    r.class_prior(2, 4, learned_std=True),
]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.description)
def test_rates_are_means_of_log_ratios(prior):
    """Against the definition: the mean of log q(z|x) - log r(z) over draws."""
    params = jax.tree.map(
        lambda leaf: leaf + 0.3 * jax.random.normal(KEY, leaf.shape), prior.init(KEY)
    )
    mean = jnp.array([[0.5, -1.0]])
    posterior = Posterior(mean, jnp.array([[0.4, 0.9]]))
    targets = jnp.array([[0.2, 0.3, 0.5, 0.0]])
    num = 20_000
    many = Posterior(*(jnp.repeat(array, num, axis=0) for array in posterior))
    z = many.sample(jax.random.key(1))
    log_q = np.asarray(r.gaussian_log_density(z, *many), np.float64)
    rates = prior.rate(params, many, z, jnp.repeat(targets, num, axis=0))
    log_r = _log_densities(prior, params, np.asarray(z, np.float64), targets[0])
    ratios = log_q - log_r
    error = ratios.std() / np.sqrt(num)
    assert abs(rates.mean() - ratios.mean()) < 5 * error + 1e-5
    draws = prior.sample(KEY, params, 500)
    assert draws.shape == (500, 2) and bool(jnp.isfinite(draws).all())


def _log_densities(prior, params, z, targets):
    from scipy import stats

    def normal(mean, std):
        return stats.norm(np.asarray(mean), np.asarray(std)).logpdf(z).sum(1)

    if prior is PRIORS[0]:
        return normal(0.0, 1.0)
    if prior is PRIORS[1]:
        return normal(params[0], np.exp(params[1]))
    if prior is PRIORS[2]:
        weights = np.asarray(jax.nn.softmax(params[0]))
        each = [normal(m, np.exp(s)) for m, s in zip(*params[1:], strict=True)]
        return np.log(np.sum(weights[:, None] * np.exp(each), axis=0))
    each = [normal(m, np.exp(s)) for m, s in zip(*params, strict=True)]
    return np.asarray(targets) @ each


def test_draws_of_priors_are_theirs():
    for prior in PRIORS[:2]:
        params = jax.tree.map(lambda leaf: leaf + 0.5, prior.init(KEY))
        draws = np.asarray(prior.sample(KEY, params, 4000))
        mean, std = (0.5, np.exp(0.5)) if params else (0.0, 1.0)
        assert np.all(abs(draws.mean(0) - mean) < 5 * std / np.sqrt(4000))
        assert np.all(abs(draws.std(0) - std) < 5 * std / np.sqrt(8000))


def test_the_best_prior_makes_the_rate_the_information():
    """Of a linear Gaussian code: another prior costs what it is off the marginal."""
    x = np.random.default_rng(1).normal(size=(200_000, 1))
    weight, std = 1.5, 0.8
    mean = jnp.asarray(weight * x, jnp.float32)
    posterior = Posterior(mean, jnp.full_like(mean, std))
    second = float(np.mean((weight * x) ** 2) + std**2)
    information = 0.5 * np.log(second / std**2)
    best = (jnp.zeros(1), jnp.log(jnp.sqrt(jnp.array([second]))))
    prior = r.gaussian_prior(1)
    rate = prior.rate(best, posterior, None, None).mean()
    # The marginal's mean, which the prior does not follow, is of order 1/sqrt(n).
    np.testing.assert_allclose(rate, information, rtol=1e-4)
    standard = r.standard_prior(1).rate((), posterior, None, None).mean()
    gap = r.gaussian_kl(jnp.zeros(1), jnp.sqrt(jnp.array([second])))
    np.testing.assert_allclose(standard - rate, gap, rtol=1e-4)


@pytest.mark.parametrize(
    "encoder, decoder, options, message",
    [
        ([3, 3], [2, 4], {}, "encoder must have a linear output of 4 units"),
        ([3, 4], [3, 4], {}, "decoder must take 2 numbers, got mlp 3-4"),
        ([3, 4], [2, 4], {"dim": 0}, "dim must be a whole number"),
        ([3, 4], [2, 4], {"covariance": "none"}, "covariance must be one of diagonal"),
        ([3, 4], [2, 4], {"initial_std": 0.0}, r"initial_std must lie in \[1e-30"),
    ],
)
def test_parts_that_do_not_fit_are_refused(encoder, decoder, options, message):
    encoder, decoder = networks.mlp(encoder, output="linear"), networks.mlp(decoder)
    with pytest.raises(ValueError, match=message):
        r.variational(encoder, decoder, **({"dim": 2} | options))


def test_mistakes_are_named():
    model = r.variational(
        networks.mlp([3, 4], output="linear"), networks.mlp([2, 5]), dim=2
    )
    params = model.network.init(KEY)
    with pytest.raises(TypeError, match="key must be a key"):
        r.predict(True, params, X, model=model)
    with pytest.raises(TypeError, match="params must be a VariationalParams"):
        r.predict(KEY, None, X, model=model)
    with pytest.raises(ValueError, match="model must fit params and x, got "):
        r.predict(KEY, params, X[:, :2], model=model)
    with pytest.raises(TypeError, match="encoder must be a Network"):
        r.variational(None, networks.mlp([2, 5]), dim=2)
    with pytest.raises(TypeError, match="posterior must be a Posterior"):
        r.rate_decomposition(KEY, X)
