"""Pages that are written from what the project knows already.

The reference has a page for each module that a room or a group of estimators gives
names to; a page of an estimator has its rows of the tables of accuracy; the gallery has
every figure of the experiments, under its heading.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

__all__ = ["write_pages"]

_PROJECT = Path(__file__).parents[1]

_ROOMS = {
    "ibjax": "Sweeps and the information plane",
    "ibjax.datasets": "Tasks",
    "ibjax.networks": "Networks",
    "ibjax.training": "Training",
    "ibjax.probes": "Probes",
    "ibjax.sweeps": "Sweeps of anything trainable",
    "ibjax.estimators": "Estimators of any two variables",
    "ibjax.bottleneck": "Optimal representations",
    "ibjax.representations": "Representations through a bottleneck",
    "ibjax.attribution": "Attribution",
    "ibjax.weights": "Information in the weights",
    "ibjax.measures": "Measures of known distributions",
    "ibjax.results": "Results",
    "ibjax.claims": "Claims",
    "ibjax.plots": "Figures",
    "ibjax.report": "Reports",
    "ibjax.compilation": "Compilation",
}

# Modules of estimators, and the methods of the tables of accuracy that they are.
_ESTIMATORS = {
    "knn": (
        "Nearest neighbours",
        ["ksg", "ksg2", "ksg, unit variance", "ksg, ranks", "ksg, white", "ross"]
        + ["kl", "wkl", "wkl, 5 neighbours"],
    ),
    "whitened_neighbours": ("Whitened nearest neighbours", ["wkl-butakov"]),
    "density": ("Kernel densities of samples", ["kde-ml", "kde-ls"]),
    "gaussian": (
        "Jointly normal variables",
        ["gaussian", "copula", "gaussian, uncorrected"],
    ),
    "discrete": ("Counts", ["bins"]),
    "partitions": ("Bins of samples", ["bins"]),
    "variational": (
        "Critics",
        ["infonce", "dv", "mine", "nwj", "smile", "club"],
    ),
    "binning": ("Bins of layers", []),
    "kde": ("Kernel densities of layers", []),
    "propagation": ("Propagation of samples through noisy networks", []),
    "compression": ("Information after compression", []),
}


# Pages of the project's own, by where they are read elsewhere.
_PAGES = {
    "README.md": "overview.md",
    "scripts/README.md": "experiments.md",
    "scripts/clusters/README.md": "clusters.md",
    "benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changes.md",
}


def write_pages(directory: Path) -> None:
    """Write the pages of modules, of estimators, of claims and of figures.

    Args:
      directory: Where to; what is there and the same stays untouched.
    """
    claims = sorted((_PROJECT / "scripts" / "claims").glob("*.md"))
    for source, page in _PAGES.items():
        _write(directory / page, _read(source))
    for source in claims:
        title = source.stem.replace("_", " ").capitalize()
        text = _read(f"scripts/claims/{source.name}")
        text = re.sub("^#### ", "## ", text, flags=re.MULTILINE)
        text = f"---\norphan: true\n---\n\n# Claims: {title}\n\n{text}"
        _write(directory / "claims" / source.name, text)
    described: set[int] = set()
    # The rooms that things are made in first, and what gathers them last.
    for name, title in reversed(_ROOMS.items()):
        _write(directory / "api" / f"{name}.md", _module_page(name, title, described))
    accuracy = _accuracy((_PROJECT / "benchmarks" / "README.md").read_text())
    for name, (title, methods) in _ESTIMATORS.items():
        page = _module_page(f"ibjax.estimators.{name}", title, described)
        page += "\n".join(_bias_table(accuracy, methods))
        _write(directory / "estimators" / f"{name}.md", page)
    _write(directory / "gallery.md", _gallery())


def _write(path: Path, text: str) -> None:
    """Write a page unless it is there, so that only what changed is built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _read(source: str) -> str:
    """A page of the project's, with its links turned to where their targets are."""
    folder = (_PROJECT / source).parent

    def turned(link: re.Match) -> str:
        target, _, place = link[1].partition("#")
        if "://" in target or not target:
            return link[0]
        found = (folder / target).resolve().relative_to(_PROJECT).as_posix()
        if found in _PAGES:
            there = f"/pages/{_PAGES[found]}"
        elif found.startswith("scripts/claims/"):
            there = f"/pages/claims/{Path(found).name}"
        else:
            there = f"/../{found}"
        return f"]({there}{'#' if place else ''}{place})"

    return re.sub(r"\]\(([^)\s]+)\)", turned, (_PROJECT / source).read_text())


