"""Grad-CAM: the channels of a layer, weighed by their gradients."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.attribution.cutting import joined
from ibjax.attribution.gradients import target_gradients
from ibjax.attribution.heatmaps import resize
from ibjax.attribution.rectifiers import guided_backpropagation
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["grad_cam", "guided_grad_cam"]


def grad_cam(
    front: Callable,
    back: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    rectify: bool = True,
    image_shape: tuple[int, int] | None = None,
    batch_size: int | None = None,
) -> jax.Array:
    r"""Grad-CAM of the target's output.

    :math:`\mathrm{ReLU}(\sum_k w_k A_k)`, where :math:`A_k` is a channel of the layer
    and :math:`w_k` the mean over positions of the gradient by it.

    Args:
      front: ``front(params, x) -> r [num, height, width, channels]``, as of
        ``split(network, layer)``; the last convolution is usual.
      back: ``back(params, r) -> [num, num_classes]``, logits.
      params: Parameters of both.
      x: Inputs, ``[num, ...]``.
      targets: Classes, ``[num]`` or one. The target is explained, not the class that
        the model predicts.
      rectify: Whether what speaks against the class is set to zero.
      image_shape: Height and width to interpolate to; None for those of the layer.
      batch_size: Inputs at a time; None for all at once.

    Returns:
      Maps, ``[num, height, width]``.

    Raises:
      ValueError: If the layer has no height and width; and as
        :func:`ibjax.attribution.gradient`.

    References:
      Selvaraju et al., `Grad-CAM`, ICCV 2017.

    Example:
      >>> front = lambda params, x: x
      >>> back = lambda params, r: jnp.sum(r, axis=(1, 2)) @ params
      >>> params, x = jnp.array([[1.0], [-1.0]]), jnp.ones((1, 2, 2, 2)) / 2
      >>> x = x.at[0, 0, 0, 0].set(3.0)
      >>> print(grad_cam(front, back, params, x, 0)[0])
      [[2.5 0. ]
       [0.  0. ]]
    """
    checks.flag("rectify", rectify)
    both = joined(front, back)
    x, targets = loops.check_model(both, params, x, targets, "back of front")
    checks.shape(
        "r of front",
        jax.ShapeDtypeStruct(loops.shape_of_one(front, params, x, "front"), x.dtype),
        ("num", "height", "width", "channels"),
    )
    maps = loops.in_batches(
        lambda *rows: _grad_cam(front, back, rectify, params, *rows),
        batch_size,
        x,
        targets,
    )
    return maps if image_shape is None else resize(maps, image_shape)


def guided_grad_cam(
    front: Callable,
    back: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    batch_size: int | None = None,
) -> jax.Array:
    """Guided backpropagation, times the Grad-CAM at the size of the image.

    Args:
      front: As for :func:`grad_cam`.
      back: As for :func:`grad_cam`.
      params: Parameters of both.
      x: Images, ``[num, height, width, channels]``.
      targets: Classes, ``[num]`` or one.
      batch_size: Images at a time; None for all at once.

    Returns:
      Attributions, ``[num, height, width, channels]``.

    Raises:
      ValueError: As :func:`grad_cam` and :func:`guided_backpropagation`.

    References:
      Selvaraju et al., `Grad-CAM`, ICCV 2017.

    Example:
      >>> front = lambda params, x: jax.nn.relu(x)
      >>> back = lambda params, r: jnp.sum(r, axis=(1, 2)) @ params
      >>> x = jnp.ones((1, 2, 2, 1))
      >>> print(guided_grad_cam(front, back, jnp.ones((1, 1)), x, 0)[0, 0, :, 0])
      [1. 1.]
    """
    x = checks.shape("x", x, ("num", "height", "width", "channels"))
    maps = grad_cam(
        front,
        back,
        params,
        x,
        targets,
        image_shape=x.shape[1:3],
        batch_size=batch_size,
    )
    model = joined(front, back)
    found = guided_backpropagation(model, params, x, targets, batch_size=batch_size)
    return found * maps[..., None]


@exact_jit(static_argnames=("front", "back", "rectify"))
def _grad_cam(front, back, rectify, params, x, targets):
    r = front(params, x)
    weights = jnp.mean(
        target_gradients(back, params, r, targets), axis=(1, 2), keepdims=True
    )
    maps = jnp.sum(weights * r, axis=3)
    return jnp.maximum(maps, 0) if rectify else maps
