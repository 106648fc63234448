"""Mutual information from a critic trained on a variational bound."""

from ibjax.estimators.variational import critics, objectives
from ibjax.estimators.variational.fitting import OBJECTIVES, VariationalEstimate, fit

__all__ = ["OBJECTIVES", "VariationalEstimate", "critics", "fit", "objectives"]
