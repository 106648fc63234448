"""Functions of the caller's, and whose errors are whose."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from ibjax.numerics import checks
from ibjax.numerics.calls import is_said, shapes_of

X = jnp.ones((5, 2))


def test_shapes_are_those_of_the_result():
    def model(w, x):
        return x @ w, x

    first, second = shapes_of("model", model, params=jnp.ones((2, 3)), x=X)
    assert first.shape == (5, 3) and second.shape == (5, 2)


def test_what_does_not_fit_is_named_with_the_error_that_it_raised():
    with pytest.raises(TypeError, match="model must be a function, got 3"):
        shapes_of("model", 3, params=X)
    with pytest.raises(ValueError, match="model must fit params and x, got Type") as e:
        shapes_of("model", jnp.matmul, params=X, x=X)
    assert isinstance(e.value.__cause__, TypeError)
    with pytest.raises(TypeError, match="number must be a whole number"):
        shapes_of("model", lambda x: checks.count("number", "three"), x=X)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        (scipy.sparse.csr_matrix(np.eye(2)), "a csr_matrix"),
        ([np.ones(2, np.longdouble)], f"one of {np.dtype(np.longdouble)}"),
    ],
)
def test_arrays_that_jax_does_not_take_are_named(params, found):
    # Their shapes alone would do to trace a function.
    message = f"params must hold arrays that JAX takes, got {found}"
    with pytest.raises(TypeError, match=message):
        shapes_of("model", lambda w, x: x, params=params, x=X)


def test_who_raised_an_error():
    def error_of(function):
        with pytest.raises(TypeError) as found:
            function()
        return found.value

    def own():
        raise TypeError("of a test")

    assert is_said(error_of(lambda: checks.count("number", "three")))
    # The interpreter's, of a line of the package, and another file's.
    assert not is_said(error_of(lambda: checks.same_length(x=1)))
    assert not is_said(error_of(own))
    assert not is_said(TypeError("never raised"))
