"""Attribution: the parts of an input that a trained network uses, and their bits."""

from ibjax.attribution.cutting import output, split

__all__ = ["output", "split"]
