"""Entropy and information from kernel densities whose bandwidth is fitted."""

from ibjax.estimators.density.information import (
    DensityEstimate,
    bandwidth,
    class_information,
    distinct_rows,
    entropy,
    mutual_information,
)

__all__ = [
    "DensityEstimate",
    "bandwidth",
    "class_information",
    "distinct_rows",
    "entropy",
    "mutual_information",
]
