"""Help: pages that are those of the command, and names and options nearly right."""

import pytest

from ibjax import cli
from ibjax.cli import command
from ibjax.cli import help as pages


def test_the_pages_that_are_kept_are_those_of_the_commands():
    found = {name: command.help_page([name]) for name in cli.COMMANDS}
    written = pages.PAGES.read_text(encoding="utf-8")
    # Where this fails: help.PAGES.write_text(help.written_pages(found))
    assert written == pages.written_pages(found)
    assert max(map(len, written.splitlines())) <= 80


def test_the_page_of_an_experiment_is_kept_until_the_package_changes(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    arguments = ["sweep", "table", "--help"]
    assert pages.kept_page(arguments) is None
    with pytest.raises(SystemExit):
        cli.main(arguments)
    first = capsys.readouterr().out
    assert "--target COLUMN" in first and "--epochs" in first
    monkeypatch.setattr(cli, "_command_module", None)  # Not asked again.
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert not exit_info.value.code
    assert capsys.readouterr().out == first
    monkeypatch.setattr(pages, "_state", lambda: "another" * 2 + "ab")
    assert pages.kept_page(arguments) is None
    pages.keep_page(arguments, "new")
    assert pages.kept_page(arguments) == "new"
    (path,) = (tmp_path / ".cache" / "ibjax" / "help").iterdir()
    for damaged in (b"", b"\xff"):
        path.write_bytes(damaged)
        assert pages.kept_page(arguments) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plane", "a.npz", "--estimater", "kde"], "did you mean --estimators?"),
        (["estimate", "a.csv", "--X=a"], "no option --X of estimate"),
        (["curve", "t.csv", "--nothing-like-it"], "of curve; see --help"),
        (["sweep", "szt", "--epoch", "3"], "no option --epoch of sweep szt; did you"),
        (
            ["sweep", "--no-compilation-cache", "szt", "--epoch", "3"],
            "of sweep szt; did",
        ),
    ],
)
def test_options_that_do_not_exist_are_refused(
    arguments, message, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err + printed.out


def test_options_that_exist_are_taken_in_any_spelling():
    page = "usage: x\n  --batch-size INT\n  --key INT"
    given = ["sweep", "szt", "--batch_size", "-1", "--key=3", "--help"]
    pages.check_options(given, page)
    with pytest.raises(ValueError, match="no option --bath-size of sweep szt; did"):
        pages.check_options(["sweep", "szt", "--bath_size"], page)


def test_a_paper_is_of_sweeps(tmp_path, capsys):
    (tmp_path / "results.nc").touch()
    content = '{"command": "ibjax reproduce attribution"}'
    (tmp_path / "claims.json").write_text(content)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["report", str(tmp_path), "--column", "3.3"])
    assert exit_info.value.code == 2
    assert "of attribution, which is none" in capsys.readouterr().err
