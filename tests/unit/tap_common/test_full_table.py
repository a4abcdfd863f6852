"""Tables that are read in full: versions, interruptions, and several domains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from support.sync_tasks import TaskRunner
from tap_commcare.tap import TapCommCare
from tap_common.bookmarks import Bookmarks
from tap_common.errors import RequestRejectedError, StreamStatus, UnavailableError
from tap_common.full_table import FullTableSync, ListChangedError, ListPage, Position, TableVersions

TAP = TapCommCare(config={"domains": ["a", "b"], "username": "u", "api_key": "k"})
DOMAINS = ("a", "b")


@dataclass
class Rows:
    """A list of numbers, two on a page; it can fail, change, and forget positions."""

    count: int = 5
    fails_at: int = 0
    changes_at: int = 0
    forgets: bool = False
    tells_total: bool = False
    requested: int = 0

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        self.requested += 1
        if self.requested == self.fails_at:
            raise UnavailableError("The server failed.")
        if self.requested == self.changes_at:
            raise ListChangedError
        if position is not None and self.forgets:
            raise RequestRejectedError("The position is unknown.")
        begin = position["at"] if position else 0
        rows = list(range(self.count))[begin : begin + (limit or 2)]
        end = begin + len(rows)
        following = {"at": end} if end < self.count else None
        return ListPage(rows, following, self.count if self.tells_total else None)


def reading(rows: Rows, domain: str = "a", scope: str = "") -> Callable[[Bookmarks], FullTableSync]:
    def task(bookmarks: Bookmarks) -> FullTableSync:
        def records(numbers: Any) -> list[dict[str, Any]]:
            return [{"id": str(number), "domain": domain} for number in numbers]

        versions = bookmarks.__dict__.setdefault("versions", TableVersions(bookmarks, DOMAINS))
        return FullTableSync(domain, [(TAP.streams["groups"], records)], rows, versions, scope)

    return task


@pytest.fixture
def run(capsysbinary) -> TaskRunner:
    return TaskRunner(capsysbinary, DOMAINS)


def ids(result: Any) -> list[str]:
    return [record["id"] for record in result.records("groups")]


def test_a_version_is_activated_when_the_last_domain_is_complete(run):
    result = run({}, reading(Rows(), "a"), reading(Rows(), "b"))

    kinds = [message["type"] for message in result.messages]
    assert kinds.count("ACTIVATE_VERSION") == 1
    assert kinds[-2:] == ["ACTIVATE_VERSION", "STATE"]
    assert len(ids(result)) == 10


def test_a_domain_that_is_complete_is_not_read_again_for_the_same_version(run):
    first = run({}, reading(Rows(), "a"), reading(Rows(fails_at=2), "b"))
    again = Rows()
    second = run(first.states[-1], reading(again, "a"), reading(Rows(), "b"))

    assert first.activated() == []
    assert again.requested == 0
    assert ids(second) == ["2", "3", "4"]
    assert len(second.activated()) == 1


def test_a_complete_domain_is_read_again_after_a_day(run, monkeypatch):
    first = run({}, reading(Rows(), "a"), reading(Rows(fails_at=2), "b"))
    later = time.time() + 2 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    second = run(first.states[-1], reading(Rows(), "a"), reading(Rows(), "b"))

    assert len(ids(second)) == 8


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_an_interrupted_read_resumes_under_the_same_version(run, fails_at):
    first = run({}, reading(Rows(fails_at=fails_at), "a"), reading(Rows(), "b"))
    second = run(first.states[-1], reading(Rows(), "a"), reading(Rows(), "b"))

    emitted = first.messages + second.messages
    assert len({m["version"] for m in emitted if m["type"] == "RECORD"}) == 1
    assert sorted(r["id"] for r in (*first.records("groups"), *second.records("groups"))) == sorted(
        [*"01234", *"01234"]
    )


def test_other_settings_start_the_list_again(run):
    first = run({}, reading(Rows(fails_at=2), "a", scope="x"), reading(Rows(), "b"))
    second = run(first.states[-1], reading(Rows(), "a", scope="y"))

    assert ids(second) == [*"01234"]


def test_a_list_that_changes_is_read_again_and_given_up_in_the_end(run):
    once = run({}, reading(Rows(changes_at=3)))

    class Restless(Rows):
        def page(self, position: Position | None, limit: int | None = None) -> ListPage:
            if position:
                raise ListChangedError
            return super().page(position, limit)

    never = run({}, reading(Restless()))

    assert ids(once) == ["0", "1", "2", "3", *"01234"]
    assert never.outcomes["groups", "a"].status is StreamStatus.FAILED
    assert never.activated() == []


def test_a_position_that_the_server_no_longer_knows_gives_way_to_the_beginning(run, caplog):
    first = run({}, reading(Rows(fails_at=2)))
    second = run(first.states[-1], reading(Rows(forgets=True)))

    # It is dropped once: a list that cannot be paged at all is an error.
    assert ids(second) == ["0", "1"]
    assert second.outcomes["groups", "a"].status is StreamStatus.FAILED
    assert "does not resume where the last run stopped" in caplog.text


FAR = 32_472_144_000_000  # the year 2999, in milliseconds


@pytest.mark.parametrize("name", ["version", "last_version"])
@pytest.mark.parametrize("stored", [FAR, 10**18, 2**63 - 1, -1, "soon", 1.5, True])
def test_a_version_that_this_tap_did_not_write_is_ignored(run, caplog, name, stored):
    partition = {"context": {"domain": "a"}, name: stored}
    state = {"bookmarks": {"groups": {"partitions": [partition]}}}
    result = run(state, reading(Rows(), "a"), reading(Rows(), "b"))

    ((_, version),) = result.activated()
    assert 0 < version <= time.time() * 1000
    assert f"ignoring {name}" in caplog.text


def test_a_new_version_is_larger_than_the_last_one(run):
    last = int(time.time() * 1000) + 60_000
    partition = {"context": {"domain": "b"}, "last_version": last}
    state = {"bookmarks": {"groups": {"partitions": [partition]}}}
    result = run(state, reading(Rows(), "a"), reading(Rows(), "b"))

    assert result.activated() == [("groups", last + 1)]


def test_a_completion_in_the_future_does_not_replace_reading(run):
    version = int(time.time() * 1000)
    done = {"version": version, "is_complete": True, "completed_at": FAR}
    partitions = [{"context": {"domain": domain}, **done} for domain in DOMAINS]
    state = {"bookmarks": {"groups": {"partitions": partitions}}}
    result = run(state, reading(Rows(), "a"), reading(Rows(), "b"))

    assert len(ids(result)) == 10


def totals(caplog) -> list[tuple[str, int]]:
    points = [each.args[0] for each in caplog.records if each.name == "singer_sdk.metrics"]
    return [
        (point.tags["domain"], point.value) for point in points if point.metric == "record_total"
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (Rows(tells_total=True), [("a", 5)]),
        (Rows(), []),
        (Rows(count=2), [("a", 2)]),  # one page: all that there is
        (Rows(count=0), [("a", 0)]),
    ],
    ids=str,
)
def test_the_total_of_a_list_is_logged_once_where_it_is_known(run, caplog, rows, expected):
    caplog.set_level("INFO")
    run({}, reading(rows, "a"))

    assert totals(caplog) == expected


def test_a_list_that_is_resumed_has_no_total(run, caplog):
    """The total is that of the whole list; how much of it had been read is not known."""
    first = run({}, reading(Rows(fails_at=2, tells_total=True), "a"), reading(Rows(), "b"))
    caplog.clear()
    caplog.set_level("INFO")
    run(first.states[-1], reading(Rows(tells_total=True), "a"), reading(Rows(), "b"))

    assert [domain for domain, _ in totals(caplog)] == []
