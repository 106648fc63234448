"""The ``ibjax`` command."""

import gc

# What is imported stays to the end: to look for garbage in it, while it is imported and
# while JAX traces, costs a second.
gc.disable()
try:
    from ibjax.cli.command import main
finally:
    gc.enable()
    gc.freeze()

__all__ = ["main"]
