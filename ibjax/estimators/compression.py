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

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.typing import ArrayLike

from ibjax.networks.autoencoders import (
    AutoencoderModules,
    dense_autoencoder,
    initial_params,
)

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

_EXACT = lax.Precision.HIGHEST
_ROWS_AT_ONCE = 256
_WARM_UP = 0.05  # Of the steps.
_LOSSES = ("squared", "bernoulli")


class Pca(NamedTuple):
    """Principal components of samples.

    Attributes:
      mean: Mean sample, shape ``[*shape]``.
      components: Orthonormal directions of largest variance, the largest first, shape
        ``[dim, *shape]``. Signs are such that the entry of largest size is positive.
      explained_variance: Variance along each (ddof 1), shape ``[dim]``.
    """

    mean: jax.Array
    components: jax.Array
    explained_variance: jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Autoencoder:
    """A trained autoencoder, from :func:`autoencoder_fit`.

    Attributes:
      params: Parameters of the encoder and of the decoder.
      mean: Mean sample of the training data, shape ``[*shape]``.
      scale: Root mean square deviation from it, shape ``[]``.
      losses: Loss of every training step, in nats a component for ``"bernoulli"`` and
        in parts of the variance for ``"squared"``, shape ``[num_steps]``.
      modules: Encoder and decoder.
      loss: What was minimized.
    """

    params: tuple[Any, Any]
    mean: jax.Array
    scale: jax.Array
    losses: jax.Array
    modules: AutoencoderModules = jax.tree.static()
    loss: str = jax.tree.static()


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


def pca_fit(x: ArrayLike, dim: int) -> Pca:
    """Principal components, the linear compression of least squared error.

    Components come from the covariance of the features, or of the samples if those are
    fewer, in O(min(num_samples, num_features)²) memory. Variances below 1e-6 of the
    largest are rounding in float32.

    Args:
      x: Samples, shape ``[num_samples, *shape]``, floating.
      dim: Number of components.

    Returns:
      The components. NaN if ``x`` is not finite (under ``jit``).

    Raises:
      ValueError: If there are fewer than two samples, ``dim`` is not in [1,
        min(num_samples - 1, num_features)] or, outside of ``jit``, ``x`` is not finite.
      TypeError: If ``x`` is not floating.

    Example:
      >>> x = jnp.array([[0.0, 1.0], [3.0, 5.0], [6.0, 9.0]])
      >>> pca = pca_fit(x, 1)
      >>> print(pca.components, pca.explained_variance)
      [[0.6 0.8]] [25.]
    """
    x = _check_samples("x", x)
    num_features = math.prod(x.shape[1:])
    largest = min(x.shape[0] - 1, num_features)
    if not 1 <= dim <= largest:
        raise ValueError(f"dim must lie in [1, {largest}], got {dim}")
    return _pca_fit(x, dim)


def pca_encode(pca: Pca, x: ArrayLike) -> jax.Array:
    """Coordinates of samples along the components.

    Args:
      pca: The components.
      x: Samples, shape ``[num_samples, *shape]``.

    Returns:
      Codes, shape ``[num_samples, dim]``.

    Raises:
      ValueError: If ``x`` has another shape than what ``pca`` was fitted to.
      TypeError: If ``x`` is not floating.
    """
    x = _check_shape("x", x, pca.mean.shape)
    directions = pca.components.reshape(len(pca.components), -1)
    centred = (x - pca.mean[None]).reshape(x.shape[0], -1)
    return jnp.matmul(centred, directions.T, precision=_EXACT)


def pca_decode(pca: Pca, code: ArrayLike) -> jax.Array:
    """Samples from their coordinates along the components.

    Args:
      pca: The components.
      code: Codes, shape ``[num_samples, dim]``.

    Returns:
      Samples, shape ``[num_samples, *shape]``.

    Raises:
      ValueError: If ``code`` has another shape.
      TypeError: If ``code`` is not floating.
    """
    code = _check_shape("code", code, pca.explained_variance.shape)
    directions = pca.components.reshape(len(pca.components), -1)
    flat = jnp.matmul(code, directions, precision=_EXACT)
    return flat.reshape(code.shape[0], *pca.mean.shape) + pca.mean[None]


