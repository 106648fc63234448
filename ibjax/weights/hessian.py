"""Curvature without its matrix: products, traces, eigenvalues, log-determinants.

Functions take a linear map on trees, symmetric, of which they ask for products alone:
that of a Hessian is ``functools.partial(hvp, loss, params)``, that of a Fisher matrix
:func:`ibjax.weights.fisher_vector_product`. Wrap a function in ``jax.jit`` to call it
more than once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.weights.lanczos import ROUNDINGS, lanczos

__all__ = [
    "Eigenvalues",
    "Estimate",
    "TraceEstimate",
    "hessian_trace",
    "hvp",
    "log_determinant",
    "spectral_sum",
    "top_eigenvalues",
]

Product = Callable[[Any], Any]
"""A symmetric linear map: from a tree to one of the same structure."""


class Estimate(NamedTuple):
    """Mean over random probes.

    Attributes:
      value: The estimate, shape ``[]``.
      standard_error: Its standard error, shape ``[]``; NaN of a single probe.
    """

    value: jax.Array
    standard_error: jax.Array


class TraceEstimate(NamedTuple):
    """Trace of a matrix and of its blocks on the diagonal.

    Attributes:
      value: The trace, shape ``[]``.
      standard_error: Its standard error over probes, shape ``[]``; NaN of a single one.
      blocks: Trace of the block of every array, a tree like that of the parameters.
    """

    value: jax.Array
    standard_error: jax.Array
    blocks: Any


class Eigenvalues(NamedTuple):
    """Largest eigenvalues.

    Attributes:
      values: Descending, shape ``[num_values]``.
      residuals: Distance within which the matrix has an eigenvalue, shape
        ``[num_values]``; small where the iteration has converged.
    """

    values: jax.Array
    residuals: jax.Array


@full_precision
def hvp(loss: Callable[[Any], jax.Array], params: Any, vector: Any) -> Any:
    """Product of the Hessian of a loss and a vector.

    Both derivatives are in reverse mode, the only one that networks need to have.

    Args:
      loss: From parameters to a number.
      params: Where the Hessian is taken, a pytree.
      vector: The vector, a tree like ``params``.

    Returns:
      The product, a tree like ``params``.

    Raises:
      ValueError: If ``params`` hold no number, or trees or shapes differ.

    References:
      Pearlmutter, `Fast exact multiplication by the Hessian`, Neural Computation 6,
      1994.

    Example:
      >>> print(hvp(lambda w: w[0] ** 2 * w[1], jnp.array([1.0, 3.0]), jnp.ones(2)))
      [8. 2.]
    """
    params = _floating("params", params)
    vector = _floating("vector", vector)
    checks.same_tree(params=params, vector=vector)
    checks.function("loss", loss)

    def slope(params):
        parts = jax.tree.map(jnp.vdot, jax.grad(loss)(params), vector)
        return sum(jax.tree.leaves(parts))

    return jax.grad(slope)(params)


@full_precision
def hessian_trace(
    key: jax.Array, product: Product, like: Any, *, num_probes: int = 100
) -> TraceEstimate:
    """Trace of a matrix by Hutchinson's estimator, also array by array.

    The mean of v H v over random signs v, of variance twice the sum of squares of H off
    its diagonal: exact for a diagonal matrix.

    Args:
      key: Draws the signs.
      product: Product with the matrix.
      like: A tree like those that ``product`` takes, such as the parameters.
      num_probes: Number of products.

    Returns:
      The traces and their error.

    Raises:
      TypeError: If ``key`` is no typed key.
      ValueError: If ``num_probes`` is not positive, or ``like`` holds no number.

    References:
      Hutchinson, `A stochastic estimator of the trace of the influence matrix`, 1990.

    Example:
      >>> found = hessian_trace(
      ...     jax.random.key(0), lambda v: jnp.array([1.0, 4.0]) * v, jnp.zeros(2)
      ... )
      >>> print(found.value, found.standard_error)
      5.0 0.0
    """
    checks.function("product", product)
    checks.key("key", key)
    checks.count("num_probes", num_probes)
    flat, as_tree = _checked(product, like)

    def probe(key):
        signs = as_tree(jax.random.rademacher(key, flat.shape, flat.dtype))
        return jax.tree.map(jnp.vdot, signs, product(signs))

    blocks = lax.map(probe, jax.random.split(key, num_probes))
    total = sum(jax.tree.leaves(blocks))
    value, error = _mean_and_error(total)
    return TraceEstimate(value, error, jax.tree.map(jnp.mean, blocks))


@full_precision
def top_eigenvalues(
    key: jax.Array, product: Product, like: Any, *, num_values: int, num_steps: int
) -> Eigenvalues:
    """Largest eigenvalues of a symmetric matrix, by Lanczos iteration.

    For the smallest ones take the negative product. With as many steps as there are
    parameters all eigenvalues are exact, up to rounding.

    Args:
      key: Draws the first vector.
      product: Product with the matrix.
      like: A tree like those that ``product`` takes, such as the parameters.
      num_values: How many eigenvalues to return.
      num_steps: Number of products; that many vectors of parameters are held.

    Returns:
      The eigenvalues and how far they may be off.

    Raises:
      TypeError: If ``key`` is no typed key.
      ValueError: If there are more values than steps or more steps than parameters.

    References:
      Golub and Van Loan, `Matrix computations`, 4th ed., 2013, ch. 10.

    Example:
      >>> @jax.jit
      ... def largest(key, diagonal):
      ...     product = lambda v: diagonal * v
      ...     return top_eigenvalues(
      ...         key, product, diagonal, num_values=2, num_steps=3
      ...     )
      >>> found = largest(jax.random.key(0), jnp.array([1.0, 5.0, 3.0]))
      >>> print([f"{value:.3f}" for value in found.values])
      ['5.000', '3.000']
    """
    checks.function("product", product)
    checks.key("key", key)
    flat, as_tree = _steps_checked(product, like, num_steps)
    checks.count("num_values", num_values)
    if num_values > num_steps:
        raise ValueError(
            f"num_values must be at most num_steps {num_steps}, got {num_values}"
        )
    key_start, key_fresh = jax.random.split(key)
    start = jax.random.normal(key_start, flat.shape, flat.dtype)
    found = lanczos(key_fresh, _on_vectors(product, as_tree), start, num_steps)
    top = slice(-1, -num_values - 1, -1)
    return Eigenvalues(found.values[top], found.residuals[top])


@full_precision
def spectral_sum(
    key: jax.Array,
    function: Callable[[jax.Array], jax.Array],
    product: Product,
    like: Any,
    *,
    num_probes: int = 10,
    num_steps: int = 30,
) -> Estimate:
    r"""Sum of a function over all eigenvalues, by stochastic Lanczos quadrature.

    The mean over random signs v of :math:`v^T f(A) v`, each by the quadrature that a
    Lanczos iteration from v gives; it is exact for polynomials of a degree below twice
    the number of steps. Eigenvalues within 32 roundings of the largest one are zero.

    Args:
      key: Draws the signs.
      function: From eigenvalues to numbers, elementwise.
      product: Product with the matrix.
      like: A tree like those that ``product`` takes, such as the parameters.
      num_probes: Number of iterations.
      num_steps: Products in each; that many vectors of parameters are held.

    Returns:
      The estimate; its standard error does not count what the quadrature lacks.

    Raises:
      TypeError: If ``key`` is no typed key.
      ValueError: If a count is not positive, or there are more steps than parameters.

    References:
      Ubaru, Chen and Saad, `Fast estimation of tr(f(A)) via stochastic Lanczos
      quadrature`, SIAM J. Matrix Anal. Appl. 38, 2017.

    Example:
      >>> @jax.jit
      ... def sum_of_squares(key, diagonal):
      ...     product, square = lambda v: diagonal * v, lambda h: h**2
      ...     return spectral_sum(key, square, product, diagonal, num_steps=2)
      >>> found = sum_of_squares(jax.random.key(0), jnp.array([1.0, 3.0]))
      >>> print(f"{found.value:.3f}")
      10.000
    """
    checks.function("product", product)
    checks.function("function", function)
    checks.key("key", key)
    checks.count("num_probes", num_probes)
    flat, as_tree = _steps_checked(product, like, num_steps)

    def probe(key):
        key_signs, key_fresh = jax.random.split(key)
        signs = jax.random.rademacher(key_signs, flat.shape, flat.dtype)
        found = lanczos(key_fresh, _on_vectors(product, as_tree), signs, num_steps)
        # Null directions have eigenvalues of either sign, by rounding, and f may have a
        # meaning on one side of zero alone.
        sizes = jnp.abs(found.values)
        rounding = ROUNDINGS * jnp.finfo(sizes.dtype).eps * jnp.max(sizes)
        values = jnp.where(sizes <= rounding, 0.0, found.values)
        # A node without weight is of another subspace, where f may not be finite.
        terms = jnp.where(found.weights > 0, function(values), 0.0)
        return flat.size * jnp.sum(found.weights * terms)

    return Estimate(*_mean_and_error(lax.map(probe, jax.random.split(key, num_probes))))


def log_determinant(
    key: jax.Array,
    product: Product,
    like: Any,
    *,
    scale: ArrayLike,
    num_probes: int = 10,
    num_steps: int = 30,
) -> Estimate:
    r"""Log-determinant :math:`\log |I + s A|`, by stochastic Lanczos quadrature.

    The Lagrangian of :func:`ibjax.weights.gaussian_lagrangian` has it of the Hessian of
    the summed loss, at :math:`s = \lambda^2 / \beta`. The information is the
    :func:`spectral_sum` of :math:`\frac12 [\log (1 + s h) - s h / (1 + s h)]`.

    Args:
      key: Draws the signs.
      product: Product with the matrix A.
      like: A tree like those that ``product`` takes, such as the parameters.
      scale: The factor s, not negative; it may be traced.
      num_probes: Number of iterations.
      num_steps: Products in each.

    Returns:
      The estimate in nats; NaN where an eigenvalue is below :math:`-1 / s` by more than
      its rounding.

    Raises:
      TypeError: If ``key`` is no typed key.
      ValueError: If ``scale`` is negative, or as :func:`spectral_sum`.

    References:
      Ubaru, Chen and Saad, SIAM J. Matrix Anal. Appl. 38, 2017.

    Example:
      >>> def threefold(key):
      ...     product = lambda v: 3.0 * v
      ...     return log_determinant(key, product, jnp.zeros(5), scale=2.0, num_steps=1)
      >>> found = jax.jit(threefold)(jax.random.key(0))
      >>> print(f"{found.value:.4f}")  # 5 log 7
      9.7296
    """
    checks.function("product", product)
    scale = checks.not_negative("scale", scale)
    return spectral_sum(
        key,
        lambda values: jnp.log1p(scale * values),
        product,
        like,
        num_probes=num_probes,
        num_steps=num_steps,
    )


def _steps_checked(
    product: Product, like: Any, num_steps: int
) -> tuple[jax.Array, Callable]:
    """The tree as a vector, and back, once the number of steps is known to fit."""
    flat, as_tree = _checked(product, like)
    checks.count("num_steps", num_steps)
    if num_steps > flat.size:
        raise ValueError(
            f"num_steps must be at most the number of parameters, {flat.size}, got "
            f"{num_steps}"
        )
    return flat, as_tree


def _checked(product: Product, like: Any) -> tuple[jax.Array, Callable]:
    """The tree as a vector, and back, once its product is known to be one like it."""
    like = _floating("like", like)
    checks.same_tree(like=like, product=shapes_of("product", product, like=like))
    return ravel_pytree(like)


def _floating(name: str, tree: Any) -> Any:
    """A tree of floating arrays, those of other libraries converted."""
    tree = checks.not_empty_tree(name, checks.real_tree(name, tree), "number")
    return jax.tree.map(lambda leaf: checks.floating(name, leaf), tree)


def _on_vectors(product: Product, as_tree: Callable) -> Callable:
    return lambda vector: ravel_pytree(product(as_tree(vector)))[0]


def _mean_and_error(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean over probes and its standard error; of one probe the latter is NaN."""
    num = len(values)
    spread = jnp.std(values, ddof=1) if num > 1 else jnp.full((), jnp.nan)
    return jnp.mean(values), spread / num**0.5
