"""How far a run is, as lines for people."""

from __future__ import annotations

import pytest
from scout_control.rules.statuses import Phase
from scout_control.serve.page import progress


def run(**values):
    usual = {"status": "running", "phase": "loading", "progress": {}, "activity": {}}
    return usual | {"is_interrupted": False, "resume_at": None} | values


def counts(fetched, committed=0, total=None):
    return {"fetched": fetched, "committed": committed, "total": total}


def load(seconds, **streams):
    return progress.of_run(run(progress=streams, activity={"phases": {"load": seconds}})).bars


def test_a_stream_has_its_count_rate_and_remaining_time():
    [bar] = load(10, cases=counts(600, 450, 1200))

    assert bar.text == "Loading cases 450 of 1,200"
    assert (bar.value, bar.most) == (450, 1200)
    assert bar.remark == "45 rows/s, 17 s left"


@pytest.mark.parametrize(
    ("seconds", "stream", "text", "remark"),
    [
        (10, counts(450), "Loading cases 450", "45 rows/s"),
        (1, counts(450, 0, 1200), "Loading cases 450 of 1,200", ""),
        (0, counts(0, 0, 1200), "Loading cases 0 of 1,200", ""),
        (10, counts(1200, 1200, 1200), "Loading cases 1,200 of 1,200", ""),
        (10, counts(1300, 100, 1200), "Loading cases 100", "10 rows/s"),
    ],
)
def test_what_is_not_known_is_not_shown(seconds, stream, text, remark):
    [bar] = load(seconds, cases=stream)

    assert (bar.text, bar.remark) == (text, remark)


def test_of_many_streams_the_rest_is_one_line():
    bars = load(10, **{f"stream{number}": counts(2) for number in range(20)})

    assert len(bars) == progress.MOST_STREAMS + 1
    assert bars[-1].text == "12 more: 24 rows"


@pytest.mark.parametrize(
    ("values", "headline"),
    [
        ({"status": "queued"}, "Waiting for a worker"),
        ({"status": "paused", "resume_at": "2026-01-02"}, "Paused by the source until 2026-01-02"),
        ({"is_interrupted": True}, "Interrupted: a worker will resume it"),
        ({"activity": {"wait": {"reason": "rate limit"}}}, "Waiting: rate limit"),
        ({"phase": "nothing known"}, "Preparing"),
        ({"phase": None}, "Preparing"),
    ],
)
def test_what_a_run_waits_for_is_said(values, headline):
    assert progress.of_run(run(**values)).headline == headline


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_headline(phase):
    assert progress.of_run(run(phase=str(phase))).headline in progress.HEADLINES.values()


def test_models_and_tests_are_counted():
    activity = {"models": {"done": 3, "total": 12}}

    [bar] = progress.of_run(run(phase="transforming", activity=activity)).bars

    assert (bar.text, bar.value, bar.most) == ("3 of 12 models and tests", 3, 12)
    assert progress.of_run(run(phase="transforming")).bars == ()