def autoencoder_fit(
    key: jax.Array,
    x: ArrayLike,
    *,
    dim: int,
    modules: AutoencoderModules | None = None,
    loss: Literal["squared", "bernoulli"] = "squared",
    num_steps: int = 5000,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    code_noise: float = 0.1,
) -> Autoencoder:
    r"""An autoencoder, trained by Adam in one compiled loop.

    The code is the hyperbolic tangent of what the encoder returns, so that it lies in
    [-1, 1]. In training, and only there, normal noise is added to it: what the decoder
    has to read through noise is spread over the whole cube, and images that are alike
    get codes that are close. The learning rate rises linearly and then falls as a
    cosine to zero, and the noise falls with it.

    Args:
      key: Decides the initial parameters, the batches and the noise.
      x: Samples, shape ``[num_samples, *shape]``, floating.
      dim: Dimension of the code.
      modules: Encoder and decoder, whose shapes must be those of ``x`` and ``dim``;
        those of :func:`ibjax.networks.autoencoders.dense_autoencoder` by default.
      loss: ``"squared"`` error, or for values in [0, 1] the cross-entropy of
        ``"bernoulli"`` pixels, which reconstructs sharp edges far better. Both are
        least where the reconstruction equals the sample.
      num_steps: Steps of Adam.
      batch_size: Samples of a step, drawn with replacement.
      learning_rate: Largest learning rate.
      code_noise: Standard deviation of the noise at the largest learning rate, in the
        units of the code.

    Returns:
      The trained autoencoder. Look at ``losses``: parameters are NaN if it diverged.

    Raises:
      ValueError: If there are fewer than two samples, all samples are equal, an option
        is out of range or, outside of ``jit``, ``x`` is not finite or for
        ``"bernoulli"`` not in [0, 1].
      TypeError: If ``x`` is not floating.

    Example:
      >>> angle = jnp.linspace(0.0, 3.0, 200)
      >>> x = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
      >>> model = autoencoder_fit(
      ...     jax.random.key(0), x, dim=1, num_steps=300, batch_size=32
      ... )
      >>> error = jnp.std(decode(model, encode(model, x)) - x)
      >>> bool(error < 0.05)
      True
    """
    x = _check_samples("x", x)
    for name, number in (
        ("dim", dim),
        ("num_steps", num_steps),
        ("batch_size", batch_size),
    ):
        if number < 1:
            raise ValueError(f"{name} must be positive, got {number}")
    if not learning_rate > 0 or not code_noise >= 0:
        raise ValueError(
            "learning_rate must be positive and code_noise not negative, got "
            f"{learning_rate} and {code_noise}"
        )
    if loss not in _LOSSES:
        raise ValueError(f"loss must be one of {', '.join(_LOSSES)}, got {loss!r}")
    if not isinstance(x, jax.core.Tracer):
        values = np.asarray(x)
        if np.all(values == values[:1]):
            raise ValueError("x must vary, but all samples are equal")
        if loss == "bernoulli" and (values.min() < 0 or values.max() > 1):
            raise ValueError(
                "x must lie in [0, 1] for loss 'bernoulli', got values from "
                f"{values.min()} to {values.max()}"
            )
    if modules is None:
        modules = dense_autoencoder(x.shape[1:], dim)
    modules = AutoencoderModules(*modules)
    _check_modules(modules, x, dim)
    return _autoencoder_fit(
        key, x, dim, modules, loss, num_steps, batch_size, learning_rate, code_noise
    )


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
    """
    if isinstance(compressor, Pca):
        return pca_encode(compressor, x)
    return _encode(compressor, _check_shape("x", x, compressor.mean.shape))


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
    """
    if isinstance(compressor, Pca):
        return pca_decode(compressor, code)
    code = jnp.asarray(code)
    if code.ndim != 2:
        raise ValueError(f"code must have shape [num_samples, dim], got {code.shape}")
    return _decode(compressor, _check_shape("code", code, code.shape[1:]))


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
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.ndim < 1 or y.ndim < 1 or x.shape[0] != y.shape[0]:
        raise ValueError(
            f"x and y must have as many samples, got shapes {x.shape} and {y.shape}"
        )
    if noise_variance is not None and not noise_variance > 0:
        raise ValueError(f"noise_variance must be positive, got {noise_variance}")

    def side(compressor, samples):
        if compressor is None:
            zero = jnp.zeros(())
            bound = jnp.asarray(jnp.nan) if noise_variance is None else zero
            return samples, zero, zero, bound
        code = encode(compressor, samples)
        residual = samples - decode(compressor, code)
        rms = jnp.sqrt(jnp.mean(residual**2))
        spread = samples - jnp.mean(samples, axis=0, keepdims=True)
        relative = rms / jnp.sqrt(jnp.mean(spread**2))
        bound = jnp.asarray(jnp.nan)
        if noise_variance is not None:
            bound = residual_information(residual, noise_variance)
        return code, rms, relative, bound

    code_x, rms_x, relative_x, bound_x = side(compressor_x, x)
    code_y, rms_y, relative_y, bound_y = side(compressor_y, y)
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
    residual = _check_samples("residual", residual)
    if not isinstance(noise_variance, jax.core.Tracer) and not noise_variance > 0:
        raise ValueError(f"noise_variance must be positive, got {noise_variance}")
    return _residual_information(residual, noise_variance)


