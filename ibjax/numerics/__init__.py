"""Arithmetic that knows no information theory."""
