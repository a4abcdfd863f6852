"""Functions that declare settings, for ``--about`` and the JSON schema; common settings."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th


def text(name: str, title: str, description: str, **more: Any) -> th.Property[Any]:
    """Declare a text setting."""
    return th.Property(name, th.StringType, title=title, description=description, **more)


def texts(name: str, title: str, description: str) -> th.Property[Any]:
    """Declare a list of texts."""
    return th.Property(name, th.ArrayType(th.StringType), title=title, description=description)


def number(
    name: str, title: str, description: str, default: int, json_type: Any = th.NumberType
) -> th.Property[Any]:
    """Declare a number that is at least 0, such as seconds."""
    return th.Property(
        name, json_type(minimum=0), title=title, description=description, default=default
    )


def seconds(name: str, title: str, description: str, default: int) -> th.Property[Any]:
    """Declare a time-out, which must be more than 0."""
    json_type = th.NumberType(exclusive_minimum=0)
    return th.Property(name, json_type, title=title, description=description, default=default)


def page_size(description: str) -> th.Property[Any]:
    """Declare how many rows a request asks for."""
    json_type = th.IntegerType(minimum=1)
    return th.Property("page_size", json_type, title="Page size", description=description)


REFRESH_TOKEN_SETTINGS = (
    text(
        "refresh_token",
        "Refresh token",
        "OAuth refresh token. It can be used once: see credential_file.",
        secret=True,
    ),
    text(
        "credential_file",
        "Credential file",
        "File in which rotated refresh tokens are stored. Its token replaces refresh_token if it"
        " descends from it.",
    ),
)

REQUEST_SETTINGS = (
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=32),
        title="Concurrency",
        description="Requests in flight; 1 is sequential.",
        default=4,
    ),
    number(
        "max_rate_limit_wait",
        "Longest rate-limit wait",
        "Seconds to wait at most when the server limits the rate; a longer wait ends the run with"
        " exit code 75.",
        300,
    ),
    number(
        "max_retry_seconds",
        "Longest retry",
        "Seconds for which one request is retried after transient failures.",
        300,
    ),
    seconds("connect_timeout", "Connect time-out", "Seconds to wait for a connection.", 10),
    seconds("read_timeout", "Read time-out", "Seconds to wait for the next bytes.", 120),
    seconds(
        "request_timeout",
        "Request time-out",
        "Seconds that one request may take as a whole.",
        600,
    ),
    th.Property(
        "strict",
        th.BooleanType,
        title="Strict",
        description="Fail (exit code 65) on a value that is not of its column's type; otherwise it"
        " becomes null, and is counted and reported at the end of the run.",
        default=False,
    ),
    th.Property(
        "strip_nul",
        th.BooleanType,
        title="Strip NUL",
        description="Remove NUL characters from values and property names, for targets that cannot"
        " store them; they are counted and reported at the end of the run.",
        default=False,
    ),
)
