"""Figure 5 of Shwartz-Ziv and Tishby (2017): more layers, and wider ones.

    ibjax reproduce depth
    ibjax reproduce depth --quick

50 networks of one to six hidden layers, of 12 units and two fewer each, and of five
layers of 5, 10 or 20 units; 10,000 epochs, eight minutes on two cores. The sweeps are
those of ``ibjax sweep depth`` and ``ibjax sweep width``; ``--from DIR`` takes the
directory that holds both, as ``depth`` and ``width``.
"""

from ibjax import plots
from ibjax.experiments.depth.claims import depth_claims, width_claims
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.szt.setup import SztSetup

__all__ = ["EXPERIMENT"]

_FULL = Scale(50, 10_000, 40)
_QUICK = Scale(5, 1_000, 12)
_DEPTHS = ("12", "12-10", "12-10-8", "12-10-8-6", "12-10-8-6-4", "12-10-8-6-4-2")
_WIDTHS = ("5-5-5-5-5", "10-10-10-10-10", "20-20-20-20-20")

EXPERIMENT = Experiment(
    name="depth",
    title="Depth and width (Shwartz-Ziv and Tishby, Fig. 5)",
    summary="One to six hidden layers, and layers of 5, 10 or 20 units.",
    parts={
        "depth": Part(
            SztSetup(hidden=_DEPTHS, estimators=("binning", "bin-width")),
            _FULL,
            _QUICK,
            "One to six hidden layers of 12 units and two fewer each (Shwartz-Ziv and "
            "Tishby, Fig. 5).",
        ),
        "width": Part(
            SztSetup(hidden=_WIDTHS, estimators=("binning", "bin-width")),
            _FULL,
            _QUICK,
            "Five hidden layers of 5, 10 or 20 units each.",
        ),
    },
    claims=lambda datasets: (
        depth_claims(datasets["depth"]) + width_claims(datasets["width"])
    ),
    figures=lambda datasets: {
        name: plots.grid_planes(dataset) for name, dataset in datasets.items()
    },
)
