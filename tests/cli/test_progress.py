"""The progress bar: what it says of the time left."""

import numpy as np
from rich.console import Console

from ibjax.cli.progress import ProgressBar
from ibjax.sweeps.runs import Progress


def test_time_left_is_fitted_to_epochs_and_snapshots():
    bar = ProgressBar(Console(quiet=True))
    # An epoch costs 0.1 s and a snapshot 2 s; the first steps cannot tell them apart.
    bar.update(Progress(0, 110, 1, 5, 2.0, "run"))
    left, known = bar._time_left(Progress(0, 110, 1, 5, None, "run"))
    assert not known and left == 4 * 2
    bar.update(Progress(50, 110, 2, 5, 0.1 * 50 + 2, "run"))
    left, known = bar._time_left(Progress(50, 110, 2, 5, None, "run"))
    assert known
    np.testing.assert_allclose(left, 60 * 0.1 + 3 * 2, rtol=1e-6)
