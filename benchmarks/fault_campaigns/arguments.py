"""Public functions, a good value for each of their arguments, and bad ones."""

import decimal
import importlib
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from .rooms import own_values, room_values

__all__ = ["bad_values", "good_arguments", "public_functions"]

_NUM, _CLASSES = 24, 2
_MODULES = (
    "attribution",
    "bottleneck",
    "claims",
    "datasets",
    "estimators",
    "measures",
    "networks",
    "networks.convolutional",
    "plots",
    "probes",
    "report",
    "representations",
    "results",
    "results.curve_distance",
    "results.data_processing",
    "results.compression",
    "results.intervals",
    "sweeps",
    "sweeps.recorded",
    "training",
    "training.deep_linear",
    "training.deficits",
    "training.gradients",
    "training.objectives",
    "weights",
    "weights.divergences",
)
# These read or write files, or are called with what only a sweep has.
_LEFT_OUT = {
    # Called of arrays of JAX, inside of programs.
    "networks.conv_general_dilated",
    "networks.convolutional.convolve",
    "networks.convolutional.max_pool",
    "probes.take_snapshot",
    "training.objectives.mean_loss",
    "training.objectives.orthonormality",
    "datasets.cifar10",
    "datasets.digits",
    "datasets.download_mnist",
    "datasets.known_information.mixed_tasks",
    "datasets.known_information.standard_tasks",
    "datasets.mnist",
    "datasets.read_columns",
    "datasets.read_conllu",
    "datasets.sst2",
    "datasets.standard_tasks",
    "datasets.ud_ewt",
    "networks.convolutional.check_sizes",
    "networks.convolutional.in_parts",
    "sweeps.processes.gathered",
    "sweeps.processes.of_first",
    "sweeps.processes.reserved_by_first",
    "sweeps.processes.spread",
    "sweeps.processes.start",
    "sweeps.processes.together",
    "sweeps.replay",
    "results.merge_directories",
    "results.open_dataset",
    "results.save_dataset",
    "results.write_atomically",
    "claims.collect_claims",
    "claims.write_claims",
    # A context, and a figure of a whole benchmark.
    "plots.column_width",
    "plots.estimator_errors",
    "plots.save_figure",
    "report.animation_gif",
    "report.experiment_report",
    "report.paper_figures",
    "report.report",
    "training.mean_loss",
    "training.orthonormality",
    "training.objectives.check_objective",
    "training.objectives.evaluate",
    "training.gradients.streamed_statistics",
}


def public_functions() -> dict[str, Callable]:
    """Returns the functions of the modules that compute, by their public names."""
    found: dict[str, Callable] = {}
    names: dict[int, str] = {}

    def walk(module, prefix):
        for name in getattr(module, "__all__", ()):
            value, full = getattr(module, name), f"{prefix}.{name}"
            if isinstance(value, types.ModuleType):
                if value.__name__.startswith("ibjax"):
                    walk(value, full)
            elif inspect.isroutine(value) and id(value) not in names:
                names[id(value)] = full
                found[full] = value

    for name in _MODULES:
        walk(importlib.import_module(f"ibjax.{name}"), name)
    return {name: found[name] for name in sorted(set(found) - _LEFT_OUT)}


def good_arguments() -> dict[str, dict[str, Any]]:
    """Returns for every public function its arguments by name, which it answers to."""
    shared, rooms = _shared_values(), room_values()
    own = _own_values() | own_values()
    found = {}
    for name, function in public_functions().items():
        here = own.get(name, {})
        values = shared | rooms.get(name.rpartition(".")[0], {}) | here
        parameters = inspect.signature(function).parameters.values()
        needed = [
            p.name
            for p in parameters
            if p.name in here or (p.default is p.empty and p.kind is not p.VAR_KEYWORD)
        ]
        found[name] = {p: values[p] for p in needed}
    return found


