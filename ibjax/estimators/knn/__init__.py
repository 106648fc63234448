"""Entropy and information from nearest-neighbour distances."""

from ibjax.estimators.knn.counting import (
    class_information,
    conditional_mutual_information,
    entropy,
    ksg,
    mutual_information,
    num_repeated,
    ross,
    weight_norm,
    weighted_entropy,
    weights,
)

__all__ = [
    "class_information",
    "conditional_mutual_information",
    "entropy",
    "ksg",
    "mutual_information",
    "num_repeated",
    "ross",
    "weight_norm",
    "weighted_entropy",
    "weights",
]
