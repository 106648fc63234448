"""Claims about what layers hold of a nuisance, and what their weights hold."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.choices import best_place

__all__ = ["Prices", "nuisance_claims", "prices_of"]


class Prices(NamedTuple):
    """Networks of all prices, at their last snapshot.

    Attributes:
      betas: Prices, increasing, shape ``[num_betas]``.
      layers: Names of the hidden layers.
      information: Information in the weights, nats an image, ``[num_betas,
        num_seeds]``.
      test_error: Share of wrong classes on test images, likewise.
      nuisance: Nats of the nuisance in every hidden layer, ``[num_layers, num_betas,
        num_seeds]``.
      label: Nats of the class, likewise.
    """

    betas: np.ndarray
    layers: list[str]
    information: np.ndarray
    test_error: np.ndarray
    nuisance: np.ndarray
    label: np.ndarray


def prices_of(dataset: xr.Dataset) -> Prices:
    """Networks of all prices.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.nuisance.setup.NuisanceSetup`.

    Returns:
      The networks.

    Raises:
      ValueError: If it is no such dataset, or of one price.
    """
    if "decoded_nuisance" not in dataset or "beta" not in dataset.dims:
        raise ValueError(
            "dataset must have decoded_nuisance for several prices, got "
            f"{list(dataset.data_vars)} over {list(dataset.dims)}"
        )
    last = dataset.isel(epoch=-1).sortby("beta")
    num_train = json.loads(dataset.attrs["configuration"])["num_train"]

    def values(name, *dims):
        found = last[name].transpose(*dims, "beta", "seed").values
        return found.astype(np.float64)

    return Prices(
        last["beta"].values,
        [str(name) for name in last["layer"].values[:-1]],
        values("weight_information") / num_train,
        1 - values("test_accuracy"),
        values("decoded_nuisance", "layer")[:-1],
        values("decoded_class", "layer")[:-1],
    )


def nuisance_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about the nuisance in the last hidden layer, weights drawn.

    What is compared is what a linear decoder finds. In order:

    1. The more weights hold of the data, the more the layer holds of the nuisance: over
       prices the two have a positive rank correlation.
    2. From the price with the least test error to the lowest one, the layer gains a
       tenth of a nat of the nuisance.
    3. What it holds of the class stays, over the same prices: it changes by less than a
       tenth of a nat. Neither is asked where the lowest price has the least error.
    4. Layers grow invariant: at the price with the least test error, the last hidden
       layer holds less of the nuisance than the first one.
    5. And they keep the class: there the last hidden layer holds no less of it.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.nuisance.setup.NuisanceSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018, Fig. 4.
    """
    found = prices_of(dataset)
    best = best_place(found.test_error)
    last, label = found.nuisance[-1], found.label[-1]
    pairs = zip(found.information.T, last.T, strict=True)
    rho = [stats.spearmanr(*pair).statistic for pair in pairs]
    claims = [
        decide_mean(
            "1. what weights hold of the data and the layer of the nuisance rise "
            "together",
            "Spearman's rank correlation over prices",
            rho,
            above=0.0,
        )
    ]
    if best > 0:
        where = f"from beta {found.betas[best]:g} to {found.betas[0]:g}"
        claims += [
            decide_mean(
                f"2. {where} the layer gains of the nuisance",
                "difference, nats",
                last[0] - last[best],
                above=0.1,
            ),
            decide_mean(
                f"3. {where} what it holds of the class stays",
                "difference, nats",
                label[0] - label[best],
                above=-0.1,
                below=0.1,
            ),
        ]
    if len(found.layers) > 1:
        at = f"beta {found.betas[best]:g}"
        claims += [
            decide_mean(
                f"4. {at}: the last hidden layer holds less of the nuisance than the "
                "first",
                "difference, nats",
                last[best] - found.nuisance[0][best],
                below=0.0,
            ),
            decide_mean(
                f"5. {at}: it holds no less of the class",
                "difference, nats",
                label[best] - found.label[0][best],
                above=-0.05,
            ),
        ]
    return claims
