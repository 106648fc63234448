"""Objectives against closed forms: the Gaussian bottleneck, the evidence bound."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from ibjax import (
    TrainConfig,
    bottleneck,
    datasets,
    networks,
    probes,
    sweep,
    training,
)
from ibjax import representations as r
from ibjax.datasets.task import Batch
from ibjax.estimators import kde

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def _white(num, dim):
    """A sample of mean zero and covariance one, exactly."""
    sample = RNG.normal(size=(num, dim))
    sample -= sample.mean(0)
    return sample @ np.linalg.inv(np.linalg.cholesky(sample.T @ sample / num)).T


def _one_deviation_away(posterior, key):
    """Up in one half of the rows, down in the other: a mean of squares is exact."""
    del key
    up = jnp.arange(len(posterior.mean)) < len(posterior.mean) // 2
    return posterior.mean + jnp.where(up, 1.0, -1.0)[:, None] * posterior.scale


def test_a_linear_gaussian_code_is_the_gaussian_bottlenecks(monkeypatch):
    # Errors are squares, whose mean over draws is that over two points a deviation
    # away: so trained, the code has no noise of draws. They have tests of their own.
    monkeypatch.setattr(r.Posterior, "sample", _one_deviation_away)
    # Squared errors and log-losses have one curve: a slope of the latter is that of the
    # former over the variance of Y that the code leaves.
    rho, betas = 0.9, np.array([1.1, 2.0, 6.0])
    sample = np.tile(_white(8, 3), (2, 1))
    x, noise = sample[:, :2], sample[:, 2]
    y = rho * x[:, 0] + np.sqrt(1 - rho**2) * noise
    cov_xy = np.array([[rho], [0.0]])
    curve = [bottleneck.gaussian.solve(np.eye(2), np.eye(1), cov_xy, b) for b in betas]
    left = np.exp([-2 * float(point.i_ty) for point in curve])
    model = r.variational(
        networks.mlp([2, 2], output="linear"),
        networks.mlp([1, 1], output="linear"),
        dim=1,
    )
    task, loss = datasets.make_task(x, targets=y), r.vib(model, likelihood="gaussian")

    def in_order(params, batch, key, *, beta):
        """The loss of all rows in their order, which training would change."""
        del batch
        whole = Batch(task.x, task.vectors, jnp.ones(len(x)))
        return loss(params, whole, key, beta=beta)

    num_steps = 4000
    schedule = optax.cosine_decay_schedule(0.05, num_steps)
    dataset = sweep(
        KEY,
        task,
        model.network,
        TrainConfig(
            optimizer=optax.adam(schedule), batch_size=None, train_fraction=1.0
        ),
        objective=in_order,
        vary={"beta": left / betas},
        num_seeds=2,
        snapshots=[num_steps],
        probes=[_exact_of_a_linear_code],
    )
    ends = dataset.isel(epoch=-1)
    rate, distortion = ends.exact_rate, ends.exact_distortion
    expected = 0.5 * np.log(2 * np.pi) + 0.5 * left
    told = [[point.i_xt] for point in curve]
    np.testing.assert_allclose(rate, np.repeat(told, 2, axis=1), atol=1e-3)
    np.testing.assert_allclose(
        distortion, np.repeat(expected[:, None], 2, axis=1), atol=1e-3
    )
    assert rate[0].max() < 1e-3  # Below the critical beta, 1 / rho**2, nothing is told.
    # The second input tells nothing of Y.
    assert abs(dataset.direction.values[1:]).max() < 1e-3


def _exact_of_a_linear_code(snapshot):
    """Rate and distortion of a linear code without the noise of draws."""
    params, y = snapshot.params, snapshot.task.vectors[:, 0]
    raw = snapshot.layers[0]
    mean, std = raw[:, 0], jax.nn.softplus(raw[:, 1] + np.log(np.expm1(1.0)))
    ((w, b),) = params.decoder
    rate = jnp.mean(r.gaussian_kl(mean[:, None], std[:, None]))
    errors = (w[0, 0] * mean + b[0] - y) ** 2 + (w[0, 0] * std) ** 2
    distortion = 0.5 * jnp.log(2 * jnp.pi) + 0.5 * jnp.mean(errors)
    weights = params.encoder[0][0][0]
    return {
        "exact_rate": rate,
        "exact_distortion": distortion,
        "direction": weights[1] / weights[0],
    }


X = jnp.asarray(RNG.uniform(size=(50, 3)), jnp.float32)
PIXELS = Batch(X, None, jnp.ones(50))
LABELLED = Batch(X, jax.nn.one_hot(jnp.arange(50) % 3, 3), jnp.ones(50))
ENCODER = networks.mlp([3, 4], output="linear")
AUTOENCODER = r.variational(ENCODER, networks.mlp([2, 3], output="linear"), dim=2)
CLASSIFIER = r.variational(ENCODER, networks.mlp([2, 3]), dim=2)


def _terms(objective, model, batch, **numbers):
    params = model.network.init(KEY)
    loss, terms = objective(params, batch, jax.random.key(1), **numbers)
    return float(loss), {k: float(v) for k, v in terms.items()}


def test_infovae_has_the_evidence_bound_and_beta_vaes_in_it():
    info = r.info_vae(AUTOENCODER, bandwidth=1.0)
    bound = r.vib(AUTOENCODER, likelihood="bernoulli")
    loss, terms = _terms(info, AUTOENCODER, PIXELS, alpha=0.0, lam=1.0)
    assert loss == _terms(bound, AUTOENCODER, PIXELS, beta=1.0)[0]
    assert terms["discrepancy"] != 0
    loss, terms = _terms(info, AUTOENCODER, PIXELS, alpha=-3.0, lam=4.0)
    expected = _terms(bound, AUTOENCODER, PIXELS, beta=4.0)[0]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    loss, terms = _terms(info, AUTOENCODER, PIXELS, alpha=1.0, lam=7.0)
    expected = terms["distortion"] + 7 * terms["discrepancy"]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_capacity_is_led_up():
    objective = r.capacity_vae(AUTOENCODER, capacity=5.0, num_epochs=10, weight=2.0)
    for epoch, reached in ((0, 0.0), (4, 2.0), (10, 5.0), (99, 5.0)):
        loss, terms = _terms(objective, AUTOENCODER, PIXELS, epoch=epoch)
        expected = terms["distortion"] + 2 * abs(terms["rate"] - reached)
        np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_capacity_follows_the_epochs_of_a_sweep():
    # Its weight is the whole loss: the rate follows the capacity alone.
    objective = r.capacity_vae(AUTOENCODER, capacity=2.0, num_epochs=40, weight=1e4)
    dataset = sweep(
        KEY,
        datasets.make_task(X),
        AUTOENCODER.network,
        TrainConfig(learning_rate=0.03, batch_size=10, train_fraction=1.0),
        objective=objective,
        num_seeds=2,
        snapshots=[20, 80],
        probes=[probes.objective_terms],
    )
    # Adam's step moves the rate by about the learning rate times its slope, a tenth.
    np.testing.assert_allclose(dataset.rate.sel(epoch=20), 1.0, atol=0.2)
    np.testing.assert_allclose(dataset.rate.sel(epoch=80), 2.0, atol=0.2)


def test_a_code_of_nothing_tells_nothing():
    params = CLASSIFIER.network.init(KEY)
    raw = jnp.array([0.0, 0.0, 0.0, 0.0])  # Softplus of it is the first deviation, one.
    silent = params._replace(encoder=((jnp.zeros((4, 3)), raw),))
    decoder = ((jnp.zeros((3, 2)), jnp.log(jnp.array([17.0, 17.0, 16.0]) / 50)),)
    silent = silent._replace(decoder=decoder)
    found = r.rate_distortion(KEY, silent, LABELLED, model=CLASSIFIER)
    entropy = -np.sum(np.array([17, 17, 16]) / 50 * np.log(np.array([17, 17, 16]) / 50))
    np.testing.assert_allclose(found.distortion, entropy, rtol=1e-6)
    np.testing.assert_allclose(found.rate, 0.0, atol=1e-6)


def test_rows_of_weight_zero_change_nothing():
    weights = jnp.ones(50).at[40:].set(0)
    for model, batch, likelihood in (
        (CLASSIFIER, LABELLED, "categorical"),
        (AUTOENCODER, PIXELS, "gaussian"),
    ):
        params = model.network.init(KEY)
        weighed, spoiled = (
            r.rate_distortion(KEY, params, b, model=model, likelihood=likelihood)
            for b in (
                batch.__class__(batch.x, batch.targets, weights),
                batch.__class__(batch.x.at[40:].add(9), batch.targets, weights),
            )
        )
        assert weighed.rate == spoiled.rate
        assert weighed.distortion == spoiled.distortion


def test_ceb_is_held_against_the_labels_gaussian():
    model = r.variational(
        ENCODER, networks.mlp([2, 3]), dim=2, prior=r.class_prior(2, 3)
    )
    params = model.network.init(KEY)
    posterior = model.encode(params, X)
    means = params.prior[0][jnp.arange(50) % 3]
    expected = r.relative_gaussian_kl(*posterior, means, 1.0).mean()
    loss, terms = _terms(r.ceb(model), model, LABELLED, beta=0.5)
    np.testing.assert_allclose(terms["residual"], expected, rtol=1e-6)
    total = terms["distortion"] + 0.5 * terms["residual"]
    np.testing.assert_allclose(loss, total, rtol=1e-6)
    with pytest.raises(ValueError, match="model must have a prior for every class"):
        r.ceb(CLASSIFIER)


def test_nonlinear_ib_has_the_kernel_bound():
    encoder = networks.mlp([3, 2], output="linear")
    model = r.variational(
        encoder, networks.mlp([2, 3]), dim=2, covariance="shared", initial_std=0.3
    )
    params = model.network.init(KEY)
    mean = model.encode(params, X).mean
    expected = kde.layer_information(
        mean, jnp.zeros(50, int), num_classes=1, noise_variance=0.09
    ).upper.i_xt
    for power in (1.0, 2.0):
        objective = r.nonlinear_ib(model, power=power)
        loss, terms = _terms(objective, model, LABELLED, beta=0.5)
        np.testing.assert_allclose(terms["information"], expected, rtol=1e-5)
        total = terms["distortion"] + 0.5 * terms["information"] ** power
        np.testing.assert_allclose(loss, total, rtol=1e-6)
    # The noise is learned: more of it tells less.
    gradient = jax.jit(jax.grad(lambda p: objective(p, LABELLED, KEY, beta=1e4)[0]))
    assert gradient(params).log_std < 0
    with pytest.raises(ValueError, match="covariance 'shared'"):
        _terms(r.nonlinear_ib(CLASSIFIER), CLASSIFIER, LABELLED)


def test_likelihoods_are_scipys():
    from scipy import stats

    params = AUTOENCODER.network.init(KEY)
    for likelihood in ("bernoulli", "gaussian"):
        found = r.rate_distortion(
            KEY, params, PIXELS, model=AUTOENCODER, likelihood=likelihood
        )
        output = np.asarray(AUTOENCODER.decode(params, found.z), np.float64)
        if likelihood == "gaussian":
            each = stats.norm(output).logpdf(X)
        else:
            p = 1 / (1 + np.exp(-output))
            each = X * np.log(p) + (1 - X) * np.log(1 - p)
        np.testing.assert_allclose(found.distortion, -each.sum(1).mean(), rtol=1e-6)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_an_output_of_another_width_is_not_broadcast(likelihood):
    decoder = networks.mlp([2, 1], output="linear")
    model = r.variational(ENCODER, decoder, dim=2)
    params = model.network.init(KEY)
    with pytest.raises(ValueError, match="decoder's output must have shape"):
        r.rate_distortion(KEY, params, PIXELS, model=model, likelihood=likelihood)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: r.vib(CLASSIFIER, likelihood="poisson"), "likelihood must be one of"),
        (lambda: r.vib(CLASSIFIER, beta=-1), "beta must be one number from 0 on"),
        (lambda: r.nonlinear_ib(CLASSIFIER, beta=np.inf), "beta must be one number"),
        (lambda: r.nonlinear_ib(CLASSIFIER, power=0.5), "power must be at least 1"),
        (
            lambda: r.info_vae(AUTOENCODER, bandwidth=0),
            "bandwidth must be one positive",
        ),
        (
            lambda: r.capacity_vae(AUTOENCODER, capacity=-1, num_epochs=1),
            "capacity must be one number from 0 on",
        ),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "objective, task, vary, message",
    [
        (r.vib(CLASSIFIER), LABELLED, {"beta": [-1.0]}, r"beta must lie in \[0, inf\)"),
        (r.vib(CLASSIFIER), LABELLED, {"beta": [np.inf]}, "different finite numbers"),
        (r.vib(CLASSIFIER), LABELLED, {"epoch": [1.0]}, "vary must name numbers that"),
        (
            r.vib(CLASSIFIER),
            PIXELS,
            {},
            "targets for vib, beta 0.001 must be one of classes",
        ),
        (
            r.vib(CLASSIFIER, likelihood="bernoulli"),
            PIXELS,
            {},
            "output for vib, beta 0.001, bernoulli must be one of linear",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(
    objective, task, vary, message, nothing_compiles
):
    labels = None if task.targets is None else np.arange(50) % 3
    with pytest.raises(ValueError, match=message):
        sweep(
            KEY,
            datasets.make_task(X, labels),
            CLASSIFIER.network,
            TrainConfig(batch_size=10),
            objective=objective,
            vary=vary,
            num_seeds=1,
            snapshots=[1],
            probes=[probes.objective_terms],
        )


def test_deviations_of_the_decoder_are_part_of_its_likelihood():
    decoder = networks.mlp([2, 6], output="linear")
    model = r.variational(ENCODER, decoder, dim=2)
    params = model.network.init(KEY)
    options = {"model": model, "likelihood": "heteroscedastic"}
    found = r.rate_distortion(KEY, params, PIXELS, **options)
    output = np.asarray(model.decode(params, found.z), np.float64)
    each = stats.norm.logpdf(X, output[:, :3], np.exp(output[:, 3:]))
    np.testing.assert_allclose(found.distortion, -each.sum(1).mean(), rtol=1e-5)
    params = AUTOENCODER.network.init(KEY)
    with pytest.raises(ValueError, match=r"output must have shape \[50, 6\] for means"):
        r.rate_distortion(KEY, params, PIXELS, **options | {"model": AUTOENCODER})


def test_infovaes_numbers_are_those_given():
    given = r.info_vae(AUTOENCODER, bandwidth=1.0, alpha=0.5, lam=3.0)
    varied = r.info_vae(AUTOENCODER, bandwidth=1.0)
    expected = _terms(varied, AUTOENCODER, PIXELS, alpha=0.5, lam=3.0)
    assert _terms(given, AUTOENCODER, PIXELS) == expected
    with pytest.raises(ValueError, match="lam must be one number from 0 on"):
        r.info_vae(AUTOENCODER, bandwidth=1.0, lam=-1.0)
    with pytest.raises(ValueError, match=r"alpha must lie in \(-inf, inf\), got inf"):
        r.info_vae(AUTOENCODER, bandwidth=1.0, alpha=np.inf)


@pytest.mark.parametrize(
    "objective",
    [
        r.vib(AUTOENCODER, likelihood="bernoulli"),
        r.info_vae(AUTOENCODER, bandwidth=1.0),
        r.capacity_vae(AUTOENCODER, capacity=5.0, num_epochs=2),
    ],
)
def test_pixels_of_a_bernoulli_decoder_lie_between_0_and_1(objective):
    options = {"network": AUTOENCODER.network, "config": TrainConfig(batch_size=10)}
    for outside in (X - 2, X + 2):
        for task, words in (
            (datasets.make_task(outside), "inputs"),
            (datasets.make_task(X, targets=outside), "targets"),
        ):
            with pytest.raises(ValueError, match=rf"task's {words} for .* \[0, 1\]"):
                training.train(KEY, task, num_epochs=1, objective=objective, **options)


def test_a_likelihood_of_other_targets_or_outputs_is_refused():
    model = r.variational(ENCODER, networks.mlp([2, 3]), dim=2)
    params = model.network.init(KEY)
    options = {"model": model, "likelihood": "categorical"}
    with pytest.raises(ValueError, match="output for bernoulli must be"):
        r.rate_distortion(KEY, params, LABELLED, model=model, likelihood="bernoulli")
    linear = model._replace(network=model.network._replace(output="linear"))
    with pytest.raises(ValueError, match="output for categorical must be"):
        r.rate_distortion(KEY, params, LABELLED, model=linear)
    for targets, words in (
        (LABELLED.targets - 1, r"targets of a categorical .* must lie in \[0, inf\)"),
        (LABELLED.targets * 2, "must sum to one, but row 0 sums to 2"),
        (None, "batch must have targets"),
    ):
        other = dataclasses.replace(LABELLED, targets=targets)
        with pytest.raises(ValueError, match=words):
            r.rate_distortion(KEY, params, other, **options)


def test_a_prior_of_other_classes_than_the_task_s():
    model = r.variational(
        ENCODER, networks.mlp([2, 3]), dim=2, prior=r.class_prior(2, 5)
    )
    params = model.network.init(KEY)
    with pytest.raises(ValueError, match=r"targets must have shape \[50, 5\]"):
        r.ceb(model)(params, LABELLED, KEY)
