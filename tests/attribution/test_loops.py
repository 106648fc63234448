"""Batches and steps in Python are those of a compiled loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import attribution, networks
from ibjax.attribution import loops
from ibjax.compilation import dividing_over
from ibjax.estimators import over_devices
from ibjax.numerics import checks

ROWS = np.arange(14.0, dtype=np.float32).reshape(7, 2)


def _function(x, keys):
    draws = jax.vmap(lambda key: jax.random.uniform(key, (2,)))(keys)
    return {"sum": jnp.sum(x, axis=1), "draws": x + draws}


@pytest.mark.parametrize("batch_size", [3, None])
def test_any_batch_size_gives_the_same(batch_size):
    keys = loops.keys_of_inputs(jax.random.key(0), 7)
    whole = jax.jit(_function)(ROWS, keys)
    sizes = []

    def recorded(x, keys):
        sizes.append(x.shape[0])
        return jax.jit(_function)(x, keys)

    for wrap in (lambda f: f, jax.jit):
        found = wrap(lambda *args: loops.in_batches(recorded, batch_size, *args))(
            ROWS, keys
        )
        jax.tree.map(np.testing.assert_array_equal, found, whole)
    assert set(sizes) == {min(batch_size or 7, 7)}


@pytest.mark.parametrize("num", [1, 2, 7])
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("in_steps", [False, True])
def test_devices_take_a_batch_each(num, batch_size, in_steps):
    devices = jax.devices()
    assert len(devices) == 2
    keys = loops.keys_of_inputs(jax.random.key(0), num)
    whole = jax.jit(_function)(ROWS[:num], keys)
    calls = []
    compiled = jax.jit(_function)

    def explain(x, keys):
        if not checks.is_traced(x):
            calls.append((*x.devices(), len(x)))
        return compiled(x, keys)

    def in_three_steps(x, keys):
        yield from loops.stepwise(lambda state, _: (state, None), None, 3)
        return explain(x, keys)

    def call(*args):
        function = in_three_steps if in_steps else explain
        return loops.in_batches(function, batch_size, *args)

    found = over_devices(call)(ROWS[:num], keys)
    jax.tree.map(np.testing.assert_array_equal, found, whole)
    assert all(leaf.devices() == {devices[0]} for leaf in jax.tree.leaves(found))
    size = min(batch_size or num, -(-num // 2))
    numbers = range(-(-num // size))
    assert calls == [(devices[number % 2], size) for number in numbers]
    with dividing_over(devices):
        traced = jax.jit(call)(ROWS[:num], keys)
    jax.tree.map(np.testing.assert_array_equal, traced, whole)


@pytest.mark.parametrize("wrap", [jax.vmap, jax.grad, jax.jit])
def test_what_is_traced_is_as_on_one_device(wrap):
    def total(weights):
        def explain(x):
            step = lambda state, _: (state + x @ weights, None)  # noqa: E731
            return (yield from loops.stepwise(step, jnp.zeros(len(x)), 3))[0]

        return jnp.sum(loops.in_batches(explain, 2, ROWS) ** 2)

    weights = jnp.ones((3, 2)) if wrap is jax.vmap else jnp.ones(2)
    np.testing.assert_array_equal(
        wrap(over_devices(total))(weights), wrap(total)(weights)
    )


def test_batches_take_their_steps_in_turn():
    order = []

    def explain(x):
        def step(state, number):
            order.append((x[0, 0].item(), int(number)))
            return state, None

        yield from loops.stepwise(step, None, 2)
        return x

    found = over_devices(lambda x: loops.in_batches(explain, 3, x))(ROWS)
    np.testing.assert_array_equal(found, ROWS)
    # Rows 0 and 3 begin the first two batches, row 6 fills the last.
    first = [(0, 0), (6, 0), (0, 1), (6, 1)]
    assert order == [*first, (12, 0), (12, 1)]


def test_steps_are_those_of_a_scan():
    def step(state, number):
        return state + number, (state, number)

    for wrap in (lambda f: f, jax.jit):
        state, (before, numbers) = wrap(lambda s: loops.repeat(step, s, 4))(1.0)
        assert state == 7
        np.testing.assert_array_equal(before, [1, 1, 2, 4])
        np.testing.assert_array_equal(numbers, range(4))


def test_a_model_must_return_outputs_of_classes():
    with pytest.raises(
        ValueError, match=r"outputs \[num, num_classes\] .*, got \(1,\)"
    ):
        loops.check_model(lambda params, x: x[:, 0], None, ROWS, 0)
    with pytest.raises(TypeError, match="x must be floating"):
        loops.check_model(lambda params, x: x, None, ROWS.astype(int), 0)


def test_mistakes_are_named():
    network = networks.mlp([2, 3, 2])
    model = attribution.output(network)
    with pytest.raises(TypeError, match="network must be a Network, got 3"):
        attribution.split(3, "tanh 3")
    with pytest.raises(ValueError, match="model must fit params and x, got "):
        attribution.gradient(model, [(ROWS,)], ROWS, 0)
    with pytest.raises(TypeError, match="batch_size must be a whole number"):
        loops.in_batches(lambda rows: rows, "two", ROWS)
    with pytest.raises(TypeError, match="model must be a function"):
        attribution.gradient(None, None, ROWS, 0)
