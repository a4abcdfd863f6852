"""A run may end at any time; the next one resumes from the last state."""

from __future__ import annotations

import json
import random
import signal
import subprocess

import pytest
from commcare_sandbox import Sandbox

KINDS = {"visits": "user_visits", "payments": "payment", "users": "user_data"}
SMALL = {"cases": 0, "forms": 0}


class Loaded:
    """What a target would store: rows by key, and tables that are replaced when activated."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple, dict]] = {}
        self._begun: dict[tuple[str, int], dict[tuple, dict]] = {}
        self._keys: dict[str, list[str]] = {}
        self.last_state = None

    def take(self, printed: bytes) -> None:
        """Take what was committed: everything before the last whole state."""
        lines = [json.loads(line) for line in printed.split(b"\n")[:-1]]
        states = [at for at, line in enumerate(lines) if line["type"] == "STATE"]
        for line in lines[: states[-1] + 1] if states else []:
            getattr(self, line["type"].lower())(line)

    def schema(self, line) -> None:
        self._keys[line["stream"]] = line["key_properties"]

    def record(self, line) -> None:
        stream, version = line["stream"], line.get("version")
        table = self.rows.setdefault(stream, {})
        if version is not None:
            table = self._begun.setdefault((stream, version), {})
        table[tuple(line["record"][name] for name in self._keys[stream])] = line["record"]

    def activate_version(self, line) -> None:
        stream = line["stream"]
        self.rows[stream] = self._begun.pop((stream, line["version"]), {})

    def state(self, line) -> None:
        self.last_state = line["value"]


def change(server: Sandbox, chance: random.Random) -> None:
    """Insert, edit and delete rows, as people would."""
    for kind, column in (("user_visits", "review_status"), ("payment", "payment_operator")):
        rows = list(server.connect.content(kind))
        first, second = chance.sample(rows, 2)
        server.connect.edit(kind, first["opportunity"], first["row_id"], **{column: "edited"})
        server.connect.delete(kind, second["opportunity"], second["row_id"])
        server.connect.insert(kind, chance.randrange(1, 31))
        server.connect.insert(kind, first["opportunity"], before=first["row_id"])


def test_killed_at_random_on_a_changing_server_all_tables_are_equal_in_the_end(tap_on, select):
    chance = random.Random(11)
    loaded = Loaded()
    with Sandbox(**SMALL, connect_opportunities=30, connect_visits=900, latency_ms=8) as server:
        tap, catalog = tap_on(server), select(*KINDS)
        for turn in range(9):
            change(server, chance)
            days = 0 if turn > 4 else 7
            started = tap.start(
                loaded.last_state, catalog, page_size=15, visit_full_refresh_days=days
            )
            with started as process:
                try:
                    wait = None if turn in {4, 8} else chance.uniform(0.9, 2.0)
                    printed, _ = process.communicate(timeout=wait)
                except subprocess.TimeoutExpired:
                    process.kill()
                    printed, _ = process.communicate()
            loaded.take(printed)

        assert process.returncode == 0
        # A read that began before the last change continues with the earlier data.
        with tap.start(loaded.last_state, catalog, visit_full_refresh_days=0) as process:
            loaded.take(process.communicate()[0])
        for stream, kind in KINDS.items():
            rows = list(server.connect.content(kind))
            assert len(loaded.rows[stream]) == len(rows)
        visits = {item["row_id"]: item["row"] for item in server.connect.content("user_visits")}
        for (row_id,), record in loaded.rows["visits"].items():
            assert record["review_status"] == visits[row_id]["review_status"]
            assert record["form_json"] == visits[row_id]["form_json"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_killed_table_resumes_with_its_version_and_its_keys(tap, select, concurrency):
    catalog = select("completed_modules")
    chosen = {"concurrency": concurrency, "page_size": 5}
    whole = tap(catalog=catalog, page_size=1000)
    killed = tap.stopped_after(100, signal.SIGKILL, catalog=catalog, **chosen)
    again = tap(catalog=catalog, state=killed.state, **chosen)

    before, after = killed.keys("completed_modules"), again.keys("completed_modules")
    assert set(before) | set(after) == set(whole.keys("completed_modules"))
    assert len(set(before) & set(after)) <= 5
    assert len({m["version"] for run in (killed, again) for m in run.of("RECORD")}) == 1
    assert again.activated() == {"completed_modules"}


def test_twins_on_both_sides_of_an_interruption_keep_their_own_keys(tap_on, select):
    with Sandbox(**SMALL, connect_opportunities=1, connect_visits=20) as server:
        twin = {"username": "a", "created_at": "2026-05-01T00:00:00Z", "amount": "1.00"}
        twin |= {"organization": None, "invoice_id": None}
        for item in server.connect.content("payment"):
            server.connect.edit("payment", 1, item["row_id"], **twin)
        tap, catalog = tap_on(server), select("payments")
        server.set(fault="429", fault_every=5, retry_after="int", retry_after_seconds=900)
        paused = tap(catalog=catalog, page_size=2)
        server.set(fault="")
        resumed = tap(catalog=catalog, page_size=3, state=paused.state)
        whole = tap(catalog=catalog)

    keys = whole.keys("payments")
    assert len(set(keys)) == len(keys) > 6
    assert paused.keys("payments") == keys[:6]
    assert set(paused.keys("payments")) | set(resumed.keys("payments")) == set(keys)
    assert resumed.keys("payments") == keys[-len(resumed.keys("payments")) :]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_between_two_messages(sandbox: Sandbox, tap, signum, code):
    sandbox.set(latency_ms=50)
    run = tap.stopped_after(60, signum)

    assert run.code == code
    assert "Traceback" not in run.log
    assert run.messages[-1]["type"] in {"STATE", "SCHEMA", "ACTIVATE_VERSION"}


def test_what_is_read_beside_a_failure_resumes_too(sandbox: Sandbox, tap, select):
    catalog = select("users")
    chosen = {"catalog": catalog, "concurrency": 1, "page_size": 4}
    sandbox.set(connect_hidden="1")
    sandbox.set(fault="429", fault_every=8, retry_after="int", retry_after_seconds=900)
    paused = tap(**chosen)
    sandbox.set(fault="")
    resumed = tap(state=paused.state, **chosen)
    sandbox.set(connect_hidden="")
    whole = tap(state=resumed.state, **chosen)

    assert (paused.code, resumed.code, whole.code) == (75, 1, 0)
    assert 0 < len(paused.keys("users")) < 40
    assert len(set(paused.keys("users")) | set(resumed.keys("users"))) == 40
    assert not set(paused.keys("users")) & set(resumed.keys("users"))
    assert len(whole.keys("users")) == 48
    assert whole.activated() == {"users"}


def test_other_filters_begin_a_version_of_their_own(tap, select):
    catalog = select("users")
    killed = tap.stopped_after(30, signal.SIGKILL, catalog=catalog, page_size=3)
    other = tap(catalog=catalog, state=killed.state, opportunity_ids=[1, 2])

    assert len(other.records("users")) == 16
    assert other.of("RECORD")[0]["version"] > killed.of("RECORD")[0]["version"]
