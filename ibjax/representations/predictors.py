r"""Classifiers whose predictions may be drawn at random, and the mean of their draws.

A predictor is a function ``log_probabilities(key, x) -> [num_inputs, num_classes]`` of
one draw; :class:`Predictor` makes one of a network. What is used is the mean over draws
of the probabilities, not of their logarithms.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of

__all__ = [
    "LogProbabilities",
    "Predictor",
    "as_tree",
    "averaged",
    "averaged_log_probabilities",
    "evaluate",
]

LogProbabilities = Callable[[jax.Array, jax.Array], jax.Array]
"""``log_probabilities(key, x) -> [num_inputs, num_classes]``, of one draw."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Predictor:
    """A network with its parameters as a function of one draw's log probabilities.

    Attributes:
      params: The parameters.
      network: The network, whose output is logits.
      noise: Whether the network's noise is drawn; without it codes are their means.

    Example:
      >>> from ibjax import networks
      >>> network = networks.noisy([4, 3, 2], noise_std=0.1)
      >>> predictor = Predictor(network.init(jax.random.key(0)), network)
      >>> predictor(jax.random.key(1), jnp.zeros((5, 4))).shape
      (5, 2)
    """

    params: Params
    network: Network = jax.tree.static()
    noise: bool = jax.tree.static(default=True)

    def __call__(self, key: jax.Array, x: jax.Array) -> jax.Array:
        """Log probabilities of one draw, ``[num_inputs, num_classes]``."""
        checks.one_of("the network's output", self.network.output, ["softmax"])
        key = key if self.noise else None
        return jax.nn.log_softmax(self.network.activations(self.params, x, key=key)[-1])


def averaged_log_probabilities(
    key: jax.Array,
    log_probabilities: LogProbabilities,
    x: ArrayLike,
    *,
    num_draws: int = 12,
) -> jax.Array:
    """Logarithm of the mean over draws of a predictor's probabilities.

    Args:
      key: Draws the noise.
      log_probabilities: The predictor.
      x: Inputs, shape ``[num_inputs, ...]``.
      num_draws: Draws to average over.

    Returns:
      Log probabilities, shape ``[num_inputs, num_classes]``.

    Raises:
      ValueError: If ``num_draws`` is not positive.
      TypeError: If ``key`` is no typed key.

    Example:
      >>> def coin(key, x):
      ...     heads = jax.random.bernoulli(key, 0.5, (len(x), 1))
      ...     return jnp.log(jnp.where(heads, 0.9, jnp.array([[0.1, 0.9]])))
      >>> logs = averaged_log_probabilities(
      ...     jax.random.key(0), coin, jnp.zeros((1, 3)), num_draws=1000
      ... )
      >>> logs.shape
      (1, 2)
    """
    checks.key("key", key)
    checks.count("num_draws", num_draws)
    x = checks.shape("x", checks.jax_array("x", x), ("num_inputs", "*shape"))
    f = as_tree(log_probabilities)
    shapes_of("log_probabilities", f, key=key, x=x)
    return _averaged_jit(key, f, x, num_draws)


def as_tree(log_probabilities: LogProbabilities) -> Any:
    """A predictor that can be an argument of a compiled program."""
    if not callable(log_probabilities):
        raise TypeError(
            "log_probabilities must be a function (key, x) -> log probabilities, got "
            f"{type(log_probabilities).__name__}"
        )
    is_tree = not jax.tree_util.all_leaves([log_probabilities])
    return log_probabilities if is_tree else jax.tree_util.Partial(log_probabilities)


def averaged(key: jax.Array, f: Any, x: jax.Array, num_draws: int) -> jax.Array:
    """Log of the mean of probabilities; what the draws share is computed once."""
    logs = jax.vmap(f, (0, None))(jax.random.split(key, num_draws), x)
    return logsumexp(logs, axis=0) - math.log(num_draws)


def evaluate(
    key, f, x, labels, *, num_predicted: int, num_evaluations: int
) -> tuple[jax.Array, jax.Array]:
    """Whether predictions are right, and p(y|x): ``[num_evaluations, num_inputs]``."""

    def one(key):
        logs = averaged(key, f, x, num_predicted)
        own = jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0]
        right = (jnp.argmax(logs, axis=1) == labels).astype(logs.dtype)
        return jnp.where(jnp.isnan(logs).any(axis=1), jnp.nan, right), jnp.exp(own)

    return lax.map(one, jax.random.split(key, num_evaluations))


@exact_jit(static_argnums=3)
def _averaged_jit(key, f, x, num_draws):
    return averaged(key, f, x, num_draws)
