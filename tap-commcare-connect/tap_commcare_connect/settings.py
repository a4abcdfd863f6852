"""The settings of the tap, as ``--about`` shows them."""

from __future__ import annotations

from typing import Any

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
    "access_token": ("access_token",),
    "refresh_token": ("client_id", "refresh_token"),
}


def _ids(name: str, title: str, description: str) -> th.Property[Any]:
    either = th.CustomType({"type": ["integer", "string"]})
    return th.Property(name, th.ArrayType(either), title=title, description=description)


PROPERTIES = th.PropertiesList(
    text(
        "base_url",
        "Server",
        "Address of CommCare Connect.",
        default="https://connect.dimagi.com",
    ),
    text("access_token", "Access token", "OAuth access token with the scope export.", secret=True),
    text("client_id", "Client id", "OAuth client, for refresh_token."),
    text(
        "client_secret",
        "Client secret",
        "Secret of the OAuth client; not needed for a public client.",
        secret=True,
    ),
    *REFRESH_TOKEN_SETTINGS,
    _ids("opportunity_ids", "Opportunities", "Only these opportunities. Default: all."),
    texts(
        "organization_slugs",
        "Organizations",
        "Only opportunities delivered by these organizations. Default: all.",
    ),
    _ids("program_ids", "Programs", "Only opportunities of these programs. Default: all."),
    th.Property(
        "include_images",
        th.BooleanType,
        title="Images",
        description="Include the list of images of each visit.",
        default=False,
    ),
    page_size("Rows per request, at most 5000. Default: 1000, or as many as fill about 2 MB."),
    number(
        "visit_overlap",
        "Overlap of visits",
        "Ids before the bookmark that are read again, for visits that became visible late.",
        1000,
        th.IntegerType,
    ),
    number(
        "visit_review_days",
        "Review of visits",
        "Days after its receipt during which a visit is read again in every run until it is"
        " reviewed: reviews leave no trace in the API.",
        30,
    ),
    number(
        "visit_full_refresh_days",
        "Full read of visits",
        "Days after which all visits are read again: edits and deletions leave no trace in the"
        " API. 0 reads all of them in every run.",
        7,
    ),
    *REQUEST_SETTINGS,
)
