"""The networks of realistic.py: ResNet-18 and a small Transformer, in flax's linen."""

import jax
import jax.numpy as jnp
from flax import linen

from ibjax.networks import conv_general_dilated

# The last block of every stage.
RESNET_LAYERS = ("stem", *(f"block_{number}" for number in (1, 3, 5, 7)))
BLOCKS = 3
TRANSFORMER_LAYERS = tuple(f"block_{number}" for number in range(BLOCKS))

_STAGES = (1, 2, 4, 8)
_HEADS = 4
_PADDING = 0


class ResNet18(linen.Module):
    """ResNet-18 for images of 32 x 32 pixels: a 3 x 3 stem, and no pooling before.

    Attributes:
      width: Channels of the first stage, 64 in the paper.
    """

    width: int = 64

    @linen.compact
    def __call__(self, x: jax.Array, training: bool) -> jax.Array:
        """Logits of images, ``[num, 32 * 32 * 3]``."""
        x = x.reshape(-1, 32, 32, 3)
        x = _Convolution(self.width, name="stem")(x, training)
        for stage, times in enumerate(_STAGES):
            for number in range(2):
                stride = 2 if stage and not number else 1
                name = f"block_{2 * stage + number}"
                x = _Residual(times * self.width, stride, name=name)(x, training)
        return linen.Dense(10, name="head")(x.mean((1, 2)))


class _Convolution(linen.Module):
    """Convolution, statistics of the batch and, by default, a ReLU."""

    channels: int
    stride: int = 1
    size: int = 3
    bent: bool = True

    @linen.compact
    def __call__(self, x, training):
        x = linen.Conv(
            self.channels,
            (self.size, self.size),
            strides=self.stride,
            use_bias=False,
            conv_general_dilated=conv_general_dilated,
        )(x)
        # So few steps are taken that older statistics have to fade sooner.
        x = linen.BatchNorm(use_running_average=not training, momentum=0.8)(x)
        return linen.relu(x) if self.bent else x


class _Residual(linen.Module):
    channels: int
    stride: int

    @linen.compact
    def __call__(self, x, training):
        t = _Convolution(self.channels, self.stride)(x, training)
        t = _Convolution(self.channels, bent=False)(t, training)
        if x.shape != t.shape:
            x = _Convolution(self.channels, self.stride, size=1, bent=False)(
                x, training
            )
        return linen.relu(x + t)


class Transformer(linen.Module):
    """Blocks of attention over words, and a mean over them.

    Attributes:
      num_words: Words of the vocabulary, padding included.
      units: Units of a word.
    """

    num_words: int
    units: int

    @linen.compact
    def __call__(self, x: jax.Array, training: bool) -> jax.Array:
        """Logits of sentences, ``[num, max_words]`` numbers of words."""
        there = x != _PADDING
        t = linen.Embed(self.num_words, self.units)(x.astype(jnp.int32))
        places = self.param(
            "places", linen.initializers.normal(0.02), (x.shape[1], self.units)
        )
        t = linen.Dropout(0.3, deterministic=not training)(t + places)
        for number in range(BLOCKS):
            t = _Attending(self.units, name=f"block_{number}")(t, there, training)
        mean = t.sum(1) / jnp.maximum(there.sum(1, keepdims=True), 1)
        return linen.Dense(2, name="head")(mean)


class _Attending(linen.Module):
    """Attention and two dense layers; zero where there is no word."""

    units: int

    @linen.compact
    def __call__(self, t, there, training):
        attention = linen.MultiHeadDotProductAttention(_HEADS)
        t = t + attention(linen.LayerNorm()(t), mask=there[:, None, None, :])
        wide = linen.gelu(linen.Dense(4 * self.units)(linen.LayerNorm()(t)))
        wide = linen.Dropout(0.3, deterministic=not training)(wide)
        return jnp.where(there[..., None], t + linen.Dense(self.units)(wide), 0)
