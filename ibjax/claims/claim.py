"""Claims: a number, its interval, a criterion and the verdict, as JSON and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ibjax.results.intervals import Estimate

__all__ = ["Claim", "claims_json", "claims_markdown", "decide", "exact_claim"]


class Claim(NamedTuple):
    """A claim, the number that decides it, and the verdict.

    Attributes:
      claim: The claim, a statement that is true or false.
      quantity: The quantity that decides it, with its unit.
      criterion: Condition on the whole interval, e.g. ``"above 0.1"``.
      value: The number.
      low: Lower end of its 95 % interval; NaN with too few seeds for one, ``value`` for
        a number that is not random.
      high: Upper end of the interval, likewise.
      verdict: ``"holds"``, ``"does not hold"`` or ``"undecided"``.
      num_seeds: Number of seeds behind the number; None for one that is not random.
      num_left_out: Number of the other seeds, which diverged or lack the quantity.
    """

    claim: str
    quantity: str
    criterion: str
    value: float
    low: float
    high: float
    verdict: str
    num_seeds: int | None
    num_left_out: int


def decide(
    claim: str,
    quantity: str,
    estimate: Estimate,
    *,
    num_seeds: int,
    above: float = -math.inf,
    below: float = math.inf,
) -> Claim:
    """Claim about a number over seeds, with the verdict of its interval.

    Args:
      claim: See :class:`Claim`.
      quantity: See :class:`Claim`.
      estimate: The number.
      num_seeds: Number of all seeds, those without the quantity included.
      above: Lower bound on the whole interval.
      below: Upper bound on the whole interval.

    Returns:
      The claim.

    Example:
      >>> estimate = Estimate(2.0, 1.5, 2.5, 9)
      >>> decide("It is so", "x", estimate, num_seeds=9, above=1.0).verdict
      'holds'
    """
    value, low, high, count = estimate
    verdict = "undecided"
    known = not (math.isnan(low) or math.isnan(high))
    # Without a bound on a side, even an infinite end of the interval satisfies it.
    enough = above == -math.inf or low > above
    if known and enough and (below == math.inf or high < below):
        verdict = "holds"
    elif high < above or low > below:
        verdict = "does not hold"
    bounds = [f"above {above:g}"] if above > -math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []
    criterion = " and ".join(bounds)
    left_out = num_seeds - count
    return Claim(claim, quantity, criterion, value, low, high, verdict, count, left_out)


def exact_claim(
    claim: str, quantity: str, criterion: str, value: float, verdict: str
) -> Claim:
    """Claim about a number that is not random: its interval is a point, of no seeds.

    Args:
      claim: See :class:`Claim`.
      quantity: See :class:`Claim`; its unit may be any.
      criterion: Condition on the number, e.g. ``"below 0.01"``.
      value: The number.
      verdict: ``"holds"``, ``"does not hold"`` or ``"undecided"``.

    Returns:
      The claim.

    Example:
      >>> claim = exact_claim("It is so", "beta", "above 1", 1.5625, "holds")
      >>> claim.low, claim.high, claim.num_seeds
      (1.5625, 1.5625, None)
    """
    return Claim(claim, quantity, criterion, value, value, value, verdict, None, 0)


def claims_json(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Claims as dictionaries in JSON's types.

    Args:
      claims: The claims.

    Returns:
      One dictionary per claim; NaN becomes ``None`` and an infinity ``"inf"``.

    Example:
      >>> nan = float("nan")
      >>> claim = Claim("c", "q", "above 1", nan, nan, nan, "undecided", 0, 2)
      >>> claims_json([claim])[0]["value"] is None
      True
    """
    return [{k: _plain(v) for k, v in c._asdict().items()} for c in claims]


def claims_markdown(claims: Sequence[Claim]) -> str:
    """Claims as a Markdown table, with a note on intervals over seeds if there are any.

    Args:
      claims: The claims.

    Returns:
      The table and the note, with a newline at the end. A dash stands for a number
      that does not exist.

    Example:
      >>> claim = Claim("It is so", "x, bits", "above 1", 2.0, 1.5, 2.5, "holds", 9, 1)
      >>> print(claims_markdown([claim]).splitlines()[2])
      | It is so | x, bits: 2.00 [1.50, 2.50], n = 9 (1 left out) | above 1 | holds |
    """
    rows = ["| claim | number that decides it | holds if | verdict |"]
    rows.append("| --- | --- | --- | --- |")
    for c in claims:
        number = f"{c.quantity}: {_with_interval(c)}"
        rows.append(f"| {c.claim} | {number} | {c.criterion} | {c.verdict} |")
    random = not claims or any(c.num_seeds is not None for c in claims)
    return "\n".join([*rows, "", *([_NOTE, ""] if random else [])])


_NOTE = (
    "In brackets 95 % intervals over seeds, each by itself, not corrected for their "
    "number; n is the number of seeds, and those left out diverged or lack the "
    "quantity. A claim holds if the whole interval meets the criterion, does not hold "
    "if none of it does, and is undecided otherwise or with too few seeds for an "
    "interval."
)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _with_interval(claim: Claim) -> str:
    if claim.num_seeds is None:
        return "-" if math.isnan(claim.value) else f"{claim.value:.6g}"
    left_out = f" ({claim.num_left_out} left out)" if claim.num_left_out else ""
    value, low, high = map(_number, (claim.value, claim.low, claim.high))
    return f"{value} [{low}, {high}], n = {claim.num_seeds}{left_out}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    # Two decimals, or two significant digits where that would leave fewer.
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
