"""Training: batches, splits, steps against numpy, seeds, errors."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ibjax import TrainConfig, datasets, networks, objectives, training

TINY = dict(batch_size=3, train_fraction=1.0)


def _tiny_task(soft=False):
    """Seven inputs of three features: batches of 3, 3 and 1."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 3)).astype(np.float32)
    labels = np.array([0, 1, 1, 0, 1, 0, 1])
    p = rng.dirichlet(np.ones(2), 7).astype(np.float32) if soft else None
    return datasets.make_task(x, labels, p_y_given_x=p)


def _task(num_samples):
    x = np.arange(num_samples, dtype=np.float32)[:, None]
    return datasets.make_task(x, np.arange(num_samples) % 2)


@pytest.fixture(scope="module")
def szt():
    return datasets.szt()


@pytest.fixture(scope="module")
def szt_batches(szt):
    """Batches of the first four epochs."""
    epochs = jnp.arange(4)
    draw = jax.vmap(lambda epoch: training.epoch_batches(epoch, szt, TrainConfig()))
    return np.asarray(draw(epochs))


def test_an_epoch_visits_every_place_once(szt_batches):
    assert szt_batches.shape == (4, 7, 512) and szt_batches.dtype == np.int32
    for batches in szt_batches:
        assert (batches >= 0).sum(axis=1).tolist() == [512] * 6 + [205]
        np.testing.assert_array_equal(batches[-1, 205:], -1)
        np.testing.assert_array_equal(np.sort(batches[batches >= 0]), np.arange(3277))


def test_epochs_are_shuffled_differently(szt_batches):
    for first in range(4):
        for second in range(first):
            same = np.mean(szt_batches[first] == szt_batches[second])
            # The 307 filled places of 3,584, and one in 3,277 of the others.
            assert same < 307 / 3584 + 0.01


def test_shuffles_depend_on_the_shuffle_seed_and_nothing_else(szt, szt_batches):
    again = training.epoch_batches(2, szt, TrainConfig(learning_rate=1.0))
    np.testing.assert_array_equal(again, szt_batches[2])
    other = training.epoch_batches(2, szt, TrainConfig(shuffle_seed=1))
    assert np.mean(np.asarray(other) == szt_batches[2]) < 0.1


def test_every_place_lands_everywhere_alike():
    stats = pytest.importorskip("scipy.stats")
    num_rows, num_epochs = 12, 4096
    config = TrainConfig(batch_size=4, train_fraction=1.0)
    task = _task(num_rows)
    draw = jax.jit(jax.vmap(lambda epoch: training.epoch_batches(epoch, task, config)))
    order = np.asarray(draw(jnp.arange(num_epochs))).reshape(num_epochs, num_rows)
    counts = np.zeros((num_rows, num_rows))
    for position in range(num_rows):
        counts[position] = np.bincount(order[:, position], minlength=num_rows)
    expected = num_epochs / num_rows
    # Rows and columns of the table add up to the number of epochs: 11 x 11 are free,
    # and a random permutation matrix has (n - 1) times that variance over n.
    statistic = np.sum((counts - expected) ** 2 / expected) * (num_rows - 1) / num_rows
    degrees = (num_rows - 1) ** 2
    assert 1e-4 < stats.chi2.sf(statistic, degrees) < 1 - 1e-4


def test_full_batch():
    config = TrainConfig(batch_size=None, train_fraction=0.5)
    batches = training.epoch_batches(0, _task(12), config)
    np.testing.assert_array_equal(batches, np.arange(6)[None])


def test_gradients_of_full_batch_training_are_compared_over_batches(szt):
    full = TrainConfig(batch_size=None, measured_batch_size=1000)
    found = training.measured_batches(3, szt, full)
    expected = training.epoch_batches(3, szt, TrainConfig(batch_size=1000))
    np.testing.assert_array_equal(found, expected)
    few = TrainConfig(batch_size=None, train_fraction=0.05)
    assert training.measured_batches(0, szt, few).shape == (1, 205)
    own = training.measured_batches(3, szt, TrainConfig(measured_batch_size=7))
    np.testing.assert_array_equal(own, training.epoch_batches(3, szt, TrainConfig()))


def test_batches_that_come_out_even():
    config = TrainConfig(batch_size=4, train_fraction=1.0)
    batches = training.epoch_batches(0, _task(12), config)
    np.testing.assert_array_equal(np.sort(batches, axis=None), np.arange(12))


