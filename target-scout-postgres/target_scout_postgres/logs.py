"""Log lines on stderr: plain text, or the JSON lines that Meltano reads from structured plugins.

A line is an event with numbers, never a record. The logging module is not used: importing it would
take a tenth of the time of a small sync.
"""

from __future__ import annotations

import os
import re
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LEVEL_VARIABLES = ("TARGET_SCOUT_POSTGRES_LOGLEVEL", "LOGLEVEL")  # the first one set wins
NAME = "target-scout-postgres"
NOTICE, OF_ATTEMPT = "notice", "attempt"
"""The name under which JSON lines mark a warning for the program that started the target, and the
value for what is over with the next run: True marks all others."""
# Control characters of terminals, and what hides or reverses text: names of streams are untrusted.
CONTROL_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


@cache
def _sdk_configuration() -> str:
    """Return the SDK's logging configuration, which Meltano writes for its plugins."""
    try:
        return Path(os.environ["SINGER_SDK_LOG_CONFIG"]).read_text(encoding="utf-8")
    except (KeyError, OSError, ValueError):
        return ""


@cache
def _threshold() -> int:
    """Return the lowest level to show, from the same places as the SDK."""
    configured = re.search(r"level[\"']?\s*:\s*[\"']?(\w+)", _sdk_configuration())
    given = [text for name in LEVEL_VARIABLES if (text := os.environ.get(name))]
    wanted = given[0] if given else configured.group(1) if configured else ""
    return LEVELS.get(wanted.lower(), LEVELS["info"])


@cache
def is_structured() -> bool:
    """Return whether JSON lines are wanted, as Meltano wants them of structured plugins."""
    return "StructuredFormatter" in _sdk_configuration()


def escape(text: str) -> str:
    """Return a text with control characters escaped."""
    return CONTROL_CHARACTERS.sub(lambda match: repr(match[0])[1:-1], text)


def _escape_in_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def log(level: str, message: str, extra: Mapping[str, object] | None = None) -> None:
    """Write one line; a closed stderr does not end the run.

    Args:
        level: The level.
        message: The text.
        extra: What programs read; only in JSON lines.
    """
    if sys.stderr is None or LEVELS[level] < _threshold():
        return
    now = time.time()
    message = escape(message)
    if is_structured():
        line = msgspec.json.encode(
            {
                "level": level,
                "pid": os.getpid(),
                "logger_name": NAME,
                "ts": now,
                "thread_name": "MainThread",
                "app_name": NAME,
                "stream_name": None,
                "message": message,
                "extra": extra or {},
            }
        ).decode()
        line = CONTROL_CHARACTERS.sub(_escape_in_json, line)
    else:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        line = f"{moment} {level.upper():7} {NAME}: {message}"
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def debug(message: str) -> None:
    """Log something for developers."""
    log("debug", message)


def info(message: str, extra: Mapping[str, object] | None = None) -> None:
    """Log the progress of a run."""
    log("info", message, extra)


def warning(message: str, extra: Mapping[str, object] | None = None) -> None:
    """Log something that needs attention."""
    log("warning", message, extra)


def notice(message: str, *, is_of_attempt: bool = False) -> None:
    """Log a warning of names only that is to be shown with the result of the run.

    Args:
        message: The text.
        is_of_attempt: It tells where this run ended, from which a next one continues.
    """
    warning(message, {NOTICE: OF_ATTEMPT if is_of_attempt else True})


def error(message: str) -> None:
    """Log why the run ends."""
    log("error", message)
