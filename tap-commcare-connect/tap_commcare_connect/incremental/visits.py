"""Visits: what is new by id, opportunity by opportunity, and now and then all of them again.

Edits and deletions leave no trace in the API, so a full read finds them: it has a version, which
is activated when every opportunity could be read. See docs/decisions/0011-record-key.md.
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
from tap_common.sync import Run
from tap_common.timestamps import normalise, parse, spell

from tap_commcare_connect.account_index import AccountIndex, AccountIndexCache, Opportunity
from tap_commcare_connect.incremental.bookmarks import ReadProgress
from tap_commcare_connect.incremental.opportunity_sync import SAMPLED
from tap_commcare_connect.incremental.per_opportunity import (
    Failure,
    OpportunitiesFailedError,
    lost,
    read_each,
)
from tap_commcare_connect.incremental.visit_state import VisitState
from tap_commcare_connect.pagination.fast_pages import value_in
from tap_commcare_connect.pagination.keyset import KeysetList, Page
from tap_commcare_connect.streams.base import ConnectStream

PENDING = "pending"

log = logging.getLogger(__name__)


@dataclass
class FullRead:
    """A full read under way."""

    version: int
    position: ReadProgress
    ends: dict[str, list[int | None]]
    """Of each opportunity: last id, count of visits, smallest id under review."""


@dataclass
class VisitsSync:
    """Reads the visits of all opportunities.

    Args:
        overlap: How many ids before the bookmark are read again, for rows that became visible
            after rows with larger ids.
        review_days: How long after its receipt a visit is waited for to be reviewed.
        full_refresh_days: How often all visits are read again.
        scope: The settings that decide what a visit looks like.
        filters: The settings that decide which opportunities a full read covers.
    """

    stream: ConnectStream
    discovery: AccountIndexCache
    list_of: Callable[[int], KeysetList]
    overlap: int
    review_days: float
    full_refresh_days: float
    scope: list[Any]
    filters: list[Any]
    executor: Executor | None
    width: int
    domain: str = ""
    streams: Sequence[ApiStream] = field(init=False)

    def __post_init__(self) -> None:
        """Tell which streams are read."""
        self.streams = [self.stream]

    def sample(self, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few visits of the first opportunity that has any."""
        for opportunity in self.discovery.get().opportunities[:SAMPLED]:
            rows = self.list_of(opportunity.id).page(None, limit).rows
            if rows:
                return {self.stream.name: list(self.stream.records(rows, opportunity.id))}
        return {}

    def run(self, run: Run) -> None:
        """Read what is new, or everything when that is due."""
        bookmarks = run.bookmarks.state.setdefault("bookmarks", {})
        now = datetime.now(UTC)
        state = VisitState(bookmarks.setdefault(self.stream.name, {}), now)
        covered = [*self.scope, *self.filters]
        begun = state.begun(covered, now)
        if begun is not None:
            self._read_all(run, state, FullRead(*begun, state.ends()))
        elif self.stream.is_full_table or state.is_due(now, self.full_refresh_days, self.scope):
            position = ReadProgress(spell(now), covered)
            self._read_all(run, state, FullRead(state.next_version(now), position, {}))
        else:
            state.begin_first(now, self.scope)
            run.begin(self.stream)
            everything = self.discovery.get()
            failures = [lost(opportunity) for opportunity in everything.lost]
            self._read_new(run, state, everything, failures)

    # ------------------------------------------------------------------- what is new

    def _read_new(
        self, run: Run, state: VisitState, everything: AccountIndex, failures: list[Failure]
    ) -> None:
        failed = {failure.opportunity for failure in failures}
        left = [
            opportunity
            for opportunity in everything.opportunities
            if opportunity.id not in failed and _may_have_news(state, opportunity)
        ]
        if all(state.last_id(opportunity.id) is None for opportunity in left):
            # Elsewhere rows are read again, and nobody knows how many.
            self._expect(run, left)
        failures += self._each(left, lambda o: self._read_tail(run, state, o))
        run.write_page(self, [], lambda: state.tell([f.opportunity for f in failures]))
        if failures:
            raise OpportunitiesFailedError(
                failures, is_all=len(failures) >= len(everything.opportunities)
            )

    def _read_tail(self, run: Run, state: VisitState, opportunity: Opportunity) -> None:
        """Read what is new, the overlap, and everything from the oldest visit under review on."""
        known = state.last_id(opportunity.id)
        if known is not None and not self.overlap and not self._shows(opportunity.id, known):
            self._forget(state, opportunity.id)
            known = None
        review = ReviewTracker(self.review_days)
        found: list[int] = []

        def remember(page: Page) -> None:
            review.see(page)
            found[:] = [max([*found, *_ids(page)], default=0)]
            state.reach(opportunity.id, found[0] or None)
            if page.last_id is None and self._is_plausible(known, found[0]):
                state.finish(opportunity.id, opportunity.facts.visit_count, review.oldest)
            elif page.last_id is None:
                self._forget(state, opportunity.id)

        self._crawl(run, opportunity.id, self._after(state, opportunity.id), remember)
        if known is not None and state.last_id(opportunity.id) is None:
            self._read_tail(run, state, opportunity)

    def _after(self, state: VisitState, opportunity: int) -> int | None:
        """Return the id after which an opportunity is read; None from its beginning."""
        known, under_review = state.last_id(opportunity), state.review_id(opportunity)
        if known is None:
            return None
        after = known - self.overlap
        if under_review is not None:
            after = min(after, under_review - 1)
        return max(after, 0) or None

    def _is_plausible(self, known: int | None, largest: int) -> bool:
        """Return whether a read from before the last visit of the state has shown it."""
        return known is None or not self.overlap or largest >= known

    def _shows(self, opportunity: int, known: int) -> bool:
        """Return whether the last visit of the state is there."""
        return known in _ids(self.list_of(opportunity).page(known - 1 or None, 1))

    def _forget(self, state: VisitState, opportunity: int) -> None:
        log.warning(
            "visits: opportunity %d shows no visit as late as the last one of the state; all of it"
            " is read again",
            opportunity,
        )
        state.forget(opportunity)

    # -------------------------------------------------------------------- everything

    def _read_all(self, run: Run, state: VisitState, full: FullRead) -> None:
        run.begin(self.stream, full.version)
        everything = self.discovery.get()
        left = [o for o in everything.opportunities if o.id not in full.position.done]
        doubtful = [o for o in left if o.id in state.failed]
        others = [o for o in left if o.id not in state.failed]

        def read(opportunity: Opportunity) -> None:
            self._read_whole(run, state, full, opportunity)

        self._expect(run, left)
        failures = [lost(opportunity) for opportunity in everything.lost]
        failures = failures or self._each(doubtful, read, stops=True)
        failures = failures or self._each(others, read, stops=True)
        if failures:
            # What was read under the version never counts; what is new is read without one.
            with run.output.interruption.held(), run.output.lock:
                self.stream.begin(None)
            run.write_page(self, [], lambda: state.abandon(full.position, full.version))
            self._read_new(run, state, everything, failures)
            return
        run.write_page(
            self,
            [],
            lambda: state.complete(full.position, full.version, self.scope),
            self.stream.activate,
        )

    def _read_whole(
        self, run: Run, state: VisitState, full: FullRead, opportunity: Opportunity
    ) -> None:
        before = [*full.ends.get(str(opportunity.id), ()), None, None, None]
        review = ReviewTracker(self.review_days, oldest=before[2])

        def remember(page: Page) -> None:
            review.see(page)
            full.position.advance(opportunity.id, page.last_id)
            before = full.ends.get(str(opportunity.id), [None])[0]
            found = [last for last in (before, *_ids(page)) if last is not None]
            full.ends[str(opportunity.id)] = [
                max(found, default=None),
                opportunity.facts.visit_count,
                review.oldest,
            ]
            state.remember(full.version, full.position, full.ends)

        place = full.position.after(opportunity.id)
        after = self.list_of(opportunity.id).verified_position(place, self.stream.name)
        self._crawl(run, opportunity.id, after, remember)

    # ------------------------------------------------------------------------ both

    def _expect(self, run: Run, opportunities: Sequence[Opportunity]) -> None:
        """Say how many visits are to come of opportunities that are read from their beginning."""
        counts = [opportunity.facts.visit_count for opportunity in opportunities]
        known = [count for count in counts if count is not None]
        if known and len(known) == len(counts):
            run.expect(self.stream, self.domain, sum(known))

    def _each(
        self,
        opportunities: Sequence[Opportunity],
        read: Callable[[Opportunity], None],
        *,
        stops: bool = False,
    ) -> list[Failure]:
        return read_each(opportunities, read, self.executor, self.width, stops=stops)

    def _crawl(
        self, run: Run, opportunity: int, after: int | None, remember: Callable[[Page], None]
    ) -> None:
        """Read pages from an id on to the end; one page is gone before the next is asked for."""
        source = self.list_of(opportunity)

        def read(after: int | None) -> int | None:
            page = source.page(after)
            records = self.stream.records(page.rows, opportunity)
            run.write_page(self, [(self.stream, records)], lambda: remember(page))
            return page.last_id

        after = read(after)
        while after is not None:
            after = read(after)


