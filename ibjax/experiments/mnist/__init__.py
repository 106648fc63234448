"""Fully connected networks on images (Saxe et al., appendices)."""
