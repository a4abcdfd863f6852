"""Visits: new ones by id, opportunity by opportunity, and from time to time all of them again.

Edits and deletions leave no trace in the API, so a full read finds them. It has a version, which is
activated if every opportunity could be read. See docs/decisions/0011-record-key.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from tap_common import converters
from tap_common.messages import AnyRecord
from tap_common.stream import ApiStream
from tap_common.sync import SyncRun
from tap_common.timestamps import normalise, parse, to_rfc3339

from tap_commcare_connect.account_index import AccountIndex, AccountIndexLoader, Opportunity
from tap_commcare_connect.incremental.bookmarks import ReadProgress
from tap_commcare_connect.incremental.opportunity_sync import MAX_SAMPLED
from tap_commcare_connect.incremental.per_opportunity import (
    Failure,
    OpportunitiesFailedError,
    not_listed,
    read_each,
)
from tap_commcare_connect.incremental.visit_state import Ends, VisitState
from tap_commcare_connect.pagination.fast_pages import value_in
from tap_commcare_connect.pagination.keyset import KeysetList, Page
from tap_commcare_connect.streams.base import ConnectStream

PENDING = "pending"

log = logging.getLogger(__name__)


@dataclass
class FullRead:
    """An unfinished full read."""

    version: int
    progress: ReadProgress
    ends: Ends


@dataclass
class VisitsSync:
    """Reads the visits of all opportunities.

    Args:
        stream: The stream.
        account: What the account can see.
        list_of: Returns the list of an opportunity.
        overlap: How many ids before the bookmark are read again, for visits that became visible
            after visits with larger ids.
        review_days: How long after its receipt a visit may still be reviewed.
        full_refresh_days: How often all visits are read again.
        scope: The settings that decide what a visit looks like.
        filters: The settings that decide which opportunities a full read covers.
        executor: Reads several opportunities at the same time; None if they are read in sequence.
        max_in_flight: How many opportunities may be read at the same time.
        domain: Empty: an account has no domains.
    """

    stream: ConnectStream
    account: AccountIndexLoader
    list_of: Callable[[int], KeysetList]
    overlap: int
    review_days: float
    full_refresh_days: float
    scope: list[Any]
    filters: list[Any]
    executor: Executor | None
    max_in_flight: int
    domain: str = ""
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [self.stream]

    def sample(self, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few visits of the first opportunity that has any."""
        for opportunity in self.account.get().opportunities[:MAX_SAMPLED]:
            rows = self.list_of(opportunity.id).page(None, limit).rows
            if rows:
                return {self.stream.name: list(self.stream.records(rows, opportunity.id))}
        return {}

    def run(self, run: SyncRun) -> None:
        """Read new visits, or all of them if a full read is due."""
        bookmarks = run.bookmarks.state.setdefault("bookmarks", {})
        now = datetime.now(UTC)
        state = VisitState(bookmarks.setdefault(self.stream.name, {}), now)
        covered = [*self.scope, *self.filters]
        resumable = state.resumable_full_read(covered, now)
        is_due = state.is_full_read_due(now, self.full_refresh_days, self.scope)
        if resumable is not None:
            self._read_all(run, state, FullRead(*resumable, state.ends()))
        elif self.stream.is_full_table or is_due:
            progress = ReadProgress(to_rfc3339(now), covered)
            self._read_all(run, state, FullRead(state.next_version(now), progress, {}))
        else:
            state.begin_first_read(now, self.scope)
            run.begin(self.stream)
            index = self.account.get()
            failures = [not_listed(opportunity) for opportunity in index.not_listed]
            self._read_new(run, state, index, failures)

    def _read_new(
        self, run: SyncRun, state: VisitState, index: AccountIndex, failures: list[Failure]
    ) -> None:
        failed = {failure.opportunity for failure in failures}
        left = [
            opportunity
            for opportunity in index.opportunities
            if opportunity.id not in failed and _may_have_changed(state, opportunity)
        ]
        if all(state.last_id(opportunity.id) is None for opportunity in left):
            # Otherwise an unknown number of visits is read again.
            self._log_expected(run, left)
        failures += self._each(left, lambda o: self._read_tail(run, state, o))
        run.write_page(self, [], lambda: state.record_failed([f.opportunity for f in failures]))
        if failures:
            is_all = len(failures) >= len(index.opportunities)
            raise OpportunitiesFailedError(failures, is_all=is_all)

    def _read_tail(self, run: SyncRun, state: VisitState, opportunity: Opportunity) -> None:
        """Read new visits, the overlap, and everything since the oldest visit under review."""
        bookmark = state.last_id(opportunity.id)
        if bookmark is not None and not self.overlap and not self._exists(opportunity.id, bookmark):
            self._forget(state, opportunity.id)
            bookmark = None
        review = ReviewTracker(self.review_days)
        largest = 0  # seen in this read; the overlap begins below the bookmark

        def update_bookmark(page: Page) -> None:
            nonlocal largest
            review.observe(page)
            largest = max([largest, *_ids(page)])
            state.record_page(opportunity.id, largest or None)
            if page.last_id is not None:
                return
            if self._has_reached(bookmark, largest):
                state.record_end(opportunity.id, opportunity.summary.visit_count, review.oldest)
            else:
                self._forget(state, opportunity.id)

        self._read_pages(run, opportunity.id, self._after(state, opportunity.id), update_bookmark)
        if bookmark is not None and state.last_id(opportunity.id) is None:
            self._read_tail(run, state, opportunity)

    def _after(self, state: VisitState, opportunity: int) -> int | None:
        """Return the id after which an opportunity is read; None: from the beginning."""
        last_id, under_review = state.last_id(opportunity), state.review_id(opportunity)
        if last_id is None:
            return None
        after = last_id - self.overlap  # a transaction may commit later than one with a larger id
        if under_review is not None:
            after = min(after, under_review - 1)
        return max(after, 0) or None

    def _has_reached(self, bookmark: int | None, largest: int) -> bool:
        """Return whether a read that began before the bookmarked visit has seen it.

        If it has not, the bookmark is of another server or database, and may hide visits.
        """
        return bookmark is None or not self.overlap or largest >= bookmark

    def _exists(self, opportunity: int, visit: int) -> bool:
        return visit in _ids(self.list_of(opportunity).page(visit - 1 or None, 1))

    def _forget(self, state: VisitState, opportunity: int) -> None:
        log.warning(
            "visits: opportunity %d has no visit as late as the bookmark in the state; reading all"
            " of its visits again",
            opportunity,
        )
        state.forget(opportunity)

    def _read_all(self, run: SyncRun, state: VisitState, full: FullRead) -> None:
        run.begin(self.stream, full.version)
        index = self.account.get()
        left = [o for o in index.opportunities if o.id not in full.progress.done]
        doubtful = [o for o in left if o.id in state.failed]
        others = [o for o in left if o.id not in state.failed]

        def read(opportunity: Opportunity) -> None:
            self._read_whole(run, state, full, opportunity)

        self._log_expected(run, left)
        # One failure makes the version useless. What failed last time is tried first, so that a
        # full read that cannot succeed costs little.
        failures = [not_listed(opportunity) for opportunity in index.not_listed]
        failures = failures or self._each(doubtful, read, stops=True)
        failures = failures or self._each(others, read, stops=True)
        if failures:
            # The rows of this version never become visible; what is new is read without one.
            with run.output.transaction():
                self.stream.begin(None)
            run.write_page(self, [], lambda: state.abandon_full_read(full.progress, full.version))
            self._read_new(run, state, index, failures)
            return
        run.write_page(
            self,
            [],
            lambda: state.complete_full_read(full.progress, full.version, self.scope),
            self.stream.activate,
        )

    def _read_whole(
        self, run: SyncRun, state: VisitState, full: FullRead, opportunity: Opportunity
    ) -> None:
        key = str(opportunity.id)
        earlier = [*full.ends.get(key, ()), None, None, None]
        review = ReviewTracker(self.review_days, oldest=earlier[2])

        def update_bookmark(page: Page) -> None:
            review.observe(page)
            full.progress.advance(opportunity.id, page.last_id)
            before = full.ends.get(key, [None])[0]
            ids = [last for last in (before, *_ids(page)) if last is not None]
            full.ends[key] = [
                max(ids, default=None),
                opportunity.summary.visit_count,
                review.oldest,
            ]
            state.save_full_read(full.version, full.progress, full.ends)

        # Under another server's state, an id may lie after all visits, and hide them.
        last_id = full.progress.last_id(opportunity.id)
        after = self.list_of(opportunity.id).verified(last_id, self.stream.name)
        self._read_pages(run, opportunity.id, after, update_bookmark)

    def _log_expected(self, run: SyncRun, opportunities: Sequence[Opportunity]) -> None:
        """Log the number of expected visits, for opportunities that are read from the beginning."""
        counts = [opportunity.summary.visit_count for opportunity in opportunities]
        known = [count for count in counts if count is not None]
        if known and len(known) == len(counts):
            run.log_expected(self.stream, self.domain, sum(known))

    def _each(
        self,
        opportunities: Sequence[Opportunity],
        read: Callable[[Opportunity], None],
        *,
        stops: bool = False,
    ) -> list[Failure]:
        return read_each(opportunities, read, self.executor, self.max_in_flight, stops=stops)

    def _read_pages(
        self,
        run: SyncRun,
        opportunity: int,
        after: int | None,
        update_bookmark: Callable[[Page], None],
    ) -> None:
        """Read all pages after an id."""
        source = self.list_of(opportunity)

        def read(after: int | None) -> int | None:
            page = source.page(after)
            records = self.stream.records(page.rows, opportunity)
            run.write_page(self, [(self.stream, records)], lambda: update_bookmark(page))
            return page.last_id

        # A function call per page, so that its memory is freed before the next one is requested.
        after = read(after)
        while after is not None:
            after = read(after)


