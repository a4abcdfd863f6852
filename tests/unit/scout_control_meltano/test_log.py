"""What control reads from Meltano's log, and the error of a failed run."""

from __future__ import annotations

import json

import pytest
from scout_control.meltano.log import RunLog
from scout_control.meltano.outcomes import Quoting, failure, transform_failure
from scout_control.meltano.reports import StreamProgress, Wait

from scout_control import errors


def a_log(*events) -> RunLog:
    log = RunLog()
    for event in events:
        log.read(event if isinstance(event, str) else json.dumps(event))
    return log


def ended(success=False, **facts):
    return {"event": "Block run completed", "success": success, "level": "error", **facts}


def counted(stream, records, string_id="tap-commcare"):
    metric = {"metric": "record_count", "value": records, "tags": {"stream": stream}}
    return {"event": "METRIC", "level": "info", "string_id": string_id, "metric_info": metric}


def test_counts_of_a_stream_add_up():
    log = RunLog()

    assert log.read(json.dumps(counted("cases", 1000))) == StreamProgress("cases", 1000)
    assert log.read(json.dumps(counted("cases", 500))) == StreamProgress("cases", 500)


def test_totals_of_domains_add_up_and_the_latest_of_each_counts():
    log = RunLog()

    def told(domain, records):
        event = counted("cases", records)
        event["metric_info"] |= {"metric": "record_total"}
        event["metric_info"]["tags"]["domain"] = domain
        return log.read(json.dumps(event))

    assert told("river", 1000) == StreamProgress("cases", 0, 1000)
    assert told("hill", 20) == StreamProgress("cases", 0, 1020)
    assert told("hill", 30) == StreamProgress("cases", 0, 1030)


def test_the_phases_begin_at_the_right_lines():
    log = RunLog()
    heard = [
        {"event": "Running catalog discovery", "level": "info"},
        {"event": "words of the tap", "cmd_type": "elb", "level": "info"},
        {"event": "Incremental state has been updated at 2026-11-20.", "level": "info"},
        ended(success=True, block_type="ExtractLoadBlocks"),
        ended(success=True, block_type="InvokerCommand"),
    ]

    told = [log.read(json.dumps(event)) for event in heard]
    assert told == [None, "loading", None, "transforming", None]


def test_a_line_that_begins_a_phase_may_report_something_in_it():
    said = {"cmd_type": "elb", "string_id": "tap-other", "event": "Backing off for 5.0s"}

    assert RunLog().reports(json.dumps(said)) == ["loading", Wait("a request is retried", 5.0)]
    assert RunLog().reports(json.dumps(said | {"event": "words"})) == ["loading"]
    assert RunLog().reports("words") == []


def test_metrics_of_the_loader_are_no_progress():
    line = json.dumps(counted("cases", 5, string_id="target-scout-postgres"))

    assert RunLog().read(line) is None


@pytest.mark.parametrize(
    "line", ["", "plain text", "{not json", "[1]", "{}", '{"event": 5}', '{"metric_info": []}']
)
def test_lines_of_another_shape_are_ignored(line):
    assert a_log(line) == RunLog()


@pytest.mark.parametrize(
    ("codes", "kind", "exit_code"),
    [
        ({"extractors": 77}, errors.CredentialRefusedError, 77),
        ({"extractors": 75}, errors.RunPausedError, 75),
        ({"extractors": 65}, errors.DataRefusedError, 65),
        ({"loaders": 65}, errors.DataRefusedError, 65),
        ({"extractors": 2}, errors.SettingsError, 2),
        ({"loaders": 1}, errors.RunFailedError, 1),
        ({"loaders": -9}, errors.RunFailedError, 1),
        ({"extractors": 77, "loaders": 1}, errors.CredentialRefusedError, 77),
    ],
)
def test_the_exit_code_of_a_plugin_decides_what_a_failure_is(codes, kind, exit_code):
    error = failure(a_log(ended(err="Extractor failed", exit_codes=codes)))

    assert type(error) is kind
    assert error.exit_code == exit_code


