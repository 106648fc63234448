"""Programs for accelerators: lowered for CUDA and TPUs, which needs none at hand.

Every public function that can be traced is a case; a program must have no product of
floats below full precision, nothing in float64 and no call of the host.
"""

import inspect
import re
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from benchmarks.fault_campaigns import arguments as campaign
from ibjax import (
    TrainConfig,
    bottleneck,
    datasets,
    estimators,
    networks,
    probes,
    representations,
    training,
    weights,
)
from ibjax.bottleneck import annealing, critical_betas, curve
from ibjax.compilation import compiling_for, full_precision
from ibjax.estimators.compression.autoencoder import autoencoder_fit
from ibjax.estimators.variational.critics import SeparableCritic
from ibjax.experiments.batches.copies import copies
from ibjax.experiments.deep_linear.students import StudentConfig, student
from ibjax.experiments.weights.setup import paid_information
from ibjax.networks.convolutional import convolutional
from ibjax.networks.stochastic_convolutional import stochastic_convolutional
from ibjax.probes import channels
from ibjax.probes import noisy as noisy_probes
from ibjax.probes.compressed import compressed
from ibjax.probes.loss_dynamics import loss_dynamics
from ibjax.probes.propagation import Effort
from ibjax.sweeps import program
from ibjax.sweeps.networks import network_trainable
from ibjax.training import objectives
from ibjax.training.deficits import image_deficit, with_deficit

PLATFORMS = ("cuda", "tpu")
_FLOAT_PRODUCT = re.compile(r"stablehlo\.(?:dot_general|convolution)\b.*[x<]b?f\d")
_FLOAT64 = re.compile(r"[x<](?:f64|complex<f64>)")


def _text(jitted, *args, platforms=PLATFORMS) -> str:
    """Program of a jitted function, one for all platforms; arguments may be shapes.

    It holds what is done on any of them.
    """
    with compiling_for("gpu"):
        return jitted.trace(*args).lower(lowering_platforms=platforms).as_text()


def _faults(text: str) -> list[str]:
    """Lines of a program that no program should have."""
    return [
        line.strip()
        for line in text.splitlines()
        if (_FLOAT_PRODUCT.search(line) and line.count("HIGHEST") != 2)
        or _FLOAT64.search(line)
    ]


def _check(jitted, *args):
    assert not _faults(_text(jitted, *args))


