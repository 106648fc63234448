"""Faithfulness: whether attributions add up to what the model's output loses."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.attribution.evaluation.tiles import check_maps, tile_numbers, tile_sums
from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.scales import power_of_two

__all__ = ["SensitivityN", "infidelity", "sensitivity_n"]


class SensitivityN(NamedTuple):
    """Correlation of heat and loss over random subsets of n tiles.

    Attributes:
      sizes: The numbers n, ``[num_sizes]``.
      per_image: Pearson correlation over subsets, ``[num, num_sizes]``; NaN where heat
        or loss is the same for all subsets.
      mean: Mean over the images that have one, ``[num_sizes]``: Ancona's definition.
      pooled: One correlation over subsets of all images, ``[num_sizes]``. Images that
        differ in their heat as a whole raise it.
    """

    sizes: jax.Array
    per_image: jax.Array
    mean: jax.Array
    pooled: jax.Array


def sensitivity_n(
    key: jax.Array,
    model: Callable,
    params: Any,
    x: ArrayLike,
    heatmaps: ArrayLike,
    targets: ArrayLike,
    *,
    tile: int = 1,
    sizes: Sequence[int] | None = None,
    num_subsets: int = 100,
    baselines: ArrayLike = 0.0,
    batch_size: int | None = 32,
) -> SensitivityN:
    """Correlate the heat of n tiles with what the output loses without them.

    Args:
      key: A typed key, which draws the subsets; all images have the same.
      model: ``model(params, x) -> [num, num_classes]``, logits.
      params: Its parameters.
      x: Images, ``[num, height, width, ...]``.
      heatmaps: Attribution of every pixel, ``[num, height, width]``, summed over the
        tiles of a subset.
      targets: Classes, ``[num]`` or one.
      tile: Height and width of a tile, in pixels.
      sizes: Numbers of tiles, each below that of the image; None for up to 16 evenly
        spaced ones on a logarithmic scale, from 1 to four fifths of the image.
      num_subsets: Subsets of each size.
      baselines: What replaces tiles: one number, an image, or one for each.
      batch_size: Images at a time; None for all at once.

    Returns:
      The correlations.

    Raises:
      ValueError: If shapes do not match, a map is not finite, or a number is out of
        range.

    References:
      Ancona et al., `Towards better understanding of gradient-based attribution
      methods for deep neural networks`, ICLR 2018, section 4.

    Example:
      >>> model = lambda params, x: jnp.sum(x, axis=(1, 2))[:, None]
      >>> x = jax.random.normal(jax.random.key(0), (2, 4, 4))
      >>> found = sensitivity_n(jax.random.key(1), model, None, x, x, 0, sizes=[1, 3])
      >>> print(found.mean.round(4))
      [1. 1.]
    """
    checks.key("key", key)
    x, heatmaps, targets = check_maps(model, params, x, heatmaps, targets)
    baselines = loops.check_baselines(baselines, x)
    checks.count("num_subsets", num_subsets, 2)
    if batch_size is not None:
        checks.count("batch_size", batch_size)
    numbers = tile_numbers(x.shape[1:3], tile)
    num_tiles = int(numbers.max()) + 1
    if sizes is None:
        last = max(1, int(0.8 * num_tiles))
        sizes = np.unique(np.round(np.geomspace(1, last, 16)).astype(int))
    sizes = checks.counts("sizes", sizes)
    if max(sizes) >= num_tiles:
        raise ValueError(
            f"sizes must be below the number of tiles, {num_tiles}, got {max(sizes)}"
        )
    subsets = _subsets(key, sizes, num_subsets, num_tiles)

    def losses(x, baselines, targets):
        output = loops.outputs_of_targets(model, params, x, targets)

        def step(_, number):
            return None, _loss(
                model, params, x, baselines, targets, output, subsets, numbers, number
            )

        return (yield from loops.stepwise(step, None, len(subsets), axis=1))[1]

    loss = loops.in_batches(losses, batch_size, x, baselines, targets)
    return _correlations(loss, heatmaps, subsets, numbers, sizes)


def infidelity(
    key: jax.Array,
    model: Callable,
    params: Any,
    x: ArrayLike,
    attributions: ArrayLike,
    targets: ArrayLike,
    *,
    noise_std: ArrayLike = 0.1,
    num_samples: int = 50,
    batch_size: int | None = 32,
) -> jax.Array:
    r"""Infidelity: mean square of what attributions fail to say of small changes.

    :math:`E_I [(I^T \phi - (f(x) - f(x - I)))^2]` with normal noise I, for attributions
    :math:`\phi` in units of the output per unit of the input: gradients, or others
    divided by the input less its baseline.

    Args:
      key: A typed key. An input's noise depends on it and on the input's number.
      model: ``model(params, x) -> [num, num_classes]``, logits.
      params: Its parameters.
      x: Inputs, ``[num, ...]``.
      attributions: Of the shape of ``x``.
      targets: Classes, ``[num]`` or one.
      noise_std: Standard deviation of the noise, positive.
      num_samples: Draws for each input.
      batch_size: Inputs at a time; None for all at once.

    Returns:
      Infidelity of each input, in squared units of the output, ``[num]``.

    Raises:
      ValueError: If shapes do not match or a number is out of range.

    References:
      Yeh et al., `On the (in)fidelity and sensitivity of explanations`, NeurIPS 2019.

    Example:
      >>> model = lambda params, x: x @ params
      >>> params, x = jnp.array([[1.0], [2.0]]), jnp.ones((1, 2))
      >>> value = infidelity(jax.random.key(0), model, params, x, params.T, 0)
      >>> print(f"{value[0]:.4f}")
      0.0000
    """
    checks.key("key", key)
    x, targets = loops.check_model(model, params, x, targets)
    attributions = checks.jax_array("attributions", attributions, x.dtype)
    checks.same_shape(attributions=attributions, x=x)
    noise_std = checks.positive("noise_std", noise_std)
    checks.count("num_samples", num_samples)

    def average(x, attributions, targets, keys):
        def step(total, number):
            return None, _square(
                model, params, x, attributions, targets, keys, noise_std, number
            )

        found = yield from loops.stepwise(step, None, num_samples, axis=1)
        return jnp.mean(found[1], axis=1)

    keys = loops.keys_of_inputs(key, len(x))
    return loops.in_batches(average, batch_size, x, attributions, targets, keys)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _subsets(key, sizes, num_subsets, num_tiles):
    """Tiles of random subsets, bool, ``[len(sizes) * num_subsets, num_tiles]``."""
    lots = jax.random.uniform(key, (len(sizes) * num_subsets, num_tiles))
    ranks = jnp.argsort(jnp.argsort(lots, axis=1), axis=1)
    return ranks < np.repeat(sizes, num_subsets)[:, None]


@exact_jit(static_argnames="model")
def _loss(model, params, x, baselines, targets, output, subsets, numbers, number):
    hidden = subsets[number][numbers]
    mask = hidden.reshape(1, *hidden.shape, *[1] * (x.ndim - 3))
    images = jnp.where(mask, baselines, x)
    return output - loops.target_outputs(model(params, images), targets)


@exact_jit(static_argnames="sizes")
def _correlations(loss, heatmaps, subsets, numbers, sizes):
    heat = tile_sums(heatmaps, numbers, subsets.shape[1])
    heat = heat @ subsets.T.astype(heat.dtype)
    heat, loss = (t.reshape(len(t), len(sizes), -1) for t in (heat, loss))
    per_image = _correlation(heat, loss)
    pooled = _correlation(
        *(jnp.moveaxis(t, 1, 0).reshape(len(sizes), -1) for t in (heat, loss))
    )
    defined = ~jnp.isnan(per_image)
    total = jnp.sum(jnp.where(defined, per_image, 0), axis=0)
    mean = total / jnp.sum(defined, axis=0)
    return SensitivityN(jnp.asarray(sizes), per_image, mean, pooled)


def _to_unit(t):
    """Numbers in units of the power of two below the largest, whose squares exist."""
    return t / power_of_two(jnp.max(jnp.abs(t), axis=-1, keepdims=True))


def _correlation(a, b):
    """Pearson correlation along the last axis; NaN where either is constant."""
    products, scales = 1.0, []
    for t in (a, b):
        t = _to_unit(t)
        size = jnp.max(jnp.abs(t), axis=-1, keepdims=True)
        t = t - jnp.mean(t, axis=-1, keepdims=True)
        # What rounding alone makes of equal sums is no difference.
        t = jnp.where(jnp.abs(t) > 16 * jnp.finfo(t.dtype).eps * size, t, 0)
        scales.append(jnp.sum(t**2, axis=-1))
        products = products * t
    # Zero by zero where either is constant.
    return jnp.sum(products, axis=-1) / jnp.sqrt(scales[0]) / jnp.sqrt(scales[1])


@exact_jit(static_argnames="model")
def _square(model, params, x, attributions, targets, keys, noise_std, number):
    noise = noise_std * jax.vmap(
        lambda key: jax.random.normal(
            jax.random.fold_in(key, number), x.shape[1:], x.dtype
        )
    )(keys)
    said = jnp.sum((noise * attributions).reshape(len(x), -1), axis=1)
    before, after = (
        loops.target_outputs(model(params, there), targets) for there in (x, x - noise)
    )
    return (said - (before - after)) ** 2
