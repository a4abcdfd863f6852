"""Cases by Case API v1, for servers without v2: other names, the same records.

Type, name and owner stand among the properties; a date that the index lacks is 1900-01-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from tap_common.messages import Record

from tap_commcare.pagination.by_date import RowFields
from tap_commcare.pagination.tastypie import body
from tap_commcare.values import NULL, At, flag, json_array, json_object, moment, text

NO_DATE = "1900-01-01"
OF_THE_CASE = ("case_type", "case_name", "external_id", "owner_id", "date_opened")


class CaseRowV1(msgspec.Struct):
    """A case as API v1 writes it."""

    case_id: str
    indexed_on: str
    domain: Any = None
    date_modified: Any = None
    server_date_modified: Any = None
    closed: Any = None
    date_closed: Any = None
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    indices: msgspec.Raw = NULL
    opened_by: Any = None
    closed_by: Any = None
    user_id: Any = None
    server_date_opened: Any = None
    xform_ids: msgspec.Raw = NULL


BODY = body(CaseRowV1, "cases", ("resource_uri", "id"))

FACTS: RowFields[CaseRowV1] = RowFields(
    identity=lambda row: row.case_id,
    stamp=lambda row: row.indexed_on,
    second_stamp=lambda row: str(row.server_date_modified),
    domain=lambda row: row.domain,
)


def case_v1_records(
    rows: Iterable[CaseRowV1], domain: str, case_types: frozenset[str]
) -> Iterator[Record]:
    """Yield the records of cases of the wanted types."""
    for row in rows:
        own = row.properties
        if case_types and own.get("case_type") not in case_types:
            continue
        yield {
            "case_id": row.case_id,
            "domain": domain,
            "case_type": text(own.get("case_type")),
            "case_name": text(own.get("case_name")),
            "external_id": text(own.get("external_id")),
            "owner_id": text(own.get("owner_id")),
            "date_opened": _date(own.get("date_opened"), ("cases", "date_opened")),
            "last_modified": _date(row.date_modified, ("cases", "last_modified")),
            "server_last_modified": _date(
                row.server_date_modified, ("cases", "server_last_modified")
            ),
            "indexed_on": moment(row.indexed_on, ("cases", "indexed_on")),
            "closed": flag(row.closed, ("cases", "closed")),
            "date_closed": _date(row.date_closed, ("cases", "date_closed")),
            "properties": {n: v for n, v in own.items() if n not in OF_THE_CASE},
            "indices": json_object(row.indices, ("cases", "indices")),
            "is_deprecated": None,
            "opened_by": text(row.opened_by),
            "closed_by": text(row.closed_by),
            "user_id": text(row.user_id),
            "server_date_opened": _date(row.server_date_opened, ("cases", "server_date_opened")),
            "xform_ids": json_array(row.xform_ids, ("cases", "xform_ids")),
        }


def _date(value: Any, at: At) -> str | None:
    return None if value == NO_DATE else moment(value, at)
