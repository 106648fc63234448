"""The fall of the loss: a quadratic by hand, numpy, the steps of a sweep."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

import ibjax
from ibjax import objectives, training
from ibjax.datasets.task import make_task
from ibjax.experiments.loss_dynamics.claims import loss_dynamics_claims
from ibjax.experiments.loss_dynamics.figures import loss_dynamics as figure_of
from ibjax.probes.loss_dynamics import loss_change, loss_dynamics

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype(np.float32)
Y = RNG.normal(size=8).astype(np.float32)
W = RNG.normal(size=3).astype(np.float32)
BATCHES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, -1]])
RATE = 0.05


def _losses(w):
    return (X @ w - Y) ** 2 / 2


def test_least_squares_by_numpy():
    # Quadratic: two orders are everything.
    x, y, w = (a.astype(np.float64) for a in (X, Y, W))
    gradient, hessian = x.T @ (x @ w - y) / 8, x.T @ x / 8
    found = loss_change(_losses, W, RATE)
    first = -RATE * gradient @ gradient
    second = RATE**2 / 2 * gradient @ hessian @ gradient
    np.testing.assert_allclose(found.first_order, first, rtol=1e-5)
    np.testing.assert_allclose(found.second_order, second, rtol=1e-5)
    # A difference of squares of the order of one, of which 8 are averaged.
    np.testing.assert_allclose(found.measured, first + second, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-5)
    np.testing.assert_allclose(found.alignment, 1, rtol=1e-6)


def test_batches_by_numpy():
    x, y, w = (a.astype(np.float64) for a in (X, Y, W))

    def loss(w):
        return np.mean((x @ w - y) ** 2) / 2

    gradient, hessian = x.T @ (x @ w - y) / 8, x.T @ x / 8
    measured, second = 0.0, 0.0
    for batch in ([0, 1, 2], [3, 4, 5], [6, 7]):
        g = x[batch].T @ (x[batch] @ w - y[batch]) / len(batch)
        measured += len(batch) / 8 * (loss(w - RATE * g) - loss(w))
        second += len(batch) / 8 * RATE**2 / 2 * g @ hessian @ g
    found = loss_change(_losses, W, RATE, BATCHES)
    np.testing.assert_allclose(found.measured, measured, rtol=1e-5)
    np.testing.assert_allclose(found.second_order, second, rtol=1e-5)
    np.testing.assert_allclose(
        found.first_order, -RATE * gradient @ gradient, rtol=1e-5
    )
    np.testing.assert_allclose(found.alignment, 1, rtol=1e-5)


def test_the_difference_falls_with_the_step():
    def difference(rate):
        change = loss_change(lambda w: jnp.tanh(_losses(w)), W, rate)
        return change.measured - change.first_order

    # Of second order: a tenth of the step leaves a hundredth, up to the third order.
    large, small = (abs(float(difference(rate))) for rate in (1e-1, 1e-2))
    assert 0.5e-2 < small / large < 2e-2


@pytest.mark.parametrize(
    "losses, batches, message",
    [
        (
            lambda w: jnp.sum(w),
            None,
            r"losses\(params\) must have shape \[num_samples\]",
        ),
        (_losses, np.arange(8), r"batches must have shape \[num_batches, batch_size\]"),
    ],
)
def test_what_is_refused(losses, batches, message):
    with pytest.raises(ValueError, match=message):
        loss_change(losses, W, RATE, batches)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", optax.sgd(0.1)])
def test_other_optimizers_are_refused(optimizer):
    with pytest.raises(ValueError, match="optimizer must be one of sgd, got"):
        loss_dynamics(training.TrainConfig(optimizer=optimizer))


@pytest.fixture(scope="module")
def swept():
    x = RNG.normal(size=(24, 3)).astype(np.float32)
    task = make_task(x, (x[:, 0] > 0).astype(np.int32))
    network = ibjax.networks.mlp([3, 2, 2])
    config = training.TrainConfig(
        learning_rate=0.01, optimizer="sgd", batch_size=None, train_fraction=0.5
    )
    return ibjax.sweep(
        jax.random.key(0),
        task,
        network,
        config,
        num_seeds=6,
        snapshots=[0, 1, 2, 3],
        probes=[loss_dynamics(config), ibjax.probes.losses],
    )


def test_a_sweep_falls_as_it_says(swept):
    # Full batch: what is measured at an epoch is what the next step does. Losses are of
    # the order of one, so their difference has the rounding of float32.
    steps = np.diff(swept.train_loss.values, axis=1)
    rounding = 4 * np.finfo(np.float32).eps
    np.testing.assert_allclose(swept.loss_change[:, :-1], steps, atol=rounding, rtol=0)


def test_layers_add_up_to_the_whole(swept):
    np.testing.assert_allclose(
        swept.loss_change_by_layer.sum("layer"),
        swept.loss_change_first_order,
        rtol=1e-5,
    )
    assert (swept.loss_change_by_layer < 0).all()


def test_claims_of_a_sweep(swept):
    claims = loss_dynamics_claims(swept)
    assert [claim.claim[0] for claim in claims] == ["1", "2", "3", "4", "5", "5"]
    assert [claim.verdict for claim in claims[:4]] == ["holds"] * 4
    assert sum(claim.value for claim in claims[4:]) == pytest.approx(1, abs=1e-6)


def test_claims_that_do_not_hold(swept):
    far = swept.assign(
        loss_change=1.5 * swept.loss_change,
        small_step_ratio=0.9 + 0 * swept.loss_change,
    )
    verdicts = [claim.verdict for claim in loss_dynamics_claims(far)[:3]]
    assert verdicts == ["does not hold"] * 3


def test_claims_need_the_probe():
    with pytest.raises(ValueError, match="dataset must hold loss_change"):
        loss_dynamics_claims(xr.Dataset())


def test_figure_shows_what_it_says(swept):
    falls, errors, layers = figure_of(swept).axes
    found = falls.lines[0].get_ydata()
    expected = -np.median(swept.loss_change.values, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    off = abs(swept.loss_change.values / swept.loss_change_first_order.values - 1)
    found = errors.lines[0].get_ydata()
    np.testing.assert_allclose(found, np.median(off, axis=0), atol=1e-6)
    assert len(layers.collections) == 2


def test_rates_that_are_varied_are_measured_by_their_own_steps():
    task = make_task(np.eye(4, 3), [0, 1, 1, 0])
    config = training.TrainConfig(
        learning_rate=0.05, optimizer="sgd", batch_size=None, train_fraction=1.0
    )

    def swept(config, vary=None):
        return ibjax.sweep(
            jax.random.key(0),
            task,
            ibjax.networks.mlp([3, 2, 2]),
            config,
            num_seeds=1,
            snapshots=[0, 1],
            probes=[loss_dynamics(config), ibjax.probes.losses],
            vary=vary,
        )

    both = swept(config, {"learning_rate": [0.05, 0.2]})
    alone = swept(dataclasses.replace(config, learning_rate=0.2))
    one = both.sel(learning_rate=0.2)
    for name in ("loss_change", "loss_change_first_order", "small_step_ratio"):
        np.testing.assert_array_equal(one[name], alone[name])
    # What was predicted of the step is the step that was taken, up to the rounding of
    # two losses near log 2.
    taken = one.train_loss.sel(epoch=1) - one.train_loss.sel(epoch=0)
    np.testing.assert_allclose(taken, one.loss_change.sel(epoch=0), atol=2e-7)


def _of_objective(objective=None, config=None, probe=None, **task):
    """Four full steps, of what is lowered and as the probe foretells them."""
    is_real = "targets" in task
    network = ibjax.networks.mlp([3, 4, 2], output="linear" if is_real else "softmax")
    config = config or training.TrainConfig(
        learning_rate=0.01, optimizer="sgd", batch_size=None, train_fraction=0.5
    )
    probe = probe or loss_dynamics(config)
    return ibjax.sweep(
        jax.random.key(0),
        make_task(X, **task),
        network,
        config,
        objective=objective,
        num_seeds=2,
        snapshots=[0, 1, 2],
        probes=[probe, ibjax.probes.objective_terms, ibjax.probes.gradients],
    )


VECTORS = {"targets": X @ np.array([[1, 2], [0, 1], [-1, 0]], np.float32)}
CLASSES = {"labels": (X[:, 0] > 0).astype(int)}


@pytest.mark.parametrize(
    "objective, task, units",
    [
        (None, VECTORS, "1"),
        (None, CLASSES, "nats"),
        (
            objectives.cross_entropy() + 1.0 * objectives.weight_decay(),
            CLASSES,
            "units of the objective",
        ),
    ],
)
def test_the_change_is_that_of_the_sweeps_objective(objective, task, units):
    found = _of_objective(objective, **task)
    steps = np.diff(found.objective.values, axis=1)
    # Of differences of objectives of the order of ten.
    np.testing.assert_allclose(found.loss_change[:, :-1], steps, rtol=1e-4, atol=4e-6)
    np.testing.assert_allclose(
        found.loss_change_by_layer.sum("layer"),
        found.loss_change_first_order,
        rtol=1e-5,
    )
    names = ("loss_change", "gradient_mean", "gradient_std_normalized")
    assert {found[name].attrs["units"] for name in names} == {units}
    assert found.gradient_snr.attrs["units"] == "1"


def test_what_is_no_mean_over_rows_is_refused():
    def spread(params, batch, key):
        return jnp.var(params[0][0]) + jnp.var(batch.x)

    with pytest.raises(ValueError, match="a mean over rows, .*weighs=True.*got spread"):
        _of_objective(spread, **CLASSES)
    sgd = loss_dynamics(training.TrainConfig(optimizer="sgd"))
    with pytest.raises(ValueError, match="the optimizer must be one of sgd, got 'adam"):
        _of_objective(config=training.TrainConfig(), probe=sgd, **CLASSES)
