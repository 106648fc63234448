"""Claims about what disentangles autoencoders of sprites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.results.cells import configured_cells

__all__ = ["METHODS", "Setting", "settings_of", "vae_claims"]

METHODS = ("beta", "annealed", "info", "capacity")
"""Ways to train, in the order of the figures."""

_SCORES = {
    "mig": "mutual information gap",
    "sap": "squared correlations' gap",
    "factor_score": "FactorVAE's score",
}
# Prices that are held against each other.
_BOUND, _HIGH = 1.0, 4.0


class Setting(NamedTuple):
    """Networks of one setting at their last snapshot.

    Attributes:
      number: Its beta, or its capacity in nats.
      cell: Their dataset, over ``seed``.
    """

    number: float
    cell: xr.Dataset

    def values(self, name: str) -> np.ndarray:
        """Values of a quantity of every seed, float64."""
        return self.cell[name].values.astype(np.float64)


def settings_of(datasets: Mapping[str, xr.Dataset]) -> dict[str, list[Setting]]:
    """Networks by the way they were trained, numbers increasing.

    Args:
      datasets: The datasets ``vae`` and ``vae-capacity`` of the experiment.

    Returns:
      For every way of :data:`METHODS` that there is its settings.

    Raises:
      ValueError: If a dataset has no disentanglement measured.
    """
    found: dict[str, list[Setting]] = {}
    for name, dataset in datasets.items():
        if "total_correlation" not in dataset:
            raise ValueError(
                f"{name} must be of autoencoders of sprites, with total_correlation, "
                f"got {list(dataset.data_vars)}"
            )
        for own, cell in configured_cells(dataset):
            method = "capacity" if "capacity" in own else own.get("method", "beta")
            number = own["capacity" if method == "capacity" else "beta"]
            setting = Setting(float(number), cell.isel(epoch=-1))
            found.setdefault(str(method), []).append(setting)
    return {
        method: sorted(found[method], key=lambda setting: setting.number)
        for method in METHODS
        if method in found
    }


def vae_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims about autoencoders of sprites, at the last snapshot.

    Differences are seed by seed; prices are beta 4 against 1, or the nearest. Of one
    price alone there is none of the first three. In order:

    1. (Higgins et al.) With every larger beta the rate is less and the distortion more.
    2. (Higgins et al.) A large beta disentangles: each score is higher at 4 than at 1.
    3. (Chen et al.) So it does by the total correlation, which is less at 4 than at 1.
    4. (Zhao et al.) InfoVAE's q(z) is nearer to the prior at one price of the rate,
       beta 1: by total correlation and dimensions together.
    5. (Achille and Soatto.) A price that falls to 1 disentangles more than 1 held: the
       gap of informations is larger.
    6. (Burgess et al.) The rate follows its capacity, within a nat; and a capacity as
       large as the rate of beta 4 disentangles no less than beta 4, to within 0.05 of
       the gap.
    7. (Ours.) Gaps of codes that are drawn are below those of their means, at beta 1.

    Args:
      datasets: The datasets ``vae`` and ``vae-capacity`` of the experiment.

    Returns:
      The claims.

    Raises:
      ValueError: If they are no such datasets.

    References:
      Higgins et al., `beta-VAE`, ICLR 2017. Burgess et al., `Understanding
      disentangling in beta-VAE`, 2018. Chen et al., `Isolating sources of
      disentanglement in variational autoencoders`, NeurIPS 2018. Achille and Soatto,
      `Emergence of invariance and disentanglement in deep representations`, JMLR 2018.
    """
    settings = settings_of(datasets)
    missing = [method for method in METHODS if method not in settings]
    if missing:
        raise ValueError(
            f"datasets must hold networks trained by all ways, got none by {missing}"
        )
    held = settings["beta"]
    bound, high = _nearest(held, _BOUND), _nearest(held, _HIGH)

    claims = _of_prices(held, bound, high) if high is not bound else []
    info = _nearest(settings["info"], _BOUND)
    fallen = _nearest(settings["annealed"], _BOUND)
    led = settings["capacity"]
    beside = np.stack([abs(s.values("rate") - s.number) for s in led])
    near = _nearest(led, float(np.nanmean(high.values("rate"))))
    claims += [
        decide_mean(
            f"4. InfoVAE's q(z) is nearer to the prior, beta {info.number:g}",
            "difference of the divergences of q(z) from the prior, nats",
            _divergence(info) - _divergence(bound),
            below=0.0,
        ),
        decide_mean(
            f"5. A falling price disentangles more than a held one, {bound.number:g}",
            "difference of the mutual information gaps",
            fallen.values("mig") - bound.values("mig"),
            above=0.0,
        ),
        decide_mean(
            "6. The rate follows its capacity",
            "distance of the rate from the capacity that is farthest, nats",
            beside.max(axis=0),
            below=1.0,
        ),
        decide_mean(
            f"6. A capacity of {near.number:g} nats disentangles no less than beta "
            f"{high.number:g}",
            "difference of the mutual information gaps",
            near.values("mig") - high.values("mig"),
            above=-0.05,
        ),
        decide_mean(
            f"7. Codes drawn have a smaller gap than their means, beta "
            f"{bound.number:g}",
            "difference of the mutual information gaps",
            bound.values("sampled_mig") - bound.values("mig"),
            below=0.0,
        ),
    ]
    return claims


def _of_prices(held: list[Setting], bound: Setting, high: Setting) -> list[Claim]:
    rates, distortions = (
        np.stack([s.values(name) for s in held]) for name in ("rate", "distortion")
    )
    pair = f"beta {high.number:g} against {bound.number:g}"
    return [
        decide_mean(
            "1. With every larger beta the rate is less",
            "largest change of the rate from one beta to the next, nats",
            np.diff(rates, axis=0).max(axis=0),
            below=0.0,
        ),
        decide_mean(
            "1. With every larger beta the distortion is more",
            "least change of the distortion from one beta to the next, nats",
            np.diff(distortions, axis=0).min(axis=0),
            above=0.0,
        ),
        *(
            decide_mean(
                f"2. A large beta disentangles, {pair}, by {words}",
                "difference of the scores",
                high.values(name) - bound.values(name),
                above=0.0,
            )
            for name, words in _SCORES.items()
        ),
        decide_mean(
            f"3. A large beta has less total correlation, {pair}",
            "difference, nats",
            high.values("total_correlation") - bound.values("total_correlation"),
            below=0.0,
        ),
    ]


def _divergence(setting: Setting) -> np.ndarray:
    return setting.values("total_correlation") + setting.values("dimension_kl")


def _nearest(settings: list[Setting], number: float) -> Setting:
    return min(settings, key=lambda setting: abs(setting.number - number))