def test_random_split(szt, key):
    rows = np.asarray(training.split_rows(key, szt, TrainConfig()))
    np.testing.assert_array_equal(np.sort(rows), np.arange(4096))
    other = training.split_rows(jax.random.key(1), szt, TrainConfig())
    # Two random sets of 80% of the rows share 80% of each, with a standard deviation
    # of sqrt(4096) * 0.8 * 0.2 = 10 rows; five of them.
    shared = np.intersect1d(rows[:3277], other[:3277])
    assert abs(len(shared) - 3277 * 0.8) < 5 * 10.3


def test_ordered_split(szt, key):
    config = TrainConfig(split="ordered")
    rows = np.asarray(training.split_rows(key, szt, config))
    np.testing.assert_array_equal(np.sort(rows[:3277]), np.arange(3277))
    np.testing.assert_array_equal(rows[3277:], np.arange(3277, 4096))
    assert np.mean(rows[:3277] == np.arange(3277)) < 0.01


def test_number_of_training_rows(szt):
    assert training.num_train_rows(szt, TrainConfig()) == 3277
    assert training.num_train_rows(szt, TrainConfig(train_fraction=1.0)) == 4096


def _numpy_gradient(params, x, targets):
    """Gradient of the mean cross-entropy of a network with one tanh layer."""
    (w1, b1), (w2, b2) = params
    hidden = np.tanh(x @ w1.T + b1)
    logits = hidden @ w2.T + b2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    delta2 = (p - targets) / len(x)
    delta1 = (delta2 @ w2) * (1 - hidden**2)
    return (delta1.T @ x, delta1.sum(0)), (delta2.T @ hidden, delta2.sum(0))


def _numpy_epoch(
    params, rows, batches, task, optimizer, learning_rate, orthonormal=0.0
):
    """One epoch by the optimizers' textbook formulas, in float64."""
    params = [np.asarray(p, np.float64) for p in jax.tree.leaves(params)]
    x, targets = np.asarray(task.x, np.float64), np.asarray(task.p_y_given_x)
    first = [np.zeros_like(p) for p in params]
    second = [np.zeros_like(p) for p in params]
    for step, places in enumerate(np.asarray(batches), start=1):
        chosen = rows[places[places >= 0]]
        layers = ((params[0], params[1]), (params[2], params[3]))
        gradients = _numpy_gradient(layers, x[chosen], targets[chosen])
        for n, g in enumerate(jax.tree.leaves(gradients)):
            if orthonormal and g.ndim == 2:  # Both arrays narrow.
                w = params[n]
                g = g + orthonormal * 4 * (w @ w.T - np.eye(len(w))) @ w
            if optimizer == "sgd":
                change = g
            elif optimizer == "adadelta":
                first[n] = 0.95 * first[n] + 0.05 * g**2
                change = g * np.sqrt((second[n] + 1e-7) / (first[n] + 1e-7))
                second[n] = 0.95 * second[n] + 0.05 * change**2
            elif optimizer == "momentum":
                first[n] = change = 0.9 * first[n] + g
            else:
                first[n] = 0.9 * first[n] + 0.1 * g
                second[n] = 0.999 * second[n] + 0.001 * g**2
                mean = first[n] / (1 - 0.9**step)
                square = second[n] / (1 - 0.999**step)
                change = mean / (np.sqrt(square) + 1e-8)
            params[n] = params[n] - learning_rate * change
    return params


