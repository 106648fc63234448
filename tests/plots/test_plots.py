"""Figures: labels, units, odd datasets."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.plots import style
from ibjax.plots.files import encode_figure
from ibjax.results.example import example_dataset

I_XT, I_TY = "$I(X;T)$ (bits)", "$I(T;Y)$ (bits)"


@pytest.fixture(scope="module")
def dataset():
    return example_dataset(num_seeds=4, num_epochs=12).isel(layer=[0, 5])


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
    assert texts == {"$I(X;Y)$", r"$\log_2 N$"}
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["1: tanh 10", "6: softmax 2"]
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
def test_gradients_have_a_panel_for_each_quantity_and_mark_the_turn(
    dataset, normalized
):
    figure = _drawn(plots.gradients(dataset, normalized=normalized))
    assert len(figure.axes) == 3
    assert all(axes.get_yscale() == "log" for axes in figure.axes)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[2] == "SNR, mean over deviation"
    assert ["of the weights" in title for title in titles] == [normalized] * 2 + [False]
    # The dots at one are where the seeds' SNR falls below it, and the legend says so.
    dots = [line for line in figure.axes[2].lines if line.get_marker() == "o"]
    turns = [float(line.get_xdata()[0]) for line in dots]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    names = ("1: tanh 10", "6: softmax 2")
    assert texts == [f"{n} ({t:.0f})" for n, t in zip(names, turns, strict=True)]
    snr = dataset["gradient_snr"].transpose("layer", "seed", "epoch").values
    epochs = dataset["epoch"].values
    for layer, turn in zip(snr, turns, strict=True):
        after = np.median(layer, axis=0)[epochs > 1.5 * turn]
        before = np.median(layer, axis=0)[epochs < turn / 1.5]
        assert after.size and before.size
        assert after.max() < 1 < before[-1]


def test_a_layer_whose_gradients_never_turn_has_no_dot(dataset):
    figure = plots.gradients(dataset.assign(gradient_snr=dataset["gradient_snr"] + 1))
    assert all(line.get_marker() != "o" for line in figure.axes[2].lines)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["1: tanh 10", "6: softmax 2"]


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


def _selected(dataset):
    """Every dim is gone, as after a selection of one value of each."""
    return dataset.isel(seed=0, epoch=-1, layer=0, estimator=0)


def _mean(dataset):
    return dataset.mean("seed")


ODD = [
    _one_seed,
    _one_estimator,
    _one_epoch,
    _diverged,
    _nothing,
    _selected,
    _mean,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_odd_datasets(dataset, draw, odd):
    _drawn(draw(odd(dataset.isel(layer=[1]))))


def test_a_selected_seed_is_drawn_as_the_only_one(dataset):
    one, selected = (
        encode_figure(plots.information_curves(part), pdf=False)
        for part in (dataset.isel(seed=[2]), dataset.sel(seed=2))
    )
    assert one == selected


def test_axes_of_the_caller(dataset):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plots.information_plane(dataset, ax=right) is figure
    _drawn(figure)
    assert (right.get_xlabel(), right.get_ylabel()) == (I_XT, I_TY)
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["1: tanh 10", "6: softmax 2"]
    assert not figure.legends and not left.lines


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("plane", "plane"),
        ("plane.png", "plane"),
        ("plane.pdf", "plane"),
        ("plane.2", "plane.2"),
    ],
)
def test_files_of_a_figure(name, stem, tmp_path):
    png = plots.save_figure(Figure(), tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {f"{stem}.png", f"{stem}.pdf"}
    assert (tmp_path / f"{stem}.png").read_bytes() == png


def test_a_figure_keeps_its_window(dataset, tmp_path):
    figure = plots.training_curves(dataset)
    before = figure.canvas, figure.dpi
    plots.save_figure(figure, tmp_path / "curves")
    assert (figure.canvas, figure.dpi) == before


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


def test_what_is_no_dataset_is_named():
    with pytest.raises(TypeError, match="dataset must be a Dataset, got 3"):
        plots.information_plane(3)
    with pytest.raises(ValueError, match="ax must be 1 axes"):
        plots.information_plane(example_dataset(num_seeds=2), ax="here")
