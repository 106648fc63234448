"""Published experiments, by name."""

from ibjax.experiments import (
    activations,
    attribution,
    batches,
    bifurcations,
    compression,
    convolutional,
    deep_linear,
    depth,
    ib_limit,
    information_dropout,
    loss_dynamics,
    mnist,
    noisy,
    robustness,
    stochastic_convolutional,
    szt,
    training_size,
    two_points,
    vae,
    vib,
    word_information,
)

__all__ = ["EXPERIMENTS", "SWEEPS"]

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        szt.EXPERIMENT,
        training_size.EXPERIMENT,
        depth.EXPERIMENT,
        ib_limit.EXPERIMENT,
        activations.EXPERIMENT,
        batches.EXPERIMENT,
        loss_dynamics.EXPERIMENT,
        deep_linear.EXPERIMENT,
        mnist.EXPERIMENT,
        convolutional.EXPERIMENT,
        noisy.EXPERIMENT,
        stochastic_convolutional.EXPERIMENT,
        bifurcations.EXPERIMENT,
        compression.EXPERIMENT,
        vib.EXPERIMENT,
        two_points.EXPERIMENT,
        vae.EXPERIMENT,
        robustness.EXPERIMENT,
        information_dropout.EXPERIMENT,
        attribution.EXPERIMENT,
        word_information.EXPERIMENT,
    )
}
"""All experiments, for ``ibjax reproduce``."""

SWEEPS = {
    name: part
    for experiment in EXPERIMENTS.values()
    for name, part in experiment.presets.items()
}
"""Grids of sweeps of the experiments, for ``ibjax sweep``."""
