"""Prices that are led to their value, and the log-uniform prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import weights
from ibjax.training.objectives import cross_entropy, objective
from ibjax.weights import Posterior

PRICE = objective(
    lambda params, batch, key, *, beta: beta, "price", targets=("classes",)
)


def test_the_price_is_led_by_one_factor_an_epoch():
    led = weights.annealed(PRICE, start=0.01, num_epochs=7, hold=2, beta=5.0)

    def price(epoch, **given):
        return float(led(None, None, None, network=None, epoch=epoch, **given)[0])

    found = [price(epoch) for epoch in range(10)]
    factors = np.clip((np.arange(10) - 2) / 5, 0, 1)
    np.testing.assert_allclose(found, 0.01 * 500**factors, rtol=1e-5)
    # A sweep's own price, which may be below the first one.
    np.testing.assert_allclose(price(8, beta=1e-3), 1e-3, rtol=1e-5)
    assert led.intervals == {"beta": "(0, inf)"}
    assert led.terms[0].targets == ("classes",)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"start": 0.0}, "start must be one positive number"),
        ({"num_epochs": 0}, "num_epochs must be a whole number"),
        ({"hold": 9}, r"hold must lie in \[0, 9\)"),
        ({"bottleneck": cross_entropy()}, "must hold.*beta"),
    ],
)
def test_bad_arguments(options, message):
    chosen = {"bottleneck": PRICE, "start": 0.1, "num_epochs": 9} | options
    with pytest.raises(ValueError, match=message):
        weights.annealed(chosen.pop("bottleneck"), **chosen)


def test_the_log_uniform_prior_counts_what_noise_does_not_hide():
    mean = {"a": jnp.array([2.0, -3.0]), "b": jnp.array([0.0, 0.1])}
    std = {"a": jnp.array([0.5, 1.0]), "b": jnp.array([0.3, 0.2])}
    posterior = Posterior(mean, jax.tree.map(jnp.log, std))
    found, slopes = jax.jit(jax.value_and_grad(weights.log_uniform_information))(
        posterior
    )
    # The second array is hidden; the first has the formula of multiplicative noise.
    alphas = (std["a"] / mean["a"]) ** 2
    np.testing.assert_allclose(found, weights.log_normal_information(alphas), rtol=1e-6)
    np.testing.assert_allclose(slopes.mean["a"], 1 / mean["a"], rtol=1e-6)
    np.testing.assert_array_equal(slopes.log_std["a"], [-1.0, -1.0])
    for slope in (slopes.mean["b"], slopes.log_std["b"]):
        np.testing.assert_array_equal(slope, [0.0, 0.0])
    with pytest.raises(TypeError, match="posterior must be"):
        weights.log_uniform_information(mean)
