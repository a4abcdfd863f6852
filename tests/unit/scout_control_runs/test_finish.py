"""How a run ends: its status, its row, and what happens to its dataset. No database, no process."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from scout_control.datasets.row_counts import Committed
from scout_control.errors import (
    CredentialMissingError,
    CredentialRefusedError,
    RunFailedError,
    RunPausedError,
    SettingsError,
)
from scout_control.meltano.log import RunLog
from scout_control.meltano.process import ProcessResult
from scout_control.meltano.reports import Notice
from scout_control.rules import column_rules
from scout_control.rules.expiry import MAX_PAUSE
from scout_control.runs import finish, rule_outcomes, run_result
from scout_control.runs.run_result import RunResult
from scout_control.store.models import Dataset, ProjectSource, Run

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FAILED = RunFailedError("It broke.", "Run again.")
REFUSED = CredentialRefusedError("Refused.", "Reconnect.")
MISSING = CredentialMissingError("Missing.", "Connect.")
UNMATCHED = {"cases.a": False}
RULES_UNKNOWN = column_rules.unmatched_text(UNMATCHED)
PAUSED = RunPausedError("Rate-limited.", "Wait.")


def a_run(**values) -> Run:
    link = ProjectSource(refresh_interval_hours=24)
    dataset = Dataset(id=uuid.uuid4(), schema_name="data_x", failures=2, project_source=link)
    return Run(
        **{"id": uuid.uuid4(), "dataset": dataset, "rows_loaded": {}, "result": {}, **values}
    )


def a_process(returncode=1, **log) -> ProcessResult:
    return ProcessResult(
        run_id="r", returncode=returncode, seconds=1.0, log=RunLog(**log), is_interrupted=False
    )


@pytest.mark.parametrize(
    ("result", "status", "is_load_failure"),
    [
        (RunResult(), "completed", False),
        (RunResult(error=FAILED), "failed", True),
        (RunResult(error=FAILED, is_partial=True), "partial", True),
        (RunResult(error=FAILED, transform_error="model x"), "completed", False),
        (RunResult(error=FAILED, is_partial=True, transform_error="model x"), "partial", True),
        (RunResult(error=PAUSED), "paused", True),
        (RunResult(error=PAUSED, is_partial=True), "paused", True),
    ],
)
def test_error_and_partial_load_decide_the_status(result, status, is_load_failure):
    assert result.status == status
    assert (result.failure is not None) == is_load_failure


SOME = {"things": "completed", "more": "failed"}


@pytest.mark.parametrize(
    ("process", "unknown", "rows", "expected"),
    [
        (a_process(0), None, 3, ("completed", None, False)),
        (a_process(0), SettingsError("No such stream.", ""), 3, ("partial", "SettingsError", True)),
        (a_process(0), SettingsError("No such stream.", ""), 0, ("failed", "SettingsError", False)),
        (a_process(), None, 3, ("failed", "RunFailedError", False)),
        (
            a_process(exit_codes={"extractors": 1}, streams=SOME),
            SettingsError("Not asked.", ""),
            3,
            ("partial", "RunFailedError", True),
        ),
        (
            a_process(exit_codes={"extractors": 77}, streams=SOME),
            None,
            3,
            ("failed", "CredentialRefusedError", False),
        ),
        (
            a_process(exit_codes={"extractors": 1, "loaders": 65}, streams=SOME),
            None,
            3,
            ("failed", "RunFailedError", False),
        ),
        (a_process(transform_error="model x"), None, 3, ("completed", "RunFailedError", False)),
        (a_process(exit_codes={"extractors": 75}), None, 3, ("paused", "RunPausedError", False)),
    ],
)
def test_process_and_committed_rows_give_the_result(process, unknown, rows, expected):
    committed = Committed(rows_loaded={"things": rows}, documents={"things": [{}]}, is_counted=True)
    known = RunResult(pipeline="toy-sync")
    result = run_result.result_of_load(known, process, committed, {"things": {}}, unknown)
    error = type(result.error).__name__ if result.error else None

    assert (str(result.status), error, result.is_partial) == expected
    assert (result.pipeline, result.rows_loaded) == ("toy-sync", {"things": rows})
    assert bool(result.metadata) == (error is None)  # of a failed run they may be incomplete


def test_transforms_after_a_partial_load_keep_it_partial_and_add_their_error():
    partial = RunResult(error=FAILED, is_partial=True)
    with_model = run_result.with_transforms(partial, a_process(transform_error="model x"))
    with_cause = run_result.with_transforms(partial, a_process(meltano_error="dbt is missing"))

    assert run_result.with_transforms(partial, a_process(0)) is partial
    assert (with_model.status, with_model.transform_error) == ("partial", "model x")
    assert (with_cause.status, with_cause.transform_error) == ("partial", "dbt is missing")
    skipped = run_result.with_transforms(
        partial, a_process(0, skipped_models="Skipped 1 model: a.")
    )
    assert finish.run_columns(a_run(), skipped)["result"]["skipped_models"] == "Skipped 1 model: a."


def test_skipped_models_are_in_the_result_of_a_run_that_succeeded():
    process = a_process(0, skipped_models="Skipped 1 model: a needs b.")
    result = run_result.result_of_load(RunResult(), process, Committed(rows_loaded={}), {}, None)
    columns = finish.run_columns(a_run(), result)

    assert result.status == "completed"
    assert columns["result"]["skipped_models"] == "Skipped 1 model: a needs b."
    assert columns["transform_error"] is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "0 rows written."),
        ({"rows_loaded": {"a": 1}, "row_counts": {}}, "1 row written."),
        (
            {"rows_loaded": {"a": 5, "b": 1}, "row_counts": {"a": 1234, "b": 1, "odd": None}},
            "6 rows written, 1,235 in the tables.",
        ),
        ({"rows_loaded": {"a": 5}, "row_counts": {"a": 1}, "is_counted": False}, "5 rows written."),
        ({"row_counts": {"a": 0}}, "0 rows written, 0 in the tables."),
    ],
)
def test_the_last_line_of_a_log_tells_written_rows_from_those_there_are(given, text):
    assert run_result.summary(RunResult(**given)) == f"Run completed after 0 s, {text}"


def test_the_row_of_a_failed_run_has_the_rows_of_all_attempts_and_the_error():
    run = a_run(rows_loaded={"things": 1, "old": 2})
    result = RunResult(
        error=REFUSED,
        rows_loaded={"things": 5},
        row_counts={"things": 4, "odd": None},
        streams={"more": "failed"},
        pipeline="toy-sync",
    )
    columns = finish.run_columns(run, result)

    assert columns["rows_loaded"] == {"things": 5, "old": 2}
    assert (columns["phase"], columns["pid"]) == ("done", None)
    assert (columns["error_code"], columns["transform_error"]) == ("AUTH_TOKEN_EXPIRED", None)
    assert columns["error_message"] == "Refused. Reconnect."
    assert columns["result"] == {
        "status": "failed",
        "run_id": str(run.id),
        "schema": "data_x",
        "pipeline": "toy-sync",
        "sources": {
            "things": {
                "status": "loaded",
                "state": "loaded",
                "rows": 5,
                "rows_in_table": 4,
                "is_selected": True,
            },
            "old": {
                "status": "loaded",
                "state": "loaded",
                "rows": 2,
                "rows_in_table": None,
                "is_selected": True,
            },
            "more": {
                "status": "failed",
                "state": "failed",
                "rows": 0,
                "rows_in_table": None,
                "is_selected": True,
            },
        },
        "rows_loaded": 7,
        "rows_in_tables": 4,
        "error": {
            "code": "AUTH_TOKEN_EXPIRED",
            "message": "Refused. Reconnect.",
            "reason": "credential rejected",
            "exit_code": 77,
        },
    }


@pytest.mark.parametrize(
    ("run", "result", "expected"),
    [
        ({}, {}, True),
        ({}, {"error": FAILED}, False),
        ({}, {"error": FAILED, "is_partial": True}, True),
        ({}, {"error": FAILED, "is_partial": True, "streams": {"cases": "failed"}}, False),
        ({}, {"error": FAILED, "is_partial": True, "streams": {"forms": "failed"}}, True),
        ({}, {"error": PAUSED}, False),
        ({"deaths": 1}, {}, False),
        ({"last_sync_at": NOW}, {}, False),
        ({"last_sync_at": NOW, "is_full_refresh": True}, {}, True),
        ({"is_full_refresh": True}, {"error": FAILED}, False),
    ],
)
def test_a_first_load_or_full_refresh_has_read_all_of_a_stream_that_it_completed(
    run, result, expected
):
    last_sync_at = run.pop("last_sync_at", None)
    ended = a_run(**run)
    ended.dataset.last_sync_at = last_sync_at

    assert rule_outcomes.is_read(ended, RunResult(**result), "c*") is expected


def test_a_paused_run_keeps_what_it_found_about_rules_and_names_none():
    run = a_run(result={column_rules.SO_FAR: {"cases.b": True}})
    paused = finish.run_columns(run, RunResult(error=PAUSED, column_rules=UNMATCHED))["result"]
    ended = finish.run_columns(run, RunResult(column_rules=UNMATCHED))["result"]

    assert paused[column_rules.SO_FAR] == {"cases.a": False, "cases.b": True}
    assert {column_rules.RESULT, "warnings"}.isdisjoint(paused)
    assert (ended[column_rules.RESULT], ended["warnings"]) == (UNMATCHED, [RULES_UNKNOWN])


def test_the_row_of_a_complete_run_has_a_transform_error_and_a_warning_but_no_error():
    result = RunResult(error=FAILED, transform_error="model x", is_counted=False)
    columns = finish.run_columns(a_run(), result)

    assert (columns["error_code"], columns["error_message"]) == (None, None)
    assert columns["transform_error"] == columns["result"]["transform_error"] == "model x"
    assert columns["result"]["warning"] == run_result.NOT_COUNTED
    assert "error" not in columns["result"]


@pytest.mark.parametrize(
    ("result", "status", "failures", "is_retried"),
    [
        (RunResult(), "ready", 0, True),
        (RunResult(error=FAILED, transform_error="model x"), "ready", 0, True),
        (RunResult(error=FAILED, is_partial=True), "ready", 3, True),
        (RunResult(error=FAILED), "error", 3, True),
        (RunResult(error=REFUSED), "error", 3, False),
        (RunResult(error=MISSING), "error", 3, False),
    ],
)
def test_only_a_missing_or_refused_credential_ends_the_schedule(
    result, status, failures, is_retried
):
    then, values = finish.dataset_columns(a_run().dataset, result, NOW)

    assert (then, values["failures"]) == (status, failures)
    assert (values["next_sync_at"] is not None) == is_retried
    assert ("last_sync_at" in values) == (status == "ready")
    assert values["sync_error"] == (str(result.error) if result.error else None)


def test_row_counts_stay_as_they_were_when_a_run_ended_before_counting():
    counted = RunResult(row_counts={"things": 3})
    dataset = a_run().dataset

    assert finish.dataset_columns(dataset, counted, NOW)[1]["row_counts"] == {"things": 3}
    assert "row_counts" not in finish.dataset_columns(dataset, RunResult(error=MISSING), NOW)[1]


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("2026-11-28T13:00:00Z", timedelta(hours=1)),
        ("2026-11-28T13:00:00", timedelta(hours=1)),  # without a zone it is UTC
        ("2026-11-28T14:00:00+01:00", timedelta(hours=1)),
        ("2020-01-01T00:00:00Z", timedelta()),
        ("9999-12-31T23:59:59Z", MAX_PAUSE),
        ("tomorrow", finish.SHORTEST_PAUSE),
        (None, finish.SHORTEST_PAUSE),
    ],
)
def test_a_pause_is_as_long_as_the_source_asks_within_bounds(asked, wait):
    assert finish.resume_time(asked, NOW) - NOW == wait


def test_all_attempts_at_a_run_share_its_time():
    once = finish.add_worked_seconds({"kept": 1}, NOW - timedelta(hours=1), NOW)
    twice = finish.add_worked_seconds(once, NOW - timedelta(hours=1), NOW)

    assert twice == {"kept": 1, finish.WORKED_SECONDS: 7200.0}
    assert finish.seconds_left({}, 3600.0) == 3600.0
    assert finish.seconds_left(twice, 24 * 3600.0) == 22 * 3600.0
    assert finish.seconds_left(twice, 1800.0) == 1.0


def test_the_result_has_the_warnings_of_all_attempts_once():
    earlier = {"warnings": [RULES_UNKNOWN, "forms: 2 records rejected"], "column_rules": UNMATCHED}
    rejected = ("cases: 1 record rejected", "forms: 2 records rejected")
    found = RunResult(notices=[Notice(text) for text in rejected])
    document = finish.run_columns(a_run(result=earlier), found)["result"]
    assert document["warnings"] == ["forms: 2 records rejected", "cases: 1 record rejected"]

    found = RunResult(column_rules=UNMATCHED)
    document = finish.run_columns(a_run(result=earlier), found)["result"]
    assert document["warnings"] == [RULES_UNKNOWN, "forms: 2 records rejected"]
    assert document["column_rules"] == UNMATCHED
    assert "warnings" not in finish.run_columns(a_run(), RunResult())["result"]


def test_where_an_attempt_ended_is_no_warning_of_a_run_that_goes_on():
    told = [Notice("users: not visible yet", is_of_attempt=True), Notice("cases: 1 rejected")]
    paused = RunResult(notices=told, error=RunPausedError("The source asks to wait.", "Wait."))
    lasting, both = ["cases: 1 rejected"], [each.text for each in told]

    assert finish.run_columns(a_run(), paused)["result"]["warnings"] == lasting
    assert finish._findings(a_run(), replace(paused, error=None))["warnings"] == lasting
    ended = replace(paused, error=RunFailedError("The source does not exist.", "Look."))
    assert finish.run_columns(a_run(), ended)["result"]["warnings"] == both


def test_a_run_that_took_too_long_says_so():
    process = replace(a_process(), is_interrupted=True, time_limit_seconds=86_400.0)

    assert "stopped at its time limit, after 86400 s." in str(process.error)
    assert str(replace(process, time_limit_seconds=None).error).startswith("The run was stopped. ")
