"""Neighbours of whitened samples: Gaussians in closed form, degenerate samples."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators import knn
from ibjax.estimators.knn import whitened

RNG = np.random.default_rng(0)
OPTIONS = {"k": 5, "weights": "butakov"}


def _pair(num_samples, dim, information):
    """Normal vectors whose components pair up to share so many nats."""
    rho = math.sqrt(1 - math.exp(-2 * information / dim))
    x, z = RNG.normal(size=(2, num_samples, dim)).astype(np.float32)
    return x, (rho * x + math.sqrt(1 - rho**2) * z).astype(np.float32)


@pytest.mark.parametrize("information", [0.0, 3.0])
def test_information_of_normal_vectors(information):
    """In the probe's 4 and 4 dimensions, in odd units that whitening takes out."""
    x, y = _pair(2000, 4, information)
    found = whitened.mutual_information(
        1e3 * x, 1e-3 * y @ RNG.normal(size=(4, 4)), **OPTIONS
    )
    # Its error is within a third of the truth, its bias below it.
    assert abs(found.value - information) < 4 * found.standard_error
    assert 0.1 < found.standard_error < 0.4


def test_the_standard_error_is_the_deviation_between_samples():
    found = [whitened.mutual_information(*_pair(200, 2, 1.0), k=3) for _ in range(40)]
    deviation = np.std([float(one.value) for one in found], ddof=1)
    mean = np.mean([float(one.standard_error) for one in found])
    # 40 samples know their deviation to 11 %, and neighbours are shared.
    assert 0.6 < mean / deviation < 1.6


def test_entropies_are_those_of_the_plain_estimator_where_nothing_is_to_whiten():
    x = RNG.normal(size=(500, 3)).astype(np.float32)
    x = np.concatenate([x, -x])
    values, vectors = np.linalg.eigh(np.cov(x.T))
    x = (x @ vectors / np.sqrt(values)).astype(np.float32)
    for options in ({"k": 3}, OPTIONS):
        terms = whitened.entropy_terms(x, **options)
        assert terms.shape == (1000,)
        plain = (
            knn.weighted_entropy(x, **options)
            if "weights" in options
            else knn.entropy(x, **options)
        )
        np.testing.assert_allclose(np.mean(terms), plain, rtol=1e-4)


def test_information_of_a_label():
    """Classes so far apart that each sample tells its own: H(Y)."""
    labels = np.arange(900) % 3
    noise = RNG.normal(size=(900, 2)).astype(np.float32)
    apart = np.array([[0, 0], [40, 0], [0, 40]], np.float32)
    found = whitened.class_information(
        apart[labels] + noise, labels, num_classes=4, **OPTIONS
    )
    assert abs(found.value - math.log(3)) < 4 * found.standard_error
    nothing = whitened.class_information(noise, labels, num_classes=4, **OPTIONS)
    # A sample and those of its class share no neighbours that would cancel.
    assert abs(nothing.value) < 4 * nothing.standard_error


def test_groups_are_of_every_twentieth_sample():
    x = RNG.normal(size=(207, 2)).astype(np.float32)
    found = whitened.mutual_information(x, x[:, :1] + x[:, 1:] ** 3, k=3)
    assert found.by_group.shape == (20,)
    # 200 of 207 terms; each is of order one.
    assert abs(np.mean(found.by_group) - found.value) < 0.2
    given = whitened._estimate(jnp.arange(60.0))
    np.testing.assert_allclose(given.by_group, np.arange(20) + 20.0)
    np.testing.assert_allclose(given.value, 29.5)
    # Variance of 0 to n - 1, n (n + 1) / 12, over n.
    np.testing.assert_allclose(given.standard_error, (61 / 12) ** 0.5, rtol=1e-5)


def test_terms_of_x_can_be_given():
    x, y = _pair(200, 2, 1.0)
    terms = whitened.entropy_terms(x, k=3)
    given = whitened.mutual_information(x, y, k=3, terms_x=terms)
    assert given.value == whitened.mutual_information(x, y, k=3).value
    with pytest.raises(
        ValueError, match=r"terms_x must have shape \[200\], got \(3,\)"
    ):
        whitened.mutual_information(x, y, k=3, terms_x=terms[:3])


def test_vmap_equals_a_loop():
    x, y = np.stack([_pair(200, 2, i) for i in (0.5, 2.0)], axis=1)
    labels = np.arange(200) % 2

    def both(x, y):
        return (
            whitened.mutual_information(x, y, k=3),
            whitened.class_information(y, labels, num_classes=2, k=3),
        )

    together = jax.jit(jax.vmap(both))(x, y)
    for n in range(2):
        alone = both(x[n], y[n])
        jax.tree.map(
            lambda t, a, n=n: np.testing.assert_allclose(t[n], a, rtol=1e-4, atol=1e-5),
            together,
            alone,
        )


def _flat(x):
    x[:, 1] = x[:, 0]
    return x


def _constant(x):
    x[:, 1] = 2.0
    return x


def _copied(x):
    x[1] = x[0]
    return x


@pytest.mark.parametrize("spoil", [_flat, _constant, _copied])
def test_what_has_no_density_is_nan_and_never_infinite(spoil):
    x, y = _pair(60, 2, 1.0)
    y = spoil(y)
    labels = np.arange(60) // 30
    found = (
        whitened.mutual_information(x, y, k=1),
        whitened.class_information(y, labels, num_classes=2, k=1),
    )
    for one in found:
        assert np.isnan(one.value) and np.isnan(one.standard_error)
        assert np.isnan(one.by_group).any() and not np.isinf(one.by_group).any()


def test_one_flat_class_is_enough_to_have_none():
    _, y = _pair(60, 2, 1.0)
    labels = np.arange(60) // 30
    y[:30, 1] = y[:30, 0]
    assert np.all(np.isfinite(whitened.entropy_terms(y, k=1)))
    found = whitened.class_information(y, labels, num_classes=2, k=1)
    assert np.isnan(found.value) and np.isnan(found.standard_error)


def test_a_class_too_small_is_nan_inside_jit_and_refused_outside():
    _, y = _pair(60, 2, 1.0)
    labels = jnp.asarray(np.arange(60) < 3, jnp.int32)

    def estimate(labels):
        return whitened.class_information(y, labels, num_classes=2, k=3).value

    assert np.isnan(jax.jit(estimate)(labels))
    with pytest.raises(ValueError, match="class 1 has 3"):
        estimate(labels)
    with pytest.raises(ValueError, match="k must be at least 1"):
        whitened.entropy_terms(y, k=0)
