"""Claims of Kolchinsky, Tracey and Van Kuyk (2019) about certain labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean, exact_claim
from ibjax.experiments.deterministic.setup import METHODS, solve_table
from ibjax.results.cells import configured_cells

__all__ = ["Point", "deterministic_claims", "points_of"]

# Rounding of the exact solutions, in nats.
_EXACT = 1e-3
_LABELS = {
    "vib": "variational bound",
    "nonlinear": "bound by pairs",
    "squared": "its square",
}


class Point(NamedTuple):
    """Networks of one price, at their last snapshot.

    Attributes:
      beta: The price.
      i_xz: I(X;Z) without a prior in nats, ``[num_seeds]``.
      i_zy: I(Z;Y) likewise.
      test_error: Share of wrong classes.
    """

    beta: float
    i_xz: np.ndarray
    i_zy: np.ndarray
    test_error: np.ndarray


def points_of(dataset: xr.Dataset) -> dict[str, list[Point]]:
    """Networks of every objective by price.

    Args:
      dataset: Dataset of
        :class:`ibjax.experiments.deterministic.setup.DeterministicSetup`.

    Returns:
      For every objective its points, prices increasing.

    Raises:
      ValueError: If it is no such dataset.
    """
    if "test_rate" not in dataset or "method" not in dataset.dims:
        raise ValueError(
            "dataset must be of networks through a code, over methods, got "
            f"{list(dataset.data_vars)}"
        )
    found: dict[str, list[Point]] = {}
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)
        names = [str(name) for name in last.layer_name.values]
        layer = next(n for n, name in enumerate(names) if name.startswith("code "))
        code = last.isel(layer=layer).sel(estimator="mixture")
        found.setdefault(str(own["method"]), []).append(
            Point(
                float(own["beta"]),
                code.i_xt.values.astype(np.float64),
                code.i_ty.values.astype(np.float64),
                last.test_error.values.astype(np.float64),
            )
        )
    return {
        method: sorted(found[method], key=lambda point: point.beta)
        for method in METHODS
        if method in found
    }


def deterministic_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about bottlenecks of certain labels, at the last snapshot.

    Information is of the networks' codes, without a prior. In order:

    1. Of a table, exactly: no price has a point between the ends of the curve; the
       squared bottleneck has I(X;T) = 1 / (2 beta), up to H(Y).
    2. So it is with networks: between two neighbouring prices I(Z;Y) jumps by more than
       half of H(Y), by the bound by pairs; and (ours) by the variational bound, whose
       rate is against a fixed prior and costs more than the information.
    3. The square has no such jump. Neither is asked of prices that do not tell.
    4. (Ours.) I(X;Z) of the squared objective is 1 / (2 beta), up to H(Y), to within
       0.3 nats, the mean over prices. (What is trained is an upper bound on it.)
    5. (Ours.) Its codes lie on the curve to within 0.3 nats, the mean over prices of
       I(X;Z) - I(Z;Y).

    Args:
      dataset: Dataset of
        :class:`ibjax.experiments.deterministic.setup.DeterministicSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Kolchinsky, Tracey and Van Kuyk, `Caveats for information bottleneck in
      deterministic scenarios`, ICLR 2019.
    """
    points = points_of(dataset)
    h_y = float(dataset.attrs["h_y"])
    betas = tuple(sorted({p.beta for own in points.values() for p in own}))
    claims = _exact_claims(betas)

    for method, own in points.items():
        told = np.stack([p.i_zy for p in own])
        squared = method == "squared"
        if _tells_jumps([p.beta for p in own], h_y, squared):
            words = (
                "3. {}: the codes do not jump" if squared else "2. {}: the codes jump"
            )
            claims.append(
                decide_mean(
                    words.format(_LABELS[method]),
                    "largest change of I(Z;Y) from one beta to the next over H(Y)",
                    np.max(np.abs(np.diff(told, axis=0)), axis=0) / h_y,
                    **({"below": 0.5} if squared else {"above": 0.5}),
                )
            )
        if squared:
            held = np.stack([p.i_xz for p in own])
            expected = np.array([[min(1 / (2 * p.beta), h_y)] for p in own])
            claims += [
                decide_mean(
                    f"4. {_LABELS[method]}: the price says how much is held",
                    "mean distance of I(X;Z) from 1 / (2 beta) or H(Y), nats",
                    np.mean(np.abs(held - expected), axis=0),
                    below=0.3,
                ),
                decide_mean(
                    f"5. {_LABELS[method]}: codes lie on the curve",
                    "mean of I(X;Z) less I(Z;Y), nats",
                    np.mean(held - told, axis=0),
                    below=0.3,
                ),
            ]
    return claims


def _tells_jumps(betas: list[float], h_y: float, squared: bool) -> bool:
    """Check that prices tell a jump from none, if codes are what they should be.

    Without the square they jump at a price of one; with it they hold 1 / (2 beta), of
    which prices far apart leave more than half out, too.
    """
    if not squared:
        return min(betas) < 1 < max(betas)
    held = np.minimum(1 / (2 * np.array(betas)), h_y)
    return len(betas) > 1 and bool(np.max(np.abs(np.diff(held))) < 0.5 * h_y)


def _exact_claims(betas: tuple[float, ...]) -> list[Claim]:
    # At a price of one every point of the curve is as good as any other.
    betas = tuple(beta for beta in betas if beta != 1)
    if not betas:
        return []
    solved = solve_table(betas)
    inside = np.max(np.minimum(solved.plain[1], np.abs(solved.h_y - solved.plain[1])))
    expected = np.minimum(1 / (2 * solved.betas), solved.h_y)
    off = np.max(np.abs(solved.squared[0] - expected))
    return [
        exact_claim(
            f"1. {words}, exactly, for a table",
            quantity,
            f"below {_EXACT:g}",
            float(value),
            "holds" if value < _EXACT else "does not hold",
        )
        for words, quantity, value in (
            (
                "no price has a point between the ends of the curve",
                "largest distance of I(T;Y) from 0 or H(Y), nats",
                inside,
            ),
            (
                "the square has I(X;T) = 1 / (2 beta), up to H(Y)",
                "largest distance, nats",
                off,
            ),
        )
    ]
