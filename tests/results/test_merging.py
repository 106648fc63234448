"""Runs of different seeds: joined where they fit, refused by name where they do not."""

import json
import warnings

import numpy as np
import pytest
import xarray as xr

from ibjax import results
from ibjax.results.example import example_dataset
from ibjax.results.files import ResultsError
from ibjax.results.shards import Shard
from tests.results.handmade import dataset_of


def test_merged_seeds_are_sorted():
    first, second = dataset_of((0, 1)), dataset_of((2, 3, 4))
    merged = results.merge(iter([second, first]))
    assert merged.seed.values.tolist() == [0, 1, 2, 3, 4]
    assert json.loads(merged.attrs["configuration"])["num_seeds"] == 5
    assert merged.attrs["h_y"] == 0.69
    for part in (first, second):
        found = merged.sel(seed=part.seed)
        for name in part.variables:
            np.testing.assert_array_equal(found[name], part[name])
    assert merged.i_xt.attrs == {"units": "nats"}
    # The parts are as they were.
    assert json.loads(first.attrs["configuration"])["num_seeds"] == 2


def test_merged_datasets_can_be_saved(tmp_path):
    merged = results.merge([dataset_of((0, 1)), dataset_of((2,))])
    results.save_dataset(merged, tmp_path / results.DATASET_FILE)
    xr.testing.assert_identical(results.open_dataset(tmp_path), merged)


def test_one_dataset_merges_to_itself():
    merged = results.merge([dataset_of()])
    configuration = json.loads(merged.attrs.pop("configuration"))
    assert configuration["num_seeds"] == 2 and configuration["first_seed"] == 0
    xr.testing.assert_equal(merged, dataset_of())


def test_merge_refuses():
    with pytest.raises(ValueError, match="datasets must hold at least one dataset"):
        results.merge([])
    with pytest.raises(ValueError, match="datasets share seeds"):
        results.merge([dataset_of((0, 1)), dataset_of((1, 2))])
    with pytest.raises(ValueError, match="from 0 to 14, got none of 5, 6, 7, 8, 9$"):
        results.merge([dataset_of(range(5)), dataset_of(range(10, 15))])
    with pytest.raises(ValueError, match="none of 1, 2, .*, 8 and 1 more"):
        results.merge([dataset_of((0,)), dataset_of((10,))])
    with pytest.raises(ValueError, match="datasets differ in learning_rate, split"):
        results.merge(
            [dataset_of(), dataset_of((2, 3), learning_rate=0.1, split="ordered")]
        )


def test_merge_takes_datasets(tmp_path):
    whole = example_dataset(num_seeds=2)
    with pytest.raises(TypeError, match="datasets must be several datasets"):
        results.merge(whole)
    with pytest.raises(TypeError, match="each of datasets must be a Dataset, got 3"):
        results.merge([whole, 3])


def _shard(number, count=3, num_seeds=7, **attributes):
    """A shard of seven networks, as a sweep labels it."""
    shard = Shard(number, count)
    seeds = shard.seeds(num_seeds)
    entry = shard._asdict() | {"num_seeds": num_seeds, "first_seed": 0}
    dataset = dataset_of(
        seeds,
        first_seed=seeds[0],
        shard=entry,
        key=attributes.pop("key", 0),
    )
    return dataset.assign_attrs(
        {
            "title": f"ibjax sweep of {len(seeds)} networks",
            "versions": json.dumps({"jax": "0.10.2", "ibjax": "0.2.0"}),
            "devices": "2 x cpu",
            "created": f"2026-01-0{number}T00:00:00+00:00",
            "wall_seconds": 10.0 * number,
            "block": 5,
        }
        | attributes
    )


def _write(directory, shards):
    for name, dataset in shards.items():
        (directory / name).mkdir()
        results.save_dataset(dataset, directory / name / results.DATASET_FILE)


def test_the_attributes_of_shards_are_combined():
    merged = results.merge([_shard(n) for n in (3, 1, 2)])
    configuration = json.loads(merged.attrs["configuration"])
    assert "shard" not in configuration
    assert (configuration["num_seeds"], configuration["first_seed"]) == (7, 0)
    assert merged.seed.values.tolist() == list(range(7))
    assert merged.attrs["title"] == "ibjax sweep of 7 networks"
    assert merged.attrs["wall_seconds"] == 60.0
    assert merged.attrs["created"] == "2026-01-03T00:00:00+00:00"
    assert merged.attrs["devices"] == "2 x cpu" and merged.attrs["block"] == 5


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"devices": "1 x gpu (H100)"}, r"kinds of devices \(cpu; gpu \(H100\)\)"),
        ({"block": 4}, r"sizes of blocks \(5; 4\)"),
        (
            {"versions": json.dumps({"jax": "0.11.0", "ibjax": "0.2.0"})},
            r"versions \(jax 0.10.2; jax 0.11.0\)",
        ),
    ],
)
def test_other_devices_and_versions_are_told(attributes, said):
    with pytest.warns(UserWarning, match=f"parts of the run differ in {said}"):
        merged = results.merge([_shard(1), _shard(2), _shard(3, **attributes)])
    assert merged.sizes["seed"] == 7
    if "devices" in attributes:
        assert merged.attrs["devices"] == "2 x cpu; 1 x gpu (H100)"


