"""The command `ibjax curve`: tables in, files out, one clear line for bad input."""

import csv
import json

import jax
import numpy as np
import pandas as pd
import pytest

from ibjax import cli
from ibjax.bottleneck import InformationCurve, information_curve
from ibjax.cli import curve as curve_command
from ibjax.cli import curve_output
from ibjax.cli.curve import read_table

COUNTS = "x,no,yes\na,30,2\nb,10,18\nc,5,35\n"
OPTIONS = ["--counts", "--betas", "20"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("curve")
    (directory / "table.csv").write_text(COUNTS)
    output = directory / "output"
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr(
            "builtins.print", lambda *texts, **_: printed.append(" ".join(texts))
        )
        arguments = ["curve", str(directory / "table.csv"), *OPTIONS]
        cli.main([*arguments, "--output", str(output)])
    return arguments, output, "\n".join(printed)


@pytest.fixture
def solved(monkeypatch):
    """Instead of solving, keeps what was asked for and returns a curve of nothing."""
    asked = {}

    def solve(p_xy, betas, **options):
        asked.update(options, p_xy=p_xy, betas=betas)
        zeros = np.zeros(len(betas))
        return InformationCurve(
            beta=betas,
            p_t_given_x=np.ones((len(betas), len(p_xy), 1)),
            i_xt=zeros,
            i_ty=zeros,
            objective=zeros,
            gap=zeros,
            certified=betas > 0,
            num_clusters=np.ones(len(betas), int),
            num_steps=np.ones(len(betas), int),
            converged=betas != betas[1],
            critical_beta=np.zeros(0),
        )

    monkeypatch.setattr(curve_command, "information_curve", solve)
    nothing = {".png": b"", ".pdf": b""}
    monkeypatch.setattr(curve_output, "encode_figure", lambda figure: nothing)
    return asked


def _solve(tmp_path, content, *options):
    (tmp_path / "table.csv").write_text(content)
    arguments = [str(tmp_path / "table.csv"), "--output", str(tmp_path / "output")]
    cli.main(["curve", *arguments, "--betas", "5", *options])
    return json.loads((tmp_path / "output" / "curve.json").read_text())


def test_files_hold_the_curve_in_bits(run):
    _, output, _ = run
    names = {path.name for path in output.iterdir()}
    assert names == {"curve.csv", "curve.json", "curve.png", "curve.pdf"}
    with (output / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    content = json.loads((output / "curve.json").read_text())
    betas = np.array([float(row["beta"]) for row in rows])
    with jax.enable_x64(True):
        expected = information_curve(
            read_table(output / "../table.csv", counts=True)[0], betas
        )
    for name in ("i_xt", "i_ty", "objective", "gap"):
        bits = [float(row[f"{name}_bits"]) for row in rows]
        np.testing.assert_allclose(
            bits, getattr(expected, name) / np.log(2), rtol=1e-9, atol=1e-14
        )
        assert content["curve"][f"{name}_bits"] == bits
    assert [int(row["num_clusters"]) for row in rows] == expected.num_clusters.tolist()
    assert {row["converged"] for row in rows} == {"true"}
    np.testing.assert_allclose(content["critical_beta"], expected.critical_beta)
    assert content["configuration"]["restarts"] == 0
    assert set(content["versions"]) == {"ibjax", "jax", "jaxlib", "numpy"}
    assert (output / "curve.pdf").read_bytes().startswith(b"%PDF")


def test_default_betas_reach_nearly_all_information(run):
    content = json.loads((run[1] / "curve.json").read_text())
    assert content["configuration"]["min_beta"] == 1
    i_ty = content["curve"]["i_ty_bits"]
    assert 0.99 * content["i_xy_bits"] <= i_ty[-1] <= content["i_xy_bits"]


def test_printed_lines_say_what_was_found(run):
    _, output, printed = run
    for words in (
        "3 inputs x 2 labels; columns no, yes; rows named",
        "the numbers sum to 100 and were divided by that",
        "3 inputs with different p(y|x)",
        "20 betas from 1 to",
        "I(X;Y): 0.404136 bits",
        "first division of clusters: beta 1.91",
        "before 1 / sigma_2^2 = 2.05: a distant cluster appears",
        "further critical betas: 13.1",
        "converged: all 20 points",
        "bits above the best there is",
        f"written to {output}",
    ):
        assert words in printed


def test_the_same_run_may_be_repeated_and_another_may_not(run, capsys):
    arguments, output, _ = run
    before = (output / "curve.csv").read_bytes()
    cli.main([*arguments, "--output", str(output)])
    assert (output / "curve.csv").read_bytes() == before
    with pytest.raises(SystemExit) as exit_info:
        cli.main([*arguments, "--output", str(output), "--max-beta", "9", "--key", "1"])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "another run, which differs in max-beta, key; choose another" in error
    assert (output / "curve.csv").read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"configuration": []}', None])
def test_files_of_unknown_origin_are_kept(content, tmp_path, capsys):
    output = tmp_path / "output"
    output.mkdir()
    (output / "curve.csv").write_text("mine")
    if content is not None:
        (output / "curve.json").write_text(content)
    with pytest.raises(SystemExit) as exit_info:
        _solve(tmp_path, COUNTS, "--counts")
    assert exit_info.value.code == 2
    assert "curve.csv of an unknown run" in capsys.readouterr().err
    assert (output / "curve.csv").read_text() == "mine"


def test_fewer_clusters_take_restarts(solved, tmp_path, capsys):
    content = _solve(tmp_path, COUNTS, "--counts", "--num-clusters", "2", "--key", "3")
    assert solved["num_t"] == 2 and solved["num_restarts"] == 16
    assert jax.random.key_data(solved["key"]).tolist() == [0, 3]
    assert content["configuration"]["num_clusters"] == 2
    printed = capsys.readouterr().out
    assert "best there is with any number of clusters" in printed
    assert f"not converged: 1 of 5, at beta {solved['betas'][1]:.5g}" in printed
    assert "no critical beta between 1 and" in printed


def test_more_clusters_than_inputs_change_nothing(solved, tmp_path):
    content = _solve(tmp_path, COUNTS, "--counts", "--num-clusters", "3")
    assert solved["num_t"] is None and solved["key"] is None
    assert content["configuration"]["restarts"] == 0


def test_betas_are_those_asked_for_and_float64(solved, tmp_path):
    _solve(tmp_path, COUNTS, "--counts", "--min-beta", "2", "--max-beta", "32")
    np.testing.assert_allclose(solved["betas"], [2, 4, 8, 16, 32], rtol=1e-14)
    assert solved["betas"].dtype == solved["p_xy"].dtype == np.float64
    np.testing.assert_array_equal(solved["p_xy"][0], [0.3, 0.02])


def test_tables_without_a_curve_say_so(solved, tmp_path, capsys):
    content = _solve(tmp_path, "0.1 0.3\n0.15 0.45\n")
    assert content["num_merged_inputs"] == 1
    assert content["beta_of_second_singular_value"] is None
    assert content["configuration"]["max_beta"] == 10
    assert "X says nothing of Y" in capsys.readouterr().out
    for path in (tmp_path / "output").iterdir():
        path.unlink()
    _solve(tmp_path, "0.25 0\n0.25 0\n0 0.5\n")
    assert "Y is a function of X" in capsys.readouterr().out


def test_interruption_ends_with_130(monkeypatch, tmp_path, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(curve_command, "information_curve", interrupt)
    with pytest.raises(SystemExit) as exit_info:
        _solve(tmp_path, COUNTS, "--counts")
    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "ibjax: interrupted\n"
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ("0.45,0.05\n0.05,0.45\n", ""),
        ("0.45 0.05\n0.05\t0.45\n", ""),
        ("# joint\n\n 0.45, 0.05\n0.05, 0.45", ""),
        ("\ufeffno,yes\n.45,.05\n5e-2,.45\n", "columns no, yes"),
        ("a,0.45,0.05\nb,0.05,0.45\n", "rows named"),
        (",0,1\n0,0.45,0.05\n1,0.05,0.45\n", "columns 0, 1; rows named"),
        (
            '"no" "yes"\n"a" 0.45 0.05\n"b" 0.05 0.45\n',
            "columns no, yes; rows named",
        ),
        (
            'x,"no, never",yes\na,0.45,0.05\nb,0.05,0.45\n',
            "columns no, never, yes; rows named",
        ),
        # As pandas writes tables: names of rows, or of rows and columns, are numbers.
        ("x,no,yes\n1,0.45,0.05\n2,0.05,0.45\n", "columns no, yes; rows named by x"),
        ("row_0,0,1\n-1,0.45,0.05\n1,0.05,0.45\n", "columns 0, 1; rows named by row_0"),
        ("x,0,1\na,0.45,0.05\nb,0.05,0.45\n", "columns 0, 1; rows named"),
        # Rows of which the first increases are data if they sum to one.
        ("b,0.05,0.45\na,0.45,0.05\n", "rows named"),
    ],
)
def test_layouts_of_a_table(content, layout, tmp_path):
    path = tmp_path / "table"
    path.write_text(content, encoding="utf-8")
    table = read_table(path)
    expected = [[0.45, 0.05], [0.05, 0.45]]
    if content.startswith("b,"):
        expected = expected[::-1]
    np.testing.assert_allclose(table.p_xy, expected, rtol=1e-15)
    assert table.layout == layout


