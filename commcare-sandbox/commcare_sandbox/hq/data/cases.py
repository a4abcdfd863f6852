"""Cases of the health programme: households, mothers, children, visits, referrals, workers.

Twenty consecutive cases form two or three families; a child case refers to an earlier case of its
twenty. So case type and parent follow from the number of a case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from commcare_sandbox.hq.data import names, timestamps
from commcare_sandbox.hq.data.directory import Directory
from commcare_sandbox.hq.data.sequence import RecordSequence
from commcare_sandbox.pseudorandom import pick

HOUSEHOLD, PREGNANCY, CHILD = "household", "pregnancy", "child"
VISIT, REFERRAL, WORKER = "visit", "referral", "commcare-user"

# Case type, and index of the parent, of each of twenty cases.
FAMILIES: tuple[tuple[str, int | None], ...] = (
    (HOUSEHOLD, None),
    (PREGNANCY, 0),
    (VISIT, 1),
    (VISIT, 1),
    (CHILD, 1),
    (HOUSEHOLD, None),
    (PREGNANCY, 5),
    (CHILD, 6),
    (CHILD, 6),
    (VISIT, 6),
    (VISIT, 6),
    (REFERRAL, 7),
    (HOUSEHOLD, None),
    (PREGNANCY, 12),
    (VISIT, 13),
    (VISIT, 13),
    (VISIT, 13),
    (CHILD, 13),
    (WORKER, None),
    (VISIT, 13),
)
FAMILY = len(FAMILIES)
PERIOD = 7 * FAMILY
"""Case type and ``closed`` follow from a case's number modulo this."""
TYPES = tuple(dict.fromkeys(case_type for case_type, _ in FAMILIES))


class Case(msgspec.Struct):
    """A case as HQ stores it; each API version shows a part of it."""

    case_id: str
    case_type: str
    case_name: str
    external_id: str | None
    owner_id: str
    date_opened: str
    last_modified: str
    server_last_modified: str
    indexed_on: str
    closed: bool
    date_closed: str | None
    properties: dict[str, str]
    indices: dict[str, dict[str, str]]
    user_id: str | None = None
    opened_by: str | None = None
    closed_by: str | None = None
    server_date_opened: str = "1900-01-01"
    xform_ids: list[str] = []
    is_deprecated: bool | None = None


class Cases:
    """Generates cases."""

    period = PERIOD

    def __init__(
        self, sequence: RecordSequence, directory: Directory, forms: RecordSequence
    ) -> None:
        self.sequence, self._people, self._forms = sequence, directory, forms

    def make(self, number: int) -> Case:
        """Return case ``number`` before any change."""
        sequence, digest = self.sequence, self.sequence.digest(number)
        case_type, parent = FAMILIES[number % FAMILY]
        stamp, style = sequence.indexed_on(number), sequence.timestamp_style(number)
        received, modified = self._received(number), self._modified(number)
        opened = modified - (digest[14] % 90) * timestamps.DAY - digest[15] * 997_331
        closed = is_closed(number)
        user = pick(self._people.worker_ids, digest[17])
        first_seen = timestamps.render(opened + 41 * timestamps.SECOND)
        return Case(
            case_id=sequence.identifier(number),
            case_type=case_type,
            case_name="" if digest[18] == 3 else _name(case_type, digest),
            external_id=_external_id(number, digest),
            owner_id="" if digest[19] == 7 else pick(self._people.owner_ids, digest[19]),
            date_opened=timestamps.render(opened, style),
            last_modified=timestamps.render(modified),
            server_last_modified=timestamps.render(received),
            indexed_on=timestamps.render(stamp, style),
            closed=closed,
            date_closed=timestamps.render(modified) if closed else None,
            properties=PROPERTIES[case_type](digest, opened),
            indices={} if parent is None else self._index(number, parent),
            user_id=None if digest[20] == 9 else user,
            opened_by=None if digest[20] == 9 else user,
            closed_by=user if closed else None,
            server_date_opened="1900-01-01" if digest[21] % 50 == 1 else first_seen,
            xform_ids=self._touched_by(digest),
        )

    def generated_timestamp(self, field: str) -> Callable[[int], int]:
        """Return the function that computes a timestamp without generating the case."""
        return {
            "indexed_on": self.sequence.indexed_on,
            "server_last_modified": self._received,
            "last_modified": self._modified,
        }[field]

    def _received(self, number: int) -> int:
        return self.sequence.indexed_on(number) - self.sequence.lag(number, 9 * timestamps.SECOND)

    def _modified(self, number: int) -> int:
        return self._received(number) - self.sequence.lag(number, 3600 * timestamps.SECOND)

    def set_indexed_on(self, record: Case, timestamp: int) -> None:
        """Set indexed_on of a case."""
        record.indexed_on = timestamps.render(timestamp)

    def timestamp(self, record: Case, field: str) -> int:
        """Return a timestamp of a case in microseconds."""
        return timestamps.read(getattr(record, field))

    def identifier(self, record: Case) -> str:
        """Return a case's id."""
        return record.case_id

    def _index(self, number: int, parent: int) -> dict[str, dict[str, str]]:
        parent_id = number - number % FAMILY + parent
        extends = FAMILIES[number % FAMILY][0] == REFERRAL
        return {
            "host" if extends else "parent": {
                "case_id": self.sequence.identifier(parent_id),
                "case_type": FAMILIES[parent][0],
                "relationship": "extension" if extends else "child",
            }
        }

    def _touched_by(self, digest: bytes) -> list[str]:
        if not self._forms.size:
            return []
        first = int.from_bytes(digest[22:26], "big")
        return [
            self._forms.identifier((first + at) % self._forms.size) for at in range(digest[26] % 3)
        ]


