"""The command's process: signals, closed outputs, full disks."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
import warnings

import jax
import pytest

from ibjax import cli
from ibjax.cli import command, process
from ibjax.experiments.experiment import Part
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell
from tests.sweeps.counting import counter

RUN = "from ibjax.cli import main; main()"
_LONG = ["--seeds", "1", "--epochs", "100000", "--snapshots", "1000"]
_LONG += ["--hidden", "3", "--estimators", "binning"]


@pytest.fixture
def start(start_python):
    def start(*arguments, code=RUN):
        return start_python(code, *arguments, stderr=subprocess.PIPE)

    return start


def test_a_terminated_sweep_says_so_and_keeps_its_snapshots(tmp_path, start):
    """And one whose output nobody reads goes on until then."""
    directory = tmp_path / "bad[/x]"
    running = start("sweep", "szt", *_LONG, "--output", directory)
    running.stdout.close()
    while not (directory / "checkpoint.npz").exists():
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    said = running.stderr.read().strip().splitlines()
    assert running.wait() == 128 + signal.SIGTERM
    assert said == [
        "ibjax: nobody reads the output any more; the run goes on",
        "ibjax: stopped by SIGTERM; --resume goes on from the last snapshot",
    ]
    assert set(os.listdir(directory)) == {"checkpoint.npz", "checkpoint.records"}


# The module alone, which needs nothing of the package: it is there at once. How long a
# run has to end by itself is another matter.
_PROCESS = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("process", {process.__file__!r})
process = importlib.util.module_from_spec(spec)
spec.loader.exec_module(process)
process._GRACE_SECONDS = 0.5
"""
_BUSY = f"""{_PROCESS}
import hashlib
with process.stopped_by_signals("; so be it"):
    begun = False
    # Half an hour, before whose end no handler of a signal runs.
    while True:
        try:
            if not begun:
                begun = True
                print("begun", flush=True)
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        except process.Stopped:  # The signal came before the call.
            pass
"""


def test_a_long_call_is_ended_too(start):
    running = start(code=_BUSY)
    assert running.stdout.readline() == "begun\n"
    running.send_signal(signal.SIGHUP)
    said = running.stderr.read()
    assert running.wait() == 128 + signal.SIGHUP
    assert said == "\nibjax: stopped by SIGHUP; so be it\n"


def test_signals_raise_and_are_as_before_afterwards(terminal_signals):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(process.Stopped, match="SIGTERM") as info:
        with process.stopped_by_signals(""):
            os.kill(os.getpid(), signal.SIGTERM)
    assert info.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_that_is_ignored_stays_so(terminal_signals):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with process.stopped_by_signals(""):
        os.kill(os.getpid(), signal.SIGHUP)


@pytest.fixture
def no_programs_kept():
    """Compiled programs are not written where other tests would read half of one."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, float("inf"))
    yield
    jax.config.update(name, before)


def test_a_full_disk_names_the_file_and_the_way_on(
    tmp_path, capsys, monkeypatch, no_programs_kept
):
    """The system refuses to make a file longer than a limit, as a full disk does."""
    directory = tmp_path / "run"
    # Numbers, which take no time, in place of networks.
    cell = Cell({}, snapshots=range(100), trainable=counter(kind="plain"))
    monkeypatch.setattr(Part, "cells", lambda *_, **__: [cell])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(SystemExit) as exit_info:
            cli.main(["sweep", "szt", *_LONG, "--output", str(directory)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert f"File too large: '{directory / 'checkpoint.records'}'" in error
    assert error.endswith("--resume goes on from the last snapshot\n")
    assert not directory.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "3000000000"], "num_epochs must lie in [1, 2147483647]"),
        (["--seeds", "99999999999999999999"], "num_seeds must be at most 2147483647"),
        (["--key", "4294967296"], "key must lie in [0, 4294967295], got 4294967296"),
        (["--key", "99999999999999999999"], "key must lie in [0, 4294967295]"),
        (["--process-id", "1"], "--num-processes, --process-id and --join-seconds"),
        (["--join-seconds", "9"], "--num-processes, --process-id and --join-seconds"),
        (["--distributed", "auto", "--join-seconds", "0"], "join-seconds must lie in"),
    ],
)
def test_options_that_cannot_be_end_with_two(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["sweep", "szt", *arguments, "--output", str(tmp_path / "run")])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"ibjax: error: {message}")
    assert len(error.splitlines()) == 1


def test_a_missing_package_ends_with_two(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["sweep", "mnist", "--data", "digits", "--output", str(tmp_path)])
    assert exit_info.value.code == 2
    assert "pip install scikit-learn" in capsys.readouterr().err


def test_a_long_call_is_ended_where_nobody_listens(start):
    running = start(code=_BUSY)
    assert running.stdout.readline() == "begun\n"
    running.stderr.close()
    running.send_signal(signal.SIGTERM)
    assert running.wait() == 128 + signal.SIGTERM


_SLOW = f"""{_PROCESS}
import sys, time
with process.ending_after(float(sys.argv[1]), 3, "nobody came"):
    time.sleep(float(sys.argv[2]))
