"""Estimators of information, as pure functions of plain arrays, in nats."""

from ibjax.estimators import (
    binning,
    calibration,
    compression,
    density,
    discrete,
    gaussian,
    kde,
    knn,
    linear_gaussian,
    partitions,
    propagation,
    resampling,
    variational,
    whitening,
)
from ibjax.estimators.benchmarking import benchmark
from ibjax.estimators.choice.choice import InformationEstimate, mutual_information
from ibjax.estimators.devices import over_devices
from ibjax.estimators.knn import whitened as whitened_neighbours
from ibjax.estimators.layers import LayerInformation, LayerInformationBounds

__all__ = [
    "InformationEstimate",
    "LayerInformation",
    "LayerInformationBounds",
    "benchmark",
    "binning",
    "calibration",
    "compression",
    "density",
    "discrete",
    "gaussian",
    "kde",
    "knn",
    "linear_gaussian",
    "mutual_information",
    "over_devices",
    "partitions",
    "propagation",
    "resampling",
    "variational",
    "whitened_neighbours",
    "whitening",
]
