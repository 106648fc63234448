"""Reports of a sweep or a grid of sweeps: figures, animations and one page."""

from ibjax.report.animation import animation_gif, animation_html
from ibjax.report.pages import claims_page
from ibjax.report.paper import paper_figures
from ibjax.report.writing import ReportFigure, report

__all__ = [
    "ReportFigure",
    "animation_gif",
    "animation_html",
    "claims_page",
    "paper_figures",
    "report",
]
