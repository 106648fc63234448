"""The player: its data, and a browser that clicks through its page."""

import base64
import html
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from importlib.resources import files

import numpy as np
import pytest
from matplotlib.colors import to_hex

from ibjax.plots.style import layer_colors, readable_color
from ibjax.report import animation_html
from ibjax.report.pages import grid_page
from ibjax.report.player import DARK_PAGE, player_data
from ibjax.results.example import example_dataset, example_grid
from ibjax.results.summary import summarize_grid


def _values(data, panel, estimator, name):
    found = data["panels"][panel]
    values = found["values"][estimator]
    words = np.frombuffer(base64.b64decode(values[name]), "<u2")
    shape = len(found["epochs"]), len(found["layers"]), len(data["seeds"])
    bits = words.reshape(shape) * values[f"unit_{name}"]
    return np.where(words.reshape(shape) == 2**16 - 1, np.nan, bits)


def test_data_are_the_informations_in_bits():
    dataset = example_dataset(num_seeds=4, num_epochs=12)
    dataset["i_xt"][0, 3, 1, 2] = np.nan
    dataset = dataset.drop_sel(seed=1)
    data = player_data(dataset, estimator="kde_upper")
    assert data["seeds"] == [0, 2, 3] and data["chosen"] == 2
    for name, variable in (("x", "i_xt"), ("y", "i_ty")):
        bits = dataset[variable].sel(estimator="kde_upper") / np.log(2)
        bits = bits.transpose("epoch", "layer", "seed").values
        found = _values(data, 0, 2, name)
        np.testing.assert_allclose(found, bits, atol=np.nanmax(bits) / 2**16)
    assert np.isnan(_values(data, 0, 2, "x")[3, 1, 0])
    loss = dataset["test_loss"].mean("seed") / np.log(2)
    np.testing.assert_allclose(data["panels"][0]["losses"]["test"], loss, rtol=1e-3)


def test_many_seeds_and_epochs_are_thinned_out():
    dataset = example_dataset(num_seeds=2, num_epochs=40)
    many = dataset.isel(seed=np.arange(120) % 2).assign_coords(seed=np.arange(120))
    data = player_data(many.isel(epoch=np.arange(800) % 40, layer=[0]))
    assert data["count"] == "100 of 120 seeds" and data["seeds"][-1] == 99
    assert len(data["panels"][0]["epochs"]) < 800
    assert len(json.dumps(data)) < 1_400_000
    whole = player_data(dataset.isel(seed=np.arange(50) % 2, epoch=np.arange(100) % 40))
    assert len(whole["panels"][0]["epochs"]) == 100
    assert len(json.dumps(whole)) < 1_400_000


def test_cells_of_a_grid_are_panels_with_their_addresses(tmp_path):
    grid = example_grid(num_seeds=2, num_epochs=5)
    (tmp_path / "activation=tanh").mkdir()
    (tmp_path / "activation=tanh" / "report.html").touch()
    data = player_data(grid, directory=tmp_path)
    assert [panel["title"] for panel in data["panels"]] == ["tanh", "relu"]
    links = [panel["link"] for panel in data["panels"]]
    assert links == ["activation%3Dtanh/report.html", None]
    page = grid_page(
        summarize_grid(grid), [], data, estimator="binning", attributes=grid.attrs
    )
    assert 'href="activation%3Dtanh/report.html"' in page
    assert page.count("<canvas") == 3 and "Information plane relu." in page


