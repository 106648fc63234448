"""The README's Python blocks run, one after another, and say what they should."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def sections():
    text = README.read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _run(section: str) -> dict:
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
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
    _run(sections[title])
    assert capsys.readouterr().out


def test_own_networks_losses_tasks_and_quantities(sections, capsys):
    # They train more, larger and longer than a test needs to.
    text = sections["From Python"]
    text += sections["Your own network, loss, task and quantity"]
    for shown, smaller in {
        "(300, 10)": "(20, 2)",
        "epoch=300": "epoch=20",
        "[12, 10, 7, 5, 4, 3, 2]": "[12, 4, 2]",
        "num_seeds=4": "num_seeds=2",
        "seed=3,": "seed=1,",
        "[3, 8, 4, 1]": "[3, 4, 1]",
    }.items():
        assert shown in text
        text = text.replace(shown, smaller)
    names = _run(text)
    printed = capsys.readouterr().out
    assert "['norm (144)' 'hidden (5)' 'output (2)'] ('dark', 'light')" in printed
    assert "('seed', 'epoch', 'block') nats" in printed
    assert "'learning_rate': 9" in printed and "'seed': 5" in printed
    assert "('learning_rate', 'beta', 'seed') [" in printed
    assert set(names["stopping"].stopped.values.ravel()) <= {2, 3, 4, 5}
    assert names["dataset"].diverged.sum() == 0
