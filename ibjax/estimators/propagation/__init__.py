"""Information of layers with Gaussian noise, by sample propagation."""

from ibjax.estimators.propagation.information import (
    MonteCarloEstimate,
    PropagatedInformation,
    layer_information,
    mixture_entropy,
)

__all__ = [
    "MonteCarloEstimate",
    "PropagatedInformation",
    "layer_information",
    "mixture_entropy",
]