@pytest.mark.parametrize(
    "optimizer, soft, orthonormal",
    [
        ("sgd", False, 0.0),
        ("momentum", False, 0.0),
        ("adam", False, 0.0),
        ("adadelta", False, 0.0),
        ("sgd", True, 0.0),
        ("sgd", False, 0.03),
    ],
)
def test_an_epoch_is_that_of_numpy(optimizer, soft, orthonormal, key):
    network = networks.mlp((3, 3, 2))
    config = TrainConfig(learning_rate=0.1, optimizer=optimizer, **TINY)
    objective = objectives.cross_entropy()
    if orthonormal:
        objective = objective + orthonormal * objectives.orthonormal()
    # In float64, since Adam turns the rounding of a small gradient into a large step.
    with jax.enable_x64(True):
        task = _tiny_task(soft)
        task = dataclasses.replace(
            task,
            x=task.x.astype(jnp.float64),
            p_y_given_x=task.p_y_given_x.astype(jnp.float64),
        )
        state = training.init_state(key, network, config)
        rows = training.split_rows(key, task, config)
        batches = training.epoch_batches(0, task, config)
        assert np.asarray(batches)[-1].tolist()[1:] == [-1, -1]
        found = training.run_epoch(
            key, state, rows, batches, task, network, config, objective=objective
        )
        expected = _numpy_epoch(
            state.params, np.asarray(rows), batches, task, optimizer, 0.1, orthonormal
        )
        for one, other in zip(jax.tree.leaves(found.params), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_train_is_its_epochs(key):
    task, network = _tiny_task(), networks.mlp((3, 4, 2))
    config = TrainConfig(learning_rate=0.1, optimizer="sgd", **TINY)
    found = training.train(key, task, network, config, num_epochs=2)
    params = training.init_state(key, network, config).params
    rows = np.asarray(training.split_rows(key, task, config))
    for epoch in range(2):
        batches = training.epoch_batches(epoch, task, config)
        params = _numpy_epoch(params, rows, batches, task, "sgd", 0.1)
        params = ((params[0], params[1]), (params[2], params[3]))
    chex.assert_trees_all_close(found, params, rtol=1e-5, atol=1e-6)


def test_training_for_no_epoch_is_the_initialization(key):
    task, network = _tiny_task(), networks.mlp((3, 4, 2))
    config = TrainConfig(**TINY)
    found = training.train(key, task, network, config, num_epochs=0)
    for one, other in zip(
        jax.tree.leaves(found),
        jax.tree.leaves(training.init_state(key, network, config).params),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_packed_inputs_train_the_same_network(key):
    rng = np.random.default_rng(1)
    task = datasets.make_task(rng.integers(0, 2, (7, 3)), np.arange(7) % 2)
    assert task.packed_x is not None
    network, config = networks.mlp((3, 4, 2)), TrainConfig(learning_rate=0.1, **TINY)
    plain = datasets.Task(task.x, task.labels, task.p_y_given_x)
    found = training.train(key, task, network, config, num_epochs=3)
    expected = training.train(key, plain, network, config, num_epochs=3)
    for one, other in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_batch_gradients_are_those_of_numpy(key):
    task, network = _tiny_task(), networks.mlp((3, 4, 2))
    config = TrainConfig(**TINY)
    params = network.init(key)
    rows = training.split_rows(key, task, config)
    batches = training.epoch_batches(0, task, config)
    found = training.batch_gradients(key, params, rows, batches, task, network)
    rows, batches = np.asarray(rows), np.asarray(batches)
    assert [g.shape for g in found] == [(3, 4, 3), (3, 2, 4)]
    doubles = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    for number, places in enumerate(batches):
        chosen = rows[places[places >= 0]]
        expected = _numpy_gradient(
            doubles, np.asarray(task.x)[chosen], np.asarray(task.p_y_given_x)[chosen]
        )
        for layer in range(2):
            np.testing.assert_allclose(
                found[layer][number], expected[layer][0], rtol=1e-5, atol=1e-6
            )


@pytest.fixture(scope="module")
def counted_training():
    """``train`` of a tiny network compiled, and how often it was traced."""
    plain = networks.mlp((3, 4, 2))
    traces = []

    def init(key):
        traces.append(key)
        return plain.init(key)

    network = plain._replace(init=init)

    @jax.jit
    def run(key, task, config, num_epochs):
        return training.train(key, task, network, config, num_epochs=num_epochs)

    return run, traces


def test_training_is_deterministic_and_traced_once(counted_training):
    run, traces = counted_training
    task, config = _tiny_task(), TrainConfig(learning_rate=0.1, **TINY)
    first = run(jax.random.key(3), task, config, 5)
    slower = TrainConfig(learning_rate=0.05, **TINY)
    other = run(jax.random.key(4), task, slower, 7)
    again = run(jax.random.key(3), task, config, 5)
    assert len(traces) == 1
    for one, same, different in zip(
        *map(jax.tree.leaves, (first, again, other)), strict=True
    ):
        np.testing.assert_array_equal(one, same)
        assert not np.any(np.asarray(one) == np.asarray(different))


def test_many_seeds_are_as_many_single_ones(counted_training):
    run, _ = counted_training
    task, config = _tiny_task(), TrainConfig(learning_rate=0.1, **TINY)
    keys = jax.random.split(jax.random.key(5), 3)
    found = jax.vmap(run, in_axes=(0, None, None, None))(keys, task, config, 5)
    for n, one_key in enumerate(keys):
        expected = run(one_key, task, config, 5)
        for many, one in zip(
            jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
        ):
            # Fifteen steps of size 0.1 from numbers below one, whose sums may be
            # taken in another order: 15 x 0.1 x a few roundings of 6e-8.
            np.testing.assert_allclose(many[n], one, rtol=1e-5, atol=1e-6)


def test_training_learns_what_can_be_learnt(key):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 4, np.float32)
    task = datasets.make_task(x, (x[:, 0] != x[:, 1]).astype(int))
    network = networks.mlp((2, 8, 2))
    config = TrainConfig(learning_rate=0.05, batch_size=8, train_fraction=1.0)
    params = jax.jit(
        lambda key: training.train(key, task, network, config, num_epochs=300)
    )(key)
    logits = network.activations(params, task.x)[-1]
    np.testing.assert_array_equal(np.argmax(logits, axis=1), task.labels)


def test_mean_loss_is_the_weighted_cross_entropy():
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 5, (6, 3)).astype(np.float32)
    targets = rng.dirichlet(np.ones(3), 6).astype(np.float32)
    weights = np.array([1, 1, 0, 1, 0, 1], np.float32)
    losses = -np.sum(targets * special.log_softmax(logits, axis=1), axis=1)
    np.testing.assert_allclose(
        training.mean_loss(logits, targets, weights),
        np.average(losses, weights=weights),
        rtol=1e-5,
    )


