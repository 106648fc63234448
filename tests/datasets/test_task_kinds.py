"""Tasks of any labels, of images, of chosen rows, of vectors, and of nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from ibjax import TrainConfig, datasets, networks, probes, training

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2)).astype(np.float32)
NUMBERS = [1, 0, 2, 1, 0, 0]
_ANIMALS = ("ant", "cat", "dog")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (NUMBERS, None),
        (np.array(NUMBERS, np.uint8), None),
        (np.float64(NUMBERS), None),
        ([_ANIMALS[n] for n in NUMBERS], _ANIMALS),
        (np.array([[30], [-4], [700], [30], [-4], [-4]]), ("-4", "30", "700")),
        (pd.Categorical.from_codes(NUMBERS, _ANIMALS), _ANIMALS),
        (pd.Series([_ANIMALS[n] for n in NUMBERS], dtype="string"), _ANIMALS),
        (pd.Series([_ANIMALS[n] for n in NUMBERS]).to_numpy(object), _ANIMALS),
        (pd.array(NUMBERS, dtype="Int64"), None),
        (np.eye(3)[NUMBERS], None),
        (np.eye(3, dtype=bool)[NUMBERS], None),
    ],
    ids=[
        "integers",
        "bytes",
        "floats",
        "texts",
        "column",
        "categories",
        "pandas' texts",
        "objects",
        "pandas' integers",
        "one-hot",
        "one-hot bool",
    ],
)
def test_labels_of_any_type_are_classes_in_order(labels, names):
    task = datasets.make_task(X, labels)
    assert task.labels.tolist() == NUMBERS and task.labels.dtype == jnp.int32
    assert (task.class_names, task.num_classes, task.kind) == (names, 3, "classes")
    np.testing.assert_array_equal(task.p_y_given_x, np.eye(3)[NUMBERS])
    p = np.array([3, 2, 1]) / 6
    np.testing.assert_allclose(task.h_y, -p @ np.log(p), rtol=1e-6)
    assert task.measured.class_names == names


def test_digits_that_rounding_will_take_are_told_of():
    days = 1e8 + np.random.default_rng(0).normal(size=(50, 2))
    with pytest.warns(UserWarning, match="x is rounded to float32, which leaves"):
        datasets.make_task(days, np.arange(50) % 2)
    datasets.make_task(days - 1e8, np.arange(50) % 2)


def test_booleans_are_two_classes_with_names():
    task = datasets.make_task(X, np.array(NUMBERS) > 0)
    assert task.labels.tolist() == [1, 0, 1, 1, 0, 0]
    assert task.class_names == ("False", "True")


def test_classes_that_are_missing_count_where_their_number_is_given():
    task = datasets.make_task(X, NUMBERS, num_classes=5)
    assert task.p_y_given_x.shape == (6, 5) and task.class_names is None


def test_distributions_name_their_labels():
    p = RNG.dirichlet(np.ones(3), 6)
    task = datasets.make_task(X, p_y_given_x=p)
    np.testing.assert_array_equal(task.labels, p.argmax(axis=1))
    assert task.kind == "distributions"


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"labels": [0.5, 1, 2, 1, 0, 0]}, TypeError, "must be classes, got fractions"),
        ({"labels": [None, "a", 1, 1, 1, 1]}, TypeError, "labels must be of one type"),
        ({"labels": np.full((6, 2), 0.5)}, ValueError, "one-hot rows; distributions"),
        ({"labels": [0, 1, np.nan] * 2}, ValueError, "labels must be finite, got 2"),
        ({"labels": pd.array([0, None] * 3)}, ValueError, "labels must be finite"),
        ({"labels": np.ones((6, 2))}, ValueError, "two axes must be one-hot rows"),
        ({"targets": X, "labels": NUMBERS}, ValueError, "targets must be given alone"),
        ({"targets": X[:5]}, ValueError, r"shape \[6\] or \[6, dim\], got \(5, 2\)"),
        ({"targets": X[:, :0]}, ValueError, r"or \[6, dim\], got \(6, 0\)"),
        ({"targets": np.full(6, np.nan)}, ValueError, "finite, got 6 bad values"),
        ({"targets": ["a"] * 6}, TypeError, "targets must be real numbers, got <U1"),
        ({"train_rows": [0.0, 1.0]}, TypeError, "train_rows must be integers, got"),
        ({"train_rows": []}, ValueError, r"train_rows must have shape \[num_rows\]"),
        (
            {"train_rows": [0, 6]},
            ValueError,
            r"lie in \[0, 6\), got values from 0 to 6",
        ),
        ({"train_rows": [3, 3]}, ValueError, "name each row once, got some twice"),
        ({"test_rows": [0]}, ValueError, "test_rows need train_rows beside them"),
        (
            {"train_rows": [0, 1, 2], "test_rows": [4, 2, 1]},
            ValueError,
            "test_rows must not be trained on, got 2 of train_rows",
        ),
        (
            {"num_measured": 2, "measured_rows": [0]},
            ValueError,
            "num_measured and measured_rows exclude each other",
        ),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        datasets.make_task(X, **arguments)


def test_images_keep_their_axes(key):
    x = RNG.integers(0, 2, (10, 8, 8, 1)).astype(np.float32)
    task = datasets.make_task(x, np.arange(10) % 2, measured_rows=[9, 0])
    assert task.packed_x is None and task.num_inputs == 64
    np.testing.assert_array_equal(task.batch(jnp.array([3, 1])).x, x[[3, 1]])
    np.testing.assert_array_equal(task.measured.x, x[[9, 0]])
    network = networks.mlp((64, 3, 2))
    params = network.init(key)
    found, flat = (network.activations(params, a)[-1] for a in (x, x.reshape(10, 64)))
    np.testing.assert_array_equal(found, flat)
    config = TrainConfig(batch_size=4)
    trained = training.train(key, task, network, config, num_epochs=1)
    plain = datasets.make_task(x.reshape(10, 64) + 0.0, np.arange(10) % 2)
    plain = datasets.Task(plain.x, plain.labels, plain.p_y_given_x)
    expected = training.train(key, plain, network, config, num_epochs=1)
    jax.tree.map(np.testing.assert_array_equal, trained, expected)


TRAIN, TEST, MEASURED = [11, 2, 7, 5], [0, 8, 3], [1, 2, 8]


@pytest.fixture(scope="module")
def chosen():
    x = RNG.normal(size=(12, 3)).astype(np.float32)
    rows = {"train_rows": TRAIN, "test_rows": TEST, "measured_rows": MEASURED}
    return datasets.make_task(x, np.arange(12) % 2, **rows)


def test_training_takes_its_rows_and_no_others(chosen, key):
    config = TrainConfig(batch_size=3, train_fraction=0.9)
    assert training.num_train_rows(chosen, config) == 4
    rows = np.asarray(training.split_rows(key, chosen, config))
    assert sorted(rows[:4]) == sorted(TRAIN) and rows[4:7].tolist() == TEST
    assert rows[7:].tolist() == [1, 4, 6, 9, 10]
    orders = {
        tuple(training.split_rows(jax.random.key(n), chosen, config)[:4].tolist())
        for n in range(20)
    }
    assert len(orders) > 5  # Of 24.
    network = networks.mlp((3, 2, 2))
    others = [n for n in range(12) if n not in TRAIN]
    spoiled = datasets.Task(
        chosen.x.at[jnp.array(others)].set(jnp.nan),
        chosen.labels,
        chosen.p_y_given_x,
        train_rows=chosen.train_rows,
        test_rows=chosen.test_rows,
    )
    found, expected = (
        training.train(key, task, network, config, num_epochs=2)
        for task in (spoiled, chosen)
    )
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_all_other_rows_are_tested_where_none_are_named(key):
    task = datasets.make_task(X, NUMBERS, train_rows=[4, 1])
    rows = training.split_rows(key, task, TrainConfig())
    assert rows[2:].tolist() == [0, 2, 3, 5]


def _snapshot(task, network, key, config):
    rows = training.split_rows(key, task, config)
    batches = training.measured_batches(0, task, config)
    params = network.init(key)
    return probes.take_snapshot(key, params, rows, batches, task, network, config)


def test_losses_are_over_the_rows_of_each_split(chosen, key):
    network, config = networks.mlp((3, 2, 2)), TrainConfig()

    @jax.jit
    def measured(task):
        snapshot = _snapshot(task, network, key, config)
        return probes.losses(snapshot), snapshot.layers

    found, layers = measured(chosen)
    logits = np.float64(network.activations(network.init(key), chosen.x)[-1])
    log_p = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    labels = np.arange(12) % 2
    for name, rows in (("train", TRAIN), ("test", TEST)):
        loss = -np.mean(log_p[rows, labels[rows]])
        np.testing.assert_allclose(found[f"{name}_loss"], loss, rtol=1e-5)
        accuracy = np.mean(logits[rows].argmax(axis=1) == labels[rows])
        np.testing.assert_allclose(found[f"{name}_accuracy"], accuracy, rtol=1e-6)
    np.testing.assert_allclose(layers[-1], np.exp(log_p[MEASURED]), rtol=1e-5)


def test_vectors_have_squared_errors_and_no_entropy(key):
    y = RNG.normal(size=(6, 3)).astype(np.float32)
    task = datasets.make_task(X, targets=y, train_rows=[0, 2], test_rows=[5])
    assert task.kind == "vectors" and np.isnan(task.h_y) and np.isnan(task.i_xy)
    np.testing.assert_array_equal(task.batch(jnp.array([4, 0])).targets, y[[4, 0]])
    with pytest.raises(ValueError, match="must have classes, got targets vectors"):
        _ = task.num_classes
    network = networks.mlp((2, 3), output="linear")
    snapshot = _snapshot(task, network, key, TrainConfig())
    found = probes.squared_errors(snapshot)
    errors = np.sum((np.asarray(snapshot.logits) - y) ** 2, axis=1)
    np.testing.assert_allclose(found["train_loss"], errors[[0, 2]].mean(), rtol=1e-5)
    np.testing.assert_allclose(found["test_loss"], errors[5], rtol=1e-5)
    np.testing.assert_array_equal(snapshot.layers[-1], snapshot.logits)
    with pytest.raises(ValueError, match="losses needs a task of classes, got one of"):
        probes.losses(snapshot)
    scalars = datasets.make_task(X, targets=y[:, 0])
    assert scalars.vectors.shape == (6, 1)


def test_nothing_to_predict_needs_an_objective(key):
    task, network = datasets.make_task(X), networks.mlp((2, 1, 2), output="linear")
    assert task.kind == "nothing" and task.batch(jnp.arange(2)).targets is None
    with pytest.raises(ValueError, match="objective must be given for a task without"):
        training.train(key, task, network, TrainConfig(), num_epochs=1)

    def reconstruction(params, batch, key, *, network):
        output = network.activations(params, batch.x)[-1]
        return jnp.mean(jnp.sum((output - batch.x) ** 2, axis=1))

    config = TrainConfig(
        learning_rate=0.02, optimizer="sgd", batch_size=None, train_fraction=1.0
    )
    network = networks.mlp((2, 1, 2), "linear", output="linear")
    params = training.train(
        key, task, network, config, num_epochs=4000, objective=reconstruction
    )
    found = reconstruction(params, task.batch(jnp.arange(6)), key, network=network)
    # The best of one linear unit leaves the smaller principal variance.
    expected = np.linalg.eigvalsh(np.cov(X.T.astype(np.float64), ddof=0))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3)
