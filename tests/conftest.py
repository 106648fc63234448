"""Settings and fixtures of all tests."""

import os
from pathlib import Path

import jax
import pytest

# Before any backend starts: two devices, so that sharding is really tested.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="session")
def data_dir():
    """The directory of the authors' own file, var_u.mat."""
    directory = os.environ.get("IBJAX_DATA")
    if not directory:
        pytest.skip("the environment variable IBJAX_DATA is not set")
    if not (Path(directory) / "var_u.mat").is_file():
        pytest.skip(f"IBJAX_DATA names {directory}, which has no var_u.mat")
    return Path(directory)
