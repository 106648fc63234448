"""A nuisance in images, what a decoder finds of it, and claims on made-up networks."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from ibjax.datasets.images import image_task
from ibjax.datasets.task import make_task
from ibjax.experiments.nuisance.claims import nuisance_claims, prices_of
from ibjax.experiments.nuisance.figures import nuisance_figures
from ibjax.experiments.nuisance.setup import (
    NuisanceSetup,
    decoded_information,
    occluded,
)
from ibjax.experiments.setup import Context

BETAS = [0.001, 0.01, 1.0]


def test_a_square_covers_one_of_the_places():
    x = np.zeros((400, 36))
    plain = make_task(x, np.arange(400) % 2, num_measured=40, train_rows=np.arange(360))
    task, nuisance = occluded(plain, places=3, square=2)
    images = np.asarray(task.x).reshape(-1, 6, 6)
    blocks = images.reshape(-1, 3, 2, 3, 2).sum((2, 4)).reshape(-1, 9)
    np.testing.assert_array_equal(np.argmax(blocks, axis=1), nuisance)
    np.testing.assert_array_equal(blocks.sum(axis=1), 4)
    assert task.num_measured == 40 and len(task.train_rows) == 360
    # Each place is as frequent as any, within four standard errors.
    counts = np.bincount(nuisance, minlength=9)
    assert np.all(np.abs(counts - 400 / 9) < 4 * np.sqrt(400 * 8 / 81))


def test_a_decoder_finds_what_a_normal_variable_tells_of_two_classes(key):
    """A linear decoder is optimal for them: the integral is what it tends to."""
    num, distance = 8000, 2.0
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, num)
    t = rng.normal(size=(num, 3)) + distance * np.outer(labels - 0.5, [1, 0, 0])
    find = jax.jit(decoded_information, static_argnames="num_classes")
    found = find(jnp.asarray(t, jnp.float32), jnp.asarray(labels), num_classes=2)
    z = np.linspace(-9, 9, 20001)
    density = np.exp(-((z - distance / 2) ** 2) / 2) / np.sqrt(2 * np.pi)
    left = np.log1p(np.exp(-distance * z))
    expected = np.log(2) - np.trapezoid(density * left, z)
    deviation = np.sqrt(
        np.trapezoid(density * left**2, z) - (np.log(2) - expected) ** 2
    )
    # Of a quarter of the samples, and the share of the classes among them.
    assert abs(found - expected) < 4 * deviation / np.sqrt(num / 4) + 2e-3
    nothing = jnp.asarray(rng.normal(size=(num, 3)), jnp.float32)
    assert find(nothing, jnp.asarray(labels), num_classes=2) < 5e-3


def _dataset(sign=1.0, seeds=5):
    jitter = 1 + 0.01 * np.random.default_rng(0).normal(size=seeds)
    layer, last = np.array([2.0, 1.5, 0.0]), np.array([1.5, 0.2, 0.0])
    nuisance = np.stack([layer, last, last])[:: 1 if sign > 0 else -1]
    label = np.array([[1.5, 1.52, 0.0]] * 3) if sign > 0 else nuisance
    error = np.array([0.1, 0.05, 0.9])
    information = 1000 * np.array([50.0, 10.0, 0.1])
    if sign < 0:
        nuisance = 2 - nuisance

    def per_seed(values):
        return np.asarray(values)[..., None] * jitter

    dims = ("layer", "beta", "seed", "epoch")
    found = xr.Dataset(
        {
            "weight_information": (dims[1:], per_seed(information)[..., None]),
            "test_accuracy": (dims[1:], 1 - per_seed(error)[..., None]),
            "decoded_nuisance": (dims, per_seed(nuisance)[..., None]),
            "decoded_class": (dims, per_seed(label)[..., None]),
        },
        {"beta": BETAS, "seed": np.arange(seeds), "epoch": [9], "layer": [1, 2, 3]},
    )
    found.attrs["configuration"] = json.dumps({"num_train": 1000})
    return found


def test_claims_follow_the_numbers():
    dataset = _dataset()
    assert {c.verdict for c in nuisance_claims(dataset)} == {"holds"}
    opposite = [c.verdict for c in nuisance_claims(_dataset(-1.0))]
    assert opposite[:3] == 3 * ["does not hold"]
    found = prices_of(dataset)
    np.testing.assert_allclose(found.information[:, 0].round(), [50, 10, 0], atol=1)
    assert found.layers == ["1", "2"]
    assert list(nuisance_figures(dataset)) == ["nuisance"]
    with pytest.raises(ValueError, match="dataset must have decoded_nuisance"):
        prices_of(dataset.isel(beta=0))


def test_options_out_of_range():
    pytest.importorskip("sklearn")
    context = Context([0, 1], task=image_task("digits"))
    for options, message in (
        ({"beta": (0.0,)}, "beta must be one positive number"),
        ({"places": 1}, "places must be a whole number, at least 2"),
        ({"square": 3}, r"square must be in \[1, 2\]|square must"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(NuisanceSetup(side=8), **options).cells(context)
