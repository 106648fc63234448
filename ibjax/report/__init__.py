"""Reports of sweeps, grids and experiments: figures, animations and one page."""

from ibjax.report.animation import animation_gif, animation_html
from ibjax.report.experiments import experiment_report
from ibjax.report.pages import PageTable, claims_page
from ibjax.report.paper import paper_figures
from ibjax.report.writing import ReportFigure, report

__all__ = [
    "PageTable",
    "ReportFigure",
    "animation_gif",
    "animation_html",
    "claims_page",
    "experiment_report",
    "paper_figures",
    "report",
]
