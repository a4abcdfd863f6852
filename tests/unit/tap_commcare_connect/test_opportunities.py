"""Reading opportunity by opportunity, in memory: interruptions, failures, visits and their keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from support.sync_tasks import Result, TaskRunner
from tap_commcare_connect.account_index import AccountIndex, Opportunity, OpportunitySummary
from tap_commcare_connect.incremental.opportunity_sync import ListSync
from tap_commcare_connect.incremental.per_opportunity import read_each
from tap_commcare_connect.incremental.visits import VisitsSync
from tap_commcare_connect.pagination.keyset import Page
from tap_commcare_connect.tap import TapCommCareConnect
from tap_common.bookmarks import Bookmarks
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    ForbiddenError,
    NotFoundError,
    ReadTimeoutError,
    StreamStatus,
    UnavailableError,
)
from tap_common.full_table import TableVersions

TAP = TapCommCareConnect(config={"access_token": "t"})
PAGE_ROWS = 2


@dataclass
class Server:
    """Rows with ids by opportunity; pages fail as configured."""

    rows: dict[int, dict[int, dict[str, Any]]]
    failures: dict[int, ApiError] = field(default_factory=dict)
    fails_at: int = 0
    requested: list[int] = field(default_factory=list)
    counts: dict[int, int] | None = None
    not_listed: list[int] = field(default_factory=list)

    def get(self) -> AccountIndex:
        counts = self.counts or {number: len(rows) for number, rows in self.rows.items()}
        opportunities = [
            Opportunity(OpportunitySummary(number, visit_count=counts[number]), {})
            for number in self.rows
        ]
        return AccountIndex([], [], opportunities, self.not_listed)

    def list_of(self, opportunity: int) -> OpportunityList:
        return OpportunityList(self, opportunity)


@dataclass
class OpportunityList:
    """The list of one opportunity, in place of a list over HTTP."""

    server: Server
    opportunity: int

    def page(self, after: int | None, limit: int | None = None) -> Page:
        server = self.server
        server.requested.append(self.opportunity)
        if len(server.requested) == server.fails_at:
            raise UnavailableError("The server failed.")
        if error := server.failures.get(self.opportunity):
            raise error
        rows = server.rows[self.opportunity]
        ids = sorted(number for number in rows if number > (after or 0))
        page = ids[: limit or PAGE_ROWS]
        values = [
            {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in rows[number].items()}
            for number in page
        ]
        return Page(values, page[-1] if len(ids) > len(page) else None)

    def verified(self, after: int | None, _stream: str) -> int | None:
        return after if after is None or self.page(after, 1).rows else None


def listing(server: Server, stream: str = "payments") -> Callable[[Bookmarks], ListSync]:
    def task(bookmarks: Bookmarks) -> ListSync:
        versions = TableVersions(bookmarks, ("",))
        streams = [TAP.streams[stream]]
        return ListSync(streams, server, versions, [], None, 1, list_of=server.list_of)

    return task


def visiting(server: Server, overlap: int = 0, days: float = 7) -> Callable[[Bookmarks], Any]:
    def task(_: Bookmarks) -> VisitsSync:
        stream = TAP.streams["visits"]
        return VisitsSync(stream, server, server.list_of, overlap, 30, days, [], [], None, 1)

    return task


@pytest.fixture
def run(capsysbinary) -> TaskRunner:
    return TaskRunner(capsysbinary, ("",))


def payments(opportunities: int = 3, rows: int = 5) -> Server:
    """Rows without an id, of which some are equal."""
    return Server(
        {
            number: {
                10 * number + row: {"username": "ann", "amount": str(row // 2)}
                for row in range(1, rows + 1)
            }
            for number in range(1, opportunities + 1)
        }
    )


def visits(opportunities: int = 3, rows: int = 5) -> Server:
    return Server(
        {
            number: {
                100 * number + row: {"id": 100 * number + row, "status": "approved"}
                for row in range(1, rows + 1)
            }
            for number in range(1, opportunities + 1)
        }
    )


def keys(result: Result, stream: str = "payments") -> list[Any]:
    name = "record_key" if stream == "payments" else "id"
    return [record[name] for record in result.records(stream)]


@pytest.mark.parametrize("fails_at", range(1, 10))
def test_an_interrupted_read_resumes_with_the_same_keys(run, fails_at):
    whole = keys(run({}, listing(payments())))
    server = payments()
    server.fails_at = fails_at
    server.failures = {}
    first = run({}, listing(server))
    second = run(first.states[-1] if first.states else {}, listing(payments()))

    assert len(set(whole)) == 15
    assert set(keys(second)) | set(keys(first)) == set(whole)
    assert second.outcomes["payments", ""].status is StreamStatus.COMPLETED
    assert len(second.activated()) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("It does not exist."), StreamStatus.SKIPPED),
        (ForbiddenError("No permission."), StreamStatus.SKIPPED),
        (UnavailableError("It failed."), StreamStatus.FAILED),
        (ReadTimeoutError("It timed out."), StreamStatus.FAILED),
    ],
)
def test_an_opportunity_that_fails_removes_nothing_and_stops_no_other(run, error, status):
    server = payments()
    server.failures = {2: error}
    result = run({}, listing(server))

    outcome = result.outcomes["payments", ""]
    assert (outcome.status, outcome.reason[:14]) == (status, "opportunity 2:")
    assert result.activated() == []
    assert {record["opportunity_id"] for record in result.records("payments")} == {1, 3}


def test_an_opportunity_that_failed_is_tried_first(run):
    server = payments()
    server.failures = {3: UnavailableError("It failed.")}
    first = run({}, listing(server))
    again = payments()
    run(first.states[-1], listing(again))

    assert again.requested[0] == 3


def test_an_opportunity_in_the_settings_that_is_not_listed_is_reported(run):
    server = payments()
    server.not_listed = [77]
    result = run({}, listing(server))

    assert "opportunity 77: This account cannot see it." in result.outcomes["payments", ""].reason
    assert len(keys(result)) == 15


def test_a_refused_credential_ends_the_stream_at_once(run):
    server = payments()
    server.failures = {1: CredentialRefusedError("It is refused.")}
    result = run({}, listing(server))

    assert result.outcomes["payments", ""].error.exit_code == 77
    assert set(server.requested) == {1}


def test_a_server_that_answers_nothing_is_given_up_after_two_time_outs():
    asked: list[int] = []

    def read(opportunity: Opportunity) -> None:
        asked.append(opportunity.id)
        raise ReadTimeoutError("It timed out.")

    opportunities = [Opportunity(OpportunitySummary(number), {}) for number in range(9)]
    with pytest.raises(ReadTimeoutError):
        read_each(opportunities, read, None, 1)
    assert len(asked) == 2


@pytest.mark.parametrize("fails_at", range(1, 10))
def test_a_first_read_of_visits_resumes_inside_each_opportunity(run, fails_at):
    server = visits()
    server.fails_at = fails_at
    first = run({}, visiting(server))
    second = run(first.states[-1] if first.states else {}, visiting(visits()))

    assert set(keys(first, "visits")) | set(keys(second, "visits")) == {
        number for rows in visits().rows.values() for number in rows
    }


def test_an_opportunity_without_new_visits_costs_one_request_and_no_record(run):
    first = run({}, visiting(visits()))
    server = visits()
    server.rows[2][206] = {"id": 206, "status": "approved"}
    second = run(first.states[-1], visiting(server, overlap=1))

    # The overlap covers visits that become visible late: in ones that are still active.
    assert keys(second, "visits") == [105, 205, 206, 305]
    assert set(server.requested) == {1, 2, 3}


def test_a_visit_under_review_is_read_again_until_it_is_reviewed(run):
    server = visits()
    server.rows[1][102]["status"] = "pending"
    first = run({}, visiting(server))
    second = run(first.states[-1], visiting(server))
    reviewed = run(second.states[-1], visiting(visits()))
    last = run(reviewed.states[-1], visiting(visits()))

    assert keys(second, "visits")[:4] == [102, 103, 104, 105]
    assert keys(reviewed, "visits")[:4] == [102, 103, 104, 105]
    assert keys(last, "visits") == []


def test_a_full_read_is_due_after_its_days_and_activates_a_version(run):
    first = run({}, visiting(visits()))
    server = visits()
    del server.rows[1][103]
    full = run(first.states[-1], visiting(server, days=0))

    assert first.activated() == []
    assert len(full.activated()) == 1
    assert 103 not in keys(full, "visits")
    assert len(keys(full, "visits")) == 14


@pytest.mark.parametrize("fails_at", range(2, 8))
def test_a_full_read_that_fails_is_abandoned_and_shows_nothing_of_itself(run, fails_at):
    first = run({}, visiting(visits()))
    server = visits()
    server.fails_at = fails_at
    failed = run(first.states[-1], visiting(server, days=0))

    bookmarks = failed.states[-1]["bookmarks"]["visits"]
    assert failed.activated() == []
    assert "full_read" not in bookmarks
    assert bookmarks["full_read_failed_at"]
    assert bookmarks["opportunities"]["1"]["id"] == 105


@pytest.mark.parametrize("overlap", [0, 1, 1000])
@pytest.mark.parametrize("ahead", [1, 5000, 2**62])
def test_a_bookmark_after_all_visits_hides_nothing_and_is_reported(run, caplog, overlap, ahead):
    first = run({}, visiting(visits()))
    state = first.states[-1]
    state["bookmarks"]["visits"]["opportunities"]["3"] |= {"id": 305 + ahead, "visits": 0}
    again = run(state, visiting(visits(), overlap=overlap))
    bookmark = again.states[-1]["bookmarks"]["visits"]["opportunities"]["3"]

    assert {key for key in keys(again, "visits") if key > 300} == set(range(301, 306))
    assert "opportunity 3 has no visit as late as the bookmark" in caplog.text
    assert bookmark["id"] == 305


def test_the_expected_number_of_visits_is_logged_for_a_first_read(run, caplog):
    caplog.set_level("INFO")
    run({}, visiting(visits()))

    assert "record_total" in caplog.text
    assert "15" in next(text for text in caplog.messages if "record_total" in text)