def _shared_values() -> dict[str, Any]:
    """A value for every name of an argument that means one thing in all functions."""
    import jax

    from ibjax import bottleneck, datasets, networks, representations
    from ibjax.results.example import example_dataset

    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, _NUM, 2)).astype(np.float32)
    labels = np.arange(_NUM) % _CLASSES
    p_xy = rng.dirichlet(np.ones(8)).reshape(4, 2)
    curve = np.linspace(0, 1, 5)
    network = networks.mlp([2, 3, _CLASSES])
    dataset = example_dataset(num_seeds=2)
    seeds = rng.normal(size=(6, 5))
    task = datasets.known_information.multinormal_sparse(2, 2)
    encoder = networks.mlp([2, 4], output="linear")
    model = representations.variational(encoder, networks.mlp([2, _CLASSES]), dim=2)
    images = rng.uniform(size=(_NUM, 8, 8)).astype(np.float32)
    return {
        **{"model": model, "images": images, "factors": np.zeros((4, 5), int)},
        **{"rate": 0.5, "radius": 0.1, "radii": [0.1], "text": network.description},
        **{"loss": lambda params, batch, key: 0.0, "name": "nothing"},
        **{"x": x, "y": y, "z": z, "t": x, "rows": x, "residual": x, "matrix": x @ x.T},
        **{"labels": labels, "num_classes": _CLASSES, "groups": labels},
        **{"x_cells": labels, "y_cells": labels, "num_x": _CLASSES, "num_y": _CLASSES},
        **{"p": p_xy, "q": p_xy, "p_xy": p_xy, "p_x": p_xy.sum(1), "p_y": p_xy.sum(0)},
        **{"p_y_given_x": p_xy / p_xy.sum(1)[:, None], "p_t_given_x": np.eye(4)},
        **{"beta": 5.0, "betas": [2.0, 5.0], "slope": 1.0, "k": 3, "dim": 2},
        **{"clusters": np.arange(4) % 3, "inputs": np.arange(4), "num_t": 3},
        **{"cov_x": np.eye(2), "cov_y": np.eye(2), "cov_xy": 0.5 * np.eye(2)},
        **{"i_xt": curve, "i_ty": curve / 2, "i_ty_error": 0.1, "information": curve},
        **{"curve_i_xt": curve, "curve_i_ty": curve / 2, "num_samples": 100},
        **{"noise_variance": 0.1, "noise_std": 0.3, "centres": x, "num_bins": 5},
        **{"scores": x @ x.T, "counts": np.array([5, 3, 2]), "distortion": np.eye(4)},
        **{"projection": np.eye(2), "noise_cov": np.eye(2), "key": jax.random.key(0)},
        **{"w": np.eye(2), "teacher": np.ones((2, 1)), "label_noise_variance": 0.1},
        **{"curve": bottleneck.information_curve(p_xy, [2.0, 5.0]), "log_average": 0.0},
        **{"task": task, "correlation": 0.5, "zeros": 0.3, "shift": 1.0, "step": 0.5},
        **{"dim_x": 2, "dim_y": 2, "shared": 1.0, "own": 1.0, "num_steps": 5},
        **{"size": 8, "latents": x, "epsilon": 0.5, "rates": [2.0, 6.0]},
        **{"network": network, "params": network.init(jax.random.key(0))},
        **{"dataset": dataset, "chain": None, "widths": [2, 3, _CLASSES]},
        **{"values": seeds, "first": seeds[:, 0], "last": seeds[:, 1]},
        **{"means": seeds[:, 0], "stds": np.abs(seeds[:, 1]), "num_draws": 3},
        **{"second": seeds[:, 1], "epochs": np.arange(5), "threshold": 0.1},
        **{"true": np.array([True, False]), "epoch": 3, "num_epochs": 100},
        **{"logits": x, "targets": labels, "weights": np.ones(_NUM, np.float32)},
        **{"patience": 2.0, "width": 0.1, "edges": [0.0, 0.5, 1.0]},
        **{"watched": dataset["train_loss"], "datasets": [dataset]},
        **{"gradients": {"w": seeds}, "kernels": [np.eye(2)], "image_shape": (8, 8)},
        **{"permutation": [1, 0], "time": curve, "strength": 1.0, "initial": 0.1},
        **{"start": 0.5, "stop": 1.0},
    }


