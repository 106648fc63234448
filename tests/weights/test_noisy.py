"""Networks with noisy weights: draws, a conjugate model, and training in a sweep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, objectives, probes, sweep, weights
from ibjax.networks.network import NetworkState
from tests.weights.regression import NUM, as_params, mean_gradient, problem

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype(np.float32)
BASE = networks.mlp((3, 4, 2), "relu")


def _posterior(network, key):
    """Means of a network and standard deviations of all sizes."""
    posterior = jax.jit(network.init)(key)
    log_std = jax.tree.map(
        lambda leaf: jnp.asarray(RNG.uniform(-2, 0, leaf.shape), leaf.dtype),
        posterior.log_std,
    )
    return posterior._replace(log_std=log_std)


def _draws(network, params, key, num=10_000):
    def one(key):
        return network.activations(params, jnp.asarray(X), key=key)

    return [np.asarray(t) for t in jax.jit(jax.vmap(one))(jax.random.split(key, num))]


def test_without_a_key_weights_are_their_means(key):
    network = weights.noisy_weights(BASE)
    params, start = jax.jit(lambda key: (network.init(key), BASE.init(key)))(key)
    layers = jax.jit(
        lambda params: (
            network.activations(params, X),
            BASE.activations(params.mean, X),
        )
    )(params)
    for found, expected in zip(*layers, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        params.mean[0][0], start[0][0], err_msg="starts as the network does"
    )
    np.testing.assert_allclose(params.std[1][1], 0.1, rtol=1e-6)
    for found, expected in zip(
        network.kernels(params), BASE.kernels(params.mean), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_local_draws_of_a_dense_layer_have_its_mean_and_variance(key):
    network = weights.noisy_weights(networks.mlp((3, 2)), draws="local")
    params = _posterior(network, key)
    ((w, b),), ((s, c),) = jax.tree.map(np.asarray, (params.mean, params.std))
    mean, variance = X @ w.T + b, X**2 @ s.T**2 + c**2
    (local,) = _draws(network, params, key)
    num = len(local)
    z = (local - mean) / np.sqrt(variance)
    z = z.reshape(num, -1)
    # Samples and units are drawn independently of each other.
    assert np.all(np.abs(z.mean(axis=0)) < 4 / np.sqrt(num))
    assert np.all(np.abs(np.cov(z.T) - np.eye(8)) < 4 * np.sqrt((1 + np.eye(8)) / num))
    # With shared weights each sample has the same distribution, but not all together.
    explicit = weights.noisy_weights(networks.mlp((3, 2)), draws="explicit")
    (shared,) = _draws(explicit, params, key)
    z = ((shared - mean) / np.sqrt(variance)).reshape(num, -1)
    assert np.all(np.abs(z.mean(axis=0)) < 4 / np.sqrt(num))
    assert np.all(np.abs(z.var(axis=0) - 1) < 4 * np.sqrt(2 / num))
    assert np.abs(np.cov(z.T) - np.eye(8)).max() > 0.3


def test_all_draws_agree_through_a_hidden_layer(key):
    networks_of = [
        weights.noisy_weights(BASE, draws=draws)
        for draws in ("local", "flipout", "explicit")
    ]
    params = _posterior(networks_of[0], key)
    *own, explicit = (
        _draws(network, params, jax.random.fold_in(key, number))
        for number, network in enumerate(networks_of)
    )
    for local, shared in zip(sum(own, []), 2 * explicit, strict=True):
        for power in (1, 2):
            a, b = local**power, shared**power
            error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a))
            assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error + 1e-6)


def test_draws_are_local_where_they_are_exact(key):
    assert "local" in weights.noisy_weights(BASE).description
    with_noise = networks.noisy((3, 4, 2), noise_std=0.1)
    network = weights.noisy_weights(with_noise)
    assert "flipout" in network.description
    assert network.noise_std == (0.1,)
    # Weights without noise leave that of the activities.
    params = jax.jit(network.init)(key)
    params = params._replace(log_std=jax.tree.map(lambda s: s - 20, params.log_std))
    hidden, _ = _draws(network, params, key, 2000)
    np.testing.assert_allclose(hidden.std(axis=0), 0.1, rtol=4 / np.sqrt(4000))


@pytest.mark.parametrize("draws", ["local", "flipout", "explicit"])
def test_the_gradient_vanishes_at_the_posterior_of_linear_regression(key, draws):
    """Gaussian weights, a squared error: the best means and variances are known."""
    beta, lam2 = 0.7, 0.5
    task, a, y = problem(RNG)
    network = weights.noisy_weights(networks.mlp((2, 1), output="linear"), draws=draws)
    objective = weights.weight_bottleneck(
        num_samples=NUM, beta=beta, prior_variance=lam2, loss=objectives.squared_error()
    )
    # The loss summed over samples is |y - A w|^2, of Hessian 2 A'A.
    hessian = 2 * a.T @ a + beta / lam2 * np.eye(3)
    mean = np.linalg.solve(hessian, 2 * a.T @ y)
    std = np.sqrt(beta / np.diag(hessian))
    best = weights.Posterior(as_params(mean), as_params(np.log(std)))
    found, error = mean_gradient(network, objective, task, best, key)
    assert np.all(np.abs(found) < 4 * error)
    # The test can fail: at twice the variances every one is felt.
    off = best._replace(log_std=as_params(np.log(std * np.sqrt(2))))
    found, error = mean_gradient(network, objective, task, off, key)
    assert np.all(found[3:] > 4 * error[3:])


def test_the_information_is_paid_once_an_epoch(key):
    task = datasets.make_task(X, [0, 1, 1, 0])
    network = weights.noisy_weights(BASE)
    params = jax.jit(network.init)(key)
    objective = weights.weight_bottleneck(num_samples=4, beta=0.3)
    evaluate = jax.jit(
        lambda rows: objective(params, task.batch(rows), key, network=network)
    )
    information = weights.posterior.kl(params, prior_variance=1.0)
    total = 0.0
    for rows in jnp.arange(4).reshape(2, 2):
        value, terms = evaluate(rows)
        np.testing.assert_allclose(terms["weight_information"], information, rtol=1e-6)
        # Of two samples of four: half of the sums.
        total += 2 * (value - terms["cross_entropy"])
    np.testing.assert_allclose(total, 0.3 * information, rtol=1e-4)


def test_at_a_beta_of_zero_the_loss_alone_is_lowered(key):
    task = datasets.make_task(X, [0, 1, 1, 0])
    network = weights.noisy_weights(BASE)
    params, batch = jax.jit(network.init)(key), task.batch(jnp.arange(4))
    free = weights.weight_bottleneck(num_samples=4, beta=0.0)
    (value, terms), slopes = jax.jit(
        jax.value_and_grad(lambda p: free(p, batch, key, network=network), has_aux=True)
    )(params)
    plain = objectives.cross_entropy()
    loss, expected = jax.jit(
        jax.value_and_grad(lambda p: plain(p, batch, key, network=network)[0])
    )(params)
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    for found, slope in zip(*map(jax.tree.leaves, (slopes, expected)), strict=True):
        np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-7)
    # Recorded all the same.
    information = weights.posterior.kl(params, prior_variance=1.0)
    np.testing.assert_allclose(terms["weight_information"], information, rtol=1e-6)


def test_initial_weights_are_kept_as_the_mean_of_the_prior(key):
    task = datasets.make_task(X, [0, 1, 1, 0])
    network = weights.noisy_weights(networks.mlp((3, 2)), std=0.5, keep_initial=True)
    objective = weights.weight_bottleneck(
        num_samples=4, beta=0.1, prior_variance=0.25, prior_mean="initial"
    )
    batch = task.batch(jnp.arange(4))

    @jax.jit
    def measured(key):
        start = network.init(key)
        moved = jax.tree.map(lambda w: w + 0.3, start[0].mean)
        end = start[0]._replace(mean=moved), network.state.update(start, X, key)
        values = [objective(p, batch, key, network=network)[1] for p in (start, end)]
        return start, end, values

    start, end, values = measured(key)
    for one, other in zip(*map(jax.tree.leaves, (start[1], end[1])), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(start[0].mean[0][0], start[1].initial[0][0])
    # The posterior starts as the prior; eight weights move by 0.3.
    assert abs(values[0]["weight_information"]) < 1e-6
    expected = 8 * 0.3**2 / 0.25 / 2
    np.testing.assert_allclose(values[1]["weight_information"], expected, rtol=1e-5)
    without = weights.noisy_weights(networks.mlp((3, 2)))
    with pytest.raises(ValueError, match="keep_initial=True"):
        jax.eval_shape(
            lambda key: objective(without.init(key), batch, key, network=without), key
        )


def test_betas_are_varied_in_one_sweep(key):
    task = datasets.make_task(X, [0, 1, 1, 0])
    dataset = sweep(
        key,
        task,
        weights.noisy_weights(networks.mlp((3, 3, 2))),
        TrainConfig(learning_rate=0.05, train_fraction=1.0),
        num_seeds=1,
        snapshots=[0, 300],
        probes=[probes.losses, probes.objective_terms],
        objective=weights.weight_bottleneck(num_samples=4),
        vary={"beta": [0.01, 0.1, 30.0]},
    )
    information = dataset.weight_information
    assert information.dims == ("beta", "seed", "epoch")
    start, end = information.isel(epoch=0), information.isel(epoch=1)
    np.testing.assert_array_equal(start[0], start[1])
    assert (end.diff("beta") < 0).all()
    # Nothing is worth its price at the highest beta: the posterior is the prior.
    assert (end.sel(beta=30.0) < 1e-2).all()
    np.testing.assert_allclose(dataset.train_loss[2, :, 1], np.log(2), atol=0.1)
    assert (dataset.train_loss[0, :, 1] < 0.1).all()


def test_gradients_are_finite_where_noise_underflows(key):
    network = weights.noisy_weights(BASE)
    objective = weights.weight_bottleneck(num_samples=4, beta=0.0)
    batch = datasets.make_task(X, [0, 1, 1, 0]).batch(jnp.arange(4))

    @jax.jit
    def gradient(key):
        params = network.init(key)
        logs = jax.tree.map(lambda s: s - 200, params.log_std)
        return jax.grad(lambda p: objective(p, batch, key, network=network)[0])(
            params._replace(log_std=logs)
        )

    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient(key)))


@pytest.mark.slow
def test_random_labels_are_learned_below_a_beta_of_one_whatever_their_number(key):
    """Fitting a label saves its entropy and costs beta times that information."""
    learned = {}
    for num in (30, 120):
        x, labels = RNG.normal(size=(num, 40)), RNG.integers(0, 2, num)
        dataset = sweep(
            key,
            datasets.make_task(x.astype(np.float32), labels),
            weights.noisy_weights(networks.mlp((40, 30, 2), "relu"), std=0.05),
            TrainConfig(learning_rate=5e-3, train_fraction=1.0),
            num_seeds=1,
            snapshots=[0, 4000],
            probes=[probes.losses, probes.objective_terms],
            objective=weights.weight_bottleneck(num_samples=num, prior_variance=0.1),
            vary={"beta": [0.1, 1.0, 3.0]},
        )
        end = dataset.isel(epoch=-1)
        learned[num] = end.cross_entropy.mean("seed").values
        per_sample = (end.weight_information / num).mean("seed").values
        assert np.all(np.diff(per_sample) < 0)
        # Below one the weights know all of the labels, from one on less than half.
        assert per_sample[0] > np.log(2) > 2 * per_sample[1]
    for loss in learned.values():
        assert loss[0] < 0.3 * np.log(2) and np.all(loss[1:] > np.log(2))


def test_the_state_of_a_network_is_that_under_its_drawn_weights(key):
    # The mean of the first activity over the batch, which no gradient changes.
    base = networks.mlp((3, 2))
    state = NetworkState(
        split=lambda params: params,
        merge=lambda trained, mean: (trained, mean),
        update=lambda params, x, key: jnp.mean(base.activations(params[0], x)[0]),
    )
    network = weights.noisy_weights(
        base._replace(
            init=lambda key: (base.init(key), 0.0),
            activations=lambda params, x, **_: base.activations(params[0], x),
            kernels=lambda params: base.kernels(params[0]),
            state=state,
            activate=None,
        )
    )
    assert "explicit" in network.description
    with pytest.raises(ValueError, match="draws must be local or explicit for a netw"):
        weights.noisy_weights(base._replace(state=state), draws="flipout")

    @jax.jit
    def one(key):
        params = network.init(key)
        kept = network.state.update(params, X, key)
        return params, kept, network.activations(params, X, key=key)[0]

    params, kept, drawn = one(key)
    assert isinstance(params[0], weights.Posterior)
    assert params[1].own == 0 and params[1].initial is None
    np.testing.assert_allclose(kept.own, np.mean(drawn), rtol=1e-5)
    assert jax.tree.structure(network.split(params)[0]) == jax.tree.structure(params[0])
    assert network.kernels(params)[0].shape == (2, 3)


def test_bad_arguments_are_refused(key):
    with pytest.raises(ValueError, match="std must be one positive number"):
        weights.noisy_weights(BASE, std=0.0)
    with pytest.raises(ValueError, match="draws must be one of local, flipout, ex"):
        weights.noisy_weights(BASE, draws="shared")
    cases = [
        ({"num_samples": 0}, "num_samples must be a whole number"),
        ({"beta": -1.0}, "beta must be one number from 0 on"),
        ({"prior_variance": 0.0}, "prior_variance must be one positive number"),
        ({"prior_mean": "zero"}, "prior_mean must be one of initial or a tree"),
    ]
    for change, message in cases:
        with pytest.raises(ValueError, match=message):
            weights.weight_bottleneck(**{"num_samples": 4} | change)
    task = datasets.make_task(X, [0, 1, 1, 0])
    objective = weights.weight_bottleneck(num_samples=4)
    with pytest.raises(TypeError, match="network must be one of weights.noisy_weights"):
        jax.eval_shape(
            lambda key: objective(
                BASE.init(key), task.batch(jnp.arange(4)), key, network=BASE
            ),
            key,
        )