def _shape(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


NUM, DIM, CLASSES = 40, 3, 2
SAMPLES = {
    "key": jax.eval_shape(lambda: jax.random.key(0)),
    "x": _shape(NUM, DIM),
    "y": _shape(NUM, 2),
    "labels": _shape(NUM, dtype=jnp.int32),
}
_OF_CLASSES = {"num_classes": CLASSES}

# What has no program, or several with the host between them.
ON_HOST = {
    "estimators.benchmark": "calls any function of two arrays, and times it",
    "estimators.calibration.calibrated_noise_variance": "finds roots with SciPy",
    "estimators.calibration.label_information": "one number, by SciPy",
    "estimators.knn.weight_norm": "decides on shapes, before anything is traced",
    "estimators.knn.weights": "decides on shapes, before anything is traced",
    "estimators.mutual_information": "looks at values to choose another estimator",
    "estimators.over_devices": "makes a function of one that may look at values",
    "estimators.resampling.jackknife_error": "cuts samples up in NumPy",
    "estimators.resampling.subsampling_error": "cuts samples up in NumPy",
    "bottleneck.decoders": "counts clusters in NumPy",
    "bottleneck.information_curve": "finds transitions between programs; cores below",
    "bottleneck.optimality_gap": "proves a bound in NumPy, from a call of the host",
    "bottleneck.transitions": "reads a finished curve in NumPy",
}

_b, _c, _d, _g = (
    estimators.binning,
    estimators.compression,
    estimators.density,
    estimators.gaussian,
)
_knn, _v = estimators.knn, estimators.variational
_EDGES = np.linspace(-1, 1, 5, dtype=np.float32)


def _pca(x, y=None):
    return _c.pca_fit(x, 2)


def _critic_params(key, x, y):
    return _v.critics.initial_params(SeparableCritic(), key, x, y)


def _fitted_by_autoencoder(key, x):
    model = autoencoder_fit(key, x, dim=1, num_steps=2)
    return _c.decode(model, _c.encode(model, x))


# Each is called with the arguments it names, of SAMPLES.
ESTIMATORS = {
    "binning.clusters": lambda x: _b.clusters(x, edges=_EDGES),
    "binning.layer_information": lambda x, labels: _b.layer_information(
        x, labels, bin_width=0.1, **_OF_CLASSES
    ),
    "compression.autoencoder_fit": _fitted_by_autoencoder,
    "compression.compressed_information": lambda x, y: _c.compressed_information(
        _knn.ksg, _pca(x), x, _pca(y), y
    ),
    "compression.decode": lambda x: _c.decode(_pca(x), x[:, :2]),
    "compression.encode": lambda x: _c.encode(_pca(x), x),
    "compression.pca_decode": lambda x: _c.pca_decode(_pca(x), x[:, :2]),
    "compression.pca_encode": lambda x: _c.pca_encode(_pca(x), x),
    "compression.pca_fit": _pca,
    "compression.residual_information": lambda x: _c.residual_information(x, 0.1),
    "density.bandwidth": lambda x: _d.bandwidth(x, criterion="least_squares"),
    "density.class_information": lambda x, labels: _d.class_information(
        x, labels, **_OF_CLASSES
    ),
    "density.distinct_rows": lambda x, labels: _d.distinct_rows(x, labels),
    "density.entropy": lambda x: _d.entropy(x),
    "density.mutual_information": lambda x, y: _d.mutual_information(x, y),
    "discrete.entropy": lambda labels: estimators.discrete.entropy(
        labels, correction="nsb"
    ),
    "discrete.layer_information": lambda x, labels: (
        estimators.discrete.layer_information(
            x, labels, bin_width=0.1, correction="grassberger", **_OF_CLASSES
        )
    ),
    "discrete.mutual_information": lambda labels: (
        estimators.discrete.mutual_information(
            labels, labels, num_x=2, num_y=2, correction="miller_madow"
        )
    ),
    "gaussian.canonical_correlations": lambda x, y: _g.canonical_correlations(x, y),
    "gaussian.copula_information": lambda x, y: _g.copula_information(x, y),
    "gaussian.entropy": lambda x: _g.entropy(x),
    "gaussian.mutual_information": lambda x, y: _g.mutual_information(
        x, y, shrinkage="ledoit_wolf"
    ),
    "gaussian.normal_scores": lambda x: _g.normal_scores(x),
    "kde.layer_information": lambda x, labels: estimators.kde.layer_information(
        x, labels, noise_variance=0.1, **_OF_CLASSES
    ),
    "knn.class_information": lambda x, labels: _knn.class_information(
        x, labels, weights="bsy", k=4, **_OF_CLASSES
    ),
    "knn.conditional_mutual_information": lambda x, y: (
        _knn.conditional_mutual_information(x, y, x[:, :1])
    ),
    "knn.entropy": lambda x: _knn.entropy(x),
    "knn.ksg": lambda x, y: _knn.ksg(x, y, variant=2, metric="euclidean"),
    "knn.mutual_information": lambda x, y: _knn.mutual_information(x, y),
    "knn.num_repeated": lambda x: _knn.num_repeated(x),
    "knn.ross": lambda x, labels: _knn.ross(x, labels, **_OF_CLASSES),
    "knn.weighted_entropy": lambda x: _knn.weighted_entropy(x, k=4),
    "linear_gaussian.input_information": lambda x: (
        estimators.linear_gaussian.input_information(
            x[:2], x[:3], jnp.array([True, False, True]), noise_variance=0.1
        )
    ),
    "linear_gaussian.layer_information": lambda x: (
        estimators.linear_gaussian.layer_information(
            x[:2], x[:3], x[:1], label_noise_variance=0.1, noise_variance=0.1
        )
    ),
    "partitions.data_range_edges": lambda x: estimators.partitions.data_range_edges(
        x, 4
    ),
    "partitions.equal_count_bins": lambda x: estimators.partitions.equal_count_bins(
        x, 4
    ),
    "partitions.equal_count_edges": lambda x: estimators.partitions.equal_count_edges(
        x, 4
    ),
    "propagation.layer_information": lambda key, x, labels: (
        estimators.propagation.layer_information(
            key, x, labels, noise_std=0.1, **_OF_CLASSES
        )
    ),
    "propagation.mixture_entropy": lambda key, x: (
        estimators.propagation.mixture_entropy(key, x, noise_std=0.1)
    ),
    "variational.critics.initial_params": _critic_params,
    "variational.fit": lambda key, x, y: _v.fit(
        key, x, y, num_steps=2, objective="mine"
    ),
    "variational.objectives.off_diagonal": lambda x: _v.objectives.off_diagonal(x[:3]),
    "variational.objectives.mine": lambda x: _v.objectives.mine(x[:3], log_average=0.0),
    **{
        f"variational.objectives.{name}": lambda x, name=name: getattr(
            _v.objectives, name
        )(x[:3])
        for name in ("club", "donsker_varadhan", "infonce", "js", "nwj", "smile")
    },
    "whitened_neighbours.class_information": lambda x, labels: (
        estimators.whitened_neighbours.class_information(
            x, labels, k=4, weights="bsy", **_OF_CLASSES
        )
    ),
    "whitened_neighbours.entropy_terms": lambda x: (
        estimators.whitened_neighbours.entropy_terms(x, k=3)
    ),
    "whitened_neighbours.mutual_information": lambda x, y: (
        estimators.whitened_neighbours.mutual_information(x, y, k=3)
    ),
    "whitening.principal": lambda x: estimators.whitening.principal(x),
    "whitening.whiten": lambda x: estimators.whitening.whiten(x),
}

TABLES = {
    "key": SAMPLES["key"],
    "p": _shape(4, 2),
    "encoder": _shape(4, 3),
    "decoder": _shape(3, 2),
    "curve": _shape(5),
    "clusters": _shape(NUM, dtype=jnp.int32),
    "cov": _shape(2, 2),
}


def _trace_curve(key, p, curve):
    return annealing.trace(
        key, p, curve, num_t=3, num_restarts=2, max_steps=9, tol=1e-6
    )


def _bisected(key, p, curve):
    points = _trace_curve(key, p, curve)
    intervals = points.clusters, points.clusters, curve, curve
    return critical_betas._bisect(
        p, intervals, points.num_clusters, num_t=3, max_steps=9, tol=1e-6
    )


_s = bottleneck.gaussian
SOLVERS = {
    "best_of_restarts": lambda key, p: bottleneck.best_of_restarts(key, p, 2.0),
    "blahut_arimoto": lambda p: bottleneck.blahut_arimoto(p, 2.0),
    "channel.capacity": lambda p: bottleneck.channel.capacity(p),
    "channel.rate_distortion": lambda p, encoder: bottleneck.channel.rate_distortion(
        p[:, 0], encoder, 1.0
    ),
    "complexity_gap": lambda curve: bottleneck.complexity_gap(0.1, 0.1, curve, curve),
    "critical_beta": lambda p: bottleneck.critical_beta(p),
    "finite_sample_bounds": lambda curve: bottleneck.finite_sample_bounds(
        100, curve, 2
    ),
    "gaussian.critical_betas": lambda cov: _s.critical_betas(cov, cov, cov),
    "gaussian.i_ty_of_i_xt": lambda cov: _s.i_ty_of_i_xt(cov, cov, cov, 0.5),
    "gaussian.information_curve": lambda cov, curve: _s.information_curve(
        cov, cov, cov, curve
    ),
    "gaussian.linear_projection_information": lambda cov: (
        _s.linear_projection_information(cov, cov, cov, cov, cov)
    ),
    "gaussian.mutual_information": lambda cov: _s.mutual_information(cov, cov, cov),
    "gaussian.solve": lambda cov: _s.solve(cov, cov, cov, 2.0),
    "generalization_gap": lambda curve: bottleneck.generalization_gap(
        0.1, 0.1, curve, curve
    ),
    "information_chain": lambda curve: bottleneck.information_chain(curve),
    "layer_optimality": lambda encoder, p, curve: bottleneck.layer_optimality(
        encoder, p, p[:, 0], curve
    ),
    "map_optimality": lambda clusters, p, curve: bottleneck.map_optimality(
        clusters, clusters, p, curve, num_t=3
    ),
    "squared_bottleneck": lambda p: bottleneck.squared_bottleneck(p, 0.8),
    "worst_case_curve": lambda curve: bottleneck.worst_case_curve(curve, curve, curve),
}


def _functions(package, prefix: str) -> dict[str, Callable]:
    """Public functions by name; of two names the one with fewer parts."""
    found, modules = {}, {}
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.ismodule(value):
            modules[f"{prefix}.{name}"] = value
        elif callable(value) and not isinstance(value, type):
            found[f"{prefix}.{name}"] = value
    for name, module in modules.items():
        for inner, value in _functions(module, name).items():
            if not any(value is other for other in found.values()):
                found[inner] = value
    return found


def test_every_public_function_is_here():
    public = {
        *_functions(estimators, "estimators"),
        *_functions(bottleneck, "bottleneck"),
    }
    cases = {f"estimators.{name}" for name in ESTIMATORS}
    cases |= {f"bottleneck.{name}" for name in SOLVERS}
    assert not cases & ON_HOST.keys()
    assert cases | ON_HOST.keys() == public


def _arguments(function, arguments):
    names = inspect.signature(function).parameters
    return [arguments[name] for name in names if name in arguments]


def _check_case(function, arguments):
    _check(jax.jit(function), *_arguments(function, arguments))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name):
    _check_case(ESTIMATORS[name], SAMPLES)


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers(name):
    _check_case(SOLVERS[name], TABLES)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("name", [*ESTIMATORS, *SOLVERS])
