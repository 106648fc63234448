"""Numbers varied in one program: copies equal single sweeps, and compile once."""

import dataclasses
import functools
import inspect
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import (
    TrainConfig,
    compilation,
    datasets,
    networks,
    objectives,
    probes,
    results,
    sweep,
    training,
)
from ibjax.sweeps import program

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)
WIDTHS = (3, 3, 2)
KEY = jax.random.key(3)


def _run(network=None, config=None, **options):
    """A sweep in which everything is made anew."""
    arguments = {
        "num_seeds": 2,
        "snapshots": [0, 2],
        "probes": [probes.losses, _norms],
    } | options
    return sweep(
        KEY,
        datasets.make_task(X, LABELS),
        networks.mlp(WIDTHS) if network is None else network,
        config or TrainConfig(learning_rate=0.1, optimizer="sgd", batch_size=8),
        **arguments,
    )


def _norms(snapshot):
    (w, b), *_ = snapshot.params
    return {"first_weights": w, "first_biases": b}


def _assert_equal(found, expected):
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        one, other = found[name], expected[name]
        np.testing.assert_array_equal(one, other.transpose(*one.dims), err_msg=name)


def _assert_close(found, expected):
    """Six steps of size 0.5 at most, of sums of eight terms, by two programs."""
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        one, other = found[name], expected[name]
        np.testing.assert_allclose(
            one, other.transpose(*one.dims), rtol=1e-5, atol=2e-6, err_msg=name
        )


@pytest.fixture
def compiled_as_for_users(monkeypatch, users_options):
    """For what is the same to the last bit in two programs; compiling takes longer."""
    for name, value in users_options.items():
        monkeypatch.setitem(compilation.CPU_OPTIONS, name, value)


two_programs = pytest.mark.usefixtures("compiled_as_for_users")


@pytest.fixture
def compilations(monkeypatch):
    """Programs of sweeps compiled so far; none is kept from other tests."""
    found = []
    compile_ = jax.stages.Lowered.compile

    def counted(lowered, *args, **kwargs):
        found.append(lowered)
        return compile_(lowered, *args, **kwargs)

    monkeypatch.setattr(jax.stages.Lowered, "compile", counted)
    monkeypatch.setattr(program, "_programs", {})
    return found


RATES, PENALTIES, NOISES = [0.01, 0.5], [0.0, 0.03], [0.05, 0.5]


def test_rates_of_an_optax_optimizer_are_arguments_of_the_configuration():
    def config(rate):
        return TrainConfig(optimizer=optax.sgd(rate), batch_size=8)

    found = _run(config=config, vary={"rate": RATES})
    expected = _run(vary={"learning_rate": RATES})
    _assert_close(found, expected.rename(learning_rate="rate"))


def test_keyword_arguments_of_an_objective_are_varied():
    def tempered(params, batch, key, *, network, temperature=0.25):
        logits = network.activations(params, batch.x)[-1] / temperature
        loss = -(batch.targets * jax.nn.log_softmax(logits)).sum(axis=1)
        return (loss * batch.weights).sum() / batch.weights.sum()

    together = _run(objective=tempered, vary={"temperature": [0.25, 1.0]})
    found = together.sel(temperature=0.25, drop=True)
    _assert_close(found, _run(objective=tempered))  # What is left out has its default.


