"""How well a dataset is, what monitoring is told, and the picture of past runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from scout_control.rules.health import (
    FAILED_BEFORE,
    NO_WORKER,
    OVERDUE_AFTER,
    Condition,
    Facts,
    Health,
    MonitoringCode,
    assess,
    health_of,
    monitoring_code,
)
from scout_control.rules.run_history import ASCII_HEIGHTS, HEIGHTS, LEGEND, picture

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATE, SOON = NOW - OVERDUE_AFTER - timedelta(seconds=1), NOW + timedelta(hours=1)


def facts(**given) -> Facts:
    usual = {"status": "ready", "is_paused": False, "sync_error": None, "next_sync_at": SOON}
    usual["command"] = "scout run a/b"
    return Facts(**(usual | given))


RUNNING = {"run_status": "running"}
ERROR = {"status": "error", "sync_error": "no luck"}
UNLINKED = {"is_linked": False}


@pytest.mark.parametrize(
    ("given", "health", "reason"),
    [
        ({}, Health.FINE, None),
        ({"status": "expired", "sync_error": "old", "next_sync_at": LATE}, Health.FINE, None),
        ({"status": "error", "sync_error": "no luck"}, Health.FAILED, "no luck"),
        ({"status": "error"}, Health.FAILED, FAILED_BEFORE),
        ({"refusal": "refused: reconnect"}, Health.FAILED, "refused: reconnect"),
        (ERROR | {"refusal": "refused"}, Health.FAILED, "no luck"),  # the run says what was refused
        (ERROR | {"refusal": "deleted", "is_reset": True}, Health.FAILED, "deleted"),
        (UNLINKED | {"remains": "kept"}, Health.ATTENTION, "kept"),
        (UNLINKED, Health.FINE, None),
        ({"sync_error": "forms: 403"}, Health.ATTENTION, "forms: 403"),
        ({"transform_error": "model a"}, Health.ATTENTION, "dbt failed: model a"),
        ({"unmatched_rules": "rules: a"}, Health.ATTENTION, "rules: a"),
        ({"unmatched_rules": "x", "transform_error": "a"}, Health.ATTENTION, "dbt failed: a"),
        ({"unmatched_rules": "x", "status": "expired"}, Health.FINE, None),
        (RUNNING | {"unmatched_rules": "rules: a"}, Health.ATTENTION, "rules: a"),
        ({"next_sync_at": LATE}, Health.ATTENTION, "To load it now: scout run a/b"),
        ({"next_sync_at": LATE, "has_worker": False}, Health.ATTENTION, f"Z. {NO_WORKER}"),
        ({"next_sync_at": LATE, "is_paused": True}, Health.FINE, None),
        ({"next_sync_at": NOW - timedelta(minutes=5)}, Health.FINE, None),
        ({"next_sync_at": None}, Health.FINE, None),
        (RUNNING, Health.RUNNING, None),
        (RUNNING | {"next_sync_at": LATE}, Health.RUNNING, None),
        (RUNNING | {"is_interrupted": True}, Health.ATTENTION, "within minutes; or now: scout run"),
        (
            RUNNING | {"is_interrupted": True, "has_worker": False},
            Health.ATTENTION,
            "To resume it: scout run a/b; or start a worker: scout worker",
        ),
        ({"run_status": "queued", "run_since": NOW}, Health.RUNNING, None),
        ({"run_status": "queued", "run_since": LATE}, Health.ATTENTION, "waiting since"),
        ({"run_status": "paused", "run_since": SOON}, Health.RUNNING, None),
        ({"run_status": "paused", "run_since": LATE}, Health.ATTENTION, "waiting since"),
    ],
)
def test_the_health_of_a_dataset(given, health, reason):
    condition, why = assess(facts(**given), NOW)

    assert health_of(condition, why) is health
    assert reason in (why or "") if reason else why is None


ALONE, DUE = {"has_worker": False}, {"next_sync_at": NOW - timedelta(minutes=1)}
NEVER = {"status": "pending"}
QUEUED = {"run_status": "queued", "run_since": NOW}


@pytest.mark.parametrize(
    ("given", "condition", "reason"),
    [
        ({}, Condition.FINE, None),
        (ALONE | DUE, Condition.FINE, None),  # it has data; a worker may be about to restart
        (NEVER, Condition.NEVER_LOADED, None),
        (NEVER | DUE, Condition.NEVER_LOADED, None),
        (NEVER | DUE | ALONE, Condition.NEVER_LOADED, NO_WORKER),
        (NEVER | ALONE | {"next_sync_at": None}, Condition.NEVER_LOADED, None),
        (NEVER | DUE | ALONE | {"is_paused": True}, Condition.NEVER_LOADED, None),
        (NEVER | {"is_partly_loaded": True}, Condition.INTERRUPTED, None),
        (NEVER | DUE | ALONE | {"is_partly_loaded": True}, Condition.INTERRUPTED, NO_WORKER),
        ({"is_partly_loaded": True}, Condition.FINE, None),  # it has the data of earlier runs
        (NEVER | DUE | QUEUED, Condition.QUEUED, None),
        (NEVER | DUE | QUEUED | ALONE, Condition.QUEUED, NO_WORKER),
        (NEVER | QUEUED | ALONE | {"is_paused": True}, Condition.QUEUED, NO_WORKER),
        (QUEUED | ALONE, Condition.QUEUED, None),
        ({"status": "expired"} | QUEUED, Condition.QUEUED, None),
        ({"status": "expired", "sync_error": "old"} | QUEUED, Condition.QUEUED, None),
        ({"status": "expired"} | QUEUED | ALONE, Condition.QUEUED, NO_WORKER),
        ({"status": "expired"} | ALONE, Condition.FINE, None),
        (RUNNING | {"status": "syncing"}, Condition.RUNNING, None),
        (RUNNING | NEVER | DUE | ALONE, Condition.RUNNING, None),  # by scout run
        ({"status": "syncing", "run_status": "paused", "run_since": SOON}, Condition.PAUSED, None),
        ({"run_status": "paused", "run_since": SOON} | NEVER | ALONE, Condition.PAUSED, None),
        ({"status": "error", "sync_error": "no"} | QUEUED, Condition.FAILED, "no"),
        (UNLINKED | {"remains": "kept"}, Condition.UNLINKED, "kept"),
        (UNLINKED | ERROR | {"remains": "kept"}, Condition.UNLINKED, "kept"),
        (UNLINKED | {"sync_error": "disconnected"}, Condition.UNLINKED, None),
        (UNLINKED | {"refusal": "refused", "next_sync_at": LATE}, Condition.UNLINKED, None),
        (UNLINKED | NEVER | DUE | ALONE, Condition.UNLINKED, None),
        (UNLINKED | {"status": "expired"}, Condition.UNLINKED, None),
        (UNLINKED | RUNNING, Condition.RUNNING, None),  # it finishes first
        (UNLINKED | QUEUED | {"remains": "kept"}, Condition.UNLINKED, "kept"),
    ],
)
def test_what_a_dataset_is_or_does(given, condition, reason):
    assert assess(facts(**given), NOW) == (condition, reason)


def test_a_dataset_that_nothing_would_load_is_a_warning():
    condition, reason = assess(facts(**NEVER, **DUE, **ALONE), NOW)

    assert monitoring_code([health_of(condition, reason)]) is MonitoringCode.WARNING
    assert "scout worker" in (reason or "")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], MonitoringCode.OK),
        ([Health.FINE, Health.RUNNING], MonitoringCode.OK),
        ([Health.FINE, Health.ATTENTION], MonitoringCode.WARNING),
        ([Health.ATTENTION, Health.FAILED], MonitoringCode.CRITICAL),
    ],
)
def test_the_code_of_a_check(found, code):
    assert monitoring_code(found) is code


def run(status="completed", seconds=10.0):
    return {"status": status, "seconds": seconds}


def test_a_picture_has_a_character_per_run_by_status_and_duration():
    runs = [run(seconds=1.0), run(seconds=40.0), run("failed"), run("running", None)]

    assert picture(runs, is_ascii=True) == ".|X>"
    shown = picture(runs, is_ascii=False)
    assert (shown[0], shown[1]) == (HEIGHTS[0], HEIGHTS[-1])
    assert len(shown) == len(runs)


@pytest.mark.parametrize("runs", [[], [run(seconds=0.0)], [run(seconds=None)]])
def test_a_picture_of_runs_without_duration(runs):
    assert picture(runs, is_ascii=True) == ASCII_HEIGHTS[0] * len(runs)


def test_the_legend_explains_every_mark_in_its_characters():
    assert LEGEND[True].isascii()
    assert "X failed" in LEGEND[True]
    assert "\N{BALLOT X} failed" in LEGEND[False]
