"""Figures in a caller's axes, in a column of a paper, and of selections."""

import shutil

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ibjax import plots
from ibjax.report import paper_figures
from ibjax.report.writing import standard_figures
from ibjax.results.example import example_dataset, example_grid

# Figures and how many axes they take for two layers, estimators or cells.
COUNTS = {
    plots.information_plane: 1,
    plots.snapshots: 3,
    plots.information_curves: 2,
    plots.estimator_comparison: 2,
    plots.gradients: 3,
    plots.training_curves: 2,
    plots.grid_planes: 2,
    plots.grid_curves: 2,
    plots.grid_compression: 2,
}


@pytest.fixture(scope="module")
def dataset():
    return example_dataset(num_seeds=3, num_epochs=8).isel(layer=[0, 5])


@pytest.fixture(scope="module")
def grid():
    return example_grid(num_seeds=3, num_epochs=8)


def _of(draw, dataset, grid):
    return grid if draw.__name__.startswith("grid") else dataset


@pytest.mark.parametrize("draw", COUNTS, ids=lambda draw: draw.__name__)
def test_figures_are_drawn_in_given_axes(draw, dataset, grid):
    figure = Figure()
    ax = figure.subplots(1, COUNTS[draw])
    assert draw(_of(draw, dataset, grid), ax=ax) is figure
    assert figure.get_suptitle() == "" and not figure.legends
    assert all(axes.has_data() for axes in np.ravel(ax))
    with pytest.raises(ValueError, match=f"ax must be {COUNTS[draw]} axes"):
        draw(_of(draw, dataset, grid), ax=[*np.ravel(ax), figure.add_subplot()])


@pytest.mark.parametrize("draw", list(COUNTS)[:6], ids=lambda draw: draw.__name__)
@pytest.mark.parametrize(
    "part",
    [
        lambda d: d.mean("seed").sel(layer=6),
        lambda d: d.drop_vars("diverged") - d.drop_vars("diverged").isel(epoch=0),
    ],
    ids=["mean of a layer", "difference"],
)
def test_any_selection_is_drawn(draw, part, dataset):
    with np.errstate(all="ignore"):
        figure = draw(part(dataset))
    assert figure.axes


@pytest.mark.parametrize(
    "draw", [plots.information_curves, plots.estimator_comparison, plots.grid_curves]
)
def test_curves_of_differences_are_in_view(draw, dataset, grid):
    whole = _of(draw, dataset, grid)
    information = {name: whole[name] - whole[name].max("epoch") for name in ("i_xt",)}
    figure = draw(whole.assign(information))
    lowest = {
        axes: min((np.nanmin(line.get_ydata()) for line in axes.lines), default=0.0)
        for axes in figure.axes
    }
    assert min(lowest.values()) < -0.1
    assert all(axes.get_ylim()[0] <= low for axes, low in lowest.items())


def test_two_runs_share_a_figure(dataset):
    figure = Figure()
    ax = figure.subplots(1, 2)
    plots.information_curves(dataset, ax=ax)
    halved = dataset.assign(i_xt=dataset.i_xt / 2, i_ty=dataset.i_ty / 2)
    plots.information_curves(halved, ax=ax, linestyle=":", label="half")
    one, another = (ax[0].lines[n].get_ydata() for n in (0, 2))
    np.testing.assert_allclose(another, one / 2)
    texts = [text.get_text() for text in ax[0].get_legend().get_texts()]
    assert texts[0] == "1: tanh 10" and texts[-1] == "6: softmax 2, half"
    plots.training_curves(dataset, ax=ax, alpha=0.5)
    changes = dataset.drop_vars("diverged") - dataset.drop_vars("diverged").isel(
        epoch=0
    )
    falls = plots.information_curves(changes)
    assert falls.axes[0].get_ylim()[0] < 0


def test_settings_of_the_caller_are_kept(dataset):
    with matplotlib.rc_context({"font.size": 12.0, "axes.labelsize": 11.0}):
        figure = plots.training_curves(dataset)
    assert figure.axes[0].xaxis.label.get_size() == 11.0
    assert plots.training_curves(dataset).axes[0].xaxis.label.get_size() == 8.0


@pytest.mark.parametrize("width", [3.3, pytest.param(5.5, marks=pytest.mark.slow)])
def test_figures_of_a_column_are_legible_and_whole(width, dataset, grid, monkeypatch):
    drawn = []
    draw = Text.draw

    def recorded(self, renderer):
        if self.get_visible() and self.get_text().strip():
            drawn.append((self, self.get_window_extent(renderer)))
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", recorded)
    few = dataset.drop_vars("gradient_mean_normalized")
    for shown in (few, grid.isel(layer=[0, 5])):
        with plots.column_width(width):
            figures = {n: f.figure for n, f in standard_figures(shown).items()}
        for name, figure in figures.items():
            assert figure.get_figwidth() == width
            drawn.clear()
            FigureCanvasAgg(figure).draw()
            outer = figure.bbox.padded(1)
            assert len(drawn) > 5
            for text, box in drawn:
                assert text.get_size() >= 6, (name, text)
                inside = outer.x0 <= box.x0 and box.x1 <= outer.x1
                assert inside and outer.y0 <= box.y0 and box.y1 <= outer.y1, (
                    name,
                    text,
                )


def test_papers_get_their_formats(dataset, tmp_path):
    losses = dataset[["train_loss", "test_loss"]]
    found = paper_figures(
        losses, tmp_path, column=3.3, font="serif", formats=("pdf", "svg")
    )
    assert {path.suffix for path in found} == {".png", ".pdf", ".svg"}
    svg = (tmp_path / "training_curves.svg").read_text()
    # Text is text, in the font asked for, and the file is the same another time.
    assert ">cross-entropy (bits)</text>" in svg and "serif" in svg
    paper_figures(losses, tmp_path, column=3.3, font="serif", formats=("svg",))
    assert (tmp_path / "training_curves.svg").read_text() == svg
    with pytest.raises(ValueError, match="column must lie in"):
        paper_figures(losses, tmp_path, column=1.0)
    with pytest.raises(ValueError, match="each of formats must be one of"):
        paper_figures(losses, tmp_path, formats=("doc",))
    with matplotlib.rc_context({"pgf.texsystem": "lualatex"}):
        if shutil.which("lualatex") is None:
            with pytest.raises(ValueError, match="there is no lualatex"):
                paper_figures(losses, tmp_path, formats=("pgf",))


def test_errors_of_estimators_are_drawn_task_by_task():
    truths, estimates = np.array([0.5, 1.0]), np.zeros((2, 2, 3))
    estimates[:, 0] = truths[:, None] + [-0.1, 0.0, 0.1]
    estimates[0, 1], estimates[1, 1] = 0.9, np.nan
    dims = ("task", "estimator", "seed")
    found = xr.Dataset(
        {"estimate": (dims, estimates), "truth": ("task", truths)},
        {"task": ["one", "two"], "estimator": ["ksg", "mine"], "seed": range(3)},
    )
    axes = plots.estimator_errors(found).axes[0]
    (unbiased, _, bars), (off, _, _) = (c.lines for c in axes.containers)
    np.testing.assert_allclose(unbiased.get_xdata(), [0, 0], atol=1e-9)
    ends = np.array([segment[:, 0] for segment in bars[0].get_segments()])
    np.testing.assert_allclose(ends, [[-0.1, 0.1]] * 2, atol=1e-9)
    np.testing.assert_allclose(off.get_xdata(), [0.4])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "two"]
    with pytest.raises(ValueError, match="to be of a benchmark"):
        plots.estimator_errors(found.drop_vars("truth"))
