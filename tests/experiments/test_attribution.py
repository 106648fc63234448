"""Attribution on cluttered digits: claims on made-up scores, and a small run."""

import dataclasses
import json
import sys

import jax
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ibjax import cli, results
from ibjax.experiments.attribution import EXPERIMENT
from ibjax.experiments.attribution.claims import attribution_claims, attribution_table
from ibjax.experiments.attribution.figures import attribution_figures
from ibjax.experiments.attribution.methods import Method
from ibjax.experiments.attribution.setup import (
    Classifier,
    ClutteredOptions,
)
from ibjax.report import ReportFigure

METHODS = ("IBA 1/k", "IBA 10/k", "IBA readout")
METHODS += ("gradient", "guided backpropagation", "random")
LAYERS = ("output", "hidden", "conv_2", "conv_1")
SEEDS, IMAGES, SIDE = 3, 4, 6


def _dataset(*, box, degradation, sensitivity, kept, bits):
    """Scores of every method, a seed's a little off."""
    jitter = 1e-3 * np.arange(SEEDS)[:, None]

    def spread(values, *sizes):
        each = np.asarray(values, np.float64)[None] + jitter
        shape = (*each.shape, *[1] * len(sizes))
        return np.broadcast_to(each.reshape(shape), (*each.shape, *sizes))

    first = ("seed", "explainer")
    rng = np.random.default_rng(0)
    heat = rng.uniform(size=(SEEDS, len(METHODS), 2, SIDE, SIDE))
    digit = np.zeros((2, SIDE, SIDE), bool)
    digit[:, 1:4, 2:5] = True
    dataset = xr.Dataset(
        {
            "seconds": (first, spread(np.ones(len(METHODS)))),
            "information": ((*first, "image"), spread(bits, IMAGES)),
            "infidelity": ((*first, "image"), spread(np.full(6, 0.5), IMAGES)),
            "box_ratio": ((*first, "image"), spread(box, IMAGES)),
            "degradation": (
                (*first, "tile", "image"),
                spread(degradation, 1, IMAGES),
            ),
            "sensitivity": ((*first, "num_hidden"), spread(sensitivity, 2)),
            "sanity": (
                (*first, "new_layer", "similarity"),
                spread(kept, len(LAYERS), 4),
            ),
            "drawn_map": ((*first, "drawn", "row", "column"), heat),
            "drawn_image": (
                ("drawn", "row", "column", "colour"),
                heat[0, 0][..., None],
            ),
            "drawn_digit": (("drawn", "row", "column"), digit),
            "box_area": ("image", np.full(IMAGES, 0.25)),
            "test_error": ("seed", 0.1 + jitter[:, 0]),
        },
        coords={
            "seed": range(SEEDS),
            "epoch": [5],
            "explainer": list(METHODS),
            "tile": [3],
            "num_hidden": [1, 2],
            "new_layer": list(LAYERS),
            "similarity": ["rank", "absolute rank", "SSIM", "HOG"],
        },
    )
    for name in ("fraction_3", "most_first_3", "least_first_3"):
        curve = np.linspace(0, 1, 3)
        shape = (SEEDS, len(METHODS), 3)
        dataset[name] = (*first, "point_3"), np.broadcast_to(curve, shape)
    dataset.attrs = {
        "configuration": "{}",
        "command": "ibjax reproduce attribution",
        "versions": "{}",
    }
    return dataset


PUBLISHED = _dataset(
    box=[0.5, 0.6, 0.61, 0.4, 0.45, 0.25],
    degradation=[0.4, 0.6, 0.5, 0.1, 0.3, 0.0],
    sensitivity=[0.5, 0.5, 0.5, 0.3, 0.2, 0.0],
    kept=[0.2, 0.3, np.nan, 0.0, 0.9, 1.0],
    bits=[50, 5, 5, np.nan, np.nan, np.nan],
)
OPPOSITE = _dataset(
    box=[0.5, 0.3, 0.31, 0.4, 0.45, 0.4],
    degradation=[0.4, 0.2, 0.2, 0.1, 0.3, 0.2],
    sensitivity=[0.5, 0.1, 0.5, 0.3, 0.2, 0.0],
    kept=[0.7, 0.8, np.nan, 0.9, 0.1, 1.0],
    bits=[5, 50, 5, np.nan, np.nan, np.nan],
)


