"""Counts the distinct rows of a list, to notice when its order changes while it is read.

The order of most lists is unspecified: a row may come on two pages, and another one on none, while
the number of rows is right. This module does not know HTTP.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

# A hash per row: a few megabytes. Longer lists are not checked.
MAX_COUNTED = 100_000


@dataclass
class RowCounter:
    """The distinct rows seen since the list last changed its length, in one pass or several."""

    _total: int | None = None
    _seen: set[int] = field(default_factory=set)
    _seen_before: int = 0
    """How many rows were seen before this pass."""
    _is_counting: bool = False

    def begin_pass(self, total: int | None) -> None:
        """Begin a pass over a list that has ``total`` rows by the server's count."""
        if total != self._total:
            self.reset()
        self._total, self._seen_before = total, len(self._seen)
        self._is_counting = total is not None and total <= MAX_COUNTED

    def reset(self) -> None:
        """Forget the rows seen so far: rows were added or removed, so they prove nothing."""
        self._total, self._seen, self._is_counting = None, set(), False

    def add(self, page: Iterable[Hashable]) -> None:
        """Count the rows of a page."""
        if self._is_counting:
            self._seen.update(hash(identity) for identity in page)

    @property
    def is_complete(self) -> bool:
        """Whether all rows were seen, at the end of a pass.

        A pass that finds nothing new is complete too: the list then contains rows twice.
        """
        if not self._is_counting or self._total is None:
            return True
        return len(self._seen) >= self._total or len(self._seen) == self._seen_before
