"""Lists that are filtered but not ordered by date: the bookmark never passes an unread row."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from support.sync_tasks import Result, TaskRunner
from tap_commcare.incremental.date_filtered import DateFilteredSync
from tap_commcare.streams.locations import LocationsStream
from tap_commcare.tap import TapCommCare
from tap_common.bookmarks import Bookmarks
from tap_common.errors import RequestRejectedError, StreamStatus, UnavailableError
from tap_common.full_table import ListChangedError, ListPage, Position, TableVersions
from tap_common.timestamps import parse, to_millis, to_rfc3339

CONFIG = {"domain": "d", "username": "u", "api_key": "k"}
TAP = TapCommCare(config=CONFIG)
SWEEPING = TapCommCare(config=CONFIG | {"deletions": "sweep"})
OVERLAP = 300_000
DAYS = [f"2026-01-{day:02d}T12:00:00.000000Z" for day in range(1, 10)]
# Not in the order of their dates, as the API returns them.
MIXED = [DAYS[3], DAYS[8], DAYS[0], DAYS[5], DAYS[1], DAYS[7], DAYS[2]]


@dataclass
class Endpoint:
    """Locations in pages of two, which change or fail at certain requests."""

    dates: list[str | None]
    fails_at: int = 0
    changes: set[int] = field(default_factory=set)
    forgets: bool = False
    requests: int = 0
    since: list[str | None] = field(default_factory=list)

    def of(self, since: str | None) -> Source:
        self.since.append(since)
        return Source(self, since)


@dataclass
class Source:
    endpoint: Endpoint
    since: str | None

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        endpoint = self.endpoint
        endpoint.requests += 1
        if endpoint.requests == endpoint.fails_at:
            raise UnavailableError("The server failed.")
        if endpoint.requests in endpoint.changes:
            raise ListChangedError
        if position is not None and endpoint.forgets:
            endpoint.forgets = False
            raise RequestRejectedError("The position is unknown.")
        found = [
            {"location_id": f"l{number}", "last_modified": date}
            for number, date in enumerate(endpoint.dates)
            if self.since is None or date is None or parse(date) >= parse(self.since)
        ]
        begin = position["at"] if position else 0
        end = begin + (limit or 2)
        return ListPage(found[begin:end], {"at": end} if end < len(found) else None)


def reading(
    endpoint: Endpoint, tap: TapCommCare = TAP, start_date: str | None = None
) -> Callable[[Bookmarks], DateFilteredSync]:
    def task(bookmarks: Bookmarks) -> DateFilteredSync:
        return DateFilteredSync(
            domain="d",
            stream=tap.streams["locations"],  # type: ignore[arg-type]  # it is an ApiStream
            source=endpoint.of,
            to_records=partial(LocationsStream.records, domain="d"),
            versions=TableVersions(bookmarks, ["d"]),
            overlap=OVERLAP,
            start_date=to_millis(start_date) if start_date else None,
        )

    return task


@pytest.fixture
def run(capsysbinary) -> TaskRunner:
    return TaskRunner(capsysbinary, ("d",))


def ids(result: Result) -> set[str]:
    return {record["location_id"] for record in result.records("locations")}


def bookmark(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = result.states[-1]["bookmarks"]["locations"]
    return found


ALL = {f"l{number}" for number in range(len(MIXED))}


@pytest.mark.parametrize("order", [*itertools.permutations(MIXED[:4])][::5])
def test_the_bookmark_is_the_latest_date_of_all_pages_whatever_their_order(run, order):
    result = run({}, reading(Endpoint(list(order))))

    assert bookmark(result)["replication_key_value"] == max(order)
    assert len(ids(result)) == 4


@pytest.mark.parametrize("fails_at", range(2, 5))
def test_until_the_last_page_the_bookmark_does_not_move(run, fails_at):
    first = run({}, reading(Endpoint(MIXED, fails_at=fails_at)))

    assert "replication_key_value" not in bookmark(first)
    assert first.outcomes["locations", "d"].status is StreamStatus.FAILED


@pytest.mark.parametrize("fails_at", range(1, 5))
def test_an_interrupted_read_resumes_at_its_page_under_its_filter(run, fails_at):
    begun = run({}, reading(Endpoint([DAYS[0]])))
    first = run(begun.states[-1], reading(Endpoint(MIXED, fails_at=fails_at)))
    state = first.states[-1] if first.states else begun.states[-1]
    again = Endpoint(MIXED)
    second = run(state, reading(again))

    assert ids(first) | ids(second) == ALL
    assert again.requests == 4 - (fails_at - 1)
    assert bookmark(second)["replication_key_value"] == DAYS[8]


def test_a_position_that_the_server_forgot_is_read_from_the_first_page(run):
    first = run({}, reading(Endpoint(MIXED, fails_at=3)))
    second = run(first.states[-1], reading(Endpoint(MIXED, forgets=True)))

    assert ids(second) == ALL
    assert second.outcomes["locations", "d"].status is StreamStatus.COMPLETED


def test_a_list_that_changes_is_read_again_and_one_that_always_changes_is_given_up(run):
    once = run({}, reading(Endpoint(MIXED, changes={2})))
    always = run({}, reading(Endpoint(MIXED, changes=set(range(1, 99)))))

    assert ids(once) == ALL
    assert "changed during each of" in always.outcomes["locations", "d"].reason
    assert not always.states


@pytest.mark.parametrize(
    ("start_date", "since"),
    [(None, None), ("2026-01-05", "2026-01-05T00:00:00.000000")],
    ids=["everything", "a start date"],
)
def test_a_first_read_begins_at_the_start_date(run, start_date, since):
    endpoint = Endpoint(MIXED)
    run({}, reading(endpoint, start_date=start_date))

    assert endpoint.since == [since]


@pytest.mark.parametrize(
    ("start_date", "since"),
    [
        (None, "2026-01-09T11:55:00.000000"),
        ("2026-01-01", "2026-01-09T11:55:00.000000"),
        ("2026-02-01", "2026-02-01T00:00:00.000000"),
    ],
    ids=["overlap", "an earlier start date", "a later start date"],
)
def test_a_later_read_begins_before_the_bookmark_by_the_overlap(run, start_date, since):
    first = run({}, reading(Endpoint(MIXED)))
    endpoint = Endpoint(MIXED)
    run(first.states[-1], reading(endpoint, start_date=start_date))

    assert endpoint.since == [since]


def test_a_date_ahead_of_the_clock_hides_no_row_that_changes_before_it(run):
    ahead = to_rfc3339(datetime.now(UTC) + timedelta(minutes=2))
    before = datetime.now(UTC)
    first = run({}, reading(Endpoint([ahead])))
    endpoint = Endpoint([])
    run(first.states[-1], reading(endpoint))
    (since,) = endpoint.since

    # It begins where the last read began, and not at the date that is ahead.
    assert since is not None
    began = parse(since) + timedelta(milliseconds=OVERLAP)
    assert before - timedelta(milliseconds=1) <= began <= datetime.now(UTC)


FUTURE = "2999-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "entry",
    [
        {"read_started_at": FUTURE, "replication_key_value": DAYS[8]},
        {"replication_key_value": FUTURE},
        {"read_started_at": DAYS[8], "since": FUTURE, "position": {"at": 2}},
        {"replication_key_value": "soon"},
        {"read_started_at": "9999-99-99", "replication_key_value": 5},
        {"position": {"at": 2}},
        {"position": "x", "read_started_at": DAYS[0]},
    ],
    ids=[
        "began in the future", "bookmark in the future", "filter in the future", "not a date",
        "no dates", "a position without its filter", "not a position",
    ],
)  # fmt: skip
def test_a_state_that_this_tap_cannot_have_written_hides_no_row(run, entry):
    state = {"bookmarks": {"locations": {"domain": "d"} | entry}}
    result = run(state, reading(Endpoint(MIXED)))

    assert ids(result) == ALL
    assert bookmark(result)["replication_key_value"] == DAYS[8]


def test_rows_without_a_date_are_read_and_move_nothing(run):
    result = run({}, reading(Endpoint([None, None, None])))

    assert len(ids(result)) == 3
    assert "replication_key_value" not in bookmark(result)


def test_an_empty_read_keeps_the_bookmark(run):
    first = run({}, reading(Endpoint(MIXED)))
    second = run(first.states[-1], reading(Endpoint([])))

    assert bookmark(second)["replication_key_value"] == DAYS[8]


def test_a_sweep_reads_everything_under_one_version_and_activates_it(run):
    first = run({}, reading(Endpoint(MIXED), SWEEPING))
    endpoint = Endpoint(MIXED, fails_at=3)
    failed = run(first.states[-1], reading(endpoint, SWEEPING))
    resumed = run(failed.states[-1], reading(Endpoint(MIXED), SWEEPING))
    versions = {version for _, version in (*first.activated(), *resumed.activated())}

    assert endpoint.since == [None]
    assert failed.activated() == []
    assert ids(failed) | ids(resumed) == ALL
    assert len(versions) == 2
