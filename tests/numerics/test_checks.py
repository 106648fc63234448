import re
from decimal import Decimal
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr

from ibjax.numerics import checks


def refuses(error, message, check, *args, **kwargs):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check(*args, **kwargs)


def test_arrays_stay_what_they_are_and_lists_become_jax_arrays():
    values = np.ones((3, 2))
    assert checks.shape("t", values, ("num_samples", "dim")) is values
    assert checks.floating("t", values) is values
    assert checks.finite("t", values) is values
    assert isinstance(checks.shape("t", [1.0, 2.0], ("n",)), jax.Array)


@pytest.mark.parametrize(
    "actual, shapes",
    [
        ((3, 2), [("num_samples", "dim")]),
        ((3,), [("num_samples",), ("num_samples", "dim")]),
        ((3, 2, 5), [("num_samples", "*shape")]),
        ((3, 2, 5), [(3, "*shape")]),
        ((0,), [(0,)]),
        ((), [()]),
    ],
)
def test_shapes_that_fit(actual, shapes):
    checks.shape("t", np.zeros(actual), *shapes)


@pytest.mark.parametrize(
    "actual, shapes, expected",
    [
        ((3,), [("num_samples", "dim")], "[num_samples, dim]"),
        ((0, 2), [("num_samples", "dim")], "[num_samples, dim]"),
        ((3, 2), [(3,), (3, 4)], "[3] or [3, 4]"),
        ((3, 0), [("num_samples", "*shape")], "[num_samples, *shape]"),
        ((), [("num_samples", "*shape")], "[num_samples, *shape]"),
        ((2, 5), [(3, "*shape")], "[3, *shape]"),
        ((3,), [(3, "*shape")], "[3, *shape]"),
    ],
)
def test_shapes_that_do_not_fit_are_named(actual, shapes, expected):
    message = f"t must have shape {expected}, got {actual}"
    refuses(ValueError, message, checks.shape, "t", np.zeros(actual), *shapes)


def test_the_reason_of_a_shape_is_given():
    message = "labels must have shape [3] to match t, got (2,)"
    refuses(ValueError, message, checks.shape, "labels", [0, 1], (3,), why="to match t")


def test_arrays_of_different_shapes_or_lengths_are_named_together():
    x, y = np.ones((3, 2)), np.ones((4, 2))
    checks.same_shape(x=x, y=x)
    checks.same_length(x=x, y=x[:, :1], z=x[:, 0])
    message = "x and y must have one shape, got (3, 2) and (4, 2)"
    refuses(ValueError, message, checks.same_shape, x=x, y=y)
    message = "x, y and z must have as many samples, got 3, 4 and 3"
    refuses(ValueError, message, checks.same_length, x=x, y=y, z=x)


def test_kinds_of_numbers():
    checks.floating("t", jnp.ones(2, jnp.bfloat16))
    checks.integers("labels", np.arange(3, dtype=np.uint8))
    message = "p must be floating, got int64; divide counts by n"
    refuses(
        TypeError,
        message,
        checks.floating,
        "p",
        np.arange(3),
        hint="divide counts by n",
    )
    message = "labels must be integers, got float32"
    refuses(TypeError, message, checks.integers, "labels", jnp.ones(3))
    refuses(
        TypeError,
        "labels must be integers, got bool",
        checks.integers,
        "labels",
        [True],
    )


def test_numbers_that_are_not_finite_are_counted():
    message = "x must be finite, got 2 NaN or infinite entries"
    refuses(ValueError, message, checks.finite, "x", [1.0, np.nan, np.inf])
    message = "x must be finite, got 1 NaN or infinite entries"
    refuses(ValueError, message, checks.finite, "x", jnp.array([np.nan], jnp.bfloat16))


def test_indices_out_of_range_are_named():
    checks.indices("labels", np.array([0, 2]), 3)
    checks.indices("labels", np.array([], int), 3)
    message = "labels must lie in [0, 3), got values from -1 to 2"
    refuses(ValueError, message, checks.indices, "labels", np.array([2, -1]), 3)
    message = "labels must lie in [0, 3), got values from 0 to 3"
    refuses(ValueError, message, checks.indices, "labels", np.array([0, 3]), 3)


