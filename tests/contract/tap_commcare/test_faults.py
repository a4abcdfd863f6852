"""Failures of the server are retried without loss, or reported."""

from __future__ import annotations

import pytest
from commcare_sandbox import Sandbox

TRANSIENT_STATUSES = [
    {"fault": "429,503", "retry_after": "int", "retry_after_seconds": 1},
    {"fault": "429", "retry_after": "float", "retry_after_seconds": 0.41},
    {"fault": "429", "retry_after": "date", "retry_after_seconds": 1},
    {"fault": "429,503", "retry_after": "absent"},
    {"fault": "500,502,504,reset,truncate", "fault_every": 4},
    {"fault": "stall", "stall_seconds": 4},
]


@pytest.mark.parametrize("fault", TRANSIENT_STATUSES, ids=str)
def test_what_passes_loses_nothing_and_repeats_nothing(sandbox: Sandbox, tap, select, fault):
    sandbox.set(**{"fault_every": 11} | fault)

    run = tap(catalog=select("cases", "forms", "users"), read_timeout=1)

    assert run.code == 0, run.log
    assert sorted(run.ids("cases")) == sorted(c["case_id"] for c in sandbox.content("cases"))
    assert sorted(run.ids("forms")) == sorted(f["id"] for f in sandbox.content("forms"))


def test_a_missing_collection_is_an_error_and_not_an_empty_page(sandbox: Sandbox, tap, select):
    sandbox.set(fault="missing-key", fault_path="case/v2")

    run = tap(catalog=select("cases"))

    assert run.code == 65
    assert "Unexpected response" in run.last_line
    assert run.state is None


def test_one_broken_stream_does_not_stop_the_others(sandbox: Sandbox, tap, select):
    sandbox.set(fault="missing-key", fault_path="user/v1")

    run = tap(catalog=select("cases", "users"))

    assert run.code == 1
    assert len(run.records("cases")) == 400
    assert "cases completed" in run.last_line
    assert "users failed" in run.last_line
    assert "groups skipped (not selected)" in run.last_line
    assert not run.of("ACTIVATE_VERSION", "users")


def test_a_missing_permission_fails_that_stream_only(sandbox: Sandbox, tap, select):
    sandbox.set(missing_permission="edit_commcare_users")

    run = tap(catalog=select("forms", "users"))

    assert run.code == 1
    assert len(run.records("forms")) == 200
    assert "users failed" in run.last_line
    assert "permission" in run.log


@pytest.mark.parametrize(
    ("switches", "settings", "code", "words"),
    [
        ({}, {"api_key": "wrong"}, 77, "must reconnect (with scout: scout credentials connect)"),
        ({}, {"domain": "elsewhere"}, 1, "elsewhere"),
        ({"expired_subscription": True}, {}, 1, "subscription"),
        ({"cut_off": True}, {}, 1, "cut off"),
        ({"missing_permission": "access_api"}, {}, 1, "Access APIs"),
        ({"fault": "500"}, {"max_retry_seconds": 1}, 1, "Run again later"),
        ({}, {"base_url": "http://127.0.0.1:9", "max_retry_seconds": 1}, 1, "no connection"),
    ],
    ids=str,
)
def test_the_log_says_what_to_do(sandbox: Sandbox, tap, switches, settings, code, words):
    sandbox.set(**switches)

    run = tap(**settings)

    assert run.code == code, run.log
    assert words in run.log
    assert "Traceback" not in run.log
    assert sandbox.api_key not in run.log


def test_a_longer_wait_than_allowed_pauses_and_the_next_run_resumes(sandbox: Sandbox, tap, select):
    catalog = select("cases")
    sandbox.set(fault="429", fault_every=4, retry_after="int", retry_after_seconds=900)
    paused = tap(catalog=catalog, overlap_seconds=0, concurrency=1)
    sandbox.set(fault="")

    resumed = tap(catalog=catalog, state=paused.state, overlap_seconds=0, concurrency=1)

    assert paused.code == 75
    assert "event=paused resume_at=20" in paused.log
    assert "skipped" in paused.last_line
    assert len(paused.records("cases")) == 150
    assert resumed.code == 0
    repeated = set(paused.ids("cases")) & set(resumed.ids("cases"))
    assert len(repeated) <= 50
    assert len(set(paused.ids("cases")) | set(resumed.ids("cases"))) == 400


def test_endless_short_waits_pause_too(sandbox: Sandbox, tap, select):
    sandbox.set(fault="429", retry_after="int", retry_after_seconds=1)

    run = tap(catalog=select("cases"), max_rate_limit_wait=1)

    assert run.code == 75
    assert run.seconds < 20
