"""Shards of sweeps: together they are the whole run, to the last bit."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from ibjax import TrainConfig, datasets, networks, probes, results, sweep
from ibjax.networks.network import Layer
from ibjax.results.files import ResultsError
from ibjax.results.merging import merge_cells
from ibjax.results.shards import Shard
from ibjax.sweeps.checkpoint import CHECKPOINT_FILE
from ibjax.sweeps.grid import Cell, sweep_grid
from ibjax.sweeps.seeds import sweep_trainable
from ibjax.training.trainable import Trainable

KEY = jax.random.key(0)
NUM_SEEDS = 7
WIDTH = 33
MIXING = np.random.default_rng(0).normal(size=(WIDTH, WIDTH)).astype(np.float32)


def _mixed(**configuration):
    """Vectors that a chaotic map moves: a product summed otherwise shows at once."""

    def run_epoch(state, own, data, drawn, epoch):
        return jnp.sin(own * (data @ state))

    return Trainable(
        init=lambda key, data, numbers: (
            jax.random.normal(key, (WIDTH,)),
            jnp.float32(numbers.get("gain", 1.5)),
        ),
        run_epoch=run_epoch,
        measure=lambda state, own, data, drawn, epoch, is_last: {
            "values": state,
            "norm": jnp.linalg.norm(state),
        },
        data=MIXING,
        layers=(Layer("state", (WIDTH,)),),
        numbers=("gain",),
        configuration=configuration,
        title="ibjax sweep of {num} vectors",
    )


def _run(**options):
    options = {"num_seeds": NUM_SEEDS, "snapshots": (0, 3, 30)} | options
    trainable = options.pop("trainable", None) or _mixed(kind="plain")
    return sweep_trainable(KEY, trainable, **options)


def _assert_same_run(merged, whole):
    xr.testing.assert_equal(merged, whole)
    for name in ("configuration", "title", "block"):
        assert merged.attrs[name] == whole.attrs[name], name


@pytest.fixture(scope="module")
def whole():
    return _run()


@pytest.mark.parametrize(
    "count",
    [
        count if count in (2, 7) else pytest.param(count, marks=pytest.mark.slow)
        for count in range(1, NUM_SEEDS + 1)
    ],
)
def test_shards_are_together_the_whole_run(count, whole):
    shards = [_run(shard=f"{n}/{count}") for n in range(count, 0, -1)]
    assert {int(shard.sizes["seed"]) for shard in shards} <= {1, 2, 3, 4, 5, 7}
    _assert_same_run(results.merge(shards), whole)


def test_a_number_of_the_run_stays_in_its_place_of_a_block(whole):
    """Two gains of seven seeds: the copies of the second begin within a block."""
    vary, whole_run = {"gain": [1.4, 1.6]}, {"first_seed": 2}
    together = _run(vary=vary, **whole_run)
    shards = [_run(vary=vary, shard=f"{n}/3", **whole_run) for n in (1, 2, 3)]
    _assert_same_run(results.merge(shards), together)


def test_blocks_that_are_chosen_are_kept_together():
    shards = [_run(shard=f"{n}/2", block=3, num_seeds=8) for n in (1, 2)]
    assert [shard.sizes["seed"] for shard in shards] == [6, 2]
    _assert_same_run(results.merge(shards), _run(block=3, num_seeds=8))


class _Interrupted(Exception):
    pass


def _stop(progress):
    if progress.num_snapshots_done == 2:
        raise _Interrupted


def test_a_shard_that_was_stopped_goes_on(whole, tmp_path):
    for number in (1, 2):
        place = tmp_path / Shard(number, 2).directory_name
        options = {"shard": f"{number}/2", "directory": place}
        with pytest.raises(_Interrupted):
            _run(**options, on_progress=_stop)
        assert (place / CHECKPOINT_FILE).exists()
        with pytest.raises(ResultsError, match=f"shard-{number}-of-2 is unfinished"):
            results.merge_directories([tmp_path])
        with pytest.raises(ResultsError, match="differs in .*shard"):
            _run(shard=f"{3 - number}/2", directory=place, resume=True)
        _run(**options, resume=True)
    _assert_same_run(results.merge_directories([tmp_path]), whole)


def test_shards_of_grids_are_merged_cell_by_cell(tmp_path):
    cells = [
        Cell({"kind": kind}, snapshots=(0, 3), trainable=_mixed(kind=kind))
        for kind in ("a", "b")
    ]
    together = sweep_grid(KEY, cells, num_seeds=NUM_SEEDS, directory=tmp_path / "one")
    for number in (1, 2):
        shard = Shard(number, 2)
        options = {"directory": tmp_path / shard.directory_name, "shard": str(shard)}
        sweep_grid(KEY, cells, num_seeds=NUM_SEEDS, **options)
    merged = results.merge_directories([tmp_path])
    _assert_same_run(merged, together)
    assert json.loads(merged.attrs["configuration"])["grid"] == {"kind": ["a", "b"]}
    found = merge_cells([tmp_path])
    assert list(found) == ["kind=a", "kind=b"]
    for name, cell in found.items():
        _assert_same_run(cell, results.open_dataset(tmp_path / "one" / name))


@pytest.mark.slow
def test_shards_of_networks_are_the_whole_sweep():
    x = np.random.default_rng(0).normal(size=(24, 3))
    task = datasets.make_task(x, x[:, 0] > 0)

    def run(**options):
        return sweep(
            KEY,
            task,
            networks.mlp((3, 4, 2)),
            TrainConfig(learning_rate=0.1, batch_size=8),
            num_seeds=NUM_SEEDS,
            snapshots=(0, 5),
            probes=[probes.bin_width(0.07), probes.losses],
            **options,
        )

    merged = results.merge([run(shard=f"{n}/3") for n in (1, 2, 3)])
    _assert_same_run(merged, run())


@pytest.mark.parametrize(
    ("shard", "error", "message"),
    [
        ("8/8", ValueError, "shard must be one of at most 7, the number of seeds"),
        ("0/3", ValueError, "shard must be K/N with K from 1 to N"),
        (1, TypeError, "shard must be a str"),
    ],
)
def test_shards_that_cannot_be_are_refused(shard, error, message, nothing_compiles):
    with pytest.raises(error, match=message):
        _run(shard=shard)
