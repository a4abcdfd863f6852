"""When the demo kills the loader."""

from __future__ import annotations

import pytest
from scout_control.demo.load import LoaderKiller
from scout_control.rules.statuses import Phase
from scout_control.runs.context import ProgressEvent


def event(phase=Phase.LOADING, **committed):
    progress = {name: {"fetched": 9, "committed": rows} for name, rows in committed.items()}
    return ProgressEvent(phase=phase, message="", progress=progress)


@pytest.mark.parametrize("too_early", [event(), event(cases=0), event(Phase.TRANSFORMING, cases=5)])
def test_nothing_is_killed_before_something_is_committed(too_early):
    killer = LoaderKiller()
    killer.on_progress(too_early)

    assert killer.rows is None


def test_no_process_but_the_loader_is_killed():
    killer = LoaderKiller()
    killer.on_progress(event(cases=5, forms=2))  # this process has no loader below it

    assert killer.rows is None
