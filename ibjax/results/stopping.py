"""Early stopping: the epochs at which seeds trained side by side would have stopped."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.numerics import checks

__all__ = ["EarlyStopping", "early_stopping"]


class EarlyStopping(NamedTuple):
    """Recorded epochs at which every seed stops, and at which it was best until then.

    Attributes:
      stopped: Epoch after which it does not go on, the last one where it never stops;
        the dims of what was watched, without ``epoch``.
      best: Epoch of the lowest value so far, whose weights one keeps.
    """

    stopped: xr.DataArray
    best: xr.DataArray


def early_stopping(watched: xr.DataArray, *, patience: float) -> EarlyStopping:
    """Epoch at which every seed stops for want of improvement, and its best one.

    All seeds of a sweep train to the end together, and early stopping is a way to read
    them: the snapshots up to that epoch are those of a training that ends there. A seed
    stops at the first recorded epoch that lies ``patience`` epochs or more after its
    lowest value so far. NaN is no improvement: a seed that has nothing else stops with
    the first epoch for its best.

    Only recorded epochs are seen, so record them more densely than the patience. Test
    rows that choose the epoch make its test loss look too good: it is the least of
    several.

    Args:
      watched: What is to fall, over ``epoch`` and any other dims, e.g.
        ``dataset.test_loss``, or ``-dataset.test_accuracy``.
      patience: Epochs to go on without a lower value, positive.

    Returns:
      The epochs. ``dataset.sel(epoch=stopping.best)`` is the dataset at each seed's
      own, and ``dataset.where(dataset.epoch <= stopping.stopped)`` is NaN afterwards.

    Raises:
      ValueError: If there is no epoch, or ``patience`` is not positive.

    References:
      Prechelt, `Early stopping - but when?`, in Neural Networks: Tricks of the Trade,
      1998.

    Example:
      >>> loss = xr.DataArray(
      ...     [[5.0, 3.0, 4.0, 3.5, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0]],
      ...     coords={"seed": [0, 1], "epoch": [0, 10, 20, 30, 40]},
      ... )
      >>> stopping = early_stopping(loss, patience=20)
      >>> print(stopping.stopped.values, stopping.best.values)
      [30 40] [10 40]
      >>> print(loss.sel(epoch=stopping.best).values)
      [3. 1.]
    """
    checks.instance("watched", watched, xr.DataArray)
    if watched.sizes.get("epoch", 0) == 0:
        raise ValueError(f"watched must be over epoch, got {dict(watched.sizes)}")
    # Written so that NaN is refused too.
    if not (isinstance(patience, int | float | np.number) and patience > 0):
        raise ValueError(f"patience must be a positive number, got {patience!r:.80}")
    watched = watched.transpose("epoch", ...)
    epochs, places = watched["epoch"].values, np.arange(watched.sizes["epoch"])
    values = np.where(np.isnan(watched), np.inf, watched)
    before = np.minimum.accumulate(values, axis=0)[:-1]
    # The first epoch is the best until another is: also where it has no value.
    improves = np.concatenate([np.zeros_like(values[:1], bool), values[1:] < before])
    places = places.reshape(-1, *(values.ndim - 1) * [1])
    best = np.maximum.accumulate(np.where(improves, places, 0), axis=0)
    over = epochs[places] - epochs[best] >= patience
    stopped = np.where(over.any(axis=0), over.argmax(axis=0), len(epochs) - 1)
    best = np.take_along_axis(best, stopped[None], axis=0)[0]
    first = watched.isel(epoch=0, drop=True)
    names = "epoch of stopping", "epoch of the lowest value until then"
    return EarlyStopping(
        *(
            first.copy(data=epochs[chosen]).assign_attrs(long_name=name, units="epochs")
            for chosen, name in zip((stopped, best), names, strict=True)
        )
    )
