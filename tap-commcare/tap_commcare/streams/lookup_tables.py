"""Lookup tables and their rows."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, ListStream


class LookupTablesStream(ListStream):
    """Lookup tables."""

    name = "lookup_tables"
    path = "lookup_table/v1"
    key = ("id",)
    columns = {
        "id": c.key("Id of the lookup table."),
        "domain": DOMAIN,
        "tag": c.text("Name that applications use."),
        "is_global": c.boolean("Whether all users get it."),
        "fields": c.json_array("Its fields: name and properties."),
        "item_attributes": c.json_array("Attributes that its rows may have."),
    }


class LookupTableRowsStream(ListStream):
    """Rows of all lookup tables."""

    name = "lookup_table_rows"
    path = "lookup_table_item/v1"
    key = ("id",)
    columns = {
        "id": c.key("Id of the row."),
        "domain": DOMAIN,
        "lookup_table_id": c.text("The lookup table.", source="data_type_id"),
        "fields": c.json_object("Values by field, each with its properties."),
        "item_attributes": c.json_object("Attributes of the row."),
        "sort_key": c.integer("Position among the rows."),
    }
