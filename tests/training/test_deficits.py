"""Deficits in a window of epochs: one program of all windows, and what is measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from ibjax import TrainConfig, datasets, networks, objectives, probes, sweep, training
from ibjax.compilation import exact_jit
from ibjax.datasets.deficits import blurred
from ibjax.training.deficits import image_deficit, label_deficit, with_deficit

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(20, 16)).astype(np.float32)
TASK = datasets.make_task(X, np.arange(20) % 2)
BLUR = image_deficit("blur", (4, 4), factor=2)
CONFIG = TrainConfig(learning_rate=0.1, optimizer="sgd", batch_size=8)
WINDOWS = [(0, 0), (0, 2), (1, 3), (2, 2), (0, 9)]
START, STOP = (tuple(end) for end in zip(*WINDOWS, strict=True))
KEY = jax.random.key(0)


def _weights(snapshot):
    (w, _), *_ = snapshot.params
    return {"weights": w, "activities": snapshot.layers[0]}


@exact_jit
def _step(params, x, targets):
    """A step of gradient descent, written out."""

    def loss(params):
        (w, b), (v, c) = params
        logits = jnp.tanh(x @ w.T + b[None]) @ v.T + c[None]
        return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=1))

    return jax.tree.map(lambda p, g: p - 0.1 * g, params, jax.grad(loss)(params))


def _by_hand(network, key, start, stop):
    """Parameters after four epochs, with blur in a window of them."""
    params = network.init(jax.random.split(key)[0])
    rows = np.asarray(training.split_rows(key, TASK, CONFIG))
    blurry = blurred(X.reshape(-1, 4, 4), factor=2).reshape(-1, 16)
    for epoch in range(4):
        x = blurry if start <= epoch < stop else X
        for places in np.asarray(training.epoch_batches(epoch, TASK, CONFIG)):
            chosen = rows[places]
            params = _step(params, x[chosen], TASK.p_y_given_x[chosen])
    return params


def test_windows_of_one_program_are_single_runs():
    network = networks.mlp([16, 3, 2])
    found = sweep(
        KEY,
        TASK,
        network,
        CONFIG,
        num_seeds=2,
        snapshots=[0, 4],
        probes=[probes.losses, _weights],
        objective=with_deficit(
            objectives.cross_entropy(), BLUR, start=START, stop=STOP
        ),
        vary={"window": range(5)},
    ).isel(epoch=-1)
    for seed in range(2):
        key = jax.random.fold_in(KEY, seed)
        test = np.asarray(training.split_rows(key, TASK, CONFIG))[16:]
        for number, (start, stop) in enumerate(WINDOWS):
            one = found.sel(window=number, seed=seed)
            params = _by_hand(network, key, start, stop)
            np.testing.assert_allclose(one.weights, params[0][0], atol=1e-6)
            # What is measured is of the images as they are, whatever was seen.
            hidden, logits = network.activations(params, X)
            np.testing.assert_allclose(one.activities, hidden, atol=1e-6)
            right = np.argmax(logits, axis=1) == TASK.labels
            np.testing.assert_allclose(one.test_accuracy, right[test].mean())
    ends = found.weights.isel(seed=0).values
    # Windows without an epoch are none; the others end elsewhere.
    np.testing.assert_array_equal(ends[0], ends[3])
    assert len(np.unique(ends[:, 0, 0])) == 4


def test_ends_are_numbers_by_name():
    named = with_deficit(objectives.cross_entropy(), BLUR, start="begin")
    assert named.intervals == dict.fromkeys(("begin", "stop"), "[0, inf)")
    batch = TASK.batch(jnp.arange(6))
    for epoch in range(4):
        seen = named.seen(batch, KEY, epoch=epoch, begin=1, stop=3.0)
        assert np.array_equal(seen.x, batch.x) == (epoch not in (1, 2))
    vary = {"begin": [0], "stop": [-1]}
    with pytest.raises(ValueError, match=r"stop must lie in \[0, inf\), got -1"):
        sweep(
            KEY,
            TASK,
            networks.mlp([16, 2]),
            CONFIG,
            num_seeds=1,
            snapshots=[0],
            objective=named,
            vary=vary,
        )


def test_noise_is_new_in_every_step_and_labels_return():
    batch = TASK.batch(jnp.arange(6))
    noise = with_deficit(
        objectives.cross_entropy(), image_deficit("noise", (4, 4)), start=0, stop=1
    )
    keys = jax.random.split(jax.random.key(5), 2)
    first, second = (noise.seen(batch, key, epoch=0).x for key in keys)
    assert first.shape == (6, 16) and not np.any(first == second)
    assert not noise.weighs
    labels = with_deficit(
        objectives.cross_entropy(), label_deficit([1, 0]), start=1, stop=2
    )
    assert labels.weighs
    for epoch, expected in ((0, [0, 1]), (1, [1, 0]), (2, [0, 1])):
        seen = labels.seen(batch, keys[0], epoch=epoch)
        assert np.argmax(seen.targets[:2], axis=1).tolist() == expected
        np.testing.assert_array_equal(seen.x, batch.x)


class _Normed(linen.Module):
    @linen.compact
    def __call__(self, x, training):
        x = linen.BatchNorm(use_running_average=not training, momentum=0.0)(x)
        return (linen.Dense(2)(x),)


def test_statistics_of_batches_are_of_what_is_seen():
    network = networks.from_flax(_Normed(), X[:2], state="batch_stats")
    flip = with_deficit(
        objectives.cross_entropy(), image_deficit("flip", (4, 4)), start=1, stop=2
    )
    config = TrainConfig(batch_size=None, train_fraction=1.0)

    @jax.jit
    def mean(epochs):
        params = training.train(
            KEY, TASK, network, config, num_epochs=epochs, objective=flip
        )
        return network.split(params)[1]["batch_stats"]["BatchNorm_0"]["mean"]

    expected = X.mean(axis=0)
    turned = expected.reshape(4, 4)[::-1].ravel()
    for epochs, seen in ((1, expected), (2, turned), (3, expected)):
        np.testing.assert_allclose(mean(epochs), seen, rtol=1e-5)


def test_sums_see_one_deficit():
    blur = with_deficit(objectives.cross_entropy(), BLUR, start=0, stop=1)
    total = blur + 0.1 * objectives.weight_decay()
    assert total.change is blur.change is (2.0 * blur).change
    assert (objectives.weight_decay() + blur).change is blur.change
    assert total.name == ("cross_entropy + 0.1 weight_decay, blur 2 of 4x4 from 0 to 1")
    assert (total + blur).change == blur.change
    flip = with_deficit(
        objectives.cross_entropy(), image_deficit("flip", (4, 4)), start=0, stop=1
    )
    with pytest.raises(ValueError, match="objectives must change batches in one way"):
        total + flip
    with pytest.raises(ValueError, match="objective must see its batches as they are"):
        with_deficit(flip, BLUR)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"start": (0, 1), "stop": 2}, ValueError, "of as many windows"),
        ({"start": (0, 1), "stop": (2, 3, 4)}, ValueError, "of as many windows"),
        ({"start": -1.0}, ValueError, "start must be one number from 0 on"),
        ({"start": (), "stop": ()}, ValueError, "start must hold at least one window"),
        ({"stop": (None,), "start": (0,)}, TypeError, "each of stop must be one num"),
        ({"deficit": len}, TypeError, "deficit must be a Deficit"),
    ],
)
def test_what_is_no_window_is_refused(options, error, message):
    options = {"deficit": BLUR} | options
    with pytest.raises(error, match=message):
        with_deficit(objectives.cross_entropy(), **options)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: image_deficit("rain", (4, 4)), "name must be one of blur, flip, noi"),
        (lambda: image_deficit("blur", (4,)), "image_shape must be 2 or more"),
        (lambda: image_deficit("blur", (4, 3)), r"factor must lie in \[1, 3\]"),
        (lambda: label_deficit([0, 2]), "permutation must name each class once"),
        (
            lambda: image_deficit("flip", (3, 3)).apply(TASK.batch(jnp.arange(2)), KEY),
            r"image_shape must be that of the task's inputs, of 16 numbers, got \(3, 3",
        ),
    ],
)
def test_deficits_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
