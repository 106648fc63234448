"""Layers that depend on parameters, in programs whose dependencies are plain."""

import jax
import jax.numpy as jnp

from ibjax.networks.dependencies import dependencies, first_layers, kernel_places

PARAMS = {
    "a": jnp.ones((3, 3)),
    "bias": jnp.ones(3),
    "c": jnp.ones(1),
    "unused": jnp.ones(()),
}
X = jnp.ones((2, 3))


def _activities(params, x):
    first = jax.jit(jnp.tanh)(x @ params["a"])
    second = first + params["bias"][None] + params["a"][:1]
    return first, jax.checkpoint(jnp.sin)(second), second * params["c"][None]


def test_a_parameter_belongs_to_the_first_layer_that_reads_it():
    assert first_layers(_activities, PARAMS, X) == [0, 1, 2, None]
    assert kernel_places(_activities, PARAMS, X) == [[0], [], []]


def test_calls_are_followed_and_loops_are_taken_as_a_whole():
    def function(x, y):
        called = jax.jit(lambda a, b: (a, 2 * b))(x, y)
        looped = jax.lax.fori_loop(
            0, 2, lambda _, pair: (pair[0] + 1, pair[1] * 2), (x, y)
        )
        return *called, *looped

    program = jax.make_jaxpr(function)(1.0, 2.0).jaxpr
    both = {"x", "y"}
    assert dependencies(program, [{"x"}, {"y"}]) == [{"x"}, {"y"}, both, both]
