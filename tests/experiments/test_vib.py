"""Classifiers through a code: set-up, claims and figures."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from ibjax.datasets.images import image_task
from ibjax.experiments import vib
from ibjax.experiments.setup import Context
from ibjax.experiments.vib.claims import points_of, vib_claims
from ibjax.experiments.vib.figures import vib_figures
from ibjax.experiments.vib.setup import VibSetup, code_of
from ibjax.results.cells import cells_of
from ibjax.results.statistics import NATS_PER_BIT
from ibjax.sweeps import sweep_grid

SETUP = VibSetup(code=("2-full",), beta=(1e-3, 3.0), hidden="8", initial_std=0.5)
PRICES = (1e-5, 1e-3, 0.3, 1.0)


@pytest.fixture(scope="module")
def dataset():
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 20], task=image_task("digits"), num_measured=100)
    return sweep_grid(jax.random.key(0), SETUP.cells(context), num_seeds=2)


def test_prices_are_trained_side_by_side(dataset):
    assert dict(dataset.test_rate.sizes) == {"beta": 2, "seed": 2, "epoch": 2}
    last = dataset.isel(epoch=-1)
    assert (last.test_rate.sel(beta=3.0) < last.test_rate.sel(beta=1e-3)).all()
    assert dataset.code_mean.notnull().all()


def test_figures_show_the_codes(dataset):
    figures = vib_figures(dataset)
    assert list(figures) == ["vib_plane", "vib_errors", "vib_codes"]
    betas = [ax.get_title(loc="left") for ax in figures["vib_codes"].axes]
    assert betas == ["β = 0.001", "β = 3"]
    x, y = figures["vib_plane"].axes[0].lines[0].get_data()
    h_y = dataset.attrs["h_y"] / NATS_PER_BIT
    np.testing.assert_allclose(y, np.minimum(x, h_y))
    (_, one), *_ = cells_of(dataset)
    (axes,) = vib_figures(one)["vib_errors"].axes
    assert axes.lines[0].get_xdata() == [1e-3]
    # A bar of one color would say nothing.
    assert [len(vib_figures(d)["vib_plane"].axes) for d in (dataset, one)] == [2, 1]


def _changed(dataset, rates, errors, one_draw, train, told, held=None):
    """Four prices with these numbers: rates and I(Z;Y) in bits, errors in percent.

    ``held`` is I(X;Z) without a prior, the rates if None.
    """
    changed = dataset.isel(beta=[0, 1, 0, 1]).copy(deep=True)
    changed = changed.assign_coords(beta=list(PRICES))
    configuration = json.loads(changed.attrs["configuration"])
    configuration |= {"grid": {"beta": PRICES}, "cells": 2 * configuration["cells"]}
    changed.attrs["configuration"] = json.dumps(configuration)
    jitter = 1 + 1e-3 * np.array([-1, 1])
    for name, values in (
        ("test_error", errors),
        ("test_error_one_draw", one_draw),
        ("train_error", train),
    ):
        changed[name].values[:] = np.multiply.outer(values, jitter)[:, :, None] / 100
    place = changed.layer_name.values[0].tolist().index("code 2")
    for name, values in (("i_xt", rates), ("i_ty", told)):
        scaled = np.multiply.outer(values, jitter) * NATS_PER_BIT
        for estimator in (0, 1):
            changed[name].values[:, :, -1, place, estimator] = scaled
    if held is not None:
        estimator = changed.estimator.values.tolist().index("mixture")
        scaled = np.multiply.outer(held, jitter) * NATS_PER_BIT
        changed.i_xt.values[:, :, -1, place, estimator] = scaled
    return changed


def _first_letters(dataset, verdict):
    return "".join(c.claim[0] for c in vib_claims(dataset) if c.verdict == verdict)


def test_claims_follow_the_numbers(dataset):
    published = _changed(
        dataset,
        rates=[30, 12, 2, 0.1],
        errors=[1.6, 1.3, 20, 80],
        one_draw=[1.6, 1.4, 30, 85],
        train=[0.1, 0.5, 20, 80],
        told=[3.1, 3.2, 1.9, 0.05],
    )
    (points,) = points_of(published).values()
    assert [point.beta for point in points] == list(PRICES)
    # What is asked of the other prices against the best one is not asked of it.
    assert _first_letters(published, "holds") == "12223455"
    # Nothing is lost without information, and more is told than it costs.
    opposite = _changed(
        dataset,
        rates=[30, 12, 2, 0.1],
        errors=[1.3, 1.6, 1.5, 1.5],
        one_draw=[1.3, 1.4, 1.4, 1.4],
        train=[1.2, 0.5, 0.5, 0.5],
        told=[3.1, 13.2, 3.0, 3.0],
    )
    assert _first_letters(opposite, "does not hold") == "12255"


def test_what_a_prior_costs_is_told_below_the_ceiling_alone(dataset):
    numbers = {
        "rates": [30, 12, 2, 0.1],
        "errors": [1.6, 1.3, 20, 80],
        "one_draw": [1.6, 1.4, 30, 85],
        "train": [0.1, 0.5, 20, 80],
        "told": [3.1, 3.2, 1.9, 0.05],
    }
    below = _changed(dataset, **numbers, held=[6.6, 5.0, 2, 0.1])
    assert _first_letters(below, "holds") == "122234556"
    # Of 100 inputs no more than 6.6 bits can be told.
    at_ceiling = _changed(dataset, **numbers, held=[6.6, 6.0, 2, 0.1])
    assert "6" not in _first_letters(at_ceiling, "holds")
    # A network that diverged is left out, and no claim with it.
    below.test_rate.values[1, 0] = np.nan
    for name in ("i_xt", "i_ty"):
        below[name].values[1, 0] = np.nan
    (points,) = points_of(below).values()
    assert np.isnan(points[1].values["i_xz"]).sum() == 1
    letters = "".join(claim.claim[0] for claim in vib_claims(below))
    assert letters == "122234556"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"code": ("two",)}, "code must be a number of dimensions"),
        ({"code": ("0",)}, "code must be a number of dimensions"),
        ({"beta": (-1.0,)}, "beta must be one number from 0 on"),
        ({"components": -1}, "components must be a whole number"),
        ({"initial_std": 0.0}, "initial-std must be one positive number"),
        ({"hidden": "a"}, "hidden must be numbers of units"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 1], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(context)


def test_codes_by_name():
    assert code_of("256") == (256, "diagonal")
    assert vib.EXPERIMENT.name == "vib"
