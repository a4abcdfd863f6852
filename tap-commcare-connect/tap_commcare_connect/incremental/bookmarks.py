"""How far a full read of all opportunities has come, as the state holds it. Pure.

Opportunities are read side by side, so that several may be open, each at a place of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from tap_common.timestamps import parse

Entry = dict[str, Any]
Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

CLOCKS_DIFFER = timedelta(hours=1)
RESUMABLE_FOR = timedelta(days=3)
"""An interrupted read is not continued after so long: its first parts are out of date."""


@dataclass
class ReadProgress:
    """Which opportunities are done, and where the others stand."""

    began_at: str
    """A moment, as RFC 3339 in UTC."""
    scope: list[Any] = field(default_factory=list)
    done: list[Id] = field(default_factory=list)
    open: dict[str, Id] = field(default_factory=dict)
    """The last id that was read, by opportunity."""

    @property
    def is_continued(self) -> bool:
        """Tell whether something was read already."""
        return bool(self.done or self.open)

    @classmethod
    def of(cls, held: object, scope: list[Any], now: datetime) -> ReadProgress | None:
        """Return a position that a state holds, if it can be continued."""
        try:
            found = msgspec.convert(held, cls)
            is_fresh = -CLOCKS_DIFFER < now - parse(found.began_at) < RESUMABLE_FOR
        except (msgspec.ValidationError, ValueError, OverflowError):
            return None
        return found if is_fresh and found.scope == scope else None

    def entry(self) -> Entry:
        """Return what the state holds."""
        held: Entry = {"began_at": self.began_at, "done": self.done, "open": self.open}
        return held | ({"scope": self.scope} if self.scope else {})

    def after(self, opportunity: int) -> int | None:
        """Return the last id that was read in an opportunity."""
        return self.open.get(str(opportunity))

    def advance(self, opportunity: int, last_id: int | None) -> None:
        """Note a page: the id that it ends with, or None after the last."""
        if last_id is not None:
            self.open[str(opportunity)] = last_id
            return
        self.open.pop(str(opportunity), None)
        if opportunity not in self.done:
            self.done.append(opportunity)


def ids_of(held: object) -> list[int]:
    """Return the ids in a list that a state holds."""
    return [each for each in held if type(each) is int] if isinstance(held, list) else []