def test_single_numbers():
    assert checks.at_least("k", 2, 2) == 2
    assert checks.positive("width", 1e-9) == 1e-9
    assert checks.not_negative("width", 0) == 0
    assert checks.in_range("rate", 1, "(0, 1]") == 1
    refuses(ValueError, "k must be at least 2, got 1", checks.at_least, "k", 1, 2)
    for value in (0, -1.0, np.nan, np.inf):
        message = f"width must be one positive number, got {value}"
        refuses(ValueError, message, checks.positive, "width", value)
    for value in (-1e-9, np.nan, np.inf):
        message = f"width must be one number from 0 on, got {value}"
        refuses(ValueError, message, checks.not_negative, "width", value)
    message = "width must be one positive number, got shape (2,)"
    refuses(ValueError, message, checks.positive, "width", np.array([1.0, 2.0]))
    message = "k must be at least 2, got shape (1,)"
    refuses(ValueError, message, checks.at_least, "k", [3], 2)
    message = "width must be one positive number, got '1'"
    refuses(TypeError, message, checks.positive, "width", "1")


def test_counts_are_whole():
    assert checks.count("k", np.int64(3), 3) == 3
    assert checks.counts("widths", (np.int32(2), 1), fewest=2) == (2, 1)
    assert checks.counts("hidden", (), fewest=0) == ()
    message = "k must be a whole number, at least 1, got 2.0"
    refuses(ValueError, message, checks.count, "k", 2.0)
    message = "k must be a whole number, at least 2, or None for all, got 1"
    refuses(ValueError, message, checks.count, "k", 1, 2, otherwise="None for all")
    for values, options, expected in (
        ([2, 0], {}, "1 or more positive whole numbers, got [2, 0]"),
        ([2.5], {}, "1 or more positive whole numbers, got [2.5]"),
        (
            [4, 4, 4],
            {"fewest": 2, "most": 2},
            "2 positive whole numbers, got [4, 4, 4]",
        ),
        ([-1], {"fewest": 0}, "positive whole numbers, got [-1]"),
    ):
        message = f"widths must be {expected}"
        refuses(ValueError, message, checks.counts, "widths", values, **options)


@pytest.mark.parametrize(
    "interval, inside, outside",
    [
        ("[0, 1]", (0, 0.5, 1), (-0.1, 1.1, np.nan)),
        ("(0, 1)", (0.5,), (0, 1, np.nan)),
        ("[1, 12)", (1, 11), (0, 12)),
        ("(0, inf)", (1e30,), (0, np.inf)),
    ],
)
def test_intervals_hold_their_ends_if_square(interval, inside, outside):
    for value in inside:
        assert checks.in_range("rate", value, interval) == value
    for value in outside:
        message = f"rate must lie in {interval}, got {value}"
        refuses(ValueError, message, checks.in_range, "rate", value, interval)


def test_names_that_are_not_allowed_are_given_those_that_are():
    assert checks.one_of("error", None, ("auto", None)) is None
    message = "error must be one of auto, None, got 'none'"
    refuses(ValueError, message, checks.one_of, "error", "none", ("auto", None))
    message = "width must be one of wide or a number, got 'none'"
    refuses(
        ValueError,
        message,
        checks.one_of,
        "width",
        "none",
        ["wide"],
        otherwise="a number",
    )
    with pytest.raises(ValueError, match="must be one of a, b"):
        checks.one_of("name", np.ones(3), ("a", "b"))


def test_shapes_and_dtypes_are_checked_while_tracing_and_values_are_not():
    def traced(values, number):
        assert checks.is_traced(1, values)
        checks.finite("x", values)
        checks.indices("x", values.astype(int), 1)
        checks.positive("x", number)
        checks.in_range("x", number, "[5, 6]")
        checks.at_least("x", number, 7)
        return values + number

    assert not checks.is_traced(1, "a", np.ones(2), jnp.ones(2))
    jax.jit(traced)(jnp.array([np.inf, 2.0]), -1.0)
    with pytest.raises(ValueError, match="must have shape"):
        jax.jit(lambda x: checks.shape("x", x, ("n", "dim")))(jnp.ones(2))
    with pytest.raises(ValueError, match="must be one positive number"):
        jax.jit(lambda x: checks.positive("x", x))(jnp.ones(2))
    with pytest.raises(TypeError, match="must be floating"):
        jax.jit(lambda x: checks.floating("x", x))(jnp.arange(2))