@pytest.mark.parametrize("x", [[1, 1, 2, 2, 3], [-1.5, -1.5, 0, 0, 2], list("aabbc")])
@pytest.mark.parametrize("y", [[0, 1, 0, 1, 1], [2.5, 7, 2.5, 7, 7], list("nynyy")])
@pytest.mark.parametrize("normalize", [False, True])
def test_cross_tabulations_of_pandas(x, y, normalize, tmp_path):
    numbers = pd.crosstab(pd.Series(x, name="x"), pd.Series(y), normalize=normalize)
    numbers.to_csv(tmp_path / "table.csv")
    table = read_table(tmp_path / "table.csv", counts=not normalize)
    np.testing.assert_allclose(table.p_xy, [[0.2, 0.2], [0.2, 0.2], [0, 0.2]])
    assert "rows named" in table.layout and table.layout.startswith("columns ")


def test_equal_rows_are_no_margins(tmp_path):
    (tmp_path / "table.csv").write_text("x,a,b\na,1,1\nb,1,1\n")
    assert read_table(tmp_path / "table.csv", counts=True).total == 4


def test_numbers_that_name_inputs_are_not_counted(tmp_path):
    counts = [[9, 1, 0], [1, 9, 2], [3, 3, 3]]
    path = tmp_path / "table.csv"
    pd.DataFrame(counts, index=[1, 2, 3], columns=list("abc")).to_csv(path)
    right = read_table(path, counts=True).p_xy
    np.testing.assert_allclose(right, np.array(counts) / 31)
    path.write_text(path.read_text().replace(",a", "x,a", 1))
    np.testing.assert_array_equal(read_table(path, counts=True).p_xy, right)


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ("5,30,2\n10,18,3\n", ""),
        ("no,maybe,yes\n10,18,3\n5,30,2\n", "columns no, maybe, yes"),
        ("no,yes\n5,30\n10,18\n", "columns no, yes"),
        ("a,30,2\nb,10,18\n", "rows named"),
        # Increasing counts below a header look as names do, and the layout says so.
        ("no,maybe,yes\n5,30,2\n10,18,3\n", "columns maybe, yes; rows named by no"),
    ],
)
def test_counts_without_header_or_names_of_rows(content, layout, tmp_path):
    (tmp_path / "table.csv").write_text(content)
    table = read_table(tmp_path / "table.csv", counts=True)
    rows = [line.split(",") for line in content.split()]
    rows = rows[1:] if "columns" in layout else rows
    numbers = np.array([row["rows" in layout :] for row in rows], float)
    np.testing.assert_allclose(table.p_xy, numbers / numbers.sum())
    assert table.layout == layout


