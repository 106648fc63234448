"""Figure of estimates against the truth."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ibjax.experiments.compression.methods import COMPRESSORS, ESTIMATORS, FAMILIES
from ibjax.plots.style import layer_colors, paper_style

__all__ = ["estimates_against_truth"]

_MARKERS = ("o", "s", "^", "v", "D", "x", "+")


def estimates_against_truth(rows: list[dict[str, Any]], size: int) -> Figure:
    """Estimates against the truth in nats, families down and compressors across.

    Args:
      rows: Estimates, as
        :func:`ibjax.experiments.compression.claims.compression_claims` takes them.
      size: Pixels along a side of the images.

    Returns:
      Figure, 7 inches wide. The band is half a nat on either side of the truth.
    """
    names = [name for name in ESTIMATORS if any(r["estimator"] == name for r in rows)]
    colors = dict(zip(ESTIMATORS, layer_colors(len(ESTIMATORS)), strict=True))
    markers = dict(zip(ESTIMATORS, _MARKERS, strict=True))
    families = [name for name in FAMILIES if any(r["family"] == name for r in rows)]
    end = max(row["information"] for row in rows) or 1.0
    with paper_style():
        figure = Figure(figsize=(7.0, 0.7 + 2.1 * len(families)), layout="constrained")
        panels = figure.subplots(
            len(families), len(COMPRESSORS), sharex=True, sharey=True, squeeze=False
        )
        for line, family in enumerate(families):
            for axes, (compressor, title) in zip(
                panels[line], COMPRESSORS.items(), strict=True
            ):
                axes.fill_between(
                    [0, end], [-0.5, end - 0.5], [0.5, end + 0.5], color="0.92", lw=0
                )
                axes.plot([0, end], [0, end], color="0.5", lw=0.8, ls=(0, (4, 2)))
                for name in names:
                    values = _mean_values(rows, family, size, compressor, name)
                    axes.plot(
                        list(values),
                        list(values.values()),
                        color=colors[name],
                        marker=markers[name],
                        markersize=3.5,
                        linewidth=1.0,
                        # In four joint dimensions it is KL: both are to be seen.
                        linestyle="--" if name == "wkl" else "-",
                        label=ESTIMATORS[name].label,
                    )
                axes.set_xlim(-0.02 * end, 1.02 * end)
                # KL of components reaches further down; the diagonal is what matters.
                axes.set_ylim(-1.0, 1.02 * end)
                axes.set_xticks(np.linspace(0, end, 6))
                if line == 0:
                    axes.set_title(title)
                if line == len(families) - 1:
                    axes.set_xlabel("true I(X;Y), nats")
            panels[line][0].set_ylabel(f"{FAMILIES[family].label}\nestimate, nats")
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _mean_values(
    rows: list[dict[str, Any]], family: str, size: int, compressor: str, name: str
) -> dict[float, float]:
    """Mean over seeds at every information, in order."""
    values: dict[float, list[float]] = {}
    for row in rows:
        if (row["family"], row["compressor"], row["estimator"]) == (
            family,
            compressor,
            name,
        ) and row["size"] in (None, size):
            value = np.nan if row["value"] is None else row["value"]
            values.setdefault(row["information"], []).append(value)
    return {key: float(np.nanmean(values[key])) for key in sorted(values)}