@pytest.mark.parametrize(
    "dataset, verdict", [(PUBLISHED, "holds"), (OPPOSITE, "does not hold")]
)
def test_claims_follow_the_numbers(dataset, verdict):
    found = attribution_claims(dataset)
    assert "".join(claim.claim[0] for claim in found) == "12344" + "55" + "6666" + "78"
    assert {claim.verdict for claim in found} == {verdict}
    assert found[0].claim.endswith("before guided backpropagation")
    assert found[0].num_seeds == SEEDS


def test_the_price_of_information_is_a_ratio():
    claim = attribution_claims(PUBLISHED)[-2]
    assert claim.value == pytest.approx(np.log(0.1), abs=1e-3)


def test_the_table_has_every_method():
    lines = attribution_table(PUBLISHED).markdown().splitlines()
    assert [line.split(" | ")[0][2:] for line in lines[2:8]] == list(METHODS)
    # The mean of 0.6, 0.601 and 0.602, and a t quantile of 4.30 standard errors.
    assert "| 0.601 ± 0.002 | 0.601 ± 0.002 |" in lines[3]
    assert "3 networks, whose test error is" in lines[-1]


def test_other_datasets_are_refused():
    with pytest.raises(ValueError, match="dataset must hold"):
        attribution_claims(PUBLISHED.drop_vars("sanity"))