@partial(jax.jit, static_argnames="dim")
def _pca_fit(x: jax.Array, dim: int) -> Pca:
    num_samples, shape = x.shape[0], x.shape[1:]
    mean = jnp.mean(x, axis=0)
    rows = (x - mean[None]).reshape(num_samples, -1)
    by_feature = rows.shape[1] <= num_samples
    square = rows.T if by_feature else rows
    square = jnp.matmul(square, square.T, precision=_EXACT)
    values, vectors = jnp.linalg.eigh(square)
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    if not by_feature:
        vectors = jnp.matmul(rows.T, vectors, precision=_EXACT)
        # Where there is no variance, orthonormal to the others all the same.
        vectors, _ = jnp.linalg.qr(vectors)
    largest = jnp.argmax(jnp.abs(vectors), axis=0)
    sign = jnp.sign(jnp.take_along_axis(vectors, largest[None], axis=0))
    components = (vectors * sign).T.reshape(dim, *shape)
    return Pca(mean, components, jnp.maximum(values, 0) / (num_samples - 1))


@partial(jax.jit, static_argnames=("dim", "modules", "loss", "num_steps", "batch_size"))
def _autoencoder_fit(
    key: jax.Array,
    x: jax.Array,
    dim: int,
    modules: AutoencoderModules,
    loss: str,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    code_noise: float,
) -> Autoencoder:
    key_params, key_steps = jax.random.split(key)
    mean = jnp.mean(x, axis=0)
    scale = jnp.sqrt(jnp.mean((x - mean[None]) ** 2))
    params = initial_params(modules, key_params, x[:1])
    warm_up = max(1, int(_WARM_UP * num_steps))
    fall = optax.warmup_cosine_decay_schedule(
        0.0, 1.0, warm_up, max(num_steps, warm_up + 1)
    )
    optimizer = optax.adam(lambda step: learning_rate * fall(step))

    def batch_loss(params, batch, noise):
        code = jnp.tanh(modules.encoder.apply(params[0], (batch - mean[None]) / scale))
        output = modules.decoder.apply(params[1], code + noise)
        if loss == "bernoulli":
            return jnp.mean(optax.sigmoid_binary_cross_entropy(output, batch))
        return jnp.mean((output - (batch - mean[None]) / scale) ** 2)

    def step(state, key_and_number):
        params, optimizer_state = state
        key, number = key_and_number
        key_rows, key_noise = jax.random.split(key)
        rows = jax.random.randint(key_rows, (batch_size,), 0, x.shape[0])
        noise = code_noise * jnp.where(number < warm_up, 1.0, fall(number))
        noise = noise * jax.random.normal(key_noise, (batch_size, dim), x.dtype)
        value, gradient = jax.value_and_grad(batch_loss)(params, x[rows], noise)
        update, optimizer_state = optimizer.update(gradient, optimizer_state)
        return (optax.apply_updates(params, update), optimizer_state), value

    keys = jax.random.split(key_steps, num_steps)
    state = (params, optimizer.init(params))
    (params, _), losses = lax.scan(step, state, (keys, jnp.arange(num_steps)))
    return Autoencoder(params, mean, scale, losses, modules, loss)