@two_programs
def test_learning_rates_and_noises_of_a_network_are_single_sweeps():
    def make(noise_std, activation="tanh"):
        return networks.noisy(WIDTHS, activation, noise_std=noise_std)

    def noise(snapshot):
        (std,) = snapshot.network.noise_std
        return {"noise": jax.numpy.float32(std)}

    options = {"probes": [probes.losses, _norms, noise]}
    vary = {"learning_rate": RATES, "noise_std": NOISES}
    together = _run(make, vary=vary, **options)
    assert together.train_loss.dims == (*vary, "seed", "epoch")
    assert together.learning_rate.values.tolist() == RATES
    for rate, std in itertools.product(RATES, NOISES):
        config = TrainConfig(learning_rate=rate, optimizer="sgd", batch_size=8)
        single = _run(networks.noisy(WIDTHS, noise_std=std), config, **options)
        found = together.sel(learning_rate=rate, noise_std=std, drop=True)
        _assert_equal(found, single)
        assert (single.noise == np.float32(std)).all()
    ends = together.first_weights.isel(epoch=-1).values
    assert len(np.unique(ends[:, :, 0, 0, 0])) == len(RATES) * len(NOISES)
    configuration = json.loads(together.attrs["configuration"])
    assert configuration["grid"] == vary


def test_arguments_of_a_configuration_and_penalties_by_their_name():
    def config(rate):
        return TrainConfig(learning_rate=2 * rate, optimizer="sgd", batch_size=8)

    total = objectives.cross_entropy() + "penalty" * objectives.orthonormal()
    vary = {"rate": [0.05, 0.25], "penalty": PENALTIES}

    def seen(snapshot):
        return {"seen": snapshot.numbers["penalty"]}

    measured = [probes.losses, _norms, seen]
    together = _run(config=config, objective=total, vary=vary, probes=measured)
    assert together.train_loss.dims == ("rate", "penalty", "seed", "epoch")
    assert (together.seen == together.penalty.astype(np.float32)).all()
    by_rate = _run(
        objective=total,
        vary={"learning_rate": [0.1, 0.5], "penalty": PENALTIES},
        probes=measured,
    )
    for rate in (0.05, 0.25):
        _assert_close(
            together.sel(rate=rate, drop=True),
            by_rate.sel(learning_rate=2 * rate, drop=True),
        )
    for penalty in PENALTIES:
        single = objectives.cross_entropy() + penalty * objectives.orthonormal()
        found = by_rate.sel(learning_rate=0.1, penalty=penalty, drop=True)
        _assert_close(found.drop_vars("seen"), _run(objective=single))


@two_programs
def test_noise_variances_of_a_probe_are_single_sweeps(compilations):
    def run(noise_variance, **options):
        measured = [probes.kde_bounds(noise_variance), probes.losses, _norms]
        return _run(networks.mlp((3, 2)), probes=measured, **options)

    variances = [1e-3, 0.3]
    together = run("noise_variance", vary={"noise_variance": variances})
    assert len(compilations) == 3  # To start the seeds, to train and to measure them.
    assert together.i_xt.dims[0] == "noise_variance"
    singles = [run(variance) for variance in variances]
    for variance, single in zip(variances, singles, strict=True):
        _assert_equal(together.sel(noise_variance=variance, drop=True), single)
    estimates = np.stack([single.i_xt.values for single in singles])
    assert len(np.unique(estimates[:, 0, 0, 0, 0])) == len(variances)


def test_seeds_of_varied_sweeps_are_merged():
    vary = {"learning_rate": RATES}
    # One program, for all are within a block.
    parts = [_run(vary=vary, num_seeds=1, first_seed=first) for first in (1, 0)]
    merged, expected = results.merge(parts), _run(vary=vary, num_seeds=2)
    assert merged.train_loss.dims == ("learning_rate", "seed", "epoch")
    assert merged.seed.values.tolist() == [0, 1]
    # Another place in the block may round differently, as another block size does.
    np.testing.assert_allclose(merged.train_loss, expected.train_loss, rtol=1e-4)


def test_a_grid_of_rates_compiles_once_and_then_never(compilations, request):
    rates = np.geomspace(1e-3, 1.0, 9).tolist()
    first = _run(num_seeds=5, vary={"learning_rate": rates})
    # One program starts the seeds, one trains and one measures them.
    assert len(compilations) == 3
    again = _run(num_seeds=5, vary={"learning_rate": rates})
    _assert_equal(again, first)
    others = _run(num_seeds=5, vary={"learning_rate": [2 * rate for rate in rates]})
    assert len(compilations) == 3
    assert not np.array_equal(others.train_loss, first.train_loss)
    request.getfixturevalue("nothing_compiles")
    with pytest.raises(AssertionError, match="a program was compiled"):
        with jax.default_matmul_precision("bfloat16"):
            _run(num_seeds=5, vary={"learning_rate": rates})


