"""Animations and reports: data, files, pages that load nothing and escape names."""

import base64
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ibjax.report import ReportFigure, report, writing
from ibjax.report.animation import animation_gif, animation_html
from ibjax.report.pages import claims_page
from ibjax.report.text import format_grid, format_summary
from ibjax.results import summarize
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset, example_grid
from ibjax.results.files import write_atomically
from ibjax.results.summary import summarize_grid

NAMES = {
    "information_plane",
    "snapshots",
    "information_curves",
    "estimator_comparison",
    "gradients",
    "gradients_normalized",
    "training_curves",
}


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
def test_odd_datasets_in_motion(dataset, odd, tmp_path):
    dataset = odd(dataset)
    assert "NaN" not in animation_html(dataset)
    animation_gif(dataset, tmp_path / "plane.gif", max_frames=2)


def test_animation_html_holds_its_data_and_loads_nothing(dataset):
    page = animation_html(dataset)
    assert "I(X;T) (bits)" in page and "I(T;Y) (bits)" in page
    assert re.search(r"https?://|src=|href=|@import|url\(", page) is None
    text = re.search(r'<script type="application/json">(.*?)</script>', page).group(1)
    data = json.loads(text)
    assert data["layers"][1]["name"] == "6: softmax 2"
    assert data["layers"][1]["color"] == "#D55E00"


def test_player_keeps_hostile_names_inside_its_script(dataset):
    hostile = dataset.assign_coords(
        layer_name=("layer", ["</script><b>", "tanh"]),
        estimator_label=("estimator", ["<i>"] * 4),
    )
    page = animation_html(hostile)
    assert page.count("</script>") == 2
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
    assert figures == {f"{name}.png" for name in NAMES}
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
    one = {"training_curves": writing._FIGURES["training_curves"]}
    monkeypatch.setattr(writing, "_FIGURES", one)
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


def test_page_begins_with_its_verdict_and_the_player(
    dataset, tmp_path, monkeypatch, undrawn
):
    monkeypatch.setattr(writing, "_FIGURES", {})
    still = dataset.copy(deep=True)
    still["i_xt"][:, :, 0] = 1.0
    page = report(still, tmp_path, pdf=False).read_text()
    sentence = "[-1, 1], layer 6 compresses; layer 1 does not compress."
    places = [
        page.index(text)
        for text in (
            "<h1>",
            sentence,
            "<canvas",
            "<h2>Summary",
            "<table",
            "<h2>Figures",
        )
    ]
    assert places == sorted(places)
    page = report(dataset.isel(seed=[0]), tmp_path, pdf=False).read_text()
    assert "layers 1 and 6 are undecided." in page


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


def test_an_unknown_estimator_has_no_animation(dataset):
    with pytest.raises(ValueError, match="estimator must be one of .*, got 'mine'"):
        animation_html(dataset, estimator="mine")


def test_figures_of_an_experiment_stand_after_the_others(
    dataset, tmp_path, monkeypatch, undrawn
):
    monkeypatch.setattr(
        writing, "_FIGURES", {"snapshots": writing._FIGURES["snapshots"]}
    )
    extra = {"mine": ReportFigure(Figure(), "<b>Mine</b>", "A caption.")}
    page = report(dataset, tmp_path, extra=extra, pdf=False).read_text()
    assert (tmp_path / "figures" / "mine.png").is_file()
    assert page.index("Snapshots of the") < page.index("&lt;b&gt;Mine&lt;/b&gt;")
    assert "<b>" not in page
    with pytest.raises(ValueError, match="extra must have new names, got snapshots"):
        report(dataset, tmp_path, extra={"snapshots": extra["mine"]}, pdf=False)
    grid = example_grid(num_seeds=2, num_epochs=4)
    report(grid, tmp_path / "grid", extra=extra, pdf=False)
    assert (tmp_path / "grid" / "figures" / "mine.png").is_file()


def test_no_markup_of_a_dataset_or_a_claim_reaches_a_page(tmp_path, undrawn):
    evil = "</script></pre><img src=x>"
    grid = example_grid(num_seeds=2, num_epochs=4)
    grid.attrs |= {"title": evil, "devices": evil, "versions": evil}
    grid = grid.assign_coords(estimator_label=("estimator", [evil, evil]))
    of_grid = report(grid, tmp_path, pdf=False).read_text()
    claim = dict.fromkeys(("claim", "quantity", "criterion", "verdict"), evil)
    claim |= {"value": 1.0, "low": None, "high": "inf", "num_seeds": 3}
    content = {"title": evil, "command": evil, "claims": [claim]}
    for page in (of_grid, claims_page([content], title=evil)):
        assert evil not in page and "<img src=x" not in page
        assert page.count("&lt;/script&gt;&lt;/pre&gt;&lt;img src=x&gt;") >= 4