def test_mean_loss_of_huge_logits_is_finite():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    loss, gradient = jax.value_and_grad(training.mean_loss)(
        logits, np.eye(2, dtype=np.float32), np.ones(2, np.float32)
    )
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"optimizer": "lion"}, "optimizer must be one of adam, sgd, momentum"),
        ({"split": "half"}, "split must be one of random, ordered, got 'half'"),
        ({"measured_batch_size": 0}, "measured_batch_size must be .*at least 1, got 0"),
        ({"batch_size": 0}, "^batch_size must be .*at least 1, or None for all, got 0"),
        ({"train_fraction": 0.0}, r"train_fraction must lie in \(0, 1\], got 0.0"),
        ({"train_fraction": 1.1}, r"train_fraction must lie in \(0, 1\], got 1.1"),
        ({"train_fraction": np.nan}, r"train_fraction must lie in \(0, 1\], got nan"),
        ({"learning_rate": 0.0}, "learning_rate must be one positive number, got 0"),
        ({"learning_rate": -1}, "learning_rate must be one positive number, got -1"),
        ({"learning_rate": np.inf}, "learning_rate must be one positive number"),
        ({"learning_rate": np.nan}, "learning_rate must be one positive number"),
    ],
)
def test_impossible_configurations_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        TrainConfig(**options)


def test_a_learning_rate_may_be_traced():
    rates = jnp.array([0.1, 0.2])
    doubled = lax.map(
        lambda rate: 2 * TrainConfig(learning_rate=rate).learning_rate, rates
    )
    np.testing.assert_allclose(doubled, [0.2, 0.4])


def test_a_batch_larger_than_the_training_set_is_the_whole_of_it(key):
    task, network = _task(12), networks.mlp((1, 2))
    large = TrainConfig(batch_size=11, train_fraction=0.8)
    whole = dataclasses.replace(large, batch_size=None)
    np.testing.assert_array_equal(
        training.epoch_batches(3, task, large), np.arange(10)[None]
    )
    found, expected = (
        training.train(key, task, network, config, num_epochs=2)
        for config in (large, whole)
    )
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    # What is compared at a snapshot is another matter.
    few = dataclasses.replace(large, measured_batch_size=4)
    assert training.measured_batches(3, task, few).shape == (3, 4)


def test_an_empty_training_set_is_refused():
    config = TrainConfig(batch_size=None, train_fraction=0.01)
    with pytest.raises(ValueError, match="0.01 of 12 inputs leaves nothing to train"):
        training.num_train_rows(_task(12), config)


def test_mistakes_are_named():
    task, config = datasets.szt(), TrainConfig()
    with pytest.raises(TypeError, match="task must be a Task, got None"):
        training.num_train_rows(None, config)
    with pytest.raises(TypeError, match="config must be a TrainConfig"):
        training.split_rows(jax.random.key(0), task, "adam")
    with pytest.raises(ValueError, match="epoch must lie in"):
        training.epoch_batches(-1, task, config)
    with pytest.raises(TypeError, match="network must be a Network"):
        training.train(jax.random.key(0), task, "mlp", config, num_epochs=1)
