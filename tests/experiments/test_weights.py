"""Noisy weights on true labels: certificates, what they pay for, and claims."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import weights
from ibjax.datasets.images import image_task
from ibjax.experiments.setup import Context
from ibjax.experiments.weights.claims import (
    BOUNDS,
    Width,
    certificates,
    weights_claims,
    widths_of,
)
from ibjax.experiments.weights.figures import weights_figures
from ibjax.experiments.weights.setup import WeightsSetup, paid_information
from ibjax.results.cells import cells_of
from ibjax.sweeps import sweep_grid
from ibjax.weights import NoisyState, pac_bayes

SETUP = WeightsSetup(width=(4,), beta=(0.01, 10.0), side=4, draws=3)


@pytest.fixture(scope="module")
def dataset():
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 12], task=image_task("digits"), num_measured=50)
    return sweep_grid(jax.random.key(0), SETUP.cells(context), num_seeds=2)


@pytest.mark.slow
def test_networks_are_read_by_width(dataset):
    (width,) = widths_of(dataset)
    assert (width.hidden, width.num_train, width.draws) == ("4", 1437, 3 * 1437)
    assert width.num_weights == 17 * 4 + 5 * 10
    cost = width.values["paid_information"] - width.values["weight_information"]
    # Four arrays, each of a number j of variances: of e^-10 to 10, 1200 of them.
    most = 4 * (2 * np.log(1200) + np.log(np.pi**2 / 6))
    assert np.all(cost > 0) and np.all(cost < most)
    assert len(weights_claims(dataset)) == 2 + len(BOUNDS) + 3
    (_, one), *_ = cells_of(dataset)
    for shown in (dataset, one):
        figures = weights_figures(shown)
        assert list(figures) == ["weights_errors", "weights_certificates"]


def test_what_is_paid_is_the_information_and_the_choice_of_priors():
    rng = np.random.default_rng(0)
    initial = {"a": rng.normal(size=(3, 2)), "b": rng.normal(size=4)}
    mean = {
        name: value + rng.normal(size=value.shape) for name, value in initial.items()
    }
    std = {name: rng.uniform(0.1, 1, value.shape) for name, value in initial.items()}
    posterior = weights.Posterior(mean, jax.tree.map(np.log, std))
    network = SimpleNamespace(split=lambda params: params)
    params = jax.tree.map(jnp.float32, (posterior, NoisyState(None, initial)))
    snapshot = SimpleNamespace(network=network, params=params)
    found = float(paid_information()(snapshot)["paid_information"])
    best = [np.mean(std[n] ** 2 + (mean[n] - initial[n]) ** 2) for n in "ab"]
    nearest = pac_bayes.nearest_prior_variance(best, scale=10.0)
    expected = pac_bayes.prior_union_cost(nearest, scale=10.0).sum()
    for name, variance in zip("ab", nearest, strict=True):
        square = std[name] ** 2 + (mean[name] - initial[name]) ** 2
        logs = np.log(std[name] ** 2 / variance)
        expected += np.sum(square / variance - 1 - logs) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def _width(error, information):
    values = {
        "train_gibbs_error": np.array(error),
        "paid_information": np.array(information),
    }
    return Width("4", 10, 1000, 20_000, np.array([1.0]), values)


def test_certificates_pay_for_draws():
    found = certificates(_width([[0.1, np.nan]], [[50.0, 1.0]]))
    assert list(found) == list(BOUNDS)
    error = pac_bayes.kl_inverse(0.1, np.log(2 / 0.01) / 20_000)
    expected = pac_bayes.maurer(error, 50.0, 1000, delta=0.025)
    np.testing.assert_allclose(found["Maurer"][0, 0], expected)
    assert all(np.isnan(risk[0, 1]) for risk in found.values())
    # The inverse of the binary divergence is below all that follows from it.
    others = ("quad", "Thiemann", "Pinsker", "Langford-Seeger")
    assert all(found["Maurer"][0, 0] <= found[name][0, 0] for name in others)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta": (0.0,)}, "beta must be one positive number"),
        ({"width": (0,)}, "width must be a whole number"),
        ({"draws": 0}, "num_draws must be a whole number"),
        ({"initial_std": 0.0}, "initial-std must be one positive number"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context([0, 1], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(context)
