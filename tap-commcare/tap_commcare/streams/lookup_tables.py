"""Lookup tables, reports, and data sources: tables that a project space defines itself."""

from __future__ import annotations

from typing import ClassVar

from tap_common.stream import ApiStream

from tap_commcare import schemas as s
from tap_commcare.columns import ARRAY, FLAG, INTEGER, KEY, OBJECT, TEXT, Field, columns

LOOKUP_TABLES = (
    Field("id", KEY, "Identity of the lookup table."),
    Field("tag", TEXT, "Name that applications use."),
    Field("is_global", FLAG, "Whether all users get it."),
    Field("fields", ARRAY, "Its fields: name and properties."),
    Field("item_attributes", ARRAY, "Attributes that its rows may have."),
)

LOOKUP_TABLE_ROWS = (
    Field("id", KEY, "Identity of the row."),
    Field("lookup_table_id", TEXT, "The lookup table.", "data_type_id"),
    Field("fields", OBJECT, "Values by field, each with its properties."),
    Field("item_attributes", OBJECT, "Attributes of the row."),
    Field("sort_key", INTEGER, "Place among the rows."),
)


class LookupTablesStream(ApiStream):
    """Lookup tables."""

    name = "lookup_tables"
    key = ("id",)
    columns: ClassVar = columns(LOOKUP_TABLES)


class LookupTableRowsStream(ApiStream):
    """Rows of all lookup tables."""

    name = "lookup_table_rows"
    key = ("id",)
    columns: ClassVar = columns(LOOKUP_TABLE_ROWS)


class ReportRowsStream(ApiStream):
    """Rows of the reports in the setting ``reports``, as they stand in them now."""

    name = "report_rows"
    key = ("report_id", "position")
    columns: ClassVar = {
        "report_id": s.key("The report."),
        "position": s.integer_key("Place in the report, from 0."),
        "domain": s.DOMAIN,
        "data": s.json_object("Values by column; columns may change with the data."),
    }


class UcrRowsStream(ApiStream):
    """Rows of the data sources in the setting ``data_sources``, oldest first.

    A rebuild of a data source gives all of its rows a new ``inserted_at``: they come again.
    """

    name = "ucr_rows"
    key = ("data_source_id", "doc_id", "repeat_iteration")
    replication_key = "inserted_at"
    columns: ClassVar = {
        "data_source_id": s.key("The data source."),
        "doc_id": s.key("Case or form that the row was made of."),
        "repeat_iteration": s.integer_key("Which of several rows of one document; else 0."),
        "domain": s.DOMAIN,
        "inserted_at": s.moment("When the row was written."),
        "data": s.json_object("All columns of the data source."),
    }
