"""The context of a run's execution: who executes it, when to stop it, how progress is reported."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scout_control.rules.statuses import Phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

LONGEST_RUN_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class ProgressEvent:
    """The phase that a run is in, a message for people, and record counts by stream."""

    phase: Phase
    message: str
    progress: dict[str, Any] = field(default_factory=dict)


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
