"""Principal directions: those along which samples vary most."""

import jax
import jax.numpy as jnp

__all__ = ["principal_directions"]


def principal_directions(
    rows: jax.Array, dim: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean of some samples, the directions of largest variance and the variances.

    They come from the covariance of the features, or of the samples if those are fewer,
    in O(min(num_samples, num_features)²) memory. Products are as precise as the caller
    has them.

    Args:
      rows: Samples, shape ``[num_samples, num_features]``, two or more.
      dim: Number of directions, at most ``num_features`` and ``num_samples - 1``.

    Returns:
      The mean ``[num_features]``; orthonormal directions, that of the largest variance
      first, ``[num_features, dim]``, with such signs that the entry of largest size is
      positive; and the variance along each (ddof 1), ``[dim]``.

    Example:
      >>> rows = jnp.array([[0.0, 1.0], [3.0, 5.0], [6.0, 9.0]])
      >>> _, directions, variances = principal_directions(rows, 1)
      >>> print(directions[:, 0], variances)
      [0.6 0.8] [25.]
    """
    num_samples = rows.shape[0]
    mean = jnp.mean(rows, axis=0)
    rows = rows - mean[None]
    # Both products have the same eigenvalues but zeros: take the smaller.
    by_feature = rows.shape[1] <= num_samples
    square = rows.T if by_feature else rows
    square = square @ square.T
    values, vectors = jnp.linalg.eigh(square)
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    if not by_feature:
        vectors = rows.T @ vectors
        # Where there is no variance, orthonormal to the others all the same.
        vectors, _ = jnp.linalg.qr(vectors)
    largest = jnp.argmax(jnp.abs(vectors), axis=0)
    sign = jnp.sign(jnp.take_along_axis(vectors, largest[None], axis=0))
    return mean, vectors * sign, jnp.maximum(values, 0) / (num_samples - 1)
