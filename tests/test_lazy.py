"""Rooms are imported when they are looked at, and short answers need no JAX."""

import inspect
import subprocess
import sys

import pytest

import ibjax
from ibjax import cli
from ibjax.cli import command


def _python(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True
    )


def test_every_public_name_is_there_after_a_bare_import():
    assert set(ibjax.__all__) <= set(dir(ibjax))
    for name in ibjax.__all__:
        assert inspect.ismodule(getattr(ibjax, name)) or callable(getattr(ibjax, name))
    with pytest.raises(AttributeError, match="module 'ibjax' has no attribute 'plot'"):
        ibjax.plot  # noqa: B018


def test_neither_import_nor_help_nor_version_nor_a_typo_imports_jax():
    script = """
import contextlib, io, sys
import ibjax
from ibjax.cli import main
for arguments in (
    ["--version"], ["--help"], [], ["swep"], ["sweep", "--help"], ["plane", "-h"],
    ["sweep", "sztt"], ["report", "--pfd"],
):
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        main(arguments)
heavy = {"jax", "numpy", "pandas", "matplotlib", "xarray", "scipy", "tyro"}
print(sorted(heavy & set(sys.modules)))
print(ibjax.plots.save_figure.__name__, "matplotlib" in sys.modules)
"""
    done = _python(script)
    assert done.returncode == 0, done.stderr
    assert f"ibjax {ibjax.__version__}" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["[]", "save_figure True"]


def test_the_short_help_is_that_of_the_commands(capsys):
    functions = command._COMMANDS
    assert list(cli.COMMANDS) == list(functions)
    for name, does in cli.COMMANDS.items():
        assert inspect.getdoc(functions[name]).splitlines()[0] == does
    cli.main(["--help"])
    printed = capsys.readouterr().out
    for name, does in cli.COMMANDS.items():
        assert f"  {name} " in printed and does in printed
    assert max(map(len, printed.splitlines())) <= 80
