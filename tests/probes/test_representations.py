"""Probes of networks through a code, in a sweep, against what they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, probes, replay, sweep
from ibjax import representations as r

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3)).astype(np.float32)
TASK = datasets.make_task(X, (X[:, 0] > 0).astype(int), num_measured=30)
MODEL = r.variational(
    networks.mlp([3, 6, 4], "relu", output="linear"), networks.mlp([2, 2]), dim=2
)
CONFIG = TrainConfig(
    learning_rate=0.03, batch_size=20, train_fraction=60 / 90, split="ordered"
)


@pytest.fixture(scope="module")
def dataset():
    return sweep(
        KEY,
        TASK,
        MODEL.network,
        CONFIG,
        objective=r.vib(MODEL),
        vary={"beta": [1e-3, 10.0]},
        num_seeds=2,
        snapshots=[0, 40],
        probes=[probes.code_bounds(MODEL), probes.code_mixture(MODEL, num_samples=30)],
    )


def _layer(dataset):
    return dataset.isel(beta=0).layer_name.values.tolist().index("code 2")


def test_bounds_hold(dataset):
    code = dataset.isel(layer=_layer(dataset))
    last = code.isel(epoch=-1)
    rate = last.i_xt.sel(estimator="variational")
    np.testing.assert_array_equal(rate, last.test_rate)
    mixture = last.i_xt.sel(estimator="mixture")
    error = last.mixture_i_xt_error
    assert (rate > mixture - 4 * error).all()
    told = last.i_ty.sel(estimator="variational")
    assert (told < last.i_ty.sel(estimator="mixture") + 0.2).all()
    # A price of ten nats a nat leaves nothing; one of 1e-3 all that the label needs.
    assert (last.test_rate.sel(beta=10.0) < 0.02).all()
    assert (last.train_error.sel(beta=1e-3) < 0.1).all()
    # The mixture is measured at the end alone, and other layers are not.
    assert code.i_xt.sel(estimator="mixture").isel(epoch=0).isnull().all()
    assert dataset.i_xt.isel(epoch=-1).notnull().sum("layer").max() == 1


def test_a_prior_of_every_class_bounds_what_the_label_leaves():
    # All inputs of a class are one: a code may hold the class and no more.
    x = np.where(X[:, :1] > 0, [[1.0, 1.0, 1.0]], -1.0)
    task = datasets.make_task(x, TASK.labels, num_measured=30)
    encoder = networks.mlp([3, 6, 4], "relu", output="linear")
    prior = r.class_prior(2, 2, learned_std=True)
    model = r.variational(encoder, networks.mlp([2, 2]), dim=2, prior=prior)
    found = sweep(
        KEY,
        task,
        model.network,
        CONFIG,
        objective=r.ceb(model, beta=1.0),
        num_seeds=2,
        snapshots=[80],
        probes=[probes.code_bounds(model), probes.code_mixture(model, num_samples=30)],
    ).isel(epoch=-1)
    assert "test_rate" not in found
    code = found.isel(layer=found.layer_name.values.tolist().index("code 2"))
    share = np.mean(X[60:, 0] > 0)
    h_y = -share * np.log(share) - (1 - share) * np.log(1 - share)
    bound = code.i_xt.sel(estimator="variational")
    np.testing.assert_allclose(bound, found.test_residual + h_y, rtol=1e-6)
    mixture = code.i_xt.sel(estimator="mixture")
    # The residual alone is no bound.
    assert (found.test_residual < mixture - 4 * code.mixture_i_xt_error).all()
    assert (bound > mixture - 4 * code.mixture_i_xt_error).all()
    for objective in (
        r.vib,
        lambda m: r.info_vae(m, bandwidth=1.0),
        lambda m: r.capacity_vae(m, capacity=1.0, num_epochs=1),
    ):
        with pytest.raises(ValueError, match="one prior for all classes"):
            objective(model)


def test_numbers_are_those_of_the_parts(dataset):
    cell = dataset.sel(beta=1e-3)
    found = replay(
        cell,
        1,
        40,
        task=TASK,
        network=MODEL.network,
        config=CONFIG,
        objective=r.vib(MODEL),
    )
    for split, rows in (("train", found.rows[:60]), ("test", found.rows[60:])):
        posterior = MODEL.encode(found.params, jnp.asarray(X[rows]))
        expected = jnp.mean(r.gaussian_kl(*posterior))
        value = cell[f"{split}_rate"].sel(seed=1, epoch=40)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        error = np.std(r.gaussian_kl(*posterior), ddof=1) / np.sqrt(len(rows))
        value = cell[f"{split}_rate_error"].sel(seed=1, epoch=40)
        np.testing.assert_allclose(value, error, rtol=1e-4)
        p = r.predict(
            KEY, found.params, jnp.asarray(X[rows]), model=MODEL, num_samples=2000
        )
        wrong = np.mean(np.argmax(p, 1) != np.asarray(TASK.labels)[rows])
        # Of twelve draws a class that is nearly even may go either way.
        assert abs(cell[f"{split}_error"].sel(seed=1, epoch=40) - wrong) < 0.1
        # Every draw of a row is wrong with a probability of its own; of 500 draws.
        each = r.predict_each(
            KEY, found.params, jnp.asarray(X[rows]), model=MODEL, num_samples=500
        )
        once = np.asarray(each.classes) != np.asarray(TASK.labels)[rows]
        mean, std = once.mean(), np.std(np.mean(once, axis=1))
        value = cell[f"{split}_error_one_draw"].sel(seed=1, epoch=40)
        assert abs(value - mean) < 4 * std / np.sqrt(12) + 1e-6
        # The deviation of twelve has a chi distribution: 0.4 to 1.7 of it but for 1e-3.
        value = cell[f"{split}_error_one_draw_std"].sel(seed=1, epoch=40)
        assert 0.4 * std <= value <= 1.7 * std
        # With other draws of the codes it is one of these, but for 1 in 100.
        errors = [_distortion_error(key, found.params, rows) for key in KEYS]
        value = cell[f"{split}_distortion_error"].sel(seed=1, epoch=40)
        assert min(errors) < value < max(errors)


KEYS = jax.random.split(jax.random.key(5), 200)


def _distortion_error(key, params, rows):
    batch = TASK.batch(jnp.asarray(rows))
    each = r.rate_distortion(key, params, batch, model=MODEL).distortions
    return np.std(each, ddof=1) / np.sqrt(len(rows))


def test_refusals():
    autoencoder = r.variational(
        networks.mlp([3, 4], output="linear"),
        networks.mlp([2, 3], output="linear"),
        dim=2,
    )
    with pytest.raises(ValueError, match="the model's output must be one of softmax"):
        probes.code_bounds(autoencoder)
    for probe in (probes.code_bounds, probes.code_mixture, probes.dropout_information):
        with pytest.raises(TypeError, match="model must be a "):
            probe(MODEL.network)
    with pytest.raises(ValueError, match="num_draws must be a whole number"):
        probes.code_bounds(MODEL, num_draws=0)
    with pytest.raises(ValueError, match="num_samples must be a whole number"):
        probes.code_mixture(MODEL, num_samples=0)
