"""The only way to the terminal: what is said to people, and the lines of the log."""

from __future__ import annotations

import logging
import sys

import click

from scout_control.rules.terminal import harmless


def say(text: str, *, err: bool = False, bold: bool = False) -> None:
    """Print lines for people; whatever they quote, only the ends of lines are obeyed."""
    click.secho(harmless(text, keep="\n"), err=err, bold=bold or None)


class OneLine(logging.Formatter):
    """A line for each event; no traces, which may quote what must not be quoted."""

    def formatException(self, ei: object) -> str:  # noqa: ARG002, N802 - the name it has
        """Leave the trace out."""
        return ""

    def format(self, record: logging.LogRecord) -> str:
        """Name the error, without its trace."""
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = None
        line = harmless(super().format(record))
        return f"{line} ({type(error).__name__})" if error else line


def log_to_stderr(*, level: int = logging.INFO) -> None:
    """Log as a worker does."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def log_warnings() -> None:
    """Let warnings of commands that keep no log be single lines, too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(OneLine())
