"""When a worker loses a run, and which of these runs it requeues.

The locks' connection and the process are stand-ins: the real ones are in the integration tests.
"""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from scout_control.rules.expiry import DEAD_AFTER, MAX_STORE_OUTAGE
from scout_control.rules.statuses import Phase
from scout_control.runs.context import RunContext
from scout_control.runs.heartbeat import (
    BEAT,
    REQUEUE_AFTER,
    Heartbeat,
    LossReason,
    RunLostError,
    loss_of,
)
from scout_control.runs.progress import RunProgress

MOMENT = timedelta(seconds=1)
RUN = SimpleNamespace(id=uuid.uuid4())


@pytest.mark.parametrize(
    ("beat", "reason"),
    [
        ({"is_running": True}, None),
        ({"is_running": True, "is_lane_wanted": True}, LossReason.YIELDED),
        ({"is_running": False}, LossReason.MOVED),
        ({"is_running": False, "is_lane_wanted": True}, LossReason.MOVED),
        ({"is_running": None, "unreachable": MAX_STORE_OUTAGE}, None),
        ({"is_running": None, "unreachable": MAX_STORE_OUTAGE + MOMENT}, LossReason.UNREACHABLE),
        ({"is_running": True, "unreachable": MAX_STORE_OUTAGE + MOMENT}, None),
    ],
)
def test_each_heartbeat_says_whether_the_run_is_lost(beat, reason):
    assert loss_of(**beat) is reason


def test_a_worker_that_lost_the_store_stops_before_another_reclaims_its_run():
    assert MAX_STORE_OUTAGE < DEAD_AFTER


def test_only_a_run_that_is_still_the_workers_own_is_requeued():
    others = {LossReason.MOVED, LossReason.UNREACHABLE}

    assert set(LossReason) - set(REQUEUE_AFTER) == others


# The lane of the run, and how long another owner has waited for one.
LANE_IS_WANTED = [(RUN.id, "project river", 0, 3600.0), (None, "project lake", None, 3600.0)]


class Connection:
    """The locks of a run, whose connection answers the heartbeat and the question of its lane."""

    def __init__(self, *, is_running=True, is_wanted=False, is_down=False, is_regained=True):
        self.beats: list[dict] = []
        self._is_running, self._is_wanted = is_running, is_wanted
        self._is_down, self._is_regained = is_down, is_regained

    def execute(self, query, values):
        if self._is_down:
            raise psycopg.OperationalError
        if query != BEAT:
            return LANE_IS_WANTED if self._is_wanted else []
        self.beats.append(values)
        return [(RUN.id,)] if self._is_running else []

    def reacquire(self):
        return self._is_regained


class Process:
    """A process that runs until it is stopped."""

    pid = 7

    def __init__(self, work):
        self.work, self.stopped = work, threading.Event()

    def stop(self):
        self.stopped.set()


def watch(tmp_path, connection, *, until_stopped=True, **context):
    """Watch a process until it is stopped, or briefly; return the heartbeat and the process."""
    progress = RunProgress("toy", has_transforms=False)
    nothing_to_store = SimpleNamespace(credential=None, credential_file=None)
    given = RunContext(worker="w", **context)
    heartbeat = Heartbeat(None, RUN, given, connection, nothing_to_store, progress)
    process = Process(tmp_path)
    with heartbeat.watch(process):
        assert process.stopped.wait(30 if until_stopped else 0.2) is until_stopped
    return heartbeat


@pytest.mark.parametrize(
    ("connection", "context", "reason"),
    [
        (Connection(is_running=False), {}, LossReason.MOVED),
        (Connection(is_wanted=True), {"time_slice": timedelta()}, LossReason.YIELDED),
        (Connection(), {"should_stop": lambda: True}, LossReason.STOPPED),
    ],
)
def test_the_process_of_a_lost_run_is_stopped(tmp_path, connection, context, reason):
    with pytest.raises(RunLostError) as lost:
        watch(tmp_path, connection, **context)

    assert lost.value.reason is reason
    assert bool(connection.beats) == (reason is not LossReason.STOPPED)


@pytest.mark.parametrize(
    "connection",
    [
        Connection(),
        Connection(is_wanted=True),  # but it has no time slice
        Connection(is_down=True),  # its locks were taken again
        Connection(is_down=True, is_regained=False),  # only for a moment so far
    ],
)
def test_the_process_of_any_other_run_is_left_alone(tmp_path, connection):
    watch(tmp_path, connection, until_stopped=False)


def test_a_heartbeat_tells_the_store_what_the_run_is_doing(tmp_path):
    connection = Connection()
    watch(tmp_path, connection, until_stopped=False)
    [beat] = connection.beats

    assert (beat["run"], beat["worker"], beat["pid"]) == (RUN.id, "w", 7)
    assert (beat["phase"], beat["progress"].obj) == (Phase.DISCOVERING, {})


def test_the_discovered_catalog_is_kept_when_its_folder_goes(tmp_path):
    catalog = tmp_path / "meltano/run/tap-toy/tap.properties.json"
    catalog.parent.mkdir(parents=True)
    catalog.write_text("{}")

    assert watch(tmp_path, Connection(), until_stopped=False).catalog == b"{}"
