"""Trained layers against the information curve of the task."""
