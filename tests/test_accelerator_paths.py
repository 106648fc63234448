"""What accelerators compute in their own way: on a CPU, against what a CPU computes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import TrainConfig, compilation, datasets, networks, probes, sweep
from ibjax.compilation import compiling_for, exact_jit
from ibjax.estimators import binning
from ibjax.estimators.density import bandwidths
from ibjax.estimators.kde import all_pairs as kde_pairs
from ibjax.estimators.knn import all_pairs, search
from ibjax.estimators.knn.separations import below, tied
from ibjax.estimators.propagation import mixtures
from ibjax.networks.mlp import _unrolled_product, _unrolled_pullback
from ibjax.numerics import descent
from ibjax.sweeps import program

# Largest relative error of one operation.
UNIT = 2.0**-24


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces and blocks so small that few samples fill several of them."""
    monkeypatch.setattr(compilation, "_LONGEST_REDUCTION", 100)
    for module in (kde_pairs, all_pairs):
        monkeypatch.setattr(module, "_PAIRS", 2**14)
        monkeypatch.setattr(module, "_HELD_PAIRS", 2**13)


def _kernel_sums(points, weights, rows):
    """Sums in float64 of some rows, and what rounding may change them by."""
    dim, num_samples = points.shape
    points, weights = np.float64(points), np.float64(weights)
    square = sum((x[rows, None] - x) ** 2 for x in points)
    size = np.max(np.sum(points**2, axis=0))
    # Of a sum of squares of differences, or of two squares and a product.
    few = dim <= kde_pairs._FEW_UNITS
    wrong = UNIT * ((dim + 2) * square if few else 4 * (dim + 1) * size)
    # A sum of positive numbers in any order: n roundings, which are not all one way.
    summing = 6 * UNIT * np.sqrt(num_samples)
    sums, errors = [], []
    for power in (1, 4):
        kernel = 2.0 ** (-power * square)
        # An exponential is good to four units, its fourth power to four times as many.
        relative = power * (np.log(2) * wrong + 4 * UNIT) + 4 * UNIT + summing
        sums.append(kernel @ weights)
        errors.append((kernel * relative) @ weights + 1e-30)
    return np.array(sums), np.array(errors)


def _check_kernel_sums(num_samples, dim, num_classes, scale=1.0):
    rng = np.random.default_rng(dim)
    points = rng.normal(0, scale, (dim, num_samples)).astype(np.float32)
    points[:, 1] = points[:, 0]
    weights = rng.dirichlet(np.ones(num_classes), num_samples).astype(np.float32)
    found = np.asarray(exact_jit(kde_pairs.sums_of_all_pairs)(points, 1.0, weights))
    assert found.shape == (2, num_samples, num_classes)
    rows = np.linspace(0, num_samples - 1, min(num_samples, 300), dtype=int)
    expected, error = _kernel_sums(points, weights, rows)
    assert np.all(np.abs(found[:, rows] - expected) <= error)
    # The bound is of the worst case, and yet it says something.
    assert np.median(error / expected) < 1e-4


@pytest.mark.parametrize("num_classes", [1, 2, 3, 8, 9, 12])
@pytest.mark.parametrize("dim", [1, 5])
def test_kernel_sums_of_few_units(dim, num_classes, small_pieces):
    _check_kernel_sums(331, dim, num_classes)


@pytest.mark.parametrize("num_classes", [2, 10])
def test_kernel_sums_of_many_units(num_classes, small_pieces):
    _check_kernel_sums(331, 80, num_classes, scale=0.1)


def test_kernel_sums_of_more_samples_than_a_piece():
    _check_kernel_sums(8300, 1, 2)


def _spaces(num_samples, dims, ties):
    """Samples in several spaces; with ties on a grid, most of them copies."""
    rng = np.random.default_rng(sum(dims))
    spaces = [rng.normal(size=(dim, num_samples)) for dim in dims]
    if ties:
        spaces = [np.round(space) for space in spaces]
    return tuple(jnp.asarray(space, jnp.float32) for space in spaces)


