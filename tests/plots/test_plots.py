"""Figures, animations and the report: labels, units, files, odd datasets."""

import base64
import json
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ibjax import plots
from ibjax.plots import labels, style
from ibjax.report import animation
from ibjax.report import writing as reporting
from ibjax.report.animation import animation_gif, animation_html
from ibjax.report.writing import report
from ibjax.results.example import example_dataset
from ibjax.results.files import write_atomically

I_XT, I_TY = "$I(X;T)$ (bits)", "$I(T;Y)$ (bits)"


@pytest.fixture(scope="module")
def dataset():
    return example_dataset(num_seeds=4, num_epochs=12).isel(layer=[0, 5])


@pytest.fixture(scope="module")
def report_directory(dataset, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sweep") / "report"
    named = dataset.isel(layer=[1]).assign_attrs(
        title="A <title> & more",
        configuration=json.dumps({"learning_rate": 4e-4, "hidden": [10, 7]}),
    )
    page = report(named, directory, pdf=False)
    assert page == directory / "report.html"
    return directory


def _drawn(figure):
    """Draws the figure, so that warnings of its artists are raised."""
    assert isinstance(figure, Figure)
    # The layout takes most of the time and changes nothing that is tested.
    figure.set_layout_engine("none")
    figure.draw_without_rendering()
    return figure


def _labels(figure):
    return [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]


def test_information_plane_labels_and_ceilings(dataset):
    figure = _drawn(plots.information_plane(dataset))
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == (I_XT, I_TY)
    assert bar.get_ylabel() == "epoch"
    texts = {text.get_text() for text in axes.texts}
    assert {"1: tanh 10", "6: softmax 2", "$I(X;Y)$", r"$\log_2 N$"} <= texts
    assert axes.get_title(loc="left") == "30 bin edges on [-1, 1]; mean of 4 seeds"
    # The last path point is the mean over seeds of the last epoch, in bits.
    expected = dataset["i_xt"].sel(estimator="binning").mean("seed") / np.log(2)
    line = next(line for line in axes.lines if len(line.get_xdata()) == 12)
    np.testing.assert_allclose(line.get_xdata(), expected[:, 0], rtol=1e-5)


def test_snapshots_name_the_nearest_recorded_epochs(dataset):
    figure = _drawn(plots.snapshots(dataset, epochs=(0, 9000), estimator="kde_lower"))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["epoch 0", "epoch 10000 (near 9000)"]
    assert figure.axes[0].collections[0].get_offsets().shape == (4, 2)
    assert "KDE lower bound" in figure.get_suptitle()
    both_nearest_to_one = plots.snapshots(dataset, epochs=(9000, 10000))
    assert len(both_nearest_to_one.axes) == 1


def test_information_curves_say_what_the_band_is(dataset):
    figure = _drawn(plots.information_curves(dataset))
    assert _labels(figure) == [("epoch", I_XT), ("epoch", I_TY)]
    assert "95 % interval of the mean" in figure.get_suptitle()
    assert figure.axes[0].get_xlim() == (0.0, 10000.0)


def test_estimator_comparison_draws_kde_as_a_band(dataset):
    figure = _drawn(plots.estimator_comparison(dataset))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        "KDE, lower to upper bound, noise variance 0.001",
        "30 bin edges on [-1, 1]",
        "bins of width 0.07",
    ]
    one_bound = dataset.sel(estimator=["binning", "kde_upper"])
    figure = _drawn(plots.estimator_comparison(one_bound))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "KDE upper bound, noise variance 0.001" in texts


@pytest.mark.parametrize("normalized", [False, True])
def test_gradients_are_logarithmic_and_mark_the_turn(dataset, normalized):
    figure = _drawn(plots.gradients(dataset, normalized=normalized))
    norm, _, ratio, _ = figure.axes
    assert (norm.get_ylabel(), ratio.get_ylabel()) == ("gradient norm", "SNR")
    assert norm.get_yscale() == ratio.get_yscale() == "log"
    assert ratio.get_xlabel() == "epoch"
    assert [text.get_text().isdigit() for text in ratio.texts] == [True]
    assert ("norm of the weights" in figure.get_suptitle()) == normalized


