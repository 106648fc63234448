"""Information dropout on cluttered digits: set-ups, claims and figures."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from ibjax.datasets.images import image_task
from ibjax.experiments import information_dropout
from ibjax.experiments.information_dropout.claims import (
    information_dropout_claims,
    points_of,
)
from ibjax.experiments.information_dropout.figures import information_dropout_figures
from ibjax.experiments.information_dropout.setup import (
    BinaryDropoutSetup,
    InformationDropoutSetup,
)
from ibjax.experiments.setup import Context
from ibjax.probes.information_dropout import region_of_layer
from ibjax.results.cells import cells_of
from ibjax.sweeps import sweep_grid

SMALL = {"canvas": 10, "digit": 4, "channels": "2", "hidden": "3"}
SETUP = InformationDropoutSetup(beta=(0.0, 0.1), **SMALL)
BETAS = (0.0, 1e-5, 1e-4)


@pytest.fixture(scope="module")
def dataset():
    pytest.importorskip("sklearn")
    context = Context(snapshots=[1], task=image_task("digits"), num_measured=100)
    cells = SETUP.cells(context)
    found = sweep_grid(jax.random.key(0), cells, num_seeds=2, block=1)
    return found, cells[0]


def test_regions_add_up_to_the_layer(dataset):
    found, cell = dataset
    last = found.isel(epoch=-1)
    by_region, total = last.region_information, last.layer_information
    assert last.noisy_layer_name.values[0].tolist() == ["relu conv 2", "relu 3"]
    assert np.isnan(by_region.isel(noisy_layer=1)).all()
    assert (total.sel(beta=0.1) < total.sel(beta=0.0)).all()
    # The three regions are of all places that the layer has.
    images = np.asarray(cell.task.measured.x).reshape(-1, 10, 10)
    background = region_of_layer(images == 0, (8, 8, 2))
    means = by_region.isel(noisy_layer=0).transpose("region", ...).values
    share = background.mean()
    least, most = means[:2].min(axis=0), means[:2].max(axis=0)
    rest = (total.isel(noisy_layer=0).values / 64 - share * means[2]) / (1 - share)
    assert (least - 1e-3 <= rest).all() and (rest <= most + 1e-3).all()
    assert found.map_0.sizes["drawn"] == 4 and found.map_0.notnull().all()


def _datasets(found, information, ratios, errors, binary):
    """Three betas, and two rates, with these numbers."""
    changed = found.isel(beta=[0, 1, 0]).copy(deep=True)
    configuration = json.loads(changed.attrs["configuration"])
    cells = configuration["cells"]

    def with_axis(dataset, name, values):
        dataset = dataset.assign_coords({name: list(values)})
        own = configuration | {
            "grid": {name: values},
            "cells": (cells * 2)[: len(values)],
        }
        dataset.attrs["configuration"] = json.dumps(own)
        return dataset

    def set_errors(dataset, values):
        jitter = np.array([-0.01, 0.01])
        error = np.add.outer(values, jitter)[:, :, None] / 100
        dataset.test_accuracy.values[:] = 1 - error

    changed = with_axis(changed, "beta", BETAS)
    changed.layer_information.values[:] = np.reshape(information, (3, 1, 1, 1))
    jitter = 1 + 1e-4 * np.array([-1, 1])[None]
    region = changed.region_information.values
    region[..., 0, :] = 1
    region[..., 0, 0] = (np.reshape(ratios, (3, 1)) * jitter)[:, :, None]
    set_errors(changed, errors)
    rates = found.isel(beta=[0, 1]).copy(deep=True).rename(beta="rate")
    rates = with_axis(rates, "rate", (0.0, 0.2))
    set_errors(rates, binary)
    return {"information-dropout": changed, "binary-dropout": rates}


def _verdicts(datasets):
    claims = information_dropout_claims(datasets)
    return {claim.claim[0]: claim.verdict for claim in claims}


def test_claims_follow_the_numbers(dataset):
    published = _datasets(dataset[0], [9, 5, 1], [1.1, 1.5, 1.7], [9, 5, 8], [9, 7])
    assert [point.beta for point in points_of(published["information-dropout"])] == [
        *BETAS
    ]
    assert _verdicts(published) == dict.fromkeys("12345", "holds")
    # Prices change nothing, the clutter has the information, noise does harm.
    opposite = _datasets(dataset[0], [1, 5, 9], [0.9, 0.8, 0.7], [9, 8, 8.5], [9, 5])
    verdicts = _verdicts(opposite)
    assert verdicts.pop("5") == "holds"
    assert verdicts == dict.fromkeys("1234", "does not hold")


def test_a_network_that_diverged_is_left_out(dataset):
    datasets = _datasets(dataset[0], [9, 5, 1], [1.1, 1.5, 1.7], [9, 5, 8], [9, 7])
    claims = information_dropout_claims(datasets)
    best = datasets["information-dropout"]
    for name in ("layer_information", "region_information", "test_accuracy"):
        best[name].values[1, 0] = np.nan
    found = information_dropout_claims(datasets)
    assert [claim.claim for claim in found] == [claim.claim for claim in claims]


def test_figures_are_of_all_layers_with_places(dataset):
    datasets = _datasets(dataset[0], [9, 5, 1], [1.1, 1.5, 1.7], [9, 5, 8], [9, 7])
    figures = information_dropout_figures(datasets)
    maps, regions, errors = figures.values()
    # Two images, one layer, three betas, and the scale.
    assert [axes.get_title() for axes in maps.axes[:4]] == [
        "image",
        "β = 0",
        "β = 1e-05",
        "β = 0.0001",
    ]
    assert len(maps.axes) == 2 * 4 + 1
    x, y = regions.axes[1].lines[0].get_data()
    np.testing.assert_allclose(x, BETAS)
    np.testing.assert_allclose(y, [1.1, 1.5, 1.7], rtol=1e-5)
    shown = errors.axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(shown, [9, 5, 8], rtol=1e-5)
    # One sweep alone has none with binary dropout, and one price no others.
    (_, one), *_ = cells_of(datasets["information-dropout"])
    *_, errors = information_dropout_figures({"information-dropout": one}).values()
    assert len(errors.axes[1].get_legend().get_texts()) == 2


@pytest.mark.parametrize(
    "setup, message",
    [
        (dataclasses.replace(SETUP, beta=(-1.0,)), "beta must be one number from 0 on"),
        (dataclasses.replace(SETUP, max_alpha=0.0), "max-alpha must be one positive"),
        (dataclasses.replace(SETUP, channels="a"), "must be numbers of units"),
        (dataclasses.replace(SETUP, canvas=3), "size must be a whole number"),
        (BinaryDropoutSetup(rate=(1.0,)), "rate must lie in"),
    ],
)
def test_options_out_of_range(setup, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 1], task=image_task("digits"), num_measured=100)
    with pytest.raises(ValueError, match=message):
        setup.cells(context)


def test_other_datasets_are_refused(dataset):
    with pytest.raises(ValueError, match="with information dropout"):
        points_of(dataset[0].drop_vars("region_information"))
    assert list(information_dropout.EXPERIMENT.grids) == [
        "information-dropout",
        "binary-dropout",
    ]