@pytest.mark.parametrize("num_layers", [3, 7, 12])
def test_marks_stand_out_from_both_pages(num_layers):
    def luminance(color):
        rgb = np.array([int(color[n : n + 2], 16) for n in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for color in layer_colors(num_layers):
        assert 1.05 / (luminance(color) + 0.05) >= 3
        dark = readable_color(color, DARK_PAGE, 3.0)
        assert (luminance(dark) + 0.05) / (luminance(DARK_PAGE) + 0.05) >= 3


_CLICKS = """
const found = { errors: [] };
// A download would keep the browser open.
HTMLAnchorElement.prototype.click = () => null;
Element.prototype.setPointerCapture = () => null;  // There is no pointer to capture.
window.addEventListener("error", e => found.errors.push(e.message));
const wait = ms => new Promise(done => setTimeout(done, ms));
window.addEventListener("load", async function () {
  const part = name => document.querySelector("[data-part=" + name + "]");
  const canvas = document.querySelector("canvas[data-panel]");
  const seen = () => canvas.toDataURL();
  const send = (target, kind, x, y) => target.dispatchEvent(new PointerEvent(kind,
    { clientX: x, clientY: y, bubbles: true, buttons: 1 }));
  const key = name => document.dispatchEvent(
    new KeyboardEvent("keydown", { key: name }));
  const choose = function (name, value) {
    part(name).value = value;
    part(name).dispatchEvent(new Event("change"));
  };
  try {
    await wait(100);
    found.first = part("epoch").textContent;
    part("play").click();
    found.playing = part("play").textContent;
    await wait(1500);
    found.played = part("epoch").textContent;
    key("End");
    found.last = part("epoch").textContent;
    const before = seen();
    choose("estimator", 1);
    found.estimator = [location.hash, seen() !== before];
    const box = canvas.getBoundingClientRect();
    search: for (let y = 0; y < box.height; y += 6) {
      for (let x = 0; x < box.width; x += 6) {
        send(canvas, "pointermove", box.left + x, box.top + y);
        if (part("tip").hidden) continue;
        found.tip = part("tip").textContent;
        canvas.dispatchEvent(new MouseEvent("click",
          { clientX: box.left + x, clientY: box.top + y }));
        break search;
      }
    }
    found.seed = [part("seed").value, location.hash];
    choose("seed", "");
    const chip = part("layers").children[1];
    chip.click();
    found.faded = [chip.getAttribute("aria-pressed"), location.hash];
    const strips = part("strips").getBoundingClientRect();
    send(part("strips"), "pointerdown", strips.left + strips.width / 2, strips.top + 9);
    found.scrubbed = part("epoch").textContent;
    location.hash = "#frame=6";
    await wait(50);
    const piled = seen();
    part("inset").click();
    found.inset = [seen() !== piled, location.hash];
    for (const kind of ["svg", "png"]) {
      const saved = new Promise(done => document.querySelector(".plane-player")
        .addEventListener("saved", e => done(e.detail), { once: true }));
      part(kind).click();
      const content = await (await fetch(await saved)).text();
      found[kind] = content.slice(0, 60).replace(/[^ -~]/g, "?");
      if (kind === "svg") found.circles = content.split("<circle").length - 1;
    }
    location.hash = "#frame=2&seed=1&estimator=binning";
    await wait(50);
    found.recalled = [part("epoch").textContent, part("seed").value,
                      part("estimator").value];
    found.wide = document.documentElement.scrollWidth <= window.innerWidth;
  } catch (error) {
    found.errors.push(String(error));
  }
  const text = document.createElement("pre");
  text.id = "found";
  text.textContent = JSON.stringify(found);
  document.body.append(text);
});
"""


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    return path


def _dumped(command, home):
    """The page as a browser leaves it; some browsers do not end by themselves."""
    environment = os.environ | {"HOME": str(home)}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )
    clock = threading.Timer(120, os.killpg, [process.pid, signal.SIGKILL])
    clock.start()
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "</html>" in line:
                break
    finally:
        clock.cancel()
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()
    return "".join(lines)


def test_a_browser_clicks_through_the_player(chromium, tmp_path):
    dataset = example_dataset(num_seeds=3, num_epochs=9)
    page = animation_html(dataset)
    page = page.replace("</body>", f"<script>{_CLICKS}</script></body>")
    path = tmp_path / "player.html"
    path.write_text(page, encoding="utf-8")
    text = _dumped(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=390,844",
            "--virtual-time-budget=8000",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            path.as_uri(),
        ],
        tmp_path,
    )
    text = re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)[1]
    found = json.loads(html.unescape(text))
    assert found["errors"] == []
    assert found["first"] == "epoch 0" and found["playing"] == "Pause"
    assert found["played"] != "epoch 0" and found["last"] == "epoch 10000"
    assert found["estimator"] == ["#frame=8&estimator=bin_width", True]
    # What is pointed at has the numbers of the dataset.
    words = re.fullmatch(
        r"layer (\d): .*, seed (\d), epoch 10000\n"
        r"I\(X;T\) (.*) bits\nI\(T;Y\) (.*) bits",
        found["tip"],
    )
    row = dataset.sel(
        layer=int(words[1]), seed=int(words[2]), epoch=10000, estimator="bin_width"
    )
    np.testing.assert_allclose(float(words[3]), row.i_xt / np.log(2), atol=2e-3)
    np.testing.assert_allclose(float(words[4]), row.i_ty / np.log(2), atol=2e-3)
    assert found["seed"][0] == words[2] and f"seed={words[2]}" in found["seed"][1]
    assert found["faded"][0] == "false" and "faded=2" in found["faded"][1]
    middle = dataset["epoch"].values[4]
    assert found["scrubbed"] == f"epoch {middle}"
    assert found["inset"] == [True, "#frame=6&inset=0"]
    assert found["svg"].startswith("<svg xmlns=") and found["circles"] >= 18
    assert "PNG" in found["png"]
    third = f"epoch {dataset['epoch'].values[2]}"
    assert found["recalled"] == [third, "1", "0"] and found["wide"]


def test_texts_and_rules_stand_out_from_the_pages():
    css = (files("ibjax.report") / "templates" / "page.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(schemes) == 2
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", text)) for text in schemes)
    assert dark["page"] == DARK_PAGE
    for colors in (light, {**light, **dark}):
        page = to_hex(colors["page"])
        for name, contrast in {
            "ink": 4.5,
            "muted": 4.5,
            "accent": 4.5,
            "warn": 3.0,
            "rule": 3.0,
        }.items():
            given = to_hex(colors[name])
            assert readable_color(given, page, contrast).lower() == given, name
