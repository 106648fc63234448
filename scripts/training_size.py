"""Figure 3 of Shwartz-Ziv and Tishby (2017): 5, 45 and 85 % of the data to train on.

    python scripts/training_size.py --output results/training_size
    python scripts/training_size.py --quick
    python scripts/training_size.py --from ibjax-training-size

50 networks for each fraction, 10,000 epochs; the sweeps are those of ``ibjax sweep
training-size``. Written: the planes as PNG and PDF, ``claims.json``, ``claims.md``, and
the sweeps themselves.
"""

import common

from ibjax import plots
from ibjax.experiments.training_size.claims import training_size_claims


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "training_size").parse_args(arguments)
    dataset = common.preset_dataset("training-size", args)
    common.write(
        args.output,
        training_size_claims(dataset),
        {"training_size": plots.grid_planes(dataset)},
        title="Training size (Shwartz-Ziv and Tishby, Fig. 3)",
        datasets=[dataset],
    )


if __name__ == "__main__":
    main()
