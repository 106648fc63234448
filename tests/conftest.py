"""Settings and fixtures of all tests."""

import gc
import os
import signal
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

# Most of the tests' time is compilation. They compile without the optimisations that
# users get; as they do, with `XLA_FLAGS= pytest`. XLA reads this when it starts.
_FLAGS = ["--xla_backend_optimization_level=0"]
if version("jaxlib").startswith("0.10."):  # Later ones do not know it, and end.
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")
    # Each process has a core: parts compiled side by side cost a tenth more.
    _FLAGS.append("--xla_cpu_parallel_codegen_split_count=1")
os.environ.setdefault("XLA_FLAGS", " ".join(_FLAGS))

# Programs are so many objects that Python spends a twentieth of the tests' time on the
# search for garbage among them.
gc.set_threshold(100_000, 50, 100)

import jax  # noqa: E402
import pytest  # noqa: E402


def _once_in_each_thread(make):
    made = threading.local()

    def kept():
        if not hasattr(made, "value"):
            made.value = make()
        return made.value

    return kept


# Many compile the same programs: workers and runs share them. Set here, because a
# plugin may have imported JAX, which reads its variables then; commands that tests
# start read the variables.
_CACHE = {
    "jax_compilation_cache_dir": str(Path(__file__).parents[1] / ".pytest_cache/jax"),
    "jax_persistent_cache_min_compile_time_secs": 0.02,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
for _name, _value in _CACHE.items():
    if _name.upper() not in os.environ:
        os.environ[_name.upper()] = str(_value)
        jax.config.update(_name, _value)

if version("jaxlib").startswith("0.10."):  # It is no public name of JAX.
    # What a program is written down in, an MLIR context, is made anew for each: 3 ms,
    # and a megabyte that is never let go of. One for each thread will do.
    from jax._src.interpreters import mlir

    mlir.make_ir_context = _once_in_each_thread(mlir.make_ir_context)

# Before any backend starts: two devices, so that sharding is really tested.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_collection_finish():
    gc.freeze()  # What is imported stays to the end.


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """Let go of all programs before a process has mapped as many as it may, 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()
        gc.collect()  # What they held is let go of then.


@pytest.fixture
def users_options():
    """Compiler options that undo the flags of tests which change the last bit."""
    if "emitters=false" in os.environ["XLA_FLAGS"]:
        return {"xla_cpu_use_fusion_emitters": True}
    return {}


@pytest.fixture
def terminal_signals():
    """Let this process and those it starts take signals as from a terminal.

    A job in the background, or one that outlives its terminal, ignores some, and those
    it starts do so too.
    """
    standing = {signal.SIGINT: signal.default_int_handler}
    standing |= dict.fromkeys((signal.SIGTERM, signal.SIGHUP), signal.SIG_DFL)
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, standing)
    before = {number: signal.signal(number, how) for number, how in standing.items()}
    yield
    for number, how in before.items():
        signal.signal(number, how)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@pytest.fixture
def start_python(terminal_signals):
    """Start Python on a script; what still runs at the end of the test is killed."""
    started = []

    def start(script, *arguments, **options):
        # What a script imports is no garbage: to look there takes a sixth of its start.
        script = f"import gc; gc.disable()\n{script}"
        command = [sys.executable, "-c", script, *map(str, arguments)]
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE} | options
        started.append(subprocess.Popen(command, text=True, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        with process:  # Closes what it read and wrote, and waits for its end.
            pass


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def nothing_compiles(monkeypatch):
    """Make the test fail where a sweep's program is compiled."""

    def compile_(*_, **__):
        raise AssertionError("a program was compiled")

    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_)


@pytest.fixture
def undrawn(monkeypatch):
    """Figures of reports and experiments are made, and written as empty files.

    To draw them takes longer than all else of a small run. Other tests draw them.
    """
    drawn = {".png": b"", ".pdf": b""}
    for module in ("report.writing", "experiments.reproduce"):
        monkeypatch.setattr(f"ibjax.{module}.encode_figure", lambda *_, **__: drawn)
    monkeypatch.setattr("ibjax.report.writing.encode_gif", lambda *_, **__: b"")


@pytest.fixture(scope="session")
def real_data():
    """A function from a name to that file or folder of $IBJAX_DATA, or a skip."""
    directory = os.environ.get("IBJAX_DATA")

    def find(name):
        if not directory:
            pytest.skip("the environment variable IBJAX_DATA is not set")
        if not (Path(directory) / name).exists():
            pytest.skip(f"IBJAX_DATA names {directory}, which has no {name}")
        return Path(directory) / name

    return find
