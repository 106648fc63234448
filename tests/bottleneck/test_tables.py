"""Joint tables: what is refused, what counts as rounding, which rows are merged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import measures
from ibjax.bottleneck.tables import check_joint, is_joint, merge_inputs

HALVES = np.array([[0.5, 0.0], [0.0, 0.5]])


def _random_table(rng, num_x, num_y):
    return rng.dirichlet(np.ones(num_x * num_y)).reshape(num_x, num_y)


@pytest.mark.parametrize(
    ("dtype", "found"),
    [
        (np.float16, jnp.float32),
        (jnp.bfloat16, jnp.float32),
        (np.float32, jnp.float32),
        (np.float64, jnp.float64),
    ],
)
def test_a_table_is_kept_and_is_float32_at_least(dtype, found):
    with jax.enable_x64(True):
        table = check_joint(HALVES.astype(dtype))
        assert table.dtype == found
        np.testing.assert_array_equal(table, HALVES)


def test_a_list_is_a_table():
    np.testing.assert_array_equal(check_joint([[0.5, 0.0], [0.0, 0.5]]), HALVES)


@pytest.mark.parametrize("shape", [(2, 2), (64, 64), (4096, 2)])
def test_rounding_of_the_cells_is_no_reason_to_refuse(shape):
    rng = np.random.default_rng(0)
    for _ in range(20):
        table = _random_table(rng, *shape).astype(np.float32)
        # Normalised exactly before rounding, and once more in float32.
        for candidate in (table, table / table.sum()):
            check_joint(candidate)
            assert is_joint(candidate)


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2), (0, 3), (3, 0), (3, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"at least one row and two columns, got \("):
        check_joint(np.zeros(shape))
    with pytest.raises(ValueError, match=r"at least one row and two columns, got \("):
        jax.eval_shape(check_joint, jax.ShapeDtypeStruct(shape, jnp.float32))


@pytest.mark.parametrize("dtype", [np.int32, np.bool_, np.complex64])
def test_counts_are_refused(dtype):
    with pytest.raises(TypeError, match="p_xy must be floating, got .*divide counts"):
        check_joint(np.array([[1, 0], [0, 0]], dtype))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[0.5, np.nan], [np.nan, 0.5]], "p_xy must not hold NaN, got 2"),
        ([[0.75, -0.25], [0.0, 0.5]], "p_xy must not be negative, got -0.25"),
        ([[0.5, 0.0], [0.0, 0.75]], "p_xy must sum to one, got 1.25"),
        ([[0.5, 0.0], [0.0, np.inf]], "p_xy must sum to one, got inf"),
        ([[0.0, 0.0], [0.0, 0.0]], "p_xy must sum to one, got 0"),
    ],
)
def test_what_is_no_distribution(cells, message):
    with pytest.raises(ValueError, match=message):
        check_joint(cells)
    # Values cannot be seen under jit: is_joint says there what check_joint cannot.
    table = jnp.array(cells)
    assert not jax.jit(lambda table: is_joint(check_joint(table)))(table)


def test_inputs_with_one_conditional_are_added_up():
    # Weights are powers of two, so that conditionals are the same to the last bit.
    conditionals = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
    which = np.array([1, 0, 0, 1, 0])
    weights = np.array([2, 4, 1, 8, 1]) / 16
    merged, rows = merge_inputs(weights[:, None] * conditionals[which])
    assert merged.shape == (2, 3)
    np.testing.assert_array_equal(rows[[0, 1]], rows[[3, 2]])
    np.testing.assert_allclose(merged[rows[0]], 10 / 16 * conditionals[1], rtol=1e-15)
    np.testing.assert_allclose(merged[rows[1]], 6 / 16 * conditionals[0], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_merging_keeps_what_is_known_of_y(dtype):
    rng = np.random.default_rng(1)
    for _ in range(20):
        weights = rng.dirichlet(np.ones(40))
        conditionals = rng.dirichlet(np.ones(4), 6)[rng.integers(0, 6, 40)]
        p_xy = weights[:, None] * conditionals
        p_xy = (p_xy / p_xy.sum()).astype(dtype)
        merged, rows = merge_inputs(p_xy)
        assert merged.dtype == dtype
        # Within five bits of each other, whatever was merged.
        rounding = 32 * np.finfo(dtype).eps
        shares = p_xy / p_xy.sum(axis=1, keepdims=True)
        merged_shares = merged / merged.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares, merged_shares[rows], rtol=rounding)
        np.testing.assert_allclose(
            merged.sum(axis=0), p_xy.sum(axis=0, dtype=np.float64), rtol=rounding
        )
        by_row = np.bincount(rows, p_xy.sum(axis=1), len(merged))
        np.testing.assert_allclose(by_row, merged.sum(axis=1), rtol=rounding)
        with jax.enable_x64(True):
            np.testing.assert_allclose(
                measures.mutual_information(merged.astype(np.float64)),
                measures.mutual_information(p_xy.astype(np.float64)),
                rtol=rounding,
            )


def test_inputs_that_differ_by_more_than_rounding_stay_apart():
    for dtype in (np.float32, np.float64):
        apart = 128 * np.finfo(dtype).eps
        p_xy = np.array([[0.2, 0.3], [0.2 * (1 + apart), 0.3]], dtype)
        assert len(merge_inputs(p_xy)[0]) == 2


def test_tiny_conditionals_are_told_apart_too():
    p_xy = np.array([[1e-200, 0.5], [2e-200, 0.5]])
    assert len(merge_inputs(p_xy)[0]) == 2


def test_inputs_of_probability_zero_are_left_out():
    p_xy = np.array([[0.0, 0.0], [0.3, 0.1], [0.0, 0.0], [0.1, 0.5]])
    merged, rows = merge_inputs(p_xy)
    assert merged.shape == (2, 2)
    assert rows.dtype == np.int32
    np.testing.assert_allclose(merged[rows[[1, 3]]], p_xy[[1, 3]], rtol=1e-15)
    np.testing.assert_array_equal(rows[[0, 2]], 0)


def test_different_inputs_are_all_kept():
    p_xy = _random_table(np.random.default_rng(2), 50, 3)
    merged, rows = merge_inputs(p_xy)
    np.testing.assert_array_equal(np.sort(rows), np.arange(50))
    np.testing.assert_array_equal(merged[rows], p_xy)
