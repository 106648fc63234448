"""Evaluation: whether attributions say what a network uses."""

from ibjax.attribution.evaluation.faithfulness import (
    SensitivityN,
    infidelity,
    sensitivity_n,
)
from ibjax.attribution.evaluation.localization import bounding_box_ratio
from ibjax.attribution.evaluation.sanity import (
    Randomization,
    randomization,
    rank_correlation,
)
from ibjax.attribution.evaluation.similarity import (
    histogram_correlation,
    structural_similarity,
)
from ibjax.attribution.evaluation.tile_curves import Degradation, degradation

__all__ = [
    "Degradation",
    "Randomization",
    "SensitivityN",
    "bounding_box_ratio",
    "degradation",
    "histogram_correlation",
    "infidelity",
    "randomization",
    "rank_correlation",
    "sensitivity_n",
    "structural_similarity",
]