def test_numbers_of_64_bits(name, dtype):
    function, arguments = (
        (ESTIMATORS[name], SAMPLES) if name in ESTIMATORS else (SOLVERS[name], TABLES)
    )
    arguments = [
        jax.ShapeDtypeStruct(a.shape, dtype) if a.dtype == jnp.float32 else a
        for a in _arguments(function, arguments)
    ]
    # That branches and turns of a loop agree, where int64 and float64 are there too.
    with jax.enable_x64(True), compiling_for("gpu"):
        jax.eval_shape(function, *arguments)


def test_cores_of_an_information_curve():
    _check_case(_bisected, TABLES)
    points = jax.eval_shape(_trace_curve, *(TABLES[k] for k in ("key", "p", "curve")))
    _check(curve._expand, TABLES["p"], points.clusters, TABLES["curve"])


LARGE = {
    "kde of many samples and classes": (
        partial(estimators.kde.layer_information, num_classes=10, noise_variance=0.1),
        _shape(20_000, DIM),
        _shape(20_000, dtype=jnp.int32),
    ),
    "kde of many units": (
        partial(estimators.kde.layer_information, num_classes=2, noise_variance=0.1),
        _shape(20_000, 100),
        _shape(20_000, dtype=jnp.int32),
    ),
    "neighbours of many samples": (_knn.ksg, _shape(20_000, 3), _shape(20_000, 1)),
    "many neighbours of many coordinates": (
        partial(_knn.ksg, k=20),
        _shape(500, 100),
        _shape(500, 1),
    ),
    "binned layer of many units": (
        partial(_b.layer_information, num_classes=2, edges=_EDGES),
        _shape(20_000, 1024),
        _shape(20_000, dtype=jnp.int32),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_paths_of_large_layers(name):
    function, *arguments = LARGE[name]
    _check(jax.jit(function), *arguments)


@pytest.mark.parametrize(
    "name",
    [
        "kde.layer_information",
        "linear_gaussian.layer_information",
        "propagation.mixture_entropy",
    ],
)
def test_gradients_of_estimators(name):
    _check(*_gradient(name))


def test_gradients_of_matrix_decompositions():
    gradient, *arguments = _gradient("gaussian.mutual_information")
    # JAX takes products of its own there, which precision has to be asked for.
    for platform in PLATFORMS:
        assert _faults(_text(gradient, *arguments, platforms=(platform,)))
    _check(jax.jit(full_precision(gradient)), *arguments)


def _gradient(name):
    function = ESTIMATORS[name]
    names = list(inspect.signature(function).parameters)

    def total(*arguments):
        return sum(map(jnp.sum, jax.tree.leaves(function(*arguments))))

    gradient = jax.grad(total, names.index("x"))
    return jax.jit(gradient), *(SAMPLES[name] for name in names)


def _task(num_inputs: int = 3, num_rows: int = 24, **options) -> datasets.Task:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num_rows, num_inputs)).astype(np.float32)
    options = options or {"labels": (x[:, 0] > 0).astype(int)}
    return datasets.make_task(x, **options)


