"""The README's Python blocks run, one after another, and say what they should."""

import re
from pathlib import Path

import jax
import pytest

README = Path(__file__).parents[1] / "README.md"
# They train more, larger and longer than a test needs to.
SMALLER = {
    "Representations through a bottleneck": {
        "[12, 16, 4]": "[12, 4]",
        "[1e-3, 1e-1, 10.0]": "[1e-3, 10.0]",
        "[0, 20]": "[0, 1]",
    },
    "From Python": {
        "(300, 10)": "(20, 2)",
        "epoch=300": "epoch=20",
        "[12, 10, 7, 5, 4, 3, 2]": "[12, 2]",
        "num_seeds=4": "num_seeds=2",
        "seed=3,": "seed=1,",
    },
    "Your own network, loss, task and quantity": {
        "[3, 8, 4, 1]": "[3, 1]",
        "[12, 5, 2]": "[12, 2]",
    },
}


@pytest.fixture(scope="module")
def sections():
    text = README.read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _blocks(section: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def _smaller(sections: dict[str, str], title: str) -> str:
    text = sections[title]
    for shown, smaller in SMALLER.get(title, {}).items():
        assert shown in text
        text = text.replace(shown, smaller)
    return text


def _run(section: str) -> dict:
    names: dict = {}
    for block in _blocks(section):
        exec(compile(block, str(README), "exec"), names)
    return names


@pytest.mark.parametrize(
    "title",
    [
        "The optimal curve",
        "Representations through a bottleneck",
        "Which parts of an input are used",
        "Estimating information from samples",
    ],
)
def test_examples_run(sections, title, capsys):
    _run(_smaller(sections, title))
    assert capsys.readouterr().out


def test_own_networks_losses_tasks_and_quantities(sections, capsys):
    parts = "From Python", "Your own network, loss, task and quantity"
    names = _run("".join(_smaller(sections, title) for title in parts))
    printed = capsys.readouterr().out
    assert "['norm (144)' 'hidden (5)' 'output (2)'] ('dark', 'light')" in printed
    assert "('seed', 'epoch', 'block') nats" in printed
    assert "'learning_rate': 9" in printed and "'seed': 5" in printed
    assert "('learning_rate', 'beta', 'seed') [" in printed
    assert set(names["stopping"].stopped.values.ravel()) <= {2, 3, 4, 5}
    assert names["dataset"].diverged.sum() == 0


@pytest.fixture
def elsewhere(sections, monkeypatch, tmp_path):
    """Blocks on recorded activities, run in a directory of their own."""
    monkeypatch.chdir(tmp_path)
    return _blocks(sections["Networks trained elsewhere"])


def _named(blocks, name):
    return [block for block in blocks if re.search(rf"^import {name}$", block, re.M)]


def test_recorded_activities(elsewhere, capsys, tmp_path):
    names = ("torch", "keras", "lightning")
    others = [block for name in names for block in _named(elsewhere, name)]
    names: dict = {}
    for block in elsewhere:
        if block not in others:
            exec(compile(block, str(README), "exec"), names)
    printed = capsys.readouterr().out
    assert "100 bins over the range of activities" in printed
    assert "['hidden' 'output']" in printed
    assert (tmp_path / "recorded.npz").exists()


@pytest.mark.filterwarnings("ignore")  # Of the frameworks themselves.
@pytest.mark.parametrize("name", ["torch", "keras", "lightning"])
def test_recorders_of_other_frameworks(elsewhere, name, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip(name)
    # Lightning's goes on where PyTorch's ends.
    first = _named(elsewhere, "torch") if name == "lightning" else []
    names: dict = {}
    with jax.numpy_rank_promotion("allow"):  # As Keras adds biases.
        for block in (*first, *_named(elsewhere, name)):
            exec(compile(block, str(README), "exec"), names)
    assert capsys.readouterr().out.endswith("nats\n")
    found = names["dataset"].i_ty
    # Of two labels no more than log 2, and more than nothing of a trained network.
    assert found.isel(epoch=-1).max() > 0.1 and (found < 0.6932).all()
    assert names["dataset"].sizes["layer"] == 2
