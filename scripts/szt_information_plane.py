"""Figures 2 and 4 of Shwartz-Ziv and Tishby (2017), and what they say of them.

Fig. 2 is the information plane of 50 networks before training, after 400 epochs and
after 9,000; Fig. 4 the mean and standard deviation of every layer's gradient over the
norm of its weights, and here their ratio too. The claims made from them are held
against the same networks and printed as a table.

    python scripts/szt_information_plane.py --output results/szt
    python scripts/szt_information_plane.py --quick --output results/szt-quick
    python scripts/szt_information_plane.py --from ibjax-szt --output again

The setting is that of the authors' program: 12-10-7-5-4-3-2 tanh units, Adam at 4e-4,
batches of 512, 80 % of the inputs to train on. The paper speaks of SGD, the program
uses Adam; and here the inputs are split at random for each network.

Written into the output directory: ``figure2`` and ``figure4`` as PNG and PDF,
``claims.json`` with the numbers and their conditions, ``claims.md``, and the sweep
itself in ``szt``. The sweep is that of ``ibjax sweep szt``.
"""

import common

from ibjax import plots
from ibjax.experiments.szt.claims import szt_claims

FIGURE_EPOCHS = (0, 400, 9000)


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "szt_information_plane").parse_args(arguments)
    dataset = common.preset_dataset("szt", args, also=FIGURE_EPOCHS)
    last = int(dataset["epoch"].values[-1])
    epochs = [min(epoch, last) for epoch in FIGURE_EPOCHS]
    common.write(
        args.output,
        szt_claims(dataset),
        {
            "information_plane": plots.information_plane(dataset),
            "snapshots": plots.snapshots(dataset, epochs=epochs),
            "gradients": plots.gradients(dataset, normalized=True),
        },
        title="Information plane (Shwartz-Ziv and Tishby, Figs. 2 and 4)",
        datasets=[dataset],
    )


if __name__ == "__main__":
    main()
