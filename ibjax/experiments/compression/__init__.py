"""Estimates of information from codes of images (Butakov et al.)."""
