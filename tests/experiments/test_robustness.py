"""Classifiers under attack: set-up, claims and figure."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import probes
from ibjax.datasets.images import image_task
from ibjax.experiments.robustness.claims import curves_of, robustness_claims
from ibjax.experiments.robustness.figures import robustness_figures
from ibjax.experiments.robustness.setup import RobustnessSetup
from ibjax.experiments.setup import Context
from ibjax.sweeps import sweep_grid

SETUP = RobustnessSetup(
    beta=(0.0, 1e-2),
    hidden="8",
    dim=4,
    linf=(0.3, 0.1),
    l2=(0.2, 0.6),
    steps=2,
    tries=1,
)


def _instead(probe):
    """A probe that returns what another one declares, without measuring it."""
    if not isinstance(probe, probes.Probe) or "code_bounds" in probe.parameters:
        return probe
    sizes = {name: len(values) for name, (_, values) in probe.constants.items()}

    def measure(snapshot):
        # Another number for every network, in steps of a fifth of ten inputs.
        draw = jax.random.randint(snapshot.key, (), 1, 50) / 50
        return {
            name: jnp.broadcast_to(draw, tuple(sizes[dim] for dim in known.dims))
            for name, known in probe.variables.items()
        }

    return probe._replace(measure=measure)


def _cells(**options):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 2], task=image_task("digits"), num_measured=100)
    return dataclasses.replace(SETUP, **options).cells(context)


@pytest.fixture(scope="module")
def dataset():
    (cell,) = _cells()
    cell = cell._replace(probes=tuple(map(_instead, cell.probes)))
    return sweep_grid(jax.random.key(0), [cell], num_seeds=2)


def _check_curves(dataset):
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


def test_curves_have_an_accuracy_for_every_radius(dataset):
    _check_curves(dataset)


@pytest.mark.slow
def test_networks_are_attacked_side_by_side():
    dataset = sweep_grid(jax.random.key(0), _cells(), num_seeds=2)
    _check_curves(dataset)
    for norm in ("linf", "l2"):
        last = dataset.isel(epoch=-1)
        # Of few inputs and steps, but not above that without an attack by much.
        above = last[f"accuracy_{norm}"] - last[f"accuracy_{norm}_clean"]
        assert (above < 0.2).all()
        assert (last[f"accuracy_{norm}_low"] <= last[f"accuracy_{norm}"]).all()


def _changed(dataset, *, errors, accuracy, passed=1.0, betas=(0.0, 1e-2, 1e-1)):
    """Prices with these test errors and accuracies under attack in percent."""
    number = len(betas)
    changed = dataset.isel(beta=[0, 1, 1][:number]).copy(deep=True)
    changed = changed.assign_coords(beta=list(betas))
    configuration = json.loads(changed.attrs["configuration"])
    cells = (2 * configuration["cells"])[:number]
    configuration |= {"grid": {"beta": betas}, "cells": cells}
    changed.attrs["configuration"] = json.dumps(configuration)
    jitter = 0.01 * np.array([-1, 1])
    changed["test_error"].values[:] = (np.add.outer(errors, jitter) / 100)[:, :, None]
    for norm in ("linf", "l2"):
        values = np.add.outer(accuracy, jitter) / 100
        changed[f"accuracy_{norm}"].values[:] = values[:, :, None, None]
        changed[f"check_{norm}_passed"].values[:] = passed
    return changed


def _verdicts(dataset):
    return [(c.claim.split(".")[0], c.verdict) for c in robustness_claims(dataset)]


def test_claims_follow_the_numbers(dataset):
    better = _changed(dataset, errors=[3.0, 3.1, 9.0], accuracy=[20.0, 40.0, 60.0])
    claims = robustness_claims(better)
    # Of the network that errs more, nothing is said at equal accuracy.
    assert [c.claim[:1] for c in claims] == [*"11", *"22", *"3333", *"444444"]
    assert {c.verdict for c in claims} == {"holds", "does not hold"}
    assert [c.verdict for c in claims if c.claim[0] != "1"] == ["holds"] * 12
    assert [c.verdict for c in claims[:2]] == ["holds", "does not hold"]
    worse = _changed(dataset, errors=[3.0, 3.1, 3.0], accuracy=[20.0, 10.0, 0.5])
    verdicts = _verdicts(worse)
    assert verdicts.count(("2", "does not hold")) == 4
    assert verdicts.count(("3", "does not hold")) == 2
    same = _changed(dataset, errors=[3.0, 3.1, 3.0], accuracy=[20.0, 20.0, 20.0])
    assert _verdicts(same).count(("2", "undecided")) == 4


def test_a_failed_check_is_named_and_drawn(dataset):
    failed = _changed(
        dataset, errors=[3.0] * 3, accuracy=[20.0] * 3, passed=np.arange(6) != 1
    )
    last = robustness_claims(failed)[-1]
    assert last.verdict == "does not hold" and last.value == 2
    assert "(not: iterative in 2 of 2 seeds)" in last.claim
    (axes, *_) = robustness_figures(failed)["robustness_curves"].axes
    assert {line.get_linestyle() for line in axes.lines} == {":"}


def test_figure_begins_without_an_attack(dataset):
    figure = robustness_figures(dataset)["robustness_curves"]
    assert len(figure.axes) == 2
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(x, [0, 0.1, 0.3])
    clean = dataset.accuracy_linf_clean.isel(beta=0, epoch=-1).mean()
    np.testing.assert_allclose(y[0], 100 * clean, rtol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta": (-1.0,)}, "beta must be one number from 0 on"),
        ({"dim": 0}, "dim must be a whole number"),
        ({"attacked": 0.0}, r"attacked must lie in \(0, 1\]"),
        ({"linf": (0.0,)}, "linf must be one positive number"),
        ({"steps": 0}, "num_steps must be a whole number"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 1], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(context)


def test_other_datasets_are_refused(dataset):
    with pytest.raises(ValueError, match="dataset must be of networks under attack"):
        curves_of(dataset[["test_error"]])
