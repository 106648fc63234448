"""Figure 5 of Shwartz-Ziv and Tishby (2017): more layers, and wider ones.

    python scripts/depth.py --output results/depth
    python scripts/depth.py --quick

50 networks of one to six hidden layers, of 12 units and two fewer each, and of five
layers of 5, 10 or 20 units; 10,000 epochs. The sweeps are those of ``ibjax sweep
depth`` and ``ibjax sweep width``; ``--from DIR`` takes the directory that holds both,
as ``depth`` and ``width``. Written: the planes as PNG and PDF, ``claims.json``,
``claims.md``, and the sweeps themselves.
"""

import common

from ibjax import plots
from ibjax.experiments.depth.claims import depth_claims, width_claims


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "depth").parse_args(arguments)
    depth = common.preset_dataset("depth", args)
    width = common.preset_dataset("width", args)
    common.write(
        args.output,
        depth_claims(depth) + width_claims(width),
        {"depth": plots.grid_planes(depth), "width": plots.grid_planes(width)},
        title="Depth and width (Shwartz-Ziv and Tishby, Fig. 5)",
        datasets=[depth, width],
    )


if __name__ == "__main__":
    main()
