"""Reports in Meltano's log become progress events and counts."""

from __future__ import annotations

import pytest
from scout_control.meltano.log import StreamProgress
from scout_control.rules.statuses import Phase
from scout_control.runs.progress import RunProgress


def test_counts_add_up_and_a_copy_of_them_is_in_each_event():
    progress = RunProgress("CommCare HQ", has_transforms=True)
    first = progress.update(StreamProgress("cases", 1000))
    second = progress.update(StreamProgress("cases", 500, total=3000))
    third = progress.update(StreamProgress("forms", 1))

    assert first.progress == {"cases": {"fetched": 1000, "total": None}}
    assert second.progress == {"cases": {"fetched": 1500, "total": 3000}}
    assert third.progress["cases"] == {"fetched": 1500, "total": 3000}
    assert (third.phase, third.message) == (Phase.LOADING, "Loading forms")


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (Phase.DISCOVERING, "Discovering CommCare HQ"),
        (Phase.LOADING, "Loading from CommCare HQ"),
        (Phase.TRANSFORMING, "Running dbt transforms"),
    ],
)
def test_each_phase_has_a_message(phase, message):
    progress = RunProgress("CommCare HQ", has_transforms=True)
    event = progress.enter(phase)

    assert (event.phase, event.message, progress.phase) == (phase, message, phase)


def test_a_pipeline_without_transforms_never_enters_that_phase():
    progress = RunProgress("toy", has_transforms=False)
    progress.update(Phase.LOADING)

    assert progress.update(Phase.TRANSFORMING) is None
    assert progress.phase is Phase.LOADING