time.sleep(0.2)
print("went on")
"""


@pytest.mark.parametrize(
    ("seconds", "takes", "status", "said"),
    [(0.1, 60, 3, ("", "nobody came\n")), (0.1, 0, 0, ("went on\n", ""))],
)
def test_only_a_call_that_takes_too_long_ends_the_process(
    seconds, takes, status, said, start
):
    running = start(seconds, takes, code=_SLOW)
    assert (running.stdout.read(), running.stderr.read()) == said
    assert running.wait() == status


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["10.0.0.1:4321", "--num-processes", "2", "--process-id", "1"],
            "did not come in 300 s; the first one is looked for at 10.0.0.1:4321",
        ),
        (
            ["auto", "--join-seconds", "9"],
            "did not come in 9 s; the first one is looked for at the address that the "
            "cluster gives",
        ),
    ],
)
def test_a_job_whose_others_do_not_come_says_where_it_looked(
    options, words, monkeypatch, tmp_path, capsys
):
    waited = []

    def ending_after(seconds, code, words):
        waited.append((seconds, code, words))
        return contextlib.nullcontext()

    def initialize(*_, **__):
        raise RuntimeError("no\nservice")

    monkeypatch.setattr(process, "ending_after", ending_after)
    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    arguments = ["sweep", "szt", "--output", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as exit_info:
        cli.main([*arguments, "--distributed", *options])
    assert exit_info.value.code == 3
    assert capsys.readouterr().err == "ibjax: error: the job cannot begin: no service\n"
    ((_, code, said),) = waited
    assert (code, said) == (3, f"ibjax: error: the other processes {words}")


_FORKED = f"""{_PROCESS}
import os, signal, time
with process.stopped_by_signals(""):
    child = os.fork()
    if not child:
        signal.pause()
    assert process.is_alone()
    os.kill(child, signal.SIGHUP)
    _, status = os.waitpid(child, 0)
    time.sleep(process._GRACE_SECONDS + 0.5)
print(os.WTERMSIG(status) == signal.SIGHUP)
"""


def test_a_signal_to_a_forked_process_does_not_end_this_one(start):
    running = start(code=_FORKED)
    said = running.stdout.read()
    assert (running.wait(), said) == (0, "True\n")


def test_a_device_that_is_not_there_ends_with_two(monkeypatch, capsys):
    def devices():
        raise RuntimeError("Unable to initialize backend 'cuda': no GPU")

    monkeypatch.setattr(jax, "devices", devices)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["info"])
    assert stopped.value.code == 2
    assert "ibjax: error: Unable to initialize backend" in capsys.readouterr().err


def test_what_is_said_of_an_argument_ends_with_two_and_a_bug_does_not(
    monkeypatch, capsys
):
    def devices():
        return checks.count("number", "three")

    monkeypatch.setattr(jax, "devices", devices)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["info"])
    assert stopped.value.code == 2
    expected = "ibjax: error: number must be a whole number, at least 1, got 'three'\n"
    assert capsys.readouterr().err == expected
    # The interpreter's words, of code of this package.
    monkeypatch.setattr(jax, "devices", lambda: checks.same_length(x=1))
    with pytest.raises(TypeError, match="has no len"):
        cli.main(["info"])


@pytest.mark.parametrize(
    ("arguments", "goes_on"),
    [
        (["sweep", "szt"], True),
        (["sweep", "table"], True),
        (["reproduce", "szt", "--quick"], True),
        (["reproduce", "compression"], False),
        (["reproduce"], False),
        (["report", "szt"], False),
        ([], False),
    ],
)
def test_only_sweeps_are_told_to_go_on(arguments, goes_on, monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_run", interrupted)
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert ("--resume" in capsys.readouterr().err) == goes_on


def test_half_a_program_is_forgotten_and_named(tmp_path, monkeypatch, capsys):
    kept = tmp_path / "programs" / "processor"
    kept.mkdir(parents=True)
    half, other = kept / "jit_f-0123-cache", kept / "jit_fg-0123-cache"
    half.write_bytes(b"half"), other.write_bytes(b"whole")

    def found(arguments):
        warnings.warn(
            "Error reading persistent compilation cache entry for 'jit_f': "
            "ZstdError: decompress error",
            stacklevel=1,
        )

    monkeypatch.setattr(command, "_run", found)
    monkeypatch.setattr(command, "cache_directory", lambda: tmp_path)
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(kept))
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            cli.main(["info"])
            assert list(kept.iterdir()) == [other]
            # A directory that is not the command's own is left as it is.
            half.write_bytes(b"half")
            jax.config.update("jax_compilation_cache_dir", str(tmp_path))
            cli.main(["info"])
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert half.exists()
    first, _ = capsys.readouterr().err.splitlines()
    assert first.startswith("ibjax: warning: a compiled program (jit_f) could not be")