class _Linen(linen.Module):
    @linen.compact
    def __call__(self, x, training):
        x = linen.Conv(2, (2,))(x[..., None])
        x = linen.BatchNorm(use_running_average=not training)(jnp.tanh(x))
        return linen.Dense(2)(x.reshape(len(x), -1))


NETWORKS = {
    "few units": lambda: networks.mlp((3, 4, 2)),
    "many units": lambda: networks.mlp((3, 70, 2), "relu"),
    "noisy": lambda: networks.noisy((3, 3, 2), noise_std=0.3),
    "linear output": lambda: networks.mlp((3, 4, 2), "linear", output="linear"),
    "convolutional": lambda: convolutional((6, 6), (2, 3), (4,), 2),
    "all convolutional": lambda: networks.all_convolutional((6, 6), (2, 3), (2, 1), 2),
    "stochastic convolutional": lambda: stochastic_convolutional(
        (22, 22), (2, 2, 2), (4,), 2
    ),
    "flax": lambda: networks.from_flax(
        _Linen(), np.zeros((1, 3), np.float32), layers=[], state="batch_stats"
    ),
}


def _inputs_of(name):
    sides = {"convolutional": 6, "all convolutional": 6, "stochastic convolutional": 22}
    return sides[name] ** 2 if name in sides else 3


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    network = NETWORKS[name]()
    x = _shape(NUM, _inputs_of(name))
    params = jax.eval_shape(network.init, SAMPLES["key"])

    def activities(params, x, key):
        return network.activations(params, x, key=key)

    def total(params, x, key):
        return sum(map(jnp.sum, activities(params, x, key)))

    _check(jax.jit(activities), params, x, SAMPLES["key"])
    _check(jax.jit(jax.grad(total, (0, 1))), params, x, SAMPLES["key"])
    if network.layer is not None:
        _check(jax.jit(lambda params, t: network.layer(params, 0, t)), params, x)


