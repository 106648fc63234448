"""Good values of the arguments of rooms in which one name means one thing."""

from typing import Any

import numpy as np

__all__ = ["own_values", "room_values"]

_NUM, _CLASSES = 24, 2


def room_values() -> dict[str, dict[str, Any]]:
    """Values for names of arguments in all functions of a module, by its name."""
    return {
        "attribution": _attribution(),
        "claims": _claims(),
        "representations": _representations(),
        "training": _training(),
        "report": _claims(),
        "weights": _weights(),
        "weights.posterior": _weights(),
        "weights.pac_bayes": {"error": 0.05, "kl": 50.0, "num_samples": 1000}
        | {"delta": 0.05, "c": 1.0, "q": 0.1, "p": 0.3, "bound": 0.1, "num_draws": 1000}
        | {"prior_variance": 0.1, "num_choices": 10},
    }


def _attribution() -> dict[str, Any]:
    import jax

    from ibjax import attribution, networks

    rng = np.random.default_rng(2)
    network = networks.mlp([2, 3, _CLASSES])
    params = network.init(jax.random.key(0))
    x = rng.normal(size=(_NUM, 2)).astype(np.float32)
    front, back = attribution.split(network, "tanh 3")
    maps = rng.uniform(size=(4, 8, 8)).astype(np.float32)
    readout = attribution.make_readout(network, "tanh 3", ["tanh 3"], params, x)
    return {
        **{"network": network, "params": params, "readout": readout, "x": x},
        **{"model": attribution.output(network), "front": front, "back": back},
        **{"targets": np.arange(_NUM) % _CLASSES, "layers": ["tanh 3"]},
        **{"statistics": attribution.feature_statistics(front, params, x)},
        **{"maps": maps, "a": maps, "b": maps**2, "heatmap": maps, "mask": maps > 0.5},
        **{"heatmaps": maps, "capacity": maps, "image_shape": (16, 16), "tile": 2},
        **{"r": np.zeros((_NUM, 3), np.float32), "lam": np.full(3, 0.5, np.float32)},
        **{"sigma": np.full(4, 0.5, np.float32), "weights": rng.normal(size=(3, 2, 4))},
        **{"output_std": 0.5, "layer": "tanh 3", "read_layers": ["tanh 3"]},
        "attribute": lambda params, x: x,
        "readout_params": readout.module.init(
            jax.random.key(1), np.zeros((_NUM, 3), np.float32)
        ),
        "attributions": x,
    }


def _claims() -> dict[str, Any]:
    from ibjax import claims
    from ibjax.results.intervals import mean_estimate

    values = np.random.default_rng(3).normal(size=6)
    one = claims.decide_mean("It is above.", "mean", values, above=0.0)
    return {
        **{"claims": [one], "claim": "It is above.", "quantity": "mean"},
        **{"estimate": mean_estimate(values), "num_seeds": 6, "values": values},
        **{"criterion": "above 0", "value": 1.0, "verdict": "holds"},
        "collection": [
            {"title": "nothing", "command": "none", "claims": claims.claims_json([one])}
        ],
    }


