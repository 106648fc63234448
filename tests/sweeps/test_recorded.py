"""Recorded activities give a sweep's own numbers, whatever form they come in."""

import json
import sys
import warnings

import h5py
import jax
import numpy as np
import pytest

from ibjax import (
    TrainConfig,
    compilation,
    datasets,
    information_plane,
    networks,
    probes,
    replay,
    results,
    sweep,
)

EPOCHS = [0, 2, 5]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
TASK = datasets.make_task(X, (X[:, 0] > 0).astype(int))


@pytest.fixture
def _compiled_as_for_users(monkeypatch, users_options):
    for name, value in users_options.items():
        monkeypatch.setitem(compilation.CPU_OPTIONS, name, value)


def _sweep(estimators, *more):
    """Seven networks, layers of different width, ReLU and softmax."""
    return sweep(
        jax.random.key(1),
        TASK,
        networks.mlp([3, 7, 2], "relu"),
        TrainConfig(learning_rate=1e-2, batch_size=16),
        num_seeds=7,
        snapshots=EPOCHS,
        probes=[*probes.named_estimators(estimators), *more],
        first_seed=2,
    )


def _assert_same_numbers(found, dataset):
    for name in ("num_samples", "h_y", "i_xy", "task"):
        assert found.attrs[name] == dataset.attrs[name]
    counted = [n for n in dataset.estimator.values if not n.startswith("kde")]
    for name in ("i_xt", "i_ty"):
        one, other = dataset[name], found[name]
        assert one.sel(estimator=counted).identical(other.sel(estimator=counted))
        # Kernel sums round as the compiler arranges what is around them, by a few
        # units in the last place of log 60 and of their differences.
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_numbers_are_the_sweeps_own(_compiled_as_for_users):
    def layers(snapshot):
        return {f"t{n}": t for n, t in enumerate(snapshot.layers)}

    names = ["bin-width"]
    dataset = _sweep(names, layers)
    layer_names = dataset.layer_name.values.tolist()
    found = information_plane(
        {name: dataset[f"t{n}"] for n, name in enumerate(layer_names)},
        np.asarray(TASK.labels),
        epochs=EPOCHS,
        estimators=names,
        name=TASK.name,
        first_seed=2,
    )
    _assert_same_numbers(found, dataset)


@pytest.mark.slow
def test_numbers_of_replayed_networks_are_the_sweeps_own(_compiled_as_for_users):
    names = ["binning", "closed-binning", "bin-width", "ross", "kde"]
    dataset = _sweep(names)
    replayed = [
        [replay(dataset, seed, epoch, task=TASK).layers for epoch in EPOCHS]
        for seed in dataset.seed.values
    ]
    found = information_plane(
        {
            name: np.stack([[layers[n] for layers in seed] for seed in replayed])
            for n, name in enumerate(dataset.layer_name.values.tolist())
        },
        np.asarray(TASK.labels),
        epochs=EPOCHS,
        estimators=names,
        name=TASK.name,
        first_seed=2,
    )
    _assert_same_numbers(found, dataset)


