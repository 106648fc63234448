"""A CPU that rounds products as a GPU does, by `pytest -p tests.rounded_products`.

There the factors of a float32 product keep ten bits unless the program asks for more.
What loses its last digits then would lose them on a GPU, whether the library's numbers
or those that a test holds them against.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import mlir

_PRIMITIVES = lax.dot_general_p, lax.conv_general_dilated_p
_EXACT = (lax.Precision.HIGHEST,) * 2


def _rounded(primitive):
    """Lowering of a product that rounds its factors where no precision was asked for.

    The rules of lowering are no public part of JAX.
    """
    exact = mlir._lowerings[primitive]
    exact = mlir._platform_specific_lowerings["cpu"].get(primitive, exact)
    exact = getattr(exact, "rule", exact)

    def lower(context, *factors, precision, **options):
        is_asked = precision not in (None, (lax.Precision.DEFAULT,) * 2)
        if is_asked or any(a.dtype != jnp.float32 for a in context.avals_in):
            return exact(context, *factors, precision=precision, **options)

        def product(*factors):
            factors = (lax.reduce_precision(f, 8, 10) for f in factors)
            return primitive.bind(*factors, precision=_EXACT, **options)

        return mlir.lower_fun(product, multiple_results=False)(context, *factors)

    return lower


def pytest_configure():
    for primitive in _PRIMITIVES:
        mlir.register_lowering(primitive, _rounded(primitive), platform="cpu")
