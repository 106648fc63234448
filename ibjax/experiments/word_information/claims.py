"""Claims about the noise of words, after Guan et al. (2019)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.word_information.groups import GROUPS
from ibjax.numerics import checks

__all__ = ["deletion_scores", "group_entropies", "word_claims"]


def group_entropies(dataset: xr.Dataset) -> np.ndarray:
    """Mean entropy of the words of every group, less that of all words.

    Args:
      dataset: Dataset of one kind of network.

    Returns:
      Nats for each dimension, ``[num_groups, num_seeds, num_layers]``: the mean over
      words after each sentence's own mean is subtracted; NaN for a group that no
      sentence has.
    """
    entropy = dataset.entropy.transpose("seed", "layer", "sentence", "word").values
    group = dataset.group.transpose("sentence", "word").values
    present = group >= 0
    count = np.maximum(present.sum(axis=1), 1)
    mean = np.where(present, entropy, 0).sum(axis=3) / count
    relative = entropy - mean[..., None]
    found = np.full((len(GROUPS), *entropy.shape[:2]), np.nan)
    for number in range(len(GROUPS)):
        if (group == number).any():
            found[number] = relative[..., group == number].mean(axis=2)
    return found


def deletion_scores(dataset: xr.Dataset) -> np.ndarray:
    """Area between the curves of least and of most relevant first.

    Returns:
      Mean over sentences, ``[num_orders, num_seeds]``.
    """
    curves = dataset.deletion.mean("sentence")
    gap = curves.sel(direction="least") - curves.sel(direction="most")
    gap = gap.transpose("order", "seed", "fraction").values
    return np.trapezoid(gap, dataset.fraction.values, axis=2)


def word_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims about the noise that words bear, over networks of every kind.

    A word that bears less noise tells more of the hidden state. In order:

    1. Words of sentiment bear less noise than the mean of their sentence's words, in
       the last layer.
    2. So do negations.
    3. Function words bear more.
    4. What sets words of sentiment apart grows from the first layer to the last.
    5. The last layer leaves more of a word open than the first: layers forget.
    6. Deleting the words that bear the least noise first lowers the probability of the
       class more than deleting them last.
    7. It does so more than the order of gradient times input. The paper does not claim
       so.

    Args:
      datasets: Datasets of
        :func:`ibjax.experiments.word_information.measured.measure_kind`, by kind.

    Returns:
      The claims.

    Raises:
      ValueError: If a dataset is no such dataset.

    References:
      Guan et al., `Towards a deep and unified understanding of deep neural models in
      NLP`, ICML 2019, section 4.
    """
    claims = []
    for kind, dataset in datasets.items():
        needed = ("entropy", "deletion", "group")
        checks.holds("dataset", list(dataset.data_vars), *needed, why="of words")
        groups = dict(zip(GROUPS, group_entropies(dataset), strict=True))
        scores = dict(zip(dataset.order.values, deletion_scores(dataset), strict=True))
        present = dataset.group >= 0
        level = dataset.entropy.where(present).mean(["sentence", "word"])
        level = level.transpose("seed", "layer").values
        unit = "nats a dimension"
        own = "less that of the sentence's words"
        for number, group, words, limits in (
            (1, "sentiment", "words of sentiment bear less noise", {"below": 0.0}),
            (2, "negation", "negations bear less noise", {"below": 0.0}),
            (3, "function", "function words bear more noise", {"above": 0.0}),
        ):
            claims.append(
                decide_mean(
                    f"{number}. {kind}: {words} than others in the last layer",
                    f"entropy {own}, {unit}",
                    groups[group][:, -1],
                    **limits,
                )
            )
        claims += [
            decide_mean(
                f"4. {kind}: what sets words of sentiment apart grows with the layers",
                f"entropy {own}, last layer less first, {unit}",
                groups["sentiment"][:, -1] - groups["sentiment"][:, 0],
                below=0.0,
            ),
            decide_mean(
                f"5. {kind}: the last layer leaves more open than the first",
                f"entropy, last layer less first, {unit}",
                level[:, -1] - level[:, 0],
                above=0.0,
            ),
            decide_mean(
                f"6. {kind}: words that bear the least noise decide the class",
                "area between deletion curves, least relevant first less most",
                scores["noise"],
                above=0.0,
            ),
            decide_mean(
                f"7. {kind}: they do so more than by gradient × input",
                "area between deletion curves, difference",
                scores["noise"] - scores["gradient × input"],
                above=0.0,
            ),
        ]
    return sorted(claims, key=lambda claim: claim.claim.split(".")[0])
