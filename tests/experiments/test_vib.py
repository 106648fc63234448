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
# As published, by price: see _changed.
PUBLISHED = {
    "rates": [30, 12, 2, 0.1],
    "errors": [1.6, 1.3, 20, 80],
    "one_draw": [1.6, 1.4, 30, 85],
    "train": [0.1, 0.5, 20, 80],
    "told": [3.1, 3.2, 1.9, 0.05],
}


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
    names = ["vib_plane", "vib_errors", "vib_bounds", "vib_noise", "vib_codes"]
    assert list(figures) == names
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


def _changed(dataset, rates, errors, one_draw, train, told, held=None, draws=1e-6):
    """Four prices with these numbers: rates and I(Z;Y) in bits, errors in percent.

    ``held`` is I(X;Z) without a prior, the rates if None, and within a tenth of it are
    the bounds by kernels; ``draws`` is the deviation of the error over draws.
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
    changed["test_error_one_draw_std"].values[:] = draws / 100
    place = changed.layer_name.values[0].tolist().index("code 2")
    held = rates if held is None else held
    costs = {"variational": rates, "mixture": held}
    costs |= {
        "kernel_lower": 0.9 * np.array(held),
        "kernel_upper": 1.1 * np.array(held),
    }
    for number, estimator in enumerate(changed.estimator.values.tolist()):
        for name, values in (("i_xt", costs[estimator]), ("i_ty", told)):
            scaled = np.multiply.outer(values, jitter) * NATS_PER_BIT
            changed[name].values[:, :, -1, place, number] = scaled
    return changed


def _first_letters(dataset, verdict):
    return "".join(c.claim[0] for c in vib_claims(dataset) if c.verdict == verdict)


def test_claims_follow_the_numbers(dataset):
    published = _changed(dataset, **PUBLISHED)
    (points,) = points_of(published).values()
    assert [point.beta for point in points] == list(PRICES)
    # What is asked of the other prices against the best one is not asked of it.
    assert _first_letters(published, "holds") == "12223455777"
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


def test_two_kinds_of_noise_and_looseness_are_told(dataset):
    # Networks differ by 0.14 % of their errors: at the largest price by 0.12 points.
    for draws, verdict in ((1e-5, "holds"), (10.0, "does not hold")):
        found = vib_claims(_changed(dataset, **PUBLISHED, draws=draws))
        assert [c.verdict for c in found if c.claim[0] == "7"] == [verdict] * 3
    changed = _changed(dataset, **PUBLISHED, draws=0.06)
    axes = vib_figures(changed)["vib_noise"].axes[0]
    of_networks, of_draws = (line.get_ydata() for line in axes.lines)
    expected = np.sqrt(2 * (85 * 1e-3) ** 2 - 0.06**2 / 12)
    np.testing.assert_allclose(
        [of_networks[-1], of_draws[-1]], [expected, 0.06], rtol=1e-4
    )
    # Where a draw makes all the difference, nothing is left of the networks.
    assert np.isnan(of_networks[0])
    top, bottom = vib_figures(changed)["vib_bounds"].axes
    np.testing.assert_allclose(top.lines[1].get_ydata(), [30, 12, 2, 0.1])
    # The code tells half a bit more than the bound, which is said where it can be less
    # than all that there is: of 100 inputs 6.6 bits.
    place = changed.layer_name.values[0].tolist().index("code 2")
    mixture = changed.estimator.values.tolist().index("mixture")
    changed.i_ty.values[:, :, -1, place, mixture] += 0.5 * NATS_PER_BIT
    assert "8" not in {c.claim[0] for c in vib_claims(changed)}
    changed.i_xt.values[:, :, -1, place, mixture] = 5.0 * NATS_PER_BIT
    found = {c.claim[0]: c for c in vib_claims(changed)}
    assert found["8"].verdict == "does not hold"
    np.testing.assert_allclose(found["8"].value, 0.5, rtol=1e-5)


def test_runs_before_and_of_one_draw_have_fewer_claims(dataset):
    before = dataset.sel(estimator=["variational", "mixture"])
    before = before.drop_vars("test_error_one_draw_std")
    assert "7" not in {c.claim[0] for c in vib_claims(before)}
    assert list(vib_figures(before)) == ["vib_plane", "vib_errors", "vib_codes"]
    once = dataset.copy()
    once.attrs["configuration"] = dataset.attrs["configuration"].replace(
        '"draws": 12', '"draws": 1'
    )
    assert once.attrs != dataset.attrs
    assert "7" not in {c.claim[0] for c in vib_claims(once)}


def test_what_a_prior_costs_is_told_below_the_ceiling_alone(dataset):
    below = _changed(dataset, **PUBLISHED, held=[6.6, 5.0, 2, 0.1])
    assert _first_letters(below, "holds") == "1222345567778"
    # Of 100 inputs no more than 6.6 bits can be told.
    at_ceiling = _changed(dataset, **PUBLISHED, held=[6.6, 6.0, 2, 0.1])
    assert "6" not in _first_letters(at_ceiling, "holds")
    # A network that diverged is left out, and no claim with it.
    below.test_rate.values[1, 0] = np.nan
    for name in ("i_xt", "i_ty"):
        below[name].values[1, 0] = np.nan
    (points,) = points_of(below).values()
    assert np.isnan(points[1].values["i_xz"]).sum() == 1
    letters = "".join(claim.claim[0] for claim in vib_claims(below))
    assert letters == "1222345567778"


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
