r"""Compression before estimation: information between codes instead of raw data.

Every estimator from samples fails in hundreds of dimensions. Data such as images fill
only a few, so that they can first be compressed (Butakov et al., 2024): an encoder is
fitted to single samples, without a look at the other variable, and the information
between codes is estimated. As a code is a function of the sample, the data processing
inequality gives :math:`I(E(X); Y) \le I(X; Y)` whatever the encoder. What is missing is
exactly

.. math:: I(X; Y) - I(E(X); Y) = I(R; Y | E(X)) \le I(R; E(X), Y),
    \qquad R = X - D(E(X)),

since X and the pair of code and residual determine each other; the inequality is
Theorem 2 of the paper. Without noise and with a continuous residual its right side is
infinite or unknown, so that nothing is said about X itself from above. For X read
through independent normal noise of variance s² there is a bound that can be computed:

.. math:: I(X + Z; Y) \le I(E(X); Y) + h(R + Z) - h(Z)
    \le I(E(X); Y) + \tfrac12 \log\det (1 + \Sigma_R / s^2),

and with both variables compressed and read through noise the terms of both are added.
The first term is the information between codes, not an estimate of it: the sum is no
bound if the estimator errs downwards. It is of use only when residuals are well below
the noise in every direction.

Where codes determine the samples, no information is lost, however curved the map; but
the estimate still depends on it, because nearest neighbours of codes may differ from
those of the latent numbers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.compression import autoencoder, principal_components
from ibjax.estimators.compression.autoencoder import (
    Autoencoder,
    autoencoder_decode,
    autoencoder_encode,
    autoencoder_fit,
)
from ibjax.estimators.compression.principal_components import (
    Pca,
    pca_decode,
    pca_encode,
    pca_fit,
)
from ibjax.estimators.samples import as_array, centred, check_samples
from ibjax.numerics import checks
from ibjax.numerics.scales import power_of_two

__all__ = [
    "Autoencoder",
    "CompressedInformation",
    "Pca",
    "autoencoder_fit",
    "compressed_information",
    "decode",
    "encode",
    "pca_decode",
    "pca_encode",
    "pca_fit",
    "residual_information",
]


_LARGE = 1e9  # Products of as many squares of such numbers are still finite.


class CompressedInformation(NamedTuple):
    r"""Information between codes, and what the codes leave out.

    Attributes:
      value: Estimate of I(E(X);E(Y)) in nats, shape ``[]``; up to the estimator's error
        a lower bound of I(X;Y).
      rms_error_x: Root mean square of X - D(E(X)), in the units of X, shape ``[]``.
      rms_error_y: The same for Y.
      relative_error_x: ``rms_error_x`` over the root mean square deviation of X from
        its mean: 0 for a perfect reconstruction, 1 for the mean, shape ``[]``.
      relative_error_y: The same for Y.
      residual_x: :func:`residual_information` of X in nats, shape ``[]``.
        ``value + residual_x + residual_y`` bounds I(X + Z; Y + Z') from above as far as
        ``value`` does not fall short of I(E(X);E(Y)). NaN without ``noise_variance``.
      residual_y: The same for Y.
    """

    value: jax.Array
    rms_error_x: jax.Array
    rms_error_y: jax.Array
    relative_error_x: jax.Array
    relative_error_y: jax.Array
    residual_x: jax.Array
    residual_y: jax.Array


def encode(compressor: Pca | Autoencoder, x: ArrayLike) -> jax.Array:
    """Codes of samples.

    Args:
      compressor: From :func:`pca_fit` or :func:`autoencoder_fit`.
      x: Samples, shape ``[num_samples, *shape]``.

    Returns:
      Codes, shape ``[num_samples, dim]``. A code depends on its own sample alone.

    Raises:
      ValueError: If ``x`` has another shape than what the compressor was fitted to.
      TypeError: If ``x`` is not floating.

    Example:
      >>> x = jnp.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
      >>> encode(pca_fit(x, dim=1), x).shape
      (3, 1)
    """
    _check_compressor("compressor", compressor)
    if isinstance(compressor, Pca):
        return pca_encode(compressor, x)
    return autoencoder_encode(compressor, x)


def decode(compressor: Pca | Autoencoder, code: ArrayLike) -> jax.Array:
    """Samples from their codes.

    Args:
      compressor: From :func:`pca_fit` or :func:`autoencoder_fit`.
      code: Codes, shape ``[num_samples, dim]``.

    Returns:
      Samples, shape ``[num_samples, *shape]``.

    Raises:
      ValueError: If ``code`` does not have rank 2.
      TypeError: If ``code`` is not floating.

    Example:
      >>> x = jnp.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
      >>> pca = pca_fit(x, dim=1)
      >>> bool(jnp.allclose(decode(pca, encode(pca, x)), x, atol=1e-6))
      True
    """
    _check_compressor("compressor", compressor)
    if isinstance(compressor, Pca):
        return pca_decode(compressor, code)
    return autoencoder_decode(compressor, code)


def compressed_information(
    estimator: Callable[[jax.Array, jax.Array], Any],
    compressor_x: Pca | Autoencoder,
    x: ArrayLike,
    compressor_y: Pca | Autoencoder | None,
    y: ArrayLike,
    *,
    noise_variance: float | None = None,
) -> CompressedInformation:
    r"""An estimate between codes, with the reconstruction error of each side.

    ``value`` is, apart from the error of the estimator itself, no more than I(X;Y). How
    much less cannot be told from the error of a reconstruction, which may be large in
    what Y knows nothing about and small in what matters; see the module's notes for the
    bound that ``noise_variance`` gives.

    Args:
      estimator: ``estimator(code_x, code_y)``, which returns the estimate in nats or a
        result with an attribute ``value``.
      compressor_x: Fitted to samples of X, best not to those of ``x``.
      x: Samples, shape ``[num_samples, *shape_x]``.
      compressor_y: Fitted to samples of Y; None to hand ``y`` to the estimator as it
        is, for example labels.
      y: Samples, shape ``[num_samples, *shape_y]``.
      noise_variance: Variance s² of the noise through which X and Y are thought to be
        read, in the squared units of ``x`` and ``y``, for the upper bound.

    Returns:
      The estimate and the errors, all of Y's zero without ``compressor_y``.

    Raises:
      ValueError: If the numbers of samples differ, a shape does not fit its compressor
        or ``noise_variance`` is not positive.
      TypeError: If ``x``, or ``y`` with a compressor, is not floating.

    References:
      Butakov, Tolmachev, Malanchuk, Neopryatnaya, Frolov and Andreev, `Information
      bottleneck analysis of deep neural networks via lossy compression`, ICLR 2024.

    Example:
      >>> def normal_information(a, b):
      ...     r = jnp.corrcoef(a[:, 0], b[:, 0])[0, 1]
      ...     return -0.5 * jnp.log(1 - r**2)
      >>> a, b, c = jax.random.normal(jax.random.key(0), (3, 5000, 1))
      >>> x, y = jnp.hstack([9 * a, b]), jnp.hstack([9 * a + 9 * c, b])
      >>> pca_x, pca_y = pca_fit(x, 1), pca_fit(y, 1)
      >>> result = compressed_information(normal_information, pca_x, x, pca_y, y)
      >>> print(f"{result.value:.2f} nats, error {result.relative_error_x:.2f}")
      0.35 nats, error 0.11
    """
    checks.function("estimator", estimator)
    for name, compressor in (
        ("compressor_x", compressor_x),
        ("compressor_y", compressor_y),
    ):
        if compressor is not None:
            _check_compressor(name, compressor)
    x, y = as_array("x", x), as_array("y", y)
    for name, samples in (("x", x), ("y", y)):
        checks.shape(name, samples, ("num_samples",), ("num_samples", "*shape"))
    checks.same_length(x=x, y=y)
    if noise_variance is not None:
        noise_variance = checks.positive("noise_variance", noise_variance)

    # A variable that is handed on as it is has no residual, and an upper bound of zero.
    def side(name, compressor, samples):
        if compressor is None:  # The estimator has the digits that were given.
            zero = jnp.zeros(())
            bound = jnp.asarray(jnp.nan) if noise_variance is None else zero
            return samples, zero, zero, bound
        # Without the mean, which float32 may have no digits for.
        deviations = centred(name, samples, compressor.mean, compressor.remainder)
        own = principal_components if isinstance(compressor, Pca) else autoencoder
        code = own.encode_deviations(compressor, deviations)
        residual = deviations - own.decode_deviations(compressor, code)
        rms = jnp.sqrt(jnp.mean(residual**2))
        spread = deviations - jnp.mean(deviations, axis=0, keepdims=True)
        relative = rms / jnp.sqrt(jnp.mean(spread**2))
        bound = jnp.asarray(jnp.nan)
        if noise_variance is not None:
            bound = residual_information(residual, noise_variance)
        return code, rms, relative, bound

    code_x, rms_x, relative_x, bound_x = side("x", compressor_x, x)
    code_y, rms_y, relative_y, bound_y = side("y", compressor_y, y)
    result = estimator(code_x, code_y)
    value = jnp.asarray(getattr(result, "value", result))
    return CompressedInformation(
        value, rms_x, rms_y, relative_x, relative_y, bound_x, bound_y
    )


def residual_information(residual: ArrayLike, noise_variance: ArrayLike) -> jax.Array:
    r"""Most that a residual read through normal noise can tell about anything.

    :math:`h(R + Z) - h(Z) \le \frac12 \log\det (1 + \Sigma_R / s^2)`: the normal
    distribution has the largest entropy for its covariance. The covariance is that of
    the samples, which makes the value a little too small, by about
    ``num_features² / 4 num_samples`` at most, if the samples are not many times as many
    as the features.

    Args:
      residual: Residuals, shape ``[num_samples, *shape]``, floating.
      noise_variance: Variance s² of the noise, positive.

    Returns:
      The bound in nats, shape ``[]``.

    Raises:
      ValueError: If there are fewer than two samples or, outside of ``jit``, a residual
        is not finite or ``noise_variance`` not positive.
      TypeError: If ``residual`` is not floating.

    Example:
      >>> residual = jnp.array([[-1.0], [1.0]])
      >>> print(f"{residual_information(residual, 2.0):.4f}")  # log(1 + 2 / 2) / 2
      0.3466
    """
    residual = check_samples("residual", residual, any_shape=True)
    noise_variance = checks.positive("noise_variance", noise_variance)
    return _residual_information(residual, noise_variance)


def _check_compressor(name: str, compressor: Any) -> None:
    checks.instance(name, compressor, Pca, Autoencoder)


@exact_jit
def _residual_information(residual: jax.Array, noise_variance: jax.Array) -> jax.Array:
    num_samples = residual.shape[0]
    rows = residual.reshape(num_samples, -1)
    rows = rows - jnp.mean(rows, axis=0, keepdims=True)
    rows = rows / (jnp.sqrt(num_samples - 1.0) * jnp.sqrt(noise_variance))
    # Of large residuals the squares may be out of range, and their logarithms are not.
    unit = lax.stop_gradient(jnp.maximum(power_of_two(jnp.max(jnp.abs(rows))), 1.0))
    unit = jnp.where(unit > _LARGE, unit, 1.0)
    rows = rows / unit
    # Both products have the same eigenvalues, apart from zeros.
    square = rows.T if rows.shape[1] <= num_samples else rows
    square = square @ square.T
    eigenvalues = jnp.maximum(jnp.linalg.eigvalsh(square), 0)
    # Zeros apart: the slope of a logarithm must be finite where it is not chosen too.
    some = jnp.where(eigenvalues > 0, eigenvalues, 1.0)
    far = jnp.logaddexp(0.0, jnp.log(some) + 2 * jnp.log(unit))
    far = jnp.where(eigenvalues > 0, far, 0.0)
    return 0.5 * jnp.sum(jnp.where(unit > 1, far, jnp.log1p(eigenvalues)))
