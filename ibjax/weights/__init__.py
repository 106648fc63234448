"""Information in the weights of networks: posteriors, Fisher, PAC-Bayes bounds."""

from ibjax.weights import pac_bayes

__all__ = ["pac_bayes"]