def test_an_exact_claim_has_no_interval_on_its_page():
    claim = {"claim": "c", "quantity": "q", "criterion": "above 1", "verdict": "holds"}
    claim |= {"value": 1.5625, "low": 1.5625, "high": 1.5625, "num_seeds": None}
    page = claims_page([{"title": "One", "claims": [claim]}])
    assert '<td class="wrapped">1.5625</td>' in page


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
def test_processes_draw_the_same_files(tmp_path):
    """In a script without a guard for the main module, which no process runs again."""
    # Which fonts matplotlib finds is the machine's affair, and is not looked at.
    script = """
import logging, sys
logging.getLogger("matplotlib").setLevel(logging.ERROR)
from ibjax.plots.processes import forked_drawing
from ibjax.report import report, writing
from ibjax.report.text import format_summary
from ibjax.results import summarize
from ibjax.results.example import example_dataset, example_grid
print("once")
names = "estimator_comparison", "training_curves"
writing._FIGURES = {name: writing._FIGURES[name] for name in names}
writing._GRID_FIGURES = {"curves": writing._GRID_FIGURES["curves"]}
sweep = example_dataset(num_seeds=3, num_epochs=6).isel(layer=[5])
grid = example_grid(num_seeds=3, num_epochs=6).isel(layer=[5])
with forked_drawing(2) as drawing:
    for place, by in {"here": None, "shared": drawing}.items():
        report(sweep, f"{sys.argv[1]}/{place}/sweep", drawing=by)
        report(grid, f"{sys.argv[1]}/{place}/grid", pdf=False, drawing=by)
"""
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert (out.stdout, out.stderr) == ("once\n", "")
    here, shared = (
        {
            path.relative_to(tmp_path / place): path.read_bytes()
            for path in (tmp_path / place).rglob("*.*")
        }
        for place in ("here", "shared")
    )
    assert here == shared and len(here) == 2 * 2 + 4 + 1 + 2


def test_rows_of_a_summary_fit_a_terminal():
    names = ["a name of sixteen"[:16]] * 6
    dataset = example_dataset(num_seeds=5).assign_coords(layer_name=("layer", names))
    for shown in (example_dataset(num_seeds=5), dataset):
        lines = format_summary(summarize(shown)).splitlines()
        assert max(map(len, lines)) <= 80
    long = dataset.assign_coords(layer_name=("layer", ["x" * 90] * 6))
    many = long.reindex(estimator=[f"estimator_{n}" for n in range(9)], fill_value=2.0)
    for shown in (long, many.drop_vars("estimator_label")):
        lines = format_summary(summarize(shown)).splitlines()
        assert max(map(len, lines)) <= 80 and "1 xxxx" in "\n".join(lines)
    assert "estimator_8" in "\n".join(lines)
    places = [{"activation": "tanh " * 20}, {"activation": "relu"}]
    wide = combine(places, [example_dataset(num_seeds=3, num_epochs=6)] * 2)
    assert max(map(len, format_grid(summarize_grid(wide)).splitlines())) <= 80


def test_estimators_that_disagree_are_named(dataset):
    still = dataset.copy(deep=True)
    still["i_xt"].loc[{"layer": 6, "estimator": ["kde_upper", "kde_lower"]}] = 1.0
    text = format_summary(summarize(still), estimator="binning")
    lines = text.splitlines()
    (row,) = (line for line in lines if line.split()[-4:] == ["yes", "yes", "no", "no"])
    assert row.startswith("6 softmax 2")
    said = "layer 6: yes by binning and bin_width, no by kde_upper and kde_lower"
    assert said in " ".join(text.split())
    assert "disagree on layer 1" not in text
    grid = example_grid(num_seeds=4, num_epochs=12)
    grid["i_xt"].loc[{"activation": "tanh", "estimator": "kde_upper"}] = 1.0
    text = format_grid(summarize_grid(grid))
    assert "Estimators disagree: tanh, layers" in text and "; relu" not in text
    alone = format_grid(summarize_grid(grid), estimator="binning")
    assert "disagree" not in alone and "kde_upper" not in alone


@pytest.mark.parametrize("of", [example_dataset, example_grid])
def test_a_sweep_without_information_shows_its_losses(of, tmp_path, undrawn):
    dataset = of(num_seeds=2, num_epochs=4).isel(layer=[5])
    bare = dataset.drop_vars(["i_xt", "i_ty", "estimator", "estimator_label"])
    page = report(bare, tmp_path, pdf=False).read_text()
    assert "accuracy" in page or "acc." in page
    drawn = {path.stem for path in tmp_path.glob("figures/*.png")}
    cells = {"training_curves_0", "training_curves_1"}
    assert drawn == cells if of is example_grid else drawn <= NAMES
    assert any(name.startswith("training_curves") for name in drawn)
    assert not (tmp_path / "animation.html").exists()
    with pytest.raises(ValueError, match="must hold information by an estimator"):
        report(bare, tmp_path, estimator="binning")


def test_figures_of_its_own_stand_for_the_training_of_a_grid(tmp_path):
    grid = example_grid(num_seeds=2, num_epochs=4).isel(layer=[5])
    bare = grid.drop_vars(["i_xt", "i_ty", "estimator", "estimator_label"])
    own = {"own": ReportFigure(Figure(figsize=(1, 1)), "Own", "Its own.")}
    report(bare, tmp_path, extra=own, pdf=False)
    assert [path.name for path in tmp_path.glob("figures/*.png")] == ["own.png"]
