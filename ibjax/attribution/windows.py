"""Occlusion: the fall of the output where a window hides a part of the image."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["occlusion"]


def occlusion(
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    window: tuple[int, int],
    stride: tuple[int, int] | None = None,
    baselines: ArrayLike = 0.0,
    batch_size: int | None = None,
) -> jax.Array:
    """Fall of the target's output where a window is replaced by a baseline.

    A number is given the mean fall over the windows that hide it. The last windows of a
    row or column end with the image, if need be as smaller ones.

    Args:
      model: ``model(params, x) -> [num, num_classes]``, logits.
      params: Its parameters.
      x: Images, ``[num, height, width, ...]``.
      targets: Classes, ``[num]`` or one.
      window: Height and width of the window.
      stride: Pixels between windows, down and across, at most those of a window; None
        for windows side by side.
      baselines: What replaces it: one number, an image, or one for each.
      batch_size: Images at a time; None for all at once.

    Returns:
      Attributions of the shape of ``x``, the same in all channels.

    Raises:
      ValueError: If the window is larger than the image or the stride than the window;
        and as :func:`ibjax.attribution.gradient`.

    References:
      Zeiler and Fergus, `Visualizing and understanding convolutional networks`, 2014.

    Example:
      >>> model = lambda params, x: jnp.sum(x, axis=(1, 2))[:, None]
      >>> x = jnp.arange(4.0).reshape(1, 1, 4)
      >>> print(occlusion(model, None, x, 0, window=(1, 2)))
      [[[1. 1. 5. 5.]]]
    """
    x, targets = loops.check_model(model, params, x, targets)
    checks.shape(
        "x", x, ("num", "height", "width"), ("num", "height", "width", "*axes")
    )
    baselines = loops.check_baselines(baselines, x)
    window = checks.counts("window", window, fewest=2, most=2)
    stride = window if stride is None else stride
    stride = checks.counts("stride", stride, fewest=2, most=2)
    size = x.shape[1:3]
    for axis in range(2):
        if not stride[axis] <= window[axis] <= size[axis]:
            raise ValueError(
                f"window must be at least the stride and at most the image, {size}; "
                f"got {window} and {stride}"
            )
    corners, counts = _corners(size, window, stride)

    def explain(x, baselines, targets):
        output = loops.outputs_of_targets(model, params, x, targets)

        def step(total, number):
            return _add_window(
                model,
                window,
                params,
                x,
                baselines,
                targets,
                output,
                corners,
                total,
                number,
            ), None

        start = np.zeros(x.shape[:3], loops.sum_dtype(x))
        total, _ = yield from loops.stepwise(step, start, len(corners))
        return _means(total, counts, x)

    return loops.in_batches(explain, batch_size, x, baselines, targets)


def _corners(size, window, stride) -> tuple[np.ndarray, np.ndarray]:
    """First pixels of all windows, and how many windows hide each pixel."""
    firsts = [
        np.arange(-(-(size[a] - window[a]) // stride[a]) + 1) * stride[a]
        for a in range(2)
    ]
    hidden = [
        np.sum((f <= np.arange(n)[:, None]) & (np.arange(n)[:, None] < f + w), axis=1)
        for f, n, w in zip(firsts, size, window, strict=True)
    ]
    corners = np.stack(np.meshgrid(*firsts, indexing="ij"), axis=-1).reshape(-1, 2)
    return corners, np.outer(*hidden)


@jax.jit
def _means(total, counts, x):
    maps = (total / counts[None]).reshape(*total.shape, *[1] * (x.ndim - 3))
    return jnp.broadcast_to(maps.astype(x.dtype), x.shape)


@exact_jit(static_argnames=("model", "window"))
def _add_window(
    model, window, params, x, baselines, targets, output, corners, total, number
) -> jax.Array:
    corner = corners[number]
    inside = [
        (jnp.arange(n) >= first) & (jnp.arange(n) < first + w)
        for n, first, w in zip(x.shape[1:3], corner, window, strict=True)
    ]
    mask = inside[0][:, None] & inside[1][None, :]
    wide = mask.reshape(1, *mask.shape, *[1] * (x.ndim - 3))
    hidden = jnp.where(wide, baselines, x)
    fall = output - loops.target_outputs(model(params, hidden), targets)
    return total + jnp.where(mask[None], fall[:, None, None], 0)
