r"""Taggers: networks through a tag of every token, which also pay for context.

A token's input X is the word that stands there, its **type**, and what stands around
it. The tag T is drawn from p(t|x): one of a few, or a Gaussian vector. Beside the
marginal r(t), which bounds I(X;T) as any prior does, a second encoder s(t|type) sees
the type alone: the divergence of p(t|x) from it bounds what the tag takes from the
context,

.. math:: I(T;X|\mathrm{type}) \le E\, \mathrm{KL}[p(t|x) \| s(t|\mathrm{type})].

A tag of which that is zero is a property of the word type, as in a dictionary.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.networks.network import Layer, Network
from ibjax.numerics import checks
from ibjax.representations.gaussians import relative_gaussian_kl
from ibjax.representations.priors import gaussian_prior
from ibjax.representations.variational import (
    Posterior,
    VariationalParams,
    check_takes,
    encoder_width,
    variational,
)

__all__ = ["Tagger", "TaggerParams", "continuous_tagger", "discrete_tagger"]

Tags = jax.Array | Posterior
"""Distribution of every token's tag: its logarithm ``[num_tokens, num_tags]``, or a
Gaussian."""


class TaggerParams(NamedTuple):
    """Parameters of a tagger.

    Attributes:
      encoder: Those of p(t|x).
      decoder: Those of the decoder.
      prior: Those of the marginal r(t): logits ``[num_tags]``, or mean and logarithm of
        the deviations, ``[dim]`` each.
      type_encoder: Those of s(t|type).
    """

    encoder: Any
    decoder: Any
    prior: Any
    type_encoder: Any


class Tagger(NamedTuple):
    """A network through a tag, and its parts.

    Attributes:
      network: The whole, to be trained and swept. With a key the tag is drawn; without
        one it is the most probable, or the mean.
      encode: ``encode(params, x, *, key=None, training=False)``: the distribution of
        every tag, log probabilities ``[num_tokens, num_tags]`` or a
        :class:`~ibjax.representations.Posterior`.
      encode_type: ``encode_type(params, x)``: the same, of the types alone.
      decode: ``decode(params, t, *, key=None, training=False)``: the output for one-hot
        or any other mixed tags, or vectors, ``[num_tokens, dim]``.
      rate: ``rate(params, tags)``: divergence from the marginal in nats,
        ``[num_tokens]``.
      type_rate: ``type_rate(params, tags, x)``: divergence from s(t|type), likewise.
      dim: Number of tags, or dimensions.
      discrete: Whether a tag is one of a few.
    """

    network: Network
    encode: Callable[..., Tags]
    encode_type: Callable[..., Tags]
    decode: Callable[..., jax.Array]
    rate: Callable[..., jax.Array]
    type_rate: Callable[..., jax.Array]
    dim: int
    discrete: bool


def discrete_tagger(
    encoder: Network, decoder: Network, type_encoder: Network, *, type_width: int
) -> Tagger:
    """A network whose tag is one of as many as the encoder has outputs.

    Args:
      encoder: Takes the inputs; its last activity, linear, holds the logits of the
        tags.
      decoder: Takes one number a tag: one where it is that tag.
      type_encoder: Takes the type, and returns logits as the encoder does.
      type_width: Numbers of the input, the first ones, that are the type.

    Returns:
      The network and its parts.

    Raises:
      ValueError: If widths do not fit.

    References:
      Li and Eisner, `Specializing word embeddings (for parsing) by information
      bottleneck`, EMNLP 2019.

    Example:
      >>> from ibjax import networks
      >>> model = discrete_tagger(
      ...     networks.mlp([6, 8, 4], output="linear"),
      ...     networks.mlp([4, 3]),
      ...     networks.mlp([2, 4], output="linear"),
      ...     type_width=2,
      ... )
      >>> model.network.layer_names
      ('tanh 8', 'logits 4', 'tag 4', 'softmax 3')
    """
    _check_kinds(encoder, decoder, type_encoder)
    num_tags = encoder.layers[-1].width
    _check_networks(encoder, decoder, type_encoder, num_tags, num_tags, type_width)

    def activations(params, x, *, key=None, training=False):
        keys = (None, None, None) if key is None else jax.random.split(key, 3)
        layers = encoder.activations(params.encoder, x, key=keys[0], training=training)
        logits = layers[-1]
        if key is None:
            tag = jnp.argmax(logits, axis=1)
        else:
            tag = jax.random.categorical(keys[1], logits, axis=1)
        t = jax.nn.one_hot(tag, num_tags, dtype=logits.dtype)
        after = decoder.activations(params.decoder, t, key=keys[2], training=training)
        return (*layers, t, *after)

    def encode(params, x, *, key=None, training=False):
        layers = encoder.activations(params.encoder, x, key=key, training=training)
        return jax.nn.log_softmax(layers[-1], axis=1)

    def encode_type(params, x):
        types = _types(x, type_width)
        logits = type_encoder.activations(params.type_encoder, types)[-1]
        return jax.nn.log_softmax(logits, axis=1)

    def divergence(tags, other):
        return jnp.sum(jnp.exp(tags) * (tags - other), axis=1)

    network = _network(
        (encoder, decoder, type_encoder),
        init_prior=lambda key: jnp.zeros(num_tags),
        activations=activations,
        code=(
            Layer(f"logits {num_tags}", (num_tags,)),
            # Its noise is another one for every input.
            Layer(f"tag {num_tags}", (num_tags,), math.nan),
        ),
        words=f"one of {num_tags} tags",
    )
    return Tagger(
        network,
        encode,
        encode_type,
        _decode(decoder),
        rate=lambda params, tags: divergence(
            tags, jax.nn.log_softmax(params.prior)[None]
        ),
        type_rate=lambda params, tags, x: divergence(tags, encode_type(params, x)),
        dim=num_tags,
        discrete=True,
    )


def continuous_tagger(
    encoder: Network,
    decoder: Network,
    type_encoder: Network,
    *,
    dim: int,
    type_width: int,
    initial_std: float = 1.0,
) -> Tagger:
    """A network whose tag is a Gaussian vector with independent dimensions.

    It is :func:`~ibjax.representations.variational` with a learned Gaussian as its
    marginal, and an encoder of the type.

    Args:
      encoder: Takes the inputs; its last activity has ``2 * dim`` linear units.
      decoder: Takes vectors of ``dim`` numbers.
      type_encoder: Takes the type, and returns what the encoder does.
      dim: Dimensions of the vector.
      type_width: Numbers of the input, the first ones, that are the type.
      initial_std: Deviation of the vector about where training starts.

    Returns:
      The network and its parts.

    Raises:
      ValueError: If widths do not fit, or an option is out of range.

    References:
      Li and Eisner, `Specializing word embeddings (for parsing) by information
      bottleneck`, EMNLP 2019.

    Example:
      >>> from ibjax import networks
      >>> model = continuous_tagger(
      ...     networks.mlp([6, 8, 4], output="linear"),
      ...     networks.mlp([2, 3]),
      ...     networks.mlp([2, 4], output="linear"),
      ...     dim=2,
      ...     type_width=2,
      ... )
      >>> model.network.layer_names
      ('tanh 8', 'gaussian 4', 'tag 2', 'softmax 3')
    """
    _check_kinds(encoder, decoder, type_encoder)
    width = encoder_width(dim)
    _check_networks(encoder, decoder, type_encoder, width, dim, type_width)
    prior = gaussian_prior(dim)
    options = {"dim": dim, "initial_std": initial_std}
    of_token = variational(encoder, decoder, prior=prior, **options)
    of_type = variational(type_encoder, decoder, **options)

    def token_params(params):
        return VariationalParams(params.encoder, params.decoder, params.prior)

    def activations(params, x, *, key=None, training=False):
        return of_token.network.activations(
            token_params(params), x, key=key, training=training
        )

    def encode(params, x, *, key=None, training=False):
        return of_token.encode(token_params(params), x, key=key, training=training)

    def encode_type(params, x):
        own = VariationalParams(params.type_encoder, None, None)
        return of_type.encode(own, _types(x, type_width))

    def rate(params, tags):
        return prior.rate(params.prior, tags, None, None)

    def type_rate(params, tags, x):
        return relative_gaussian_kl(*tags, *encode_type(params, x))

    network = _network(
        (encoder, decoder, type_encoder),
        init_prior=prior.init,
        activations=activations,
        code=(
            Layer(f"gaussian {width}", (width,)),
            Layer(f"tag {dim}", (dim,), math.nan),
        ),
        words=f"a tag of {dim} numbers, deviation {initial_std:g} at first",
    )
    decode = _decode(decoder)
    return Tagger(
        network, encode, encode_type, decode, rate, type_rate, dim, discrete=False
    )


def _types(x: jax.Array, type_width: int) -> jax.Array:
    return x.reshape(len(x), -1)[:, :type_width]


def _decode(decoder: Network) -> Callable[..., jax.Array]:
    def decode(params, t, *, key=None, training=False):
        return decoder.activations(params.decoder, t, key=key, training=training)[-1]

    return decode


def _network(networks, init_prior, activations, code, words) -> Network:
    """The whole as one network, whose layers are those that a token goes through."""
    encoder, decoder, type_encoder = networks

    def init(key):
        keys = jax.random.split(key, 4)
        return TaggerParams(
            encoder.init(keys[0]),
            decoder.init(keys[1]),
            init_prior(keys[2]),
            type_encoder.init(keys[3]),
        )

    return Network(
        init=init,
        activations=activations,
        kernels=lambda params: (
            *encoder.kernels(params.encoder),
            (),
            *decoder.kernels(params.decoder),
        ),
        layers=(*encoder.layers[:-1], *code, *decoder.layers),
        description=(
            f"({encoder.description}) to {words}; types ({type_encoder.description}); "
            f"({decoder.description})"
        ),
        output=decoder.output,
    )


def _check_networks(encoder, decoder, type_encoder, width, dim, type_width) -> None:
    """Check that an encoder, a decoder and an encoder of types fit together."""
    checks.count("type_width", type_width)
    named = {"encoder": encoder, "decoder": decoder, "type_encoder": type_encoder}
    for name, network in named.items():
        checks.instance(name, network, Network)
        if network.state is not None:
            raise ValueError(
                f"{name} must be without statistics of batches, got "
                f"{network.description}"
            )
    for name in ("encoder", "type_encoder"):
        network = named[name]
        if network.output != "linear" or network.layers[-1].width != width:
            raise ValueError(
                f"{name} must have a linear output of {width} units, got "
                f"{network.layers[-1].width} of {network.output}"
            )
    for name, taken in (("decoder", dim), ("type_encoder", type_width)):
        check_takes(name, named[name], taken)


def _check_kinds(encoder: Network, decoder: Network, type_encoder: Network) -> None:
    checks.instance("encoder", encoder, Network)
    checks.instance("decoder", decoder, Network)
    checks.instance("type_encoder", type_encoder, Network)
