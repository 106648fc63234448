"""Published experiments, by name."""

from ibjax.experiments import (
    activations,
    attribution,
    batches,
    bifurcations,
    compression,
    convolutional,
    corruption,
    critical_periods,
    deep_linear,
    depth,
    deterministic,
    ib_limit,
    information_dropout,
    invariance,
    loss_dynamics,
    mnist,
    noisy,
    nuisance,
    robustness,
    sharpness,
    stochastic_convolutional,
    structure,
    szt,
    table,
    tags,
    tasks,
    training_size,
    two_points,
    vae,
    vib,
    weights,
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
        invariance.EXPERIMENT,
        weights.EXPERIMENT,
        corruption.EXPERIMENT,
        structure.EXPERIMENT,
        sharpness.EXPERIMENT,
        nuisance.EXPERIMENT,
        tasks.EXPERIMENT,
        tags.EXPERIMENT,
        deterministic.EXPERIMENT,
        critical_periods.EXPERIMENT,
        attribution.EXPERIMENT,
        attribution.PHOTOGRAPHS,
        word_information.EXPERIMENT,
    )
}
"""All experiments, for ``ibjax reproduce``."""

SWEEPS = {
    name: part
    for experiment in EXPERIMENTS.values()
    for name, part in experiment.presets.items()
} | {"table": table.SWEEP}
"""Grids of sweeps of the experiments, and of tables, for ``ibjax sweep``."""
