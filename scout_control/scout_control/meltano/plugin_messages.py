"""Finds the message of a plugin that says why it failed, in whatever form it logs.

Text, structured logs and tracebacks are recognised. Memory does not grow with the output: of each
plugin only the last error and the last other line are kept, cut to a length.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_LINE = 4_000
LEVEL = re.compile(
    r"^.{0,80}?\b(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|CRITICAL|FATAL)\b"
    r"(?:[\]:\s|-]+(?:[\w.-]+(?:\s*\||:(?=\S)))?\s*)(?P<text>.*)$"
)
WORDED = re.compile(
    r"^(?:[\w./-]+: )?(?:fatal|panic|critical|error|exception)\b[:!]?\s+\S", re.IGNORECASE
)
WARNING = re.compile(r"\b\w*Warning: ")
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):")
BETWEEN_TRACEBACKS = re.compile(r"^(?:During handling of|The above exception was)")
ERROR_LEVELS = frozenset({"error", "severe", "critical", "fatal"})
TEXT_KEYS = ("message", "msg", "event", "error", "text")
LEVEL_KEYS = ("level", "levelname", "severity", "lvl")
FIRST_ERROR_NUMBER = 50  # of loggers that number their levels; of Python's it is CRITICAL
SINGER_TYPES = frozenset({"RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION", "BATCH"})


@dataclass
class PluginMessages:
    """What one plugin has written to its standard error so far."""

    error: str | None = None
    """The last line that is an error."""
    other: str | None = None
    """The last line that has no level: many plugins have none."""
    _is_in_traceback: bool = False

    @property
    def last(self) -> str | None:
        """The line that most probably says why the plugin failed."""
        return self.error or self.other

    def read(self, line: str) -> None:
        """Read one line."""
        line = line[:MAX_LINE].rstrip()
        if TRACEBACK.match(line):
            self._is_in_traceback = True
        elif not line.strip() or BETWEEN_TRACEBACKS.match(line):
            return
        elif self._is_in_traceback:
            self._read_traceback(line)
        elif line.startswith("{"):
            self._read_json(line)
        elif not line[0].isspace():
            self._read_text(line)

    def _read_traceback(self, line: str) -> None:
        # Indented lines quote code; the first other one is the exception.
        if not line[0].isspace():
            self.error, self._is_in_traceback = line, False

    def _read_json(self, line: str) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return  # cut off, or not JSON: it may be a record
        if isinstance(event, dict) and event.get("type") not in SINGER_TYPES and _is_error(event):
            text = next((event[key] for key in TEXT_KEYS if isinstance(event.get(key), str)), "")
            if lines := text.strip().splitlines():
                self.error = lines[0]

    def _read_text(self, line: str) -> None:
        if found := LEVEL.match(line):
            if found["level"].lower() in ERROR_LEVELS and found["text"]:
                self.error = found["text"]
        elif WORDED.match(line):
            self.error = line
        elif not WARNING.search(line):
            self.other = line


def _is_error(event: dict[str, Any]) -> bool:
    level = next((event[key] for key in LEVEL_KEYS if event.get(key) is not None), None)
    if isinstance(level, int):
        return level >= FIRST_ERROR_NUMBER
    return str(level).lower() in ERROR_LEVELS