def test_another_learning_rate_or_key_or_epochs_compile_nothing(compilations):
    first = _run()
    config = TrainConfig(learning_rate=0.3, optimizer="sgd", batch_size=8)
    other = _run(config=config, snapshots=[1, 3, 4], first_seed=7)
    assert len(compilations) == 3
    assert not np.array_equal(other.train_loss[:, 0], first.train_loss[:, 0])
    _run(config=TrainConfig(learning_rate=0.3, optimizer="momentum", batch_size=8))
    assert len(compilations) == 6


def test_what_only_looks_the_same_compiles_again(compilations):
    """Networks of one description but other functions are other programs."""
    plain = networks.mlp(WIDTHS)
    twice = plain._replace(
        activations=lambda params, x, **options: tuple(
            2 * t for t in plain.activations(params, x, **options)
        )
    )
    first, other = (_run(network) for network in (plain, twice))
    assert len(compilations) > 3
    assert not np.array_equal(first.train_loss, other.train_loss)


def test_a_learning_rate_that_diverges_leaves_the_others():
    network = networks.mlp(WIDTHS, "relu")  # Whose logits grow with the square.
    found = _run(network, vary={"learning_rate": [0.1, 1e30, 0.5]}, num_seeds=1)
    assert found.diverged.values.tolist() == [[False], [True], [False]]
    end = found.isel(epoch=-1)
    assert np.isnan(end.train_loss.sel(learning_rate=1e30)).all()
    fine = _run(network, vary={"learning_rate": [0.1, 0.5]}, num_seeds=1)
    _assert_equal(found.isel(learning_rate=[0, 2]), fine)


@pytest.mark.parametrize("name", ["seed", "layer", "estimator", "i_ty", "train_loss"])
def test_names_of_the_results_are_not_varied(nothing_compiles, name):
    def make(**numbers):
        return networks.noisy(WIDTHS, noise_std=numbers[name])

    make.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)]
    )
    with pytest.raises(ValueError, match=f"vary must not use the name {name}, which"):
        _run(make, vary={name: NOISES})


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"vary": {"penalty": [1.0]}},
            ValueError,
            "a probe takes, label_noise, learning_rate; got penalty",
        ),
        (
            {"network": lambda noise_std: networks.noisy(WIDTHS, noise_std=noise_std)},
            ValueError,
            "vary must give values of noise_std, got none",
        ),
        (
            {
                "network": lambda noise_std: networks.noisy(WIDTHS, noise_std=0.1),
                "vary": {"noise": [0.1]},
            },
            ValueError,
            "a probe takes, label_noise, learning_rate, noise_std; got noise",
        ),
        (
            {"config": lambda rate: TrainConfig(learning_rate=rate)},
            ValueError,
            "vary must give values of rate, got none",
        ),
        (
            {"probes": [probes.kde_bounds("noise_variance"), probes.losses]},
            ValueError,
            "vary must give values of noise_variance, got none",
        ),
        (
            {
                "probes": [probes.kde_bounds("noise")],
                "vary": {"noise_variance": [0.1]},
            },
            ValueError,
            "or a probe takes, label_noise, learning_rate, noise; got noise_variance",
        ),
        (
            {"probes": [probes.kde_bounds(0.1)], "vary": {"noise_variance": [0.1]}},
            ValueError,
            "or a probe takes, label_noise, learning_rate; got noise_variance",
        ),
        (
            {
                "config": TrainConfig(optimizer=optax.sgd(0.1)),
                "vary": {"learning_rate": [0.01, 0.1]},
            },
            ValueError,
            "a probe takes, label_noise; got learning_rate; the rate of an optax "
            "optimizer is varied by config=lambda rate: ",
        ),
        ({"vary": {"learning_rate": []}}, ValueError, "different finite numbers, got"),
        ({"vary": {"learning_rate": [0.1, 0.1]}}, ValueError, "different finite"),
        ({"vary": {"learning_rate": [np.inf]}}, ValueError, "different finite numbers"),
        ({"vary": {"learning_rate": ["fast"]}}, TypeError, "vary must hold numbers"),
        ({"network": (3, 3, 2)}, TypeError, "network and config must be"),
        (
            {"network": networks.mlp((4, 3, 2))},
            ValueError,
            r"network must take the task's inputs, of shape \[24, 3\]: ",
        ),
        (
            {"network": networks.mlp((3, 3, 5))},
            ValueError,
            "an output for each of the task's 2 classes, got 5 outputs",
        ),
    ],
)
def test_wrong_names_and_numbers_are_refused_before_compiling(
    nothing_compiles, options, error, match
):
    with pytest.raises(error, match=match):
        _run(**options)


