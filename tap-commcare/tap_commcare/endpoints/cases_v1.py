"""Cases from Case API v1, for servers without v2: its rows differ, the records are the same.

Type, name and owner are among the properties; a date that the index lacks is 1900-01-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from tap_common.counting_converters import boolean, json_array, json_object, text, timestamp
from tap_common.messages import Record
from tap_common.omissions import Property
from tap_common.raw_converters import NULL

from tap_commcare.pagination.by_date import RowFields
from tap_commcare.pagination.tastypie import list_decoder

NO_DATE = "1900-01-01"
CASE_ATTRIBUTES = ("case_type", "case_name", "external_id", "owner_id", "date_opened")


class CaseRowV1(msgspec.Struct):
    """A case as API v1 returns it."""

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


RESOURCE = "case/v1"
DECODE = list_decoder(CaseRowV1, "cases", ("resource_uri", "id"))

FIELDS: RowFields[CaseRowV1] = RowFields(
    identity=lambda row: row.case_id,
    time=lambda row: row.indexed_on,
    second_time=lambda row: str(row.server_date_modified),
    domain=lambda row: row.domain,
)


def case_v1_records(
    rows: Iterable[CaseRowV1], domain: str, case_types: frozenset[str]
) -> Iterator[Record]:
    """Yield the records of cases of the wanted types."""
    for row in rows:
        properties = row.properties
        if case_types and properties.get("case_type") not in case_types:
            continue
        yield {
            "case_id": row.case_id,
            "domain": domain,
            "case_type": text(properties.get("case_type")),
            "case_name": text(properties.get("case_name")),
            "external_id": text(properties.get("external_id")),
            "owner_id": text(properties.get("owner_id")),
            "date_opened": _date(properties.get("date_opened"), ("cases", "date_opened")),
            "last_modified": _date(row.date_modified, ("cases", "last_modified")),
            "server_last_modified": _date(
                row.server_date_modified, ("cases", "server_last_modified")
            ),
            "indexed_on": timestamp(row.indexed_on, ("cases", "indexed_on")),
            "closed": boolean(row.closed, ("cases", "closed")),
            "date_closed": _date(row.date_closed, ("cases", "date_closed")),
            "properties": {n: v for n, v in properties.items() if n not in CASE_ATTRIBUTES},
            "indices": json_object(row.indices, ("cases", "indices")),
            "is_deprecated": None,
            "opened_by": text(row.opened_by),
            "closed_by": text(row.closed_by),
            "user_id": text(row.user_id),
            "server_date_opened": _date(row.server_date_opened, ("cases", "server_date_opened")),
            "xform_ids": json_array(row.xform_ids, ("cases", "xform_ids")),
        }


def _date(value: Any, column: Property) -> str | None:
    return None if value == NO_DATE else timestamp(value, column)