CONFIG = TrainConfig(learning_rate=0.1, batch_size=8)


@pytest.mark.parametrize("name", NETWORKS)
def test_training(name):
    network = NETWORKS[name]()
    options = {}
    if network.output == "linear":
        options = {"targets": np.random.default_rng(1).normal(size=(24, 2))}
    task = _task(_inputs_of(name), **options)
    objective = None
    if name in ("few units", "many units", "noisy"):
        penalties = objectives.orthonormal() + 0.1 * objectives.weight_decay()
        objective = objectives.cross_entropy() + 0.1 * penalties

    def trained(key):
        return training.train(
            key, task, network, CONFIG, num_epochs=2, objective=objective
        )

    _check(jax.jit(trained), SAMPLES["key"])


CODES = np.random.default_rng(2).normal(size=(24, 2))
EFFORT = Effort(num_rows=4, num_own=2, num_replicas=1, num_draws=2)


def _of_network(name, measured, task=None, config=CONFIG, **options):
    task = _task(_inputs_of(name)) if task is None else task
    options |= {"probes": measured}
    return network_trainable(task, NETWORKS[name](), config, **options)


def _with_deficit():
    deficit = image_deficit("blur", (6, 6))
    return _of_network(
        "all convolutional",
        [probes.losses, probes.fisher_trace(num_samples=8)],
        objective=with_deficit(
            objectives.cross_entropy(), deficit, start=(0, 1), stop=(0, 2)
        ),
        varied=("window",),
    )


def _varied():
    return network_trainable(
        _task(),
        lambda noise_std: networks.noisy((3, 3, 2), noise_std=noise_std),
        CONFIG,
        objective=objectives.cross_entropy() + "penalty" * objectives.orthonormal(),
        probes=[probes.losses, probes.kde_bounds("noise_variance")],
        varied=("learning_rate", "noise_std", "noise_variance", "penalty"),
    )


def _noisy_weights():
    network = networks.mlp((3, 4, 2), "relu")
    bottleneck = weights.weight_bottleneck(
        num_samples=20, prior_variance=None, prior_mean="initial"
    )
    return network_trainable(
        _task(),
        weights.noisy_weights(network, keep_initial=True),
        CONFIG,
        objective=weights.annealed(bottleneck, start=0.1, num_epochs=3),
        probes=[
            probes.objective_terms,
            probes.gibbs_errors(2),
            probes.fisher_trace(),
            probes.weight_information(None, prior_mean="initial"),
            paid_information(),
        ],
    )


