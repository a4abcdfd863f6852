"""The progress of a full read of all opportunities, as stored in the state. Pure.

Opportunities are read concurrently, so several may be unfinished, each at a different id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from tap_common.timestamps import parse

Entry = dict[str, Any]
# Connect's ids are those of Postgres. A larger one was not written by this tap; rows are read after
# the stored id, so that it would hide all of them.
Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

CLOCK_SKEW = timedelta(hours=1)
RESUMABLE_FOR = timedelta(days=3)
"""An interrupted read that is older is not resumed: the rows that it read first are out of date."""


@dataclass
class ReadProgress:
    """Which opportunities are complete, and the last id read of each unfinished one."""

    began_at: str
    """RFC 3339 in UTC."""
    scope: list[Any] = field(default_factory=list)
    done: list[Id] = field(default_factory=list)
    open: dict[str, Id] = field(default_factory=dict)
    """The last id read of each unfinished opportunity."""

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier run has read some of it."""
        return bool(self.done or self.open)

    @classmethod
    def stored(cls, value: object, scope: list[Any], now: datetime) -> ReadProgress | None:
        """Return the progress stored in a state, if it can be resumed."""
        try:
            progress = msgspec.convert(value, cls)
            is_fresh = -CLOCK_SKEW < now - parse(progress.began_at) < RESUMABLE_FOR
        except (msgspec.ValidationError, ValueError, OverflowError):
            return None
        # Under other filters, done lists opportunities that are not wanted and lacks some that are.
        return progress if is_fresh and progress.scope == scope else None

    def entry(self) -> Entry:
        """Return the progress in the format of the state."""
        entry: Entry = {"began_at": self.began_at, "done": self.done, "open": self.open}
        # Without filters there is no scope: the state is written after each page and stays short.
        return entry | ({"scope": self.scope} if self.scope else {})

    def last_id(self, opportunity: int) -> int | None:
        """Return the last id read of an opportunity; None if it has not been begun."""
        return self.open.get(str(opportunity))

    def advance(self, opportunity: int, last_id: int | None) -> None:
        """Record that a page was read: ``last_id`` is its last id, or None if no page follows."""
        if last_id is not None:
            self.open[str(opportunity)] = last_id
            return
        self.open.pop(str(opportunity), None)
        # A list, since JSON has no sets: looking through some hundred ids costs nothing beside the
        # request for a page.
        if opportunity not in self.done:
            self.done.append(opportunity)


def stored_ids(value: object) -> list[int]:
    """Return the ids in a list from the state, ignoring anything that is not an id."""
    return [each for each in value if type(each) is int] if isinstance(value, list) else []
