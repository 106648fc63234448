"""Information of a noisy linear layer of Gaussian variables, for any weights."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.covariances import (
    check_covariance,
    check_covariances,
    check_definite,
    check_matrix,
    covariances_exist,
    matmul,
    whiten,
)

__all__ = ["LinearInformation", "linear_projection_information"]


class LinearInformation(NamedTuple):
    """Informations of a noisy linear layer.

    Attributes:
      i_xt: I(X;T) in nats, shape ``[]``.
      i_ty: I(T;Y) in nats, shape ``[]``.
    """

    i_xt: jax.Array
    i_ty: jax.Array


def linear_projection_information(
    cov_x: ArrayLike,
    cov_y: ArrayLike,
    cov_xy: ArrayLike,
    projection: ArrayLike,
    noise_cov: ArrayLike,
) -> LinearInformation:
    r"""I(X;T) and I(T;Y) of T = A X + Z for any A and Gaussian noise Z, in nats.

    .. math::
        I(X;T) = \tfrac12 \log \frac{|A \Sigma_x A^T + \Sigma_z|}{|\Sigma_z|}, \qquad
        I(T;Y) = \tfrac12 \log \frac{|A \Sigma_x A^T + \Sigma_z|}
                                    {|A \Sigma_{x|y} A^T + \Sigma_z|} .

    The layers of a deep linear network are such T, with A the product of the weights
    so far. Without noise I(X;T) is infinite, but
    ``mutual_information(A @ cov_x @ A.T, cov_y, A @ cov_xy)`` is still I(T;Y).
    Here X may be degenerate too. The error is a few roundings of the determinants'
    logarithms, larger by the condition number of ``noise_cov``.

    Args:
      cov_x: Covariance of X, shape ``[dx, dx]``, positive semi-definite.
      cov_y: Covariance of Y, shape ``[dy, dy]``, positive semi-definite.
      cov_xy: Covariance of X with Y, shape ``[dx, dy]``.
      projection: A, shape ``[dt, dx]``.
      noise_cov: Covariance of Z, shape ``[dt, dt]``, positive definite.

    Returns:
      I(X;T) and I(T;Y) in nats. NaN under ``jit`` if ``noise_cov`` is not positive
      definite.

    Raises:
      ValueError: If a shape is wrong or, outside of ``jit``, if no variables have
        these covariances or ``noise_cov`` is not positive definite.
      TypeError: If an argument is not floating.

    Example:
      >>> information = linear_projection_information(
      ...     [[1.0]], [[1.0]], [[0.8]], projection=[[2.0]], noise_cov=[[1.0]]
      ... )
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      0.8047 0.3587 nats
    """
    covariances = check_covariances(cov_x, cov_y, cov_xy, definite=False)
    cov_x = covariances[0]
    projection = check_matrix("projection", projection)
    checks.shape("projection", projection, ["dt", len(cov_x)], why="to match cov_x")
    noise_cov = check_covariance("noise_cov", noise_cov)
    dt = len(projection)
    checks.shape("noise_cov", noise_cov, [dt, dt], why="to match projection")
    check_definite("noise_cov", noise_cov)
    dtype = jnp.result_type(cov_x, projection, noise_cov)
    arrays = (*covariances, projection, noise_cov)
    return _linear_projection_information(*(array.astype(dtype) for array in arrays))


@exact_jit
def _linear_projection_information(cov_x, cov_y, cov_xy, projection, noise_cov):
    noise_whitening, noise_definite = whiten(noise_cov)
    y_whitening, _ = whiten(cov_y)
    # In units of the noise and of Y, both determinants are those of one plus a signal.
    whitened = matmul(noise_whitening, projection)
    along_y = matmul(matmul(whitened, cov_xy), y_whitening.T)
    total = matmul(matmul(whitened, cov_x), whitened.T)

    signals = jnp.stack([total, total - matmul(along_y, along_y.T)])
    roots = jnp.linalg.cholesky(
        jnp.eye(total.shape[0], dtype=total.dtype)[None] + signals
    )
    # Half the logarithm of a determinant is the sum of those of its root's diagonal.
    i_xt, left = jnp.sum(jnp.log(jnp.diagonal(roots, axis1=1, axis2=2)), axis=1)
    i_ty = i_xt - left
    valid = covariances_exist(cov_x, cov_y, cov_xy) & noise_definite
    return LinearInformation(
        jnp.where(valid, i_xt, jnp.nan), jnp.where(valid, i_ty, jnp.nan)
    )
