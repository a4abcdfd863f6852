"""Reads the log of ``meltano run``: progress, failures, pauses.

Meltano has no supported Python interface; its log, one JSON object per line, takes that place.
Other lines are ignored: plugins may write anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from scout_control.meltano.plugin_messages import PluginMessages
from scout_control.meltano.reports import Report, is_only_progress, parse_event, report_of
from scout_control.rules.json_values import to_storable_text
from scout_control.rules.statuses import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

PAUSED = re.compile(r"event=paused\s+resume_at=([0-9T:.+Z-]+)")
DISCOVERY_FAILED = re.compile(r"returned (-?\d{1,5}) with stderr")
MODEL_FAILED = re.compile(r"Failure in (?P<what>\w+) (?P<name>\S+)|(?P<kind>\w+ Error)$")
FINISHED = re.compile(r"event=finished exit_code=\d+ streams: ([^\"]*)")
STREAM_OUTCOME = re.compile(
    r"([\w.-]+)(?:\[[^\]]*\])? (completed|failed|skipped) \((not selected\))?"
)
NOT_SELECTED = "not selected"
REASON = re.compile(r"Reason of (?P<of>\w+ \S+): (?P<why>.*)")  # by scout-dbt, without values
SKIPPED = re.compile(r"Skipped \d+ models?: .{1,1900}")  # by scout-dbt
SUMMARY = "event=finished "  # the lines before it say more
ERRORS = frozenset({"error", "critical"})
LOADING_BLOCK, STATE_SAVED = "ExtractLoadBlocks", "Incremental state has been updated"
EXTRACTOR, LOADER = "extractors", "loaders"
PREFIXES = {EXTRACTOR: "tap-", LOADER: "target-"}


class PluginError(NamedTuple):
    """The message of a plugin that failed."""

    plugin: str
    text: str
    is_error: bool = True
    """False for a line that only was its last one."""


@dataclass
class RunLog:
    """The result of the lines read so far."""

    phase: Phase = Phase.DISCOVERING
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    """By stream, then by domain."""
    exit_codes: dict[str, int] = field(default_factory=dict)
    plugin_errors: dict[str, str] = field(default_factory=dict)
    """The last error line of each plugin that logs as Meltano does, by the plugin's name."""
    plugin_messages: dict[str, PluginMessages] = field(default_factory=dict)
    """What each plugin wrote to its standard error in any other form."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """The names of the extractor and the loader; without them, names tell which is which."""
    resume_at: str | None = None
    transform_error: str | None = None
    failed_models: list[str] = field(default_factory=list)
    skipped_models: str | None = None
    """Which models were not built, since the dataset lacks what they read."""
    meltano_error: str | None = None
    streams: dict[str, str] = field(default_factory=dict)
    """completed, failed, skipped or ``NOT_SELECTED`` by stream, as the tap's last line says."""

    def read(self, line: str) -> Report | Phase | None:
        """Read one line; return what it reports, or the phase that begins."""
        if found := PAUSED.search(line):
            self.resume_at = found[1]
        if (found := FINISHED.search(line)) and not self.streams:
            for stream, outcome, not_selected in STREAM_OUTCOME.findall(found[1]):
                self.streams.setdefault(stream, NOT_SELECTED if not_selected else outcome)
                # A stream of several domains has failed if it failed in one of them.
                if outcome == "failed":
                    self.streams[stream] = outcome
        event = parse_event(line)
        if event is None:
            return None
        if event.get("event") == "Block run completed":
            self._read_end_of_block(event)
        elif str(event.get("level")) in ERRORS:
            self._read_error(event)
        elif str(event.get("name")).startswith("dbt"):
            self._read_dbt_line(to_storable_text(str(event.get("event"))))
        elif event.get("stdio") == "stderr" and not is_only_progress(event):
            name = self._plugin(event) or "unknown"
            messages = self.plugin_messages.setdefault(name, PluginMessages())
            messages.read(to_storable_text(str(event.get("event"))))
        phase = self._phase(event)
        return report_of(event, self.totals, self._plugin(event)) or phase

    def reports(self, line: str) -> list[Report | Phase]:
        """Read one line; return the phase that begins with it, and what it reports in it."""
        before, found = self.phase, self.read(line)
        begun: list[Report | Phase] = [] if self.phase is before else [self.phase]
        return begun if found is None or found in begun else [*begun, found]

    def last_error(self, plugin_type: str) -> PluginError | None:
        """Return the last error that the extractor or the loader wrote, in whatever form."""
        for name, text in self.plugin_errors.items():
            if self._is_of(plugin_type, name):
                return PluginError(name, text)
        for name, messages in self.plugin_messages.items():
            if self._is_of(plugin_type, name) and messages.last:
                return PluginError(name, messages.last, is_error=messages.error is not None)
        return None

    def _plugin(self, event: Mapping[str, Any]) -> str | None:
        """Return the plugin that an event is about; ``meltano invoke``, with one, names none."""
        is_invoked = event.get("cmd_type") == "command"
        name = event.get("string_id") or event.get("name")
        return str(name) if name else self.plugins.get(EXTRACTOR) if is_invoked else None

    def _is_of(self, plugin_type: str, name: str) -> bool:
        known = self.plugins.get(plugin_type)
        return name == known if known else name.startswith(PREFIXES[plugin_type])

    def _read_end_of_block(self, event: dict[str, Any]) -> None:
        if event.get("success"):
            return
        self.meltano_error = _first_line(event.get("err"))
        if event.get("block_type") == "InvokerCommand":
            self.transform_error = ", ".join(self.failed_models) or self.meltano_error
        codes = event.get("exit_codes")
        if isinstance(codes, dict):
            self.exit_codes |= {kind: code for kind, code in codes.items() if isinstance(code, int)}
        if found := DISCOVERY_FAILED.search(str(event.get("err"))):
            self.exit_codes[EXTRACTOR] = int(found[1])

    def _read_error(self, event: dict[str, Any]) -> None:
        text = _first_line(event.get("event"))
        plugin = self._plugin(event)
        if not text:
            return
        if plugin and plugin != "meltano":
            if not text.startswith(SUMMARY) or plugin not in self.plugin_errors:
                self.plugin_errors[plugin] = text
        elif found := DISCOVERY_FAILED.search(str(event)):
            self.exit_codes[EXTRACTOR] = int(found[1])
        else:
            self.meltano_error = text

    def _phase(self, event: dict[str, Any]) -> Phase | None:
        """Return the phase that begins.

        The launcher of the loader announces it; Meltano, which may run without launchers, is
        otherwise heard of with the first line of a plugin, or the first state that is saved.
        """
        before = self.phase
        if event.get("block_type") == LOADING_BLOCK and event.get("success"):
            self.phase = Phase.TRANSFORMING
        elif before is Phase.DISCOVERING and (
            event.get("cmd_type") == "elb" or str(event.get("event")).startswith(STATE_SAVED)
        ):
            self.phase = Phase.LOADING
        return None if self.phase is before else self.phase

    def _read_dbt_line(self, text: str) -> None:
        """Keep which model or test failed, but not Postgres' message, which may quote values."""
        if found := SKIPPED.match(text):
            self.skipped_models = found[0]
        elif found := REASON.search(text):
            self.failed_models = [
                f"{each}: {found['why']}" if each == found["of"] else each
                for each in self.failed_models
            ]
        elif found := MODEL_FAILED.search(text):
            self.failed_models.append(found["kind"] or f"{found['what']} {found['name']}")


def _first_line(text: object) -> str:
    lines = str(text or "").strip().splitlines()
    return to_storable_text(lines[0]) if lines else ""
