"""Published claims about the information plane, held against a sweep.

Each claim comes down to one number with a 95 % interval over seeds and a criterion,
and the interval alone decides: the claim holds if all of it meets the criterion, does
not hold if none of it does, and is undecided otherwise. Informations come in as nats;
a :class:`Claim` gives them in bits and says so.
"""

from ibjax.claims.claim import Claim, claims_json, claims_markdown, decide
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
    "decide",
    "write_claims",
]
