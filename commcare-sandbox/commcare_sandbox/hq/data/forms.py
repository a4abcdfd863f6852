"""Forms of the health programme: registrations, visits, deliveries with repeats, surveys.

Type and updated cases of a form follow from its number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.cases import FAMILIES, FAMILY, gps
from commcare_sandbox.hq.data.directory import Directory
from commcare_sandbox.hq.data.form_answers import ANSWERS, Visit
from commcare_sandbox.hq.data.form_types import BUILD, FORM_TYPES, SYSTEM_FORM, FormType
from commcare_sandbox.hq.data.sequence import TIE_EVERY, TIE_SIZE, RecordSequence
from commcare_sandbox.pseudorandom import pick

Form = dict[str, Any]
"""A form as the API shows it; attachments are ``name -> {content_type, length}``."""

META_XMLNS = "http://openrosa.org/jr/xforms"
PERIOD = 4 * len(FORM_TYPES)
"""Type and ``archived`` follow from a form's number modulo this."""


# Indexes, within a family, of the cases of a type below a parent at an index.
_BORN = {
    (parent, case_type): tuple(
        at for at, family in enumerate(FAMILIES) if family == (case_type, parent)
    )
    for case_type, parent in FAMILIES
    if parent is not None
}


class Forms:
    """Generates forms."""

    period = PERIOD

    def __init__(
        self, sequence: RecordSequence, domain: str, directory: Directory, cases: RecordSequence
    ) -> None:
        self.sequence, self._domain, self._people, self._cases = sequence, domain, directory, cases

    def make(self, number: int) -> Form:
        """Return form ``number`` before any change."""
        sequence, digest, kind = (
            self.sequence,
            self.sequence.digest(number),
            FORM_TYPES[number % len(FORM_TYPES)],
        )
        edited = _is_edited(number)
        stored = self._modified(number)
        received = self._received(number) if edited else stored
        modified = timestamps.render(stored)
        user = pick(self._people.worker_ids, digest[1])
        form = envelope(
            self._domain,
            sequence.identifier(number),
            kind,
            self._answers(kind, digest, received, user),
        )
        form |= {
            "received_on": timestamps.render(received),
            "server_modified_on": modified,
            "indexed_on": timestamps.render(
                sequence.indexed_on(number), sequence.timestamp_style(number)
            ),
            "edited_on": modified if edited else None,
            "edited_by_user_id": self._people.worker_ids[0] if edited else None,
            "archived": is_archived(number),
        }
        if form["archived"]:
            form["problem"] = "Archived by admin"
        if kind is not SYSTEM_FORM:
            self._sign(form, digest, received, user)
        return form

    def generated_timestamp(self, field: str) -> Callable[[int], int]:
        """Return the function that computes a timestamp without generating the form."""
        return {
            "indexed_on": self.sequence.indexed_on,
            "server_modified_on": self._modified,
            "received_on": self._received,
        }[field]

    def _modified(self, number: int) -> int:
        return self.sequence.indexed_on(number) - self.sequence.lag(number, 9 * timestamps.SECOND)

    def _received(self, number: int) -> int:
        delay = self.sequence.lag(number, 30 * timestamps.DAY) if _is_edited(number) else 0
        return self._modified(number) - delay

    def set_indexed_on(self, record: Form, timestamp: int) -> None:
        """Set indexed_on of a form."""
        record["indexed_on"] = timestamps.render(timestamp)

    def timestamp(self, record: Form, field: str) -> int:
        """Return a timestamp of a form in microseconds."""
        return timestamps.read(record[field])

    def identifier(self, record: Form) -> str:
        """Return a form's id."""
        identifier: str = record["id"]
        return identifier

    def _answers(self, kind: FormType, digest: bytes, received: int, user: str) -> dict[str, Any]:
        slot = pick(kind.slots, digest[3])

        def made(case_type: str, at: int) -> str:
            born = _BORN.get((slot, case_type), ())
            if at < len(born):
                return self._case_id(digest, born[at])
            return digest[8 + at : 24 + at].hex()

        return ANSWERS[kind.xmlns](
            Visit(
                digest=digest,
                timestamp=received - digest[4] * timestamps.SECOND,
                user_id=user,
                case_id=self._case_id(digest, slot),
                case_type=FAMILIES[slot][0],
                made=made,
            )
        )

    def _case_id(self, digest: bytes, slot: int) -> str:
        families = self._cases.size // FAMILY
        if not families:
            return digest[:16].hex()
        return self._cases.identifier(int.from_bytes(digest[5:9], "big") % families * FAMILY + slot)

    def _sign(self, form: Form, digest: bytes, received: int, user: str) -> None:
        form["form"]["meta"] = meta = {
            "@xmlns": META_XMLNS,
            "appVersion": "CommCare Android 2.53",
            "app_build_version": 50 + digest[9] % 2,
            "commcare_version": "2.53.0" if digest[9] % 5 else None,
            "deviceID": f"35800{digest[10]:03d}{digest[11]:03d}",
            "drift": "0",
            "geo_point": None,
            "instanceID": form["id"],
            "timeEnd": timestamps.render(received - timestamps.SECOND),
            "timeStart": timestamps.render(received - (60 + digest[12]) * timestamps.SECOND),
            "userID": user,
            "username": self._people.username(user),
        }
        if digest[13] % 4 == 0:
            meta["location"] = gps(digest)
            meta["geo_point"] = {"lat": 12 + digest[4] / 100, "lon": 77 + digest[5] / 100}
        form["metadata"] = cleaned(meta)
        if digest[14] % 6 == 0:
            form["form"]["photo"] = picture = f"{received // 1000}.jpg"
            form["attachments"][picture] = {
                "content_type": "image/jpeg",
                "length": 20000 + digest[5],
            }