def _module_page(name: str, title: str, described: set[int]) -> str:
    """A page of what a module offers, by the names that one calls it by."""
    room, _, rest = name.partition(".")
    module = importlib.import_module(room)
    for part in filter(None, rest.split(".")):
        module = getattr(module, part)
    lines = [f"# {title}", "", *_members(module, name, described)]
    # Rooms and estimators have pages of their own, other modules are a part of theirs.
    with_pages = {*_ROOMS, *(f"ibjax.estimators.{other}" for other in _ESTIMATORS)}
    for part in module.__all__:
        found = getattr(module, part)
        inner = f"{name}.{part}"
        if isinstance(found, ModuleType) and inner not in with_pages:
            lines += [f"## {inner}", "", *_members(found, inner, described)]
    return "\n".join(lines)


def _members(module: ModuleType, name: str, described: set[int]) -> list[str]:
    """What a module offers; what another page describes is not listed twice."""
    lines = ["```{eval-rst}", f".. automodule:: {module.__name__}", "   :no-members:"]
    lines += ["   :no-index:", ""]
    for member in module.__all__:
        found = getattr(module, member)
        if isinstance(found, ModuleType):
            continue
        if not callable(found):
            lines += [
                f".. py:data:: {name}.{member}",
                "",
                f"   {_text(module, member)}",
            ]
        else:
            kind = "autoclass" if isinstance(found, type) else "autofunction"
            lines += [f".. {kind}:: {name}.{member}"]
            lines += ["   :no-index:"] if id(found) in described else []
            described.add(id(found))
        lines += [""]
    return [*lines, "```", ""]


def _text(module: ModuleType, member: str) -> str:
    """The sentence below a constant, in the module that has it."""
    for name in sorted(sys.modules):
        if f"{name}.".startswith(f"{module.__name__}."):
            found = ModuleAnalyzer.for_module(name).find_attr_docs().get(("", member))
            if found:
                return " ".join(found).strip()
    return ""


def _accuracy(text: str) -> dict[str, dict[str, str]]:
    """Bias and spread of each method in each task, from the tables of accuracy."""
    found: dict[str, dict[str, str]] = {}
    for header, rows in _tables(text):
        if header[0] != "task" or "best of ours" in header:
            continue
        for task, *cells in rows:
            for method, cell in zip(header[1:], cells, strict=True):
                if "±" in cell:
                    found.setdefault(method, {}).setdefault(task, cell)
    return found


def _tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Header and rows of every table of a Markdown text."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        lines = [[c.strip() for c in s[1:-1].split("|")] for s in table.splitlines()]
        yield lines[0], lines[2:]


def _bias_table(accuracy: dict[str, dict[str, str]], methods: list[str]) -> list[str]:
    columns = [method for method in methods if method in accuracy]
    if not columns:
        return []
    tasks = dict.fromkeys(task for method in columns for task in accuracy[method])
    rows = [["task", *columns], ["---"] * (1 + len(columns))]
    rows += [[t, *(accuracy[m].get(t, "") for m in columns)] for t in tasks]
    return [
        "## Bias",
        "",
        "Bias ± standard deviation over ten seeds in nats, 5,000 samples of known "
        "information; conditions, peers and the command are in [the tables of accuracy]"
        "(/pages/benchmarks.md#how-far-from-the-truth-is-every-estimator-and-how-far-are-its"
        "-peers).",
        "",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def _gallery() -> str:
    """Figures of the experiments, under the headings of their page."""
    lines = ["# Gallery", "", "What [the experiments](/pages/experiments.md) draw.", ""]
    heading = ""
    for line in (_PROJECT / "scripts" / "README.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line
        figure = re.fullmatch(r"!\[(.*)\]\(figures/(.*)\)", line)
        if figure:
            if heading:
                lines += [heading, ""]
                heading = ""
            lines += [
                f"```{{figure}} /../scripts/figures/{figure[2]}",
                f":alt: {figure[1]}",
                "",
                f"{figure[1]}",
                "```",
                "",
            ]
    return "\n".join(lines)