@dataclass
class ReviewTracker:
    """Finds the oldest visit that may still be reviewed.

    A review changes a visit without a trace in the API, so the next run must begin there.

    Args:
        days: How long after its receipt a visit may still be reviewed.
        oldest: What was found before an interruption.
    """

    days: float
    oldest: int | None = None

    def observe(self, page: Page) -> None:
        """Look for that visit on a page; pages arrive in order of ids."""
        if self.oldest is not None:
            return
        since = datetime.now(UTC) - timedelta(days=self.days)
        pending = (row for row in page.rows if _is_under_review(row) and _is_since(row, since))
        self.oldest = next(map(_id, pending), None)


def _is_under_review(row: Any) -> bool:
    return PENDING in (_plain(row, "status"), _plain(row, "review_status"))


def _is_since(row: Any, since: datetime) -> bool:
    """Return whether a visit was received since a time; true if that is unknown."""
    received = _plain(row, "date_created") or _plain(row, "visit_date")
    if isinstance(received, str):
        normal = normalise(received)
        received = parse(normal) if normal else None
    return not isinstance(received, datetime) or received.astimezone(UTC) >= since


def _plain(row: Any, name: str) -> Any:
    value = value_in(row, name)
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _id(row: Any) -> int:
    return converters.to_integer(_plain(row, "id")) or 0


def _ids(page: Page) -> Iterator[int]:
    return map(_id, page.rows)


def _may_have_changed(state: VisitState, opportunity: Opportunity) -> bool:
    """Return whether the visits of an opportunity have to be requested.

    An unchanged visit count does not exclude reviews, nor visits that became visible late while
    others were deleted. An opportunity that has ended gets neither, once all of it is reviewed.
    """
    summary = opportunity.summary
    if not state.is_unchanged(opportunity.id, summary.visit_count):
        return True
    is_over = summary.is_active is False and state.review_id(opportunity.id) is None
    return bool(summary.visit_count) and not is_over
