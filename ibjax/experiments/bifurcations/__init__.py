"""Transitions of the information curve."""
