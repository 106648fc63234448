"""The ``ibjax`` command."""

import gc

# What is imported stays to the end: to look for garbage in it, while it is imported and
# while JAX traces, costs a second.
_is_enabled = gc.isenabled()
gc.disable()
try:
    from ibjax.cli.command import main
finally:
    gc.freeze()
    if _is_enabled:
        gc.enable()

__all__ = ["main"]