def test_a_credential_refused_during_discovery_is_recognised():
    text = "Catalog discovery failed: command ['tap-commcare'] returned 77 with stderr:\n no"

    assert failure(a_log(ended(err=text))).exit_code == 77


def test_the_message_of_the_plugin_is_the_cause():
    said = {"event": "HQ refused the login of river-health.", "level": "error"}
    log = a_log(
        said | {"string_id": "tap-commcare"},
        ended(err="Extractor failed", exit_codes={"extractors": 77}),
    )

    assert failure(log).cause == "HQ refused the login of river-health."
    assert "scout credentials connect" in failure(log).remedy


def written(text, name="tap-x", **facts):
    return {"event": text, "level": "info", "stdio": "stderr", "name": name, **facts}


def failed(*events, code=1):
    return failure(a_log(*events, ended(err="Extractor failed", exit_codes={"extractors": code})))


def test_the_last_error_line_of_any_tap_is_quoted_with_its_name():
    error = failed(written("INFO starting"), written("ERROR no such clinic"), written("bye"))

    assert error.cause == "tap-x: no such clinic."
    assert error.remedy == "Committed rows are kept. Run again to resume."


@pytest.mark.parametrize(
    ("line", "kind", "helps"),
    [
        ("ERROR 401 Client Error: Unauthorized", errors.CredentialRefusedError, False),
        ("ERROR 403 Client Error: Forbidden", errors.PermissionDeniedError, False),
        ("ERROR Missing required key 'x' in config", errors.SettingsError, False),
        ("ERROR Connection refused", errors.NetworkError, True),
        ("ERROR it broke", errors.RunFailedError, True),
    ],
)
def test_running_again_is_advised_only_where_it_helps(line, kind, helps):
    error = failed(written(line))

    assert type(error) is kind
    assert ("Run again to resume" in error.remedy) is helps


def test_our_taps_say_themselves_what_to_do():
    said = "hq /a/x could not be read: no connection, 4 tries. Run again later."
    error = failed({"event": said, "level": "error", "string_id": "tap-commcare"})

    assert (type(error), error.cause) == (errors.NetworkError, said)
    assert error.remedy == "Committed rows are kept."


def test_the_advice_to_reconnect_is_given_once_and_complete():
    said = "hq refused the key. A person must reconnect (with scout: scout credentials connect)."
    log = a_log(
        {"event": said, "level": "error", "string_id": "tap-commcare"},
        ended(err="Extractor failed", exit_codes={"extractors": 77}),
    )
    error = failure(log, quoting=Quoting(reconnect="scout credentials connect hq --user ann"))

    assert str(error) == (
        "hq refused the key. Committed rows are kept. "
        "A person must reconnect: scout credentials connect hq --user ann"
    )


def test_a_secret_of_the_run_is_in_no_message():
    log = a_log(
        {"event": "ERROR canary%20key is bad", "level": "error", "string_id": "tap-commcare"},
        ended(err="Extractor failed", exit_codes={"extractors": 1}),
    )

    assert "canary" not in str(failure(log, quoting=Quoting(secrets=["canary key"])))
    assert "canary" not in repr(Quoting(secrets=["canary key"]))


def test_a_killed_tap_says_what_it_did_last():
    error = failed(written("reading page 7"), code=-9)

    assert error.cause == (
        "The extractor was killed by signal 9. Its last message was: tap-x: reading page 7."
    )
    assert "memory" in error.remedy


def test_the_loader_s_reason_is_told_where_the_extractor_has_none():
    said = {"event": "Line 1 is not JSON.", "level": "error", "string_id": "target-scout-postgres"}
    log = a_log(said, ended(err="Both failed", exit_codes={"extractors": 1, "loaders": 65}))

    assert (type(failure(log)), failure(log).cause) == (
        errors.DataRefusedError,
        "Line 1 is not JSON.",
    )


def test_what_a_tap_wrote_last_is_not_why_meltano_failed():
    log = a_log(written("reading page 7"), ended(err="Meltano broke"))

    assert failure(log).cause == "Meltano broke"
    assert failure(log, -9).cause == "Meltano was killed by signal 9."


