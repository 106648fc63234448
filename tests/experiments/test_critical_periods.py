"""Networks with deficits: set-up, claims and figures."""

import dataclasses

import jax
import numpy as np
import pytest

from ibjax.datasets.images import image_task
from ibjax.experiments import critical_periods
from ibjax.experiments.critical_periods.claims import (
    critical_claims,
    networks_of,
    removals,
    sliding,
)
from ibjax.experiments.critical_periods.figures import critical_figures
from ibjax.experiments.critical_periods.pathways import (
    pathway_claims,
    trained_pathways,
)
from ibjax.experiments.critical_periods.setup import CriticalSetup
from ibjax.experiments.setup import Context
from ibjax.report import report
from ibjax.results.cells import cells_of, combine
from ibjax.sweeps import sweep_grid

SETUP = CriticalSetup(
    deficit=("blur",),
    removal=(0.5, 1.0),
    onset=(0.0, 0.25, 0.5),
    length=0.5,
    network="3/2",
    batch_size=512,
    fisher_samples=8,
)
NAMES = ("blur", "flip", "labels", "noise")


@pytest.fixture(scope="module")
def dataset():
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 16], task=image_task("digits"), num_measured=100)
    (cell,) = SETUP.cells(context)
    return sweep_grid(jax.random.key(0), [cell], num_seeds=2)


def test_windows_are_trained_side_by_side(dataset):
    assert dict(dataset.test_accuracy.sizes) == {"window": 5, "seed": 2, "epoch": 6}
    (windows,) = networks_of(dataset).values()
    ends = [(w.start, w.stop) for w in windows]
    assert ends == [(0, 0), (0, 4), (0, 8), (2, 6), (4, 8)]
    assert [w.stop for w in removals(windows)] == [0, 4, 8]
    assert [w.start for w in sliding(windows)] == [0, 2, 4]
    accuracy = 100 * dataset.test_accuracy.astype(float)
    for number, window in enumerate(windows):
        # Judged eight epochs after the deficit, beside as many epochs without one.
        own = accuracy.sel(window=number, epoch=window.stop + 8)
        np.testing.assert_array_equal(window.accuracy, own)
        whole = accuracy.sel(window=0, epoch=window.start + 8)
        np.testing.assert_array_equal(window.loss, whole - own)
    assert not np.any(windows[0].loss)


@pytest.mark.parametrize("num_epochs", [10, 16, 22, 26, 28, 30, 32, 38, 40])
def test_windows_of_one_length_are_of_one_length(num_epochs):
    onset = (0.0, 0.2, 0.4, 0.6, 0.8)
    setup = CriticalSetup(onset=onset, length=0.2, removal=(0.6, 1.0))
    windows = setup.windows(num_epochs)
    span = num_epochs - setup.clean_epochs(num_epochs)
    assert max(stop for _, stop in windows) == span
    length = round(0.2 * span)
    assert sum(stop - start == length for start, stop in windows) == 5


def _changed(dataset, losses, trace=(1.0, 9.0, 8.0, 7.0, 6.0, 5.0)):
    """A dataset of all four deficits, with these losses of their windows in points."""
    parts = []
    for name in NAMES:
        part = dataset.copy(deep=True)
        clean = 0.6 + 0.1 * np.arange(2)[:, None] + np.zeros(6)
        values = np.broadcast_to(clean, (5, 2, 6)).copy()
        values[1:] -= np.reshape(losses[name], (4, 1, 1)) / 100
        # The seeds differ a little, so that there are intervals.
        values[1:, 1] += 1e-4
        part["test_accuracy"] = part["test_accuracy"].dims, values
        found = np.array([1.0, 1.01])[:, None] * np.array(trace)
        part["fisher_trace_total"] = (
            part["fisher_trace_total"].dims,
            np.broadcast_to(found, (5, 2, 6)),
        )
        parts.append(part)
    return _combined(parts)


def _combined(parts):
    places, cells = [], []
    for name, part in zip(NAMES, parts, strict=True):
        for place, cell in cells_of(part):
            places.append({"deficit": name} | place)
            cells.append(cell)
    return combine(places, cells)


def _first_letters(dataset, verdict):
    """Of the claims that are about the dataset, which have this verdict."""
    of_pathways = {c.claim for c in pathway_claims(trained_pathways())}
    return "".join(
        c.claim[0]
        for c in critical_claims(dataset)
        if c.verdict == verdict and c.claim not in of_pathways
    )


def _losses(blur, others, noise):
    """Losses of the windows but the first, by deficit."""
    return {"blur": blur, "noise": [noise] * 4} | dict.fromkeys(
        ("flip", "labels"), [others] * 4
    )


