"""Failures of the server are retried, told apart, and never mistaken for data."""

from __future__ import annotations

import re

import pytest
from commcare_sandbox import Sandbox

TRANSIENT_FAULTS = [
    {"fault": "429", "retry_after": "int", "retry_after_seconds": 1},
    {"fault": "429", "retry_after": "float"},
    {"fault": "429", "retry_after": "date", "retry_after_seconds": 1},
    {"fault": "429", "retry_after": "absent"},
    {"fault": "503", "retry_after": "float"},
    {"fault": "500,502,504", "retry_after": "absent"},
    {"fault": "truncate,reset"},
]
LINKS = ["http", "https", "foreign", "path"]
TABLES = ("users", "payments", "work_areas")


@pytest.mark.parametrize("switches", TRANSIENT_FAULTS, ids=lambda each: each["fault"])
def test_what_passes_is_waited_out_and_nothing_is_lost(sandbox: Sandbox, tap, select, switches):
    sandbox.set(fault_every=4, fault_next=6, **switches)
    run = tap(catalog=select("visits", *TABLES), page_size=40)

    assert run.code == 0
    assert len(set(run.keys("visits"))) == len(run.keys("visits")) == 300
    assert run.activated() == set(TABLES)


@pytest.mark.parametrize("link", LINKS)
def test_the_next_page_is_requested_from_the_same_host_wherever_its_link_leads(
    sandbox: Sandbox, tap, select, link
):
    sandbox.set(connect_next=link)
    run = tap(catalog=select("users"))

    assert run.code == 0
    assert len(run.records("users")) == 48


def test_a_wait_that_is_too_long_pauses_the_run_which_then_resumes(sandbox: Sandbox, tap, select):
    catalog = select("users", "visits")
    sandbox.set(fault="429", fault_every=9, retry_after="int", retry_after_seconds=900)
    paused = tap(catalog=catalog)
    sandbox.set(fault="")
    resumed = tap(catalog=catalog, state=paused.state, visit_overlap=0)

    assert paused.code == 75
    assert "event=paused resume_at=20" in paused.log
    assert not paused.activated()
    for stream, total in (("users", 48), ("visits", 300)):
        assert len(set(paused.keys(stream)) | set(resumed.keys(stream))) == total
        assert not set(paused.keys(stream)) & set(resumed.keys(stream))
    assert {m["version"] for run in (paused, resumed) for m in run.of("RECORD", "users")} == {
        resumed.of("ACTIVATE_VERSION", "users")[0]["version"]
    }


@pytest.mark.parametrize(
    ("fault", "reason", "status"),
    [("500", "HTTP 500", "failed"), ("404", "HTTP 404", "skipped"), ("403", "HTTP 403", "skipped")],
)
def test_an_opportunity_that_fails_is_reported_and_the_others_are_read(
    sandbox: Sandbox, tap, select, fault, reason, status
):
    if fault == "404":
        sandbox.set(connect_hidden="3")
    else:
        sandbox.set(fault=fault, fault_path="/opportunity/3/")
    run = tap(catalog=select("visits", *TABLES), max_retry_seconds=1)

    assert run.code == 1
    assert not run.activated()
    for stream in (*TABLES, "visits"):
        owners = {record["opportunity_id"] for record in run.records(stream)}
        assert owners == {1, 2, 5, 6} | ({4} if stream != "visits" else set())
        assert f"{stream} {status} (" in run.last_line
    assert "opportunity 3: " in run.last_line
    assert reason in run.last_line


def test_an_opportunity_that_times_out_does_not_stop_the_others(sandbox: Sandbox, tap, select):
    sandbox.set(fault="stall", fault_path="/opportunity/3/", stall_seconds=20)
    run = tap(catalog=select("users"), read_timeout=1, max_retry_seconds=1)

    assert run.code == 1
    assert {r["opportunity_id"] for r in run.records("users")} == {1, 2, 4, 5, 6}
    assert "timed out" in run.last_line


