"""Published claims about the information plane, tested against a sweep.

Each claim comes down to one number with a 95 % interval over seeds and a criterion,
and the interval alone decides: the claim holds if all of it meets the criterion, does
not hold if none of it does, and is undecided otherwise. The unit of the number is
written with the quantity; informations are in bits. A number that is not random, such
as a point of an information curve, is its own interval (:func:`exact_claim`). Tables
also give the verdict after Holm's correction for their number of claims
(:func:`corrected_verdicts`), and mark claims that were added after a run had been seen.
"""

from ibjax.claims.claim import (
    Claim,
    claims_json,
    claims_markdown,
    corrected_verdicts,
    decide,
    decide_mean,
    exact_claim,
)
from ibjax.claims.writing import (
    VERDICTS,
    collect_claims,
    collection_markdown,
    conditions,
    write_claims,
)

__all__ = [
    "VERDICTS",
    "Claim",
    "claims_json",
    "claims_markdown",
    "collect_claims",
    "collection_markdown",
    "conditions",
    "corrected_verdicts",
    "decide",
    "decide_mean",
    "exact_claim",
    "write_claims",
]
