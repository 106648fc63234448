"""Settings and fixtures of all tests."""

import os
from pathlib import Path

# Most of the tests' time is compilation. They compile without the optimisations that
# users get; as they do, with `XLA_FLAGS= pytest`. XLA reads this when it starts.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax  # noqa: E402
import pytest  # noqa: E402

# Many compile the same programs: workers and runs share them. Set here, because a
# plugin may have imported JAX, which reads its variables then; commands that tests
# start read the variables.
_CACHE = {
    "jax_compilation_cache_dir": str(Path(__file__).parents[1] / ".pytest_cache/jax"),
    "jax_persistent_cache_min_compile_time_secs": 0.1,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
for _name, _value in _CACHE.items():
    if _name.upper() not in os.environ:
        os.environ[_name.upper()] = str(_value)
        jax.config.update(_name, _value)

# Before any backend starts: two devices, so that sharding is really tested.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """Let go of all programs before a process has mapped as many as it may, 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def nothing_compiles(monkeypatch):
    """Make the test fail where a sweep's program is compiled."""

    def compile_(*_, **__):
        raise AssertionError("a program was compiled")

    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_)


@pytest.fixture(scope="session")
def data_dir():
    """The directory of the authors' own file, var_u.mat."""
    directory = os.environ.get("IBJAX_DATA")
    if not directory:
        pytest.skip("the environment variable IBJAX_DATA is not set")
    if not (Path(directory) / "var_u.mat").is_file():
        pytest.skip(f"IBJAX_DATA names {directory}, which has no var_u.mat")
    return Path(directory)