def test_a_server_that_never_responds_is_not_asked_for_every_opportunity(
    sandbox: Sandbox, tap, select
):
    sandbox.set(fault="stall", fault_path="/opportunity/", stall_seconds=20)
    sandbox.forget_requests()
    run = tap(catalog=select("users", "payments"), read_timeout=1, max_retry_seconds=1)

    assert run.code == 1
    asked = [p for p in sandbox.requests()["by_path"] if "/opportunity/" in p]
    assert len(asked) < 12


def test_what_can_be_read_beside_a_failure_is_seen_and_removes_nothing(
    sandbox: Sandbox, tap, select
):
    catalog = select("users", "visits")
    whole = tap(catalog=catalog)
    sandbox.set(connect_hidden="3")
    days = {"visit_full_refresh_days": 0, "concurrency": 1}
    failed = tap(catalog=catalog, state=whole.state, **days)
    sandbox.forget_requests()
    again = tap(catalog=catalog, state=failed.state, **days)
    paths = sandbox.requests()["by_path"]

    # Records without a version go to the table itself.
    seen = {
        r["record"]["opportunity_id"] for r in failed.of("RECORD", "users") if "version" not in r
    }
    assert seen == {1, 2, 4, 5, 6}
    assert not failed.activated()
    # What failed is tried first the next time, so that nothing is read twice.
    assert len(again.records("users")) == 40
    assert not any("version" in message for message in again.of("RECORD", "users"))
    assert paths["/connect/export/opportunity/3/user_data/"] == 1
    assert again.code == 1


def test_after_a_failure_the_next_run_reads_all_again_and_activates(sandbox: Sandbox, tap, select):
    catalog = select("users")
    sandbox.set(connect_hidden="3")
    failed = tap(catalog=catalog)
    sandbox.set(connect_hidden="")
    again = tap(catalog=catalog, state=failed.state)

    assert len(again.records("users")) == 48
    assert again.activated() == {"users"}
    before = failed.of("RECORD")[0]["version"]
    assert {message["version"] for message in again.of("RECORD")} > {before} or (
        again.of("RECORD")[0]["version"] > before
    )


def test_one_broken_detail_spoils_the_details_and_nothing_else(sandbox: Sandbox, tap):
    sandbox.set(connect_broken="2")
    run = tap(max_retry_seconds=1)

    assert run.code == 1
    details = {"opportunities", "payment_units", "learn_modules"}
    assert {record["id"] for record in run.records("opportunities")} == {1, 3, 4, 5, 6}
    assert not details & run.activated()
    assert len(run.activated()) == 14
    assert re.search(r"opportunities failed \(\d+ records; opportunity 2: ", run.last_line)
    assert "visits completed (300 records)" in run.last_line


def test_a_page_of_another_shape_is_no_empty_page(sandbox: Sandbox, tap, select):
    sandbox.set(fault="missing-key", fault_path="/user_data/")
    run = tap(catalog=select("users"))

    assert run.code == 65
    assert "expected next and a list results" in run.log
    assert not run.activated()


def test_a_forbidden_list_is_the_login_itself(sandbox: Sandbox, tap, select):
    sandbox.set(connect_forbidden=True)
    run = tap(catalog=select("users", "visits"))

    assert run.code == 77
    assert "scope export" in run.log


def test_a_redirect_is_not_followed(sandbox: Sandbox, tap, select):
    sandbox.set(connect_redirect=True)
    run = tap(catalog=select("users"))

    assert run.code == 1
    assert "redirect" in run.log


def test_an_unreachable_server_is_reported(tap, select):
    run = tap(catalog=select("users"), base_url="http://127.0.0.1:9", max_retry_seconds=1)

    assert run.code == 1
    assert "no connection" in run.log
    assert "Traceback" not in run.log


def test_nothing_that_is_secret_or_data_is_logged(sandbox: Sandbox, tap, select):
    sandbox.set(fault="500,truncate,429", fault_every=5, fault_next=8)
    run = tap(catalog=select("users", "visits"), page_size=50)

    names = {item["row"]["username"] for item in sandbox.connect.content("user_data")}
    assert not any(name in run.log for name in names)
    assert sandbox.connect.logins()["access_token"] not in run.log