def _assert_same(found, expected, metric, dims):
    if metric == "chebyshev":
        np.testing.assert_array_equal(found, expected)
    else:
        # Both sums of squares have a rounding for each square and each addition.
        rtol = 2 * (max(dims) + 1) * UNIT
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)


@partial(jax.jit, static_argnames=("dims", "metric", "k"))
def _nearest_either_way(spaces, *, k, **options):
    """Separations of the nearest by all pairs, and by the search."""
    points = jnp.concatenate(spaces)
    return all_pairs.all_nearest(points, k=k, **options), search.nearest_separations(
        search.arrange(spaces), points.shape[1], k=k, **options
    )


@partial(jax.jit, static_argnames=("dims", "metric"))
def _within_either_way(spaces, radius, *, dims, metric):
    """Rectangles, and counts in the first space, by all pairs and by the search."""
    options = {"dims": dims, "metric": metric}
    sides = (
        all_pairs.all_rectangles(jnp.concatenate(spaces), radius, **options),
        search.rectangle(search.arrange(spaces), radius, **options),
    )
    counts = []
    for inclusive in (False, True):
        found = all_pairs.all_counts(
            spaces[0],
            (tied if inclusive else below)(radius, metric),
            dims=dims[:1],
            metric=metric,
            inclusive=inclusive,
        )
        expected = search.count_within(
            spaces[:1], radius, metric=metric, inclusive=inclusive
        )
        counts.append((jnp.maximum(found, 1), expected))
    return sides, counts


@pytest.mark.parametrize("metric", ["chebyshev", "euclidean"])
@pytest.mark.parametrize(
    ("dims", "ties", "k"),
    [
        ((1, 1), False, 3),
        ((2, 3), True, 1),
        ((2, 3), True, 8),
        ((2, 3), True, 9),
        pytest.param((70, 2), False, 3, marks=pytest.mark.slow),
        ((70, 2), False, 20),
    ],
)
def test_neighbours(dims, ties, k, metric, small_pieces):
    spaces = _spaces(331, dims, ties)
    options = {"dims": dims, "metric": metric}
    found, expected = _nearest_either_way(spaces, k=k, **options)
    assert found.shape == (k, 331)
    _assert_same(found, expected, metric, dims)
    sides, counts = _within_either_way(spaces, expected[-1], **options)
    _assert_same(*sides, metric, dims)
    for found, expected in counts:
        np.testing.assert_array_equal(found, expected)


def test_neighbours_of_more_samples_than_a_piece():
    x = np.random.default_rng(0).normal(size=8300).astype(np.float32)
    (found,) = all_pairs.all_nearest(
        jnp.asarray(x)[None], dims=(1,), metric="chebyshev", k=1
    )
    # On a line a neighbour is next to one.
    order = np.argsort(x)
    gap = np.concatenate([[np.inf], np.diff(x[order]), [np.inf]])
    np.testing.assert_array_equal(found[order], np.minimum(gap[1:], gap[:-1]))


@pytest.mark.parametrize("shape", [(1, 1), (3, 12), (32, 32)])
def test_unrolled_products(shape):
    rng = np.random.default_rng(0)
    units, inputs = shape
    w, b = rng.normal(size=shape), rng.normal(size=units)
    h, g = rng.normal(size=(inputs, 50)), rng.normal(size=(units, 50))
    w, b, h, g = (x.astype(np.float32) for x in (w, b, h, g))
    exact = [np.float64(x) for x in (w, b, h, g)]

    def check(found, expected, magnitude, num_terms):
        # A sum of so many products, in any order.
        assert np.all(np.abs(found - expected) <= (num_terms + 1) * UNIT * magnitude)

    def product(w, b, h):
        return w @ h + b[:, None]

    def pullback(w, h, g):
        return g @ h.T, g.sum(axis=1), w.T @ g

    sizes = [np.abs(x) for x in exact]
    found = np.asarray(_unrolled_product(w, b, h))
    check(found, product(*exact[:3]), product(*sizes[:3]), inputs)
    of_exact, of_sizes = ((x[0], x[2], x[3]) for x in (exact, sizes))
    for found, expected, size, terms in zip(
        _unrolled_pullback(jnp.asarray(w), h, jnp.asarray(g)),
        pullback(*of_exact),
        pullback(*of_sizes),
        (50, 50, units),
        strict=True,
    ):
        assert found.dtype == jnp.float32
        check(np.asarray(found), expected, size, terms)


