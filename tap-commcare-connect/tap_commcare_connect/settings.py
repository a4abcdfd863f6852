"""The settings of the tap: what ``--about`` shows and what is checked."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

LOGINS = {
    "access_token": ("access_token",),
    "refresh_token": ("client_id", "refresh_token"),
}


def _text(name: str, title: str, description: str, **more: Any) -> th.Property[Any]:
    return th.Property(name, th.StringType, title=title, description=description, **more)


def _number(
    name: str, title: str, description: str, default: int, kind: Any = th.NumberType
) -> th.Property[Any]:
    return th.Property(name, kind(minimum=0), title=title, description=description, default=default)


def _ids(name: str, title: str, description: str) -> th.Property[Any]:
    either = th.CustomType({"type": ["integer", "string"]})
    return th.Property(name, th.ArrayType(either), title=title, description=description)


PROPERTIES = th.PropertiesList(
    _text(
        "base_url",
        "Server",
        "Address of CommCare Connect.",
        default="https://connect.dimagi.com",
    ),
    _text("access_token", "Access token", "OAuth token with the scope export.", secret=True),
    _text("client_id", "Client id", "OAuth client, for refresh_token."),
    _text(
        "client_secret",
        "Client secret",
        "Secret of the OAuth client; a public client has none.",
        secret=True,
    ),
    _text(
        "refresh_token",
        "Refresh token",
        "OAuth refresh token. It works once: see credential_file.",
        secret=True,
    ),
    _text(
        "credential_file",
        "Credential file",
        "File that a rotated refresh token is written back to. Its token is used instead of"
        " refresh_token if it descends from it.",
    ),
    _ids("opportunity_ids", "Opportunities", "Only these opportunities. Default: all."),
    th.Property(
        "organization_slugs",
        th.ArrayType(th.StringType),
        title="Organizations",
        description="Only opportunities that these organizations deliver. Default: all.",
    ),
    _ids("program_ids", "Programs", "Only opportunities of these programs. Default: all."),
    th.Property(
        "include_images",
        th.BooleanType,
        title="Images",
        description="List the images of each visit.",
        default=False,
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1),
        title="Page size",
        description="Rows per request, at most 5000. Default: as many as fill about 4 MB.",
    ),
    _number(
        "visit_overlap",
        "Overlap of visits",
        "How many ids before the bookmark are read again, for rows that became visible late.",
        1000,
        th.IntegerType,
    ),
    _number(
        "visit_full_refresh_days",
        "Full read of visits",
        "How often all visits are read again, in days: edits and deletions leave no trace in the"
        " API. 0 reads all of them in every run.",
        7,
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=32),
        title="Concurrency",
        description="Requests in flight; 1 reads one after the other.",
        default=4,
    ),
    _number(
        "max_rate_limit_wait",
        "Longest throttling",
        "The longest wait that the server may ask for; longer ends the run with exit code 75.",
        300,
    ),
    _number(
        "max_retry_seconds",
        "Longest retrying",
        "How long one request is retried through failures that pass.",
        300,
    ),
    _number("connect_timeout", "Connect time-out", "Seconds to wait for a connection.", 10),
    _number("read_timeout", "Read time-out", "Seconds to wait for the next bytes.", 120),
)