def _is_edited(number: int) -> bool:
    return number % 31 == 8 and number % TIE_EVERY >= TIE_SIZE


def is_archived(number: int) -> bool:
    """Return whether form ``number`` is archived; depends on ``number % PERIOD`` only."""
    return number % PERIOD == 23


def envelope(domain: str, form_id: str, kind: FormType, answers: dict[str, Any]) -> Form:
    """Return a form without its timestamps and its ``meta`` block."""
    system = kind.app_id is None
    root = {"#type": "system" if system else "data"}
    if not system:
        root |= {"@name": kind.name, "@uiVersion": "1", "@version": "50"}
    return {
        "id": form_id,
        "domain": domain,
        "type": root["#type"],
        "version": "" if system else "50",
        "uiversion": "" if system else "1",
        "app_id": kind.app_id,
        "build_id": None if system else BUILD,
        "received_on": "",
        "server_modified_on": "",
        "indexed_on": "",
        "edited_on": None,
        "edited_by_user_id": None,
        "archived": False,
        "is_phone_submission": not system,
        "initial_processing_complete": True,
        "problem": None,
        "submit_ip": None if system else "10.1.2.3",
        "resource_uri": "",
        "attachments": {}
        if system
        else {"form.xml": {"content_type": "text/xml", "length": 1500 + 40 * len(answers)}},
        "metadata": None,
        "form": {**root, "@xmlns": kind.xmlns, **answers},
    }


def cleaned(meta: dict[str, Any]) -> dict[str, Any]:
    """Return what HQ shows as ``metadata``: the normalised ``meta`` block."""
    body = {name: value for name, value in meta.items() if not name.startswith(("@", "drift"))}
    for name in ("timeStart", "timeEnd"):
        body[name] = body[name].removesuffix("Z") if body.get(name) else None
    version = body.get("appVersion")
    if isinstance(version, dict):
        body["appVersion"] = version["#text"]
    location = body.get("location")
    body["location"] = location["#text"] if isinstance(location, dict) else location
    return body | {"deprecatedID": None, "doc_type": "Metadata"}
