"""The context of a run's execution: who executes it, when to stop it, how progress is reported."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scout_control.rules import expiry
from scout_control.rules.statuses import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

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
    stop_reason: Callable[[], str | None] = lambda: None
    """Returns why it should stop; None for the reason of a worker."""
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
    return expiry.is_interrupted(
        heartbeat_at, now, is_worker_gone=has_died(worker), is_worker_local=is_local(worker)
    )


def worker_name() -> str:
    """Return a name for one attempt: host, process id, a random part, and the process table."""
    name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    return ":".join(filter(None, (name, _process_table())))


def is_local(worker: str | None) -> bool:
    """Return whether a worker is known to share the process table of this process.

    Host names do not tell: containers may share one. False where the system does not say.
    """
    table = (worker or "").split(":")[3:]
    return bool(table) and table == [_process_table()]


@cache
def _process_table() -> str | None:
    """Return what tells the process table of this boot and namespace from all others (Linux)."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return None
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{boot.strip()} {namespace}").hex[:12]


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
        return _is_zombie(int(pid))
    except (ProcessLookupError, OverflowError):  # the latter: no process can have this id
        return True
    except PermissionError:  # alive, as another user
        return False


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended, and only waits for its parent to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]