_CLIPPED = optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.1, 0.9))
_BY_ARRAY = optax.chain(optax.clip_by_block_rms(0.1), optax.sgd(0.1))


@pytest.mark.parametrize(
    ("by_leaf", "one_vector"),
    [
        (optax.adam(0.1), True),
        (_CLIPPED, True),
        (optax.adam(0.1), False),
        # Has no state that tells that it looks at single arrays.
        (_BY_ARRAY, False),
    ],
)
def test_descent_on_a_vector_is_descent_leaf_by_leaf(by_leaf, one_vector):
    chosen = optax.flatten(by_leaf) if one_vector else by_leaf
    params = {"w": jnp.arange(6.0).reshape(2, 3), "b": (jnp.ones(3), jnp.zeros(()))}
    targets = jnp.linspace(-1.0, 1.0, 5)

    def loss(params, memory, target):
        squares = [jnp.sum((x - target) ** 2) for x in jax.tree.leaves(params)]
        return sum(squares), (memory + target, sum(squares))

    def descend(optimizer):
        def steps(params):
            state = descent.init(params, optimizer, jnp.zeros(()))
            end, records = descent.descend(
                loss, state, targets, optimizer, one_vector=one_vector
            )
            return end.params, end.memory, records

        return steps

    expected = jax.jit(descend(by_leaf))(params)
    with compiling_for("gpu"):
        found = jax.jit(descend(chosen))(params)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        # Five steps of some ten operations, on numbers up to 30.
        np.testing.assert_allclose(one, other, rtol=50 * UNIT, atol=50 * UNIT)


@pytest.mark.parametrize("dim", [1, 3, 70])
def test_rows_have_the_same_numbers_by_either_hash(dim):
    # Rows of few different numbers, of which many are copies or in another order.
    rows = np.random.default_rng(dim).integers(0, 3, (40, dim))
    rows = np.concatenate([rows, rows[::2], rows[:, ::-1]])
    bins = jnp.asarray(rows.T, jnp.uint32)
    same = np.all(rows[:, None] == rows[None], axis=2)
    words = np.asarray(binning._words_at_once(bins))
    np.testing.assert_array_equal(words[:, None] == words[None], same)
    # The number of the last copy of a row, whatever the hash.
    last = len(rows) - 1 - np.argmax(same[:, ::-1], axis=1)
    np.testing.assert_array_equal(binning._row_numbers(bins), last)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_rows_have_the_numbers_of_their_last_copies(platform):
    rows = np.random.default_rng(0).integers(0, 2, (500, 6))
    same = np.all(rows[:, None] == rows[None], axis=2)
    last = len(rows) - 1 - np.argmax(same[:, ::-1], axis=1)
    with compiling_for(platform):
        found = binning._row_numbers(jnp.asarray(rows.T, jnp.uint32))
    np.testing.assert_array_equal(found, last)