@dataclass
class ReviewTracker:
    """Finds the oldest visit that may still be reviewed.

    A review changes a visit without a trace in the API, so the next run has to read on from there.

    Args:
        days: How long after its receipt a visit is waited for.
        oldest: What was found before.
    """

    days: float
    oldest: int | None = None

    def see(self, page: Page) -> None:
        """Look at the visits of a page; pages come by rising ids."""
        if self.oldest is not None:
            return
        since = datetime.now(UTC) - timedelta(days=self.days)
        waiting = (row for row in page.rows if _is_under_review(row) and _is_since(row, since))
        self.oldest = next(map(_id, waiting), None)


def _is_under_review(row: Any) -> bool:
    return PENDING in (_plain(row, "status"), _plain(row, "review_status"))


def _is_since(row: Any, since: datetime) -> bool:
    """Return whether a visit was received since a moment; one that does not say when, was."""
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


def _may_have_news(state: VisitState, opportunity: Opportunity) -> bool:
    """Return whether an opportunity has to be asked.

    A count that did not move says nothing of reviews, nor of rows that became visible late while
    others were deleted. An opportunity that has ended gets neither, once all is reviewed.
    """
    facts = opportunity.facts
    if not state.is_unchanged(opportunity.id, facts.visit_count):
        return True
    is_over = facts.is_active is False and state.review_id(opportunity.id) is None
    return bool(facts.visit_count) and not is_over
