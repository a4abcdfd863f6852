"""Lets a worker that ends when it is idle wait for datasets that another process still holds.

The process may be dead: the server of the store lists its session until it notices, which takes as
long as its keepalives if the network or the machine is lost.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.errors import ControlError
from scout_control.runs.context import is_interrupted
from scout_control.runs.execute import DATASET_IN_USE
from scout_control.scheduler import maintenance
from scout_control.store import lookups, runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

LONGEST_SECONDS = 60.0
"""Longer than the keepalives of a session, see ``session_settings.KEEPALIVES``."""
POLL_SECONDS = 1.0


def wait(installation: Installation, until: float, should_stop: Callable[[], bool]) -> bool:
    """Wait until a run can be started that had to wait for its dataset; return whether one can.

    Args:
        installation: The installation.
        until: When to give up, by the monotonic clock; what still waits is logged.
        should_stop: Whether the worker shuts down.
    """
    try:
        while not should_stop():
            if maintenance.reclaim(installation, datetime.now(UTC)):
                return True
            held = _held(installation)
            if any(held.values()):
                return True
            if not held or time.monotonic() >= until:
                for path in held:
                    log.warning("%s stays queued: %s", path, DATASET_IN_USE)
                return False
            time.sleep(POLL_SECONDS)
    except ControlError as error:
        log.warning("not_waited_for_locks: %s", error.cause)
    return False


def _held(installation: Installation) -> dict[str, bool]:
    """Return the datasets whose runs wait for a lock, and whether it is time to try again."""
    now = datetime.now(UTC)
    with installation.store.begin() as session:
        queued = {
            lookups.path(run.dataset): runs.waits_until(run) <= now
            for run in runs.waiting_for(session, DATASET_IN_USE)
        }
        interrupted = {
            lookups.path(run.dataset): False
            for run in runs.running(session)
            if is_interrupted(run.status, run.worker, run.heartbeat_at, now)
        }
    return interrupted | queued
