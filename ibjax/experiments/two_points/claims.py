"""Claims of Zhao et al. (2019) about autoencoders of two points."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.results.cells import configured_cells

__all__ = ["INFO_LAM", "NUMBERS", "nearest", "settings_of", "two_points_claims"]

INFO_LAM = 100.0
"""Weight that stands for InfoVAE, or the nearest one there is."""

NUMBERS = (
    "density_at_zero",
    "code_divergence",
    "sample_distance",
    "posterior_gap",
    "log_evidence",
    "exact_rate",
    "exact_distortion",
)
"""Quantities that claims are about."""


def settings_of(dataset: xr.Dataset) -> dict[float, dict[float, xr.Dataset]]:
    """Networks at their last snapshot, by alpha and then by lam, both increasing.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.two_points.setup.TwoPointsSetup`.

    Returns:
      For every alpha and lam a dataset over ``seed``.

    Raises:
      ValueError: If it is no such dataset.
    """
    if "posterior_gap" not in dataset:
        raise ValueError(
            "dataset must be of autoencoders of two points, with posterior_gap, got "
            f"{list(dataset.data_vars)}"
        )
    found: dict[float, dict[float, xr.Dataset]] = {}
    for own, cell in configured_cells(dataset):
        alpha, lam = (float(own[name]) for name in ("alpha", "lam"))
        found.setdefault(alpha, {})[lam] = cell.isel(epoch=-1)
    return {a: dict(sorted(found[a].items())) for a in sorted(found)}


def nearest(lams: dict[float, xr.Dataset], lam: float) -> float:
    """The weight nearest to one, by its logarithm."""
    return min(lams, key=lambda found: abs(np.log(max(found, 1e-9) / lam)))


def two_points_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about two points, at the last snapshot: most are Zhao et al.'s (2019).

    The evidence bound is alpha = 0, lam = 1, InfoVAE alpha = 0, lam = 100. All numbers
    are exact for a network; differences are seed by seed. In order:

    1. The evidence bound leaves a hole: at zero q(z) has less than a quarter of the
       density of N(0, 1). InfoVAE's has more than half.
    2. InfoVAE's q(z) is nearer to N(0, 1), within 0.1 nats of it; and the nearer the
       larger lam is.
    3. Samples of InfoVAE are distributed as its reconstructions are, more nearly than
       those of the evidence bound.
    4. InfoVAE's posteriors q(z|x) are nearer to the model's own, p(z|x), by their KL
       divergence.
    5. (Ours.) InfoVAE gives the points themselves a larger density than the evidence
       bound.
    6. (Ours.) The hole is not filled for nothing: reconstructions lose more than a nat.
    7. (Ours.) Without the rate, at alpha = 1, the discrepancy alone fills it: q(z) has
       more than half of the density of N(0, 1) at zero where lam is 100.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.two_points.setup.TwoPointsSetup`,
        over several lam and with alpha = 0 among its alphas.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Zhao, Song and Ermon, `InfoVAE: balancing learning and inference in variational
      autoencoders`, AAAI 2019, Fig. 1.
    """
    settings = settings_of(dataset)
    lams = list(settings.get(0.0, ()))
    if len({nearest(lams, lam) for lam in (1.0, INFO_LAM)} if lams else ()) < 2:
        raise ValueError(
            "dataset must hold alpha 0 and several lam, one near 1 and one near "
            f"{INFO_LAM:g}, got alpha {list(settings)} and lam {lams}"
        )
    values = {
        alpha: {
            lam: {name: cell[name].values.astype(np.float64) for name in NUMBERS}
            for lam, cell in lams.items()
        }
        for alpha, lams in settings.items()
    }
    bound_lam = nearest(settings[0.0], 1.0)
    info_lam = nearest(settings[0.0], INFO_LAM)
    bound, info = values[0.0][bound_lam], values[0.0][info_lam]

    def difference(name):
        return info[name] - bound[name]

    divergences = np.stack([v["code_divergence"] for v in values[0.0].values()])
    share = "q(0) over the density of N(0, 1) at 0"
    claims = [
        decide_mean(
            f"1. The evidence bound, lam {bound_lam:g}, leaves a hole at zero",
            share,
            bound["density_at_zero"],
            below=0.25,
        ),
        decide_mean(
            f"1. InfoVAE, lam {info_lam:g}, leaves none",
            share,
            info["density_at_zero"],
            above=0.5,
        ),
        decide_mean(
            "2. InfoVAE's q(z) is nearer to N(0, 1) than the evidence bound's",
            "difference of the KL divergences, nats",
            difference("code_divergence"),
            below=0.0,
        ),
        decide_mean(
            "2. InfoVAE's q(z) is near N(0, 1)",
            "KL divergence of q(z) from N(0, 1), nats",
            info["code_divergence"],
            below=0.1,
        ),
        decide_mean(
            "2. The larger lam, the nearer: the largest one is nearest",
            "KL divergence at the largest lam less the least of the others, nats",
            divergences[-1] - divergences[:-1].min(axis=0),
            below=0.0,
        ),
        decide_mean(
            "3. Samples of InfoVAE are more like its reconstructions",
            "difference of the total variations of samples and reconstructions",
            difference("sample_distance"),
            below=0.0,
        ),
        decide_mean(
            "4. InfoVAE's posteriors are nearer to the model's own",
            "difference of the KL divergences, nats",
            difference("posterior_gap"),
            below=0.0,
        ),
        decide_mean(
            "5. InfoVAE gives the points a larger density",
            "difference of the mean log densities, nats",
            difference("log_evidence"),
            above=0.0,
        ),
        decide_mean(
            "6. Filling the hole costs more than a nat of reconstruction",
            "difference of the distortions, nats",
            difference("exact_distortion"),
            above=1.0,
            added=True,
        ),
    ]
    if 1.0 in values:
        lam = nearest(settings[1.0], INFO_LAM)
        claims.append(
            decide_mean(
                f"7. Without the rate, alpha 1, lam {lam:g} leaves no hole",
                share,
                values[1.0][lam]["density_at_zero"],
                above=0.5,
                added=True,
            )
        )
    return claims
