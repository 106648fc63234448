"""Figures 2 and 4 of Shwartz-Ziv and Tishby (2017), and the claims made from them.

Fig. 2 is the information plane of 50 networks before training, after 400 epochs and
after 9,000; Fig. 4 the mean and standard deviation of every layer's gradient over the
norm of its weights, and here their ratio too. The claims made from them are held
against the same networks and printed as a table.

    ibjax reproduce szt
    ibjax reproduce szt --quick
    ibjax reproduce szt --from ibjax-szt

The setting is that of the authors' program: 12-10-7-5-4-3-2 tanh units, Adam at 4e-4,
batches of 512, 80 % of the inputs to train on. The paper speaks of SGD, the program
uses Adam; and here the inputs are split at random for each network. A full run takes
one and a half to two and a half minutes on two cores. The sweep is that of ``ibjax
sweep szt``.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.szt.claims import szt_claims
from ibjax.experiments.szt.figures import FIGURE_EPOCHS, szt_figures
from ibjax.experiments.szt.setup import SztSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="szt",
    title="Information plane (Shwartz-Ziv and Tishby, Figs. 2 and 4)",
    summary="Shwartz-Ziv and Tishby's networks on the information plane (their Figs. 2 "
    "and 4).",
    setup=SztSetup(),
    full=Scale(50, 10_000, 100),
    quick=Scale(10, 3_000, 30),
    also=FIGURE_EPOCHS,
    claims=szt_claims,
    figures=szt_figures,
    plain=True,
)
