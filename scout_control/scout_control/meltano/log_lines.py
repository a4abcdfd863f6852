"""Turns lines of Meltano's log into the readable lines that are kept with a run. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from scout_control.meltano.reports import is_only_progress, parse_event

MAX_CHARACTERS = 2_000
DBT_TIME = re.compile(r"^\d\d:\d\d:\d\d(?:  |$)")
MELTANO = "meltano"
MELTANO_HELP = "Need help fixing this problem? Visit https://melta"
"""Meltano ends each failure with this; what to do is in the message of the run."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line, not yet redacted."""

    level: str
    source: str
    """The plugin or program that wrote it."""
    text: str


def readable(line: str) -> LogLine | None:
    """Return a line of Meltano's output as it is kept; None for counts and empty lines."""
    line = line.rstrip("\n")
    event = parse_event(line)
    if MELTANO_HELP in line:
        return None
    if event is None:
        return LogLine(level="info", source=MELTANO, text=_shortened(line)) if line else None
    if is_only_progress(event):
        return None
    source = str(event.get("string_id") or event.get("name") or MELTANO)
    # Meltano's own events have the name of the logging method here.
    source = MELTANO if source in {"info", "warning", "error", "debug"} else source
    text = DBT_TIME.sub("", str(event.get("event", ""))) + _details(event)
    if not text.strip():
        return None
    return LogLine(level=str(event.get("level", "info")), source=source, text=_shortened(text))


def _details(event: dict[str, Any]) -> str:
    """Return what a field of an event adds to its text."""
    if event.get("event") != "Block run completed":
        return ""
    outcome = "" if event.get("success") else ", failed"
    error = str(event.get("err") or "").strip().partition("\n")[0]
    seconds = event.get("duration_seconds")
    took = f" after {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    kind = f" ({event['block_type']}{outcome}{took})" if "block_type" in event else ""
    return f"{kind}: {error}" if error else kind


def _shortened(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}... ({len(text) - MAX_CHARACTERS} characters left out)"
