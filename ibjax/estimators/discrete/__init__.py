"""Entropy and information of counted cells, with corrections for few samples."""

from ibjax.estimators.discrete.entropies import (
    CORRECTIONS,
    entropy,
    layer_information,
    mutual_information,
)

__all__ = ["CORRECTIONS", "entropy", "layer_information", "mutual_information"]
