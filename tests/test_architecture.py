"""The direction of the arrows: the folders of the library that each folder may import.

The running wing, which is JAX, goes from networks and estimators up to sweeps, which
end in a dataset. The reading wing begins with a dataset and imports nothing that runs.
They meet in the experiments.
"""

import ast
import graphlib
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ibjax"
ROOMS = {path.name for path in (PACKAGE / "experiments").iterdir() if path.is_dir()}

_ESTIMATION = {"bottleneck", "compilation", "datasets", "estimators", "measures"}
_FAMILIES = {"attribution", "representations", "weights"}
_RUNNING = _ESTIMATION | _FAMILIES | {"networks", "numerics", "training"}
_READING = {"claims", "plots", "report", "results"}
_ALL = _RUNNING | _READING | {"probes", "sweeps"}

ALLOWED = {
    "compilation": set(),
    "numerics": {"compilation"},
    **dict.fromkeys(("measures", "networks"), {"compilation", "numerics"}),
    **dict.fromkeys(
        ("bottleneck", "datasets"), {"compilation", "measures", "numerics"}
    ),
    "estimators": {"compilation", "measures", "networks", "numerics"},
    "training": {"compilation", "datasets", "networks", "numerics"},
    **dict.fromkeys(
        _FAMILIES,
        _ESTIMATION - {"bottleneck"} | {"networks", "numerics", "training"},
    ),
    "probes": _RUNNING,
    "results": {"bottleneck.bounds", "measures", "numerics.checks"},
    "sweeps": _RUNNING | {"probes", "results"},
    "claims": {"numerics.checks", "results"},
    "plots": {"bottleneck", "numerics.checks", "results"},
    "report": {"claims", "numerics.checks", "plots", "results"},
    "experiments": _ALL,
    "cli": _ALL | {"experiments"},
}


def _imports(path: Path) -> set[str]:
    """Dotted names that a file imports, at its top and inside its functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


IMPORTS = {
    path.relative_to(PACKAGE): _imports(path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}
INSIDE = {
    path: {name.removeprefix("ibjax.") for name in names if name.startswith("ibjax")}
    for path, names in IMPORTS.items()
}


def _may(path: Path, name: str) -> bool:
    folder, *inner = path.with_suffix("").parts
    first, *rest = name.split(".")
    if name == "ibjax":  # The command tells its version.
        return folder == "cli"
    if folder != first:
        return not ALLOWED[folder].isdisjoint({first, ".".join([first, *rest[:1]])})
    # A room knows of another room only its setup.
    is_room = folder == "experiments" and inner[0] in ROOMS and rest[0] in ROOMS
    return not is_room or rest[0] == inner[0] or rest[1] == "setup"


def test_imports_follow_the_arrows():
    broken = [
        (str(path), name)
        for path, names in INSIDE.items()
        for name in names
        if not _may(path, name)
    ]
    assert not broken


def test_folders_import_each_other_in_no_circle():
    graph: dict[str, set[str]] = {}
    for path, names in INSIDE.items():
        folder = path.with_suffix("").parts[0]
        others = {name.split(".")[0] for name in names} - {folder}
        graph.setdefault(folder, set()).update(others)
    list(graphlib.TopologicalSorter(graph).static_order())


def test_the_reading_wing_does_not_import_jax():
    for path, names in IMPORTS.items():
        if path.parts[0] in _READING:
            roots = {name.split(".")[0] for name in names}
            assert roots.isdisjoint({"jax", "flax", "optax", "chex"}), path


def test_every_folder_of_tests_is_one_of_the_library():
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert [str(path) for path in folders if not (PACKAGE / path).is_dir()] == []
