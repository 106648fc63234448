"""Stochastic against full-batch gradient descent (Saxe et al., Fig. 5)."""