def _own_values() -> dict[str, dict[str, Any]]:
    """Values of arguments of one function, or of optional ones."""
    import jax
    import jax.numpy as jnp

    from ibjax import datasets, estimators, networks, representations, results, training
    from ibjax import weights as noisy
    from ibjax.results.example import example_dataset, example_grid

    key = jax.random.key(0)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, _NUM, 2)).astype(np.float32)
    labels = np.arange(_NUM) % _CLASSES
    pca = estimators.compression.pca_fit(x, 1)
    few = {"num_steps": 2, "batch_size": 6}
    task = datasets.make_task(x, labels)
    config = training.TrainConfig(batch_size=8)
    problem = datasets.teacher_student.draw_problem(key, num_samples=8, num_inputs=2)
    grid = example_grid(num_seeds=2)
    chain = results.data_processing.data_processing_violations(
        example_dataset(num_seeds=2)
    )
    cross_entropy = training.objectives.cross_entropy()
    known = datasets.known_information.multinormal_sparse
    interval = results.compression.compression_interval(rng.normal(size=(4, 5)))
    points, layers = np.linspace(0, 1, 5), np.ones((2, 6))
    with_curve = example_dataset(num_seeds=2).assign(
        **{f"curve_{name}": ("point", points) for name in ("beta", "i_xt", "i_ty")},
        **{
            name: (("seed", "layer"), layers)
            for name in ("optimal_beta", "optimality_divergence")
        },
    )
    statistics = training.gradients.minibatch_statistics(np.ones((3, 2)))
    mean = networks.reductions.position_mean
    tokens = {
        **{"types": np.arange(_NUM) % 5, "sentences": np.arange(_NUM) // 6},
        "num_types": 5,
    }
    to_tags = networks.mlp([2, 3], output="linear")
    tagger = representations.discrete_tagger(
        to_tags, networks.mlp([3, _CLASSES]), to_tags, type_width=2
    )

    def spread(*samples):
        return sum(float(np.sum(part)) for part in samples)

    return {
        "bottleneck.gaussian.i_ty_of_i_xt": {"i_xt": 0.1},
        "datasets.cluttered_task": {
            "task": datasets.make_task(
                rng.uniform(size=(_NUM, 64)), labels, num_measured=8
            )
        },
        "datasets.deficits.permuted_targets": {"targets": np.eye(_CLASSES)[labels]},
        "networks.all_convolutional": {"channels": (2,), "strides": (1,)},
        "networks.reduced": {"reductions": {"tanh 3": mean}},
        "networks.reductions.as_reduction": {"name": "given", "given": jnp.abs},
        "networks.reductions.in_turn": {"reductions": [mean, mean]},
        "networks.reductions.principal_components": {"sample": x, "dim": 2},
        "training.deficits.image_deficit": {"name": "blur"},
        "training.deficits.with_deficit": {
            "objective": cross_entropy,
            "deficit": training.deficits.label_deficit([1, 0]),
            **{"start": 0, "stop": "stop"},
        },
        "probes.dropout_information": {
            "model": representations.with_information_dropout(
                networks.mlp([2, 3, _CLASSES], "relu")
            )
        },
        "datasets.table_task": {
            "frame": pd.DataFrame(x, columns=["first", "second"]),
            "target": "second",
        },
        "estimators.over_devices": {
            "function": estimators.knn.ksg,
            "devices": jax.devices(),
        },
        "estimators.benchmark": {
            "methods": ["gaussian"],
            "tasks": [known(2, 2)],
            "num_samples": 20,
            "num_seeds": 2,
        },
        "probes.named_estimators": {"names": ["kde"]},
        "probes.drawn_information": {
            **{"draw": lambda params, x, key: x, "classes": {"class": labels}},
        },
        "datasets.image_pairs.gaussian_image": {"latents": x[0]},
        "datasets.image_pairs.rectangle_image": {"latents": np.full(4, 0.5)},
        "datasets.image_pairs.gaussian_images": {"num_samples": 4, "information": 1.0},
        "datasets.image_pairs.latent_pairs": {"num_samples": 4, "information": 1.0},
        "datasets.image_pairs.rectangle_images": {"num_samples": 4, "information": 1.0},
        "datasets.known_information.log_gamma_exponential": {"information": 1.0},
        "datasets.known_information.multinormal": {"covariance": np.eye(4)},
        "datasets.known_information.smoothed_uniform": {"information": 1.0},
        "datasets.known_information.spiral": {"task": known(3, 3)},
        "datasets.known_information.swissroll": {"task": known(1, 1, [0.8])},
        "datasets.known_information.student": {"degrees_of_freedom": 4.0},
        "datasets.known_information.transform": {"name": "asinh", "map_x": jnp.arcsinh},
        "datasets.make_task": {"labels": labels, "num_measured": 8},
        "datasets.positive_information": tokens,
        "datasets.tagged_corpus": {"num_tokens": 8, "ambiguity": 0.5, "order": 0.8},
        "datasets.type_vectors": {**tokens, "dim": 2},
        "datasets.szt": {"sharpness": 54.5, "threshold": 7.632},
        "datasets.teacher_student.best_student": {"problem": problem},
        "datasets.teacher_student.draw_problem": {"num_samples": 8, "num_inputs": 2},
        "datasets.teacher_student.generalization_error": {
            **{"problem": problem, "w": np.zeros((1, 2), np.float32)}
        },
        "datasets.teacher_student.mean_squared_error": {"w": np.eye(2)},
        "estimators.binning.clusters": {"edges": [0.0, 0.5]},
        "estimators.binning.layer_information": {"bin_width": 0.5},
        "estimators.calibration.calibrated_noise_variance": {"p_y": np.full(2, 0.5)},
        "estimators.compression.autoencoder_fit": {"dim": 1, **few},
        "estimators.compression.compressed_information": {
            **{"estimator": estimators.knn.ksg, "compressor_x": pca},
            **{"compressor_y": pca},
        },
        "estimators.compression.decode": {"compressor": pca, "code": x[:, :1]},
        "estimators.compression.encode": {"compressor": pca},
        "estimators.compression.pca_decode": {"pca": pca, "code": x[:, :1]},
        "estimators.compression.pca_encode": {"pca": pca},
        "estimators.discrete.layer_information": {"bin_width": 0.5},
        "estimators.linear_gaussian.input_information": {"inputs": [True, False]},
        "estimators.linear_gaussian.layer_information": {"teacher": np.ones((1, 2))},
        "estimators.resampling.jackknife_error": {
            **{"estimate": spread, "samples": [x, y], "num_groups": 4}
        },
        "estimators.resampling.subsampling_error": {
            **{"estimate": spread, "samples": [x, y], "num_parts": 2}
        },
        "estimators.variational.critics.initial_params": {
            "critic": estimators.variational.critics.SeparableCritic()
        },
        "estimators.variational.fit": few,
        "networks.convolutional.convolutional": {"hidden": (3,), "channels": (2,)},
        "probes.optimality": {"task": task},
        "probes.tag_bounds": {"model": tagger, "properties": {"label": labels}},
        "results.cells_over": {"dataset": grid, "axes": ["activation"]},
        "results.summarize_grid": {"dataset": grid},
        "plots.grid_compression": {"dataset": grid},
        "plots.grid_planes": {"dataset": grid},
        "plots.optimality": {"dataset": with_curve},
        "results.curve_distance.curve_distance": {"dataset": with_curve},
        "results.combine": {
            **{"places": [{"rate": 0.1}, {"rate": 0.2}]},
            **{"datasets": [example_dataset(num_seeds=2)] * 2},
        },
        "results.data_processing.list_violations": {"chain": chain},
        "results.data_processing.summarize_violations": {"chain": chain},
        "results.compression.compression_verdict": {"interval_bits": interval},
        "results.compression.compression_interval": {"i_xt": rng.normal(size=(4, 5))},
        "sweeps.network_trainable": {"task": task, "config": config},
        "sweeps.seed_key": {"seed": 3},
        "training.objectives.annealed": {
            **{"bottleneck": noisy.weight_bottleneck(num_samples=2), "start": 0.1},
            "num_epochs": 10,
        },
        "training.objectives.as_objective": {"objective": cross_entropy},
        "training.objectives.default_objective": {"kind": "classes"},
        "training.gradients.gradient_curves": {"statistics": [statistics]},
        "training.gradients.minibatch_statistics": {"gradients": np.ones((3, 2))},
    }


def bad_values(rng: np.random.Generator, good: Any) -> Iterator[tuple[str, Any]]:
    """Yields mistakes, by a name: what a caller may give in place of a value."""
    import jax

    yield from {
        "an object": object(),
        "a text": "text",
        "None": None,
        "a dict": {"a": 1},
        "a ragged list": [[1.0], [1.0, 2.0]],
        "a number": 1.5,
        "a negative number": -3,
        "an empty list": [],
        "an array of texts": np.array(["a", "b"]),
        "an array of objects": np.array([object(), None]),
        "dates": np.array(["2026-01-01"], "datetime64[D]"),
        "a key of the older kind": jax.random.PRNGKey(0),
        "a typed key": jax.random.key(1),
        "True": True,
        "2**40": 2**40,
        "a function": len,
        "a decimal": decimal.Decimal("0.5"),
        "a sparse matrix": sparse.csr_matrix(np.eye(3)),
        "categories of pandas": pd.Categorical(["a", "b", "a"]),
        "integers of pandas, one missing": pd.array([1, None, 0], dtype="Int64"),
        "records": np.zeros(3, [("a", float)]),
    }.items()
    if not isinstance(good, np.ndarray):
        return
    place = tuple(rng.integers(size) for size in good.shape)
    for name, value in (("NaN", np.nan), ("infinity", np.inf)):
        spoiled = good.astype(np.float64)
        spoiled[place] = value
        yield f"an array with {name}", spoiled
    yield "a masked array", np.ma.masked_array(good, np.zeros(good.shape, bool))
    small = bool, np.uint8, np.float16
    for dtype in (*small, np.int64, np.float64, np.longdouble, np.complex64):
        yield f"an array of {np.dtype(dtype)}", good.astype(dtype)
    for scale in (1e30, 1e-30, -1.0):
        yield f"an array times {scale:g}", good * scale
    yield "an array of one axis more", good[None]
    yield "an array without its last row", good[:-1]
    yield "an array without rows", good[:0]
