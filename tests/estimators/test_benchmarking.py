"""Bias, spread and coverage of estimators whose errors are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.datasets.known_information import multinormal_sparse
from ibjax.estimators import InformationEstimate, benchmark
from ibjax.numerics.memory import peak_memory

TASK = multinormal_sparse(1, 1, [0.6])
TRUTH = -0.5 * np.log(1 - 0.36)


def _off_by(*offsets, error=0.1):
    """An estimator whose errors are given, call by call."""
    left = iter(offsets)

    def estimate(x, y):
        assert x.shape == y.shape == (50, 1)
        return InformationEstimate(TRUTH + next(left), error, "mine", ())

    return estimate


def test_errors_are_those_of_the_estimator():
    def refuses(x, y):
        raise ValueError("not for me")

    methods = {
        "mine": _off_by(0.1, -0.15, 0.2, 0.25),
        "number": lambda x, y: TRUTH + 1,
        "refuses": refuses,
    }
    found = benchmark(methods, [TASK], num_samples=50, num_seeds=4)
    assert found.estimate.dims == ("task", "estimator", "seed")
    mine = found.sel(estimator="mine").squeeze("task")
    np.testing.assert_allclose(mine.truth, TRUTH, rtol=1e-6)
    np.testing.assert_allclose(mine.bias, 0.1, atol=1e-6)
    errors = np.array([0.1, -0.15, 0.2, 0.25])
    np.testing.assert_allclose(mine.spread, errors.std(ddof=1), rtol=1e-6)
    np.testing.assert_allclose(mine.bias_error, errors.std(ddof=1) / 2, rtol=1e-6)
    # 0.1 and 0.15 are below 1.96 times 0.1, the others above.
    assert mine.coverage == 0.5
    number = found.sel(estimator="number").squeeze("task")
    np.testing.assert_allclose(number.bias, 1, atol=1e-6)
    assert number.coverage.isnull() and number.spread < 1e-12
    assert found.sel(estimator="refuses").estimate.isnull().all()
    assert (found.seconds >= 0).all()


def test_methods_by_name_get_the_same_samples_as_functions():
    seen = []

    def mine(x, y):
        seen.append((x, y))
        return 0.0

    methods = {"mine": mine, "normal": "gaussian"}
    found = benchmark(methods, [TASK], num_samples=400, num_seeds=2)
    normal = found.sel(estimator="normal").squeeze("task")
    for seed, (x, y) in enumerate(seen):
        r = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
        # But for a correction of bias of order one over the samples.
        expected = -0.5 * np.log(1 - r**2)
        np.testing.assert_allclose(normal.estimate[seed], expected, atol=2 / 400)
    assert not np.array_equal(seen[0][0], seen[1][0])


@pytest.mark.parametrize(
    "methods, tasks, error, message",
    [
        ([], [TASK], ValueError, "methods must"),
        (["ksg", "ksg"], [TASK], ValueError, "name each once"),
        (["kgs"], [TASK], ValueError, "methods must be one of"),
        ({"mine": 3}, [TASK], TypeError, "each of methods must be a function"),
        ({"mine": lambda x, y: "much"}, [TASK], TypeError, "return a number in nats"),
        (["ksg"], [], ValueError, "tasks must"),
        (["ksg"], [3], TypeError, "each of tasks must have name"),
        (3, [TASK], TypeError, "methods must be a"),
        (["ksg"], [TASK, TASK], ValueError, "names of their own"),
    ],
)
def test_what_cannot_be_held_against_tasks_is_named(methods, tasks, error, message):
    with pytest.raises(error, match=message):
        benchmark(methods, tasks, num_samples=50, num_seeds=1)


def test_what_is_compiled_estimates_all_seeds_in_one_program():
    traces = []

    def mine(x, y):
        traces.append(x.shape)
        r = jnp.corrcoef(x[:, 0], y[:, 0])[0, 1]
        return InformationEstimate(-0.5 * jnp.log1p(-(r**2)), 0.1 + 0 * r, "mine", ())

    @jax.jit
    def refuses(x, y):
        raise ValueError("not for me")

    methods = {"one": jax.jit(lambda x, y: mine(x, y).value), "each": mine}
    tasks = [TASK, multinormal_sparse(1, 1, [0.7])]
    found = benchmark(
        methods | {"refuses": refuses}, tasks, num_samples=50, num_seeds=3
    )
    # Three calls a task, and one trace for all seeds of both.
    assert traces == [(50, 1)] * 7
    assert found.sel(estimator="refuses").estimate.isnull().all()
    one, each = (found.sel(estimator=name).isel(task=0) for name in methods)
    np.testing.assert_allclose(one.estimate, each.estimate, rtol=1e-5)
    assert len(np.unique(one.estimate)) == 3
    # The seeds share one call's time and memory.
    assert len(np.unique(one.seconds)) == 1 and one.coverage.isnull()
    assert found.memory.attrs["units"] == "B"


def test_memory_is_what_a_call_added():
    def wasteful(x, y):
        return float(np.ones(2**23).sum()) * 0  # 64 MiB

    methods = {"wasteful": wasteful, "frugal": lambda x, y: 0.0}
    found = benchmark(methods, [TASK], num_samples=50, num_seeds=2)
    memory = found.memory.squeeze("task")
    if peak_memory(lambda: None)[1] is None:
        pytest.skip("the system does not tell the memory of a process")
    assert (memory.sel(estimator="wasteful") > 0.9 * 2**26).all()
    assert (memory.sel(estimator="frugal") < 2**24).all()
