"""Autoencoders of samples: trained in one compiled loop, then read in both directions.

The modules that they are made of are in :mod:`ibjax.networks.autoencoders`.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import (
    as_array,
    at_least_float32,
    centred,
    check_array,
    offsets,
    rounded_mean,
    to_jax,
)
from ibjax.networks.autoencoders import (
    AutoencoderModules,
    dense_autoencoder,
    initial_params,
)
from ibjax.numerics import checks, descent

__all__ = [
    "Autoencoder",
    "autoencoder_decode",
    "autoencoder_encode",
    "autoencoder_fit",
    "decode_deviations",
    "encode_deviations",
]

_ROWS_AT_ONCE = 256
_WARM_UP = 0.05  # Of the steps.
_LOSSES = ("squared", "l1", "bernoulli")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Autoencoder:
    """A trained autoencoder, from :func:`autoencoder_fit`.

    Attributes:
      params: Parameters of the encoder and of the decoder.
      mean: Mean sample of the training data, shape ``[*shape]``.
      scale: Root mean square deviation from it, shape ``[]``.
      losses: Loss of every training step, in nats a component for ``"bernoulli"``, in
        parts of the variance for ``"squared"`` and of its root for ``"l1"``,
        shape ``[num_steps]``.
      modules: Encoder and decoder.
      loss: What was minimized.
      remainder: What rounding left out of ``mean``, where samples came in a higher
        precision and far from the origin; shape ``[*shape]``, or zero.
    """

    params: tuple[Any, Any]
    mean: jax.Array
    scale: jax.Array
    losses: jax.Array
    modules: AutoencoderModules = jax.tree.static()
    loss: str = jax.tree.static()
    remainder: jax.Array | float = 0.0


def autoencoder_fit(
    key: jax.Array,
    x: ArrayLike,
    *,
    dim: int,
    modules: AutoencoderModules | None = None,
    loss: Literal["squared", "l1", "bernoulli"] = "squared",
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
      loss: ``"squared"`` or absolute (``"l1"``) error, or for values in [0, 1] the
        cross-entropy of ``"bernoulli"`` pixels, which reconstructs sharp edges far
        better. All are least where the reconstruction equals the sample.
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
      >>> error = jnp.std(autoencoder_decode(model, autoencoder_encode(model, x)) - x)
      >>> bool(error < 0.05)
      True
    """
    x = check_array("x", x, 2, any_shape=True)
    checks.key("key", key)
    checks.count("dim", dim)
    checks.count("num_steps", num_steps)
    checks.count("batch_size", batch_size)
    learning_rate = checks.positive("learning_rate", learning_rate)
    code_noise = checks.not_negative("code_noise", code_noise)
    checks.one_of("loss", loss, _LOSSES)
    if not checks.is_traced(x):
        values = np.asarray(x)
        if np.all(values == values[:1]):
            raise ValueError("x must vary, but all samples are equal")
        if loss == "bernoulli" and (values.min() < 0 or values.max() > 1):
            raise ValueError(
                "x must lie in [0, 1] for loss 'bernoulli', got values from "
                f"{values.min()} to {values.max()}"
            )
    # The logits of pixels are of the pixels themselves.
    offset = None if loss == "bernoulli" else offsets(x)
    if offset is not None:
        x = x - offset[None]
    x = at_least_float32(to_jax("x", x))
    if modules is None:
        modules = dense_autoencoder(x.shape[1:], dim)
    modules = AutoencoderModules(*checks.instance("modules", modules, tuple))
    _check_modules(modules, x, dim)
    model = _autoencoder_fit(
        key, x, dim, modules, loss, num_steps, batch_size, learning_rate, code_noise
    )
    if offset is None:
        return model
    mean, remainder = rounded_mean(offset, model.mean)
    return replace(model, mean=mean, remainder=remainder)


def autoencoder_encode(model: Autoencoder, x: ArrayLike) -> jax.Array:
    """Codes in [-1, 1], ``[num_samples, dim]``, sample by sample."""
    return encode_deviations(model, centred("x", x, model.mean, model.remainder))


def autoencoder_decode(model: Autoencoder, code: ArrayLike) -> jax.Array:
    """Samples, ``[num_samples, *shape]``, from codes ``[num_samples, dim]``."""
    return _decode(model, _codes(code))


def decode_deviations(model: Autoencoder, code: ArrayLike) -> jax.Array:
    """Samples less their mean, which they may be too far from zero to be told from."""
    code = _codes(code)
    if model.loss == "bernoulli":
        return _decode(model, code) - model.mean[None] - model.remainder
    return _decode(replace(model, mean=jnp.zeros_like(model.mean)), code)


def _codes(code: ArrayLike) -> jax.Array:
    code = checks.shape("code", as_array("code", code), ("num_samples", "dim"))
    return to_jax("code", checks.floating("code", code))


@exact_jit(static_argnames=("dim", "modules", "loss", "num_steps", "batch_size"))
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
    # Adam's first steps have hardly an average to divide by: small ones then.
    warm_up = max(1, int(_WARM_UP * num_steps))
    fall = optax.warmup_cosine_decay_schedule(
        0.0, 1.0, warm_up, max(num_steps, warm_up + 1)
    )
    optimizer = optax.adam(lambda step: learning_rate * fall(step))

    def batch_loss(params, batch, noise):
        code = jnp.tanh(modules.encoder.apply(params[0], (batch - mean[None]) / scale))
        output = modules.decoder.apply(params[1], code + noise)
        if loss == "bernoulli":
            # Of logits: the logarithm of a sigmoid that has saturated is infinite.
            return jnp.mean(optax.sigmoid_binary_cross_entropy(output, batch))
        error = output - (batch - mean[None]) / scale
        return jnp.mean(jnp.abs(error) if loss == "l1" else error**2)

    def step_loss(params, memory, key_and_number):
        key, number = key_and_number
        key_rows, key_noise = jax.random.split(key)
        rows = jax.random.randint(key_rows, (batch_size,), 0, x.shape[0])
        # While the learning rate rises, the noise is at its largest.
        noise = code_noise * jnp.where(number < warm_up, 1.0, fall(number))
        noise = noise * jax.random.normal(key_noise, (batch_size, dim), x.dtype)
        value = batch_loss(params, x[rows], noise)
        return value, (memory, value)

    keys = jax.random.split(key_steps, num_steps)
    start = descent.init(params, optimizer)
    steps = (keys, jnp.arange(num_steps))
    end, losses = descent.descend(step_loss, start, steps, optimizer)
    return Autoencoder(end.params, mean, scale, losses, modules, loss)


@exact_jit
def encode_deviations(model: Autoencoder, deviations: jax.Array) -> jax.Array:
    """Codes of samples less the mean."""

    # Sample by sample, so that a code does not depend on its batch's rounding.
    def one(deviation):
        standard = deviation / model.scale
        code = model.modules.encoder.apply(model.params[0], standard[None])[0]
        return jnp.tanh(code)

    return lax.map(one, deviations, batch_size=_ROWS_AT_ONCE)


@exact_jit
def _decode(model: Autoencoder, code: jax.Array) -> jax.Array:
    def one(code):
        output = model.modules.decoder.apply(model.params[1], code[None])[0]
        if model.loss == "bernoulli":
            return jax.nn.sigmoid(output)
        return model.mean + model.scale * output

    return lax.map(one, code, batch_size=_ROWS_AT_ONCE)


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
