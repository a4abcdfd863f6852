"""What holds of every end of a run, whatever it was: its row, its dataset, its pause."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scout_control.rules import statuses
from scout_control.rules.expiry import MAX_PAUSE
from scout_control.rules.schedule import FIRST_RETRY, MAX_RETRY
from scout_control.rules.statuses import DatasetStatus, RunStatus
from scout_control.runs import finish
from scout_control.runs.run_result import RunResult
from scout_control.store.models import Dataset, ProjectSource, Run

from scout_control import errors

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KINDS = (
    errors.BusyError,
    errors.ConflictError,
    errors.CredentialMissingError,
    errors.CredentialRefusedError,
    errors.DataRefusedError,
    errors.ForbiddenError,
    errors.GivenServerError,
    errors.KeysUnusableError,
    errors.NotFoundError,
    errors.NotSignedInError,
    errors.OutdatedError,
    errors.OwnershipError,
    errors.NetworkError,
    errors.PermissionDeniedError,
    errors.PrivilegeError,
    errors.QueryError,
    errors.QueryTimeoutError,
    errors.RunFailedError,
    errors.RunInterruptedError,
    errors.RunPausedError,
    errors.ServerError,
    errors.ServerUnavailableError,
    errors.SettingsError,
    errors.TooManyAttemptsError,
    errors.UnconfirmedError,
)
ERRORS = st.none() | st.sampled_from(KINDS).map(lambda kind: kind("It broke.", "Mend it."))
COUNTS = st.dictionaries(st.sampled_from(["cases", "forms", "नदी"]), st.integers(0, 10**12))
OUTCOMES = st.dictionaries(
    st.sampled_from(["cases", "forms", "users"]),
    st.sampled_from(["completed", "failed", "skipped", "not selected"]),
)


@st.composite
def results(draw):
    """Return a result as the phases of a run can give it: only a failed load is partial."""
    error = draw(ERRORS)
    return RunResult(
        error=error,
        is_partial=error is not None and draw(st.booleans()),
        transform_error=draw(st.none() | st.just("model x")) if error else None,
        rows_loaded=draw(COUNTS),
        row_counts=draw(st.none() | COUNTS),
        is_counted=draw(st.booleans()),
        streams=draw(OUTCOMES),
    )


def a_run(failures=0, interval_hours=24, rows_loaded=None) -> Run:
    link = ProjectSource(refresh_interval_hours=interval_hours)
    dataset = Dataset(id=uuid.uuid4(), schema_name="data_x", failures=failures, project_source=link)
    return Run(id=uuid.uuid4(), dataset=dataset, rows_loaded=rows_loaded or {}, result={})


@given(results(), COUNTS)
def test_the_row_of_a_run_and_its_result_tell_the_same(result, before):
    columns = finish.run_columns(a_run(rows_loaded=before), result)
    document = columns["result"]

    assert document["status"] == result.status
    assert ("error" in document) == (columns["error_code"] is not None)
    assert ("error" in document) == (result.failure is not None)
    if "error" in document:
        assert document["error"]["code"] == columns["error_code"] == statuses.code(result.error)
        assert document["error"]["exit_code"] == result.error.exit_code
        assert document["error"]["message"] == columns["error_message"]
    assert document["rows_loaded"] == sum(columns["rows_loaded"].values())
    assert ("warning" in document) == (not result.is_counted)
    json.dumps(document, allow_nan=False)


@given(results(), COUNTS)
def test_no_stream_and_no_row_is_lost_between_attempts(result, before):
    columns = finish.run_columns(a_run(rows_loaded=before), result)
    sources = columns["result"]["sources"]

    assert set(sources) == {*before, *result.rows_loaded, *result.streams}
    assert columns["rows_loaded"] == {**before, **result.rows_loaded}
    for stream, source in sources.items():
        assert source["rows"] == columns["rows_loaded"].get(stream, 0)
        outcome = result.streams.get(stream, "loaded")
        assert source["is_selected"] == (outcome != "not selected")
        shown = outcome if source["is_selected"] else "skipped"
        assert source["status"] == source["state"] == shown


@given(results())
def test_only_a_run_that_loaded_nothing_to_its_end_leaves_an_error(result):
    status, values = finish.dataset_columns(a_run().dataset, result, NOW)
    has_data = result.status in {RunStatus.COMPLETED, RunStatus.PARTIAL}

    assert (status is DatasetStatus.READY) == has_data
    assert (values.get("last_sync_at") == NOW) == has_data
    assert (values["sync_error"] is None) == (result.error is None)
    assert ("row_counts" in values) == (result.row_counts is not None)


@given(results(), st.integers(0, 10**6), st.integers(1, 24 * 366))
def test_a_dataset_is_due_again_within_its_interval_unless_a_person_is_needed(
    result, failures, interval_hours
):
    dataset = a_run(failures, interval_hours).dataset
    _, values = finish.dataset_columns(dataset, result, NOW)
    interval = timedelta(hours=interval_hours)

    if result.status is RunStatus.COMPLETED:
        assert values["failures"] == 0
        assert NOW + interval * 0.9 <= values["next_sync_at"] <= NOW + interval
        return
    assert values["failures"] == failures + 1
    if isinstance(result.error, finish.NEEDS_A_PERSON):
        assert values["next_sync_at"] is None
    else:
        wait = values["next_sync_at"] - NOW
        assert min(FIRST_RETRY, interval) <= wait <= min(MAX_RETRY, interval)


@given(results())
def test_a_pause_wins_over_all_that_was_loaded_before_it(result):
    is_pause = isinstance(result.error, errors.RunPausedError)

    assert (result.status is RunStatus.PAUSED) == is_pause
    if not is_pause:  # a run with this status has ended: it can never run again
        assert not statuses.NEXT_OF_RUN[result.status]


@given(st.none() | st.text() | st.datetimes().map(str) | st.datetimes().map(datetime.isoformat))
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
@example("9999-12-31T23:59:59.999999")
@example("2026-11-28T24:00:00")
@example("2026-W48-6")
@example("T12:00")
@example("-1")
@example("1" * 5000)
def test_a_pause_lies_between_now_and_a_week_whatever_a_tap_prints(asked):
    moment = finish.resume_time(asked, NOW)

    assert NOW <= moment <= NOW + MAX_PAUSE
    assert moment.tzinfo is not None


@given(
    st.lists(st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds)), max_size=5),
    st.floats(1, 10**6),
)
def test_however_often_a_run_is_requeued_its_attempts_share_one_limit(attempts, timeout_seconds):
    result = {"kept": [1]}
    for worked in attempts:
        result = finish.add_worked_seconds(result, NOW - worked, NOW)
    total = sum(each.total_seconds() for each in attempts)
    left = finish.seconds_left(result, timeout_seconds)

    assert result["kept"] == [1]
    assert left == pytest.approx(max(timeout_seconds - total, 1.0))
    assert left >= 1.0  # 0 would be no limit


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_error_has_a_public_code_and_an_exit_code(kind):
    error = kind("It broke.", "Mend it.")

    assert statuses.code(error) in {
        *("NOT_FOUND", "AUTH_TOKEN_MISSING", "AUTH_TOKEN_EXPIRED", "RATE_LIMITED"),
        *("VALIDATION_ERROR", "CANCELLED", "INTERNAL_ERROR"),
        *("CONFLICT", "NETWORK_ERROR", "PERMISSION_DENIED", "QUERY_TIMEOUT"),
    }
    assert error.exit_code in {1, 2, 3, 65, 75, 77, 143}
    assert str(error) == "It broke. Mend it."


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (errors.QueryError, "VALIDATION_ERROR", "query rejected"),
        (errors.QueryTimeoutError, "QUERY_TIMEOUT", "query timeout"),
        (errors.UnconfirmedError, "VALIDATION_ERROR", "confirmation required"),
    ],
)
def test_programs_can_tell_these_errors_from_others(kind, code, reason):
    assert (statuses.code(kind("It broke.", "Mend it.")), kind.reason) == (code, reason)


def test_the_kinds_of_errors_here_are_all_that_exist():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {each for each in below(errors.ControlError) if each.__module__ == errors.__name__}
    assert ours - {errors.ControlError, errors.RunError} == set(KINDS)
