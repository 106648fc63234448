"""What came of the rounds of a campaign, counted."""

import collections
import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["LONGEST_SECONDS", "OUTCOMES", "Tally"]

OUTCOMES = ("answered", "refused", "raw error", "silently wrong", "lost", "hung")
# No round takes so long where nothing hangs.
LONGEST_SECONDS = 60


class Tally:
    """Outcomes of a campaign; those that should not be are listed."""

    def __init__(self):
        """Count nothing yet."""
        self._outcomes = collections.Counter()
        self._faults = collections.Counter()
        self._slow = False

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Context of one round, to be added in it; a long one counts as hung."""
        start = time.monotonic()
        yield
        if time.monotonic() - start > LONGEST_SECONDS:
            self.add("hung", "took longer than a minute")

    def add(self, outcome: str, what: str = "") -> None:
        """Count an outcome; ``what`` describes a fault."""
        self._outcomes[outcome] += 1
        if outcome not in ("answered", "refused"):
            self._faults[f"{outcome}: {what}"] += 1

    def row(self, campaign: str, **more: Any) -> dict[str, Any]:
        """Row of the table; prints the faults first, the most frequent on top."""
        for text, count in self._faults.most_common():
            print(f"{count} x {text}", file=sys.stderr)
        return {"campaign": campaign, **self._outcomes, **more}
