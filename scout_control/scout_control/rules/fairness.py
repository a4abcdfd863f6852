"""Decides how owners share the workers' lanes: slots in which one run executes at a time. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence

URGENT = 1_000_000
"""Added to the priority of runs that start before all scheduled ones."""
MAX_MANUAL_FIRST = 5
"""How many manual runs of one owner may be ahead of the scheduled runs at the same time."""
MAX_QUEUE_WAIT = timedelta(minutes=10)
"""A run that has waited this long also starts before scheduled runs."""
TIME_SLICE = timedelta(minutes=1)
"""How long a run may keep its lane while other owners wait for one."""
MAX_SLICES = 60
"""Each attempt doubles the time slice, up to this factor.

Otherwise a plugin that emits no STATE until its end would never finish."""
MIN_WAIT_OF_OTHERS = timedelta(seconds=30)
"""How long another owner must have waited: a free lane would start its run within seconds."""
LANE_CHECK_INTERVAL = timedelta(seconds=10)
"""How often a run checks whether its lane is wanted."""


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run that could start now if a lane were free."""

    job_id: int
    owner: str
    priority: int
    is_manual: bool
    """Requested by a person, and not attempted yet."""
    waited_seconds: float
    lanes: int
    """How many lanes its owner occupies."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A run that occupies a lane."""

    run_id: uuid.UUID
    owner: str
    attempt: int
    held_seconds: float


def changed_priorities(waiting: Iterable[WaitingRun]) -> dict[int, int]:
    """Return the new priority of each job whose priority changes.

    Owners take turns: the more lanes an owner occupies, and the more of the owner's runs are ahead
    of a run, the lower its priority. An owner who occupies two lanes has waiting runs with the
    priorities -2, -3, -4. Among the runs of one owner, manual runs come first, then older jobs.
    """
    by_owner: dict[str, list[WaitingRun]] = {}
    for run in waiting:
        by_owner.setdefault(run.owner, []).append(run)
    changed: dict[int, int] = {}
    for runs in by_owner.values():
        runs.sort(key=lambda run: (not run.is_manual, run.job_id))
        for position, run in enumerate(runs):
            priority = (URGENT if _is_urgent(run, position) else 0) - run.lanes - position
            if priority != run.priority:
                changed[run.job_id] = priority
    return changed


def _is_urgent(run: WaitingRun, position: int) -> bool:
    is_early_manual = run.is_manual and position < MAX_MANUAL_FIRST
    return is_early_manual or run.waited_seconds > MAX_QUEUE_WAIT.total_seconds()


def should_yield(
    run_id: uuid.UUID,
    lanes: Sequence[Lane],
    waiting: Mapping[str, float],
    time_slice: timedelta,
) -> bool:
    """Return whether a run should give up its lane.

    An owner who waits and occupies fewer lanes than the owner of this run is entitled to a lane.
    For each such owner one run yields: of those that have used up their time slice, the longest.

    Args:
        run_id: The run.
        lanes: All runs that occupy a lane.
        waiting: For each owner, how many seconds the longest-waiting run has waited.
        time_slice: How long a first attempt may keep its lane.
    """
    own = next((lane for lane in lanes if lane.run_id == run_id), None)
    if own is None:
        return False
    held = Counter(lane.owner for lane in lanes)
    min_wait = min(MIN_WAIT_OF_OTHERS, time_slice).total_seconds()
    entitled = {
        owner
        for owner, seconds in waiting.items()
        if owner != own.owner and held[owner] < held[own.owner] and seconds >= min_wait
    }
    outlasted = [
        lane
        for lane in lanes
        if lane.owner not in entitled and lane.held_seconds >= _slice_seconds(lane, time_slice)
    ]
    outlasted.sort(key=lambda lane: (-lane.held_seconds, lane.run_id))
    return own in outlasted[: len(entitled)]


def _slice_seconds(lane: Lane, time_slice: timedelta) -> float:
    return time_slice.total_seconds() * min(2.0 ** (lane.attempt - 1), MAX_SLICES)
