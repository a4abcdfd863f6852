"""How far a full read of all opportunities has come, as the state stores it. Pure.

Opportunities are read side by side, so that several may be unfinished, each at its own id.
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
"""An older interrupted read is not resumed: what it read first is out of date."""


@dataclass
class ReadProgress:
    """Which opportunities are complete, and how far the unfinished ones are."""

    began_at: str
    """RFC 3339 in UTC."""
    scope: list[Any] = field(default_factory=list)
    done: list[Id] = field(default_factory=list)
    open: dict[str, Id] = field(default_factory=dict)
    """The last id that was read, by opportunity."""

    @property
    def is_resumed(self) -> bool:
        """Whether something has been read already."""
        return bool(self.done or self.open)

    @classmethod
    def stored(cls, value: object, scope: list[Any], now: datetime) -> ReadProgress | None:
        """Return the progress in a state, if it can be resumed."""
        try:
            progress = msgspec.convert(value, cls)
            is_fresh = -CLOCK_SKEW < now - parse(progress.began_at) < RESUMABLE_FOR
        except (msgspec.ValidationError, ValueError, OverflowError):
            return None
        # Under other filters, done lists opportunities that are not wanted and lacks some that are.
        return progress if is_fresh and progress.scope == scope else None

    def entry(self) -> Entry:
        """Return the progress as it is stored in the state."""
        entry: Entry = {"began_at": self.began_at, "done": self.done, "open": self.open}
        # Without filters there is no scope: the state is written after each page and stays short.
        return entry | ({"scope": self.scope} if self.scope else {})

    def last_id(self, opportunity: int) -> int | None:
        """Return the last id that was read of an opportunity."""
        return self.open.get(str(opportunity))

    def advance(self, opportunity: int, last_id: int | None) -> None:
        """Record a page of an opportunity: its last id, or None for the last page."""
        if last_id is not None:
            self.open[str(opportunity)] = last_id
            return
        self.open.pop(str(opportunity), None)
        # A list, since JSON has no sets: looking through some hundred ids costs nothing beside the
        # request for a page.
        if opportunity not in self.done:
            self.done.append(opportunity)


def stored_ids(value: object) -> list[int]:
    """Return the ids in a list of a state, without what is not an id."""
    return [each for each in value if type(each) is int] if isinstance(value, list) else []
