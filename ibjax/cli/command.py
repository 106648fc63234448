"""The ``ibjax`` command: every subcommand, and what becomes of errors and signals."""

import contextlib
import importlib.metadata
import io
import os
import platform
import re
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import jax
import tyro

from ibjax import results
from ibjax.cli import EXIT_BAD_INPUT, NO_CACHE, help, process
from ibjax.cli.benchmark import benchmark
from ibjax.cli.curve import curve
from ibjax.cli.estimate import estimate
from ibjax.cli.merge import merge
from ibjax.cli.plane import plane
from ibjax.cli.progress import plain_console
from ibjax.cli.report import (
    PaperOptions,
    drawing_beside,
    experiment_that_ran,
    write_paper,
    write_report,
)
from ibjax.cli.reproduce import reproduce
from ibjax.cli.sweep import sweep
from ibjax.compilation import forget_program, keep_programs, use_all_cores
from ibjax.datasets.download import cache_directory, data_directories
from ibjax.experiments.catalogue import EXPERIMENTS, SWEEPS
from ibjax.numerics.calls import is_said
from ibjax.results.directory import reserved
from ibjax.results.files import ResultsError
from ibjax.results.provenance import describe_devices
from ibjax.sweeps import processes

__all__ = ["help_page", "main"]

_EXIT_INTERRUPTED = 130
_WIDTH = 80
_RUNS = {"sweep": SWEEPS, "reproduce": EXPERIMENTS}
_PAPER = PaperOptions()
# Mistakes of the caller, a package that is missing, and numbers without room for them.
_BAD_INPUT = (
    ValueError,
    ResultsError,
    OSError,
    ModuleNotFoundError,
    MemoryError,
    OverflowError,
)


