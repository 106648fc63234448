"""Structural similarity of two maps."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["structural_similarity"]


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
    a, b = (
        checks.jax_array(name, checks.shape(name, value, ("num", "height", "width")))
        for name, value in (("a", a), ("b", b))
    )
    checks.same_shape(a=a, b=b)
    checks.count("window", window)
    checks.in_range("window", window, f"[1, {min(a.shape[1:])}]")
    std = checks.positive("std", std)
    if data_range is not None:
        data_range = checks.positive("data_range", data_range)
    return _similarity(a, b, data_range, window, std)


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
    low, high = (f(maps, axis=(1, 2), keepdims=True) for f in (jnp.min, jnp.max))
    # Zero by zero where they are constant.
    return (maps - low) / (high - low)


def _averages(size: int, window: int, std: float) -> np.ndarray:
    """Weighted means over windows along one axis, ``[size - window + 1, size]``."""
    places = np.arange(window) - (window - 1) / 2
    weights = np.exp(-0.5 * (places / std) ** 2)
    weights /= weights.sum()
    rows = np.zeros((size - window + 1, size))
    for number, row in enumerate(rows):
        row[number : number + window] = weights
    return rows
