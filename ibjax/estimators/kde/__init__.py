"""Kernel-density bounds on the information of a layer with added Gaussian noise."""

from ibjax.estimators.kde.information import layer_information

__all__ = ["layer_information"]