def is_closed(number: int) -> bool:
    """Return whether case ``number`` is closed; depends on ``number % PERIOD`` only."""
    return number // FAMILY % 7 == 3


def _name(case_type: str, digest: bytes) -> str:
    if case_type == VISIT:
        return f"visit {1 + digest[8] % 9}"
    if case_type == HOUSEHOLD:
        return f"{pick(names.VILLAGES, digest[1])} {digest[2]}"
    return names.person(digest)


def _external_id(number: int, digest: bytes) -> str | None:
    if number % FAMILY == 0:
        return f"HH-{number // FAMILY:06d}"
    return None if digest[9] % 4 == 0 else ""


def gps(digest: bytes) -> str:
    """Format a GPS location as CommCare does: latitude, longitude, altitude, accuracy."""
    latitude, longitude = 12 + digest[4] / 100, 77 + digest[5] / 100
    return f"{latitude:.2f} {longitude:.2f} {digest[6]}.0 {5 + digest[7] % 20}.0"


def _household(digest: bytes, _read_cursor: int) -> dict[str, str]:
    properties = {
        "village": pick(names.VILLAGES, digest[1]),
        "members": str(1 + digest[3] % 9),
        "gps": gps(digest),
        "has_toilet": pick(("yes", "no", ""), digest[8]),
        "water_source": pick(("well", "river", "tap", "well river"), digest[10]),
        "भाषा": pick(names.LANGUAGES, digest[0]),
    }
    if digest[11] % 3 == 0:
        del properties["has_toilet"]
    return properties


def _pregnancy(digest: bytes, opened: int) -> dict[str, str]:
    return {
        "edd": timestamps.day(opened + (100 + digest[3]) * timestamps.DAY),
        "risk": pick(names.RISKS, digest[4]),
        "gravida": str(1 + digest[5] % 7),
        "visits": str(digest[6] % 5),
        "danger_signs": " ".join(
            s for at, s in enumerate(names.DANGER_SIGNS) if digest[7] >> at & 1
        ),
        "phone-number": "" if digest[8] % 3 == 0 else f"+9198{digest[8]:03d}{digest[9]:03d}00",
        "language": pick(names.LANGUAGES, digest[0]),
        "haemoglobin": f"{7 + digest[10] / 40:.1f}",
        "remark": pick(names.REMARKS, digest[11]),
    }


def _child(digest: bytes, opened: int) -> dict[str, str]:
    return {
        "dob": timestamps.day(opened),
        "DOB": "" if digest[3] % 2 else timestamps.day(opened),
        "sex": pick(("f", "m"), digest[4]),
        "weight.birth": f"{1.8 + digest[5] / 100:.2f}",
        "vaccines": " ".join(v for at, v in enumerate(names.VACCINES) if digest[6] >> at & 1),
        "mother.name": names.person(digest[7:]),
    }


def _visit(digest: bytes, opened: int) -> dict[str, str]:
    properties = {
        "visit_date": timestamps.day(opened),
        "bp": f"{100 + digest[3] % 60}/{60 + digest[4] % 40}",
        "weight": f"{40 + digest[5] / 6:.1f}",
        "next_visit": "" if digest[6] % 4 == 0 else timestamps.day(opened + 28 * timestamps.DAY),
    }
    return {} if digest[7] % 29 == 0 else properties


def _referral(digest: bytes, opened: int) -> dict[str, str]:
    return {
        "reason": pick(names.DANGER_SIGNS, digest[3]),
        "facility": pick(names.VILLAGES, digest[4]),
        "referred_on": timestamps.day(opened),
        "outcome": pick(names.REMARKS, digest[5]),
    }


def _worker(digest: bytes, _read_cursor: int) -> dict[str, str]:
    return {
        "username": f"chw{digest[3]:03d}",
        "language": pick(names.LANGUAGES, digest[0]),
        "hq_user_id": digest[:16].hex(),
    }


PROPERTIES: dict[str, Callable[[bytes, int], dict[str, str]]] = {
    HOUSEHOLD: _household,
    PREGNANCY: _pregnancy,
    CHILD: _child,
    VISIT: _visit,
    REFERRAL: _referral,
    WORKER: _worker,
}


def to_v2(case: Case, domain: str) -> dict[str, Any]:
    """Return a case in the format of API version 2."""
    body = {
        "domain": domain,
        "case_id": case.case_id,
        "case_type": case.case_type,
        "case_name": case.case_name,
        "external_id": case.external_id,
        "owner_id": case.owner_id,
        "date_opened": case.date_opened,
        "last_modified": case.last_modified,
        "server_last_modified": case.server_last_modified,
        "indexed_on": case.indexed_on,
        "closed": case.closed,
        "date_closed": case.date_closed,
        "properties": case.properties,
        "indices": case.indices,
    }
    if case.is_deprecated is not None:
        body["is_deprecated"] = case.is_deprecated
    return body


def to_v1(case: Case, domain: str) -> dict[str, Any]:
    """Return a case in the format of API version 1."""
    return {
        "id": case.case_id,
        "case_id": case.case_id,
        "domain": domain,
        "user_id": case.user_id,
        "opened_by": case.opened_by,
        "closed_by": case.closed_by,
        "closed": case.closed,
        "date_closed": case.date_closed,
        "date_modified": case.last_modified,
        "server_date_modified": case.server_last_modified,
        "server_date_opened": case.server_date_opened,
        "indexed_on": case.indexed_on,
        "xform_ids": case.xform_ids,
        "properties": case.properties
        | {
            "case_name": case.case_name,
            "case_type": case.case_type,
            "date_opened": case.date_opened,
            "external_id": case.external_id,
            "owner_id": case.owner_id or case.user_id,
        },
        "indices": case.indices,
        "resource_uri": "",
    }
