"""A convolution that is as fast within a loop on a CPU as outside of one.

A sweep trains in loops, and there XLA has no fast code on a CPU for the gradient of a
convolution: it takes some forty times as long as the products that it is made of.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import full_precision, on_cpu
from ibjax.numerics import checks

__all__ = ["conv_general_dilated"]

# Images with their channels last.
_LAST = "NHWC", "HWIO", "NHWC"


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: lax.ConvDimensionNumbers | tuple | None = None,
    feature_group_count: int = 1,
    **options,
) -> jax.Array:
    """``lax.conv_general_dilated``, whose gradient is fast in a sweep on a CPU.

    It is what to give to flax's convolutions that a sweep trains:
    ``linen.Conv(..., conv_general_dilated=conv_general_dilated)``, ``nnx.Conv`` alike.
    Of images with their channels last, without dilation or groups, the gradient is made
    of convolutions that have fast code on a CPU, and agrees to within rounding; of all
    else, and elsewhere, it is JAX's own. Train networks one at a time then
    (``ibjax.sweep(..., block=1)``): side by side each channel has a kernel for every
    network, for which there is no fast code. There is no derivative forwards.

    Args:
      lhs: Images, shape ``[num_samples, height, width, channels]``, or what else JAX's
        function takes.
      rhs: Kernel, shape ``[height, width, channels, new_channels]``.
      window_strides: Strides.
      padding: ``"SAME"``, ``"VALID"``, or zeros before and after each axis.
      lhs_dilation: See ``lax.conv_general_dilated``, as of all that follows.
      rhs_dilation: Dilation of the kernel.
      dimension_numbers: Which axis is which.
      feature_group_count: Groups of channels.
      **options: More of JAX's.

    Returns:
      The convolution.

    Raises:
      TypeError: If images or kernel are no arrays of numbers.

    Example:
      >>> from flax import linen
      >>> layer = linen.Conv(4, (3, 3), conv_general_dilated=conv_general_dilated)
      >>> x = jnp.ones((1, 8, 8, 3))
      >>> layer.apply(layer.init(jax.random.key(0), x), x).shape
      (1, 8, 8, 4)
    """
    lhs, rhs = checks.numeric("lhs", lhs), checks.numeric("rhs", rhs)

    def convolution(lhs, rhs):
        return lax.conv_general_dilated(
            lhs,
            rhs,
            window_strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            **options,
        )

    if lhs.ndim != 4 or feature_group_count != 1 or not on_cpu():
        return convolution(lhs, rhs)
    axes = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    is_last = axes == lax.conv_dimension_numbers(lhs.shape, rhs.shape, _LAST)
    dilations = (*(lhs_dilation or ()), *(rhs_dilation or ()))
    is_plain = set(dilations) <= {1} and options.get("batch_group_count", 1) == 1
    if not is_last or not is_plain:
        return convolution(lhs, rhs)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(
            lhs.shape[1:3], rhs.shape[:2], window_strides, padding
        )
    padding, strides = tuple(map(tuple, padding)), tuple(window_strides)
    if any(zeros < 0 for both in padding for zeros in both):
        return convolution(lhs, rhs)

    @jax.custom_vjp
    def chosen(lhs, rhs):
        return convolution(lhs, rhs)

    chosen.defvjp(
        lambda *args: (convolution(*args), args),
        lambda saved, g: _pulled_back(*saved, g, strides, padding),
    )
    return chosen(lhs, rhs)


@full_precision
def _pulled_back(lhs, rhs, g, strides, padding):
    """Gradients of images and kernel, as convolutions of the order that has fast code.

    JAX's own are convolutions whose axes come in another order.
    """
    of_lhs, of_rhs = lhs.dtype, rhs.dtype
    # What is summed may be of more digits than images and kernel.
    dtype = jnp.promote_types(g.dtype, of_lhs)
    lhs, rhs, g = (array.astype(dtype) for array in (lhs, rhs, g))
    padded = jnp.pad(lhs, ((0, 0), *padding, (0, 0)))
    # Pixels at the end that no window reaches.
    over = [
        (length - size) % stride
        for length, size, stride in zip(
            padded.shape[1:3], rhs.shape[:2], strides, strict=True
        )
    ]
    by_lhs = lax.conv_general_dilated(
        g,
        jnp.flip(rhs, (0, 1)).swapaxes(2, 3),
        (1, 1),
        [(s - 1, s - 1 + o) for s, o in zip(rhs.shape[:2], over, strict=True)],
        lhs_dilation=strides,
        dimension_numbers=_LAST,
    )
    height, width = padded.shape[1] - over[0], padded.shape[2] - over[1]
    by_rhs = lax.conv_general_dilated(
        padded[:, :height, :width].transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (1, 1),
        "VALID",
        rhs_dilation=strides,
        dimension_numbers=_LAST,
    )
    (top, _), (left, _) = padding
    by_lhs = by_lhs[:, top : top + lhs.shape[1], left : left + lhs.shape[2]]
    return by_lhs.astype(of_lhs), by_rhs.transpose(1, 2, 0, 3).astype(of_rhs)
