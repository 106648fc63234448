"""Invariance to clutter: set-ups, claims and the figure."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import xarray as xr

from ibjax import probes
from ibjax.datasets.images import image_task
from ibjax.experiments.choices import still_useful
from ibjax.experiments.invariance import EXPERIMENT
from ibjax.experiments.invariance.claims import invariance_claims, points_of
from ibjax.experiments.invariance.figures import invariance_figures
from ibjax.experiments.invariance.setup import InvarianceSetup
from ibjax.experiments.setup import Context

BETAS, NUM_SEEDS, H_Y, H_N = (0.0, 0.01, 0.3), 3, np.log(10), np.log(4)


def _dataset(nuisance, label, errors, excess, kind="vib", apart=0.0):
    """Numbers of three prices, the discriminator ``apart`` from the neighbours."""
    jitter = 1e-3 * np.linspace(-1, 1, NUM_SEEDS)

    def spread(values):
        return (np.reshape(values, (3, 1)) + jitter[None])[..., None]

    values = {
        "nuisance_neighbours": spread(nuisance),
        "nuisance_discriminator": spread(nuisance) + apart,
        "label_neighbours": spread(label),
        "label_discriminator": spread(label),
        "test_accuracy": 1 - spread(errors) / 100,
    }
    if kind == "vib":
        values["test_distortion"] = spread([0.5] * 3)
        values["test_rate"] = spread(np.add(excess, H_Y - 0.5))
    about = {"kind": kind, "nuisance_entropy": H_N}
    configuration = {"grid": {"beta": BETAS}, "cells": [about] * 3}
    return xr.Dataset(
        {name: (("beta", "seed", "epoch"), each) for name, each in values.items()},
        {
            "beta": list(BETAS),
            "seed": range(NUM_SEEDS),
            "epoch": [3],
            "layer": [0],
            "layer_name": (("beta", "layer"), np.full((3, 1), "code 8")),
            "layer_width": (("beta", "layer"), np.full((3, 1), 8)),
        },
        {"configuration": json.dumps(configuration), "h_y": H_Y},
    )


# The dearest price of all errs too much to be compared.
PUBLISHED = {
    "invariance": _dataset([1.2, 0.3, 0.0], [2.2, 2.1, 0.1], [5, 4, 60], [9, 1, 0.1]),
    "invariance-dropout": _dataset(
        [1.0, 0.4, 0.0], [2, 2, 1], [6, 5, 30], None, "information-dropout"
    ),
}
OPPOSITE = {
    "invariance": _dataset([0.9, 1.2, 1.3], [2, 2, 2], [5, 4, 4], [9, 1, 0.1], apart=1)
}


def _verdicts(datasets, verdict):
    claims = invariance_claims(datasets)
    return "".join(c.claim[0] for c in claims if c.verdict == verdict)


def test_claims_follow_the_numbers():
    # Twice each by two estimators, and claim 4 of codes alone.
    assert _verdicts(PUBLISHED, "holds") == "111122223333" + "44" + "55"
    assert _verdicts(OPPOSITE, "does not hold") == "11" + "22" + "33" + "44" + "5"
    points = points_of(PUBLISHED["invariance"])
    assert [point.beta for point in still_useful(points, 2.0)] == [0.0, 0.01]
    np.testing.assert_allclose(points[1].excess.mean(), 1.0, atol=1e-6)
    with pytest.raises(ValueError, match="dataset must be of networks on a nuisance"):
        points_of(PUBLISHED["invariance"].drop_vars("nuisance_discriminator"))


def test_the_figure_has_a_column_for_each_kind():
    (figure,) = invariance_figures(PUBLISHED).values()
    tops = figure.axes[:2]
    assert [axes.get_title(loc="left") for axes in tops] == [
        "Code",
        "Information dropout",
    ]
    x, y = figure.axes[2].lines[0].get_data()
    np.testing.assert_allclose(x, BETAS)
    np.testing.assert_allclose(y, [1.2, 0.3, 0.0], atol=1e-6)


@pytest.mark.parametrize("name", EXPERIMENT.parts)
def test_nuisance_and_label_are_those_of_the_measured_images(name, monkeypatch):
    pytest.importorskip("sklearn")
    given, make = {}, probes.drawn_information

    def spied(draw, classes, **options):
        given.update(classes)
        return make(draw, classes, **options)

    monkeypatch.setattr(probes, "drawn_information", spied)
    setup = dataclasses.replace(
        EXPERIMENT.parts[name].setup, digit=8, hidden="4", dim=2, steps=1
    )
    context = Context(snapshots=[1], task=image_task("digits"), num_measured=100)
    (cell,) = setup.cells(context)
    assert any("nuisance_bound" in probe.variables for probe in cell.probes)
    np.testing.assert_array_equal(given["label"], cell.task.measured.labels)
    assert abs(np.mean(given["nuisance"]) - 1.5) < 4 * np.sqrt(1.25 / 100)
    # The digits fill the images: none is at another place than another.
    assert cell.task.num_inputs == 64
    network = cell.network
    params = jax.eval_shape(network.init, jax.random.key(0))
    assert network.layers[1].name == {"invariance": "gaussian 4"}.get(name, "relu 2")
    assert len(jax.tree.leaves(params)) > 4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta": (-1.0,)}, "beta must be one number from 0 on"),
        ({"fragments": 0}, "fragments must be a whole number"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"dim": 0}, "dim must be a whole number"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 1], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(InvarianceSetup(), **options).cells(context)
