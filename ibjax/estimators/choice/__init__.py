"""Mutual information of any two variables, by the estimator that suits them."""

from ibjax.estimators.choice.choice import (
    METHODS,
    InformationEstimate,
    mutual_information,
)

__all__ = ["InformationEstimate", "METHODS", "mutual_information"]
