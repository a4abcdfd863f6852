"""When a run stops being its worker's, and which of these runs the worker gives back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from scout_control.rules.expiry import ALONE_AFTER, DEAD_AFTER
from scout_control.runs.heartbeat import REQUEUED, LossReason, RunLostError, loss_of

MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("beat", "reason"),
    [
        ({"is_running": True}, None),
        ({"is_running": True, "is_lane_wanted": True}, LossReason.YIELDED),
        ({"is_running": False}, LossReason.MOVED),
        ({"is_running": False, "is_lane_wanted": True}, LossReason.MOVED),
        ({"is_running": None, "unreachable": ALONE_AFTER}, None),
        ({"is_running": None, "unreachable": ALONE_AFTER + MOMENT}, LossReason.UNREACHABLE),
        ({"is_running": True, "unreachable": ALONE_AFTER + MOMENT}, None),
    ],
)
def test_each_heartbeat_says_whether_the_run_is_lost(beat, reason):
    assert loss_of(**beat) is reason


def test_a_worker_that_lost_the_store_stops_before_another_reclaims_its_run():
    assert ALONE_AFTER < DEAD_AFTER


def test_only_a_run_that_is_still_the_workers_own_is_requeued():
    assert {LossReason.STOPPED, LossReason.YIELDED, LossReason.CREDENTIAL_IN_USE} == REQUEUED
    assert str(RunLostError(LossReason.MOVED)) == LossReason.MOVED.value
