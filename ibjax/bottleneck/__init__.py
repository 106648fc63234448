"""Information-bottleneck solvers, as pure functions of tables, in nats.

``gaussian`` and ``channel`` are modules of their own: the exact bottleneck of Gaussian
variables, and the capacity and rate-distortion function of Blahut and Arimoto.
"""

from ibjax.bottleneck import bounds, channel, gaussian
from ibjax.bottleneck.blahut_arimoto import (
    BottleneckSolution,
    OptimalityGap,
    best_of_restarts,
    blahut_arimoto,
    optimality_gap,
)
from ibjax.bottleneck.bounds import (
    complexity_gap,
    finite_sample_bounds,
    generalization_gap,
    information_chain,
    worst_case_curve,
)
from ibjax.bottleneck.branches import Transition, decoders, transitions
from ibjax.bottleneck.curve import InformationCurve, critical_beta, information_curve
from ibjax.bottleneck.optimality import (
    LayerOptimality,
    layer_optimality,
    map_optimality,
)
from ibjax.bottleneck.squared import squared_bottleneck

__all__ = [
    "BottleneckSolution",
    "InformationCurve",
    "LayerOptimality",
    "OptimalityGap",
    "Transition",
    "best_of_restarts",
    "blahut_arimoto",
    "bounds",
    "channel",
    "complexity_gap",
    "critical_beta",
    "decoders",
    "finite_sample_bounds",
    "gaussian",
    "generalization_gap",
    "information_chain",
    "information_curve",
    "layer_optimality",
    "map_optimality",
    "optimality_gap",
    "squared_bottleneck",
    "transitions",
    "worst_case_curve",
]
