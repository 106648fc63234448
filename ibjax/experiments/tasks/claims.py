"""Claims of Achille et al. about distances between tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.tasks.photographs import ANIMALS
from ibjax.weights.tasks import task_distances

__all__ = ["information_distances", "tasks_claims"]


def information_distances(found: Mapping[str, Any]) -> np.ndarray:
    """Distances of every seed, nats, ``[num_seeds, num_tasks, num_tasks]``."""
    return np.stack(
        [
            task_distances(np.asarray(alone, np.float64), np.asarray(joint, np.float64))
            for alone, joint in zip(found["information"], found["joint"], strict=True)
        ]
    )


def tasks_claims(distances: Mapping[str, Any]) -> list[Claim]:
    """Claims about both distances; those of tasks that were not measured are left out.

    Of information distances, with d(D -> D) of a task and its copy as the floor:

    1. Digits of other images, the same task, are nearer than random labels.
    2. The distance of rotated digits grows with the angle, from the least to the
       largest.
    3. From the complex to the simple is nearer than back: from random labels to digits
       than from digits to random labels; from digits to their parity, to a half of
       them and to the digits 0 to 4 than back.
    4. A copy of a task costs something: the mean of the diagonal is above zero.
    5. No distance is negative by more than a hundredth of the largest: a network that
       holds two tasks holds no less than one that holds one of them.
    13. A subset is nearer than other images of the same task: from digits, a half of
        them than other digits.
    14. Classes of other names are another task: from digits, permuted classes are
        farther than a copy.

    Of Task2Vec, in both forms, between different samples of images:

    6. A task is nearer to itself than to the nearest other one, on average.
    7. The distance of rotated digits grows with the angle.
    8. Pairs that share a digit are nearer than those that share none.
    9. The norm tells complexity: ten classes have a larger one than pairs; and they
       are farther from a trivial task, of one class, so that by the asymmetric distance
       they are the nearer start.
    15. Both forms tell the same: the rank correlation of their distances between
        different tasks is above a half.

    Of Task2Vec of telling one class of photographs from all others:

    10. A task is nearer to itself than to the nearest other one, on average.
    11. Animals are nearer to animals, and vehicles to vehicles, than to each other.
    12. The tree of tasks first divides animals from vehicles: eight of ten classes are
        on their side.

    Args:
      distances: What :func:`ibjax.experiments.tasks.measure.run` measured.

    Returns:
      The claims.

    References:
      Achille, Mbeng, Paolini and Soatto, `The information complexity of learning tasks,
      their structure and their distance`, Information and Inference 10, 2021. Achille
      et al., `Task2Vec: task embedding for meta-learning`, ICCV 2019.
    """
    found = _of_information(distances["information"])
    found += _of_task2vec(distances["task2vec"], "Task2Vec")
    if "variational" in distances["task2vec"]:
        found += _of_variational(distances["task2vec"])
    if "photographs" in distances:
        found += _of_photographs(distances["photographs"])
    return found


def _angles(names: list[str]) -> list[str]:
    angles = [name for name in names if name.endswith("°")]
    return sorted(angles, key=lambda name: float(name[:-1]))


def _of_information(found: Mapping[str, Any]) -> list[Claim]:
    names = list(found["tasks"])
    d = information_distances(found)
    nats = "difference of the distances, nats"

    def of(first, second):
        return d[:, names.index(first), names.index(second)]

    def known(*needed):
        return set(needed) <= set(names)

    claims = []
    if known("digits", "other digits", "random"):
        claims.append(
            decide_mean(
                "1. from digits, other digits are nearer than random labels",
                nats,
                of("digits", "other digits") - of("digits", "random"),
                below=0.0,
            )
        )
    angles = _angles(names)
    if known("digits") and len(angles) > 1:
        claims.append(
            decide_mean(
                f"2. from digits, {angles[-1]} is farther than {angles[0]}",
                nats,
                of("digits", angles[-1]) - of("digits", angles[0]),
                above=0.0,
            )
        )
    for complex_one, simple_one in (
        ("random", "digits"),
        ("digits", "parity"),
        ("digits", "half"),
        ("digits", "0 to 4"),
    ):
        if known(complex_one, simple_one):
            claims.append(
                decide_mean(
                    f"3. from {complex_one} to {simple_one} is nearer than back",
                    nats,
                    of(complex_one, simple_one) - of(simple_one, complex_one),
                    below=0.0,
                )
            )
    diagonal = d[:, range(len(names)), range(len(names))]
    claims += [
        decide_mean(
            "4. a copy of a task costs something",
            "mean over tasks of d(D -> D), nats",
            diagonal.mean(axis=1),
            above=0.0,
        ),
        decide_mean(
            "5. no distance is negative",
            "least distance over the largest",
            d.min(axis=(1, 2)) / d.max(axis=(1, 2)),
            above=-0.01,
        ),
    ]
    if known("digits", "other digits", "half"):
        claims.append(
            decide_mean(
                "13. from digits, a half of them is nearer than other digits",
                nats,
                of("digits", "half") - of("digits", "other digits"),
                below=0.0,
            )
        )
    if known("digits", "permuted"):
        claims.append(
            decide_mean(
                "14. from digits, permuted classes are farther than a copy",
                nats,
                of("digits", "permuted") - of("digits", "digits"),
                above=0.0,
            )
        )
    return claims


def _of_variational(found: Mapping[str, Any]) -> list[Claim]:
    """Claims of the variational form, and of both together."""
    variational = found["variational"]
    of_form = _of_task2vec(variational, "variational Task2Vec")
    both = [np.asarray(own["distances"], np.float64) for own in (found, variational)]
    others = ~np.eye(len(found["tasks"]), dtype=bool)
    correlations = [
        spearmanr(a[others], b[others]).statistic for a, b in zip(*both, strict=True)
    ]
    of_both = decide_mean(
        "15. Task2Vec: both forms order the distances alike",
        "rank correlation over pairs of tasks",
        correlations,
        above=0.5,
    )
    return [*of_form, of_both]


def _of_task2vec(found: Mapping[str, Any], form: str) -> list[Claim]:
    names = list(found["tasks"])
    d, norms = (np.asarray(found[n], np.float64) for n in ("distances", "norms"))
    num = len(names)
    itself = d[:, range(num), range(num)]
    others = np.where(np.eye(num, dtype=bool)[None], np.inf, d).min(axis=2)
    claims = [
        decide_mean(
            f"6. {form}: a task is nearer to itself than to the nearest other one",
            "mean over tasks of the difference of the distances",
            (itself - others).mean(axis=1),
            below=0.0,
        )
    ]
    angles = _angles(names)
    if len(angles) > 2:
        at = [names.index(name) for name in angles]
        claims.append(
            decide_mean(
                f"7. {form}: from {angles[0]}, {angles[-1]} is farther than "
                f"{angles[1]}",
                "difference of the distances",
                d[:, at[0], at[-1]] - d[:, at[0], at[1]],
                above=0.0,
            )
        )
    pairs = {names.index(name): set(pair) for name, pair in found["pairs"].items()}
    shared: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for a, first in pairs.items():
        for b, second in pairs.items():
            if a != b:
                shared[len(first & second)].append(d[:, a, b])
    if shared[0] and shared[1]:
        claims.append(
            decide_mean(
                f"8. {form}: pairs that share a digit are nearer",
                "difference of the mean distances",
                np.mean(shared[1], axis=0) - np.mean(shared[0], axis=0),
                below=0.0,
            )
        )
    upright = [n for n, name in enumerate(names) if name == "0°"]
    if upright:
        claims.append(
            decide_mean(
                f"9. {form}: ten classes have a larger norm than pairs",
                "log10 of the ratio of the norms",
                np.log10(norms[:, upright[0]] / norms[:, list(pairs)].mean(axis=1)),
                above=0.0,
            )
        )
    if upright and "trivial" in found:
        origin = np.asarray(found["trivial"], np.float64)
        claims.append(
            decide_mean(
                f"9. {form}: ten classes are farther from a trivial task than pairs",
                "difference of the distances",
                origin[:, upright[0]] - origin[:, list(pairs)].mean(axis=1),
                above=0.0,
            )
        )
    return claims


def _of_photographs(found: Mapping[str, Any]) -> list[Claim]:
    names = list(found["tasks"])
    d = np.asarray(found["distances"], np.float64)
    num = len(names)
    animal = np.isin(names, ANIMALS)
    same = animal[:, None] == animal[None]
    itself = np.eye(num, dtype=bool)
    between = (d + d.transpose(0, 2, 1)) / 2
    return [
        decide_mean(
            "10. photographs: a task is nearer to itself than to the nearest other one",
            "mean over tasks of the difference of the distances",
            (d[:, itself] - np.where(itself[None], np.inf, d).min(axis=2)).mean(axis=1),
            below=0.0,
        ),
        decide_mean(
            "11. photographs: classes of one kind are nearer, animals and vehicles",
            "difference of the mean distances",
            d[:, same & ~itself].mean(axis=1) - d[:, ~same].mean(axis=1),
            below=0.0,
        ),
        decide_mean(
            "12. photographs: the tree divides animals from vehicles",
            "share of the classes on their side",
            [_on_their_side(each, animal) for each in between],
            above=0.8 - 1e-9,
        ),
    ]


def _on_their_side(distances: np.ndarray, animal: np.ndarray) -> float:
    """Share of classes on the right side of the first division of their tree."""
    if not np.isfinite(distances).all():
        return math.nan
    apart = distances - np.diag(np.diag(distances))
    tree = linkage(squareform(apart, checks=False), "average")
    share = np.mean((fcluster(tree, 2, "maxclust") == 1) == animal)
    return float(max(share, 1 - share))