def test_figures_show_every_method():
    figures = attribution_figures(PUBLISHED)
    assert list(figures) == [
        f"attribution_{name}"
        for name in (
            *("maps", "prices", "degradation", "scores", "sanity", "sensitivity"),
        )
    ]
    maps = figures["attribution_maps"].figure.axes
    # The main price alone, beside the image and the others, and a bar.
    assert len(maps) == 2 * len(METHODS) + 1
    axes = figures["attribution_scores"].figure.axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == list(METHODS)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"canvas": 30}, "canvas must be a multiple of 4"),
        ({"tiles": (20,)}, r"tiles must lie in \[1, 14\]"),
        ({"tiles": (4, 4)}, "tiles must name each value once"),
        ({"beta": (-1.0,)}, "beta must be one number from 0 on"),
        ({"beta": ()}, "beta must hold at least one"),
        ({"seeds": 0}, "seeds must be a whole number"),
        ({"subsets": 1}, "subsets must be a whole number"),
        ({"learning_rate": 0.0}, "learning-rate must be one positive number"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(ClutteredOptions(), **options).check()


def test_a_small_run_keeps_what_was_asked_for():
    options = dataclasses.replace(ClutteredOptions(), epochs=3).quick()
    assert (options.epochs, options.seeds, options.test_images) == (3, 3, 64)


def test_photographs_have_no_boxes():
    hidden = ["box_ratio", "box_area", "drawn_digit", "drawn_image"]
    photographs = PUBLISHED.drop_vars(hidden)
    photographs["drawn_image"] = PUBLISHED.drawn_image.isel(colour=[0, 0, 0])
    found = attribution_claims(photographs)
    # Neither a first place on boxes, for two bottlenecks, nor a random map's share.
    assert "".join(claim.claim[0] for claim in found) == "234" + "5" + "6666" + "78"
    table = attribution_table(photographs)
    assert "box ratio" not in table.header and "square" not in table.caption
    figures = attribution_figures(photographs)
    assert len(figures["attribution_scores"].figure.axes) == 2
    # Frames are the only patches that axes of maps have.
    panels = figures["attribution_maps"].figure.axes
    assert not any(axes.patches for axes in panels[:-1])


def test_colours_are_added_up_or_the_largest_counts():
    attributions = np.array([[[[1.0, -3.0, 1.0]]]])
    signed, absolute = (Method("", None, absolute=a) for a in (False, True))
    maps = [signed.maps, signed.heat, absolute.maps, absolute.heat]
    assert [own(attributions).item() for own in maps] == [-1, -1, -1, 3]


def test_layers_halve():
    module = Classifier(8, 1, (2, 3), 4, 5)
    x = jax.ShapeDtypeStruct((6, 64), "float32")
    logits, layers = jax.eval_shape(
        lambda key, x: module.init_with_output(key, x, capture_intermediates=True),
        jax.random.key(0),
        x,
    )
    shapes = {
        name: outputs["__call__"][0].shape
        for name, outputs in layers["intermediates"].items()
        if name != "__call__"
    }
    assert logits.shape == (6, 5)
    assert shapes["conv_1"] == (6, 8, 8, 2) and shapes["conv_2"] == (6, 4, 4, 3)
    assert shapes["hidden"] == (6, 4)


def test_what_was_measured_is_read_again(tmp_path, monkeypatch):
    # Figures have their own test, and take seconds to write.
    module = sys.modules[EXPERIMENT.run.__module__]
    monkeypatch.setattr(module, "attribution_figures", lambda dataset: {})
    results.save_dataset(PUBLISHED, tmp_path / results.DATASET_FILE)
    output = ["--output", str(tmp_path / "out")]
    cli.main(["reproduce", "attribution", "--from", str(tmp_path), *output])
    written = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert {claim["verdict"] for claim in written["claims"]} == {"holds"}
    assert (tmp_path / "out" / "attribution.md").read_text().startswith("| method")
    # From what a run leaves the page is made anew, by a shorter command.
    monkeypatch.undo()
    monkeypatch.setattr(module, "attribution_figures", _one_figure)
    results.save_dataset(PUBLISHED, tmp_path / "out" / results.DATASET_FILE)
    cli.main(["report", str(tmp_path / "out")])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h3>Maps of all methods</h3>" in page and "data:image/png" in page
    assert "guided backpropagation" in page and "0.601 ± 0.002" in page


def _one_figure(dataset):
    assert dataset.identical(PUBLISHED)
    return {"maps": ReportFigure(Figure(), "Maps of all methods", "Bits.")}


@pytest.mark.slow
def test_a_small_run_on_photographs(tmp_path, real_data):
    real_data("cifar10_jpg")
    options = ["--quick", "--seeds", "2", "--epochs", "1", "--beta", "10"]
    options += ["--channels", "2-4", "--readout-steps", "3", "--tiles", "8"]
    options += ["--train-images", "200", "--output", str(tmp_path)]
    cli.main(["reproduce", "attribution-cifar10", *options])
    dataset = results.open_dataset(tmp_path)
    assert dataset.sizes["colour"] == 3 and "box_ratio" not in dataset
    assert dataset.degradation.notnull().all()


@pytest.mark.slow
def test_a_small_run(tmp_path):
    pytest.importorskip("sklearn")
    options = ["--quick", "--images", "digits", "--canvas", "16", "--digit", "8"]
    options += ["--seeds", "2", "--epochs", "1", "--beta", "10", "--fragments", "2"]
    options += ["--channels", "2-4", "--readout-steps", "3", "--tiles", "4"]
    options += ["--output", str(tmp_path)]
    cli.main(["reproduce", "attribution", *options])
    dataset = results.open_dataset(tmp_path)
    assert dataset.sizes["explainer"] == 11 and dataset.sizes["image"] == 64
    assert dataset.box_ratio.notnull().all() and dataset.degradation.notnull().all()
    random = dataset.sel(explainer="random")
    # One in four pixels, of which 64 random ones are in a box of 64 in 128 maps.
    spread = np.sqrt(0.25 * 0.75 / 64 / 128)
    assert abs(float(random.box_ratio.mean()) - 0.25) < 5 * spread
