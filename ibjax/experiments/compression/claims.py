"""Claims of Butakov et al. (2024) about estimates from codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ibjax.claims.claim import Claim, decide
from ibjax.experiments.choices import best_place
from ibjax.numerics import checks
from ibjax.results.intervals import mean_estimate

__all__ = ["PUBLISHED_KSG", "PUBLISHED_WKL", "compression_claims"]

PUBLISHED_KSG, PUBLISHED_WKL = 6.01, 6.49
"""The best published at 10 nats, from 10,000 pairs of latent numbers of the same
marginals (tables of the program of Butakov et al., correlated uniform variables)."""

# The error that is called small, and the information up to which it is asked for.
_CLOSE_NATS = 0.5
_LOW_NATS = 5
_PUBLISHED_NATS = 10
# What one compressor loses against another is told by this estimator.
_COMPARED = "ksg"

_Rows = Sequence[Mapping[str, Any]]


def compression_claims(
    rows: _Rows, *, families: Mapping[str, str], estimators: Mapping[str, str]
) -> list[Claim]:
    """Claims about estimators after compression, against estimates of known truth.

    In order, for every kind and size of images, the estimator that does best up to 5
    nats being named in the first two, chosen with the truth at hand:

    1. After the autoencoder it stays within 0.5 nats of the truth up to 5 nats.
    2. At 10 nats, where they are among the values, it ends above the best published.
    3. Principal components lose more than 0.5 nats against the autoencoder, by KSG.
    4. The autoencoder loses less than 0.5 nats against the true latents, by KSG. Both
       at 5 nats and at the largest value.

    Args:
      rows: One dictionary for each estimate: ``family``, ``size`` of the images (None
        for latents), ``compressor`` (``latents``, ``autoencoder`` or ``pca``),
        ``information``, the truth in nats, ``seed``, ``estimator`` and ``value`` in
        nats, None where it is not finite.
      families: Labels of the kinds of images, by name.
      estimators: Labels of the estimators that are compared, by name: those that ran on
        every seed and value.

    Returns:
      The claims.

    Raises:
      ValueError: If there are no rows.

    References:
      Butakov et al., `Information bottleneck analysis of deep neural networks via lossy
      compression`, ICLR 2024.

    Example:
      >>> row = {"family": "f", "size": 16, "compressor": "autoencoder"}
      >>> row |= {"information": 5, "estimator": "ksg"}
      >>> rows = [row | {"seed": n, "value": 5.1 + n / 100} for n in range(3)]
      >>> for claim in compression_claims(
      ...     rows, families={"f": "Blobs"}, estimators={"ksg": "KSG"}
      ... ):
      ...     print(claim.verdict, claim.claim)
      holds 1. Blobs, 16 x 16: KSG after the autoencoder stays within 0.5 nats of the
      truth up to 5 nats
    """
    checks.not_empty("rows", rows, "estimate")
    top = max(row["information"] for row in rows)
    found: list[Claim] = []
    for family, label in families.items():
        for size in sorted({row["size"] for row in rows if row["size"] is not None}):
            codes, linear = (
                _chosen(rows, family=family, size=size, compressor=compressor)
                for compressor in ("autoencoder", "pca")
            )
            latents = _chosen(rows, family=family, compressor="latents")
            low = [row for row in codes if row["information"] <= _LOW_NATS]
            names = estimators.keys() & {row["estimator"] for row in low}
            if not names:
                continue
            where = f"{label}, {size} x {size}"
            errors = {n: _largest_errors(low, n) for n in sorted(names)}
            # No estimator is the best by the few pairs of which it has a value.
            mostly = {n: e for n, e in errors.items() if np.isfinite(e).mean() > 0.5}
            best, *_ = errors
            if mostly:
                best = list(mostly)[best_place(list(mostly.values()))]
            found += _best(where, estimators[best], best, codes, low, top)
            found += _losses(where, codes, linear, latents, top)
    return found


def _best(where, label, name, codes, low, top) -> Iterator[Claim]:
    errors = _largest_errors(low, name)
    yield decide(
        f"1. {where}: {label} after the autoencoder stays within {_CLOSE_NATS} nats of "
        f"the truth up to {_LOW_NATS} nats",
        "largest error, nats",
        mean_estimate(errors),
        num_seeds=len(errors),
        below=_CLOSE_NATS,
    )
    if top == _PUBLISHED_NATS:
        values = np.array(list(_values(codes, name, top).values()))
        yield decide(
            f"2. {where}: {label} after the autoencoder ends above the best published "
            f"from twice the pairs (KSG {PUBLISHED_KSG}, WKL {PUBLISHED_WKL})",
            "estimate at 10 nats, nats",
            mean_estimate(values),
            num_seeds=len(values),
            above=PUBLISHED_WKL,
        )


def _losses(where, codes, linear, latents, top) -> Iterator[Claim]:
    for claim, quantity, more, less, limit in (
        (
            f"3. {where}: principal components lose more than {_CLOSE_NATS} nats",
            "autoencoder less components",
            codes,
            linear,
            "above",
        ),
        (
            f"4. {where}: the autoencoder loses less than {_CLOSE_NATS} nats",
            "true latents less autoencoder",
            latents,
            codes,
            "below",
        ),
    ):
        for information in sorted({_LOW_NATS, top}):
            first, second = (
                _values(rows, _COMPARED, information) for rows in (more, less)
            )
            if both := sorted(first.keys() & second.keys()):
                lost = np.array([first[seed] - second[seed] for seed in both])
                yield decide(
                    claim,
                    f"{quantity}, at {information:g} nats by KSG, nats",
                    mean_estimate(lost),
                    num_seeds=len(first.keys() | second.keys()),
                    **{limit: _CLOSE_NATS},
                )


def _chosen(rows: _Rows, **where: Any) -> _Rows:
    return [row for row in rows if all(row[k] == v for k, v in where.items())]


def _values(rows: _Rows, name: str, information: float) -> dict[int, float]:
    """Estimates by seed; NaN where there is none."""
    chosen = _chosen(rows, estimator=name, information=information)
    return {
        row["seed"]: np.nan if row["value"] is None else row["value"] for row in chosen
    }


def _largest_errors(rows: _Rows, name: str) -> np.ndarray:
    """Largest distance from the truth of every seed; an estimate may be missing."""
    largest: dict[int, float] = {}
    for row in _chosen(rows, estimator=name):
        known = row["value"] is not None and np.isfinite(row["value"])
        value = row["value"] if known else np.inf
        error = abs(value - row["information"])
        largest[row["seed"]] = max(largest.get(row["seed"], 0.0), error)
    return np.array([largest[seed] for seed in sorted(largest)])
