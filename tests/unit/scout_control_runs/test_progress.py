"""From the reports of Meltano's log to progress events, counts, phases and waits."""

from __future__ import annotations

import pytest
from scout_control.meltano.reports import (
    Committed,
    ModelEnded,
    Notice,
    RuleOutcomes,
    StreamProgress,
    Wait,
    WaitEnded,
)
from scout_control.rules.statuses import Phase
from scout_control.runs.progress import RunProgress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    return RunProgress("CommCare HQ", clock=clock)


def test_counts_add_up_and_a_copy_of_them_is_in_each_event(progress):
    first = progress.update(StreamProgress("cases", 1000))
    second = progress.update(StreamProgress("cases", 500, total=3000))
    third = progress.update(StreamProgress("forms", 1))

    assert first.progress == {"cases": {"fetched": 1000, "total": None, "committed": 0}}
    assert second.progress == {"cases": {"fetched": 1500, "total": 3000, "committed": 0}}
    assert third.progress["cases"] == {"fetched": 1500, "total": 3000, "committed": 0}
    assert (third.phase, third.message) == (Phase.LOADING, "Loading from CommCare HQ")


def test_what_is_committed_was_read_though_the_tap_has_not_said_so_yet(progress):
    progress.update(Committed({"cases": 800}))
    event = progress.update(StreamProgress("cases", 500))

    assert event.progress["cases"] == {"fetched": 800, "total": None, "committed": 800}
    assert progress.update(StreamProgress("cases", 500)).progress["cases"]["fetched"] == 1000


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (Phase.STARTED, "Preparing CommCare HQ"),
        (Phase.DISCOVERING, "Discovering CommCare HQ"),
        (Phase.LOADING, "Loading from CommCare HQ"),
        (Phase.TRANSFORMING, "Running dbt transforms"),
        (Phase.FINISHING, "Counting rows"),
    ],
)
def test_each_phase_has_a_message(progress, phase, message):
    event = progress.enter(phase)

    assert (event.phase, event.message, progress.phase) == (phase, message, phase)


def test_a_pipeline_without_transforms_never_enters_that_phase():
    progress = RunProgress("toy", has_transforms=False)
    progress.update(Phase.LOADING)

    assert progress.update(Phase.TRANSFORMING) is None
    assert progress.phase is Phase.LOADING


def test_the_seconds_of_phases_that_people_see_as_one_add_up(progress, clock):
    for phase, seconds in (
        (Phase.STARTED, 1),
        (Phase.PROVISIONING, 2),
        (Phase.DISCOVERING, 3),
        (Phase.LOADING, 10),
        (Phase.TRANSFORMING, 5),
    ):
        event = progress.enter(phase)
        clock.now += seconds

    assert event.seconds == {"prepare": 6, "load": 10, "transform": 0}
    assert progress.seconds() == {"prepare": 6, "load": 10, "transform": 5}
    assert progress.activity()["phases"] == {"prepare": 6, "load": 10, "transform": 5}


def test_models_are_counted_as_they_end(progress):
    progress.enter(Phase.TRANSFORMING)
    events = [progress.update(ModelEnded(3)) for _ in range(4)]

    assert [event.models for event in events] == [(1, 3), (2, 3), (3, 3), (3, 3)]
    assert events[1].message == "dbt: 2 of 3 models and tests"
    assert progress.activity()["models"] == {"done": 3, "total": 3}


def test_a_wait_of_known_length_lasts_although_others_make_progress(progress, clock):
    progress.enter(Phase.LOADING)
    progress.update(Wait("HTTP 429", 15.0))
    clock.now += 5
    event = progress.update(Committed({"cases": 1}))

    assert event.wait == Wait("HTTP 429", 10.0, 5.0)
    assert progress.activity()["wait"]["reason"] == "HTTP 429"
    clock.now += 10
    assert progress.update(Committed({"cases": 2})).wait is None
    assert "wait" not in progress.activity()


@pytest.mark.parametrize("news", [WaitEnded(), Committed({"cases": 1}), StreamProgress("cases", 1)])
def test_a_wait_of_unknown_length_ends_with_the_next_news(progress, clock, news):
    progress.enter(Phase.LOADING)
    first = progress.update(Wait("hq has not answered", None, 1.5))
    clock.now += 4

    assert first.wait == Wait("hq has not answered", None, 1.5)
    assert progress.wait == Wait("hq has not answered", None, 5.5)
    assert progress.update(news).wait is None


def test_a_new_phase_waits_for_nothing(progress):
    progress.update(Wait("HTTP 429", 15.0))

    assert progress.enter(Phase.TRANSFORMING).wait is None


def test_what_people_should_see_is_kept_once_and_within_bounds(progress):
    before = progress.phase
    for number in (1, 1, *range(50)):
        assert progress.update(Notice(f"warning {number}")) is None
    progress.update(RuleOutcomes({"cases.a": False}))
    progress.update(RuleOutcomes({"cases.b": True}))

    assert progress.notices[:2] == [Notice("warning 1"), Notice("warning 0")]
    assert len(progress.notices) == 20
    assert progress.column_rules == {"cases.a": False, "cases.b": True}
    assert progress.phase is before
