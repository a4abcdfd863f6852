"""The context of a run's execution: who executes it, when to stop it, how progress is reported."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scout_control.rules import expiry
from scout_control.rules.statuses import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from pathlib import Path

    from scout_control.meltano.reports import Wait
    from scout_control.rules.statuses import Phase

LONGEST_RUN_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class ProgressEvent:
    """What a run is doing, with a message for people."""

    phase: Phase
    message: str
    progress: dict[str, Any] = field(default_factory=dict)
    """By stream: records ``fetched``, rows ``committed``, and the ``total`` where it is known."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Spent so far in each stage: prepare, load, transform, finish."""
    models: tuple[int, int] | None = None
    """How many of dbt's models and tests have ended, and how many there are."""
    wait: Wait | None = None
    """What the run waits for."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """How one attempt at a run is executed."""

    worker: str
    """Unique to the attempt: only the worker that holds a run may write how it ended."""
    on_progress: Callable[[ProgressEvent], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    early: bool = False
    """Resume a paused run before its time."""
    timeout_seconds: float = LONGEST_RUN_SECONDS
    """Shared by all attempts at the run."""
    time_slice: timedelta | None = None
    """How long the run may keep its lane while other owners wait; unlimited when absent."""
    log_file: Path | None = None
    """Receives the full output of Meltano and its plugins."""


def is_interrupted(
    status: str, worker: str | None, heartbeat_at: datetime | None, now: datetime
) -> bool:
    """Return whether a run counts as running, but its worker does not execute it any longer.

    So it is after a kill, and after a full disk, until another worker reclaims it.
    """
    if status != RunStatus.RUNNING:
        return False
    return expiry.is_interrupted(heartbeat_at, now, is_worker_gone=has_died(worker))


def worker_name() -> str:
    """Return a name for one attempt: host, process id, and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def has_died(worker: str | None) -> bool:
    """Return whether the worker ran on this machine and its process no longer exists.

    False for a worker of another machine: only its heartbeat shows whether that one is alive.
    """
    host, _, rest = (worker or "").partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):  # the latter: no process can have this id
        return True
    except PermissionError:  # alive, as another user
        return False
    return False