@pytest.mark.parametrize("dim", [1, 7, 70])
def test_mixtures_are_the_same_by_either_loop(dim):
    rng = np.random.default_rng(dim)
    centres = rng.normal(size=(150, 2, dim)).astype(np.float32)
    weights = rng.dirichlet(np.ones(2), 150).astype(np.float32)
    z = rng.normal(size=(150, dim)).astype(np.float32)
    columns = mixtures.columns_of(centres, weights)

    def log_sums(centre, z):
        return mixtures.log_sums(centre, z, *columns)

    by_loop = jax.jit(log_sums)(centres[:, 0], z)
    with compiling_for("gpu"):
        unrolled = jax.jit(log_sums)(centres[:, 0], z)
    difference = centres[None, :, 0] - centres[:, None, 0]
    terms = np.abs(difference * (z[:, None] - difference / 2))
    # An exponent is a sum of so many terms of four roundings; then 300 are summed.
    error = 2 * UNIT * ((dim + 4) * terms.sum(axis=2).max() + 6 * np.sqrt(300))
    for found, expected in zip(unrolled, by_loop, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2 * UNIT, atol=error)


@pytest.mark.parametrize("dim", [1, 5, 60])
def test_densities_are_the_same_in_tiles_of_either_size(dim, monkeypatch):
    monkeypatch.setattr(bandwidths, "_WIDE_TILE", 150)
    num_samples = 400
    rng = np.random.default_rng(dim)
    points = rng.normal(size=(num_samples, dim)).astype(np.float32)
    groups = rng.integers(0, 2, num_samples)
    width = np.float32(dim**0.5)

    def densities(points):
        return bandwidths.log_densities(
            points,
            jnp.asarray(groups),
            2,
            jnp.zeros(num_samples, bool),
            bandwidths=jnp.full(2, width),
        ).values

    usual = jax.jit(densities)(points)
    with compiling_for("gpu"):
        found = jax.jit(densities)(points)
    assert np.isfinite(usual).all()
    # Squared distances are sums of dim squares, or differences of such; over twice the
    # squared width they are exponents, of a sum of 200 kernels.
    largest = 4 * np.max(np.sum(np.float64(points) ** 2, axis=1))
    error = 4 * (dim + 2) * UNIT * largest / (2 * dim) + 6 * np.sqrt(200) * UNIT
    np.testing.assert_allclose(found, usual, rtol=4 * UNIT, atol=2 * error)


@pytest.fixture
def as_on_an_accelerator(monkeypatch):
    """All choices of an accelerator's program, which then runs on the CPU."""

    def lay_out(num_seeds, block, devices, rows=None):
        layout = lay_out_as_usual(num_seeds, num_seeds, jax.devices()[:1])
        return layout._replace(seeds_at_once=layout.block)

    lay_out_as_usual = program.lay_out
    monkeypatch.setattr(program, "lay_out", lay_out)
    monkeypatch.setattr(program, "compiling_for", lambda _: compiling_for("gpu"))
    # What was traced for a CPU is not to be taken, nor what is traced here later on.
    jax.clear_caches()
    yield
    jax.clear_caches()


def _sweep():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    return sweep(
        jax.random.key(0),
        datasets.make_task(x, (x[:, 0] > 0).astype(int)),
        networks.mlp((3, 4, 2)),
        TrainConfig(learning_rate=0.05, batch_size=8),
        num_seeds=3,
        snapshots=[0, 2],
        probes=[
            probes.losses,
            probes.gradients,
            probes.kde_bounds(0.1),
            probes.nearest_neighbours(0.1),
        ],
        block=2,
    )


@pytest.fixture
def sweep_on_cpu():
    return _sweep()


def test_sweep_has_the_numbers_of_a_cpu(sweep_on_cpu, as_on_an_accelerator):
    found = _sweep()
    assert set(found.data_vars) == set(sweep_on_cpu.data_vars)
    for name, expected in sweep_on_cpu.data_vars.items():
        # Gradients are sums of 40 numbers of about one, eight steps on.
        np.testing.assert_allclose(
            found[name], expected, rtol=1e-4, atol=1e-5, err_msg=name
        )
    assert not all(
        np.array_equal(found[name], sweep_on_cpu[name], equal_nan=True)
        for name in found.data_vars
    )