# JAX's words for an entry that it cannot read or write.
_UNKEPT = re.compile(
    r"Error (reading|writing) persistent compilation cache entry for '([^']*)': (.*)"
)
_WHAT = {
    "reading": "could not be read and is compiled anew",
    "writing": "could not be kept for the next run",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the ``ibjax`` command.

    Args:
      arguments: Command-line arguments, those of the process by default.

    Raises:
      SystemExit: With 2 if the input was bad, with 130 if it was interrupted, with 128
        and the number of the signal if another one stopped it.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    use_all_cores()
    if NO_CACHE in arguments:
        arguments.remove(NO_CACHE)
    else:
        keep_programs(_programs())
    goes_on = "; --resume goes on from the last snapshot"
    goes_on = goes_on if process.can_resume(arguments, _RUNS) else ""
    with process.outliving_its_reader(), warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            with process.stopped_by_signals(goes_on):
                _run(arguments)
        except _BAD_INPUT as error:
            hint = goes_on if process.is_full(error) else ""
            print(f"ibjax: error: {_one_line(error)}{hint}", file=sys.stderr)
            _end(EXIT_BAD_INPUT, error)
        except TypeError as error:
            # What ibjax says of an argument; any other is a mistake of its own.
            if not is_said(error):
                raise
            print(f"ibjax: error: {_one_line(error)}", file=sys.stderr)
            _end(EXIT_BAD_INPUT, error)
        except processes.JobError as error:
            # A job that never began has saved nothing.
            hint = goes_on if processes.have_joined() else ""
            print(f"ibjax: error: {_one_line(error)}{hint}", file=sys.stderr)
            _end(processes.EXIT_STATUS, error)
        except RuntimeError as error:
            # JAX's own words for a platform that was asked for and is not there.
            if "Unable to initialize backend" not in str(error):
                raise
            print(f"ibjax: error: {_one_line(error)}", file=sys.stderr)
            _end(EXIT_BAD_INPUT, error)
        except KeyboardInterrupt:
            print(f"ibjax: interrupted{goes_on}", file=sys.stderr)
            _end(_EXIT_INTERRUPTED)
        except process.Stopped as stopped:
            print(f"ibjax: stopped by {stopped.name}{goes_on}", file=sys.stderr)
            _end(stopped.code)


def _end(code: int, error: Exception | None = None) -> NoReturn:
    """End with an exit status; in a job of several processes without the others."""
    if processes.have_joined():
        # On its way out JAX would wait for processes that wait for this one.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code) from error


def _run(arguments: Sequence[str]) -> None:
    help.check_names(arguments)
    if not arguments[0].startswith("-") and help.kept_page(arguments) is None:
        page = help_page(arguments)
        help.keep_page(arguments, page)
        if help.is_asked_for(arguments):
            print(page)
            raise SystemExit(0)
        help.check_options(arguments, page)
    _call(arguments)


def help_page(arguments: Sequence[str]) -> str:
    """Help of a command, or of the experiment it is given, for 80 columns.

    Args:
      arguments: Those of the command line, the names first.

    Returns:
      Lines without a newline at the end.
    """
    names = [name for name in arguments[:2] if not name.startswith("-")]
    written = io.StringIO()
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(_WIDTH)
    try:
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(written):
            _call([*names, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    page = re.sub(
        r"(?m)^(usage: .*?)\{[\w-]+(,[\w-]+)+\}", r"\1EXPERIMENT", written.getvalue()
    )
    lines = (line.rstrip() for line in page.strip().splitlines())
    return "\n".join(part for line in lines for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH) if len(line) > _WIDTH else [line]


def _call(arguments: Sequence[str]) -> None:
    tyro.extras.subcommand_cli_from_dict(
        _COMMANDS,
        prog="ibjax",
        description="Information-bottleneck analysis of deep networks. --version "
        "prints the version. Compiled programs are kept for the next run; "
        f"{NO_CACHE} does without.",
        args=arguments,
        config=(
            tyro.conf.FlagCreatePairsOff,
            tyro.conf.OmitSubcommandPrefixes,
        ),
    )


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    text = _one_line(message)
    found = _UNKEPT.match(text)
    if found:
        how, name, why = found.groups()
        forget_program(_programs(), name)
        text = f"a compiled program ({name}) {_WHAT[how]}: {why}"
    print(f"ibjax: warning: {text}", file=sys.stderr)


def _programs() -> Path:
    """Directory of compiled programs."""
    return cache_directory() / "programs"


def _report(
    directory: tyro.conf.Positional[Path],
    options: tyro.conf.OmitArgPrefixes[PaperOptions] = _PAPER,
) -> None:
    """Rebuild the figures and summary of a sweep from its results alone.

    Options of a paper write figures alone, into paper/ in the directory.

    Args:
      directory: The sweep's output directory, or that of an experiment that is none,
        whose page has its claims.
      options: A paper.
    """
    experiment = experiment_that_ran(directory)
    if experiment is not None and experiment.run is not None:
        if options != _PAPER:
            raise ValueError(
                "--column, --font and --format are for figures of sweeps; "
                f"{directory} is of {experiment.name}, which is none"
            )
        with reserved(directory):
            print(experiment.run(experiment.setup, directory, sources=[directory]))
        return
    with drawing_beside() as drawing:
        dataset = results.open_dataset(directory)
        if options != _PAPER:
            inside = directory if directory.is_dir() else directory.parent
            write_paper(dataset, inside / "paper", options)
            return
        directory = directory if directory.is_dir() else directory.parent
        if not {"i_xt", "train_loss"} & set(dataset):
            raise ResultsError(
                f"{directory} has neither I(X;T) nor a loss: no probe measured them"
            )
        with reserved(directory):
            write_report(dataset, directory, plain_console(), drawing)


def _info() -> None:
    """Print versions, devices, and where data is looked for."""
    for name in ("ibjax", "jax", "jaxlib", "flax", "optax", "numpy", "xarray"):
        print(f"{name:<10}{importlib.metadata.version(name)}")
    print(f"{'python':<10}{platform.python_version()}")
    print(f"{'devices':<10}{describe_devices(jax.devices())}")
    for directory in data_directories():
        found = "no such directory"
        if directory.is_dir():
            names = sorted(path.name for path in directory.iterdir())
            found = ", ".join(names) or "empty"
        print(f"{'data':<10}{directory}: {found}")


_COMMANDS = {
    "sweep": sweep,
    "merge": merge,
    "reproduce": reproduce,
    "plane": plane,
    "estimate": estimate,
    "benchmark": benchmark,
    "curve": curve,
    "report": _report,
    "info": _info,
}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
