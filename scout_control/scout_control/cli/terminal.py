"""Everything that reaches the terminal goes through here: messages for people, and log lines."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import click

from scout_control.rules.terminal import as_json, escaped


def say(text: str, *, err: bool = False, bold: bool = False) -> None:
    """Print text with control characters escaped, except line ends.

    Names and data come from outside: a terminal would obey escape sequences in them.
    """
    click.secho(escaped(text, keep="\n"), err=err, bold=bold or None)


class OneLineFormatter(logging.Formatter):
    """Formats each event as one line, without tracebacks: their variables may be secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, followed by the class of the exception if there is one."""
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = None
        line = escaped(super().format(record))
        return f"{line} ({type(error).__name__})" if error else line


class JsonFormatter(logging.Formatter):
    """Formats each event as one JSON object: when, how severe, what, and its facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, with the class of the exception if there is one."""
        error = record.exc_info[1] if record.exc_info else None
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event: dict[str, Any] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        return as_json({**event, "exception": type(error).__name__} if error else event)


def log_to_stderr(*, level: int = logging.INFO, is_json: bool = False) -> None:
    """Log to stderr with time and level, as a worker does: lines for people, or JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    people = OneLineFormatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonFormatter() if is_json else people)
    logging.basicConfig(level=level, handlers=[handler])


def log_warnings() -> None:
    """Print warnings as single lines in commands that configure no logging."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(OneLineFormatter())
