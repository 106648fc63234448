"""The ``ibjax`` command."""

from ibjax.cli.command import main

__all__ = ["main"]
