"""Data sources (UCR) of a project space."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, HQStream


class UcrRowsStream(HQStream):
    """Rows of the data sources in the setting ``data_sources``, oldest first.

    Rebuilding a data source gives all of its rows a new ``inserted_at``: they are emitted again.
    """

    name = "ucr_rows"
    path = "ucr/v1"
    key = ("data_source_id", "doc_id", "repeat_iteration")
    replication_key = "inserted_at"
    columns = {
        "data_source_id": c.key("The data source."),
        "doc_id": c.key("Case or form from which the row was made."),
        "repeat_iteration": c.key_integer("Number of the row within its document, from 0."),
        "domain": DOMAIN,
        "inserted_at": c.timestamp("When the row was written."),
        "data": c.json_object("All columns of the data source."),
    }
