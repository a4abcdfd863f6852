"""Runs sync tasks on endpoints in memory: the tap's own streams, state and messages, no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tap_common.bookmarks import Bookmarks
from tap_common.messages import Output, flush
from tap_common.signals import SignalHandler
from tap_common.sync import StreamOutcome, SyncRun, SyncTask, run_tasks


@dataclass
class Result:
    """What a run emitted, and how it ended."""

    messages: list[dict[str, Any]]
    outcomes: dict[tuple[str, str], StreamOutcome]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m.get("record") and m["stream"] == stream]

    def activated(self) -> list[tuple[str, int]]:
        kind = "ACTIVATE_VERSION"
        return [(m["stream"], m["version"]) for m in self.messages if m["type"] == kind]


class TaskRunner:
    """Runs tasks, and reads their messages from the captured stdout.

    Args:
        capture: The fixture ``capsysbinary``.
        domains: The domains of the runs.
    """

    def __init__(self, capture: Any, domains: tuple[str, ...]) -> None:
        self._capture = capture
        self.domains = domains

    def __call__(self, state: dict[str, Any], *tasks_of: Callable[[Bookmarks], SyncTask]) -> Result:
        """Run tasks one after the other, from a copy of a state."""
        bookmarks = Bookmarks(json.loads(json.dumps(state)), self.domains)
        run = SyncRun(Output(SignalHandler()), bookmarks)
        self._capture.readouterr()
        run_tasks(run, [task_of(bookmarks) for task_of in tasks_of])
        flush()
        lines = self._capture.readouterr().out.splitlines()
        return Result([json.loads(line) for line in lines], run.outcomes)