def test_training_curves_without_a_test_set(dataset):
    figure = _drawn(plots.training_curves(dataset))
    assert _labels(figure) == [
        ("epoch", "cross-entropy (bits)"),
        ("epoch", "accuracy"),
    ]
    assert len(figure.axes[0].lines) == 2
    dataset = dataset.assign(
        test_loss=dataset["test_loss"] * np.nan,
        test_accuracy=dataset["test_accuracy"] * np.nan,
    )
    assert len(_drawn(plots.training_curves(dataset)).axes[0].lines) == 1


def test_squared_errors_are_drawn_as_they_are(dataset):
    dataset = dataset.drop_vars(["train_accuracy", "test_accuracy"])
    for name in ("train_loss", "test_loss"):
        dataset[name].attrs["units"] = "1"
    (axes,) = _drawn(plots.training_curves(dataset)).axes
    assert axes.get_ylabel() == "mean squared error"
    mean = dataset.train_loss.mean("seed")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), mean, rtol=1e-6)


FIGURES = [
    plots.information_plane,
    plots.snapshots,
    plots.information_curves,
    plots.estimator_comparison,
    plots.gradients,
    plots.training_curves,
]


def _one_seed(dataset):
    return dataset.isel(seed=[0])


def _one_estimator(dataset):
    return dataset.sel(estimator=["kde_lower"])


def _one_epoch(dataset):
    return dataset.isel(epoch=[0])


def _diverged(dataset):
    """One seed stops halfway, another has no value at all."""
    late = (dataset["seed"] == 1) & (dataset["epoch"] > 50)
    dataset = dataset.where(~late & (dataset["seed"] != 2)).assign_attrs(i_xy=np.nan)
    return dataset.assign(diverged=("seed", [False, True, True, False]))


def _nothing(dataset):
    return dataset.where(dataset["seed"] < 0)


ODD = [_one_seed, _one_estimator, _one_epoch, _diverged, _nothing]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_odd_datasets(dataset, draw, odd):
    _drawn(draw(odd(dataset.isel(layer=[1]))))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_odd_datasets_in_motion(dataset, odd, tmp_path):
    dataset = odd(dataset)
    assert "NaN" not in animation_html(dataset)
    animation_gif(dataset, tmp_path / "plane.gif", max_frames=2)


def test_settings_of_the_caller_stay_as_they_were(dataset):
    before = dict(matplotlib.rcParams)
    _drawn(plots.information_plane(dataset))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "draw",
    [
        plots.information_plane,
        plots.snapshots,
        plots.information_curves,
        animation_html,
    ],
)
def test_unknown_estimator(dataset, draw):
    with pytest.raises(ValueError, match="estimator must be one of .*, got 'mine'"):
        draw(dataset, estimator="mine")


@pytest.mark.parametrize("epochs", [(), (-1,), (float("nan"), 3)])
def test_impossible_epochs(dataset, epochs):
    with pytest.raises(ValueError, match="epochs must be one or more numbers >= 0"):
        plots.snapshots(dataset, epochs=epochs)


def test_default_estimator_is_binning_or_the_first(dataset):
    assert style.choose_estimator(dataset, None)[0] == "binning"
    others = dataset.sel(estimator=["kde_upper", "bin_width"])
    assert style.choose_estimator(others, None)[0] == "kde_upper"


def test_layers_have_different_colors():
    for num_layers in (1, 6, 7, 8, 20):
        assert len(set(style.layer_colors(num_layers))) == num_layers


def test_labels_do_not_overlap():
    axes = Figure(figsize=(4, 3)).subplots()
    points = np.full((6, 2), 0.5) + 0.01 * np.arange(6)[:, None]
    texts = [f"label {index}" for index in range(6)]
    labels.label_points(axes, points, texts, ["black"] * 6, avoid=points)
    axes.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    for index, box in enumerate(boxes):
        assert axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
        assert not any(box.overlaps(other) for other in boxes[:index])
    with pytest.raises(ValueError, match="must have one length, got 6, 1 and 6"):
        labels.label_points(axes, points, ["one"], ["black"] * 6, avoid=points)


