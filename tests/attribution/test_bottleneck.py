"""Information bottleneck attribution, against integrals and linear models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from ibjax import attribution
from ibjax.attribution import FeatureStatistics, capacity
from ibjax.attribution.bottleneck import passed
from ibjax.estimators import over_devices

KEY = jax.random.key(3)


def _divergence(r, lam):
    """Divergence of N(lam r, (1 - lam)^2) from N(0, 1), by quadrature, in nats."""
    p = stats.norm(lam * r, 1 - lam)

    def integrand(z):
        return p.pdf(z) * (p.logpdf(z) - stats.norm.logpdf(z))

    low, high = p.mean() - 12 * p.std(), p.mean() + 12 * p.std()
    return integrate.quad(integrand, low, high, epsabs=1e-12, epsrel=1e-12)[0]


def test_capacity_is_a_divergence():
    r, lam = np.meshgrid([-1.5, 0.0, 2.0], [0.02, 0.099, 0.101, 0.5, 0.9933071])
    expected = np.vectorize(_divergence)(r, lam)
    found = capacity(r.astype(np.float32), lam.astype(np.float32))
    # Of the formula's terms, of the order of one, half a unit of float32 is lost each.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_capacity_at_the_ends():
    lam = np.logspace(-12, -3, 10).astype(np.float32)
    # The two first terms of its series at zero; the next is lam^2 / 4 of them.
    expected = lam.astype(np.float64) ** 2 * (0.5 * 9 + 1 + lam / 3)
    np.testing.assert_allclose(capacity(3.0, lam), expected, rtol=1e-6)
    np.testing.assert_array_equal(capacity([-3.0, 0.0, 1e3], 0.0), np.zeros(3))
    assert capacity(0.0, 1.0) == np.inf
    with jax.enable_x64(True):
        value = capacity(jnp.float64(0.0), 1 - jnp.float64(2.0) ** -40)
        assert value == pytest.approx(40 * np.log(2) - 0.5, rel=1e-12)
        # On either side of where a series takes over.
        below, above = capacity(0.0, 0.1 - 1e-13), capacity(0.0, 0.1 + 1e-13)
        assert above - below == pytest.approx(0, abs=1e-12)
    gradient = jax.vmap(jax.grad(capacity, argnums=1))(jnp.ones(2), jnp.array([0, 0.5]))
    np.testing.assert_allclose(gradient, [0, 0.5 + 0.5 - 1 + 1 / 0.5], rtol=1e-6)


def test_a_lambda_that_rounds_to_one_has_a_finite_capacity():
    alpha = np.array([[5.0, 30.0, 1e4]], np.float32)
    found, lam, _ = passed(_standard(3), np.zeros((1, 3), np.float32), alpha, 0.0)
    assert lam[0, 1] == 1 and np.all(np.isfinite(found))
    # Of 1 - lam = exp(-30), and of the least number of float32.
    np.testing.assert_allclose(found[0, 0], capacity(0.0, 1 / (1 + np.exp(-5))), 1e-4)
    np.testing.assert_allclose(found[0, 1], 30 - 0.5, rtol=1e-6)
    np.testing.assert_allclose(found[0, 2], 126 * np.log(2) - 0.5, rtol=1e-6)


def test_capacity_refuses_what_is_no_part():
    with pytest.raises(ValueError, match=r"lam must lie in \[0, 1\], got .* to 1.5"):
        capacity([0.0, 0.0], [0.0, 1.5])
    assert np.isnan(jax.jit(capacity)(0.0, 1.5)) and np.isnan(capacity(np.nan, 0.5))


def _standard(num):
    return FeatureStatistics(
        jnp.zeros(num), jnp.ones(num), jnp.ones(num, bool), jnp.ones(())
    )


# One layer, of the inputs scaled and shifted, for all tests: one compiled program.


def _front(params, x):
    return params[0] * x + params[1]


def _back(params, r):
    """The logit of class 1 reads the third of four features."""
    r = (r - params[1]) / params[0]
    return jnp.stack([jnp.zeros(len(r)), 3 * r[:, 2]], axis=1)


X = jnp.full((2, 4), 1.5)
DATA = np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32)


def _explained(scale=1.0, shift=0.0, statistics=None, x=X, key=KEY, **options):
    params = jnp.float32(scale), jnp.float32(shift)
    if statistics is None:
        statistics = attribution.feature_statistics(_front, params, DATA)
    return attribution.per_sample(
        key, _front, _back, params, x, 1, statistics, **options
    )


def test_noise_alone_knows_nothing_and_no_noise_all():
    statistics = FeatureStatistics(
        jnp.array([1.0, 2, 3]),
        jnp.array([1.0, 2, 3]),
        jnp.array([True, True, False]),
        9,
    )
    r = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    none, other = (
        attribution.noisy_features(KEY, part, jnp.zeros((4, 3)), statistics)
        for part in (r, r + 5)
    )
    np.testing.assert_array_equal(none, other)
    whole = attribution.noisy_features(KEY, r, jnp.ones((4, 3)), statistics)
    np.testing.assert_allclose(whole[:, :2], r[:, :2], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(whole[:, 2], np.full(4, 3.0))
    many = attribution.noisy_features(
        KEY, np.zeros((4000, 3)), jnp.zeros((4000, 3)), statistics
    )
    error = 4 / np.sqrt(4000)
    np.testing.assert_allclose(np.mean(many, axis=0), [1, 2, 3], atol=2 * error)
    np.testing.assert_allclose(np.std(many[:, :2], axis=0), [1, 2], rtol=error)


def test_without_a_price_only_what_matters_moves():
    found = _explained(statistics=_standard(4), beta=0.0)
    lam = np.asarray(found.lam)
    # No gradient reaches the others, which stay where they start.
    irrelevant = np.delete(lam, 2, axis=1)
    np.testing.assert_allclose(irrelevant, jax.nn.sigmoid(5.0), rtol=1e-6)
    # Adam's steps are of length one, or shorter once the gradient fades.
    assert np.all(lam[:, 2] > jax.nn.sigmoid(7.0))


def test_capacity_concentrates_where_the_model_looks():
    found = _explained(statistics=_standard(4), beta=0.1, num_steps=30)
    share = found.capacity[:, 2] / np.sum(found.capacity, axis=1)
    assert np.all(share > 0.95)
    np.testing.assert_allclose(
        found.capacity, capacity(jnp.full((2, 4), 1.5), found.lam), rtol=1e-4
    )
    # The last of the history is that of what is returned, not of a step before.
    np.testing.assert_allclose(
        found.information[:, -1], np.sum(found.capacity, axis=1), rtol=1e-6
    )
    start = 4 * capacity(1.5, 1 / (1 + np.exp(-5)))
    np.testing.assert_allclose(found.information[:, 0], start, rtol=1e-5)
    assert found.cross_entropy.shape == (2, 31)


def test_a_high_price_leaves_nothing():
    found = _explained(statistics=_standard(4), beta=1e6, num_steps=20)
    # Twenty steps of about one lead from 5 to -15, where lambda is 3e-7.
    assert np.all(found.capacity < 1e-6 * found.information[:, :1])
    # What is left is the cross-entropy of a logit 3 z of nothing but noise z.
    loss = lambda z: np.log1p(np.exp(-3 * z))  # noqa: E731
    mean, square = (
        integrate.quad(lambda z, p=p: stats.norm.pdf(z) * loss(z) ** p, -9, 9)[0]
        for p in (1, 2)
    )
    # Lambda is below 0.001 by then; two inputs have ten copies each.
    last = np.asarray(found.cross_entropy)[:, -8:]
    error = np.sqrt((square - mean**2) / (10 * last.size))
    assert abs(np.mean(last) - mean) < 4 * error


def test_a_scale_of_the_layer_changes_nothing():
    # A power of two changes no digit of a number.
    one, eight = _explained(x=DATA[:2]), _explained(scale=8.0, x=DATA[:2])
    np.testing.assert_array_equal(one.capacity, eight.capacity)
    np.testing.assert_array_equal(one.cross_entropy, eight.cross_entropy)
    other = _explained(scale=0.3, shift=2.0, x=DATA[:2])
    # Activities differ by units of the last place of the shift, 1e-7 of two; Adam
    # divides a gradient by its own size, so that its steps differ by as little, and a
    # capacity by ten times the relative difference of ten steps.
    np.testing.assert_allclose(other.capacity, one.capacity, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def explained(small):
    network, params, x, targets = small
    front, back = attribution.split(network, "second")
    statistics = attribution.feature_statistics(front, params, x)
    found = attribution.per_sample(
        KEY, front, back, params, x, targets, statistics, batch_size=2
    )
    return (front, back, params), statistics, found


def test_batches_and_programs_change_rounding_alone(explained):
    _, _, found = explained
    assert found.capacity.shape == (5, 8, 8, 6)
    assert np.all(np.isfinite(found.capacity)) and np.all(found.capacity >= 0)

    # The linear layer's, as one program of loops.
    x = DATA[:3]
    single = _explained(x=x, batch_size=2, statistics=_standard(4))
    program = jax.jit(
        lambda x: _explained(x=x, batch_size=2, statistics=_standard(4)).capacity
    )
    np.testing.assert_allclose(program(x), single.capacity, rtol=1e-4, atol=1e-6)
    divided = over_devices(_explained)(x=x, batch_size=1, statistics=_standard(4))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        divided,
        single,
    )


@pytest.mark.slow
def test_several_keys_are_explained_side_by_side():
    keys = jax.random.split(KEY, 2)
    statistics = _standard(4)
    both = jax.vmap(lambda key: _explained(key=key, statistics=statistics).capacity)(
        keys
    )
    for key, found in zip(keys, both, strict=True):
        expected = _explained(key=key, statistics=statistics).capacity
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_inactive_features_have_no_information_but_count(explained, small):
    _, _, x, targets = small
    (front, back, params), statistics, found = explained
    half = statistics._replace(active=jnp.zeros((8, 8, 6), bool).at[:4].set(True))
    less = attribution.per_sample(
        KEY, front, back, params, x, targets, half, batch_size=2
    )
    np.testing.assert_array_equal(less.capacity[:, 4:], 0)
    first = capacity(half.normalize(front(params, x)), jax.nn.sigmoid(5.0))
    np.testing.assert_allclose(
        less.information[:, 0], np.sum(first[:, :4], axis=(1, 2, 3)), rtol=1e-5
    )
    assert np.all(less.information[:, 0] < found.information[:, 0])


def test_bad_calls_are_named():
    parts, standard = (_front, _back, (1.0, 0.0)), _standard(4)

    def call(key=KEY, x=X, targets=1, statistics=standard, **options):
        return attribution.per_sample(key, *parts, x, targets, statistics, **options)

    with pytest.raises(TypeError, match="key must be a key"):
        call(key=0)
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 2\)"):
        call(targets=2)
    with pytest.raises(
        ValueError, match=r"targets must have shape \[2\] for one class"
    ):
        call(targets=[0, 1, 1])
    with pytest.raises(TypeError, match="targets must be integers"):
        call(targets=jnp.ones(2))
    with pytest.raises(ValueError, match="x must be finite"):
        call(x=np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match=r"mean must have shape \[4\]"):
        call(statistics=_standard(3))
    with pytest.raises(ValueError, match="beta must be one number from 0 on"):
        call(beta=-1.0)
    with pytest.raises(ValueError, match="num_steps must be a whole number"):
        call(num_steps=0)
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        call(batch_size=0)


def test_capacity_of_squares_that_are_out_of_range():
    np.testing.assert_allclose(capacity([1e20, 1e-30], [1e-20, 0.5]), [0.5, 0.3181472])
