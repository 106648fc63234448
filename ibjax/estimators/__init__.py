"""Estimators of a layer's information, as pure functions of plain arrays, in nats."""

from ibjax.estimators import binning, kde
from ibjax.estimators.layers import LayerInformation, LayerInformationBounds

__all__ = ["LayerInformation", "LayerInformationBounds", "binning", "kde"]