def test_player_data_is_thousandths_of_a_bit(dataset):
    data = animation.player_data(_diverged(dataset), estimator="bin_width")
    assert np.shape(data["x"]) == (12, 2, 4)
    bits = dataset["i_xt"].sel(estimator="bin_width").values / np.log(2)
    np.testing.assert_allclose(data["x"][3][1][0], 1000 * bits[0, 3, 1], atol=0.5)
    assert data["x"][-1][0][1] == -1
    assert data["ceilings"] == [12.0, None]
    assert data["epochs"][0] == 0 and data["epochs"][-1] == 10000


def test_animation_html_holds_its_data_and_loads_nothing(dataset):
    page = animation_html(dataset)
    assert "I(X;T) (bits)" in page and "I(T;Y) (bits)" in page
    assert re.search(r"https?://|src=|href=|@import|url\(", page) is None
    literal = re.search(r'JSON\.parse\((".*")\);', page).group(1)
    data = json.loads(json.loads(literal))
    assert data["layers"][1] == {"name": "6: softmax 2", "color": "#D55E00"}


def test_player_keeps_hostile_names_inside_its_script(dataset):
    hostile = dataset.assign_coords(
        layer_name=("layer", ["</script><b>", "tanh"]),
        estimator_label=("estimator", ["<i>"] * 4),
    )
    page = animation_html(hostile)
    assert page.count("</script>") == 1
    assert "<i>" not in page and "<b>" not in page


def test_gif_opens_and_moves(dataset, tmp_path):
    path = animation_gif(dataset, tmp_path / "plane.gif", max_frames=5)
    with Image.open(path) as image:
        assert image.format == "GIF" and image.n_frames == 5
        first = np.asarray(image.convert("RGB"))
        image.seek(4)
        last = np.asarray(image.convert("RGB"))
    assert first.shape == last.shape
    assert (first != last).any()
    # The first layer's colour is there as it is in the other figures.
    assert (last == (0x00, 0x72, 0xB2)).all(axis=-1).any()
    with pytest.raises(ValueError, match="max_frames must be at least 1, got 0"):
        animation_gif(dataset, path, max_frames=0)


def test_gif_of_a_sweep_is_small(tmp_path):
    path = animation_gif(example_dataset(num_seeds=50), tmp_path / "plane.gif")
    assert path.stat().st_size < 2_000_000


def test_report_writes_everything(report_directory):
    figures = {path.name for path in (report_directory / "figures").iterdir()}
    names = {figure.__name__ for figure in FIGURES} | {"gradients_normalized"}
    assert figures == {f"{name}.png" for name in names}
    assert {path.name for path in report_directory.iterdir()} == {
        "figures",
        "animation.html",
        "animation.gif",
        "summary.json",
        "report.html",
    }
    summary = json.loads((report_directory / "summary.json").read_text())
    assert summary["num_seeds"] == 4


def test_report_writes_figures_for_a_paper(dataset, tmp_path, monkeypatch):
    one = {"training_curves": (plots.training_curves, "Training", "Loss.")}
    monkeypatch.setattr(reporting, "_FIGURES", one)
    report(dataset.isel(epoch=[0, -1]), tmp_path)
    pdf = (tmp_path / "figures" / "training_curves.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    assert b"/Type3" not in pdf


def test_report_loads_nothing_and_escapes(report_directory):
    page = (report_directory / "report.html").read_text()
    images = re.findall(r'src="([^"]*)"', page)
    assert len(images) == 7
    png = base64.b64decode(images[0].removeprefix("data:image/png;base64,"))
    assert png == (report_directory / "figures" / "information_plane.png").read_bytes()
    rest = re.sub(r'src="data:[^"]*"', "", page)
    assert re.search(r"https?://|src=|href=|@import|url\(", rest) is None
    assert "<h1>A &lt;title&gt; &amp; more</h1>" in page


def test_report_tells_the_caveats_and_the_configuration(report_directory):
    page = (report_directory / "report.html").read_text()
    assert "itself no bound" in page
    assert "<th>learning_rate</th><td>0.0004</td>" in page
    assert "<th>numpy</th>" in page
    assert "compresses" in page and "<canvas" in page


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "note.txt", "old")

    def refuse(*_):
        raise OSError("no")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="no"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]
