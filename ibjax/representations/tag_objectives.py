r"""Objective of taggers: distortion + beta rate + gamma rate given the type.

All three are means over tokens, in nats: of discrete and of continuous tags alike, so
that a price has one meaning. (The program of Li and Eisner sums the divergences of
continuous tags over a sentence and averages those of discrete ones over tokens.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import exact_jit
from ibjax.datasets.task import Batch
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.representations.tags import Tagger, TaggerParams
from ibjax.training.objectives import Objective, mean_loss, objective

__all__ = ["TagTerms", "tag_bottleneck", "tag_terms"]


class TagTerms(NamedTuple):
    """What tags tell and what they cost, means over tokens in nats, shapes ``[]``.

    Attributes:
      distortion: Mean of -log q(y|t), over the tags as well where they are discrete.
      rate: Divergence of p(t|x) from the marginal; it bounds I(X;T) from above.
      type_rate: Divergence of p(t|x) from s(t|type); it bounds I(T;X|type).
    """

    distortion: jax.Array
    rate: jax.Array
    type_rate: jax.Array


def tag_terms(
    key: jax.Array,
    params: TaggerParams,
    batch: Batch,
    *,
    model: Tagger,
    temperature: float | None = None,
) -> TagTerms:
    """Distortion and rates of a batch of tokens.

    The distortion of discrete tags is the exact sum over them, unless a temperature is
    given, and that of continuous ones is by one draw of every tag.

    Args:
      key: Draws the tags where they are drawn.
      params: Parameters of ``model.network``.
      batch: Tokens and their labels.
      model: The tagger.
      temperature: Of relaxed draws of discrete tags, softmax((log p(t|x) + Gumbel
        noise) / temperature), which the decoder is given in place of the sum. The
        divergences are those of the tags themselves, and still exact. As the
        temperature falls to zero the draws become one-hot, their distortion one of the
        tags, and its gradient noisier.

    Returns:
      The terms.

    Raises:
      ValueError: If the temperature is not positive, or is given for continuous tags.

    References:
      Li and Eisner, `Specializing word embeddings (for parsing) by information
      bottleneck`, EMNLP 2019. Jang, Gu and Poole, `Categorical reparameterization with
      Gumbel-softmax`, ICLR 2017.

    Example:
      >>> from ibjax import datasets, networks
      >>> from ibjax.representations import discrete_tagger
      >>> model = discrete_tagger(
      ...     networks.mlp([12, 4], output="linear"),
      ...     networks.mlp([4, 2]),
      ...     networks.mlp([3, 4], output="linear"),
      ...     type_width=3,
      ... )
      >>> shapes = jax.eval_shape(model.network.init, jax.random.key(0))
      >>> params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
      >>> batch = datasets.make_task(jnp.ones((2, 12)), [0, 1]).batch(jnp.arange(2))
      >>> found = tag_terms(jax.random.key(1), params, batch, model=model)
      >>> print(f"{found.distortion:.3f} {found.rate:.1f} {found.type_rate:.1f}")
      0.693 0.0 0.0
    """
    checks.key("key", key)
    checks.instance("model", model, Tagger)
    checks.instance("params", params, TaggerParams)
    checks.instance("batch", batch, Batch)
    temperature = _check_temperature(model, temperature)
    shapes_of("model", model.encode, params=params, batch=batch.x)
    return _tag_terms(key, params, batch, model=model, temperature=temperature)


@exact_jit(static_argnames=("model", "temperature"))
def _tag_terms(key, params, batch, *, model, temperature):
    tags = model.encode(params, batch.x)
    distortion = _distortion(key, params, batch, tags, model, temperature)
    return TagTerms(
        distortion,
        _mean(model.rate(params, tags), batch.weights),
        _mean(model.type_rate(params, tags, batch.x), batch.weights),
    )


def tag_bottleneck(
    model: Tagger,
    *,
    beta: float = 0.1,
    gamma: float = 0.0,
    temperature: float | None = None,
    softness: float = 0.0,
    soft_epochs: int = 10,
) -> Objective:
    r"""Bottleneck of tokens: distortion + beta rate + gamma type rate.

    The prices are paid by the encoder alone. The marginal and s(t|type) follow the tags
    whatever the prices, by a gradient of weight one: they have the same best values for
    every positive price, and at a price of zero the rates still are bounds as tight as
    they can be.

    Discrete tags that are certain early stay as they are: a tag that is hardly drawn
    has hardly a gradient. With a softness the entropy H(T|X) is paid for at first, a
    price that falls to zero linearly.

    Args:
      model: The tagger.
      beta: What a nat of rate costs where a sweep does not vary ``beta``.
      gamma: What a nat that the tag takes from the context costs, likewise.
      temperature: See :func:`tag_terms`.
      softness: Nats that a nat of H(T|X) is worth at first; continuous tags have none.
      soft_epochs: Epochs after which it is worth nothing.

    Returns:
      An objective of ``beta`` and ``gamma`` with terms ``distortion``, ``rate`` and
      ``type_rate``.

    Raises:
      ValueError: If a price is negative or infinite, the temperature or
        ``soft_epochs`` not positive, or a temperature or softness given for continuous
        tags.

    References:
      Li and Eisner, `Specializing word embeddings (for parsing) by information
      bottleneck`, EMNLP 2019, eq. 3.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.representations import discrete_tagger
      >>> model = discrete_tagger(
      ...     networks.mlp([12, 4], output="linear"),
      ...     networks.mlp([4, 2]),
      ...     networks.mlp([3, 4], output="linear"),
      ...     type_width=3,
      ... )
      >>> tag_bottleneck(model).intervals
      {'beta': '[0, inf)', 'gamma': '[0, inf)'}
    """
    checks.instance("model", model, Tagger)
    beta = checks.not_negative("beta", beta)
    gamma = checks.not_negative("gamma", gamma)
    temperature = _check_temperature(model, temperature)
    softness = checks.not_negative("softness", softness)
    checks.count("soft_epochs", soft_epochs)
    if softness and not model.discrete:
        raise ValueError(f"softness must be 0 for continuous tags, got {softness}")

    def loss(params, batch, key, *, epoch, beta=beta, gamma=gamma):
        key_encoder, key_tag = jax.random.split(key)
        tags = model.encode(params, batch.x, key=key_encoder, training=True)
        distortion = _distortion(
            key_tag, params, batch, tags, model, temperature, training=True
        )

        def rates(params, tags):
            rate = _mean(model.rate(params, tags), batch.weights)
            return rate, _mean(model.type_rate(params, tags, batch.x), batch.weights)

        rate, type_rate = rates(lax.stop_gradient(params), tags)
        follow = sum(rates(params, lax.stop_gradient(tags)))
        total = distortion + beta * rate + gamma * type_rate
        # Nothing in value.
        total += follow - lax.stop_gradient(follow)
        if softness:
            entropy = -_mean(jnp.sum(jnp.exp(tags) * tags, axis=1), batch.weights)
            total -= softness * jnp.maximum(1 - epoch / soft_epochs, 0.0) * entropy
        terms = {"distortion": distortion, "rate": rate, "type_rate": type_rate}
        return total, terms

    more = [] if temperature is None else [f"temperature {temperature:g}"]
    more += [f"softness {softness:g}, {soft_epochs} epochs"] if softness else []
    return objective(
        loss,
        ", ".join(["tag_bottleneck", f"beta {beta:g}", f"gamma {gamma:g}", *more]),
        targets=("classes", "distributions"),
        output="softmax",
        weighs=True,
        intervals={"beta": "[0, inf)", "gamma": "[0, inf)"},
    )


def _distortion(key, params, batch, tags, model, temperature, *, training=False):
    key_tag, key_decoder = jax.random.split(key)

    def decode(t):
        return model.decode(params, t, key=key_decoder, training=training)

    if not model.discrete:
        return mean_loss(decode(tags.sample(key_tag)), batch.targets, batch.weights)
    if temperature is not None:
        noise = jax.random.gumbel(key_tag, tags.shape, tags.dtype)
        t = jax.nn.softmax((tags + noise) / temperature, axis=1)
        return mean_loss(decode(t), batch.targets, batch.weights)
    log_q = jax.nn.log_softmax(decode(jnp.eye(model.dim, dtype=tags.dtype)), axis=1)
    checks.shape(
        "the decoder's output",
        log_q,
        (model.dim, batch.targets.shape[1]),
        why="to match the classes",
    )
    each = -jnp.sum(jnp.exp(tags) * (batch.targets @ log_q.T), axis=1)
    return _mean(each, batch.weights)


def _mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    return jnp.sum(values * weights) / jnp.sum(weights)


def _check_temperature(model: Tagger, temperature: float | None) -> float | None:
    if temperature is None:
        return None
    temperature = checks.positive("temperature", temperature)
    if not model.discrete:
        raise ValueError(
            "temperature must be None for continuous tags, which have no relaxed form, "
            f"got {temperature}"
        )
    return temperature
