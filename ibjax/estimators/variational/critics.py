r"""Critics: flax modules that score pairs of samples.

Every critic scores all pairs of two sets of samples when it is called, and given pairs
with ``pairs``. A separable critic, :math:`T(x, y) = g(x) \cdot h(y)`, runs its two
networks once per sample and then takes a matrix product: all pairs of a batch cost
little more than the batch. A joint one runs a network on every pair, which costs as
many times more as there are pairs per sample, and can be the better fit where the log
of the density ratio is far from a sum of few products.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen

from ibjax.networks.initialization import uniform_params
from ibjax.numerics import checks

__all__ = [
    "GaussianConditional",
    "JointCritic",
    "SeparableCritic",
    "initial_params",
]

LARGEST_LOG_VARIANCE = 10.0


class JointCritic(linen.Module):
    """One network of both samples, with rectified units.

    Attributes:
      hidden: Number of units of every hidden layer, at least one layer.
    """

    hidden: tuple[int, ...] = (64, 64)

    def setup(self) -> None:
        """Make the layers."""
        first, *others = self.hidden
        # A layer of x and y side by side is a sum of two, each needed once per sample.
        self.x_layer = linen.Dense(first)
        self.y_layer = linen.Dense(first, use_bias=False)
        self.layers = [linen.Dense(units) for units in others]
        self.last = linen.Dense(1)

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Scores of all pairs: ``[n, dim_x]``, ``[m, dim_y]`` to ``[n, m]``."""
        return self.pairs(x[:, None], y[None])

    def pairs(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Scores of ``x[..., dim_x]`` with ``y[..., dim_y]``; the rest broadcasts."""
        hidden = linen.relu(self.x_layer(x) + self.y_layer(y))
        for layer in self.layers:
            hidden = linen.relu(layer(hidden))
        return self.last(hidden)[..., 0]


class SeparableCritic(linen.Module):
    """The inner product of a network of x and a network of y, with rectified units.

    Attributes:
      hidden: Number of units of every hidden layer of each of the networks.
      embedding: Number of outputs of each.
    """

    hidden: tuple[int, ...] = (64, 64)
    embedding: int = 32

    def setup(self) -> None:
        """Make the layers."""
        self.x_network = _layers(self.hidden, self.embedding)
        self.y_network = _layers(self.hidden, self.embedding)

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Scores of all pairs: ``[n, dim_x]``, ``[m, dim_y]`` to ``[n, m]``."""
        return self.x_network(x) @ self.y_network(y).T

    def pairs(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Scores of ``x[..., dim_x]`` with ``y[..., dim_y]``; the rest broadcasts."""
        return jnp.sum(self.x_network(x) * self.y_network(y), axis=-1)


class GaussianConditional(linen.Module):
    r"""The log of a Gaussian q(y|x) of independent coordinates, for CLUB.

    A network of x, with rectified units, gives the mean and the logarithm of the
    variance of every coordinate of y. The latter is :math:`c \tanh(a / c)` of the
    network's output a, so that it stays within c = 10 and nothing overflows: of a y
    with variance one, at most a part :math:`1 - e^{-10}` is then explained.

    Attributes:
      hidden: Number of units of every hidden layer.
    """

    hidden: tuple[int, ...] = (64, 64)

    @linen.compact
    def pairs(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Log-density of ``y[..., dim_y]`` given ``x[..., dim_x]``, in nats."""
        hidden = x
        for units in self.hidden:
            hidden = linen.relu(linen.Dense(units)(hidden))
        mean = linen.Dense(y.shape[-1], name="mean")(hidden)
        output = linen.Dense(y.shape[-1], name="log_variance")(hidden)
        log_variance = LARGEST_LOG_VARIANCE * jnp.tanh(output / LARGEST_LOG_VARIANCE)
        square = (y - mean) ** 2 * jnp.exp(-log_variance)
        return -0.5 * jnp.sum(square + log_variance + jnp.log(2 * jnp.pi), axis=-1)

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Log-density of all pairs: ``[n, dim_x]``, ``[m, dim_y]`` to ``[n, m]``."""
        return self.pairs(x[:, None], y[None])


def initial_params(
    critic: linen.Module, key: jax.Array, x: jax.Array, y: jax.Array
) -> Any:
    """Parameters of a critic before training, for samples of the shapes of x and y."""
    checks.instance("critic", critic, linen.Module)
    checks.key("key", key)
    x, y = checks.floating("x", x), checks.floating("y", y)
    checks.shape("x", x, ("num_samples", "dim"))
    checks.shape("y", y, ("num_samples", "dim"))
    # The critics above get theirs from one draw, which compiles faster than many.
    if type(critic) not in (GaussianConditional, JointCritic, SeparableCritic):
        return critic.init(key, x, y)
    shapes = jax.eval_shape(critic.init, key, x, y)
    return uniform_params(shapes, key, x.dtype)


def _layers(hidden: Sequence[int], num_outputs: int) -> linen.Sequential:
    layers = []
    for units in hidden:
        layers += [linen.Dense(units), linen.relu]
    return linen.Sequential([*layers, linen.Dense(num_outputs)])