def test_our_taps_say_by_their_exit_code_that_a_credential_was_refused():
    said = "The access token has expired. Run again."
    log = a_log(
        {"event": said, "level": "error", "string_id": "tap-commcare"},
        ended(err="Extractor failed", exit_codes={"extractors": 1}),
    )

    assert type(failure(log)) is errors.RunFailedError


def test_the_plugins_of_a_run_are_told_apart_by_their_names_in_the_job():
    log = RunLog(plugins={"extractors": "my-source", "loaders": "target-x"})
    for event in (written("ERROR of the loader", "target-x"), written("ERROR odd", "my-source")):
        log.read(json.dumps(event))
    log.exit_codes |= {"extractors": 1}

    assert failure(log).cause == "my-source: odd."


def test_a_program_that_does_not_start_is_named_with_what_to_do():
    said = "Executable '/x/tap-y' could not be started: No such file or directory."
    error = failed(written(said), code=127)

    assert (type(error), error.cause) == (errors.SettingsError, said)
    assert error.remedy == "Install tap-x, or correct its executable in meltano.yml."


def test_a_pause_names_when_to_run_again():
    said = {"event": "event=paused resume_at=2026-11-20T20:00:00Z", "level": "warning"}
    log = a_log(said, ended(err="Extractor failed", exit_codes={"extractors": 75}))

    assert log.resume_at == "2026-11-20T20:00:00Z"
    assert "until 2026-11-20T20:00:00Z" in str(failure(log))


def test_a_failed_model_is_not_a_failed_load():
    line = {"name": "dbt-postgres", "level": "info"}
    log = a_log(
        ended(success=True, level="info"),
        line | {"event": "19:21:27  Failure in model stg_commcare__cases (models/x.sql)"},
        line | {"event": "19:21:27    Database Error in model stg_commcare__cases (models/x.sql)"},
        line | {"event": '  invalid input syntax for type date: "a name"'},
        ended(block_type="InvokerCommand", err="`dbt build` failed with exit code: 1"),
    )

    assert transform_failure(log).cause == (
        "The data was loaded, but dbt failed: model stg_commcare__cases."
    )


def test_a_run_that_ends_silently_still_has_an_error():
    assert "logged no error" in failure(RunLog()).cause
    assert failure(RunLog(), -9).cause == "Meltano was killed by signal 9."


def test_a_signal_is_recognised_in_the_exit_code_of_a_shell_too():
    assert failure(RunLog(), 137).cause == "Meltano was killed by signal 9."


@pytest.mark.parametrize(
    "said",
    [
        "This Session's transaction has been rolled back due to a previous exception during flush. "
        "To begin a new transaction with this Session, first issue Session.rollback().",
        '(psycopg2.OperationalError) connection to server on socket "/run/x/.s.PGSQL.5432" failed',
        "(psycopg2.errors.AdminShutdown) terminating connection due to administrator command",
        "(psycopg2.InterfaceError) connection already closed",
        "Can't reconnect until invalid transaction is rolled back.",
    ],
)
def test_a_lost_database_is_reported_without_the_text_of_sqlalchemy(said):
    for log in (
        a_log({"event": said + "\n(Background on this error at: ...)", "level": "error"}),
        a_log(ended(err=said)),
    ):
        assert str(failure(log)) == (
            "The store's database could not be reached, so Meltano stopped. "
            "Committed rows are kept. Run again to resume."
        )
    log = a_log(ended(block_type="InvokerCommand", err=said))
    assert transform_failure(log).cause == (
        "The data was loaded, but dbt failed: "
        "The store's database could not be reached, so Meltano stopped."
    )


def test_an_error_of_the_database_is_reported_by_its_class_only():
    said = '(psycopg2.errors.DiskFull) could not extend file "base/1/2"'

    assert "DiskFull" in failure(a_log(ended(err=said))).cause
    assert "base/1/2" not in str(failure(a_log(ended(err=said))))
