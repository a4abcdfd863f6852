"""A run as it is answered: what it does now, and what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from scout_control.mcp.run_tools import shown
from scout_control.rules.statuses import LIVE, RunStatus
from support.runs import CASES, RUN

MOMENT = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "before", "message"),
    [
        ({"status": "queued"}, 2, "It is queued until a worker takes it; 2 runs are older."),
        ({"status": "queued"}, 1, "It is queued until a worker takes it; 1 run is older."),
        ({"status": "queued", "activity": {"wait": {"reason": "a lane"}}}, 0, "Waiting: a lane."),
        ({"progress": CASES}, 0, "Loading cases 450 of 1,200. It continues. Ask again: "),
        (
            {"status": "paused", "resume_at": MOMENT},
            0,
            "The source limits requests; a worker continues: 2026-11-29T12:00:00+00:00.",
        ),
        ({"status": "completed"}, 0, "river/hq: completed"),
        ({"status": "failed"}, 0, "river/hq: failed"),
    ],
)
def test_it_says_what_happens_and_what_to_do(changes, before, message):
    found = shown(replace(RUN, **changes), before)

    assert found.message.startswith(message)


@pytest.mark.parametrize("status", list(RunStatus))
def test_it_is_finished_when_nothing_follows(status):
    found = shown(replace(RUN, status=status), 0)

    assert found.is_finished is (status not in LIVE)
    assert "scout worker" not in found.message or status == RunStatus.QUEUED


def test_it_has_the_fields_of_json():
    run = replace(RUN, rows_loaded={"cases": 3, "forms": 4}, completed_at=MOMENT)
    document = run.as_dict()

    found = shown(run, 0).model_dump(mode="json")

    for name in found.keys() & document.keys():
        assert found[name] == document[name]
    assert found["rows_loaded"] == 7


def test_an_error_ends_with_what_an_agent_or_a_person_can_do():
    message = "Its credential was refused. A person must reconnect: scout credentials connect hq"
    found = shown(replace(RUN, status="failed", error_message=message), 0)

    assert found.error_message == (
        "Its credential was refused. A person must reconnect: “Connect” or “Reconnect” on the page "
        "Data sources. A person has to do that; you cannot."
    )
