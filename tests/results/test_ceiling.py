"""Estimates at the logarithm of the number of inputs: marked by proven rules."""

import json

import numpy as np
import pytest
import xarray as xr

from ibjax import results
from ibjax.report.pages import sweep_page
from ibjax.report.text import format_grid, format_summary
from ibjax.results.ceiling import at_ceiling, layers_at_ceiling, with_ceiling
from ibjax.results.example import example_dataset

N = 1000


def _dataset(i_xt, **attributes):
    dims = ("seed", "epoch", "layer", "estimator")
    dataset = xr.Dataset(
        {"i_xt": (dims, np.asarray(i_xt, np.float32))},
        coords={
            dim: np.arange(size) for dim, size in zip(dims, np.shape(i_xt), strict=True)
        },
    )
    return dataset.assign_attrs({"num_samples": N, "configuration": "{}"} | attributes)


def _entropy(counts):
    p = np.asarray(counts) / np.sum(counts)
    return -np.sum(p * np.log(p))


@pytest.mark.parametrize(
    ("shared", "marked"),
    # Numbers of inputs in each bin that several share: up to ten of a thousand inputs.
    [
        ((), True),
        ((2,), True),
        ((2, 2, 2, 2), True),
        ((2, 2, 2, 2, 2, 2), False),
        ((10,), False),
        ((500, 500), False),
    ],
)
def test_bins_that_hardly_any_inputs_share_are_marked(shared, marked):
    counts = [*shared, *[1] * (N - sum(shared))]
    found = at_ceiling(_dataset([[[[_entropy(counts)]]]]))
    assert found.item() == marked


@pytest.mark.parametrize(
    ("distance", "marked"), [(10.0, True), (4.0, True), (2.5, False)]
)
def test_kernels_that_hardly_overlap_are_marked(distance, marked):
    """Inputs on a line, by the upper bound with noise of variance one."""
    t = distance * np.arange(N)
    kernels = np.exp(-((t[:, None] - t) ** 2) / 2)
    i_xt = -np.mean(np.log(kernels.mean(axis=1)))
    assert at_ceiling(_dataset([[[[i_xt]]]])).item() == marked
    if marked:  # The proof: others add a hundredth of a bit at most.
        assert np.mean(np.log(kernels.sum(axis=1))) <= 0.01 * np.log(2)


def test_nothing_is_marked_where_the_number_of_inputs_is_unknown_or_one():
    for number in (None, 0, 1):
        dataset = _dataset(np.zeros((1, 1, 1, 1)))
        del dataset.attrs["num_samples"]
        if number is not None:
            dataset.attrs["num_samples"] = number
        assert not at_ceiling(dataset).any()


def test_layers_are_told_where_most_snapshots_are_at_the_ceiling():
    i_xt = np.zeros((2, 4, 3, 1))
    i_xt[:, :, 0] = np.log(N)
    i_xt[:, :2, 1] = np.log(N)  # Half of them, which is not most.
    i_xt[0, :, 2] = np.nan  # A seed that diverged is none of them.
    i_xt[1, :3, 2] = np.log(N)
    found = layers_at_ceiling(_dataset(i_xt))
    assert [(entry["layer"], entry["share"]) for entry in found] == [
        (0, 1.0),
        (2, 0.75),
    ]


@pytest.fixture
def saturated():
    dataset = example_dataset(num_seeds=3, num_epochs=6)
    dataset["i_xt"][:, :, :2, 2] = np.log(dataset.attrs["num_samples"])
    return with_ceiling(dataset)


def test_attributes_summary_and_page_say_so(saturated):
    words = "kde_upper in layers 1, 2"
    assert saturated.attrs["at_ceiling"].endswith(words)
    summary = results.summarize(saturated)
    names = [entry["name"] for entry in summary["at_ceiling"]]
    assert names == ["tanh 10", "tanh 7"]
    assert words in " ".join(format_summary(summary).split())
    page = sweep_page(summary, [], None, estimator="binning", attributes={})
    assert words in page
    # Nothing is said where nothing is there, and what was said is taken back.
    plain = with_ceiling(example_dataset(num_seeds=2).assign_attrs(at_ceiling="old"))
    assert "at_ceiling" not in plain.attrs
    assert "at its ceiling" not in format_summary(results.summarize(plain))


def test_cells_of_a_grid_are_told_apart(saturated):
    plain = example_dataset(num_seeds=3, num_epochs=6)
    whole = results.combine([{"kind": "wide"}, {"kind": "plain"}], [saturated, plain])
    assert "at_ceiling" not in whole.attrs
    found = with_ceiling(whole)
    assert found.attrs["at_ceiling"].endswith(": wide: kde_upper in layers 1, 2")
    assert all("at_ceiling" not in cell.attrs for _, cell in results.cells_of(found))
    text = format_grid(results.summarize_grid(found), estimator="kde_upper")
    assert "wide: kde_upper in layers 1, 2" in " ".join(text.split())


def test_merged_seeds_are_looked_at_again(saturated):
    def part(dataset, first):
        entry = {"num_seeds": 3, "first_seed": first}
        return dataset.assign_coords(seed=first + np.arange(3)).assign_attrs(
            configuration=json.dumps(entry)
        )

    plain = example_dataset(num_seeds=3, num_epochs=6)
    alike = results.merge([part(saturated, 0), part(saturated, 3)])
    assert alike.attrs["at_ceiling"] == saturated.attrs["at_ceiling"]
    # Half of the seeds are not most.
    mixed = results.merge([part(saturated, 0), part(plain, 3)])
    assert "at_ceiling" not in mixed.attrs