def _tagger():
    encoders = [
        networks.mlp((inputs, 4, 3), "relu", output="linear") for inputs in (3, 2)
    ]
    model = representations.discrete_tagger(
        encoders[0], networks.mlp((3, 2)), encoders[1], type_width=2
    )
    return network_trainable(
        _task(),
        model.network,
        CONFIG,
        objective=representations.tag_bottleneck(model, softness=0.1),
        probes=[probes.tag_bounds(model, properties={"sort": np.arange(24) % 3})],
    )


def _code():
    encoder = networks.mlp((3, 4, 4), "relu", output="linear")
    model = representations.variational(encoder, networks.mlp((2, 2)), dim=2)
    attack = representations.Attack(
        norm="l2", num_steps=2, num_tries=2, num_draws=2, box=(-9.0, 9.0)
    )
    return network_trainable(
        _task(),
        model.network,
        CONFIG,
        objective=representations.vib(model),
        probes=[
            probes.code_bounds(model, num_draws=2),
            probes.code_mixture(model, num_samples=8),
            probes.accuracy_under_attack([0.1], attack=attack, num_inputs=4),
            probes.attack_checks(0.1, attack=attack, num_inputs=4),
            probes.minimal_perturbations(num_inputs=4, num_steps=2, num_searches=2),
            probes.drawn_information(
                lambda params, x, key: model.encode(params, x).sample(key),
                {"label": np.arange(24) % 3},
                num_steps=2,
            ),
        ],
    )


def _information_dropout():
    model = representations.with_information_dropout(
        networks.mlp((3, 4, 2), "relu"), prior="log-uniform"
    )
    return network_trainable(
        _task(),
        model.network,
        CONFIG,
        objective=representations.information_dropout(model),
        probes=[probes.dropout_information(model)],
    )


def _curvature():
    measured = [probes.curvature(num_samples=8, hessian_samples=8, num_steps=3)]
    return _of_network("few units", measured)


# Together they hold every probe.
SWEEPS = {
    "mlp": lambda: _of_network(
        "few units",
        [
            *probes.default_probes(),
            probes.bin_edges(_EDGES, "edges"),
            probes.bin_width(0.1, "width"),
            probes.nearest_neighbours(0.1),
            probes.optimality(_task(), edges=_EDGES, betas=[1.0, 2.0, 4.0]),
        ],
    ),
    "loss dynamics": lambda: _of_network(
        "many units",
        [loss_dynamics(TrainConfig(optimizer="sgd", batch_size=8))],
        config=TrainConfig(optimizer="sgd", batch_size=8),
    ),
    "targets": lambda: _of_network(
        "linear output",
        probes.default_probes("vectors"),
        _task(targets=np.random.default_rng(1).normal(size=(24, 2))),
    ),
    "noisy": lambda: _of_network(
        "noisy",
        [
            noisy_probes.propagated(EFFORT),
            noisy_probes.binned_entropies([0.1, 0.5]),
            noisy_probes.clustering(num_inputs=8),
            noisy_probes.layer_samples([1], num_inputs=8),
            probes.objective_terms,
        ],
        objective=objectives.cross_entropy() + 0.1 * objectives.orthonormal(),
    ),
    "convolutional": lambda: _of_network(
        "convolutional",
        [
            probes.kde_bounds(0.1),
            channels.channel_mean(0.1),
            channels.activity_maps((6, 6)),
            probes.losses,
        ],
    ),
    "stochastic convolutional": lambda: _of_network(
        "stochastic convolutional", [compressed(CODES, num_components=2), probes.losses]
    ),
    "flax": lambda: _of_network("flax", [probes.losses, probes.gradients]),
    "noisy weights": _noisy_weights,
    "students": lambda: student(
        StudentConfig(
            hidden=(4,), num_samples=12, num_inputs=5, batch_size=4, num_relevant=2
        )
    ),
    "copies": lambda: copies(_task(), NETWORKS["few units"](), CONFIG),
    "tags": _tagger,
    "code": _code,
    "information dropout": _information_dropout,
    "curvature": _curvature,
    "varied numbers": _varied,
    "deficits": _with_deficit,
}


_QUICK_SWEEPS = ("mlp", "noisy", "students", "copies", "varied numbers")


