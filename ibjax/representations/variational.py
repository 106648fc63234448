r"""Networks through a Gaussian code: an encoder p(z|x), a draw, and a decoder.

The encoder's last activity holds the mean and, in raw form, the scale of a Gaussian
for every input; the code z is drawn from it, and the decoder goes on from z. All of it
is one :class:`~ibjax.networks.Network`, trained and swept as others are. Its parameters
include those of the prior that objectives hold the code against.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax.compilation import exact_jit
from ibjax.networks.network import Layer, Network
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.representations.priors import Prior, standard_prior

__all__ = [
    "COVARIANCES",
    "Posterior",
    "Predictions",
    "Variational",
    "VariationalParams",
    "encoder_width",
    "predict",
    "predict_each",
    "variational",
]

COVARIANCES = ("diagonal", "full", "shared")
"""Kinds of covariance: of independent dimensions, any, or one variance for all."""

# Far below zero a softplus is none in float32, where its logarithm is still ordinary.
_LEAST_STD = 1e-30


class Posterior(NamedTuple):
    """Gaussian of the code for every input.

    Attributes:
      mean: Shape ``[num_samples, k]``.
      scale: Standard deviations, ``[num_samples, k]``, or lower triangular factors of
        the covariances, ``[num_samples, k, k]``.
    """

    mean: jax.Array
    scale: jax.Array

    def sample(self, key: jax.Array) -> jax.Array:
        """One draw for every input, ``[num_samples, k]``, differentiable."""
        normal = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        if self.scale.ndim == self.mean.ndim:
            return self.mean + self.scale * normal
        return self.mean + jnp.einsum("nij,nj->ni", self.scale, normal)


class VariationalParams(NamedTuple):
    """Parameters of a network through a code.

    Attributes:
      encoder: Those of the encoder.
      decoder: Those of the decoder.
      prior: Those of the prior.
      log_std: Logarithm of the deviation of all codes where it is shared, else None.
    """

    encoder: Any
    decoder: Any
    prior: Any
    log_std: jax.Array | None = None


class Variational(NamedTuple):
    """A network through a Gaussian code, and its parts.

    Attributes:
      network: The whole, to be trained and swept. With a key its code is drawn, without
        one it is the mean.
      encode: ``encode(params, x, *, key=None, training=False) -> Posterior``.
      decode: ``decode(params, z, *, key=None, training=False)``: the output.
      prior: The prior of the code.
      dim: Dimensions k of the code.
    """

    network: Network
    encode: Callable[..., Posterior]
    decode: Callable[..., jax.Array]
    prior: Prior
    dim: int


def encoder_width(dim: int, covariance: str = "diagonal") -> int:
    """Outputs that an encoder of a code needs.

    Args:
      dim: Dimensions of the code.
      covariance: One of :data:`COVARIANCES`.

    Returns:
      Numbers for the mean and the scale.

    Example:
      >>> [encoder_width(2, covariance) for covariance in COVARIANCES]
      [4, 5, 2]
    """
    checks.count("dim", dim)
    checks.one_of("covariance", covariance, COVARIANCES)
    return (
        dim + {"diagonal": dim, "full": dim * (dim + 1) // 2, "shared": 0}[covariance]
    )


def variational(
    encoder: Network,
    decoder: Network,
    *,
    dim: int,
    covariance: str = "diagonal",
    prior: Prior | None = None,
    initial_std: float = 1.0,
) -> Variational:
    r"""A network whose code is Gaussian for every input.

    The scale is :math:`\mathrm{softplus}(s + c)` of the encoder's raw outputs s, with c
    such that it is ``initial_std`` where s is zero, and 1e-30 at least; a full
    covariance has that on the diagonal of its factor and raw outputs below.

    Args:
      encoder: Takes the inputs; its last activity has ``encoder_width(dim,
        covariance)`` linear units: means, then what makes the scale.
      decoder: Takes codes of ``dim`` numbers.
      dim: Dimensions of the code.
      covariance: One of :data:`COVARIANCES`; ``"shared"`` is one learned deviation for
        all inputs and dimensions, as in Kolchinsky et al. (2019).
      prior: What objectives hold the code against, the standard Gaussian by default.
      initial_std: Deviation of the code about where training starts, in units of the
        code, 1e-30 at least. Alemi et al.'s program has softplus(-5) = 0.0067.

    Returns:
      The network and its parts.

    Raises:
      ValueError: If widths do not fit, or an option is out of range.

    References:
      Alemi et al., `Deep variational information bottleneck`, ICLR 2017.

    Example:
      >>> from ibjax import networks
      >>> model = variational(
      ...     networks.mlp([12, 8, 4], "relu", output="linear"),
      ...     networks.mlp([2, 2]),
      ...     dim=2,
      ... )
      >>> model.network.layer_names
      ('relu 8', 'gaussian 4', 'code 2', 'softmax 2')
    """
    checks.instance("encoder", encoder, Network)
    checks.instance("decoder", decoder, Network)
    if prior is not None:
        checks.instance("prior", prior, Prior)
    width = encoder_width(dim, covariance)
    initial_std = checks.in_range("initial_std", initial_std, f"[{_LEAST_STD}, inf)")
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        if network.state is not None:
            raise ValueError(
                f"{name} must be without statistics of batches, got "
                f"{network.description}"
            )
    if encoder.output != "linear" or encoder.layers[-1].width != width:
        raise ValueError(
            f"encoder must have a linear output of {width} units for a {covariance} "
            f"covariance of {dim} dimensions, got {encoder.layers[-1].width} of "
            f"{encoder.output}"
        )
    check_takes("decoder", decoder, dim)
    prior = standard_prior(dim) if prior is None else prior
    # The logarithm of expm1, which itself is out of range for a large deviation.
    shift = float(initial_std + np.log(-np.expm1(-initial_std)))

    def posterior(params, raw):
        mean, rest = raw[:, :dim], raw[:, dim:]
        if covariance == "shared":
            return Posterior(
                mean, jnp.broadcast_to(jnp.exp(params.log_std), mean.shape)
            )
        if covariance == "diagonal":
            return Posterior(mean, _deviations(rest + shift))
        return Posterior(mean, _factors(rest, dim, shift))

    def drawn(params, x, key, training):
        keys = (None, None, None) if key is None else jax.random.split(key, 3)
        layers = encoder.activations(params.encoder, x, key=keys[0], training=training)
        found = posterior(params, layers[-1])
        z = found.mean if key is None else found.sample(keys[1])
        after = decoder.activations(params.decoder, z, key=keys[2], training=training)
        return layers, found, z, after

    def init(key):
        keys = jax.random.split(key, 3)
        log_std = jnp.log(initial_std) if covariance == "shared" else None
        return VariationalParams(
            encoder.init(keys[0]), decoder.init(keys[1]), prior.init(keys[2]), log_std
        )

    def activations(params, x, *, key=None, training=False):
        layers, _, z, after = drawn(params, x, key, training)
        return (*layers, z, *after)

    def encode(params, x, *, key=None, training=False):
        layers = encoder.activations(params.encoder, x, key=key, training=training)
        return posterior(params, layers[-1])

    def decode(params, z, *, key=None, training=False):
        return decoder.activations(params.decoder, z, key=key, training=training)[-1]

    network = Network(
        init=init,
        activations=activations,
        kernels=lambda params: (
            *encoder.kernels(params.encoder),
            (),
            *decoder.kernels(params.decoder),
        ),
        layers=(
            *encoder.layers[:-1],
            Layer(f"gaussian {width}", (width,)),
            # Its noise is another one for every input.
            Layer(f"code {dim}", (dim,), math.nan),
            *decoder.layers,
        ),
        description=(
            f"({encoder.description}) to a code of {dim}, {covariance} covariance, "
            f"deviation {initial_std:g} at first, prior {prior.description}; "
            f"({decoder.description})"
        ),
        output=decoder.output,
    )
    return Variational(network, encode, decode, prior, dim)


def predict(
    key: jax.Array,
    params: VariationalParams,
    x: jax.Array,
    *,
    model: Variational,
    num_samples: int = 12,
) -> jax.Array:
    """Probabilities of the classes, the mean over draws of the code.

    It is the mean of probabilities, not of logits: another predictor.

    Args:
      key: Draws the codes.
      params: Parameters of ``model.network``.
      x: Inputs, shape ``[num_inputs, ...]``.
      model: The network, whose output must be logits.
      num_samples: Draws of every code; Alemi et al. take 12.

    Returns:
      Probabilities, shape ``[num_inputs, num_classes]``.

    Raises:
      ValueError: If ``num_samples`` is not positive.

    Example:
      >>> from ibjax import networks
      >>> encoder = networks.mlp([3, 4], output="linear")
      >>> model = variational(encoder, networks.mlp([2, 5]), dim=2)
      >>> params = model.network.init(jax.random.key(0))
      >>> p = predict(jax.random.key(1), params, jnp.ones((7, 3)), model=model)
      >>> p.shape
      (7, 5)
    """
    found = predict_each(key, params, x, model=model, num_samples=num_samples)
    return found.probabilities


class Predictions(NamedTuple):
    """What a classifier says of inputs by several draws of their codes.

    Attributes:
      probabilities: Mean over draws, shape ``[num_inputs, num_classes]``.
      classes: Class that each draw by itself makes likeliest, shape ``[num_samples,
        num_inputs]``.
    """

    probabilities: jax.Array
    classes: jax.Array


def predict_each(
    key: jax.Array,
    params: VariationalParams,
    x: jax.Array,
    *,
    model: Variational,
    num_samples: int = 12,
) -> Predictions:
    """Probabilities of the classes as :func:`predict`, and what every draw says.

    Args:
      key: Draws the codes.
      params: Parameters of ``model.network``.
      x: Inputs, shape ``[num_inputs, ...]``.
      model: The network, whose output must be logits.
      num_samples: Draws of every code.

    Returns:
      Both.

    Raises:
      ValueError: If ``num_samples`` is not positive.

    Example:
      >>> from ibjax import networks
      >>> encoder = networks.mlp([3, 4], output="linear")
      >>> model = variational(encoder, networks.mlp([2, 5]), dim=2)
      >>> params = model.network.init(jax.random.key(0))
      >>> found = predict_each(jax.random.key(1), params, jnp.ones((7, 3)), model=model)
      >>> found.classes.shape
      (12, 7)
    """
    checks.key("key", key)
    checks.count("num_samples", num_samples)
    checks.instance("model", model, Variational)
    checks.instance("params", params, VariationalParams)
    x = checks.shape("x", checks.jax_array("x", x), ("num_inputs", "*shape"))
    shapes_of("model", model.encode, params=params, x=x)
    return _predict_each(key, params, x, model=model, num_samples=num_samples)


@exact_jit(static_argnames=("model", "num_samples"))
def _predict_each(key, params, x, *, model, num_samples):
    posterior = model.encode(params, x)

    def one_draw(key):
        return jax.nn.softmax(model.decode(params, posterior.sample(key)), axis=1)

    def add(total, key):
        p = one_draw(key)
        return total + p, jnp.argmax(p, axis=1)

    # One draw after another: together they would hold all of them at once.
    total, classes = lax.scan(
        add,
        jnp.zeros(jax.eval_shape(one_draw, key).shape),
        jax.random.split(key, num_samples),
    )
    return Predictions(total / num_samples, classes)


def _deviations(raw: jax.Array) -> jax.Array:
    return jnp.maximum(jax.nn.softplus(raw), _LEAST_STD)


def _factors(raw: jax.Array, dim: int, shift: float) -> jax.Array:
    """Lower triangular factors ``[num_samples, dim, dim]`` of raw numbers."""
    rows, columns = np.tril_indices(dim)
    entries = jnp.where((rows == columns)[None], _deviations(raw + shift), raw)
    return jnp.zeros((len(raw), dim, dim), raw.dtype).at[:, rows, columns].set(entries)


def check_takes(name: str, network: Network, width: int) -> None:
    """Check that a network takes rows of so many numbers."""
    params = jax.eval_shape(network.init, jax.random.key(0))
    row = jax.ShapeDtypeStruct((1, width), jnp.float32)
    try:
        jax.eval_shape(network.activations, params, row)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must take {width} numbers, got {network.description}"
        ) from error
