"""The settings of the tap, as ``--about`` shows them."""

from __future__ import annotations

from singer_sdk import typing as th
from tap_common.settings_schema import (
    REFRESH_TOKEN_SETTINGS,
    REQUEST_SETTINGS,
    number,
    page_size,
    text,
    texts,
)

AUTH_METHODS = {
    "api_key": ("username", "api_key"),
    "access_token": ("access_token",),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
    "password": ("username", "password"),
}


PROPERTIES = th.PropertiesList(
    text(
        "base_url",
        "Server",
        "Address of CommCare HQ, such as https://india.commcarehq.org.",
        default="https://www.commcarehq.org",
    ),
    text("domain", "Project space", "The project space to read."),
    texts("domains", "Project spaces", "Several project spaces; keys then begin with domain."),
    text("username", "User name", "E-mail address of the web user, for api_key or password."),
    text("api_key", "API key", "API key of that user.", secret=True),
    text("password", "Password", "Password of that user; API keys are safer.", secret=True),
    text(
        "access_token", "Access token", "OAuth access token; expires after 15 minutes.", secret=True
    ),
    text("client_id", "Client id", "OAuth client, for refresh_token."),
    text("client_secret", "Client secret", "Secret of the OAuth client.", secret=True),
    *REFRESH_TOKEN_SETTINGS,
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Read only what was indexed since then. Default: everything.",
    ),
    page_size("Rows per request. Default: the most that each endpoint allows."),
    texts("case_types", "Case types", "Only cases of these types. Default: all."),
    texts("form_xmlns", "Form types", "Only forms of these xmlns. Default: all."),
    texts(
        "app_ids", "Applications", "Only forms and definitions of these applications. Default: all."
    ),
    th.Property(
        "include_archived",
        th.BooleanType,
        title="Archived forms",
        description="Also read archived forms, with archived = true.",
        default=True,
    ),
    th.Property(
        "case_api",
        th.StringType,
        title="Case API",
        description="v2, or v1 for servers without v2.",
        allowed_values=["v2", "v1"],
        default="v2",
    ),
    th.Property(
        "deletions",
        th.StringType,
        title="Deletions",
        description="sweep reads cases, forms, locations and ucr_rows in full, so that a target"
        " removes what no longer exists; off reads only what changed.",
        allowed_values=["off", "sweep"],
        default="off",
    ),
    number(
        "overlap_seconds",
        "Overlap",
        "Seconds before its bookmark at which an incremental read begins.",
        300,
    ),
    *REQUEST_SETTINGS,
    texts("reports", "Reports", "Ids of reports for the stream report_rows."),
    texts("data_sources", "Data sources", "Ids of data sources for the stream ucr_rows."),
)