def test_a_sum_near_one_is_made_one(tmp_path):
    (tmp_path / "table").write_text("0.333 0.333\n0.333 0\n")
    table = read_table(tmp_path / "table")
    assert table.total == pytest.approx(0.999)
    assert table.p_xy.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "No such file"),
        ("", [], "is empty"),
        ("# nothing\n\n", [], "is empty"),
        (b"\xff\xfe0\x001", [], "is no text in UTF-8"),
        ("a,b\n", [], "holds no numbers"),
        ("0.5,0.1\n0.2,x\n", [], "line 2, column 2: 'x' is no number"),
        (
            "a,0.5,0.1\n0.2,0.1,0.1\n",
            [],
            "line 1, column 1: 'a' is no number",
        ),
        ("y,z\n0.5,\n0.5,0\n", [], "line 2, column 2 is empty"),
        ("0.5,0.1\n\n0.4\n", [], "line 3, column 2 is empty"),
        ("x,y,z\n0.5,0.5\n", [], "line 2, column 3 is empty"),
        ("0.5,,0.1\n0.2,,0.2\n", [], "line 1, column 2 is empty"),
        (
            "x,a,b\n1,0.5,0.1\n2,o.2,0.2\n",
            [],
            "line 3, column 2: 'o.2' is no number",
        ),
        (
            "x,a,b\n1,5,1\nz,2,2\n",
            ["--counts"],
            "line 3, column 1: 'z' is no number",
        ),
        (
            "x,1,b\ny,5,1\n",
            ["--counts"],
            "line 1, column 3: 'b' is no number",
        ),
        ('x,"a,b\n1,0.5,0.5\n', [], "has quotes that are not closed"),
        (
            "x,no,yes,All\na,1,2,3\nb,3,4,7\nAll,4,6,10\n",
            ["--counts"],
            "the last row and column, both named All, are sums of the others",
        ),
        ("0.5;0.1\n0.2;0.2\n", [], "must be separated by commas or blanks, not ;"),
        ("0.5,0.7\n-0.2,0\n", [], "line 2, column 1: '-0.2' is negative"),
        ("0.5,nan\n0.2,0.3\n", [], "line 1, column 2: 'nan' is no number"),
        (
            "1,inf\n2,3\n",
            ["--counts"],
            "line 1, column 2: 'inf' is not finite",
        ),
        ("0.5,0.4\n0.2,0.3\n", [], "they sum to 1.4; --counts divides by the sum"),
        ("0,0\n0,0\n", ["--counts"], "sums to 0; some number must be positive"),
        ("0.5\n0.5\n", [], "a column for every y, two or more, got 1"),
        (COUNTS, ["--betas", "1"], "betas must lie in [2, 10000], got 1"),
        (
            COUNTS,
            ["--betas", "1000000000000"],
            "betas must lie in [2, 10000], got 1000",
        ),
        (
            f"no,yes\n1,{'q' * 200_000}\n",
            ["--counts"],
            f"line 2, column 2: '{'q' * 37}...' is no number\n",
        ),
        (COUNTS, ["--min-beta", "0"], "min-beta must be one positive number, got 0"),
        (COUNTS, ["--max-beta", "1"], "max-beta must lie in (1.0, inf), got 1.0"),
        (COUNTS, ["--max-beta", "nan"], "max-beta must lie in (1.0, inf), got nan"),
        (COUNTS, ["--restarts", "-1"], "restarts must lie in [0, 100000], got -1"),
        (COUNTS, ["--num-clusters", "0"], "num-clusters must be a whole number"),
        (
            COUNTS,
            ["--num-clusters", "2", "--restarts", "0"],
            "restarts must lie in [1, 100000], got 0",
        ),
    ],
)
def test_bad_input_ends_with_two_and_says_why(
    content, options, message, tmp_path, capsys
):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["curve", str(path), *options, "--output", str(tmp_path / "output")])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("ibjax: error: ") and message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "output").exists()
