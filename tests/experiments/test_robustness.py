"""Classifiers under attack: set-up, claims and figure."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import xarray as xr

from ibjax.datasets.images import image_task
from ibjax.experiments.robustness.claims import curves_of, robustness_claims
from ibjax.experiments.robustness.figures import robustness_figures
from ibjax.experiments.robustness.setup import RobustnessSetup
from ibjax.experiments.setup import Context
from ibjax.representations import AttackChecks
from ibjax.sweeps import sweep_grid

SETUP = RobustnessSetup(
    beta=(0.0, 1e-2),
    hidden="8",
    dim=4,
    linf=(0.3, 0.1),
    l2=(0.2, 0.6),
    steps=2,
    tries=1,
    minimal_steps=3,
)


def _cells(**options):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 2], task=image_task("digits"), num_measured=100)
    return dataclasses.replace(SETUP, **options).cells(context)


def _dataset(
    *, errors, accuracy, passed=1.0, betas=(0.0, 1e-2, 1e-1), kind="vib", nearest=None
):
    """Two seeds of every price, with these errors and accuracies in percent."""
    jitter = 0.01 * np.array([-1, 1])
    everywhere = ("beta", "seed", "epoch")

    def column(values, *sizes):
        found = np.add.outer(values, jitter) / 100
        return np.broadcast_to(
            found.reshape(*found.shape, 1, *[1] * len(sizes)), (*found.shape, 1, *sizes)
        )

    names = list(AttackChecks._fields)
    variables = {"test_accuracy": (everywhere, 1 - column(errors))}
    for norm, radii in (("linf", [0.1, 0.3]), ("l2", [0.2, 0.6])):
        curve = column(accuracy, 2)
        checks = np.broadcast_to(passed, (len(betas), 2, 1, len(names)))
        variables |= {
            f"radius_{norm}": (f"radius_{norm}", radii),
            f"accuracy_{norm}": ((*everywhere, f"radius_{norm}"), curve),
            f"accuracy_{norm}_clean": (everywhere, 1 - column(errors)),
            f"check_{norm}_passed": ((*everywhere, "attack_check"), checks),
        }
    if nearest is not None:
        distances = np.broadcast_to(nearest, (len(betas), 2, 1, len(nearest)))
        variables["minimal_l2"] = ((*everywhere, "attacked"), distances)
    configuration = {"grid": {"beta": betas}, "cells": [{"kind": kind} for _ in betas]}
    return xr.Dataset(
        variables,
        coords={
            "beta": list(betas),
            "seed": [0, 1],
            "attack_check": names,
            "layer": [1],
            "layer_name": ("layer", ["softmax 10"]),
            "layer_width": ("layer", [10]),
        },
        attrs={"configuration": json.dumps(configuration)},
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vib", "information-dropout"])
def test_networks_are_attacked_side_by_side(kind):
    dataset = sweep_grid(jax.random.key(0), _cells(kind=kind), num_seeds=2)
    found = curves_of(dataset)
    assert list(found) == ["linf", "l2"]
    for norm, curves in found.items():
        assert [curve.beta for curve in curves] == [0.0, 1e-2]
        for curve in curves:
            # In order, whatever the order of the options.
            np.testing.assert_allclose(curve.radii, sorted(getattr(SETUP, norm)))
            assert curve.accuracy.shape == (2, 2) and len(curve.failed) == 6
            # Ten inputs are attacked, and judged by five predictions each.
            steps = curve.accuracy / 2
            np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    for norm in ("linf", "l2"):
        last = dataset.isel(epoch=-1)
        # Of few inputs and steps, but not above that without an attack by much.
        above = last[f"accuracy_{norm}"] - last[f"accuracy_{norm}_clean"]
        assert (above < 0.2).all()
        assert (last[f"accuracy_{norm}_low"] <= last[f"accuracy_{norm}"]).all()


def _verdicts(dataset):
    return [
        (c.claim.split(".")[0], c.verdict) for c in robustness_claims({"": dataset})
    ]


def test_claims_follow_the_numbers():
    better = _dataset(errors=[3.0, 3.1, 9.0], accuracy=[20.0, 40.0, 60.0])
    claims = robustness_claims({"robustness": better})
    # Of the network that errs more, nothing is said at equal accuracy.
    assert [c.claim[:1] for c in claims] == [*"11", *"22", *"3333", *"444444"]
    assert {c.verdict for c in claims} == {"holds", "does not hold"}
    assert [c.verdict for c in claims if c.claim[0] != "1"] == ["holds"] * 12
    assert [c.verdict for c in claims[:2]] == ["holds", "does not hold"]
    worse = _dataset(errors=[3.0, 3.1, 3.0], accuracy=[20.0, 10.0, 0.5])
    verdicts = _verdicts(worse)
    assert verdicts.count(("2", "does not hold")) == 4
    assert verdicts.count(("3", "does not hold")) == 2
    same = _dataset(errors=[3.0, 3.1, 3.0], accuracy=[20.0, 20.0, 20.0])
    # Exactly as robust is not more robust.
    assert _verdicts(same).count(("2", "does not hold")) == 4


def test_the_nearest_of_another_class_is_held_against_the_ascent():
    numbers = {"errors": [3.0] * 3, "accuracy": [50.0] * 3}
    # Half are beyond 0.2, a quarter beyond 0.6, one of which was not found.
    nearest = [0.0, 0.1, 0.3, np.inf]
    weaker = _dataset(**numbers, nearest=nearest)
    curves = curves_of(weaker)["l2"]
    np.testing.assert_allclose(curves[0].minimal, [[50, 25], [50, 25]])
    assert curves_of(weaker)["linf"][0].minimal is None
    assert _verdicts(weaker).count(("5", "does not hold")) == 3
    as_strong = _dataset(**numbers, nearest=[0.0, 0.1, 0.7, np.inf])
    assert _verdicts(as_strong).count(("5", "holds")) == 3
    panel = robustness_figures({"robustness": weaker})["robustness_curves"].axes[1]
    crosses = [line for line in panel.lines if line.get_marker() == "x"]
    np.testing.assert_allclose(crosses[0].get_ydata(), [50, 25])
    # A network that diverged has no distances, and says nothing.
    weaker["minimal_l2"] = weaker.minimal_l2.where(weaker.seed > 0)
    claims = [c for c in robustness_claims({"": weaker}) if c.claim[0] == "5"]
    assert [c.num_left_out for c in claims] == [1] * 3


def test_networks_that_diverged_are_left_out():
    found = _dataset(errors=[3.0] * 3, accuracy=[20.0] * 3)
    for name in (*found.data_vars,):
        if "seed" in found[name].dims:
            values = found[name].astype(float)
            # One of the two at the least price, and both at the next.
            alive = (found.seed > 0) | (found.beta != 0)
            found[name] = values.where(alive & (found.beta != found.beta[1]))
    verdicts = [v for number, v in _verdicts(found) if number == "4"]
    assert sorted(verdicts) == ["holds"] * 4 + ["undecided"] * 2


def test_kinds_are_held_apart():
    # Dropout is compared with its own network of price 0.
    both = {
        "robustness": _dataset(errors=[3.0] * 3, accuracy=[20.0, 40.0, 60.0]),
        "robustness-dropout": _dataset(
            errors=[3.0] * 3, accuracy=[70.0, 40.0, 60.0], kind="information-dropout"
        ),
    }
    found = {c.claim: c.verdict for c in robustness_claims(both) if c.claim[0] == "2"}
    for kind, verdict in (("code", "holds"), ("information dropout", "does not hold")):
        own = [v for claim, v in found.items() if claim.startswith(f"2. {kind}, ")]
        assert own == [verdict] * 4
    figure = robustness_figures(both)["robustness_curves"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Code", "", "Information dropout", ""]


def test_a_failed_check_is_named_and_drawn():
    failed = _dataset(errors=[3.0] * 3, accuracy=[20.0] * 3, passed=np.arange(6) != 1)
    last = robustness_claims({"robustness": failed})[-1]
    assert last.verdict == "does not hold" and last.value == 2
    assert "(not: iterative in 2 of 2 seeds)" in last.claim
    (axes, *_) = robustness_figures({"robustness": failed})["robustness_curves"].axes
    assert {line.get_linestyle() for line in axes.lines} == {":"}


def test_figure_begins_without_an_attack():
    dataset = _dataset(errors=[3.0, 4.0, 5.0], accuracy=[20.0, 40.0, 60.0])
    figure = robustness_figures({"robustness": dataset})["robustness_curves"]
    assert len(figure.axes) == 2
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(x, [0, 0.1, 0.3])
    np.testing.assert_allclose(y, [97, 20, 20])
    assert figure.axes[0].lines[0].get_linestyle() == "-"


@pytest.mark.parametrize("kind", ["vib", "information-dropout"])
def test_the_cell_measures_both_norms(kind):
    (cell,) = _cells(kind=kind)
    declared = {name for probe in cell.probes[2:] for name in probe.variables}
    expected = {"accuracy_linf", "accuracy_l2", "check_linf_passed", "minimal_l2"}
    assert expected < declared
    assert cell.vary == {"beta": (0.0, 1e-2)} and cell.description["attacked"] == 10


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta": (-1.0,)}, "beta must be one number from 0 on"),
        ({"dim": 0}, "dim must be a whole number"),
        ({"attacked": 0.0}, r"attacked must lie in \(0, 1\]"),
        ({"linf": (0.0,)}, "linf must be one positive number"),
        ({"steps": 0}, "num_steps must be a whole number"),
        ({"minimal_steps": -1}, "minimal-steps must be a whole number"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 1], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(context)


def test_other_datasets_are_refused():
    dataset = _dataset(errors=[3.0] * 3, accuracy=[20.0] * 3)
    with pytest.raises(ValueError, match="dataset must be of networks under attack"):
        curves_of(dataset[["test_accuracy"]])
