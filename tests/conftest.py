"""Settings and fixtures of all tests."""

import os
from pathlib import Path

# Most of the tests' time is compilation. Many compile the same programs: workers and
# runs share them. And they compile without the optimisations that users get; as they
# do, with `XLA_FLAGS= pytest`. JAX reads all this when it is imported.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax  # noqa: E402
import pytest  # noqa: E402

# Before any backend starts: two devices, so that sharding is really tested.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


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
