"""The settings of the tap: what ``--about`` shows and what is checked."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th
from tap_common.settings_schema import REFRESHING, REQUESTING, number, page_size, text, texts

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
    text("access_token", "Access token", "OAuth token with the scope export.", secret=True),
    text("client_id", "Client id", "OAuth client, for refresh_token."),
    text(
        "client_secret",
        "Client secret",
        "Secret of the OAuth client; a public client has none.",
        secret=True,
    ),
    *REFRESHING,
    _ids("opportunity_ids", "Opportunities", "Only these opportunities. Default: all."),
    texts(
        "organization_slugs",
        "Organizations",
        "Only opportunities that these organizations deliver. Default: all.",
    ),
    _ids("program_ids", "Programs", "Only opportunities of these programs. Default: all."),
    th.Property(
        "include_images",
        th.BooleanType,
        title="Images",
        description="List the images of each visit.",
        default=False,
    ),
    page_size("Rows per request, at most 5000. Default: 1000, or as many as fill about 2 MB."),
    number(
        "visit_overlap",
        "Overlap of visits",
        "How many ids before the bookmark are read again, for rows that became visible late.",
        1000,
        th.IntegerType,
    ),
    number(
        "visit_review_days",
        "Review of visits",
        "How long after its receipt a visit is read again in every run until it is reviewed, in"
        " days: reviews leave no trace in the API.",
        30,
    ),
    number(
        "visit_full_refresh_days",
        "Full read of visits",
        "How often all visits are read again, in days: edits and deletions leave no trace in the"
        " API. 0 reads all of them in every run.",
        7,
    ),
    *REQUESTING,
)
