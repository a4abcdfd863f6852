"""Forms of the health programme: registrations, visits, deliveries with repeats, surveys.

The type of a form follows from its number; so do the cases that it touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commcare_sandbox.hq.programme import moments, names
from commcare_sandbox.hq.programme.cases import FAMILIES, FAMILY, gps
from commcare_sandbox.hq.programme.people import People
from commcare_sandbox.hq.programme.spine import Spine
from commcare_sandbox.seeds import pick

Form = dict[str, Any]
"""A form as the API shows it; attachments are ``name -> {content_type, length}``."""

CASE_XMLNS = "http://commcarehq.org/case/transaction/v2"
META_XMLNS = "http://openrosa.org/jr/xforms"
APP = "411d126cf0f43fb06104cbc8e4cc2ee4"
SURVEY_APP = "a71c3d0f5b2e4c6d8e9f00112233aa55"
BUILD = "5f97fd7cec424ea7800343c2e1cff85d"
_DESIGNER = "http://openrosa.org/formdesigner/"


@dataclass(frozen=True)
class Kind:
    """A form type."""

    name: str
    xmlns: str
    app_id: str | None
    slots: tuple[int, ...]
    """Places, among twenty cases, of those that such a form touches."""


HOUSEHOLD_FORM = Kind("Register Household", f"{_DESIGNER}0C6F1A52-HOUSEHOLD", APP, (0, 5, 12))
MOTHER_FORM = Kind(
    "Register Mother", f"{_DESIGNER}7D1B2F60-53C4-4B0E-9F6E-2B61C0A7D901", APP, (1, 6, 13)
)
VISIT_FORM = Kind("Visit", f"{_DESIGNER}3A9D7C11-8E0B-4F3A-A1B2-6C5D4E3F2A10", APP, (1, 6, 13))
DELIVERY_FORM = Kind(
    "Delivery", f"{_DESIGNER}EA845CA3-4B57-47C4-AFF4-5884E40228D7", APP, (1, 6, 13)
)
GROWTH_FORM = Kind("Visit", f"{_DESIGNER}B5E2D4A7-1C3F-4E6D-8B90-GROWTH", SURVEY_APP, (4, 7, 8, 17))
SYSTEM_FORM = Kind("", "http://commcarehq.org/case_api", None, (2, 3, 9, 14))

KINDS = (
    HOUSEHOLD_FORM,
    MOTHER_FORM,
    VISIT_FORM,
    VISIT_FORM,
    DELIVERY_FORM,
    GROWTH_FORM,
    VISIT_FORM,
    GROWTH_FORM,
    VISIT_FORM,
    SYSTEM_FORM,
)
PERIOD = 4 * len(KINDS)
"""Type and ``archived`` of a form follow from its number's rest by this."""


@dataclass(frozen=True)
class Visit:
    """What a form type needs to fill in its answers."""

    bits: bytes
    number: int
    moment: int
    user_id: str
    case_id: str
    case_type: str
    made: Callable[[int], str]
    """Ids for cases that the form creates."""


