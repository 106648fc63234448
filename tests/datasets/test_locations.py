"""Where data is looked for, and in which order."""

from pathlib import Path

import pytest

from ibjax.datasets import locations


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def test_order_of_directories(home, monkeypatch):
    cache = home / ".cache" / "ibjax"
    monkeypatch.setenv("IBJAX_DATA", "/data")
    assert locations.data_directories() == [Path("/data"), cache]
    assert locations.data_directories("here") == [Path("here"), Path("/data"), cache]


@pytest.mark.parametrize("value", [None, ""])
def test_variable_that_is_not_set(home, monkeypatch, value):
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("IBJAX_DATA", value)
    assert locations.data_directories() == [locations.cache_directory()]
    assert locations.cache_directory() == home / ".cache" / "ibjax"


def test_first_directory_then_first_name(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for directory, name in ((first, "b"), (second, "a"), (second, "b")):
        directory.mkdir(exist_ok=True)
        (directory / name).touch()
    (first / "a").mkdir()  # A directory is no file.
    directories = [tmp_path / "nowhere", first, second]
    assert locations.find_file(["a", "b"], directories) == first / "b"
    assert locations.find_file(["a", "b"], [second]) == second / "a"
    assert locations.find_file(["c"], directories) is None
