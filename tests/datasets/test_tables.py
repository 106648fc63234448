"""Tables of one's own: whatever is in a file becomes a task, or one clear error."""

import numpy as np
import pandas as pd
import pytest

from ibjax.datasets.tables import read_columns, table_task, variable_columns

FRAME = pd.DataFrame(
    {
        "height": [1.5, 2.5, 4.0, 8.0],
        "legs": [4, 2, 2, 0],
        "tame": [True, False, True, True],
        "species": ["cat", "bird", "bird", "fish"],
    }
)


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_text_is_read_whatever_separates_its_cells(tmp_path, separator):
    path = tmp_path / "table.csv"
    FRAME.to_csv(path, sep=separator, index=False)
    pd.testing.assert_frame_equal(read_columns(path), FRAME)


def test_a_text_without_names_has_numbers_for_them(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("1.5,4\n2.5,2\n")
    frame = read_columns(path)
    assert list(frame) == ["1", "2"]
    np.testing.assert_array_equal(frame, [[1.5, 4], [2.5, 2]])
    path.write_text("y\n3\n4\n")
    assert read_columns(path)["y"].tolist() == [3, 4]


def test_arrays_are_columns(tmp_path):
    path = tmp_path / "arrays.npz"
    x, y = np.arange(6.0).reshape(3, 2), np.array(["a", "b", "a"])
    np.savez(path, x=x, y=y)
    frame = read_columns(path)
    assert list(frame) == ["x_0", "x_1", "y"]
    task = table_task(frame, "y", standardize=False)
    np.testing.assert_array_equal(task.x, x)
    assert task.class_names == ("a", "b") and task.labels.tolist() == [0, 1, 0]
    np.savez(path, x=x, y=y[:2])
    with pytest.raises(ValueError, match="arrays.npz is no table: .* as many rows"):
        read_columns(path)


def test_parquet_is_read_where_its_package_is(tmp_path):
    path = tmp_path / "table.parquet"
    try:
        FRAME.to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(ModuleNotFoundError, match="parquet needs the .* pyarrow"):
            read_columns(path)
    else:
        pd.testing.assert_frame_equal(read_columns(path), FRAME)


def test_inputs_have_mean_zero_and_deviation_one_and_targets_their_kind():
    task = table_task(
        FRAME.assign(same=7), "species", columns=["height", "tame", "same"]
    )
    np.testing.assert_allclose(task.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.x.std(axis=0), [1, 1, 0], atol=1e-6)
    kinds = {
        "species": ("classes", ("bird", "cat", "fish")),
        "tame": ("classes", ("False", "True")),
        "legs": ("classes", ("0", "2", "4")),
        "height": ("vectors", None),
    }
    for target, (kind, names) in kinds.items():
        columns = ["legs" if target == "height" else "height"]
        task = table_task(FRAME, target, columns=columns)
        assert (task.kind, task.class_names) == (kind, names)
    real = table_task(FRAME, "legs", columns=["height"], kind="real", standardize=False)
    assert real.vectors.ravel().tolist() == [4, 2, 2, 0]
    # More different whole numbers than classes are amounts.
    many = pd.DataFrame({"x": np.arange(30.0), "y": np.arange(30)})
    assert table_task(many, "y").kind == "vectors"
    assert table_task(many, "y", kind="classes").num_classes == 30


def test_columns_are_labels_or_numbers():
    assert variable_columns(FRAME, ["species"]).tolist() == [1, 0, 0, 2]
    assert variable_columns(FRAME, ["legs"]).dtype == np.int64
    both = variable_columns(FRAME, ["legs", "height"])
    assert both.dtype == np.float64 and both.shape == (4, 2)


def _with(column, row, value):
    frame = FRAME.astype({column: object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    "frame, target, options, message",
    [
        (_with("height", 2, None), "tame", {}, "'height' has 1 missing .* row 3"),
        (_with("species", 0, None), "species", {}, "'species' has 1 missing .* row 1"),
        (_with("legs", 1, "two"), "tame", {}, "'legs' must hold numbers, got 'two'"),
        (_with("height", 0, np.inf), "legs", {}, "'height' must be finite, got inf"),
        (
            FRAME,
            "tame",
            {},
            "'species' must hold .*, got 'cat' in row 1 .* 3 more",
        ),
        # Text among the numbers of the target, which is no class either.
        (
            _with("legs", 3, "none"),
            "legs",
            {"columns": ["height"]},
            "got 'none' in row 4",
        ),
        (FRAME, "species", {"kind": "real", "columns": ["legs"]}, "must hold numbers"),
        (FRAME, "height", {"kind": "classes", "columns": ["legs"]}, "got fractions"),
        (FRAME, "weight", {}, "target must be of mine, which has height, legs"),
        (FRAME, "legs", {"columns": ["age"]}, "columns must be of mine, .* got 'age'"),
        (FRAME, "legs", {"columns": ["legs"]}, "others than the target 'legs'"),
        (FRAME.assign(legs=2), "legs", {"columns": ["height"]}, "two values or more"),
        (FRAME, "legs", {"kind": "some"}, "kind must be one of"),
    ],
)
def test_what_is_no_task_names_its_column(frame, target, options, message):
    with pytest.raises(ValueError, match=message):
        table_task(frame, target, name="mine", **options)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n", b'a,b\n"1,2\n'])
def test_what_is_no_table_names_its_file(tmp_path, content):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="mine.csv is no table"):
        read_columns(path)
    with pytest.raises(FileNotFoundError, match="other.csv: no such file"):
        read_columns(tmp_path / "other.csv")
