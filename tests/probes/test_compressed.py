"""The probe by compression: a linear Gaussian network, loops, dead layers, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import results
from ibjax.datasets.task import make_task
from ibjax.estimators.compression.principal_components import pca_encode, pca_fit
from ibjax.estimators.knn import whitened
from ibjax.networks.network import Layer, Network
from ibjax.networks.stochastic_convolutional import stochastic_convolutional
from ibjax.probes.compressed import _COMPRESSION, _components, compressed
from ibjax.probes.snapshot import Snapshot
from ibjax.probes.training import losses
from ibjax.sweeps.seeds import sweep
from ibjax.training.config import TrainConfig

RNG, KEY = np.random.default_rng(0), jax.random.key(0)
NUM_SAMPLES, SIDE = 300, 10
SIZES = {"channels": (2,), "hidden": (5,), "num_classes": 3}
ERRORS = ("compressed_i_xt_error", "compressed_i_ty_error")


def _snapshot(network, params, task, key=KEY):
    nothing = dict.fromkeys(Snapshot._fields)
    own = {"params": params, "task": task, "measured": task.measured}
    return Snapshot(**(nothing | own | {"network": network, "key": key}))


@pytest.fixture(scope="module")
def network():
    return stochastic_convolutional((SIDE, SIDE), **SIZES)


@pytest.fixture(scope="module")
def task():
    labels = np.arange(NUM_SAMPLES) % 3
    x = RNG.uniform(size=(NUM_SAMPLES, SIDE**2)) + 0.2 * labels[:, None]
    return make_task(x, labels)


@pytest.fixture(scope="module")
def codes():
    return RNG.normal(size=(NUM_SAMPLES, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def probe(codes):
    return compressed(codes, num_components=2, k=3)


@pytest.fixture(scope="module")
def measure(network, task, probe):
    """The probe as a compiled function of parameters and the key of a network."""
    return jax.jit(lambda params, key: probe(_snapshot(network, params, task, key)))


def _linear(weights, std):
    """A linear layer with additive noise, and an output that is the same."""

    def activations(params, x, *, key):
        t = x @ jnp.asarray(weights, jnp.float32)
        t += std * jax.random.normal(key, t.shape)
        return t, t

    layers = tuple(Layer(name, weights.shape[1:], std) for name in ("linear", "same"))
    return Network(None, activations, None, layers, "linear", "linear")


def test_a_linear_layer_has_the_information_of_its_formula():
    """L = W X + Z of normal X, its own code: half log det (1 + W'W / s²) nats."""
    weights, std = np.array([[1.0, 0.5], [-0.3, 0.8]]), 0.4
    x = RNG.normal(size=(1500, 2)).astype(np.float32)
    task = make_task(x, (x[:, 0] > 0).astype(int))
    probe = compressed(x, num_components=2, k=3)
    network = _linear(weights, std)
    found = jax.jit(lambda task: probe(_snapshot(network, (), task)))(task)
    truth = 0.5 * np.linalg.slogdet(np.eye(2) + weights.T @ weights / std**2)[1]
    error = found[ERRORS[0]][0]
    assert 0 < error < 0.1
    assert abs(found["compressed"].i_xt[0] - truth) < 4 * error
    np.testing.assert_allclose(found["compressed_explained_variance"][0], 1, rtol=1e-5)
    # The output, which has no softmax, is the same.
    assert found["compressed"].i_xt[1] == found["compressed"].i_xt[0]


def test_estimates_are_those_of_the_components(network, task, codes, measure):
    params = network.init(jax.random.key(0))
    found = measure(params, KEY)
    key = jax.random.fold_in(KEY, _COMPRESSION)
    *hidden, logits = network.activations(params, task.x, key=key)
    for n, t in enumerate((*hidden, jax.nn.log_softmax(logits, axis=1))):
        pca = pca_fit(t, 2)
        code = pca_encode(pca, t)
        with_x = whitened.mutual_information(codes, code, k=3, weights="butakov")
        with_y = whitened.class_information(
            code, task.labels, num_classes=3, k=3, weights="butakov"
        )
        values = (
            found["compressed"].i_xt[n],
            found["compressed"].i_ty[n],
            *(found[name][n] for name in ERRORS),
        )
        expected = (with_x[0], with_y[0], with_x[1], with_y[1])
        # Components of up to 32 units in another order of sums, and logarithms of the
        # distances of neighbours that are close.
        np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)
        share = np.sum(pca.explained_variance) / np.sum(np.var(t, axis=0, ddof=1))
        np.testing.assert_allclose(
            found["compressed_explained_variance"][n], share, rtol=1e-4
        )