@jax.jit
def _encode(model: Autoencoder, x: jax.Array) -> jax.Array:
    def one(sample):
        deviation = (sample - model.mean) / model.scale
        return jnp.tanh(model.modules.encoder.apply(model.params[0], deviation[None]))[
            0
        ]

    return lax.map(one, x, batch_size=_ROWS_AT_ONCE)


@jax.jit
def _decode(model: Autoencoder, code: jax.Array) -> jax.Array:
    def one(code):
        output = model.modules.decoder.apply(model.params[1], code[None])[0]
        if model.loss == "bernoulli":
            return jax.nn.sigmoid(output)
        return model.mean + model.scale * output

    return lax.map(one, code, batch_size=_ROWS_AT_ONCE)


@jax.jit
def _residual_information(residual: jax.Array, noise_variance: jax.Array) -> jax.Array:
    num_samples = residual.shape[0]
    rows = residual.reshape(num_samples, -1)
    rows = rows - jnp.mean(rows, axis=0, keepdims=True)
    rows = rows / jnp.sqrt((num_samples - 1) * noise_variance)
    # Both products have the same eigenvalues, apart from zeros.
    square = rows.T if rows.shape[1] <= num_samples else rows
    square = jnp.matmul(square, square.T, precision=_EXACT)
    eigenvalues = jnp.maximum(jnp.linalg.eigvalsh(square), 0)
    return 0.5 * jnp.sum(jnp.log1p(eigenvalues))


def _check_samples(name: str, x: ArrayLike) -> jax.Array:
    x = jnp.asarray(x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"{name} must have shape [num_samples, *shape], got {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"{name} must be floating, got {x.dtype}")
    if x.shape[0] < 2:
        raise ValueError(f"{name} must have at least 2 samples, got {x.shape[0]}")
    if not isinstance(x, jax.core.Tracer):
        infinite = np.sum(~np.isfinite(np.asarray(x, np.float64)))
        if infinite:
            raise ValueError(
                f"{name} must be finite, got {infinite} NaN or infinite entries"
            )
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x


def _check_shape(name: str, x: ArrayLike, shape: tuple[int, ...]) -> jax.Array:
    x = jnp.asarray(x)
    if x.shape[1:] != shape or x.ndim != len(shape) + 1:
        raise ValueError(
            f"{name} must have shape [num_samples, {', '.join(map(str, shape))}], got "
            f"{x.shape}"
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"{name} must be floating, got {x.dtype}")
    return x


def _check_modules(modules: AutoencoderModules, x: jax.Array, dim: int) -> None:
    def both(sample):
        code, _ = modules.encoder.init_with_output(jax.random.key(0), sample)
        return code, modules.decoder.init_with_output(jax.random.key(0), code)[0]

    code, output = jax.eval_shape(both, x[:1])
    if code.shape != (1, dim) or output.shape != x[:1].shape:
        raise ValueError(
            f"modules must give codes [1, {dim}] and samples {x[:1].shape}, got "
            f"{code.shape} and {output.shape}"
        )