def _representations() -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    from ibjax import datasets, networks, representations

    rng = np.random.default_rng(4)
    encoder = networks.mlp([2, 4], output="linear")
    decoder = networks.mlp([2, _CLASSES])
    model = representations.variational(encoder, decoder, dim=2)
    x = rng.uniform(size=(_NUM, 2)).astype(np.float32)
    labels = np.arange(_NUM) % _CLASSES
    factors = np.stack(np.divmod(np.arange(16), 4), axis=1)
    kernel = jnp.array([[1.0, -1.0], [0.0, 3.0]])
    p_xyn = rng.dirichlet(np.ones(16)).reshape(4, 2, 2)
    return {
        **{"model": model, "encoder": encoder, "decoder": decoder, "dim": 2},
        **{"params": model.network.init(jax.random.key(0)), "x": x, "labels": labels},
        **{"batch": datasets.make_task(x, labels).batch(jnp.arange(8))},
        **{"posterior": representations.Posterior(x, np.full_like(x, 0.5))},
        **{"log_probabilities": lambda key, x: jax.nn.log_softmax(x @ kernel)},
        **{"mean": x, "scale": np.full_like(x, 0.5), "prior_mean": 0.0},
        **{"prior_std": 1.0, "bandwidth": 1.0, "variance": 0.5, "capacity": 2.0},
        **{"num_epochs": 10, "codes": factors + 0.25, "factors": factors},
        **{"test_codes": factors + 0.25, "test_factors": factors},
        **{"num_values": (4, 4), "importances": np.eye(2), "alpha": np.full(3, 0.5)},
        **{"max_alpha": 0.7, "activity": np.full(3, 0.5, np.float32), "z": x},
        **{"nuisance": labels, "p_xyn": p_xyn, "p_z_given_x": np.eye(4)},
        **{"table": np.array([[5, 1], [2, 4]]), "type_width": 3, "num_components": 3},
        **{"activities": x, "type_encoder": networks.mlp([3, 4], output="linear")},
    }


def _training() -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    from ibjax import datasets, networks, training

    rng = np.random.default_rng(5)
    x = rng.normal(size=(_NUM, 2)).astype(np.float32)
    task = datasets.make_task(x, np.arange(_NUM) % _CLASSES)
    network, config = networks.mlp([2, 3, 2]), training.TrainConfig(batch_size=8)
    key = jax.random.key(0)
    return {
        **{"task": task, "network": network, "config": config, "num_epochs": 2},
        **{"params": network.init(key), "rows": training.split_rows(key, task, config)},
        "batches": training.epoch_batches(jnp.int32(0), task, config),
        "state": training.init_state(key, network, config),
    }


def _weights() -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    from ibjax import networks, weights

    rng = np.random.default_rng(6)
    network = networks.mlp([2, 3, _CLASSES])
    params = network.init(jax.random.key(0))
    x = rng.normal(size=(_NUM, 2)).astype(np.float32)
    mean, scores = rng.normal(size=4), np.array([10.0, 9.0, 2.0, 1.0])
    diagonal = jnp.arange(1.0, 5.0)
    return {
        **{"network": network, "params": params, "x": x, "tree": params},
        **{"labels": np.arange(_NUM) % _CLASSES, "num_draws": 3, "vector": params},
        **{"posterior": weights.init_posterior(params, std=0.5), "mean": mean},
        **{"std": np.full(4, 0.5), "prior_variance": 1.0, "beta": 0.5, "alpha": 0.5},
        **{"hessian_eigenvalues": scores, "hessian_diagonal": scores, "loss": scores},
        **{"weights": mean, "hessian_trace": 30.0, "prior": np.full(4, 0.25)},
        **{"information": np.array([0.0, 1.0, 2.0, 9.0]), "alphas": np.full(4, 0.5)},
        **{"widths": [10, 10, 10, 10], "precisions": np.eye(2)[None]},
        **{"input_entropy": 2.0, "input_jacobian": np.eye(2), "fisher": np.ones(2)},
        **{"weight_jacobian": np.eye(2), "embeddings": np.eye(3), "first": scores},
        **{"second": scores[::-1], "trivial": np.ones(4), "distances": np.eye(4)},
        **{"joint": 9 * np.ones((4, 4)), "num_weights": 4, "barrier": 1.0},
        **{"well_curvature": 2.0, "saddle_curvature": 1.0, "temperature": 0.5},
        **{"product": lambda v: diagonal * v, "like": diagonal, "scale": 1.0},
        **{"function": lambda h: h**2, "num_values": 2, "num_steps": 3},
        **{"potential": np.linspace(-1, 1, 9) ** 2, "spacing": 0.25, "start": 0},
        **{"target": 8, "time": 1.0, "num_samples": 100},
        "structure": weights.structure_function([0.0, 1.0, 2.0, 9.0], scores),
    }