def test_a_collection_must_hold_something():
    assert checks.not_empty("probes", [1]) == [1]
    message = "datasets must hold at least one dataset, got none"
    refuses(ValueError, message, checks.not_empty, "datasets", {}, "dataset")
    message = "probes must hold at least one, got none"
    refuses(ValueError, message, checks.not_empty, "probes", ())


def test_entries_must_be_there():
    checks.holds("dataset", {"a": 1, "b": 2}, "b", "a")
    message = "dataset must hold a and c of two, got ['a', 'b']"
    refuses(
        ValueError, message, checks.holds, "dataset", ["b", "a"], "a", "c", why="of two"
    )


def test_a_key_is_typed_and_one():
    key = jax.random.key(0)
    assert checks.key("key", key) is key
    assert jax.jit(lambda key: checks.key("key", key))(key) == key
    expected = "key must be a key such as jax.random.key(0), got "
    refuses(TypeError, f"{expected}0", checks.key, "key", 0)
    old = jax.random.key_data(key)
    refuses(TypeError, f"{expected}an array of uint32", checks.key, "key", old)
    keys = jax.random.split(key)
    refuses(ValueError, "key must have shape [], got (2,)", checks.key, "key", keys)


@pytest.mark.parametrize(
    "value", [None, {"a": 1}, len, [[1.0], [1.0, 2.0]], "text", 2**40, object()]
)
def test_what_is_no_array_is_named(value):
    for check in (checks.array, checks.jax_array, checks.finite, checks.floating):
        with pytest.raises(TypeError, match="^t must be an array of numbers, got "):
            check("t", value)


def test_what_has_no_numbers_is_named():
    dates, texts = np.array(["2026-01-01"], "datetime64[D]"), np.array(["a", "b"])
    for value in (dates, texts, np.array([None, 1]), jax.random.key(0)):
        message = f"t must hold numbers, got {value.dtype}"
        refuses(TypeError, message, checks.jax_array, "t", value)
        refuses(TypeError, message, checks.finite, "t", value)
    masked = np.ma.masked_array([1.0, 2.0], [False, True])
    message = "t must be an array without a mask, got a masked one"
    refuses(TypeError, message, checks.shape, "t", masked, ("n",))


@pytest.mark.parametrize("value", [[[1.0], [1.0, 2.0]], jax.random.key(0), 1j])
def test_what_is_no_number_is_named(value):
    with pytest.raises(TypeError, match="^n must be one positive number, got "):
        checks.positive("n", value)


def test_every_entry_of_an_array_lies_within():
    values = np.array([0.0, 0.5])
    assert checks.within("p", values, "[0, 1)") is values
    for value in (1.0, -0.5, np.nan):
        message = f"p must lie in [0, 1), got {value}"
        refuses(ValueError, message, checks.within, "p", [0.5, value], "[0, 1)")
    jax.jit(lambda p: checks.within("p", p, "[0, 1)"))(2.0)


def test_real_numbers_are_neither_complex_nor_booleans():
    counts = np.arange(3)
    assert checks.real("p", counts) is counts
    refuses(
        *(TypeError, "p must hold real numbers, got bool"),
        *(checks.real, "p", np.ones(2, bool)),
    )
    refuses(
        *(TypeError, "p must hold real numbers, got complex64"),
        *(checks.jax_array, "p", np.ones(2, np.complex64)),
    )


def test_what_is_of_another_type_is_named():
    assert checks.instance("place", (1, 2), list, tuple) == (1, 2)
    message = "place must be a list or a tuple, got 3"
    refuses(TypeError, message, checks.instance, "place", 3, list, tuple)
    assert checks.function("map_x", abs) is abs
    message = "map_x must be a function, got 3"
    refuses(TypeError, message, checks.function, "map_x", 3)
    assert checks.flag("closed", False) is False
    assert checks.flag("closed", np.True_)
    refuses(TypeError, "closed must be True or False, got 1", checks.flag, "closed", 1)


