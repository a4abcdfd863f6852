"""Lines that a plugin may write, and none of which may end the run that reads them."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scout_control.meltano.log import PluginError, RunLog
from scout_control.meltano.outcomes import failure, is_partial, transform_failure
from scout_control.meltano.reports import StreamProgress
from scout_control.rules.statuses import Phase

from scout_control import errors

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)
)
NAMES = st.sampled_from(["tap-x", "target-x", "dbt-postgres", "meltano"]) | VALUES
FAILED = "event=finished exit_code=1 streams: "
METRICS = st.fixed_dictionaries(
    {},
    optional={
        "metric": st.sampled_from(["record_count", "record_total"]) | VALUES,
        "value": VALUES,
        "tags": st.fixed_dictionaries({}, optional={"stream": VALUES, "domain": VALUES}) | VALUES,
    },
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(["Block run completed", "METRIC"]) | VALUES,
        "level": st.sampled_from(["info", "error", "critical"]) | VALUES,
        "success": VALUES,
        "block_type": st.sampled_from(["ExtractLoadBlocks", "InvokerCommand"]) | VALUES,
        "exit_codes": st.dictionaries(
            st.sampled_from(["extractors", "loaders", "x"]), VALUES, max_size=3
        )
        | VALUES,
        "err": st.sampled_from(["returned 77 with stderr", "returned -9 with stderr"]) | VALUES,
        "string_id": NAMES,
        "name": NAMES,
        "cmd_type": st.just("elb") | VALUES,
        "metric_info": METRICS | VALUES,
    },
)


@given(st.lists(EVENTS, max_size=4))
@example([{"level": []}])
@example([{"level": {"a": 1}}])
@example([{"metric_info": {"metric": ["record_count"]}}])
@example([{"event": "Block run completed", "exit_codes": [77]}])
@example([{"event": "Block run completed", "exit_codes": "77"}])
@example([{"event": "Block run completed", "err": f"returned {'7' * 5000} with stderr"}])
@example([{"event": f"returned {'7' * 5000} with stderr", "level": "error"}])
def test_no_line_stops_the_reading_and_every_end_has_a_message(events):
    log = RunLog()
    for event in events:
        reported = log.read(json.dumps(event))
        assert reported is None or isinstance(reported, Phase | StreamProgress)

    for error in (failure(log), failure(log, -9), transform_failure(log)):
        assert isinstance(error, errors.ControlError)
        assert error.cause
        assert error.remedy
        assert "\0" not in str(error)
    assert is_partial(log, failure(log)) in {True, False}


@given(st.text(max_size=200))
@example('{"event": "\\ud800", "level": "error", "name": "tap-x"}')
@example("{" * 10_000)
@example('{"a":' * 10_000)
def test_no_text_stops_the_reading(line):
    RunLog().read(line)


def test_what_is_kept_of_a_line_can_be_stored():
    log = RunLog()
    log.read(json.dumps({"event": "a\0b\ud800", "level": "error", "name": "tap-x"}))
    progress = log.read(
        json.dumps(
            {
                "metric_info": {
                    "metric": "record_count",
                    "value": 1,
                    "tags": {"stream": "ca\0ses\udfff"},
                }
            }
        )
    )

    assert log.last_error("extractors") == PluginError("tap-x", "ab?")
    assert progress == StreamProgress("cases?", 1)


@pytest.mark.parametrize(
    ("line", "streams"),
    [
        (
            FAILED + "cases completed (3 records), forms failed (HTTP)",
            {"cases": "completed", "forms": "failed"},
        ),
        (
            FAILED + "cases[river] failed (x), cases[hill] completed (1)",
            {"cases": "failed"},
        ),
        (
            FAILED + "cases[hill] completed (1), cases[river] failed (x)",
            {"cases": "failed"},
        ),
        (
            FAILED + "cases[a] skipped (x), cases[b] completed (1)",
            {"cases": "skipped"},
        ),
        ("event=finished exit_code=0 streams: a.b-c completed (0)", {"a.b-c": "completed"}),
        ("event=finished exit_code=0 streams: ", {}),
        ("event=finished exit_code=0 streams: cases completed", {}),
        ("event=finished streams: cases completed (1)", {}),
    ],
)
def test_the_last_line_of_a_tap_tells_the_outcome_of_each_stream(line, streams):
    log = RunLog()
    log.read(line)

    assert log.streams == streams


def test_only_the_first_summary_counts():
    log = RunLog()
    log.read(FAILED + "cases failed (x)")
    log.read("event=finished exit_code=0 streams: cases completed (1), forms completed (1)")

    assert log.streams == {"cases": "failed"}


@pytest.mark.parametrize(
    ("codes", "streams", "is_some_loaded"),
    [
        ({"extractors": 1}, {"a": "completed", "b": "failed"}, True),
        ({"extractors": 65}, {"a": "completed", "b": "failed", "c": "skipped"}, True),
        ({"extractors": 1}, {"a": "completed", "b": "skipped"}, False),
        ({"extractors": 1}, {"a": "completed"}, False),
        ({"extractors": 1}, {"a": "failed"}, False),
        ({"extractors": 1}, {}, False),
        ({"extractors": 0}, {"a": "completed", "b": "failed"}, False),
        ({"extractors": 77}, {"a": "completed", "b": "failed"}, False),
        ({"extractors": 1, "loaders": 1}, {"a": "completed", "b": "failed"}, False),
        ({"extractors": 1, "loaders": 0}, {"a": "completed", "b": "failed"}, True),
        ({"loaders": 1}, {"a": "completed", "b": "failed"}, False),
    ],
)
def test_a_run_is_partial_if_only_the_tap_failed_and_some_streams_are_whole(
    codes, streams, is_some_loaded
):
    log = RunLog(exit_codes=codes, streams=streams)

    assert is_partial(log, failure(log)) is is_some_loaded


@pytest.mark.parametrize(
    ("returncode", "cause"),
    [
        (1, "Meltano logged no error."),
        (2, "Meltano logged no error."),
        (-15, "Meltano was killed by signal 15."),
        (128 + 15, "Meltano was killed by signal 15."),
        (128, "Meltano logged no error."),
        (255, "Meltano logged no error."),  # -1 of a program, no signal
        (193, "Meltano logged no error."),
    ],
)
def test_an_exit_code_is_a_signal_only_if_there_is_one(returncode, cause):
    assert failure(RunLog(), returncode).cause == cause


@pytest.mark.parametrize(
    ("codes", "cause"),
    [
        ({"extractors": -9}, "The extractor was killed by signal 9."),
        ({"loaders": 3}, "The loader ended with exit code 3."),
        ({"extractors": 1, "loaders": 3}, "The extractor ended with exit code 1."),
        ({"extractors": 0, "loaders": 3}, "The loader ended with exit code 3."),
    ],
)
def test_without_a_message_the_exit_code_of_the_first_that_failed_is_the_cause(codes, cause):
    assert failure(RunLog(exit_codes=codes)).cause == cause


def test_the_message_of_the_loader_does_not_explain_a_failed_tap():
    log = RunLog(exit_codes={"extractors": 1}, plugin_errors={"target-x": "Broken pipe."})

    assert failure(log).cause == "The extractor ended with exit code 1."


def test_a_summary_never_replaces_the_error_that_came_before_it():
    log = RunLog()
    for text in ("HQ answered 500.", FAILED):
        log.read(json.dumps({"event": text, "level": "error", "name": "tap-x"}))

    assert failure(log).cause == "tap-x: HQ answered 500."


def test_a_pause_without_a_time_is_explained_as_such():
    assert "a later time" in str(failure(RunLog(exit_codes={"extractors": 75})))


def test_models_that_are_skipped_are_no_failure():
    log = RunLog()
    for name, text in (
        ("tap-x", "Skipped 9 models: from another plugin"),
        ("dbt-postgres", "Skipped 1 model: a needs form_x, which this dataset does not have."),
    ):
        log.read(json.dumps({"event": text, "name": name, "level": "info"}))

    assert log.skipped_models == (
        "Skipped 1 model: a needs form_x, which this dataset does not have."
    )
    assert log.failed_models == []


def test_a_reason_is_added_to_its_model_only():
    log = RunLog()
    for text in (
        "Failure in model stg_a (models/a.sql)",
        "Failure in test unique_a (models/a.yml)",
        'Reason of model stg_a: column "x" does not exist',
        "Reason of model stg_b: never failed",
    ):
        log.read(json.dumps({"event": text, "name": "dbt-postgres", "level": "info"}))

    assert log.failed_models == [
        'model stg_a: column "x" does not exist',
        "test unique_a",
    ]