def test_vmap_equals_a_loop(network, measure):
    keys = jax.random.split(jax.random.key(1), 2)
    params = jax.vmap(network.init)(keys)
    own = jax.random.split(jax.random.key(2), 2)
    together = jax.vmap(measure)(params, own)
    for n in range(2):
        alone = measure(jax.tree.map(lambda leaf, n=n: leaf[n], params), own[n])
        jax.tree.map(
            lambda t, a, n=n: np.testing.assert_allclose(t[n], a, rtol=1e-3, atol=1e-3),
            together,
            alone,
        )


def test_dead_layers_are_nan_and_leave_the_others(network, measure):
    """Units of weights zero say nothing of anything: no variance, no density."""
    *first, (w, b), last = network.init(jax.random.key(0))
    found = measure((*first, (0 * w, 0 * b), last), KEY)
    nan = [False, True, True]
    for values in (*found["compressed"], *(found[name] for name in ERRORS)):
        assert np.isnan(values).tolist() == nan
        assert not np.isinf(values).any()


def test_components_of_rounding_become_zero():
    """Five units of rank two: components three and four hold rounding alone."""
    t = RNG.normal(size=(50, 2)) @ RNG.normal(size=(2, 5))
    code, share = _components(jnp.asarray(t, jnp.float32), 4)
    assert np.std(code, axis=0)[:2].min() > 0.1
    assert (np.asarray(code[:, 2:]) == 0).all()
    np.testing.assert_allclose(share, 1.0, rtol=1e-5)


def test_layers_with_fewer_units_than_components(task, codes):
    narrow = stochastic_convolutional((SIDE, SIDE), **(SIZES | {"hidden": (1,)}))
    probe = compressed(codes, num_components=2, k=3)
    params = narrow.init(jax.random.key(0))
    found = jax.eval_shape(
        lambda params: probe(_snapshot(narrow, params, task)), params
    )
    assert found["compressed"].i_xt.shape == (3,)
    code, share = _components(jnp.asarray(RNG.normal(size=(50, 1)), jnp.float32), 2)
    assert code.shape == (50, 1) and abs(share - 1) < 1e-5


def test_wrong_arguments(network, task, codes, probe):
    with pytest.raises(
        ValueError, match="num_components must be a whole number, at least 1, got 0"
    ):
        compressed(codes, num_components=0)
    with pytest.raises(ValueError, match="k must be at least 1 . dim // 4 = 3"):
        compressed(np.tile(codes, 2), num_components=4, k=2)
    with pytest.raises(ValueError, match="kind must be one of"):
        compressed(codes, weights="equal")
    with pytest.raises(TypeError, match="codes must be floating, got int"):
        compressed(np.ones((9, 2), int))
    params = network.init(jax.random.key(0))
    with pytest.raises(ValueError, match="for as many measured inputs, got"):
        fewer = make_task(task.x[1:], task.labels[1:])
        probe(_snapshot(network, params, fewer))
    with pytest.raises(ValueError, match="labels must be certain"):
        soft = np.full((NUM_SAMPLES, 3), 1 / 3)
        unsure = make_task(task.x, task.labels, p_y_given_x=soft)
        probe(_snapshot(network, params, unsure))


def test_parameters_tell_codes_and_noises_apart(network, codes, probe):
    other = compressed(codes + 1, num_components=2, k=3)
    assert other.parameters != probe.parameters
    additive = stochastic_convolutional((SIDE, SIDE), **SIZES, noise="additive")
    assert "multiplicative noise 0.001" in network.description
    assert additive.description != network.description


@pytest.mark.slow
def test_a_sweep_records_what_the_probe_measures(network, task, probe, tmp_path):
    dataset = sweep(
        jax.random.key(0),
        task,
        network,
        TrainConfig(learning_rate=1e-2, batch_size=100, train_fraction=1.0),
        num_seeds=2,
        snapshots=[0, 2],
        probes=(probe, losses),
        directory=tmp_path,
        block=1,
    )
    for name in (*ERRORS, "compressed_explained_variance"):
        assert dataset[name].dims == ("seed", "epoch", "layer")
    assert dataset["i_xt"].sel(estimator="compressed").notnull().all()
    # The seeds draw apart, and a network is another after training.
    assert len(np.unique(dataset["i_ty"].values[:, :, 0])) == 4
    assert results.open_dataset(tmp_path)["i_xt"].shape == (2, 2, 3, 1)