@two_programs
def test_shares_of_corrupted_labels_are_trained_side_by_side():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 3)).astype(np.float32)
    task = datasets.make_task(x, (x[:, 0] > 0).astype(int))
    network, key = networks.mlp([3, 4, 2]), jax.random.key(0)

    def labels_seen(snapshot):
        return {"seen": snapshot.task.labels.astype(jnp.float32)}

    def swept(config, vary=None):
        return sweep(
            key,
            task,
            network,
            config,
            num_seeds=2,
            snapshots=[0, 3],
            probes=[probes.losses, labels_seen],
            vary=vary,
        )

    config = TrainConfig(learning_rate=0.1, optimizer="sgd", batch_size=64)
    both = swept(config, {"label_noise": [0.0, 1.0]})
    clean = swept(config)
    one = both.sel(label_noise=0.0)
    for name in ("train_loss", "test_loss", "train_accuracy"):
        np.testing.assert_array_equal(one[name], clean[name])
    seen = both.seen.sel(label_noise=1.0, epoch=3).values
    rows = [
        training.split_rows(jax.random.fold_in(key, seed), task, config)
        for seed in range(2)
    ]
    labels = np.asarray(task.labels)
    for own, order in zip(seen, rows, strict=True):
        train, test = np.split(np.asarray(order), [192])
        np.testing.assert_array_equal(own[test], labels[test])
        # Every label is drawn from two classes: half of them change, within 4 sigma.
        changed = np.mean(own[train] != labels[train])
        assert abs(changed - 0.5) < 4 * np.sqrt(0.25 / 192)
    assert (seen[0] != seen[1]).any()
    noisy = dataclasses.replace(config, label_noise=1.0)
    train = functools.partial(training.train, network=network, config=noisy)
    single = jax.jit(functools.partial(train, num_epochs=3))(
        jax.random.fold_in(key, 1), task
    )
    weights = jnp.zeros(240).at[rows[1][:192]].set(1.0)
    logits = network.activations(single, task.x)[-1]
    found = training.mean_loss(logits, jax.nn.one_hot(seen[1].astype(int), 2), weights)
    expected = both.train_loss.sel(label_noise=1.0, epoch=3, seed=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_label_noise_is_a_share_of_certain_labels():
    with pytest.raises(ValueError, match="label_noise must lie in"):
        TrainConfig(label_noise=1.5)
    soft = datasets.make_task(np.eye(4), p_y_given_x=np.full((4, 2), 0.5))
    with pytest.raises(ValueError, match="classes that are certain, got distributions"):
        sweep(
            jax.random.key(0),
            soft,
            networks.mlp([4, 2]),
            TrainConfig(label_noise=0.1),
            num_seeds=1,
            snapshots=[0],
        )
