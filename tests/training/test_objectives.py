"""Objectives and optimizers: optax loops, least squares, sums, early refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import TrainConfig, datasets, networks, objectives, probes, sweep, training
from ibjax.training.objectives import evaluate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 3)).astype(np.float32)
LABELS = np.array([0, 1, 1, 0, 1, 0, 1])
TINY = {"batch_size": 3, "train_fraction": 1.0}
NETWORK = networks.mlp((3, 3, 2))


@pytest.fixture(scope="module")
def task():
    return datasets.make_task(X, LABELS)


def _plain_loss(params, x, labels):
    """Mean cross-entropy of a network with one tanh layer, from its formula."""
    (w1, b1), (w2, b2) = params
    logits = jnp.tanh(x @ w1.T + b1[None]) @ w2.T + b2[None]
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -jnp.mean(chosen)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adamw(optax.exponential_decay(0.1, 2, 0.5), weight_decay=0.3),
        optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(0.5, momentum=0.7)),
    ],
    ids=["adamw with a schedule", "clipping"],
)
def test_any_optimizer_is_that_of_a_plain_loop(optimizer, task, key):
    """Two epochs of batches of 3, 3 and 1; the schedule goes on from one to the next.

    In float64, since Adam turns the rounding of a small gradient into a large step.
    """
    config = TrainConfig(optimizer=optimizer, **TINY)

    @jax.jit
    def step(params, state, gradient):
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    with jax.enable_x64(True):
        wide = datasets.Task(
            task.x.astype(jnp.float64), task.labels, task.p_y_given_x.astype("float64")
        )
        found = training.train(key, wide, NETWORK, config, num_epochs=2)
        params = NETWORK.init(jax.random.split(key)[0])
        rows = np.asarray(training.split_rows(key, wide, config))
        state, gradient = optimizer.init(params), jax.jit(jax.grad(_plain_loss))
        for epoch in range(2):
            for places in np.asarray(training.epoch_batches(epoch, wide, config)):
                chosen = rows[places[places >= 0]]
                g = gradient(params, X[chosen].astype(np.float64), LABELS[chosen])
                params, state = step(params, state, g)
        for one, other in zip(*map(jax.tree.leaves, (found, params)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_linear_network_reaches_least_squares(key):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    y = (x @ rng.normal(size=(3, 2)) + rng.normal(size=(40, 2)) + 2).astype(np.float32)
    task, network = (
        datasets.make_task(x, targets=y),
        networks.mlp((3, 2), output="linear"),
    )
    config = TrainConfig(
        learning_rate=0.25, optimizer="sgd", batch_size=None, train_fraction=1.0
    )
    ((w, b),) = training.train(key, task, network, config, num_epochs=200)
    with_one = np.column_stack([x, np.ones(40)]).astype(np.float64)
    # A step leaves 1 - 0.5 lambda of the distance along each direction of the inputs.
    curvature = np.linalg.eigvalsh(with_one.T @ with_one / 40)
    assert np.max(np.abs(1 - 0.5 * curvature)) ** 200 < 1e-8
    expected = np.linalg.lstsq(with_one, y, rcond=None)[0]
    # Means of 40 float32 products of size 10, over the least curvature.
    found = np.column_stack([w, b]).T
    np.testing.assert_allclose(found, expected, atol=40 * 10 * 2**-24)


def test_penalties_add_up(task, key):
    params, batch = NETWORK.init(key), task.batch(jnp.arange(5))
    parts = {
        "cross_entropy": (1.0, objectives.cross_entropy()),
        "weight_decay": (0.3, objectives.weight_decay()),
        "orthonormal": (0.1, objectives.orthonormal()),
    }
    total = (
        objectives.cross_entropy()
        + 0.3 * objectives.weight_decay()
        + objectives.orthonormal() * 0.1
    )
    assert total.name == "cross_entropy + 0.3 weight_decay + 0.1 orthonormal"

    def value(objective, params):
        def loss(params):
            return evaluate(objective, params, batch, key, NETWORK, {})

        return jax.value_and_grad(loss, has_aux=True)(params)

    @jax.jit
    def values(params):
        singles = {name: value(one, params) for name, (_, one) in parts.items()}
        return value(total, params), singles

    ((found, terms), gradient), single = values(params)
    assert set(terms) == set(parts)
    for name, ((expected, own), _) in single.items():
        np.testing.assert_allclose(terms[name], expected, rtol=1e-6)
        assert own == {}
    weights = [weight for weight, _ in parts.values()]
    values = [float(single[name][0][0]) for name in parts]
    np.testing.assert_allclose(found, np.dot(weights, values), rtol=1e-6)
    expected = jax.tree.map(
        lambda *g: sum(weight * one for weight, one in zip(weights, g, strict=True)),
        *(single[name][1] for name in parts),
    )
    for one, other in zip(*map(jax.tree.leaves, (gradient, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_penalties_are_those_of_numpy(task, key):
    params, batch = NETWORK.init(key), task.batch(jnp.arange(5))
    matrices = [np.asarray(w, np.float64) for w, _ in params]
    expected = {
        "weight_decay": sum(np.sum(w**2) for w in matrices),
        "orthonormal": sum(np.sum((w @ w.T - np.eye(len(w))) ** 2) for w in matrices),
    }
    for name, value in expected.items():
        penalty = getattr(objectives, name)()
        found, _ = penalty(params, batch, key, network=NETWORK)
        np.testing.assert_allclose(found, value, rtol=1e-5)


def test_layers_of_several_weight_arrays_or_none_are_penalized(key):
    nested = NETWORK._replace(
        kernels=lambda params: ((), tuple(w for w, _ in params), jnp.zeros((0, 0)))
    )
    params, batch = NETWORK.init(key), None
    for penalty in (objectives.orthonormal(), objectives.weight_decay()):
        found, expected = (
            penalty(params, batch, key, network=network)[0]
            for network in (nested, NETWORK)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    image = NETWORK._replace(kernels=lambda params: (jnp.ones((3, 3, 1, 2)),))
    with pytest.raises(ValueError, match=r"matrices, got an array of shape \(3, 3, 1"):
        objectives.orthonormal()(params, batch, key, network=image)


def test_rows_of_weight_zero_count_for_nothing(key):
    network = networks.mlp((3, 2), output="linear")
    task = datasets.make_task(X, targets=RNG.normal(size=(7, 2)))
    params = network.init(key)
    padded = task.batch(jnp.array([1, 4, 0]), jnp.array([1.0, 1.0, 0.0]))
    found, expected = (
        objectives.squared_error()(params, batch, key, network=network)[0]
        for batch in (padded, task.batch(jnp.array([1, 4])))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def _run(task, objective, network=NETWORK, **options):
    return sweep(
        jax.random.key(0),
        task,
        network,
        TrainConfig(**TINY),
        num_seeds=1,
        snapshots=[0, 1],
        probes=[probes.gradients],
        objective=objective,
        **options,
    )


@pytest.mark.parametrize(
    ("objective", "error", "match"),
    [
        (
            lambda params, batch, key: params[0][1],
            ValueError,
            r"one number as its loss, got an array of shape \(3,\)",
        ),
        (
            lambda params, batch, key: (params[0][1][0], {"bias": params[0][1]}),
            ValueError,
            r"one number as its bias, got an array of shape \(3,\)",
        ),
        (
            lambda params, batch, key: (params[0][1][0], params[0][1]),
            TypeError,
            "a dict of named numbers, got .* in second place",
        ),
        (
            lambda params, batch, key, *, strength: strength,
            ValueError,
            "vary must give values of strength, got none",
        ),
        (
            lambda params, batch, key: (params[0][1][0], {"objective": 1.0}),
            ValueError,
            "objective must name its terms apart, and none of them objective, got obj",
        ),
        (
            objectives.weight_decay() + 0.5 * objectives.weight_decay(),
            ValueError,
            "objective must name its terms apart, .* got weight_decay twice",
        ),
        ("cross_entropy", TypeError, r"must be a function \(params, batch, key\)"),
        (
            objectives.cross_entropy() + "strength" * objectives.weight_decay(),
            ValueError,
            "vary must give values of strength, got none",
        ),
        (
            objectives.squared_error(),
            ValueError,
            "targets for squared_error must be one of vectors, got 'classes'",
        ),
    ],
)
def test_wrong_objectives_are_refused_before_compiling(
    task, nothing_compiles, objective, error, match
):
    with pytest.raises(error, match=match):
        _run(task, objective)


def test_targets_and_outputs_must_fit(nothing_compiles):
    vectors = datasets.make_task(X, targets=RNG.normal(size=(7, 2)))
    linear = networks.mlp((3, 2), output="linear")
    for task, objective, network, match in (
        (
            vectors,
            objectives.cross_entropy(),
            linear,
            "one of classes, distributions",
        ),
        (
            vectors,
            None,
            NETWORK,
            "output for squared_error must be one of linear, got 'softmax'",
        ),
        (datasets.make_task(X, LABELS), None, linear, "must be one of softmax, got"),
        (datasets.make_task(X), None, NETWORK, "must be given for a task without tar"),
    ):
        with pytest.raises(ValueError, match=match):
            _run(task, objective, network)
    for targets in (RNG.normal(size=(7, 3)), np.zeros(7)):
        task = datasets.make_task(X, targets=targets)
        width = task.vectors.shape[1]
        with pytest.raises(ValueError, match=f"the task's {width} numbers a target"):
            _run(task, None, linear)


def test_a_weight_is_given_once():
    weighed = 0.5 * objectives.weight_decay()
    with pytest.raises(ValueError, match="0.5 weight_decay is weighed by a number"):
        "strength" * weighed
    named = "strength" * objectives.weight_decay()
    with pytest.raises(ValueError, match="strength weight_decay is weighed by a name"):
        2.0 * named
    assert (2 * weighed).name == "weight_decay"
    with pytest.raises(TypeError):
        objectives.weight_decay() + 1.0


def test_a_short_last_batch_is_measured_without_its_filling(task, key):
    """A mean that ignores the rows' weights must not see what fills a batch up."""

    def unweighted(params, batch, key, *, network):
        logits = network.activations(params, batch.x)[-1]
        log_p = jax.nn.log_softmax(logits, axis=1)
        return -jnp.mean(jnp.sum(batch.targets * log_p, axis=1))

    config = TrainConfig(**TINY)
    rows = training.split_rows(key, task, config)
    places = training.measured_batches(0, task, config)
    assert int((places < 0).sum()) == 2  # Seven rows in batches of three.

    @jax.jit
    def measured(params, rows, places, task):
        """By the unweighted and the usual objective."""
        arguments = (key, params, rows, places, task, NETWORK, config)
        both = [
            probes.take_snapshot(*arguments, objective=objective)
            for objective in (unweighted, None)
        ]
        return [
            (
                (snapshot.batch_gradients, snapshot.gradient_statistics),
                snapshot.objective_terms["objective"],
            )
            for snapshot in both
        ]

    (of_batches, found), (expected_of_batches, expected) = measured(
        NETWORK.init(key), rows, places, task
    )
    for one, other in zip(
        *map(jax.tree.leaves, (of_batches, expected_of_batches)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
