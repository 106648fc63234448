"""Attribution: the parts of an input that a trained network uses, and their bits.

Methods take plain functions of parameters and inputs ``[num, ...]``: see :func:`split`
and :func:`output`, which make them of a network.
"""

from ibjax.attribution.bottleneck import (
    PerSample,
    capacity,
    noisy_features,
    per_sample,
)
from ibjax.attribution.cutting import output, split
from ibjax.attribution.heatmaps import heatmap, resize
from ibjax.attribution.statistics import FeatureStatistics, feature_statistics

__all__ = [
    "FeatureStatistics",
    "PerSample",
    "capacity",
    "feature_statistics",
    "heatmap",
    "noisy_features",
    "output",
    "per_sample",
    "resize",
    "split",
]
