"""The convolution for loops, against JAX's own and its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ibjax.networks import conv_general_dilated

RNG = np.random.default_rng(0)
LAST = ("NHWC", "HWIO", "NHWC")


def _both(shape, kernel, **options):
    """Values and gradients of the two, of a sum with random weights."""
    lhs = RNG.normal(size=shape).astype(np.float32)
    rhs = RNG.normal(size=kernel).astype(np.float32)
    size = jax.eval_shape(
        lambda a, b: lax.conv_general_dilated(a, b, **options), lhs, rhs
    )
    weights = RNG.normal(size=size.shape).astype(np.float32)
    for function in (conv_general_dilated, lax.conv_general_dilated):

        def loss(lhs, rhs, function=function):
            found = function(lhs, rhs, **options)
            return (found * weights).sum(), found

        yield jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(lhs, rhs)


@pytest.mark.parametrize(
    "size, strides, padding",
    [
        ((3, 3), (1, 1), "SAME"),
        ((3, 2), (2, 2), "SAME"),
        ((2, 3), (3, 2), "VALID"),
        ((1, 1), (2, 2), "SAME"),
        ((3, 3), (2, 1), [(2, 0), (1, 3)]),
    ],
)
def test_values_and_gradients_are_those_of_jax(size, strides, padding):
    found, expected = _both(
        (4, 8, 7, 3),
        (*size, 3, 5),
        window_strides=strides,
        padding=padding,
        dimension_numbers=LAST,
    )
    # Sums of up to 4 * 8 * 7 terms of size one.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-5),
        found,
        expected,
    )


def test_gradients_are_of_the_type_of_what_they_are_of():
    """Where products of few digits are summed in more."""
    lhs, rhs = (
        jnp.asarray(RNG.normal(size=shape), jnp.bfloat16)
        for shape in ((2, 5, 5, 2), (3, 3, 2, 4))
    )
    options = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": LAST}

    def gradients(convolution, lhs, rhs, **more):
        def loss(lhs, rhs):
            return jnp.sum(convolution(lhs, rhs, **options, **more) ** 2)

        return jax.grad(loss, (0, 1))(lhs, rhs)

    found = gradients(
        conv_general_dilated, lhs, rhs, preferred_element_type=jnp.float32
    )
    own = (array.astype(jnp.float32) for array in (lhs, rhs))
    exact = gradients(lax.conv_general_dilated, *own)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == jnp.bfloat16
        # The last rounding, and one more where that of float32 sums tips it over.
        rounded = np.float32(one), np.float32(other)
        np.testing.assert_allclose(*rounded, rtol=2 * 2.0**-8, atol=1e-5)


@pytest.mark.parametrize(
    "shape, kernel, options",
    [
        ((2, 6, 4), (3, 4, 5), {"dimension_numbers": ("NWC", "WIO", "NWC")}),
        ((2, 6, 6, 4), (3, 3, 2, 4), {"feature_group_count": 2}),
        ((2, 6, 6, 4), (3, 3, 4, 2), {"rhs_dilation": (2, 2)}),
        ((2, 4, 6, 6), (2, 4, 3, 3), {"dimension_numbers": ("NCHW", "OIHW", "NCHW")}),
    ],
)
def test_what_else_there_is_goes_to_jax(shape, kernel, options):
    options = {"dimension_numbers": LAST, "padding": "SAME"} | options
    strides = (1,) * (len(shape) - 2)
    programs = [
        str(
            jax.make_jaxpr(
                lambda a, b, f=function: f(a, b, window_strides=strides, **options)
            )(np.zeros(shape), np.zeros(kernel))
        )
        for function in (conv_general_dilated, lax.conv_general_dilated)
    ]
    assert programs[0] == programs[1]


def test_its_gradient_has_no_convolution_of_another_order():
    program = jax.make_jaxpr(
        jax.grad(
            lambda w, x: conv_general_dilated(
                x, w, (1, 1), "SAME", None, None, LAST
            ).sum()
        )
    )(np.zeros((3, 3, 2, 4), np.float32), np.zeros((2, 5, 5, 2), np.float32))
    text = str(program)
    assert text.count("conv_general_dilated[") == 3
    assert text.count("lhs_spec=(0, 3, 1, 2)") == 3


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match="rhs must be an array of numbers"):
        conv_general_dilated(np.zeros((1, 5, 5, 1)), "kernel", (1, 1), "SAME")