@pytest.mark.parametrize(
    "name",
    [
        name if name in _QUICK_SWEEPS else pytest.param(name, marks=pytest.mark.slow)
        for name in SWEEPS
    ],
)
def test_sweeps(name):
    trainable = SWEEPS[name]()
    num = 4
    layout = program.lay_out(num, num, jax.devices()[:1])._replace(seeds_at_once=num)
    varied = trainable.numbers if name in ("varied numbers", "deficits") else ()
    start = program.start_program(trainable, layout)
    arguments = (
        _shape(1, num, dtype=jnp.int32),
        dict.fromkeys(varied, _shape(1, num)),
        SAMPLES["key"],
        trainable.data,
    )
    _check(start, *arguments)
    states, own = jax.eval_shape(start, *arguments)
    seeds, epoch = (states, own, trainable.data), _shape(dtype=jnp.int32)
    _check(program.train_program(trainable, layout), *seeds, epoch, epoch)
    is_last = _shape(dtype=bool)
    _check(program.measure_program(trainable, layout), *seeds, epoch, is_last)


def test_faults_are_found():
    x = _shape(4, 4)

    def faults(function):
        return [
            len(_faults(_text(jax.jit(function), x, platforms=platforms)))
            for platforms in (("cuda",), ("tpu",), PLATFORMS)
        ]

    def convolved(x):
        return jax.lax.conv(x[None, None], x[None, None], (1, 1), "SAME")

    def doubled(x):
        with jax.enable_x64(True):
            return (x.astype(jnp.float64) * 2).astype(jnp.float32)

    for product in (lambda x: x @ x, convolved):
        *alone, together = faults(product)
        assert alone == [1, 1] and together in (1, 2)
        assert faults(full_precision(product)) == [0, 0, 0]
    assert faults(lambda x: x.astype(jnp.int32) @ x.astype(jnp.int32)) == [0, 0, 0]
    assert min(faults(doubled)) > 0
    with pytest.raises(ValueError, match="platform"):
        faults(lambda x: jax.pure_callback(np.asarray, x, x))


@pytest.mark.parametrize(
    "name",
    [
        "compression.autoencoder_fit",
        "variational.fit",
    ],
)
def test_precision_that_was_asked_for_is_kept(name):
    function = ESTIMATORS[name]
    arguments = [SAMPLES[n] for n in inspect.signature(function).parameters]
    with jax.default_matmul_precision("tensorfloat32"):
        text = _text(jax.jit(function), *arguments)
    products = [s for s in text.splitlines() if _FLOAT_PRODUCT.search(s)]
    assert products and not any("HIGHEST" in line for line in products)


# In NumPy and float64: of few numbers, once, or by another library.
_IN_NUMPY = {
    "representations.dci",
    "representations.importance_scores",
    "weights.asymmetric_task_distance",
    "weights.cross_entropy_terms",
    "weights.embedding_distances",
    "weights.joint_information",
    "weights.passage_time",
    "weights.reachability",
    "weights.structure_function",
    "weights.structure_of_table",
    "weights.sufficient_point",
    "weights.task_complexity",
    "weights.task_distance",
    "weights.task_distances",
}


def _is_array(leaf) -> bool:
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "fiub"
    return isinstance(leaf, jax.Array)


def _traced(arguments) -> dict:
    """Those of the arguments that are arrays, as shapes, floats as float32."""

    def shape(leaf):
        floats = jnp.issubdtype(leaf.dtype, jnp.floating)
        return _shape(*leaf.shape, dtype=jnp.float32 if floats else leaf.dtype)

    found = {}
    for name, value in arguments.items():
        leaves = jax.tree.leaves(value)
        if leaves and all(map(_is_array, leaves)):
            found[name] = jax.tree.map(shape, value)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("room", ["attribution", "representations", "weights"])
def test_functions_of_rooms(room):
    functions, given = campaign.public_functions(), campaign.good_arguments()
    names = [name for name in functions if name.split(".")[0] == room]
    assert len(names) > 15
    for name in sorted(set(names) - _IN_NUMPY):
        traced = _traced(given[name])
        others = {k: v for k, v in given[name].items() if k not in traced}

        def arrays(traced, name=name, others=others):
            found = jax.tree.leaves(functions[name](**traced, **others))
            return [leaf for leaf in found if isinstance(leaf, jax.Array)]

        # Functions that are given may broadcast as NumPy does.
        with jax.numpy_rank_promotion("allow"):
            text = _text(jax.jit(arrays), traced)
        assert not _faults(text), name
