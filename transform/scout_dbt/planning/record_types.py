"""Kinds of generated tables: which records they are made of, which columns all of them have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """A column that every table of a kind has, whatever was asked."""

    column: str
    """Of the stream."""
    name: str
    type: str
    comment: str
    is_key: bool = False
    """Repeat groups and further parts have it too."""
    step: str | None = None
    """Where it stands in the column, when that is JSON."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the rows of one kind of table are found in the records of a stream."""

    source: str
    stream: str
    scope: str
    """SQL of what decides to which table a record belongs."""
    document: str
    """SQL of the answers."""
    needs: frozenset[str]
    facts: tuple[Fact, ...]

    def facts_of(self, *, is_lesser: bool) -> list[Fact]:
        """Return the columns of a table; a repeat group and a further part have the key only."""
        return [fact for fact in self.facts if fact.is_key or not is_lesser]


CASE = Kind(
    source="commcare",
    stream="cases",
    scope="case_type",
    document="properties",
    needs=frozenset({"case_type", "properties"}),
    facts=(
        Fact("case_id", "case_id", "text", "Id of the case", is_key=True),
        Fact("domain", "domain", "text", "Project space", is_key=True),
        Fact("case_name", "case_name", "text", "Name of the case"),
        Fact("external_id", "external_id", "text", "Id that another system gave it"),
        Fact("owner_id", "owner_id", "text", "User, group or location that it belongs to"),
        Fact("date_opened", "opened_at", "timestamptz", "When it was opened on the device"),
        Fact("last_modified", "modified_at", "timestamptz", "When it last changed on the device"),
        Fact(
            *("server_last_modified", "server_modified_at", "timestamptz"),
            "When the server last received a change",
        ),
        Fact("indexed_on", "indexed_at", "timestamptz", "When it became visible in the API"),
        Fact("closed", "is_closed", "boolean", "Whether it is closed"),
        Fact("date_closed", "closed_at", "timestamptz", "When it was closed"),
    ),
)
FORM = Kind(
    source="commcare",
    stream="forms",
    scope="xmlns",
    document="form_data",
    needs=frozenset({"xmlns", "form_data"}),
    facts=(
        Fact("form_id", "form_id", "text", "Id of the submission", is_key=True),
        Fact("domain", "domain", "text", "Project space", is_key=True),
        Fact("app_id", "app_id", "text", "Application that it was filled in with"),
        Fact("build_id", "build_id", "text", "Version of that application"),
        Fact("user_id", "user_id", "text", "Who filled it in"),
        Fact("username", "username", "text", "That user's name then"),
        Fact("time_start", "started_at", "timestamptz", "When it was begun on the device"),
        Fact("time_end", "ended_at", "timestamptz", "When it was finished on the device"),
        Fact("received_on", "received_at", "timestamptz", "When the server received it"),
        Fact(
            *("server_modified_on", "server_modified_at", "timestamptz"),
            "When the server last received a change",
        ),
        Fact("indexed_on", "indexed_at", "timestamptz", "When it became visible in the API"),
        Fact("edited_on", "edited_at", "timestamptz", "When its answers were last edited"),
        Fact("archived", "is_archived", "boolean", "Whether it is archived"),
    ),
)
VISIT = Kind(
    source="connect",
    stream="visits",
    scope="form_json -> 'form' ->> '@xmlns'",
    document="(form_json -> 'form')",
    needs=frozenset({"form_json"}),
    facts=(
        Fact("id", "visit_id", "bigint", "Id of the visit", is_key=True),
        Fact("opportunity_id", "opportunity_id", "bigint", "The opportunity", is_key=True),
        Fact(
            *(
                "form_json",
                "form_id",
                "text",
                "Id of the submission that it came of, as in CommCare",
            ),
            step="id",
        ),
        Fact("form_json", "domain", "text", "Project space of the submission", step="domain"),
        Fact(
            *("form_json", "app_id", "text", "Application that it was filled in with"),
            step="app_id",
        ),
        Fact("username", "username", "text", "The worker"),
        Fact("visit_date", "visited_at", "timestamptz", "When the form was begun on the device"),
        Fact("date_created", "created_at", "timestamptz", "When Connect received it"),
        Fact("status", "status", "text", "What became of the visit"),
        Fact("flagged", "is_flagged", "boolean", "Whether it was flagged"),
        Fact("entity_id", "entity_id", "text", "To whom it was delivered"),
        Fact("entity_name", "entity_name", "text", "Name of to whom it was delivered"),
    ),
)
KINDS = {"case": CASE, "form": FORM, "visit": VISIT}
