"""Mutual information of any two variables, by the estimator that suits them."""

from ibjax.estimators.choice.choice import InformationEstimate, mutual_information
from ibjax.estimators.choice.methods import METHODS

__all__ = ["InformationEstimate", "METHODS", "mutual_information"]
