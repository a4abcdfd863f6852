"""What a worker's log says about each end of a run."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from scout_control.cli.terminal import JsonFormatter, OneLineFormatter
from scout_control.scheduler import run_lines


def a_run(status, **facts):
    link = SimpleNamespace(project_id="river", source=SimpleNamespace(name="hq"))
    usual = {
        "id": uuid.UUID(int=7),
        "dataset": SimpleNamespace(project_source=link, user_id=None),
        "status": status,
        "rows_loaded": {"cases": 1200, "forms": 34},
        "result": {},
        "error_code": None,
        "error_message": None,
        "transform_error": None,
        "resume_at": None,
    }
    return SimpleNamespace(**{**usual, **facts})


def with_error(reason, message):
    return {
        "result": {"error": {"reason": reason}},
        "error_message": message,
        "error_code": "NETWORK_ERROR",
    }


@pytest.mark.parametrize(
    ("run", "level", "text"),
    [
        (a_run("completed"), "INFO", "river/hq completed in 9 s: 1,234 rows in 2 streams"),
        (
            a_run("failed", **with_error("no connection", "hq could not be read.")),
            "ERROR",
            "river/hq failed after 9 s: no connection (hq could not be read.)",
        ),
        (
            a_run("failed", **with_error("failed", "tap-x: it broke.")),
            "ERROR",
            "river/hq failed after 9 s: tap-x: it broke.",
        ),
        (
            a_run("partial", **with_error("invalid data", "X.")),
            "ERROR",
            "river/hq loaded only a part in 9 s (1,234 rows in 2 streams): invalid data (X.)",
        ),
        (
            a_run(
                "paused",
                resume_at=datetime(2026, 11, 28, tzinfo=UTC),
                **with_error("rate limit", "Wait."),
            ),
            "WARNING",
            "river/hq paused after 9 s, until 2026-11-28T00:00:00Z: rate limit (Wait.)",
        ),
        (
            a_run("completed", transform_error="model x"),
            "ERROR",
            "river/hq loaded 1,234 rows in 2 streams in 9 s; its models failed: model x",
        ),
        (a_run("cancelled"), "INFO", "river/hq was cancelled after 9 s"),
        (a_run("queued"), "INFO", "river/hq was stopped after 9 s, and is queued"),
    ],
    ids=lambda each: getattr(each, "status", None),
)
def test_each_end_of_a_run_has_its_line(run, level, text):
    line = run_lines.ended(run, 9.2)

    assert (logging.getLevelName(line.level), line.text) == (level, text)
    assert line.facts["dataset"] == "river/hq"
    assert None not in line.facts.values()


def logged(line, formatter):
    records = []
    log = logging.getLogger(f"worker {uuid.uuid4()}")
    handler = logging.Handler()
    handler.emit = records.append
    log.addHandler(handler)
    line.log_to(log)
    return formatter.format(records[0])


def test_a_line_is_text_for_people_and_json_for_programs():
    run = a_run("failed", **with_error("no connection", "100 % of\nhq \x1b[2J is away."))
    line = run_lines.ended(run, 9.2)
    text = logged(line, OneLineFormatter("%(levelname)s %(message)s"))
    document = json.loads(logged(line, JsonFormatter()))

    assert text.startswith("ERROR river/hq failed after 9 s: no connection (100 % of")
    assert "\n" not in text
    assert "\x1b" not in text
    assert (document["level"], document["event"]) == ("error", "run_failed")
    assert (document["reason"], document["code"]) == ("no connection", "NETWORK_ERROR")
    assert document["seconds"] == 9.2
    assert document["at"].endswith("Z")
