"""One page, with all figures, of a sweep or a grid of sweeps."""

from ibjax.report.animation import animation_gif, animation_html
from ibjax.report.writing import report

__all__ = ["animation_gif", "animation_html", "report"]