def test_claims_follow_the_numbers_either_way(dataset):
    # Windows in their order: (0, 4), (0, 8), (2, 6), (4, 8).
    published = _losses([6, 9, 4, 3], 0, 2)
    found = _changed(dataset, published)
    # Epochs 0, 8, 10, 12, 14, 16: the trace rises to epoch 8, as the middles do.
    assert _first_letters(found, "holds") == "12334456"
    assert _first_letters(found, "does not hold") == "7"
    assert list(networks_of(found)) == list(NAMES)
    opposite = _losses([0, -3, 2, 3], 4, -1)
    found = _changed(dataset, opposite, trace=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    assert _first_letters(found, "does not hold") == "12334456"
    assert _first_letters(found, "holds") == "7"
    # A trace that only falls has no peak.
    falling = _changed(dataset, published, trace=(9.0, 5.0, 4.0, 3.0, 2.0, 1.0))
    assert _first_letters(falling, "holds") == "12334457"
    assert _first_letters(falling, "does not hold") == "6"


def test_linear_pathways_keep_what_is_exact_and_claims_follow_them():
    trained = trained_pathways()
    assert [c.verdict for c in pathway_claims(trained)] == ["holds", "holds"]
    # Alone the first grows by e^2 in a time constant, whatever the initial strengths,
    # and the second stands still: to half a step of 2 / 50, and what a strength of
    # 1e-3 e^2 slows itself down.
    last = trained.pathway_strength.isel(epoch=-1).transpose(
        "pathway", "window", "seed"
    )
    odds = last.values[1] / last.values[0]
    windows = list(zip(trained.start.values, trained.stop.values, strict=True))
    none, first = windows.index((0.0, 0.0)), windows.index((0.0, 1.0))
    np.testing.assert_allclose(odds[first] / odds[none], np.exp(-2), rtol=0.03)
    np.testing.assert_allclose(last.sum("pathway"), 1.0, rtol=1e-4)
    turned = trained.copy(deep=True)
    turned["pathway_strength"] = 0.5 - trained.pathway_strength
    found = pathway_claims(turned)
    assert [c.verdict for c in found] == ["does not hold", "does not hold"]


def test_a_network_that_diverged_decides_nothing(dataset):
    published = _changed(dataset, _losses([6, 9, 4, 3], 0, 2))
    for name in (
        "test_accuracy",
        "fisher_trace_total",
        "deficit_start",
        "deficit_stop",
    ):
        # Of the first window, after a last trace beyond all others.
        published[name].loc[{"seed": 0, "window": 0}] = np.nan
    published["fisher_trace_total"].loc[{"seed": 0, "window": 0, "epoch": 0}] = 1e12
    (peak,) = (c for c in critical_claims(published) if c.claim[0] == "6")
    assert "peak at epoch 8" in peak.claim and peak.num_left_out == 1
    reference = critical_figures(published)["critical_periods"].axes[0].lines[-1]
    assert np.isfinite(reference.get_ydata()).all()


def test_figures_and_a_report_without_information(dataset, tmp_path):
    figures = critical_figures(dataset)
    assert list(figures) == ["critical_periods", "critical_periods_linear"]
    left, middle, right = figures["critical_periods"].axes
    (windows,) = networks_of(dataset).values()
    places, means = left.lines[0].get_data()
    assert list(places) == [0, 4, 8]
    np.testing.assert_allclose(means[-1], windows[2].accuracy.mean())
    assert list(middle.lines[0].get_xdata()) == [0, 2, 4]
    np.testing.assert_allclose(right.lines[0].get_ydata(), windows[2].trace.mean(0))
    page = report(dataset, tmp_path, pdf=False)
    assert "window 4" in page.read_text()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"removal": (0.0,)}, r"removal must lie in \(0, 1\]"),
        ({"clean": 1.0}, r"clean must lie in \(0, 1\)"),
        ({"onset": (0.75,)}, r"onset must lie in \[0, 0.5"),
        ({"network": "3/0"}, "network must be channels and strides such as 24/2-48"),
        ({"removal": (0.01, 1.0)}, "epochs must be enough to tell 5 windows apart"),
        ({"fisher_samples": 0}, "fisher-samples must be a whole number"),
        ({"blur": 9}, r"factor must lie in \[1, 8\], got 9"),
        ({"weight_decay": -1.0}, "weight-decay must be one number from 0 on"),
    ],
)
def test_options_out_of_range(options, message):
    pytest.importorskip("sklearn")
    context = Context(snapshots=[0, 8], task=image_task("digits"))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(context)


def test_the_quick_run_is_another_set_up():
    part = critical_periods.EXPERIMENT.grids["critical-periods"]
    assert part.chosen(part.setup, True).setup == part.quick_setup
    assert part.chosen(part.setup, False).setup == part.setup
    chosen = dataclasses.replace(part.setup, blur=2)
    assert part.chosen(chosen, True).setup == chosen
    assert (part.full.data, part.quick.data) == ("cifar10", "digits")
