"""The types of records from which tables are generated, and the columns that they share."""

from __future__ import annotations

from dataclasses import dataclass

from scout_dbt.planning.tables import RecordKind


@dataclass(frozen=True)
class BaseColumn:
    """A column that every table of a record type has, whatever the application defines."""

    source_column: str
    """In the table of the stream."""
    name: str
    type: str
    comment: str
    is_key: bool = False
    """Repeat groups and further parts of wide tables have it, too."""
    json_key: str | None = None
    """Its key in the source column, where that is JSON."""


@dataclass(frozen=True, kw_only=True)
class RecordType:
    """How the rows of generated tables are found in the records of a stream."""

    source: str
    stream: str
    scope_sql: str
    """The column that determines the table of a record: case type or xmlns."""
    document_sql: str
    """The JSON object with the answers."""
    required_columns: frozenset[str]
    """Of the stream, besides its keys."""
    base_columns: tuple[BaseColumn, ...]

    def columns_of(self, *, is_secondary: bool) -> list[BaseColumn]:
        """Return the base columns of a table; secondary tables have those of the key only."""
        return [column for column in self.base_columns if column.is_key or not is_secondary]


CASE = RecordType(
    source="commcare",
    stream="cases",
    scope_sql="case_type",
    document_sql="properties",
    required_columns=frozenset({"case_type", "properties"}),
    base_columns=(
        BaseColumn("case_id", "case_id", "text", "Id of the case", is_key=True),
        BaseColumn("domain", "domain", "text", "Project space", is_key=True),
        BaseColumn("case_name", "case_name", "text", "Name of the case"),
        BaseColumn("external_id", "external_id", "text", "Id of the case in another system"),
        BaseColumn("owner_id", "owner_id", "text", "User, group or location that owns the case"),
        BaseColumn("date_opened", "opened_at", "timestamptz", "When the case was opened (device)"),
        BaseColumn(
            "last_modified", "modified_at", "timestamptz", "When the case last changed (device)"
        ),
        BaseColumn(
            *("server_last_modified", "server_modified_at", "timestamptz"),
            "When the server last received a change of the case",
        ),
        BaseColumn(
            "indexed_on", "indexed_at", "timestamptz", "When the case became visible in the API"
        ),
        BaseColumn("closed", "is_closed", "boolean", "Whether the case is closed"),
        BaseColumn("date_closed", "closed_at", "timestamptz", "When the case was closed"),
    ),
)
FORM = RecordType(
    source="commcare",
    stream="forms",
    scope_sql="xmlns",
    document_sql="form_data",
    required_columns=frozenset({"xmlns", "form_data"}),
    base_columns=(
        BaseColumn("form_id", "form_id", "text", "Id of the submission", is_key=True),
        BaseColumn("domain", "domain", "text", "Project space", is_key=True),
        BaseColumn("app_id", "app_id", "text", "Id of the application that submitted the form"),
        BaseColumn("build_id", "build_id", "text", "Id of that application's build (version)"),
        BaseColumn("user_id", "user_id", "text", "Id of the user who submitted the form"),
        BaseColumn("username", "username", "text", "Name of that user at the time"),
        BaseColumn("time_start", "started_at", "timestamptz", "When the form was opened (device)"),
        BaseColumn("time_end", "ended_at", "timestamptz", "When the form was completed (device)"),
        BaseColumn(
            "received_on", "received_at", "timestamptz", "When the server received the form"
        ),
        BaseColumn(
            *("server_modified_on", "server_modified_at", "timestamptz"),
            "When the server last changed the form",
        ),
        BaseColumn(
            "indexed_on", "indexed_at", "timestamptz", "When the form became visible in the API"
        ),
        BaseColumn("edited_on", "edited_at", "timestamptz", "When the answers were last edited"),
        BaseColumn("archived", "is_archived", "boolean", "Whether the form is archived"),
    ),
)
VISIT = RecordType(
    source="connect",
    stream="visits",
    scope_sql="form_json -> 'form' ->> '@xmlns'",
    document_sql="(form_json -> 'form')",
    required_columns=frozenset({"form_json"}),
    base_columns=(
        BaseColumn("id", "visit_id", "bigint", "Id of the visit", is_key=True),
        BaseColumn(
            "opportunity_id", "opportunity_id", "bigint", "Id of the opportunity", is_key=True
        ),
        BaseColumn(
            *("form_json", "form_id", "text", "Id of the form submission in CommCare"),
            json_key="id",
        ),
        BaseColumn(
            *("form_json", "domain", "text", "Project space of the submission"),
            json_key="domain",
        ),
        BaseColumn(
            *("form_json", "app_id", "text", "Id of the application that submitted the form"),
            json_key="app_id",
        ),
        BaseColumn("username", "username", "text", "Username of the worker"),
        BaseColumn("visit_date", "visited_at", "timestamptz", "When the form was opened (device)"),
        BaseColumn("date_created", "created_at", "timestamptz", "When Connect received the visit"),
        BaseColumn("status", "status", "text", "Status of the visit"),
        BaseColumn("flagged", "is_flagged", "boolean", "Whether the visit is flagged"),
        BaseColumn("entity_id", "entity_id", "text", "Id of the person or place visited"),
        BaseColumn("entity_name", "entity_name", "text", "Name of the person or place visited"),
    ),
)
RECORD_TYPES = {RecordKind.CASE: CASE, RecordKind.FORM: FORM, RecordKind.VISIT: VISIT}
