"""Activation functions under several estimators (Saxe et al., Fig. 1)."""
