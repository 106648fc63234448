"""Certain labels: the exact table, claims and the figure."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import xarray as xr

from ibjax.datasets.images import image_task
from ibjax.experiments.deterministic import claims, figures
from ibjax.experiments.deterministic.claims import deterministic_claims, points_of
from ibjax.experiments.deterministic.figures import deterministic_figures
from ibjax.experiments.deterministic.setup import (
    METHODS,
    DeterministicSetup,
    Solved,
    solve_table,
)
from ibjax.experiments.setup import Context

BETAS, NUM_SEEDS, H_Y = (0.1, 0.3, 0.5, 0.9, 2.0), 3, np.log(10)


def _dataset(numbers, methods=METHODS, betas=BETAS):
    """A dataset with I(X;Z) and I(Z;Y) by a function of method and beta."""
    axes = {"method": list(methods), "beta": list(betas)}
    places = list(itertools.product(*axes.values()))
    values = np.array([numbers(*place) for place in places])
    shape = len(methods), len(betas), NUM_SEEDS, 1
    jitter = 1 + 1e-3 * np.linspace(-1, 1, NUM_SEEDS)
    dims = (*axes, "seed", "epoch")
    spread = [(column[:, None] * jitter).reshape(shape) for column in values.T]
    variables = {
        name: ((*dims, "layer", "estimator"), number[..., None, None])
        for name, number in zip(("i_xt", "i_ty"), spread, strict=True)
    }
    for name in ("test_rate", "test_error"):
        variables[name] = (dims, spread[0])
    configuration = {"grid": axes, "cells": [{} for _ in places]}
    coords = {
        **axes,
        "seed": range(NUM_SEEDS),
        "epoch": [3],
        "layer": [0],
        "estimator": ["mixture"],
        "layer_name": ((*axes, "layer"), np.full((*shape[:2], 1), "code 10")),
        "layer_width": ((*axes, "layer"), np.full((*shape[:2], 1), 10)),
    }
    attributes = {"configuration": json.dumps(configuration), "h_y": H_Y}
    return xr.Dataset(variables, coords, attributes)


def _published(method, beta):
    if method == "squared":
        held = min(1 / (2 * beta), H_Y)
        return held + 0.1, held
    return (H_Y + 0.2, H_Y) if beta < 1 else (0.01, 0.0)


def _opposite(method, beta):
    if method == "squared":
        return (3 * H_Y, H_Y) if beta < 0.4 else (3.0, 0.0)
    return H_Y * (1.5 - beta / 2), H_Y * (1 - beta / 3)


def _verdicts(dataset, verdict):
    return "".join(
        c.claim[0] for c in deterministic_claims(dataset) if c.verdict == verdict
    )


@pytest.fixture(scope="module")
def published():
    return _dataset(_published)


@pytest.fixture
def solved_by_hand(monkeypatch):
    """The table's solutions in closed form: its solver has a test of its own."""

    def solved(betas):
        betas = np.array(betas)
        plain = np.where(betas < 1, H_Y, 0.0)
        squared = np.minimum(1 / (2 * betas), H_Y)
        return Solved(betas, (plain, plain), (squared, squared), H_Y)

    for module in (claims, figures):
        monkeypatch.setattr(module, "solve_table", solved)


def test_claims_follow_the_numbers(published, solved_by_hand):
    assert _verdicts(published, "holds") == "1122345"
    assert _verdicts(_dataset(_opposite), "does not hold") == "22345"
    points = points_of(published)
    # One price alone is no jump, and a price of one any point of the table's curve.
    assert _verdicts(_dataset(_published, betas=(0.3,)), "holds") == "1145"
    assert _verdicts(_dataset(_published, betas=(1.0,)), "holds") == "45"
    assert list(points) == list(METHODS)
    assert [p.beta for p in points["vib"]] == list(BETAS)
    with pytest.raises(ValueError, match="dataset must be of networks through a code"):
        points_of(published.drop_vars("test_rate"))


def test_the_table_has_the_ends_or_every_point():
    solved = solve_table(BETAS)
    np.testing.assert_allclose(
        solved.plain, 2 * [np.where(np.array(BETAS) < 1, H_Y, 0)], atol=1e-4
    )
    squared = np.minimum(1 / (2 * np.array(BETAS)), H_Y)
    np.testing.assert_allclose(solved.squared, 2 * [squared], atol=1e-4)


def test_the_figure_shows_the_exact_ones_beside(published, solved_by_hand):
    (figure,) = deterministic_figures(published).values()
    titles = [axes.get_title(loc="left") for axes in figure.axes[:3]]
    assert titles == ["Variational bound", "Bound by pairs", "Its square"]
    price, exact = figure.axes[5].lines[0].get_data()
    np.testing.assert_allclose(exact, np.minimum(1 / (2 * price), H_Y), atol=1e-4)
    price, exact = figure.axes[4].lines[0].get_data()
    np.testing.assert_allclose(exact, np.where(price < 1, H_Y, 0.0), atol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": ("other",)}, "method must be one of vib, nonlinear, squared"),
        ({"beta": (0.0,)}, "beta must be one positive number"),
        ({"dim": 0}, "dim must be a whole number"),
        ({"initial_std": -1.0}, "initial-std must be one positive number"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 1], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(DeterministicSetup(), **options).cells(context)
