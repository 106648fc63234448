"""Networks on a table of one's own: ``ibjax sweep table FILE --target COLUMN``.

There is no paper behind it and no claim: the networks, options and measurements are
those of Shwartz-Ziv and Tishby's task, on the rows of a file.
"""

from ibjax.experiments.experiment import Part, Scale
from ibjax.experiments.table.setup import TableSetup

__all__ = ["SWEEP"]

SWEEP = Part(
    setup=TableSetup(),
    full=Scale(10, 1_000, 50),
    quick=Scale(4, 100, 15),
    summary="Networks on a table of your own, with classes or numbers to predict.",
)