def own_values() -> dict[str, dict[str, Any]]:
    """Values of arguments of one function, or of optional ones."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    from ibjax import datasets, networks, probes, representations
    from ibjax.sweeps import Cell, network_trainable

    rng = np.random.default_rng(7)
    images = rng.uniform(size=(4, 8, 8)).astype(np.float32)
    four = np.arange(4) % 2
    attack = representations.Attack(
        num_steps=2, num_draws=1, num_predicted=1, num_evaluations=1
    )
    quick = {"num_draws": 1, "num_predicted": 1, "num_evaluations": 1}
    quick |= {"num_steps": 2, "num_searches": 1}
    rectified = networks.mlp([2, 3, 2], "relu")
    dropped = representations.with_information_dropout(rectified)
    key, few = jax.random.key(0), {"num_steps": 2}
    trained = _training()
    plain = {name: trained[name] for name in ("task", "network", "config")}
    seeds = {"num_seeds": 1, "snapshots": [1], "probes": [probes.losses]}
    by_pixels = {"model": lambda params, x: jnp.stack([x.sum((1, 2))] * 2, 1)}
    by_pixels |= {"params": None, "x": images, "targets": four}
    convolved = {
        **{"front": lambda params, x: x[..., None] * jnp.ones(2)},
        **{"back": lambda params, r: r.sum((1, 2)) @ params},
        **{"params": jnp.eye(2), "x": images, "targets": four},
    }
    tagger = representations.discrete_tagger(
        networks.mlp([5, 4], output="linear"),
        networks.mlp([4, _CLASSES]),
        networks.mlp([3, 4], output="linear"),
        type_width=3,
    )
    with_classes = representations.variational(
        networks.mlp([2, 4], output="linear"),
        networks.mlp([2, _CLASSES]),
        **{"dim": 2, "prior": representations.class_prior(2, _CLASSES)},
    )
    codes = rng.uniform(size=(2, 16, 2)).astype(np.float32)
    sampled = {"posterior": representations.Posterior(*codes)}
    tagged = {
        **{"model": tagger, "params": tagger.network.init(key)},
        "batch": datasets.make_task(np.ones((4, 5)), four).batch(jnp.arange(4)),
    }
    return {
        "attribution.degradation": by_pixels | {"heatmaps": images, "tile": 2},
        "attribution.grad_cam": convolved,
        "attribution.guided_backpropagation": {
            "model": lambda params, x: jax.nn.relu(x) @ params[0][0].T
        },
        "attribution.guided_grad_cam": convolved
        | {
            "front": lambda params, x: jax.nn.relu(x[..., :2]),
            "x": rng.normal(size=(4, 3, 3, 2)).astype(np.float32),
        },
        "attribution.heatmap": {"capacity": images[..., None]},
        "attribution.noisy_features": {"lam": np.full((_NUM, 3), 0.5)},
        "attribution.histogram_correlation": {"cell": 4},
        "attribution.infidelity": {"num_samples": 3},
        "attribution.integrated_gradients": {"num_steps": 3},
        "attribution.occlusion": by_pixels | {"window": (2, 2)},
        "attribution.per_sample": few | {"num_copies": 2},
        "attribution.sensitivity_n": by_pixels
        | {"heatmaps": images, "sizes": [3], "num_subsets": 3},
        "attribution.smooth_grad": {"num_samples": 3},
        "attribution.structural_similarity": {"data_range": 1.0},
        "attribution.train_readout": few | {"batch_size": 8},
        "attribution.word_noise": {
            **{"function": lambda params, x: x[:, :, 0] @ params, "params": jnp.eye(2)},
            **{"x": rng.normal(size=(4, 2, 1)), "num_copies": 2, **few},
        },
        "networks.from_flax": {
            "module": nn.Sequential([nn.Dense(3), nn.relu, nn.Dense(2)]),
            **{"example_input": np.ones((1, 2), np.float32), "layers": ["layers_0"]},
        },
        "plots.distance_map": {"distances": np.eye(3), "names": ["a", "b", "c"]},
        "plots.distance_tree": {"distances": 1 - np.eye(3), "names": ["a", "b", "c"]},
        "plots.information_curve": {"i_xy": 0.3},
        "representations.attack_gradient": {"attack": attack},
        "representations.check_attack": {"attack": attack, "radius": 0.1},
        "representations.fgsm": {"attack": attack, "radius": 0.1},
        "representations.minimal_l2": quick,
        "representations.pgd": {"attack": attack, "radius": 0.1},
        "representations.robust_accuracy": {"attack": attack},
        "representations.ceb": {"model": with_classes},
        "representations.discrete_tagger": {"decoder": networks.mlp([4, _CLASSES])},
        "representations.sampled_factor_information": sampled,
        "representations.sampled_mig": sampled,
        "representations.averaged_log_probabilities": {"num_draws": 2},
        "representations.dci": {"seed": 0},
        "representations.factor_score": {"num_train": 40, "num_test": 20},
        "representations.gaussian_mmd": {"mean": np.ones(2), "variance": 1.0},
        "representations.information_dropout": {"model": dropped},
        "representations.information_map": {
            **{"model": dropped, "params": dropped.network.init(key)},
        },
        "representations.log_normal_kl": {"alpha": np.full(3, 0.5)},
        "representations.nuisance_information": few | {"num_classes": 2},
        "representations.tag_bottleneck": {"model": tagger},
        "representations.tag_terms": tagged,
        "representations.with_information_dropout": {"network": rectified},
        "sweeps.recorded.information_plane": {
            "activities": {"hidden": rng.normal(size=(2, _NUM, 3))},
            "labels": np.arange(_NUM) % _CLASSES,
        },
        "sweeps.sweep": plain | seeds,
        "sweeps.sweep_trainable": {
            **{"trainable": network_trainable(**plain, probes=[probes.losses])},
            **{"num_seeds": 1, "snapshots": [1]},
        },
        "sweeps.sweep_grid": {
            "cells": [
                Cell({"rate": 0.1}, **plain, snapshots=[1], probes=[probes.losses])
            ],
            "num_seeds": 1,
        },
        "training.epoch_batches": {"epoch": jnp.int32(0)},
        "training.epoch_key": {"epoch": jnp.int32(0)},
        "training.measured_batches": {"epoch": jnp.int32(0)},
        "weights.cross_entropy_terms": {
            **{
                "p_theta": np.ones(1),
                "p_x": np.ones(1),
                "p_y": np.full((1, 1, 2), 0.5),
            },
            **{"p_w": np.eye(2)[None], "q_y": np.eye(2)[:, None]},
        },
        "weights.hvp": {
            **{"loss": lambda w: jnp.sum(w**2), "params": jnp.ones(3)},
            "vector": np.ones(3),
        },
        "weights.log_determinant": few,
        "weights.pac_bayes.prior_union_cost": {"prior_variance": 0.01},
        "weights.spectral_sum": few,
        "weights.gaussian_lagrangian": {"loss": 0.5},
        "weights.init_log_normal_posterior": {"std": 0.5},
        "weights.init_posterior": {"std": 0.5},
        "weights.langevin_paths": {
            **{"gradient": lambda w: w, "start": np.zeros(8), "step": 0.05},
        },
        "weights.task_reachability": {
            **{"losses": [lambda w: jnp.sum(w**2)] * 2, "minima": np.zeros((2, 1))},
            **{"radius": 0.5, "step": 0.05, "num_paths": 4},
        },
        "weights.layer_information_plus_total_correlation": {
            **{"weights": rng.normal(size=(2, 3)), "x": rng.normal(size=(_NUM, 3))},
        },
        "weights.fisher_block_log_determinants": {"x": np.ones((2, 2), np.float32)},
        "weights.fisher_log_determinant": {"x": np.ones((2, 2), np.float32)},
        "weights.divergences.mean_field_kl_of_logs": {
            **{"mean": np.ones(4), "log_std": np.zeros(4), "prior_variance": 1.0},
        },
    }
