"""Pages name modules and experiments that there are."""

import re
from pathlib import Path

import pytest

import ibjax
from ibjax.experiments.catalogue import EXPERIMENTS, SWEEPS

PROJECT = Path(__file__).parents[1]
PAPERS = (PROJECT / "docs" / "papers.md").read_text()
COLUMNS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAPERS.splitlines()
    if line.startswith("| ") and not line.startswith(("| paper", "| ---"))
]


@pytest.mark.parametrize("row", COLUMNS, ids=lambda row: row[0][:30])
def test_what_a_paper_is_called_here_exists(row):
    _, modules, commands = row
    for name in re.findall(r"`(\w+)(?:\.(\w+))?`", modules):
        room = getattr(ibjax, name[0])
        assert not name[1] or hasattr(room, name[1]), name
    named = re.findall(r"`(?:ibjax (\w+) ?)?([\w-]*)`", commands)
    command = ""
    for given, name in named:
        command = given or command
        if name:
            assert name in (SWEEPS if command == "sweep" else EXPERIMENTS), name


def test_functions_of_the_page_of_clusters_are_in_the_reference():
    page = (PROJECT / "scripts" / "clusters" / "README.md").read_text()
    named = re.findall(r"`ibjax\.(\w+)\.(\w+)\.(\w+)", page)
    assert named
    for room, module, name in named:
        # Its page has what a room lists, and of modules what they list.
        assert module in getattr(ibjax, room).__all__
        assert name in getattr(getattr(ibjax, room), module).__all__