class Forms:
    """Makes form number i of a domain."""

    period = PERIOD

    def __init__(self, spine: Spine, domain: str, people: People, cases: Spine) -> None:
        self.spine, self._domain, self._people, self._cases = spine, domain, people, cases

    def make(self, number: int) -> Form:
        """Return form ``number`` as it was before anything was changed."""
        spine, bits, kind = self.spine, self.spine.digest(number), KINDS[number % len(KINDS)]
        received, modified = self._received(number), moments.spell(self._modified(number))
        edited = _is_edited(number)
        user = pick(self._people.worker_ids, bits[1])
        form = envelope(
            self._domain,
            spine.identifier(number),
            kind,
            self._answers(number, kind, bits, received, user),
        )
        form |= {
            "received_on": moments.spell(received),
            "server_modified_on": modified,
            "indexed_on": moments.spell(spine.indexed_on(number), spine.spelling(number)),
            "edited_on": modified if edited else None,
            "edited_by_user_id": self._people.worker_ids[0] if edited else None,
            "archived": is_archived(number),
        }
        if form["archived"]:
            form["problem"] = "Archived by admin"
        if kind is not SYSTEM_FORM:
            self._sign(form, bits, received, user)
        return form

    def base_moment(self, field: str) -> Callable[[int], int]:
        """Return what tells a moment of form ``number`` without making it."""
        return {
            "indexed_on": self.spine.indexed_on,
            "server_modified_on": self._modified,
            "received_on": self._received,
        }[field]

    def _modified(self, number: int) -> int:
        return self.spine.indexed_on(number) - self.spine.lag(number, 9 * moments.SECOND)

    def _received(self, number: int) -> int:
        delay = self.spine.lag(number, 30 * moments.DAY) if _is_edited(number) else 0
        return self._modified(number) - delay

    def restamp(self, record: Form, moment: int) -> None:
        """Write a new indexed_on into a form."""
        record["indexed_on"] = moments.spell(moment)

    def moment(self, record: Form, field: str) -> int:
        """Return a form's moment in microseconds."""
        return moments.read(record[field])

    def identifier(self, record: Form) -> str:
        """Return a form's id."""
        identifier: str = record["id"]
        return identifier

    def _answers(
        self, number: int, kind: Kind, bits: bytes, received: int, user: str
    ) -> dict[str, Any]:
        slot = pick(kind.slots, bits[3])
        visit = Visit(
            bits=bits,
            number=number,
            moment=received - bits[4] * moments.SECOND,
            user_id=user,
            case_id=self._case_id(bits, slot),
            case_type=FAMILIES[slot][0],
            made=lambda at: f"{bits[8 + at : 24 + at].hex()}",
        )
        return ANSWERS[kind.xmlns](visit)

    def _case_id(self, bits: bytes, slot: int) -> str:
        families = self._cases.size // FAMILY
        if not families:
            return bits[:16].hex()
        return self._cases.identifier(int.from_bytes(bits[5:9], "big") % families * FAMILY + slot)

    def _sign(self, form: Form, bits: bytes, received: int, user: str) -> None:
        form["form"]["meta"] = meta = {
            "@xmlns": META_XMLNS,
            "appVersion": "CommCare Android 2.53",
            "app_build_version": 50 + bits[9] % 2,
            "commcare_version": "2.53.0" if bits[9] % 5 else None,
            "deviceID": f"35800{bits[10]:03d}{bits[11]:03d}",
            "drift": "0",
            "geo_point": None,
            "instanceID": form["id"],
            "timeEnd": moments.spell(received - moments.SECOND),
            "timeStart": moments.spell(received - (60 + bits[12]) * moments.SECOND),
            "userID": user,
            "username": self._people.username(user),
        }
        if bits[13] % 4 == 0:
            meta["location"] = gps(bits)
            meta["geo_point"] = {"lat": 12 + bits[4] / 100, "lon": 77 + bits[5] / 100}
        form["metadata"] = cleaned(meta)
        if bits[14] % 6 == 0:
            form["form"]["photo"] = picture = f"{received // 1000}.jpg"
            form["attachments"][picture] = {"content_type": "image/jpeg", "length": 20000 + bits[5]}


def _is_edited(number: int) -> bool:
    return number % 31 == 8


def is_archived(number: int) -> bool:
    """Tell whether form ``number`` is archived; its rest by PERIOD says the same."""
    return number % PERIOD == 23


def envelope(domain: str, form_id: str, kind: Kind, answers: dict[str, Any]) -> Form:
    """Return a form with everything but its moments and its signature."""
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
    """Return what HQ shows as ``metadata``: the form's ``meta`` block, tidied."""
    shown = {name: value for name, value in meta.items() if not name.startswith(("@", "drift"))}
    for name in ("timeStart", "timeEnd"):
        shown[name] = shown[name].removesuffix("Z") if shown.get(name) else None
    version = shown.get("appVersion")
    if isinstance(version, dict):
        shown["appVersion"] = version["#text"]
    place = shown.get("location")
    shown["location"] = place["#text"] if isinstance(place, dict) else place
    return shown | {"deprecatedID": None, "doc_type": "Metadata"}


def case_block(visit: Visit, case_id: str | None = None, **parts: Any) -> dict[str, Any]:
    """Return a case block: ``create``, ``update``, ``index``, ``close`` as given."""
    return {
        "@case_id": case_id or visit.case_id,
        "@date_modified": moments.spell(visit.moment),
        "@user_id": visit.user_id,
        "@xmlns": CASE_XMLNS,
        **parts,
    }


def _create(visit: Visit, name: str, case_type: str) -> dict[str, str]:
    return {"case_name": name, "case_type": case_type, "owner_id": visit.user_id}


def _child_of(visit: Visit) -> dict[str, Any]:
    link = {"#text": visit.case_id, "@case_type": visit.case_type}
    if visit.bits[15] % 2:
        link["@relationship"] = "child"
    return {"parent": link}


def _household(visit: Visit) -> dict[str, Any]:
    bits = visit.bits
    answers: dict[str, Any] = {
        "village": pick(names.VILLAGES, bits[16]),
        "members": str(1 + bits[17] % 9),
        "water_source": pick(("well", "river", "well river tap", ""), bits[18]),
        "gps": gps(bits),
        "note": pick(names.REMARKS, bits[19]),
    }
    if bits[19] % 3 == 0:
        answers["note"] = {"#text": answers["note"], "@lang": pick(names.LANGUAGES, bits[20])}
    create = _create(visit, answers["village"], visit.case_type)
    return answers | {
        "case": case_block(
            visit, create=create, update={"members": answers["members"], "gps": answers["gps"]}
        )
    }


