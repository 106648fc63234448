"""Similarity of two maps: of their structure, and of their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["histogram_correlation", "structural_similarity"]

# Orientations of 20 degrees each, and how much of a block one may have before the norm
# is taken again: the authors' numbers.
_ORIENTATIONS, _MOST = 9, 0.2
_NO_NORM = 1e-5


def structural_similarity(
    a: ArrayLike,
    b: ArrayLike,
    *,
    data_range: ArrayLike | None = None,
    window: int = 7,
    std: float = 1.5,
) -> jax.Array:
    r"""Structural similarity index (SSIM) of the maps of each input.

    The mean over windows of

    .. math:: \frac{(2 \mu_a \mu_b + c_1) (2 \sigma_{ab} + c_2)}
        {(\mu_a^2 + \mu_b^2 + c_1) (\sigma_a^2 + \sigma_b^2 + c_2)} ,

    with moments of a window under Gaussian weights, :math:`c_1 = (0.01 L)^2` and
    :math:`c_2 = (0.03 L)^2` for a range L of values. The authors' windows have 11
    pixels; those that would reach over the edge are left out.

    Args:
      a: Maps, ``[num, height, width]``.
      b: Others, of the same shape.
      data_range: Range L of the values, positive; None to bring each map to [0, 1]
        first, by its own least and largest value, as sanity checks of attributions do.
      window: Pixels of a side of a window, at most those of the maps.
      std: Standard deviation of the weights, in pixels.

    Returns:
      Similarities, at most 1, ``[num]``; NaN where a map has NaN, or is constant and no
      range is given.

    Raises:
      ValueError: If the shapes differ or an option is out of range.

    References:
      Wang, Bovik, Sheikh and Simoncelli, `Image quality assessment`, IEEE Transactions
      on Image Processing 13, 2004.

    Example:
      >>> a, b = jnp.full((1, 8, 8), 0.2), jnp.full((1, 8, 8), 0.6)
      >>> print(structural_similarity(a, b, data_range=1.0).round(4))
      [0.6001]
    """
    a, b = _two_maps(a, b)
    checks.count("window", window)
    checks.in_range("window", window, f"[1, {min(a.shape[1:])}]")
    std = checks.positive("std", std)
    if data_range is not None:
        data_range = checks.positive("data_range", data_range)
    return _similarity(a, b, data_range, window, std)


def histogram_correlation(a: ArrayLike, b: ArrayLike, *, cell: int = 8) -> jax.Array:
    r"""Correlation of the histograms of oriented gradients (HOG) of each input's maps.

    Central differences, none across the edge, count by their length for one of nine
    orientations without direction, in square cells side by side. Blocks of two by two
    cells are brought to norm 1, no entry above 0.2 before it is taken again; of all
    blocks together it is Pearson's correlation. Maps are brought to [0, 1] first. A
    gradient counts for one orientation and one cell alone, where the authors share it
    among neighbours.

    Args:
      a: Maps, ``[num, height, width]``.
      b: Others, of the same shape.
      cell: Pixels of a side of a cell; two must fit. Pixels that fill none are left
        out.

    Returns:
      Correlations, ``[num]``; NaN where a map has NaN or is constant.

    Raises:
      ValueError: If the shapes differ, or two cells do not fit.

    References:
      Dalal and Triggs, `Histograms of oriented gradients for human detection`, CVPR
      2005. Adebayo et al., `Sanity checks for saliency maps`, NeurIPS 2018.

    Example:
      >>> across = jnp.broadcast_to(jnp.arange(8.0), (1, 8, 8))
      >>> down = across.transpose(0, 2, 1)
      >>> print(histogram_correlation(across, down, cell=4).round(3))
      [-0.125]
    """
    a, b = _two_maps(a, b)
    checks.count("cell", cell)
    checks.in_range("cell", cell, f"[1, {min(a.shape[1:]) // 2}]")
    return _histogram_correlation(a, b, cell)


@exact_jit(static_argnames="cell")
def _histogram_correlation(a, b, cell):
    a, b = (_histograms(maps, cell) for maps in (a, b))
    a, b = (t - jnp.mean(t, axis=1, keepdims=True) for t in (a, b))
    norms = [jnp.sqrt(jnp.sum(t**2, axis=1, keepdims=True)) for t in (a, b)]
    return jnp.sum((a / norms[0]) * (b / norms[1]), axis=1)


def _histograms(maps: jax.Array, cell: int) -> jax.Array:
    """Normalised histograms of all blocks, ``[num, num_blocks * 4 * 9]``."""
    # Equal pixels have no difference. Scaled first they may: of a product and one that
    # is rounded, in one instruction. The sign of as little decides on the orientation.
    low, high = _ends(maps)
    down = (maps[:, 2:] - maps[:, :-2]) / (high - low)
    across = (maps[:, :, 2:] - maps[:, :, :-2]) / (high - low)
    down = jnp.pad(down, ((0, 0), (1, 1), (0, 0)))
    across = jnp.pad(across, ((0, 0), (0, 0), (1, 1)))
    angle = jnp.arctan2(down, across) % jnp.pi
    place = jnp.minimum((angle / jnp.pi * _ORIENTATIONS).astype(int), _ORIENTATIONS - 1)
    counts = jax.nn.one_hot(place, _ORIENTATIONS, dtype=maps.dtype)
    counts = counts * jnp.hypot(down, across)[..., None]
    rows, columns = (size // cell for size in maps.shape[1:])
    counts = counts[:, : rows * cell, : columns * cell]
    cells = counts.reshape(-1, rows, cell, columns, cell, _ORIENTATIONS).sum((2, 4))
    blocks = jnp.concatenate(
        [
            cells[:, i : rows - 1 + i, j : columns - 1 + j]
            for i in (0, 1)
            for j in (0, 1)
        ],
        axis=3,
    )
    blocks = _of_norm_one(jnp.minimum(_of_norm_one(blocks), _MOST))
    return blocks.reshape(len(maps), -1)


def _of_norm_one(blocks):
    squares = jnp.sum(blocks**2, axis=3, keepdims=True)
    return blocks / jnp.sqrt(squares + _NO_NORM**2)


def _two_maps(a, b) -> tuple[jax.Array, jax.Array]:
    """Both arguments, found to be maps of one shape."""
    a, b = (
        checks.floats(name, checks.shape(name, value, ("num", "height", "width")))
        for name, value in (("a", a), ("b", b))
    )
    checks.same_shape(a=a, b=b)
    return a, b


@exact_jit(static_argnames=("window", "std"))
def _similarity(a, b, data_range, window, std):
    if data_range is None:
        a, b = _unit_range(a), _unit_range(b)
        data_range = 1.0
    averages = [jnp.asarray(_averages(n, window, std), a.dtype) for n in a.shape[1:]]

    def average(maps):
        return jnp.einsum("ij,bjk,lk->bil", averages[0], maps, averages[1])

    mean_a, mean_b = average(a), average(b)
    # Moments about one number for all: squares of large values would cancel.
    a, b = (t - jnp.mean(t, axis=(1, 2), keepdims=True) for t in (a, b))
    near_a, near_b = average(a), average(b)
    variance_a = average(a**2) - near_a**2
    variance_b = average(b**2) - near_b**2
    covariance = average(a * b) - near_a * near_b
    c_1, c_2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c_1) / (mean_a**2 + mean_b**2 + c_1)
    structure = (2 * covariance + c_2) / (variance_a + variance_b + c_2)
    return jnp.mean(luminance * structure, axis=(1, 2))


def _unit_range(maps):
    low, high = _ends(maps)
    # Zero by zero where they are constant.
    return (maps - low) / (high - low)


def _ends(maps):
    return (f(maps, axis=(1, 2), keepdims=True) for f in (jnp.min, jnp.max))


def _averages(size: int, window: int, std: float) -> np.ndarray:
    """Weighted means over windows along one axis, ``[size - window + 1, size]``."""
    places = np.arange(window) - (window - 1) / 2
    weights = np.exp(-0.5 * (places / std) ** 2)
    weights /= weights.sum()
    rows = np.zeros((size - window + 1, size))
    for number, row in enumerate(rows):
        row[number : number + window] = weights
    return rows
