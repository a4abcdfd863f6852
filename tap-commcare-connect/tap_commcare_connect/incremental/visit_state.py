"""The bookmark of the stream ``visits``: progress per opportunity, and full reads. Pure.

It is written after every page, so it is kept short::

    opportunities  by id: ``id``, the largest visit id that was read; ``visits``, the visit count of
                   the account index when the opportunity was last read to its end; ``review``, the
                   smallest id of a visit that was under review then
    full_read_at   when the last complete full read began
    full_read      an unfinished full read: its version and progress, and what will be stored of
                   each opportunity once it is complete

During a full read the opportunities stay as they are: its rows become visible together, or never.
If the full read is abandoned, the bookmarks must still match the rows that are visible.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from tap_common.timestamps import datetime_to_millis, parse, to_rfc3339

from tap_commcare_connect.incremental.bookmarks import CLOCK_SKEW, Entry, Id, ReadProgress

log = logging.getLogger(__name__)

Ends = dict[str, list[int | None]]
"""By opportunity: its last id, its visit count, and the smallest id under review."""


_OpportunityId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}\Z")]
# The third number, the visit under review, may be missing: it was added later.
_End = Annotated[list[Id | None], msgspec.Meta(min_length=2, max_length=3)]


class _FullRead(msgspec.Struct):
    version: Id
    position: dict[str, Any]
    ends: dict[_OpportunityId, _End] = {}


class _Bookmark(msgspec.Struct):
    """The parts of the bookmark that are checked: another program may have written it."""

    opportunities: dict[str, dict[str, Id]] = {}
    failed: list[Id] = []
    scope: list[Any] = []
    last_version: Id = 0
    full_read: _FullRead | None = None
    full_read_at: datetime | None = None
    full_read_failed_at: datetime | None = None
    first_read_at: datetime | None = None


def _check_past(bookmark: _Bookmark, now: datetime) -> None:
    """Raise ValueError for times and versions in the future, which this tap never wrote.

    They would postpone full reads, or make targets ignore the versions of new ones.
    """
    latest = now + CLOCK_SKEW
    times = (bookmark.full_read_at, bookmark.full_read_failed_at, bookmark.first_read_at)
    if any(time is not None and parse(to_rfc3339(time)) > latest for time in times):
        raise ValueError
    versions = (bookmark.last_version, bookmark.full_read.version if bookmark.full_read else 0)
    if max(versions) > datetime_to_millis(latest):
        raise ValueError


class VisitState:
    """The bookmark, changed in place.

    One that this tap cannot have written is cleared: everything is read again.
    """

    def __init__(self, entry: Entry, now: datetime) -> None:
        self.entry = entry
        try:
            _check_past(msgspec.convert(entry, _Bookmark), now)
        except (msgspec.ValidationError, ValueError, OverflowError):
            log.warning("visits: this tap did not write the state; all visits are read again")
            entry.clear()
        self._opportunities: dict[str, dict[str, int]] = entry.setdefault("opportunities", {})

    def last_id(self, opportunity: int) -> int | None:
        """Return the largest id that was read of an opportunity."""
        return self._opportunities.get(str(opportunity), {}).get("id")

    def review_id(self, opportunity: int) -> int | None:
        """Return the smallest id of a visit of an opportunity that was under review."""
        return self._opportunities.get(str(opportunity), {}).get("review")

    def forget(self, opportunity: int) -> None:
        """Remove the bookmark of an opportunity, which is then read from its beginning."""
        self._opportunities.pop(str(opportunity), None)

    def is_unchanged(self, opportunity: int, visit_count: int | None) -> bool:
        """Return whether the visit count is that of the last read of an opportunity to its end."""
        stored = self._opportunities.get(str(opportunity), {})
        return visit_count is not None and stored.get("visits") == visit_count

    def record_page(self, opportunity: int, last_id: int | None) -> None:
        """Record the largest id of a page.

        The visit count is removed: until the end is reached again, it would hide what is missing.
        """
        stored = self._opportunities.setdefault(str(opportunity), {})
        stored.pop("visits", None)
        # The overlap is read again from smaller ids: the bookmark must not move back.
        if last_id is not None:
            stored["id"] = max(last_id, stored.get("id", 0))

    def record_end(
        self, opportunity: int, visit_count: int | None, review_id: int | None = None
    ) -> None:
        """Record that an opportunity was read to its end, and its oldest visit under review."""
        stored = self._opportunities.setdefault(str(opportunity), {})
        stored.pop("review", None)
        if review_id is not None:
            stored["review"] = review_id
        if visit_count is not None:
            stored["visits"] = visit_count

    def is_full_read_due(self, now: datetime, days: float, scope: list[Any]) -> bool:
        """Return whether all visits have to be read again.

        After a full read that failed in part, the next one is due after a day at most.
        """
        if not self._opportunities:
            return False
        failed_at = self.entry.get("full_read_failed_at")
        # Without this, a stream whose full read always fails would try again in every run.
        if failed_at is not None:
            return now >= parse(failed_at) + timedelta(days=min(days, 1))
        began_at = self.entry.get("full_read_at", self.entry.get("first_read_at"))
        # Other settings, such as include_images, change visits that were read already.
        has_other_scope = self.entry.get("scope", []) != scope
        return has_other_scope or began_at is None or now >= parse(began_at) + timedelta(days=days)

    def begin_first_read(self, now: datetime, scope: list[Any]) -> None:
        """Record when the first read began; once it is complete, it counts as a full read."""
        if not self._opportunities:
            self.entry["first_read_at"] = to_rfc3339(now)
            self.entry["scope"] = scope

    @property
    def failed(self) -> list[int]:
        """The opportunities that the last run could not read."""
        return list(self.entry.get("failed", []))

    def record_failed(self, failed: Sequence[int]) -> None:
        """Record which opportunities failed; a first read without any counts as a full read."""
        self.entry.pop("failed", None)
        if failed:
            self.entry["failed"] = sorted(failed)
        elif "first_read_at" in self.entry:
            self.entry["full_read_at"] = self.entry.pop("first_read_at")

    def resumable_full_read(
        self, scope: list[Any], now: datetime
    ) -> tuple[int, ReadProgress] | None:
        """Return version and progress of an unfinished full read that can be resumed."""
        stored = self.entry.get("full_read") or {}
        progress = ReadProgress.stored(stored.get("position"), scope, now)
        return None if progress is None else (int(stored["version"]), progress)

    def next_version(self, now: datetime) -> int:
        """Return a version that is larger than all earlier ones."""
        stored = self.entry.get("full_read") or {}
        last = max(int(self.entry.get("last_version", 0)), int(stored.get("version", 0)))
        return max(datetime_to_millis(now), last + 1)

    def save_full_read(self, version: int, progress: ReadProgress, ends: Ends) -> None:
        """Store the progress of a full read, and the bookmarks that its end will store."""
        self.entry["full_read"] = {
            "version": version,
            "position": progress.entry(),
            "ends": ends,
        }

    def ends(self) -> Ends:
        """Return how the opportunities of the unfinished full read ended."""
        return dict((self.entry.get("full_read") or {}).get("ends", {}))

    def complete_full_read(self, progress: ReadProgress, version: int, scope: list[Any]) -> None:
        """Replace all bookmarks with the results of a completed full read.

        Opportunities that it did not cover are removed: a target has removed their rows, which
        would have to be read again.
        """
        ends = self.ends()
        self._opportunities.clear()
        for opportunity, (last_id, count, *review) in ends.items():
            self.record_page(int(opportunity), last_id)
            self.record_end(int(opportunity), count, *review)
        for name in ("full_read", "full_read_failed_at", "first_read_at", "failed"):
            self.entry.pop(name, None)
        self.entry |= {"full_read_at": progress.began_at, "last_version": version, "scope": scope}

    def abandon_full_read(self, progress: ReadProgress, version: int) -> None:
        """Record that a full read failed: its rows never become visible."""
        self.entry.pop("full_read", None)
        self.entry |= {"full_read_failed_at": progress.began_at, "last_version": version}
