"""How runs, their logs and the status of datasets are printed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from scout_control.api.overview import Status
from scout_control.api.views import Dataset, LogLine, Run
from scout_control.cli import output, status
from scout_control.cli.output import describe_run, print_table_cut
from scout_control.cli.run_output import (
    WaitingNotes,
    expiry,
    has_written,
    log_text,
    print_ended,
    print_run,
    print_runs,
)
from scout_control.runs.finish import run_columns
from scout_control.runs.run_result import RunResult
from scout_control.store import models

STARTED = datetime(2026, 11, 28, 12, tzinfo=UTC)


def run(**given) -> Run:
    usual = dict.fromkeys(Run.__dataclass_fields__)
    usual |= {
        "run_id": "345bd904-8413-468a-9690-9573599faf08",
        "dataset": "river/hq",
        "status": "completed",
        "phase": "done",
        "attempt": 1,
        "started_at": STARTED,
        "progress": {},
        "activity": {},
        "rows_loaded": {"cases": 3000, "forms": 7},
        "result": {"phase_seconds": {"finish": 0.3, "load": 3.0, "prepare": 2.0}},
    }
    return Run(**(usual | given))


def test_a_list_of_runs_has_duration_rows_rate_and_reason(capsys):
    failed = {"status": "failed", "error_message": "HQ refused the login.", "rows_loaded": {}}
    print_runs([run(), run(**failed)])
    _, first, second = capsys.readouterr().out.splitlines()

    assert first.split() == [
        *("345bd904", "river/hq", "completed", "11-28", "12:00", "5", "s", "3,007", "1,002/s", "-")
    ]
    assert second.endswith("HQ refused the login.")


def stored(**given) -> Dataset:
    usual = dict.fromkeys(Dataset.__dataclass_fields__)
    return Dataset(**(usual | {"path": "river/hq", "keep": "24h", "expires_at": STARTED} | given))


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({}, "scout datasets update river/hq --keep 30d"),
        ({"keep": "696h"}, "scout datasets update river/hq --keep 30d"),
        ({"path": "river/it's mine"}, """'river/it'"'"'s mine' --keep 30d"""),
        ({"path": "river/hq/$(id)"}, "update 'river/hq/$(id)' --keep 30d"),
    ],
)
def test_data_that_expires_soon_is_told_with_a_command_that_keeps_it(given, advice):
    text = expiry(stored(**given))

    assert text.startswith("The data expires at 2026-11-28 12:00:00Z unless it is used before. To")
    assert text.endswith(advice)


@pytest.mark.parametrize("keep", ["30d", "52w", "400d"])
def test_nothing_is_suggested_for_data_that_is_kept_long(keep):
    assert expiry(stored(keep=keep)) == (
        "The data expires at 2026-11-28 12:00:00Z unless it is used before."
    )
    assert expiry(stored(keep="forever", expires_at=None)) is None


@pytest.mark.parametrize(
    ("given", "is_written"),
    [
        ({"rows_loaded": {}}, True),
        ({"status": "partial"}, True),
        ({"status": "failed", "rows_loaded": {}}, False),
        ({"status": "failed", "rows_loaded": {"cases": 0}}, False),
        ({"status": "failed", "rows_loaded": {"cases": 7}}, True),
        ({"status": "paused", "rows_loaded": {}, "progress": {"a": {"committed": 7}}}, True),
        ({"status": "cancelled", "rows_loaded": {}, "progress": {"a": {"fetched": 7}}}, False),
    ],
)
def test_a_run_that_wrote_nothing_has_no_data_that_expires(given, is_written):
    assert has_written(run(**given)) is is_written


def counted_run(**given) -> Run:
    """Return a run that wrote 5 rows, one of them twice, into a table that has 4."""
    sources = {"cases": {"status": "loaded", "rows": 5, "rows_in_table": 4}}
    result = {"status": "completed", "sources": sources, "rows_in_tables": 4}
    return run(rows_loaded={"cases": 5}, result=run().result | result, **given)


def test_written_rows_and_those_in_the_tables_are_told_apart(capsys):
    print_runs([counted_run()])
    titles, line = capsys.readouterr().out.splitlines()
    assert titles.split()[-4:] == ["written", "in", "tables", "rate"]  # and no empty reason
    assert line.split()[-3:] == ["5", "4", "2/s"]

    print_ended(counted_run())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stream", "rows", "this", "run", "rows", "in", "table"]
    assert lines[1].split() == ["cases", "5", "4"]
    assert lines[3].endswith("; 5 rows written, 4 in the tables")

    print_run(counted_run(), counted_run().as_dict())
    assert "cases   loaded  5              4" in capsys.readouterr().out


def test_streams_that_were_not_selected_are_left_out(capsys):
    outcomes = {"cases": "completed", "forms": "completed", "users": "not selected"}
    loaded = RunResult(streams=outcomes, row_counts={"cases": 4, "forms": 0})
    stored = models.Run(
        rows_loaded={"cases": 5}, result={}, dataset=models.Dataset(schema_name="x")
    )
    found = run(result=run_columns(stored, loaded)["result"])
    print_ended(found)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:3] == [["cases", "5", "4"], ["forms", "0", "0"]]
    print_run(found, found.as_dict())

    assert "users" not in capsys.readouterr().out
    assert found.as_dict()["sources"]["users"]["status"] == "skipped"


def test_a_run_whose_worker_has_ended_is_interrupted_wherever_it_is_shown(capsys):
    lost = run(status="running", is_interrupted=True, rows_loaded={}, result={})
    print_runs([lost])
    assert "interrupted" in capsys.readouterr().out.splitlines()[1]
    print_run(lost, lost.as_dict())
    text = capsys.readouterr().out
    assert "interrupted" in text
    assert "its worker has ended" in text
    assert "running" not in text
    assert describe_run({"status": "running", "is_interrupted": True}).startswith("interrupted")


def test_a_run_is_shown_with_its_phases_in_order_and_its_streams(capsys):
    result = run().result | {"status": "completed", "sources": {}}
    result["sources"] = {"cases": {"status": "completed", "rows": 3000}}
    found = run(result=result)
    print_run(found, found.as_dict())
    text = capsys.readouterr().out

    assert text.index("prepare") < text.index("load ") < text.index("finish")
    assert "cases   completed  3,000" in text
    assert "rows in table" not in text  # of a run of an earlier version
    assert "scout runs logs 345bd904-8413-468a-9690-9573599faf08" in text


def test_a_running_run_shows_counts_models_and_what_it_waits_for(capsys):
    activity = {
        "phases": {"prepare": 2.0, "load": 1.0},
        "models": {"done": 12, "total": 24},
        "wait": {"reason": "HTTP 429", "until": "2026-11-28T12:00:09Z"},
    }
    progress = {"cases": {"fetched": 900, "committed": 800, "total": 5000}}
    found = run(status="running", activity=activity, progress=progress, result={})
    print_run(found, found.as_dict())
    text = capsys.readouterr().out

    assert "12 of 24 models and tests" in text
    assert "HTTP 429 until 2026-11-28 12:00:09Z" in text
    assert "cases   running  800            5,000" in text


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ({"status": "queued"}, "run queued"),
        (
            {"status": "queued", "activity": {"wait": {"reason": "in use", "until": "x"}}},
            "run queued; waits: in use",
        ),
        (
            {"status": "queued", "activity": {"wait": {"reason": "interrupted by SIGTERM"}}},
            "run queued; interrupted by SIGTERM",
        ),
        ({"status": "paused", "resume_at": None}, "waits until -"),
        (
            {"status": "running", "phase": "loading", "progress": {"a": {"fetched": 5}}},
            "loading 5",
        ),
        (
            {"status": "running", "activity": {"models": {"done": 1, "total": 2}}},
            "dbt 1 of 2 models and tests",
        ),
    ],
)
def test_what_a_run_is_doing(run, text):
    assert describe_run(run) == text


def test_a_line_of_a_log_for_people():
    line = LogLine(at="2026-11-28T12:00:09.123Z", level="warning", source="tap-hq", text="a\x1b[2J")

    assert log_text(line) == "12:00:09 tap-hq: WARNING a\\x1b[2J"


def test_a_follower_is_told_once_what_a_run_waits_for():
    notes = WaitingNotes()
    queued = run(status="queued", attempt=0)
    taken = run(
        status="queued", activity={"wait": {"reason": "the dataset is in use", "until": ""}}
    )
    told = [notes.note(each, 2) for each in (queued, queued, taken, run(status="running"))]

    assert told == [
        "Waiting for a worker to start it; 2 queued runs are older. No worker? Run: scout worker",
        None,
        "Waiting: the dataset is in use.",
        None,
    ]


@pytest.mark.parametrize("width", [20, 40, None])
def test_the_last_column_is_cut_to_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setattr(output, "terminal_width", lambda: width)
    print_table_cut([{"a": "x", "why": "long " * 20}], ("a", "why"))
    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= (width or 200)
    assert lines[1].endswith("..." if width else "long")


def dataset(number: int, health: str = "fine", **given) -> dict:
    return {
        "path": f"river/hq-{number:02}",
        "health": health,
        "condition": health,
        "reason": None if health == "fine" else "no luck",
        "status": "ready",
        "run": None,
        "row_counts": {"cases": 1234},
        "last_sync_at": "2026-11-28T11:00:00Z",
        "next_sync_at": "2026-11-29T11:00:00Z",
        "is_paused": False,
        "is_linked": True,
        **given,
    }


def summary(capsys, datasets, **options) -> list[str]:
    overview = status_of(datasets)
    given = {"only_bad": False} | options
    status._print_summary(overview, datasets, **given)
    return capsys.readouterr().out.splitlines()


def status_of(datasets):
    credentials = [
        {"source": "hq 1", "project": "river", "user": None, "status": "needs reconnect"},
        {"source": "hq 2", "project": "river", "user": None, "status": "connected"},
    ]
    return Status(available_sources=[{}], credentials=credentials, synced_data=datasets)


def test_forty_datasets_fit_a_screen_with_the_worst_first(capsys):
    bad = [dataset(1, "failed"), dataset(2, "attention")]
    lines = summary(capsys, [*bad, *(dataset(number) for number in range(3, 41))])

    assert len(lines) <= 12
    assert lines[0] == "40 datasets: 1 failed, 1 needing attention, 38 fine"
    assert [line.split()[0] for line in lines[3:5]] == ["river/hq-01", "river/hq-02"]
    assert "38 others, all fine; list them with: scout status --all" in lines
    assert lines[-1] == "Needs reconnect: scout credentials connect 'hq 1' --project river"


def test_all_of_forty_projects_are_few_lines():
    alike = [
        {
            "source": "hq",
            "project": f"river-{number:02}",
            "user": None,
            "kind": "api_key",
            "status": "connected" if number > 2 else "needs reconnect",
            "token_expires_at": f"2026-12-{number % 28 + 1:02}T00:00:00Z",
        }
        for number in range(1, 41)
    ]
    rows = status.credential_rows(alike)

    assert [row["project"] for row in rows] == [
        "river-01",
        "river-02",
        "38: river-03, river-04, river-05, ...",
    ]
    assert rows[-1]["status"] == "connected: 38 of hq"
    assert rows[-1]["token_expires_at"] == "2026-12-01T00:00:00Z"
    assert status.first_names(["a", "b"]) == ["a", "b"]


def test_forty_failed_datasets_fit_a_screen_too(capsys):
    lines = summary(capsys, [dataset(number, "failed") for number in range(40)])

    assert len(lines) <= 30
    assert "20 others; list them with: scout status --all" in lines


def test_a_few_datasets_are_listed_though_they_are_fine(capsys):
    lines = summary(capsys, [dataset(1), dataset(2, is_paused=True, status="expired")])

    assert "1,234 rows in 1 stream, next 11-29 11:00Z" in lines[3]
    assert "expired, schedule paused" in lines[4]


def test_warnings_of_a_run_are_shown_with_it(capsys):
    found = run(result={"warnings": ["nothing matched: a", "b"], "column_rules": {"a": False}})
    print_run(found, found.as_dict())
    printed = capsys.readouterr().out

    assert "\nWarning: nothing matched: a\n" in printed
    assert "\nWarning: b\n\n" in printed
    assert "column rules" not in printed
    assert found.as_dict()["result"]["warnings"] == ["nothing matched: a", "b"]


STOPPED = {"status": "cancelled", "reason": "interrupted by Ctrl-C", "previous_state": "queued"}
COMMITTED = {"cases": {"fetched": 900, "committed": 800, "total": None}}


@pytest.mark.parametrize(
    ("given", "end"),
    [
        (
            {"status": "cancelled", "result": STOPPED | {"phase_seconds": {"load": 6.1}}},
            "river/hq: interrupted by Ctrl-C after 6 s; 3,007 rows written are kept.",
        ),
        (
            {"status": "cancelled", "result": STOPPED, "rows_loaded": {}, "started_at": None},
            "river/hq: interrupted by Ctrl-C; no rows were written.",
        ),
        (
            {"status": "cancelled", "result": {"phase_seconds": {"load": 6.1}}, "rows_loaded": {}}
            | {"progress": COMMITTED},
            "river/hq: cancelled after 6 s; 800 rows written are kept.",
        ),
        (
            {"status": "queued", "activity": {"wait": {"reason": "interrupted by SIGTERM"}}}
            | {"rows_loaded": {"cases": 1}, "result": {"phase_seconds": {"load": 6.1}}},
            "river/hq: interrupted by SIGTERM after 6 s; 1 row written is kept.",
        ),
    ],
)
def test_the_end_of_a_run_that_was_stopped_says_by_what_and_what_is_kept(capsys, given, end):
    print_ended(run(**given))

    assert capsys.readouterr().out.splitlines()[-1] == end


def test_a_cancelled_run_is_shown_with_its_reason_in_readable_rows(capsys):
    result = STOPPED | {"cancelled": True, "worked_seconds": 6.5, "phase_seconds": {"load": 6.1}}
    stopped = run(status="cancelled", result=result)
    print_run(stopped, stopped.as_dict())
    printed = capsys.readouterr().out
    rows = [line.split(maxsplit=1) for line in printed.splitlines()]

    assert ["reason", "interrupted by Ctrl-C"] in rows
    assert ["took", "6 s"] in rows
    for row in ("\ncancelled  ", "previous state", "worked seconds", "waits"):
        assert row not in printed
    assert not any(row[:1] == ["phase"] and row[1] == "done" for row in rows)
    assert {"cancelled", "previous_state", "worked_seconds"} <= stopped.as_dict().keys()


def test_a_run_that_a_worker_continues_shows_what_stopped_it(capsys):
    queued = run(
        status="queued", activity={"wait": {"reason": "interrupted by SIGTERM"}}, result={}
    )
    print_run(queued, queued.as_dict())
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]

    assert ["reason", "interrupted by SIGTERM"] in rows
    assert ["waits", "for a worker"] in rows


def test_a_paused_dataset_is_not_called_syncing(capsys):
    paused = {"status": "paused", "resume_at": "2026-11-28T12:00:00Z", "activity": {}}
    lines = summary(capsys, [dataset(1, status="syncing", condition="paused", run=paused)])

    assert "waits until 2026-11-28 12:00:00Z, 1,234 rows" in lines[3]
    assert "syncing" not in lines[3]
    assert output.dataset_row(dataset(1, status="syncing", run=paused))["status"] == (
        "paused (waits until 2026-11-28 12:00:00Z)"
    )
