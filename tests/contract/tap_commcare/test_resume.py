"""A run may end at any time; the next one resumes from the last state."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time

import pytest
from commcare_sandbox import Sandbox


def test_killed_at_random_on_a_changing_server_the_union_is_what_the_server_has(tap_on):
    chance = random.Random(7)
    rows: dict[tuple[str, str], dict] = {}
    state = None
    with Sandbox(cases=600, forms=500, latency_ms=30) as server:
        tap = tap_on(server)
        for turn in range(9):
            server.edit_case()
            server.edit_form()
            server.archive_form()
            server.submit_form()
            if turn == 4:
                server.reindex()
            is_last = turn == 8
            with tap.start(state, page_size=20) as process:
                try:
                    out, _ = process.communicate(
                        timeout=None if is_last else chance.uniform(0.8, 1.4)
                    )
                except subprocess.TimeoutExpired:
                    process.kill()
                    out, _ = process.communicate()
            lines = [json.loads(line) for line in out.split(b"\n")[:-1]]
            ends = [place for place, line in enumerate(lines) if line["type"] == "STATE"]
            # What follows the last state may never have reached a database.
            for line in lines[: ends[-1] + 1 if ends else 0]:
                if line["type"] == "RECORD" and line["stream"] in {"cases", "forms"}:
                    record = line["record"]
                    rows[line["stream"], record.get("case_id") or record["form_id"]] = record
            state = lines[ends[-1]]["value"] if ends else state

        assert process.returncode == 0
        for case in server.content("cases"):
            assert rows["cases", case["case_id"]]["properties"] == case["properties"]
        for form in server.content("forms"):
            assert rows["forms", form["id"]]["form_data"] == form["form"]
            assert rows["forms", form["id"]]["archived"] is form["archived"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_killed_read_repeats_at_most_a_page(tap, select, concurrency):
    chosen = {"overlap_seconds": 0, "concurrency": concurrency}
    killed = tap.stopped_after(180, signal.SIGKILL, **chosen)

    again = tap(state=killed.state, catalog=select("cases", "forms"), **chosen)

    for stream, total in (("cases", 400), ("forms", 200)):
        before, after = killed.ids(stream), again.ids(stream)
        assert len(set(before) | set(after)) == total
        assert len(set(before) & set(after)) <= 50


@pytest.mark.parametrize("stream", ["cases", "forms"])
def test_equal_timestamps_are_read_completely_and_resumed_among(tap_on, select, stream):
    with Sandbox(cases=300, forms=300, unstable_ties=True) as server:
        server.reindex()
        time.sleep(1.1)
        tap, catalog = tap_on(server), select(stream)
        first = tap(catalog=catalog, overlap_seconds=0)
        server.set(fault="429", fault_every=4, retry_after="int", retry_after_seconds=999)
        paused = tap(catalog=catalog, overlap_seconds=0, concurrency=1)
        server.set(fault="")
        resumed = tap(catalog=catalog, state=paused.state, overlap_seconds=0, concurrency=1)
        total = len(list(server.content(stream)))

    assert len(set(first.ids(stream))) == total
    assert 0 < len(paused.ids(stream)) < total
    assert len(set(paused.ids(stream)) | set(resumed.ids(stream))) == total
    assert len(set(paused.ids(stream)) & set(resumed.ids(stream))) <= 50


def test_rows_that_become_visible_late_are_read_by_the_next_run(tap_on, select):
    with Sandbox(cases=300, forms=300, late_every=9, late_requests=20) as server:
        tap, catalog = tap_on(server), select("cases", "forms")
        everything = {"overlap_seconds": 10**9}
        early = tap(catalog=catalog, **everything)
        for _ in range(2):
            late = tap(catalog=catalog, state=early.state, **everything)

    assert len(set(early.ids("cases"))) < 300
    assert len(set(early.ids("cases")) | set(late.ids("cases"))) == 300


def test_the_bookmark_is_never_ahead_of_the_records(tap):
    run = tap()

    latest = {"cases": "", "forms": "", "form_cases": ""}
    for message in run.messages:
        if message["type"] == "RECORD" and message["stream"] in latest:
            stamp = message["record"]["indexed_on"]
            latest[message["stream"]] = max(latest[message["stream"]], stamp)
        if message["type"] == "STATE":
            for stream, stamp in latest.items():
                entry = message["value"]["bookmarks"].get(stream, {})
                assert entry.get("replication_key_value", "") <= stamp


def test_a_state_follows_every_page(tap, select):
    run = tap(catalog=select("cases"), concurrency=1)

    count = 0
    for message in run.messages:
        count = count + 1 if message["type"] == "RECORD" else 0
        assert count <= 50


def test_an_interrupted_full_table_resumes_under_its_version(sandbox: Sandbox, tap, select):
    catalog = select("lookup_table_rows")
    sandbox.set(fault="429", fault_every=3, retry_after="int", retry_after_seconds=999)
    paused = tap(catalog=catalog, page_size=20)
    sandbox.set(fault="")

    resumed = tap(catalog=catalog, page_size=20, state=paused.state)

    versions = {message["version"] for run in (paused, resumed) for message in run.of("RECORD")}
    assert paused.code == 75
    assert not paused.of("ACTIVATE_VERSION")
    assert len(versions) == 1
    assert [message["version"] for message in resumed.of("ACTIVATE_VERSION")] == list(versions)
    assert len(set(paused.ids("lookup_table_rows")) | set(resumed.ids("lookup_table_rows"))) == 61
    assert not set(paused.ids("lookup_table_rows")) & set(resumed.ids("lookup_table_rows"))


def test_a_new_read_of_a_full_table_has_a_later_version(tap, select):
    first = tap(catalog=select("groups"))
    second = tap(catalog=select("groups"), state=first.state)

    versions = [run.of("ACTIVATE_VERSION")[0]["version"] for run in (first, second)]
    assert versions[0] < versions[1]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_between_two_messages(sandbox: Sandbox, tap, signum, code):
    sandbox.set(latency_ms=100)

    run = tap.stopped_after(60, signum)

    assert run.code == code
    assert "Traceback" not in run.log
    assert run.messages[-1]["type"] in {"STATE", "SCHEMA"}


def test_a_reader_who_goes_away_ends_the_run_quietly(tap):
    with tap.start() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        log = process.stderr.read().decode()
        process.wait(30)

    assert process.returncode == 1
    assert "Traceback" not in log
    assert "BrokenPipe" not in log


def test_a_cursor_that_the_server_no_longer_knows_gives_way_to_the_bookmark(tap, select):
    first = tap(catalog=select("cases", "users"))
    state = first.state
    entry = state["bookmarks"]["cases"]
    at = 1_700_000_000_000
    path = "/a/river-health/api/case/v2/?cursor=from-another-release&nonsense=1"
    entry["position"] = {"at": at, "more": {"next": path}}
    lost = {"next": "/a/river-health/api/gone/v1/?offset=10", "seen": 10, "total": 99}
    state["bookmarks"]["users"] = {"version": 5, "position": lost}

    again = tap(catalog=select("cases", "users"), state=state)

    assert again.code == 0, again.log
    assert {message["version"] for message in again.of("ACTIVATE_VERSION")} == {5}
    assert sorted(set(again.ids("users"))) == sorted(first.ids("users"))
    assert 0 < len(again.ids("cases")) < 400


def test_a_cursor_that_excludes_columns_is_not_used_once_they_are_selected(tap_on, select):
    settings = {"overlap_seconds": 0, "concurrency": 1, "max_rate_limit_wait": 1}
    with Sandbox(cases=200, forms=1) as server:
        tap = tap_on(server)
        server.set(fault="429", fault_every=3, retry_after="int", retry_after_seconds=900)
        light = tap(catalog=select("cases", cases=("properties",)), **settings)
        server.set(fault="")
        whole = tap(catalog=select("cases"), state=light.state, **settings)

    assert (light.code, len(light.records("cases"))) == (75, 100)
    assert "other selected columns" in whole.log
    assert len(set(light.ids("cases")) | set(whole.ids("cases"))) == 200
    assert all(record["properties"] is not None for record in whole.records("cases"))


def test_a_state_that_something_else_wrote_costs_a_read_and_no_more(sandbox, tap, select):
    names = ("cases", "forms", "locations", "ucr_rows")
    sources = {"data_sources": sandbox.data_sources}
    whole = tap(catalog=select(*names), **sources)
    odd = {"replication_key_value": 1700000000, "read_started_at": True, "read_to": "soon"}
    odd |= {"position": {"at": 10**25, "more": {"x": 1}}, "data_sources": {"a": 5}}
    run = tap(catalog=select(*names), state={"bookmarks": dict.fromkeys(names, odd)}, **sources)

    assert run.code == 0, run.log
    for name in names:
        assert len(run.records(name)) == len(whole.records(name)) > 0


FUTURE = "2999-01-01T00:00:00.000000Z"
FAR = 32_472_144_000_000  # the same moment, in milliseconds
AHEAD = {
    "a complete read": {"replication_key_value": FUTURE, "read_started_at": FUTURE},
    "an unfinished read": {
        "replication_key_value": FUTURE,
        "read_started_at": FUTURE,
        "latest": FUTURE,
        "since": FUTURE[:-1],
        "position": {"at": FAR, "until": FAR},
    },
    "a place in a window": {
        "replication_key_value": "1970-01-01T00:00:01Z",
        "read_started_at": FUTURE,
        "since": FUTURE[:-1],
        "position": {"at": 1, "more": {"from": FAR}},
    },
}


@pytest.mark.parametrize("what", AHEAD)
def test_a_state_of_the_future_hides_nothing_and_is_reported(tap, select, what):
    names = ("cases", "forms", "form_cases", "locations")
    catalog = select(*names)
    whole = tap(catalog=catalog)
    run = tap(catalog=catalog, state={"bookmarks": dict.fromkeys(names, AHEAD[what])})
    after = tap(catalog=catalog, state=run.state)

    assert run.code == 0, run.log
    for name in names:
        assert set(run.keys(name)) == set(whole.keys(name)), name
        assert any(name in line for line in run.log.splitlines() if "WARNING" in line), run.log
        assert len(after.records(name)) < len(whole.records(name)) or name == "locations"
        assert FUTURE[:4] not in str(run.state)


def test_one_stream_that_is_ahead_does_not_hide_what_shares_its_read(tap, select):
    catalog = select("forms", "form_cases")
    whole = tap(catalog=catalog)
    entries = whole.state["bookmarks"]
    entries["form_cases"] |= AHEAD["a complete read"]
    run = tap(catalog=catalog, state={"bookmarks": entries})

    assert set(run.keys("form_cases")) == set(whole.keys("form_cases"))
    assert len(run.records("forms")) < len(whole.records("forms"))


def test_a_start_date_in_the_future_is_not_blamed_on_the_state(tap, select):
    run = tap(catalog=select("cases"), start_date="2999-01-01", state={"bookmarks": {}})

    assert (run.code, run.records("cases")) == (0, [])
    assert "in the future" not in run.log


STARTED = {"replication_key_value": "2024-01-01T00:00:00Z", "read_started_at": FUTURE}


def test_a_stored_page_of_another_project_space_is_never_requested(sandbox, tap, select):
    """The credential may reach it; the state was written by who may only write this dataset."""
    names = ("cases", "users", "locations", "lookup_tables", "report_rows", "ucr_rows")
    elsewhere = "/a/other-space/api/case/v2/?limit=1&domain=other-space"
    place = {"next": elsewhere, "seen": 0, "total": 1}
    version = {"version": int(time.time() * 1000)}
    entries = {
        "cases": {**STARTED, "position": {"at": 1, "more": {"next": elsewhere}}},
        "users": {**version, "position": {"is_active": True, "at": place}},
        "locations": {**STARTED, "position": {"api": "v1", "at": place}},
        "lookup_tables": {**version, "position": place},
        "report_rows": {**version, "position": {"report": 0, **place}},
        "ucr_rows": {"data_sources": {one: {"begin": elsewhere} for one in sandbox.data_sources}},
    }
    lists = {"reports": sandbox.reports, "data_sources": sandbox.data_sources}
    sandbox.forget_requests()
    run = tap(catalog=select(*names), state={"bookmarks": entries}, **lists)
    asked = sandbox.requests()["by_path"]

    assert run.code == 0, run.log
    assert [path for path in asked if "other-space" in path] == []
    assert all(run.records(name) for name in names)


def test_a_stored_page_of_another_data_source_is_never_requested(sandbox, tap, select):
    one, other = sandbox.data_sources[:2]
    path = f"/a/{sandbox.domain}/api/ucr/v1/?data_source_id={other}&limit=10"
    state = {"bookmarks": {"ucr_rows": {"data_sources": {one: {"begin": path}}}}}
    run = tap(catalog=select("ucr_rows"), data_sources=[one], state=state)
    whole = tap(catalog=select("ucr_rows"), data_sources=[one])

    assert "another data source" in run.log
    assert [r["data"] for r in run.records("ucr_rows")] == [
        r["data"] for r in whole.records("ucr_rows")
    ]


def test_a_cursor_behind_the_end_of_a_data_source_hides_nothing(sandbox, tap, select):
    one = sandbox.data_sources[0]
    whole = tap(catalog=select("ucr_rows"), data_sources=[one], page_size=20)
    places = whole.state["bookmarks"]["ucr_rows"]["data_sources"]
    path = places[one]["begin"].partition("?")[0]
    end = f"{path}?data_source_id={one}&limit=20&last_inserted_at=2999-01-01T00:00:00"
    for name in ("begin", "going_on"):
        places[one] = {name: end}
        run = tap(catalog=select("ucr_rows"), data_sources=[one], state=whole.state, page_size=20)
        assert run.code == 0, run.log
        assert len(run.records("ucr_rows")) == len(whole.records("ucr_rows"))


ODD = (5, -1, 1.5, True, "x", "", None, [], [[]], {}, {"a": {"b": []}}, 1e300, 10**30, "\ud800")
NAMES = (
    "replication_key_value", "read_started_at", "read_to", "position", "version", "last_version",
    "is_complete", "completed_at", "scope", "data_sources", "since", "latest", "partitions",
    "domain", "context", "going_on",
)  # fmt: skip


def test_states_of_any_shape_are_read_or_left_out(sandbox, tap):
    """One name after the other gets an odd value, in all streams at once."""
    streams = [m["stream"] for m in tap(data_sources=sandbox.data_sources).of("SCHEMA")]
    for turn, odd in enumerate(ODD):
        entry = {name: ODD[(turn + place) % len(ODD)] for place, name in enumerate(NAMES)}
        entry["position"] = odd if turn % 2 else {"at": odd, "more": {"next": odd, "from": odd}}
        run = tap(
            state={"bookmarks": dict.fromkeys(streams, entry)}, data_sources=sandbox.data_sources
        )
        assert run.code == 0, (odd, run.log)
        assert run.records("cases"), odd
