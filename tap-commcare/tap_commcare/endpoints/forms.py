"""Forms: how an object of the Form API becomes a record, and the records of the cases it touches.

Source: https://commcare-hq.readthedocs.io/api/ (read November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from tap_common.messages import Record

from tap_commcare.endpoints.form_cases import CaseAction, case_actions
from tap_commcare.pagination.by_date import RowFields
from tap_commcare.pagination.tastypie import body
from tap_commcare.values import EMPTY_OBJECT, NULL, flag, json_object, moment, text

MOST_FORMS = 1000


class FormRow(msgspec.Struct, dict=True):
    """A form as it comes."""

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
        """Return the cases that it touches. Forms without any are quick."""
        known: list[CaseAction] | None = self.__dict__.get("known_touches")
        if known is None:
            known = []
            content = json_object(self.form)
            if content is not None and b'"case"' in bytes(content):
                known = case_actions(msgspec.json.decode(content))
            self.__dict__["known_touches"] = known
        return known

    def xmlns(self) -> str | None:
        """Return the type of form."""
        content = json_object(self.form)
        return None if content is None else text(ROOT.decode(content).xmlns)


class Metadata(msgspec.Struct):
    """The part of a form's metadata that becomes columns."""

    userID: Any = None  # noqa: N815 - the API's name
    username: Any = None
    timeStart: Any = None  # noqa: N815 - the API's name
    timeEnd: Any = None  # noqa: N815 - the API's name


class Root(msgspec.Struct, rename={"xmlns": "@xmlns"}):
    """The part of a form's content that becomes a column."""

    xmlns: Any = None


BODY = body(FormRow, "forms")
METADATA = msgspec.json.Decoder(Metadata)
ROOT = msgspec.json.Decoder(Root)
NO_METADATA = Metadata()

FACTS: RowFields[FormRow] = RowFields(
    identity=lambda row: row.id,
    stamp=lambda row: row.indexed_on,
    second_stamp=lambda row: str(row.received_on),
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
        "received_on": moment(row.received_on, ("forms", "received_on")),
        "server_modified_on": moment(row.server_modified_on, ("forms", "server_modified_on")),
        "indexed_on": moment(row.indexed_on, ("forms", "indexed_on")),
        "edited_on": moment(row.edited_on, ("forms", "edited_on")),
        "archived": flag(row.archived, ("forms", "archived")),
        "user_id": text(known.userID),
        "username": text(known.username),
        "time_start": moment(known.timeStart, ("forms", "time_start")),
        "time_end": moment(known.timeEnd, ("forms", "time_end")),
        "form_data": json_object(row.form, ("forms", "form_data")),
        "metadata": metadata,
        "attachments": json_object(row.attachments, ("forms", "attachments")) or EMPTY_OBJECT,
        "form_type": text(row.type),
        "form_version": text(row.version),
        "ui_version": text(row.uiversion),
        "submit_ip": text(row.submit_ip),
        "problem": text(row.problem),
        "edited_by_user_id": text(row.edited_by_user_id),
        "is_phone_submission": flag(row.is_phone_submission, ("forms", "is_phone_submission")),
        "initial_processing_complete": flag(
            row.initial_processing_complete, ("forms", "initial_processing_complete")
        ),
        "case_ids": [touch.case_id for touch in row.case_actions()] if with_cases else None,
    }


def form_case_records(row: FormRow, domain: str) -> Iterable[Record]:
    """Yield the records of the cases that a form touches."""
    indexed_on = moment(row.indexed_on)
    for touch in row.case_actions():
        yield {
            "form_id": row.id,
            "case_id": touch.case_id,
            "domain": domain,
            "indexed_on": indexed_on,
            "is_created": touch.is_created,
            "is_updated": touch.is_updated,
            "is_closed": touch.is_closed,
            "path": touch.path,
        }


@dataclass(frozen=True)
class FormFilter:
    """Which forms are wanted. The server takes one value each; more are sorted out here."""

    xmlns: frozenset[str]
    app_ids: frozenset[str]

    def params(self) -> list[tuple[str, str]]:
        """Return what the server can be asked to leave out."""
        wanted = (("xmlns", self.xmlns), ("app_id", self.app_ids))
        return [(name, next(iter(values))) for name, values in wanted if len(values) == 1]

    def takes(self, xmlns: str | None, app_id: Any) -> bool:
        """Tell whether a form is wanted."""
        if self.xmlns and xmlns not in self.xmlns:
            return False
        return not self.app_ids or app_id in self.app_ids


def wanted(rows: Sequence[FormRow], chosen: FormFilter) -> Sequence[FormRow]:
    """Return the rows that are wanted."""
    if not chosen.xmlns and not chosen.app_ids:
        return rows
    return [row for row in rows if chosen.takes(row.xmlns(), row.app_id)]
