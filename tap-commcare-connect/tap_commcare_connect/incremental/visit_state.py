"""What is remembered of visits: a bookmark per opportunity, and the full reads. Pure.

The entry in the state, short since it is written after every page, for every opportunity::

    opportunities  by id: ``id``, the largest visit id that was read; ``visits``, how many visits
                   the list of opportunities told when it was read to its end; ``review``, the
                   smallest id of a visit that was under review then
    full_read_at   when the last complete full read began
    full_read      a full read under way: its version and position, and what will be remembered
                   of each opportunity once it is complete

While a full read is under way the opportunities stay as they are: its rows become visible
together, or never.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from tap_common.timestamps import milliseconds, parse, spell

from tap_commcare_connect.incremental.bookmarks import CLOCKS_DIFFER, Entry, Id, ReadProgress

log = logging.getLogger(__name__)


class _FullRead(msgspec.Struct):
    version: Id
    position: dict[str, Any]
    ends: dict[str, list[Id | None]] = {}


class _Entry(msgspec.Struct):
    """What is ours in an entry; another tool may have written it."""

    opportunities: dict[str, dict[str, Id]] = {}
    failed: list[Id] = []
    scope: list[Any] = []
    last_version: Id = 0
    full_read: _FullRead | None = None
    full_read_at: datetime | None = None
    full_read_failed_at: datetime | None = None
    first_read_at: datetime | None = None


def _check_past(entry: _Entry, now: datetime) -> None:
    """Raise ValueError for what cannot have been when this tap wrote it."""
    latest = now + CLOCKS_DIFFER
    moments = (entry.full_read_at, entry.full_read_failed_at, entry.first_read_at)
    if any(moment is not None and parse(spell(moment)) > latest for moment in moments):
        raise ValueError
    versions = (entry.last_version, entry.full_read.version if entry.full_read else 0)
    if max(versions) > milliseconds(latest):
        raise ValueError


class VisitState:
    """The entry of the stream ``visits``, changed in place.

    An entry that cannot be ours is forgotten: everything is read again.
    """

    def __init__(self, entry: Entry, now: datetime) -> None:
        self.entry = entry
        try:
            _check_past(msgspec.convert(entry, _Entry), now)
        except (msgspec.ValidationError, ValueError, OverflowError):
            log.warning("visits: the state is not of this tap; all visits are read again")
            entry.clear()
        self._known: dict[str, dict[str, int]] = entry.setdefault("opportunities", {})

    # ---------------------------------------------------------------- opportunities

    def last_id(self, opportunity: int) -> int | None:
        """Return the largest id that was read in an opportunity."""
        return self._known.get(str(opportunity), {}).get("id")

    def review_id(self, opportunity: int) -> int | None:
        """Return the smallest id of a visit of an opportunity that was under review."""
        return self._known.get(str(opportunity), {}).get("review")

    def forget(self, opportunity: int) -> None:
        """Forget an opportunity, which is then read from its beginning."""
        self._known.pop(str(opportunity), None)

    def is_unchanged(self, opportunity: int, visit_count: int | None) -> bool:
        """Tell whether an opportunity was read to its end when it had as many visits as now."""
        known = self._known.get(str(opportunity), {})
        return visit_count is not None and known.get("visits") == visit_count

    def reach(self, opportunity: int, last_id: int | None) -> None:
        """Note the largest id of a page; what the count was means nothing until the end."""
        known = self._known.setdefault(str(opportunity), {})
        known.pop("visits", None)
        if last_id is not None:
            known["id"] = max(last_id, known.get("id", 0))

    def finish(
        self, opportunity: int, visit_count: int | None, review_id: int | None = None
    ) -> None:
        """Note that an opportunity was read to its end, and what is under review there."""
        known = self._known.setdefault(str(opportunity), {})
        known.pop("review", None)
        if review_id is not None:
            known["review"] = review_id
        if visit_count is not None:
            known["visits"] = visit_count

    # ------------------------------------------------------------------ full reads

    def is_due(self, now: datetime, days: float, scope: list[Any]) -> bool:
        """Tell whether all visits have to be read again.

        After a full read that failed in part, the next is due after a day at most.
        """
        if not self._known:
            return False
        failed_at = self.entry.get("full_read_failed_at")
        if failed_at is not None:
            return now >= parse(failed_at) + timedelta(days=min(days, 1))
        begun = self.entry.get("full_read_at", self.entry.get("first_read_at"))
        is_other = self.entry.get("scope", []) != scope
        return is_other or begun is None or now >= parse(begun) + timedelta(days=days)

    def begin_first(self, now: datetime, scope: list[Any]) -> None:
        """Note when the first read of all began; until it is complete it is no full read."""
        if not self._known:
            self.entry["first_read_at"] = spell(now)
            self.entry["scope"] = scope

    @property
    def failed(self) -> list[int]:
        """Opportunities that could not be read the last time."""
        return list(self.entry.get("failed", []))

    def tell(self, failed: Sequence[int]) -> None:
        """Note what could not be read; a first read without any counts as a full read."""
        self.entry.pop("failed", None)
        if failed:
            self.entry["failed"] = sorted(failed)
        elif "first_read_at" in self.entry:
            self.entry["full_read_at"] = self.entry.pop("first_read_at")

    def begun(self, scope: list[Any], now: datetime) -> tuple[int, ReadProgress] | None:
        """Return version and position of a full read that can be continued."""
        held = self.entry.get("full_read") or {}
        position = ReadProgress.of(held.get("position"), scope, now)
        return None if position is None else (int(held["version"]), position)

    def next_version(self, now: datetime) -> int:
        """Return a version larger than those before."""
        held = self.entry.get("full_read") or {}
        last = max(int(self.entry.get("last_version", 0)), int(held.get("version", 0)))
        return max(milliseconds(now), last + 1)

    def remember(
        self, version: int, position: ReadProgress, ends: dict[str, list[int | None]]
    ) -> None:
        """Note how far a full read has come, and how its opportunities ended."""
        self.entry["full_read"] = {
            "version": version,
            "position": position.entry(),
            "ends": ends,
        }

    def ends(self) -> dict[str, list[int | None]]:
        """Return what the full read under way has found of each opportunity.

        Its last id, its count of visits, and the smallest id under review.
        """
        return dict((self.entry.get("full_read") or {}).get("ends", {}))

    def complete(self, position: ReadProgress, version: int, scope: list[Any]) -> None:
        """Note that a full read is complete: what it found counts from now on, and nothing else."""
        ends = self.ends()
        self._known.clear()
        for opportunity, (last_id, count, *review) in ends.items():
            self.reach(int(opportunity), last_id)
            self.finish(int(opportunity), count, *review)
        for name in ("full_read", "full_read_failed_at", "first_read_at", "failed"):
            self.entry.pop(name, None)
        self.entry |= {"full_read_at": position.began_at, "last_version": version, "scope": scope}

    def abandon(self, position: ReadProgress, version: int) -> None:
        """Note that a full read ended without being complete: its rows never count."""
        self.entry.pop("full_read", None)
        self.entry |= {"full_read_failed_at": position.began_at, "last_version": version}