def _recorded(num_seeds=None, seed=0):
    """Activities of two layers, one of images, whose information grows with epochs."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 40)
    seeds = () if num_seeds is None else (num_seeds,)
    noise = rng.normal(size=(*seeds, 3, 40, 2, 3))
    drift = np.arange(3)[:, None, None, None] * labels[:, None, None]
    conv = noise + drift
    return {"conv": conv, "fc": conv.mean(axis=-1).clip(0)}, labels


def _same(one, other):
    for name in ("i_xt", "i_ty"):
        np.testing.assert_array_equal(one[name], other[name])
        assert one[name].notnull().all()
    np.testing.assert_array_equal(one.epoch, other.epoch)
    np.testing.assert_array_equal(one.layer_name, other.layer_name)
    np.testing.assert_array_equal(one.layer_width, [6, 2])


def _plane(activities, labels, **options):
    return information_plane(
        activities, labels, **({"estimators": ["bin-width"]} | options)
    )


def test_every_form_is_the_same(tmp_path):
    recorded, labels = _recorded()
    names = list(recorded)
    expected = _plane(recorded, labels, epochs=EPOCHS)

    def at(number):
        return {name: array[number] for name, array in recorded.items()}

    by_epoch = dict(enumerate(map(at, range(3))))
    forms = {
        "function": lambda epoch: by_epoch[EPOCHS.index(epoch)],
        "iterator": iter(by_epoch.values()),
        "epochs": list(by_epoch.values()),
    }
    for form in forms.values():
        _same(_plane(form, labels, epochs=EPOCHS), expected)
    lists = list(recorded.values()), [list(at(n).values()) for n in range(3)]
    for form in lists:
        _same(_plane(form, labels, epochs=EPOCHS, layers=names), expected)
    _same(_plane({e: at(n) for n, e in enumerate(EPOCHS)}, labels), expected)
    # Labels of every form that tasks take, and files, which hold all there is.
    text = np.array(["owl", "cat", "dog"])[labels]
    order = _plane(recorded, text, epochs=EPOCHS)
    assert json.loads(order.attrs["configuration"])["class_names"] == [
        "cat",
        "dog",
        "owl",
    ]
    np.testing.assert_allclose(order.i_ty, expected.i_ty, rtol=1e-5)
    _same(_plane(recorded, np.eye(3)[labels], epochs=EPOCHS), expected)
    np.savez(tmp_path / "a.npz", **recorded, labels=labels, epochs=EPOCHS)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in {**recorded, "labels": text.astype("S")}.items():
            file[name] = array
        file["epochs"], file["layers"] = EPOCHS, names[::-1]
    _same(_plane(tmp_path / "a.npz", None), expected)
    _same(_plane(str(tmp_path / "a.npz"), labels, layers=names), expected)
    found = _plane(tmp_path / "a.h5", None)
    assert found.layer_name.values.tolist() == ["fc", "conv"]
    np.testing.assert_array_equal(
        found.i_xt.sel(layer=[2, 1]), expected.i_xt.transpose(*found.i_xt.dims)
    )


def test_activities_of_a_zarr_group_are_those_of_its_arrays(tmp_path):
    zarr = pytest.importorskip("zarr")
    recorded, labels = _recorded()
    names = list(recorded)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name, array in {**recorded, "labels": labels, "epochs": EPOCHS}.items():
        group.create_array(name, data=np.asarray(array))
    found = _plane(tmp_path / "a.zarr", None, layers=names)
    _same(found, _plane(recorded, labels, epochs=EPOCHS))
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="a.zarr cannot be read"):
        _plane(tmp_path / "a.zarr", None)


def test_a_zarr_group_without_zarr_is_refused(monkeypatch, tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").touch()
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ModuleNotFoundError, match="not installed: pip install zarr"):
        _plane(tmp_path / "a.zarr", None)


def test_several_networks_are_each_by_itself():
    recorded, labels = _recorded(num_seeds=3)
    found = _plane(recorded, labels, first_seed=4)
    assert found.seed.values.tolist() == [4, 5, 6]
    alone = _plane({n: a[2] for n, a in recorded.items()}, labels)
    # To rounding: a loop over one network is none to the compiler.
    np.testing.assert_allclose(found.i_xt[2], alone.i_xt[0], rtol=1e-6)
    each = [{n: a[:, e] for n, a in recorded.items()} for e in range(3)]
    np.testing.assert_array_equal(_plane(each, labels).i_ty, found.i_ty)


def test_it_is_summarised_saved_and_opened_like_a_sweep(tmp_path):
    recorded, labels = _recorded(num_seeds=2)
    found = _plane(recorded, labels, estimators=["data-range"])
    results.save_dataset(found, tmp_path / "results.nc")
    assert results.open_dataset(tmp_path).identical(found)
    summary = results.summarize(found)
    assert [e["estimator"] for e in summary["estimators"]] == ["data_range"]
    other = _plane(recorded, labels, estimators=["data-range"], first_seed=2)
    assert results.merge([found, other]).sizes["seed"] == 4
    with pytest.raises(ValueError, match="run must be of networks on a task"):
        replay(found, 0, 0)


def test_layers_that_tell_all_inputs_apart_are_named():
    rng = np.random.default_rng(0)
    activities = {"wide": rng.normal(size=(2, 50, 8)), "narrow": np.zeros((2, 50, 1))}
    found = _plane(activities, rng.integers(0, 2, 50))
    np.testing.assert_allclose(found.i_xt.sel(layer=1), np.log(50), rtol=1e-6)
    assert found.attrs["at_ceiling"].endswith(": bin_width in layer 1")
    activities = {"narrow": np.zeros((2, 50, 1))}
    assert "at_ceiling" not in _plane(activities, rng.integers(0, 2, 50)).attrs


def test_real_targets_and_probes_of_ones_own():
    rng = np.random.default_rng(0)
    t = rng.normal(size=(2, 300, 1))
    y = 0.6 * t[1, :, 0] + 0.8 * rng.normal(size=300)

    def mean(snapshot):
        return {"mean": snapshot.activity("t").mean()}

    found = information_plane(
        {"t": t}, targets=y, estimators=[probes.target_information("gaussian"), mean]
    )
    # A correlation of 0.6 has -log(1 - 0.36) / 2 nats; its estimate's standard error
    # is about r / sqrt(N) nats.
    truth = np.array([0.0, -0.5 * np.log(1 - 0.36)])
    values = found.i_ty.sel(estimator="gaussian").values.ravel()
    np.testing.assert_allclose(values, truth, rtol=0, atol=4 * 0.6 / np.sqrt(300))
    np.testing.assert_allclose(found["mean"][0], t.mean(axis=(1, 2)), atol=1e-6)
    with pytest.raises(ValueError, match="alone, got one that reads gradient_"):
        information_plane({"t": t}, targets=y, estimators=[probes.gradients])
    needs = probes.kde_bounds("noise_variance")
    with pytest.raises(ValueError, match="one without noise_variance"):
        information_plane({"t": t}, y > 0, estimators=[needs])


def test_a_network_that_is_not_finite_is_marked_and_others_stand():
    recorded, labels = _recorded(num_seeds=3)
    whole = _plane(recorded, labels)
    recorded["fc"][1, 2, 5, 0] = np.nan
    with pytest.warns(
        UserWarning, match="seed 1 is not finite at epoch 2 in layer 'fc'"
    ):
        found = _plane(recorded, labels)
    assert found.diverged.values.tolist() == [False, True, False]
    assert found.i_xt.sel(seed=1, epoch=2).isnull().all()
    np.testing.assert_array_equal(found.i_xt[[0, 2]], whole.i_xt[[0, 2]])
    np.testing.assert_array_equal(found.i_xt[1, :2], whole.i_xt[1, :2])
    alone = {name: array[1] for name, array in recorded.items()}
    with pytest.raises(
        ValueError, match="layer 'fc' of activities must be finite, .* 2"
    ):
        _plane(alone, labels)


GOOD, LABELS = _recorded()


@pytest.mark.parametrize(
    "activities, options, message",
    [
        (GOOD | {"fc": GOOD["fc"][:2]}, {}, r"as many epochs each, got .*'fc': 2"),
        (GOOD | {"fc": GOOD["fc"][:, :9]}, {}, r"layer 'fc' .* the 40 samples .*9"),
        (GOOD, {"epochs": [0, 5, 5]}, r"epochs must increase .* \[0, 5, 5\]"),
        (GOOD, {"epochs": [0, 1.5, 2]}, "epochs must be whole numbers"),
        (GOOD, {"epochs": [0, 1]}, "one for each of the 3 in activities, got 2"),
        (GOOD, {"labels": None}, "labels or targets must be given, got none"),
        (GOOD, {"labels": LABELS[:5]}, "with the 5 samples of the labels"),
        (GOOD, {"layers": ["fc", "out"]}, "conv, fc; got out"),
        (GOOD, {"estimators": ["bins"]}, "names of estimators must be one of"),
        (GOOD, {"estimators": ["kde", "kde"]}, "kde_lower.*twice"),
        (
            lambda epoch: GOOD,
            {},
            "epochs must be given where activities are a function",
        ),
        (iter([]), {}, "at least one epoch, got none"),
        ([GOOD["fc"][0]], {}, r"shape \[epoch, sample, unit\]"),
        (
            [{"a": GOOD["fc"][0]}, {"a": GOOD["conv"][0]}],
            {},
            r"same layers at all epochs, .*\(2,\).* at epoch 0; got .* at epoch 1",
        ),
        (
            [{"a": GOOD["fc"][0]}, {"a": GOOD["fc"][0, :7]}],
            {},
            "layer 'a' of activities at epoch 1 must have shape",
        ),
        (iter([GOOD["fc"][0]]), {"estimators": ["data-range"]}, "an iterator is read"),
        (iter([GOOD["fc"][0]]), {"epochs": [0, 1]}, "one for each of the 1 in"),
        (iter([GOOD["fc"][0]] * 2), {"epochs": [0]}, "one for each in activities"),
    ],
)
def test_what_does_not_fit_is_named(activities, options, message):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        warnings.simplefilter("error")
        _plane(activities, options.pop("labels", LABELS), **options)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x89HDF\r\n\x1a\n"])
def test_a_file_that_is_none_is_named(tmp_path, content):
    path = tmp_path / "there.npz"
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError), match="there.npz"):
        _plane(path, LABELS)
    with pytest.raises(FileNotFoundError, match="missing.h5: no such file"):
        _plane(tmp_path / "missing.h5", LABELS)
    np.savez(path, fc=GOOD["fc"], epochs=EPOCHS)
    with pytest.raises(ValueError, match="got none, and .*there.npz holds none"):
        _plane(path, None)
