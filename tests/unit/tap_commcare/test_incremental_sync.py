"""Reading by time on an endpoint in memory: bookmarks, interruptions, and states to distrust."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from support.sync_tasks import Result, TaskRunner
from tap_commcare.incremental.sync import IncrementalSync, StreamCursor
from tap_commcare.pagination.pages import PageToken, TimedPage, Window
from tap_commcare.tap import TapCommCare
from tap_common.bookmarks import Bookmarks
from tap_common.errors import RequestRejectedError, StreamStatus, UnavailableError
from tap_common.full_table import TableVersions
from tap_common.timestamps import from_millis, to_rfc3339

MINUTE = 60_000
START = 1_700_000_000_000
NOW = datetime(2026, 11, 20, tzinfo=UTC)
CONFIG = {"domain": "d", "username": "u", "api_key": "k"}
TAP = TapCommCare(config=CONFIG)
SWEEPING = TapCommCare(config=CONFIG | {"deletions": "sweep"})


@dataclass
class Endpoint:
    """Rows by time, with a cursor; it can fail at a request, and forget its cursors."""

    rows: list[int]
    page_size: int = 10
    fails_at: int = 0
    forgets: bool = False
    requested: list[tuple[Window, PageToken | None]] = field(default_factory=list)

    def page(
        self, window: Window, page_token: PageToken | None, limit: int | None = None
    ) -> TimedPage:
        self.requested.append((window, page_token))
        if len(self.requested) == self.fails_at:
            raise UnavailableError("The server failed.")
        if page_token is not None and self.forgets:
            raise RequestRejectedError("The cursor is unknown.")
        after = -1 if window.after is None else window.after
        until = window.until if window.until is not None else max(self.rows, default=0)
        found = [row for row in self.rows if after < row <= until]
        begin = int(page_token["at"]) if page_token else 0
        size = limit or self.page_size
        rows = found[begin : begin + size]
        more = {"at": begin + size} if begin + size < len(found) else None
        names = [f"r{row}" for row in rows]
        total = len(found) if page_token is None else None
        return TimedPage(rows, names, rows, total, more, NOW)


def records(rows: Any) -> list[dict[str, Any]]:
    return [{"case_id": f"r{row}", "indexed_on": to_rfc3339(from_millis(row))} for row in rows]


def syncing(
    endpoint: Endpoint, *, scope: str = "", overlap: int = MINUTE, tap: TapCommCare = TAP
) -> Callable[[Bookmarks], IncrementalSync]:
    def task(bookmarks: Bookmarks) -> IncrementalSync:
        return IncrementalSync(
            domain="d",
            cursors=[StreamCursor(tap.streams["cases"], records)],
            source=endpoint,
            versions=TableVersions(bookmarks, ["d"]),
            overlap=overlap,
            start_date=None,
            scope=scope,
            executor=None,
            max_in_flight=lambda: 1,
        )

    return task


@pytest.fixture
def run(capsysbinary) -> TaskRunner:
    return TaskRunner(capsysbinary, ("d",))


def ids(result: Result) -> list[str]:
    return [record["case_id"] for record in result.records("cases")]


def all_ids(endpoint: Endpoint) -> set[str]:
    return {f"r{row}" for row in endpoint.rows}


def spaced(count: int, gap: int = MINUTE) -> Endpoint:
    return Endpoint([START + gap * number for number in range(count)])


def test_the_next_run_reads_the_overlap_and_what_is_new(run):
    endpoint = spaced(30)
    first = run({}, syncing(endpoint))
    endpoint.rows += [START + 30 * MINUTE, START + 31 * MINUTE]
    second = run(first.states[-1], syncing(endpoint))

    assert set(ids(first)) | set(ids(second)) == all_ids(endpoint)
    assert len(ids(second)) == 4


@pytest.mark.parametrize("overlap", [0, MINUTE, 60 * MINUTE])
@pytest.mark.parametrize("gap", [0, 1, MINUTE])
@pytest.mark.parametrize("fails_at", range(1, 6))
def test_an_interrupted_read_resumes_and_misses_nothing(run, overlap, gap, fails_at):
    endpoint = spaced(45, gap)
    endpoint.fails_at = fails_at
    first = run({}, syncing(endpoint, overlap=overlap))
    second = run(first.states[-1] if first.states else {}, syncing(endpoint, overlap=overlap))

    assert first.outcomes["cases", "d"].status is StreamStatus.FAILED
    assert second.outcomes["cases", "d"].status is StreamStatus.COMPLETED
    assert set(ids(first)) | set(ids(second)) == all_ids(endpoint)
    assert len(ids(first)) + len(ids(second)) <= 45 + 10 + 1


def test_a_state_follows_every_page_and_never_leads_it(run):
    result = run({}, syncing(spaced(30)))

    latest = ""
    for message in result.messages:
        if message["type"] == "RECORD":
            latest = message["record"]["indexed_on"]
        elif message["type"] == "STATE":
            assert message["value"]["bookmarks"]["cases"]["replication_key_value"] == latest
    assert len(result.states) == 4


def test_with_other_filters_the_bookmark_is_not_valid(run):
    endpoint = spaced(30)
    first = run({}, syncing(endpoint, scope="a"))
    same = run(first.states[-1], syncing(endpoint, scope="a"))
    other = run(first.states[-1], syncing(endpoint, scope="b"))

    assert len(ids(same)) == 2
    assert set(ids(other)) == all_ids(endpoint)


FUTURE = "2999-01-01T00:00:00.000000Z"
FAR = 32_472_144_000_000  # the same time, in milliseconds
EARLY = "1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    "bookmark",
    [
        {"replication_key_value": FUTURE},
        {"replication_key_value": FUTURE, "read_started_at": FUTURE},
        {"read_to": FUTURE, "read_started_at": FUTURE},
        {"read_started_at": FUTURE, "position": {"at": FAR, "until": FAR}},
        {
            "replication_key_value": EARLY,
            "read_started_at": FUTURE,
            "position": {"at": 1, "until": FAR},
        },
        {
            "replication_key_value": EARLY,
            "read_started_at": FUTURE,
            "position": {"at": 1, "more": {"at": FAR}},
        },
    ],
)
def test_a_bookmark_in_the_future_is_ignored_with_a_warning(run, caplog, bookmark):
    endpoint = spaced(30)
    result = run({"bookmarks": {"cases": bookmark}}, syncing(endpoint))

    assert set(ids(result)) == all_ids(endpoint)
    assert any(record.levelname == "WARNING" for record in caplog.records)
    assert FUTURE[:4] not in str(result.states[-1])


@pytest.mark.parametrize("field", ["replication_key_value", "read_started_at", "read_to"])
def test_an_invalid_timestamp_is_ignored_with_a_warning(run, caplog, field):
    endpoint = spaced(30)
    result = run({"bookmarks": {"cases": {field: "soon"}}}, syncing(endpoint))

    assert set(ids(result)) == all_ids(endpoint)
    assert field in caplog.text


def test_an_expired_token_gives_way_to_the_bookmark(run, caplog):
    endpoint = spaced(45, gap=1)
    endpoint.fails_at = 3
    first = run({}, syncing(endpoint))
    endpoint.forgets = True
    endpoint.page_size = 100
    second = run(first.states[-1], syncing(endpoint))

    assert set(ids(first)) | set(ids(second)) == all_ids(endpoint)
    assert "does not resume where the last run stopped" in caplog.text


def test_a_read_in_full_has_a_version_that_is_activated_at_its_end(run):
    endpoint = spaced(30)
    first = run({}, syncing(endpoint, tap=SWEEPING))
    second = run(first.states[-1], syncing(endpoint, tap=SWEEPING))

    (version,), (next_version,) = first.activated(), second.activated()
    assert set(ids(first)) == set(ids(second)) == all_ids(endpoint)
    assert version[1] < next_version[1]
    assert first.messages[-2]["type"] == "ACTIVATE_VERSION"


def test_streams_of_one_read_have_their_own_bookmarks(run):
    endpoint = spaced(30)
    both = ("forms", "form_cases")

    def task(bookmarks: Bookmarks) -> IncrementalSync:
        made = syncing(endpoint)(bookmarks)
        made.cursors = [StreamCursor(TAP.streams[name], records) for name in both]
        made.__post_init__()
        return made

    first = run({}, task)
    state = first.states[-1]
    del state["bookmarks"]["form_cases"]
    second = run(state, task)

    assert [len(second.records(name)) for name in both] == [2, 30]
    for one, other in itertools.pairwise(second.states):
        assert set(one["bookmarks"]) <= set(other["bookmarks"])