def test_a_number_of_devices_is_no_kind():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results.merge([_shard(1), _shard(2, devices="8 x cpu"), _shard(3)])


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        ({"a": (1, {}), "c": (3, {})}, "^shard 2 of 3 missing"),
        ({"b": (2, {})}, "^shards 1, 3 of 3 missing"),
        (
            {"a": (1, {}), "b": (2, {}), "c": (3, {}), "d": (2, {})},
            "^shard 2/3 is there twice: .*/b and .*/d$",
        ),
        (
            {"a": (1, {}), "b": (2, {"key": 1}), "c": (3, {})},
            "/b is of another run than .*/a, which differs in key$",
        ),
        (
            {"a": (1, {}), "b": (2, {"count": 4}), "c": (3, {})},
            "/b is shard 2/4 of a run of 7 seeds from 0 on, .*/a shard 1/3 of one",
        ),
        (
            {"a": (1, {}), "b": (2, {"num_seeds": 8}), "c": (3, {})},
            "/b is shard 2/3 of a run of 8 seeds",
        ),
        (
            {"a": (1, {}), "b": (2, {"versions": '{"ibjax": "9.9"}'}), "c": (3, {})},
            "/b is of version 9.9 of ibjax, .*/a of 0.2.0",
        ),
    ],
)
def test_directories_that_do_not_fit_are_refused_by_name(shards, message, tmp_path):
    _write(tmp_path, {k: _shard(n, **options) for k, (n, options) in shards.items()})
    with pytest.raises(ResultsError, match=message):
        results.merge_directories([tmp_path / name for name in shards])


def test_runs_that_are_no_shards_do_not_go_with_shards(tmp_path):
    plain = _shard(2)
    configuration = json.loads(plain.attrs["configuration"])
    del configuration["shard"]
    plain.attrs["configuration"] = json.dumps(configuration)
    _write(tmp_path, {"a": _shard(1), "b": plain})
    with pytest.raises(ResultsError, match="/b is of no shard, others are"):
        results.merge_directories([tmp_path / "a", tmp_path / "b"])


def test_shards_cut_at_other_blocks_do_not_fit(tmp_path):
    """All three are there, and yet seeds are missing, or there twice."""
    other = _shard(3).isel(seed=slice(1, None))
    with pytest.raises(ValueError, match="from 0 to 6, got none of 5$"):
        results.merge([_shard(1), _shard(2), other])
    longer = _shard(1).reindex(seed=range(4), fill_value=0.0)
    _write(tmp_path, {"a": longer, "b": _shard(2), "c": _shard(3)})
    with pytest.raises(ResultsError, match="/a and .*/b both have seed 3"):
        results.merge_directories([tmp_path / name for name in "abc"])


def test_a_directory_stands_for_the_shards_in_it(tmp_path):
    names = [Shard(n, 3).directory_name for n in (1, 2, 3)]
    _write(tmp_path, {name: _shard(n + 1) for n, name in enumerate(names)})
    (tmp_path / "figures").mkdir()
    merged = results.merge_directories([tmp_path])
    assert merged.identical(results.merge_directories([tmp_path / n for n in names]))
    with pytest.raises(ResultsError, match="shard-2-of-3 is there 2 times"):
        results.merge_directories([tmp_path, tmp_path / names[1]])
    (tmp_path / names[1] / results.DATASET_FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(ResultsError, match="shard-2-of-3 has no results"):
        results.merge_directories([tmp_path])
    (tmp_path / names[1] / "checkpoint.npz").touch()
    with pytest.raises(ResultsError, match="shard-2-of-3 is unfinished; .*--resume"):
        results.merge_directories([tmp_path])


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1/0", "1", "1/2/3", "-1/3", "a/b"])
def test_texts_of_no_shard_are_refused(text):
    with pytest.raises(ValueError, match="shard must be K/N with K from 1 to N"):
        Shard.parse(text)


def test_shards_share_out_the_seeds():
    for num_seeds in range(1, 40):
        for count in range(1, num_seeds + 1):
            for block in (1, 5):
                shards = [
                    Shard(n + 1, count).seeds(num_seeds, block=block, first_seed=3)
                    for n in range(count)
                ]
                together = [seed for shard in shards for seed in shard]
                assert together == list(range(3, 3 + num_seeds))
                assert all(shards)
                if num_seeds >= block * count:
                    assert all((shard[0] - 3) % block == 0 for shard in shards)
    with pytest.raises(ValueError, match="one of at most 4, the number of seeds"):
        Shard(1, 5).seeds(4)
