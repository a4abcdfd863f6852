"""The settings of the tap: what ``--about`` shows and what is checked."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

LOGINS = {
    "api_key": ("username", "api_key"),
    "access_token": ("access_token",),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
    "password": ("username", "password"),
}


def _text(name: str, title: str, description: str, **more: Any) -> th.Property[Any]:
    return th.Property(name, th.StringType, title=title, description=description, **more)


def _seconds(name: str, title: str, description: str, default: int) -> th.Property[Any]:
    return th.Property(
        name,
        th.NumberType(minimum=0),
        title=title,
        description=description,
        default=default,
    )


def _list(name: str, title: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.ArrayType(th.StringType), title=title, description=description)


PROPERTIES = th.PropertiesList(
    _text(
        "base_url",
        "Server",
        "Address of CommCare HQ, such as https://india.commcarehq.org.",
        default="https://www.commcarehq.org",
    ),
    _text("domain", "Project space", "The project space to read."),
    _list("domains", "Project spaces", "Several project spaces; keys then begin with domain."),
    _text("username", "User name", "E-mail address of the web user, for api_key or password."),
    _text("api_key", "API key", "API key of that user.", secret=True),
    _text("password", "Password", "Password of that user; API keys are safer.", secret=True),
    _text("access_token", "Access token", "OAuth access token; lives 15 minutes.", secret=True),
    _text("client_id", "Client id", "OAuth client, for refresh_token."),
    _text("client_secret", "Client secret", "Secret of the OAuth client.", secret=True),
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
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Nothing indexed before is read. Default: everything.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1),
        title="Page size",
        description="Rows per request. Default: the most that each endpoint allows.",
    ),
    _list("case_types", "Case types", "Only cases of these types. Default: all."),
    _list("form_xmlns", "Form types", "Only forms of these xmlns. Default: all."),
    _list("app_ids", "Applications", "Only forms and definitions of these. Default: all."),
    th.Property(
        "include_archived",
        th.BooleanType,
        title="Archived forms",
        description="Read archived forms too, with archived = true.",
        default=True,
    ),
    th.Property(
        "case_api",
        th.StringType,
        title="Case API",
        description="v2, or v1 for servers that have no other.",
        allowed_values=["v2", "v1"],
        default="v2",
    ),
    th.Property(
        "deletions",
        th.StringType,
        title="Deletions",
        description="sweep reads cases, forms and locations in full, so that a target removes what"
        " no longer exists; off reads only what changed.",
        allowed_values=["off", "sweep"],
        default="off",
    ),
    _seconds(
        "overlap_seconds",
        "Overlap",
        "How far before its bookmark an incremental read begins.",
        300,
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=32),
        title="Concurrency",
        description="Requests in flight; 1 reads one after the other.",
        default=4,
    ),
    _seconds(
        "max_rate_limit_wait",
        "Longest throttling",
        "The longest wait that the server may ask for; longer ends the run with exit code 75.",
        300,
    ),
    _seconds(
        "max_retry_seconds",
        "Longest retrying",
        "How long one request is retried through failures that pass.",
        300,
    ),
    _seconds("connect_timeout", "Connect time-out", "Seconds to wait for a connection.", 10),
    _seconds("read_timeout", "Read time-out", "Seconds to wait for the next bytes.", 120),
    _list("reports", "Reports", "Ids of reports for the stream report_rows."),
    _list("data_sources", "Data sources", "Ids of data sources for the stream ucr_rows."),
)
