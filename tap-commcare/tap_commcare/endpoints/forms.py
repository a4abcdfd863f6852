"""Forms: their records, and the records of their actions on cases.

Source: https://commcare-hq.readthedocs.io/api/ (read November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from tap_common.counting_converters import boolean, json_object, text, timestamp
from tap_common.messages import Record
from tap_common.raw_converters import EMPTY_OBJECT, NULL

from tap_commcare.endpoints.form_cases import CaseAction, case_actions
from tap_commcare.pagination.by_date import RowFields
from tap_commcare.pagination.tastypie import list_decoder
from tap_commcare.streams.forms import FormsStream

MAX_FORMS = 1000


class FormRow(msgspec.Struct, dict=True):
    """A form as the API returns it."""

    id: str
    indexed_on: str
    domain: Any = None
    app_id: Any = None
    build_id: Any = None
    received_on: Any = None
    server_modified_on: Any = None
    edited_on: Any = None
    archived: Any = None
    type: Any = None
    version: Any = None
    uiversion: Any = None
    submit_ip: Any = None
    problem: Any = None
    edited_by_user_id: Any = None
    is_phone_submission: Any = None
    initial_processing_complete: Any = None
    form: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    attachments: msgspec.Raw = NULL

    def case_actions(self) -> list[CaseAction]:
        """Return the actions of the form on cases. Two streams need it, so it is computed once.

        Only forms in which the word occurs are decoded for it.
        """
        known: list[CaseAction] | None = self.__dict__.get("known_actions")
        if known is None:
            known = []
            content = json_object(self.form)
            if content is not None and b'"case"' in bytes(content):
                known = case_actions(msgspec.json.decode(content))
            self.__dict__["known_actions"] = known
        return known

    def xmlns(self) -> str | None:
        """Return the xmlns, which is the type of the form."""
        content = json_object(self.form)
        return None if content is None else text(ROOT.decode(content).xmlns)


class Metadata(msgspec.Struct, rename="camel"):
    """The parts of a form's metadata that become columns."""

    user_id: Any = msgspec.field(name="userID", default=None)
    username: Any = None
    time_start: Any = None
    time_end: Any = None


class Root(msgspec.Struct, rename={"xmlns": "@xmlns"}):
    """The part of a form's content that becomes a column."""

    xmlns: Any = None


RESOURCE = FormsStream.path
DECODE = list_decoder(FormRow, "forms")
METADATA = msgspec.json.Decoder(Metadata)
ROOT = msgspec.json.Decoder(Root)
NO_METADATA = Metadata()

FIELDS: RowFields[FormRow] = RowFields(
    identity=lambda row: row.id,
    time=lambda row: row.indexed_on,
    second_time=lambda row: str(row.received_on),
    domain=lambda row: row.domain,
)


def form_record(row: FormRow, domain: str, *, with_cases: bool = True) -> Record:
    """Return the record of a form."""
    metadata = json_object(row.metadata)
    known = NO_METADATA if metadata is None else METADATA.decode(metadata)
    return {
        "form_id": row.id,
        "domain": domain,
        "xmlns": row.xmlns(),
        "app_id": text(row.app_id),
        "build_id": text(row.build_id),
        "received_on": timestamp(row.received_on, ("forms", "received_on")),
        "server_modified_on": timestamp(row.server_modified_on, ("forms", "server_modified_on")),
        "indexed_on": timestamp(row.indexed_on, ("forms", "indexed_on")),
        "edited_on": timestamp(row.edited_on, ("forms", "edited_on")),
        "archived": boolean(row.archived, ("forms", "archived")),
        "user_id": text(known.user_id),
        "username": text(known.username),
        "time_start": timestamp(known.time_start, ("forms", "time_start")),
        "time_end": timestamp(known.time_end, ("forms", "time_end")),
        "form_data": json_object(row.form, ("forms", "form_data")),
        "metadata": metadata,
        "attachments": json_object(row.attachments, ("forms", "attachments")) or EMPTY_OBJECT,
        "form_type": text(row.type),
        "form_version": text(row.version),
        "ui_version": text(row.uiversion),
        "submit_ip": text(row.submit_ip),
        "problem": text(row.problem),
        "edited_by_user_id": text(row.edited_by_user_id),
        "is_phone_submission": boolean(row.is_phone_submission, ("forms", "is_phone_submission")),
        "initial_processing_complete": boolean(
            row.initial_processing_complete, ("forms", "initial_processing_complete")
        ),
        "case_ids": [action.case_id for action in row.case_actions()] if with_cases else None,
    }


def form_case_records(row: FormRow, domain: str) -> Iterable[Record]:
    """Yield the records of what a form does to cases."""
    indexed_on = timestamp(row.indexed_on)
    for action in row.case_actions():
        yield {
            "form_id": row.id,
            "case_id": action.case_id,
            "domain": domain,
            "indexed_on": indexed_on,
            "is_created": action.is_created,
            "is_updated": action.is_updated,
            "is_closed": action.is_closed,
            "path": action.path,
        }


@dataclass(frozen=True)
class FormFilter:
    """The selected forms. The server filters by one value per field; more are filtered here."""

    xmlns: frozenset[str]
    app_ids: frozenset[str]

    def params(self) -> list[tuple[str, str]]:
        """Return the parameters with which the server filters."""
        chosen = (("xmlns", self.xmlns), ("app_id", self.app_ids))
        return [(name, next(iter(values))) for name, values in chosen if len(values) == 1]

    def apply(self, rows: Sequence[FormRow]) -> Sequence[FormRow]:
        """Return the selected rows."""
        if not self.xmlns and not self.app_ids:
            return rows
        return [row for row in rows if self._accepts(row.xmlns(), row.app_id)]

    def _accepts(self, xmlns: str | None, app_id: Any) -> bool:
        if self.xmlns and xmlns not in self.xmlns:
            return False
        return not self.app_ids or app_id in self.app_ids
