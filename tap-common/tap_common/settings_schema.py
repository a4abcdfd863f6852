"""How settings are declared, and those that every tap on a Dimagi API has in the same words.

What they mean is in the settings module; this one only tells ``--about`` and the JSON schema.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th


def text(name: str, title: str, description: str, **more: Any) -> th.Property[Any]:
    """Declare a text."""
    return th.Property(name, th.StringType, title=title, description=description, **more)


def texts(name: str, title: str, description: str) -> th.Property[Any]:
    """Declare a list of texts."""
    return th.Property(name, th.ArrayType(th.StringType), title=title, description=description)


def number(
    name: str, title: str, description: str, default: int, kind: Any = th.NumberType
) -> th.Property[Any]:
    """Declare a number from 0 on, such as seconds."""
    return th.Property(name, kind(minimum=0), title=title, description=description, default=default)


def seconds(name: str, title: str, description: str, default: int) -> th.Property[Any]:
    """Declare a time-out, which is never 0."""
    kind = th.NumberType(exclusive_minimum=0)
    return th.Property(name, kind, title=title, description=description, default=default)


def page_size(description: str) -> th.Property[Any]:
    """Declare how many rows a request asks for."""
    kind = th.IntegerType(minimum=1)
    return th.Property("page_size", kind, title="Page size", description=description)


REFRESHING = (
    text(
        "refresh_token",
        "Refresh token",
        "OAuth refresh token. It works once: see credential_file.",
        secret=True,
    ),
    text(
        "credential_file",
        "Credential file",
        "File that a rotated refresh token is written back to. Its token is used instead of"
        " refresh_token if it descends from it.",
    ),
)

REQUESTING = (
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=32),
        title="Concurrency",
        description="Requests in flight; 1 reads one after the other.",
        default=4,
    ),
    number(
        "max_rate_limit_wait",
        "Longest throttling",
        "The longest wait that the server may ask for; longer ends the run with exit code 75.",
        300,
    ),
    number(
        "max_retry_seconds",
        "Longest retrying",
        "How long one request is retried through failures that pass.",
        300,
    ),
    seconds("connect_timeout", "Connect time-out", "Seconds to wait for a connection.", 10),
    seconds("read_timeout", "Read time-out", "Seconds to wait for the next bytes.", 120),
    seconds(
        "request_timeout",
        "Request time-out",
        "Seconds that one request may take as a whole, whatever comes meanwhile.",
        600,
    ),
    th.Property(
        "strict",
        th.BooleanType,
        title="Strict",
        description="Fail (exit code 65) on a value that cannot be read as its column's type; else"
        " it is null, counted, and named at the end of the run.",
        default=False,
    ),
    th.Property(
        "strip_nul",
        th.BooleanType,
        title="Strip NUL",
        description="Remove NUL characters from values and names of properties, for targets that"
        " cannot hold them; they are counted and named at the end of the run.",
        default=False,
    ),
)
