"""Visits: new ones, ones that became visible late, and edits that leave no trace."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime

import pytest
from commcare_sandbox import Sandbox

SIZES = {"cases": 0, "forms": 0, "connect_opportunities": 6, "connect_visits": 300}


def asked_for(server: Sandbox) -> set[str]:
    return {path for path in server.requests()["by_path"] if path.endswith("/user_visits/")}


def ids(run):
    return [record["id"] for record in run.records("visits")]


def totals(run):
    return [
        json.loads(line.partition("METRIC: ")[2])["value"]
        for line in run.log.splitlines()
        if "record_total" in line
    ]


@pytest.fixture
def server():
    with Sandbox(**SIZES) as running:
        yield running


def reader(tap, select):
    catalog = select("visits")
    return lambda state=None, **config: tap(
        state=state, catalog=catalog, **{"visit_overlap": 0, **config}
    )


@pytest.fixture
def read(server, tap_on, select):
    return reader(tap_on(server), select)


@pytest.fixture
def read_shared(tap, select):
    """Read the server that no test changes."""
    return reader(tap, select)


def test_a_second_run_asks_active_opportunities_and_those_whose_count_moved(server, read):
    first = read()
    server.forget_requests()
    unchanged = read(first.state)
    asked = asked_for(server)
    new = server.connect.insert("user_visits", 3, count=2)
    changed = read(first.state)

    assert len(ids(first)) == 300
    assert (ids(unchanged), ids(changed)) == ([], new)
    active = {o["id"] for o in server.connect.content("opportunities") if o["is_active"]}
    with_visits = {record["opportunity_id"] for record in first.records("visits")}
    assert asked == {
        f"/connect/export/opportunity/{each}/user_visits/" for each in active & with_visits
    }
    assert (first.code, unchanged.code, changed.code) == (0, 0, 0)


@pytest.mark.parametrize("change", [{"status": "approved"}, {"review_status": "agree"}])
def test_a_review_is_seen_by_the_next_run(server, read, change):
    ((name, _),) = change.items()
    first = read(visit_review_days=36_500)
    waiting = [
        r for r in first.records("visits") if r["opportunity_id"] == 3 and r[name] == "pending"
    ]
    server.connect.edit("user_visits", 3, waiting[0]["id"], **change)
    second = read(first.state, visit_review_days=36_500)
    third = read(second.state, visit_review_days=0)
    fourth = read(third.state, visit_review_days=0)

    seen = {r["id"]: r[name] for r in second.records("visits")}
    assert seen[waiting[0]["id"]] == change[name]
    assert second.code == 0
    # A visit whose review is no longer awaited is read once more, by the run that notices.
    assert third.records("visits") != []
    assert fourth.records("visits") == []


def test_a_row_that_became_visible_late_is_read_within_the_overlap(server, read):
    first = read()
    largest = max(r["id"] for r in first.records("visits") if r["opportunity_id"] == 3)
    late = server.connect.insert("user_visits", 3, before=largest - 50)

    assert late[0] in ids(read(first.state, visit_overlap=200))
    assert late[0] not in ids(read(first.state, visit_overlap=10))


def test_all_visits_are_read_again_when_that_is_due(server, read):
    first = read()
    row = next(i for i in server.connect.content("user_visits") if i["opportunity"] == 2)
    server.connect.edit("user_visits", 2, row["row_id"], review_status="disagree")
    gone = next(i for i in server.connect.content("user_visits") if i["opportunity"] == 5)
    server.connect.delete("user_visits", 5, gone["row_id"])
    not_due = read(first.state)
    due = read(not_due.state, visit_full_refresh_days=0)
    after = read(due.state)

    assert not not_due.activated()
    assert row["row_id"] not in ids(not_due)
    assert len(set(ids(due))) == 299
    assert gone["row_id"] not in ids(due)
    edited = next(r for r in due.records("visits") if r["id"] == row["row_id"])
    assert edited["review_status"] == "disagree"
    versions = {message.get("version") for message in due.of("RECORD")}
    assert [message["version"] for message in due.of("ACTIVATE_VERSION")] == list(versions)
    assert ids(after) == []
    # Totals are announced where they are known: not if ids before the bookmark are read again.
    assert [totals(run) for run in (first, not_due, due)] == [[300], [], [299]]
    assert (
        due.state["bookmarks"]["visits"]["full_read_at"]
        > first.state["bookmarks"]["visits"]["full_read_at"]
    )


def test_the_state_remembers_when_all_were_read_and_where_each_opportunity_stands(read_shared):
    entry = read_shared().state["bookmarks"]["visits"]
    known = entry["opportunities"]

    assert known.keys() == set("123456")
    assert known["3"]["visits"] == 150
    assert known["3"]["id"] > 1000
    assert entry["full_read_at"].endswith("Z")


def test_images_that_are_wanted_anew_make_a_full_read_due(read_shared):
    first = read_shared()
    second = read_shared(first.state, include_images=True)
    third = read_shared(second.state, include_images=True)

    assert len(ids(second)) == 300
    assert any(record["images"] for record in second.records("visits"))
    assert ids(third) == []


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("is_full", [False, True])
def test_a_killed_read_resumes_inside_an_opportunity(
    read_shared, tap, sandbox, select, concurrency, is_full
):
    before = read_shared().state if is_full else None
    days = {"visit_full_refresh_days": 0} if is_full else {}
    killed = tap.stopped_after(
        150,
        signal.SIGKILL,
        state=before,
        catalog=select("visits"),
        visit_overlap=0,
        concurrency=concurrency,
        **days,
    )
    again = read_shared(killed.state, concurrency=concurrency, **days)

    assert 100 < len(ids(killed)) < 300
    content = {item["row_id"] for item in sandbox.connect.content("user_visits")}
    assert set(ids(killed)) | set(ids(again)) == content
    assert len(set(ids(killed)) & set(ids(again))) <= 7
    versions = {message.get("version") for run in (killed, again) for message in run.of("RECORD")}
    assert len(versions) == 1
    assert again.activated() == ({"visits"} if is_full else set())


def test_a_full_read_that_fails_in_part_changes_nothing_that_is_remembered(server, read):
    first = read()
    new = server.connect.insert("user_visits", 3, count=2)
    server.set(connect_hidden="2")
    failed = read(first.state, visit_full_refresh_days=0)
    server.set(connect_hidden="")
    after = read(failed.state)

    assert failed.code == 1
    assert not failed.activated()
    # Rows of a version that is not activated are never visible, so new visits have no version.
    plain = [m["record"]["id"] for m in failed.of("RECORD") if "version" not in m]
    assert plain == new
    assert failed.state["bookmarks"]["visits"]["failed"] == [2]
    assert (after.code, ids(after)) == (0, [])


def test_an_opportunity_whose_access_ended_does_not_stop_the_others(server, read):
    server.set(connect_hidden="2")
    run = read()
    server.set(connect_hidden="")
    again = read(run.state)

    assert run.code == 1
    assert "visits skipped (281 records; opportunity 2: " in run.last_line
    assert {r["opportunity_id"] for r in again.records("visits")} == {2}


def test_a_new_opportunity_is_read_from_its_beginning(read_shared):
    first = read_shared(opportunity_ids=[1, 3])
    second = read_shared(first.state)

    assert {r["opportunity_id"] for r in second.records("visits")} == {2, 5, 6}


def test_deselected_columns_are_not_written(tap, select):
    run = tap(catalog=select("visits", visits=("form_json", "location")))

    assert not {"form_json", "location"} & run.records("visits")[0].keys()


FUTURE = "2999-01-01T00:00:00.000000Z"
FAR = 32_472_144_000_000  # the same moment, in milliseconds


@pytest.mark.parametrize(("overlap", "ahead"), [(0, 1), (1000, 2**62)])
def test_a_bookmark_after_all_visits_hides_nothing_and_is_reported(read_shared, overlap, ahead):
    first = read_shared()
    known = first.state["bookmarks"]["visits"]["opportunities"]["3"]
    known |= {"id": known["id"] + ahead, "visits": 0}
    again = read_shared(first.state, visit_overlap=overlap)
    after = again.state["bookmarks"]["visits"]["opportunities"]["3"]["id"]

    assert again.code == 0
    assert "visits: opportunity 3 has no visit as late" in again.log
    whole = {r["id"] for r in first.records("visits") if r["opportunity_id"] == 3}
    assert {r["id"] for r in again.records("visits") if r["opportunity_id"] == 3} == whole
    assert after == max(whole)


@pytest.mark.parametrize("odd", [{"full_read_at": FUTURE}, {"last_version": FAR}])
def test_a_state_of_visits_that_this_tap_cannot_have_written_is_ignored(read_shared, odd):
    first = read_shared()
    state = first.state
    state["bookmarks"]["visits"] |= odd
    again = read_shared(state)

    assert again.code == 0
    assert "visits: this tap did not write the state" in again.log
    assert len(ids(again)) == 300


@pytest.mark.parametrize("began_at", [FUTURE, "now"])
def test_a_full_read_resumes_only_if_something_follows(read_shared, began_at):
    now = datetime.now(UTC)
    is_now = began_at == "now"
    position = {"began_at": now.isoformat() if is_now else FUTURE, "open": {"3": 10**12}}
    version = int(now.timestamp() * 1000) - 5
    full = {"version": version, "position": position, "ends": {}}
    again = read_shared({"bookmarks": {"visits": {"full_read": full}}})

    assert again.code == 0
    assert len(ids(again)) == 300
    assert bool(again.of("ACTIVATE_VERSION")) is is_now


def test_tables_resume_only_if_something_follows(tap, select):
    catalog = select("payments", "users")
    whole = tap(catalog=catalog)
    now = datetime.now(UTC)
    version = int(now.timestamp() * 1000) - 5
    place = {"began_at": now.isoformat(), "open": {"1": 10**12, "2": 10**12}}
    ahead = {"began_at": FUTURE, "done": [1, 2, 3, 4, 5, 6]}
    state = {
        "bookmarks": {
            "payments": {"version": version, "position": place},
            "users": {"version": FAR, "position": ahead},
        }
    }
    again = tap(catalog=catalog, state=state)

    assert again.code == 0, again.log
    for name in ("payments", "users"):
        assert sorted(again.keys(name)) == sorted(whole.keys(name))
    assert "nothing follows the position" in again.log
    assert "ignoring version in the state" in again.log
