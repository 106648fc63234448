"""Lanczos iteration: eigenvalues of a symmetric matrix known by its products."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["ROUNDINGS", "Tridiagonal", "lanczos"]

ROUNDINGS = 32
"""Roundings of the matrix's size below which a remainder is nothing but rounding."""


class Tridiagonal(NamedTuple):
    """Eigenvalues of the tridiagonal matrix, and what each is worth.

    Attributes:
      values: Eigenvalues, ascending, shape ``[num_steps]``.
      weights: Squared first components of its eigenvectors, shape ``[num_steps]``.
      residuals: Distance within which the whole matrix has an eigenvalue, shape
        ``[num_steps]``.
    """

    values: jax.Array
    weights: jax.Array
    residuals: jax.Array


def lanczos(
    key: jax.Array,
    product: Callable[[jax.Array], jax.Array],
    start: jax.Array,
    num_steps: int,
) -> Tridiagonal:
    """Lanczos iteration with full reorthogonalization.

    Where the start spans an invariant subspace, the iteration goes on from a random
    vector orthogonal to it, drawn from ``key``, so that eigenvalues of any multiplicity
    are found.

    Args:
      key: Draws the vectors of new subspaces.
      product: From a vector ``[dim]`` to the matrix's product with it.
      start: First vector, not zero, shape ``[dim]``.
      num_steps: Number of products, at most ``dim``.
    """
    eps = jnp.finfo(start.dtype).eps

    def orthogonal(vector, basis):
        # Twice is enough: what the first pass leaves is of the size of its rounding.
        for _ in range(2):
            vector = vector - basis.T @ (basis @ vector)
        return vector

    def step(carry, number):
        basis, vector, size = carry
        basis = basis.at[number].set(vector)
        image = product(vector)
        alpha = jnp.vdot(vector, image)
        image = orthogonal(image, basis)
        beta = jnp.linalg.norm(image)
        size = jnp.maximum(size, jnp.abs(alpha) + beta)
        is_closed = beta <= ROUNDINGS * eps * size

        def fresh():
            drawn = jax.random.normal(
                jax.random.fold_in(key, number), vector.shape, vector.dtype
            )
            return orthogonal(drawn, basis)

        image = lax.cond(is_closed, fresh, lambda: image)
        following = image / jnp.linalg.norm(image)
        return (basis, following, size), (alpha, jnp.where(is_closed, 0.0, beta))

    basis = jnp.zeros((num_steps, len(start)), start.dtype)
    first = start / jnp.linalg.norm(start)
    carry = basis, first, jnp.zeros((), start.dtype)
    _, (alphas, betas) = lax.scan(step, carry, jnp.arange(num_steps))
    between = jnp.diag(betas[:-1], 1)
    values, vectors = jnp.linalg.eigh(jnp.diag(alphas) + between + between.T)
    return Tridiagonal(values, vectors[0] ** 2, betas[-1] * jnp.abs(vectors[-1]))
