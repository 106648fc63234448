"""Early stopping, against the loop that a training of one seed would run."""

import numpy as np
import pytest
import xarray as xr

from ibjax.results import early_stopping
from ibjax.results.example import example_dataset

EPOCHS = [0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80]


def _loop(losses, patience):
    """Stops a training of one seed as it goes on; the epoch, and that of the best."""
    best, best_epoch = np.inf, EPOCHS[0]
    for epoch, loss in zip(EPOCHS, losses, strict=True):
        if loss < best:
            best, best_epoch = loss, epoch
        if epoch - best_epoch >= patience:
            break
    return epoch, best_epoch


def _losses(**coords):
    """Losses with ties, and a tenth of them not numbers."""
    rng = np.random.default_rng(0)
    coords["epoch"] = EPOCHS
    losses = rng.integers(20, size=[len(values) for values in coords.values()]) / 4
    losses[rng.uniform(size=losses.shape) < 0.1] = np.nan
    return xr.DataArray(losses, coords=coords)


@pytest.mark.parametrize("patience", [1, 3, 10, 10.5, 1000])
def test_every_seed_stops_where_its_own_training_would(patience):
    losses = _losses(seed=np.arange(3, 60))
    found = early_stopping(losses, patience=patience)
    expected = np.array([_loop(row, patience) for row in losses.values])
    np.testing.assert_array_equal(found.stopped, expected[:, 0])
    np.testing.assert_array_equal(found.best, expected[:, 1])
    assert found.best.dims == ("seed",) and found.best.dtype.kind == "i"
    assert (len(set(expected[:, 0])) > 1) == (patience < 1000)


def test_grids_stop_network_by_network_whatever_the_order_of_the_dims():
    losses = _losses(learning_rate=[0.1, 0.2], seed=range(5))
    found = early_stopping(losses.transpose("epoch", "seed", ...), patience=4)
    for rate in losses.learning_rate:
        alone = early_stopping(losses.sel(learning_rate=rate), patience=4)
        for one, other in zip(found, alone, strict=True):
            xr.testing.assert_equal(one.sel(learning_rate=rate), other)


def test_a_dataset_is_selected_at_every_seeds_own_epoch():
    dataset = example_dataset(num_seeds=4)
    accuracy = dataset.i_ty.isel(layer=-1, estimator=0, drop=True)
    found = early_stopping(-accuracy, patience=300)
    assert len(np.unique(found.best)) > 1
    chosen = dataset.sel(epoch=found.best)
    assert chosen.i_xt.dims == ("seed", "layer", "estimator")
    until = dataset.where(dataset.epoch <= found.stopped)
    for seed in dataset.seed.values:
        own = dataset.sel(seed=seed)
        stopped, best = (int(epochs.sel(seed=seed)) for epochs in found)
        np.testing.assert_array_equal(
            chosen.i_xt.sel(seed=seed), own.i_xt.sel(epoch=best)
        )
        kept = until.i_xt.sel(seed=seed).dropna("epoch").epoch
        np.testing.assert_array_equal(kept, own.sel(epoch=slice(stopped)).epoch)
        assert accuracy.sel(seed=seed, epoch=slice(None, stopped)).max() == (
            accuracy.sel(seed=seed, epoch=best)
        )


def test_a_seed_without_numbers_stops_with_the_first_epoch_for_its_best():
    losses = xr.full_like(_losses(seed=[0]), np.nan)
    found = early_stopping(losses, patience=5)
    assert (found.stopped.item(), found.best.item()) == (5, 0)


def test_wrong_arguments():
    losses = _losses(seed=[0])
    with pytest.raises(ValueError, match="watched must be over epoch, got {'seed': 1}"):
        early_stopping(losses.isel(epoch=0), patience=1)
    for patience in (0, -1, np.nan):
        with pytest.raises(ValueError, match="patience must be a positive number, got"):
            early_stopping(losses, patience=patience)
