"""Counts the different rows of a list, to notice a list that changes places while it is read.

The order of most lists is unspecified: a row may come on two pages, and another on none, while the
number of rows is right. It must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

# So many rows are told apart, a few megabytes; longer lists are not checked.
MOST_COUNTED = 100_000


@dataclass
class RowCounter:
    """The rows that were seen since a list had as many as it has now, in one pass or several."""

    _total: int | None = None
    _seen: set[int] = field(default_factory=set)
    _before: int = 0
    """How many were seen before this pass."""
    _is_counting: bool = False

    def begin(self, total: int | None) -> None:
        """Begin a pass over a list that counts so many rows."""
        if total != self._total:
            self.forget()
        self._total, self._before = total, len(self._seen)
        self._is_counting = total is not None and total <= MOST_COUNTED

    def forget(self) -> None:
        """Forget what was seen: rows have come or gone, so it proves nothing."""
        self._total, self._seen, self._is_counting = None, set(), False

    def add(self, page: Iterable[Hashable]) -> None:
        """Note the rows of a page."""
        if self._is_counting:
            self._seen.update(hash(identity) for identity in page)

    @property
    def is_complete(self) -> bool:
        """Tell at the end of a pass whether all rows were seen.

        A pass that finds nothing new is complete, too: then the list holds rows twice.
        """
        if not self._is_counting or self._total is None:
            return True
        return len(self._seen) >= self._total or len(self._seen) == self._before
