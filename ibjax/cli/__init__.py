"""The ``ibjax`` command."""

import gc
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

import ibjax
from ibjax.cli import help as pages

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "sweep": "Train many networks and put their layers on the information plane.",
    "merge": "Join the shards of a run into one, with its figures and summary.",
    "reproduce": "Run a published experiment, draw it, and hold its claims against it.",
    "plane": "Put recorded activities on the information plane.",
    "estimate": "Estimate the information between columns of a table.",
    "benchmark": "Hold estimators against tasks of known information.",
    "curve": "Compute the information curve of a joint table of X and Y.",
    "report": "Rebuild the figures and summary of a sweep from its results alone.",
    "info": "Print versions, devices, and where data is looked for.",
}
"""Commands by name, and what they do."""

EXIT_BAD_INPUT = 2
NO_CACHE = "--no-compilation-cache"
_HELP = """usage: ibjax [-h] [--version] COMMAND ...

Information-bottleneck analysis of deep networks.

{commands}

options:
  -h, --help  show this help message and exit; after a command, its own
  --version   show the version and exit
  --no-compilation-cache
              compile anew what else is kept for the next run
  --tyro-print-completion {{bash,zsh,tcsh}}
              print a script that completes the command in a shell; for bash:
              ibjax --tyro-print-completion bash \\
                > ~/.local/share/bash-completion/completions/ibjax"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the ``ibjax`` command.

    Args:
      arguments: Command-line arguments, those of the process by default.

    Raises:
      SystemExit: After the help of a command; else see
        :func:`ibjax.cli.command.main`.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # What needs no JAX is answered before it is imported.
    if arguments == ["--version"]:
        print(f"ibjax {ibjax.__version__}")
    elif arguments in ([], ["-h"], ["--help"]):
        print(_help())
        if not arguments:
            raise SystemExit(EXIT_BAD_INPUT)
    else:
        page = _checked(arguments)
        if page is not None and pages.is_asked_for(arguments):
            print(page)
            raise SystemExit(0)
        _command_module().main(arguments)


def _checked(arguments: Sequence[str]) -> str | None:
    """Check names, and options where these are known; return the page they are on."""
    # It may stand anywhere, also in front of an experiment's name.
    given = [name for name in arguments if name != NO_CACHE]
    try:
        pages.check_names(given)
        page = pages.kept_page(given)
        if page is not None:
            pages.check_options(given, page)
    except ValueError as error:
        print(f"ibjax: error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT) from None
    return page


def _help() -> str:
    commands = "\n".join(f"  {name:<10}{does}" for name, does in COMMANDS.items())
    return _HELP.format(commands=f"commands:\n{commands}")


def _command_module() -> ModuleType:
    name = "ibjax.cli.command"
    if name in sys.modules:
        return sys.modules[name]
    # What is imported stays to the end: to look for garbage in it, while it is imported
    # and while JAX traces, costs a second.
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        if is_enabled:
            gc.enable()
