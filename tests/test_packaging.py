"""The wheel and the source distribution hold the package, and work where it is not."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def _run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Python of a new environment that sees the packages of this one but not ibjax."""
    place = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", str(place))
    python = place / "bin" / "python"
    (library,) = place.glob("lib/*/site-packages")
    import jax

    packages = str(Path(jax.__file__).parents[1])
    (library / "beside.pth").write_text(packages + "\n")
    return python


@pytest.fixture(scope="module")
def built(environment, tmp_path_factory):
    """The source distribution, and a wheel built from it."""
    place = tmp_path_factory.mktemp("dist")
    try:
        _run(environment, "-m", "pip", "install", "--quiet", "build")
    except AssertionError as error:
        pytest.skip(f"build cannot be installed: {str(error)[-200:]}")
    _run(environment, "-m", "build", "--outdir", str(place), str(ROOT))
    (wheel,), (source,) = place.glob("*.whl"), place.glob("*.tar.gz")
    return wheel, source


def _tracked():
    names = _run("git", "ls-files", "ibjax", cwd=ROOT).splitlines()
    return {name for name in names if (ROOT / name).exists()}


def test_every_file_of_the_package_is_in_both(built):
    wheel, source = built
    with zipfile.ZipFile(wheel) as file:
        in_wheel = {name for name in file.namelist() if name.startswith("ibjax/")}
    with tarfile.open(source) as file:
        inside = (name.partition("/")[2] for name in file.getnames())
        in_source = {name for name in inside if name.startswith("ibjax/")}
    assert in_wheel == _tracked() and in_source >= _tracked()
    assert {"ibjax/py.typed", "ibjax/cli/help.txt"} <= in_wheel


def test_what_is_installed_works_without_the_sources(built, environment, tmp_path):
    wheel, _ = built
    install = ("install", "--quiet", "--no-deps", "--force-reinstall", str(wheel))
    _run(environment, "-m", "pip", *install)
    command = environment.with_name("ibjax")
    assert "Train many networks" in _run(command, "--help", cwd=tmp_path)
    assert "training-size" in _run(command, "sweep", "--help", cwd=tmp_path)
    script = """
import ibjax, sys
assert sys.argv[1] in ibjax.__file__, ibjax.__file__
from ibjax.report import report
from ibjax.results.example import example_dataset
dataset = example_dataset(num_seeds=2, num_epochs=4).isel(layer=[5])
print(report(dataset, "out", pdf=False))
"""
    place = str(environment.parents[1])
    _run(environment, "-c", script, place, cwd=tmp_path)
    assert "<canvas" in (tmp_path / "out" / "report.html").read_text()
