"""Warnings that people should see although they read no log, such as of values left out."""

from __future__ import annotations

import logging

FIELD = "notice"
"""The field of a JSON line that marks such a warning for the program that started the tap."""


def warn(log: logging.Logger, text: str, *values: object) -> None:
    """Log a warning of names only that is to be shown with the result of the run."""
    log.warning(text, *values, extra={FIELD: True}, stacklevel=2)
