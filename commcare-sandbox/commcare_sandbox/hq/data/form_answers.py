"""What people fill in: the answers of each form type, with the case blocks among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commcare_sandbox.hq.data import names, timestamps
from commcare_sandbox.hq.data.cases import CHILD, VISIT, gps
from commcare_sandbox.hq.data.form_types import (
    DELIVERY_FORM,
    GROWTH_FORM,
    HOUSEHOLD_FORM,
    MOTHER_FORM,
    SYSTEM_FORM,
    VISIT_FORM,
)
from commcare_sandbox.seeded import pick

CASE_XMLNS = "http://commcarehq.org/case/transaction/v2"


@dataclass(frozen=True)
class Visit:
    """What a form type needs to fill in its answers."""

    bits: bytes
    moment: int
    user_id: str
    case_id: str
    case_type: str
    made: Callable[[str, int], str]
    """Ids for cases that the form creates, by case type and place."""


def case_block(visit: Visit, case_id: str | None = None, **parts: Any) -> dict[str, Any]:
    """Return a case block: ``create``, ``update``, ``index``, ``close`` as given."""
    return {
        "@case_id": case_id or visit.case_id,
        "@date_modified": timestamps.render(visit.moment),
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
        "edd": timestamps.day(visit.moment + bits[20] * timestamps.DAY),
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
        "next-visit.date": timestamps.day(visit.moment + 28 * timestamps.DAY),
        "refused": "",
    }
    if bits[22] % 3 == 0:
        answers["subcase_0"] = {
            "case": case_block(
                visit,
                visit.made(VISIT, 0),
                create=_create(visit, f"visit {bits[23] % 9}", VISIT),
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
                visit.made(CHILD, at),
                create=_create(visit, f"B{at + 1}", CHILD),
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
                    visit.made("prescription", 5),
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
            "@case_id": visit.case_id if at == 0 else visit.made(VISIT, at),
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