def test_counts_have_room_in_32_bits():
    assert checks.count("k", 2**31 - 1) == 2**31 - 1
    message = "k must be at most 2147483647, got 2147483648"
    refuses(ValueError, message, checks.count, "k", 2**31)
    message = "k must be a whole number, at least 1, got True"
    refuses(ValueError, message, checks.count, "k", True)
    assert checks.counts("widths", np.array([3])) == (3,)
    message = f"widths must be 1 or more positive whole numbers, got [{2**31}]"
    refuses(ValueError, message, checks.counts, "widths", [2**31])
    message = "widths must be 1 or more positive whole numbers, got [1.5]"
    refuses(ValueError, message, checks.counts, "widths", 1.5)


def test_large_integers_are_as_good_as_floats_where_any_number_will_do():
    large = checks.positive("beta", 2**40)
    assert isinstance(large, float) and large == 2**40
    assert isinstance(checks.not_negative("beta", 3), int)
    assert float(jax.jit(lambda beta: 2 * beta)(large)) == 2**41


def test_one_number_is_any_but_nan():
    assert checks.number("low", -np.inf) == -np.inf
    refuses(ValueError, "low must be one number, got nan", checks.number, "low", np.nan)


def test_trees_of_one_structure_and_of_the_same_shapes():
    tree = {"w": np.ones((2, 3)), "b": np.ones(3)}
    checks.same_tree(params=tree, vector=dict(tree))
    with pytest.raises(ValueError, match="params and vector must have one structure"):
        checks.same_tree(params=tree, vector=tree["w"])
    with pytest.raises(ValueError, match=r"must have one shape, got .*\(3,\) and \(2"):
        checks.same_tree(params=tree, vector=tree | {"b": np.ones(2)})
    with pytest.raises(TypeError, match="vector must"):
        checks.same_tree(params=tree, vector={"w": "a", "b": "c"})


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16, np.float64])
def test_floats_keep_floating_numbers_and_convert_others(dtype):
    found = checks.floats("x", np.array([1, 100], dtype))
    assert found.dtype == (np.float16 if dtype is np.float16 else np.float32)
    np.testing.assert_array_equal(found, [1, 100])
    # Converted once: on the way through int32 the second would be another number.
    np.testing.assert_array_equal(
        checks.floats("x", np.array([0, 2**40])), [0, 2.0**40]
    )
    with pytest.raises(TypeError, match="x must hold real numbers, got bool"):
        checks.floats("x", [True])


def test_arrays_of_other_libraries_become_numpys():
    found = checks.numeric("x", pd.array([1, 2], dtype="Int64"))
    assert isinstance(found, np.ndarray) and found.tolist() == [1, 2]
    found = checks.numeric("x", xr.DataArray([1.5, 2.0]))
    assert isinstance(found, np.ndarray) and found.tolist() == [1.5, 2.0]
    assert checks.floats("x", np.ones(3, np.longdouble) / 3).dtype == jnp.float32


@pytest.mark.parametrize(
    "value",
    [
        scipy.sparse.csr_matrix(np.eye(2)),
        np.zeros(2, [("a", float)]),
        pd.Series(["a", "b"]),
        pd.Categorical(["a", "b"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_arrays_of_other_libraries_without_numbers_are_named(value):
    with pytest.raises(TypeError, match="x must hold numbers, got"):
        checks.numeric("x", value)


def test_a_key_of_pandas_is_none():
    with pytest.raises(TypeError, match="key must be a key such as .*, got"):
        checks.key("key", pd.array([1, None], dtype="Int64"))


@pytest.mark.parametrize("value", [Decimal("0.5"), Fraction(1, 3)])
def test_numbers_that_jax_cannot_read_are_named(value):
    inside = partial(checks.in_range, interval="[0, 1]")
    for check in (checks.positive, checks.number, inside):
        with pytest.raises(TypeError, match="rate must .*, got"):
            check("rate", value)


def test_trees_of_other_libraries_become_numpys():
    tree = {"w": np.ones(2, np.longdouble), "b": pd.array([1, 2], dtype="Int64")}
    found = checks.real_tree("params", tree)
    assert [found["w"].dtype, found["b"].tolist()] == [np.float64, [1, 2]]
    with pytest.raises(TypeError, match="params must hold numbers, got object"):
        checks.real_tree("params", {"w": pd.Categorical(["a"])})