def _mother(visit: Visit) -> dict[str, Any]:
    bits = visit.bits
    name = names.person(bits[16:])
    return {
        "name": name,
        "age": str(15 + bits[19] % 30),
        "edd": moments.day(visit.moment + bits[20] * moments.DAY),
        "history": {
            "gravida": str(1 + bits[21] % 7),
            "previous": {"stillbirths": str(bits[22] % 3), "note": pick(names.REMARKS, bits[23])},
        },
        "danger_signs": " ".join(
            sign for at, sign in enumerate(names.DANGER_SIGNS) if bits[24] >> at & 1
        ),
        "registration": {
            "case": case_block(
                visit,
                create=_create(visit, name, visit.case_type),
                update={"risk": pick(names.RISKS, bits[25])},
            )
        },
    }


def _visit(visit: Visit) -> dict[str, Any]:
    bits = visit.bits
    update = None if bits[16] % 17 == 0 else {"visits": str(bits[17] % 6), "remark": ""}
    answers: dict[str, Any] = {
        "case": case_block(visit, update=update),
        "measurements": {
            "bp": f"{100 + bits[18] % 60}/{60 + bits[19] % 40}",
            "weight": f"{40 + bits[20] / 6:.1f}",
            "gps": gps(bits),
        },
        "counselling": {"topics": "nutrition hygiene", "note": pick(names.REMARKS, bits[21])},
        "next-visit.date": moments.day(visit.moment + 28 * moments.DAY),
        "refused": "",
    }
    if bits[22] % 3 == 0:
        answers["subcase_0"] = {
            "case": case_block(
                visit,
                visit.made(0),
                create=_create(visit, f"visit {bits[23] % 9}", "visit"),
                update=None,
                index=_child_of(visit),
            )
        }
    if bits[24] % 11 == 0:
        answers["case"]["close"] = ""
    return answers


def _delivery(visit: Visit) -> dict[str, Any]:
    bits = visit.bits
    babies = [
        {
            "eye_color": pick(("brown", "blue", ""), bits[16 + at]),
            "weight": f"{2 + bits[17 + at] / 100:.2f}",
            "case": case_block(
                visit,
                visit.made(at),
                create=_create(visit, f"B{at + 1}", "child"),
                index=_child_of(visit),
                update={"eye_color": pick(("brown", "blue"), bits[16 + at])} if at else None,
            ),
        }
        for at in range(bits[18] % 4)
    ]
    answers: dict[str, Any] = {
        "case": case_block(visit, update={"last_status": pick(names.REMARKS, bits[19])}),
        "prescription": {
            "prescription": {
                "case": case_block(
                    visit,
                    visit.made(5),
                    create=_create(visit, "rx", "prescription"),
                    update={"n": "2"},
                    close="",
                )
            }
        },
        "voucher-name": f"V-{bits[20]}",
        "how_many": str(len(babies)),
    }
    if babies:
        answers["babies"] = babies[0] if len(babies) == 1 else babies
    elif bits[21] % 2:
        answers["babies"] = ""
    return answers


def _growth(visit: Visit) -> dict[str, Any]:
    bits = visit.bits
    months = [{"month": str(at), "weight": f"{3 + bits[16 + at] / 50:.1f}"} for at in range(3)]
    answers: dict[str, Any] = {
        "growth": {"points": months[: 1 + bits[16] % 3]},
        "measurements": {"bp": "", "weight": f"{3 + bits[17] / 30:.1f}"},
        "checks": {"inner": {"deep": {"case": case_block(visit, update={"weight.now": "4.1"})}}},
        "vaccines": " ".join(v for at, v in enumerate(names.VACCINES) if bits[18] >> at & 1),
        "नाम": names.person(bits[19:]),
    }
    if len(answers["growth"]["points"]) == 1:
        answers["growth"]["points"] = months[0]
    return answers


def _system(visit: Visit) -> dict[str, Any]:
    blocks = [
        {
            "@case_id": visit.case_id if at == 0 else visit.made(at),
            "@xmlns": CASE_XMLNS,
            "create": None,
            "update": {"imported": str(visit.bits[16 + at])},
        }
        for at in range(1 + visit.bits[16] % 2)
    ]
    return {"case": blocks if len(blocks) > 1 else blocks[0]}


ANSWERS: dict[str, Callable[[Visit], dict[str, Any]]] = {
    HOUSEHOLD_FORM.xmlns: _household,
    MOTHER_FORM.xmlns: _mother,
    VISIT_FORM.xmlns: _visit,
    DELIVERY_FORM.xmlns: _delivery,
    GROWTH_FORM.xmlns: _growth,
    SYSTEM_FORM.xmlns: _system,
}
