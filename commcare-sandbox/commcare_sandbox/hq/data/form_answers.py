"""Form answers of each form type, including their case blocks."""

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
from commcare_sandbox.pseudorandom import pick

CASE_XMLNS = "http://commcarehq.org/case/transaction/v2"


@dataclass(frozen=True)
class Visit:
    """What the answers of a form depend on."""

    digest: bytes
    timestamp: int
    user_id: str
    case_id: str
    case_type: str
    made: Callable[[str, int], str]
    """Returns the id of a case that the form creates, by case type and index."""


def case_block(visit: Visit, case_id: str | None = None, **parts: Any) -> dict[str, Any]:
    """Return a case block with the given ``create``, ``update``, ``index`` and ``close``."""
    return {
        "@case_id": case_id or visit.case_id,
        "@date_modified": timestamps.render(visit.timestamp),
        "@user_id": visit.user_id,
        "@xmlns": CASE_XMLNS,
        **parts,
    }


def _create(visit: Visit, name: str, case_type: str) -> dict[str, str]:
    return {"case_name": name, "case_type": case_type, "owner_id": visit.user_id}


def _child_of(visit: Visit) -> dict[str, Any]:
    link = {"#text": visit.case_id, "@case_type": visit.case_type}
    if visit.digest[15] % 2:
        link["@relationship"] = "child"
    return {"parent": link}


def _household(visit: Visit) -> dict[str, Any]:
    digest = visit.digest
    answers: dict[str, Any] = {
        "village": pick(names.VILLAGES, digest[16]),
        "members": str(1 + digest[17] % 9),
        "water_source": pick(("well", "river", "well river tap", ""), digest[18]),
        "gps": gps(digest),
        "note": pick(names.REMARKS, digest[19]),
    }
    if digest[19] % 3 == 0:
        answers["note"] = {"#text": answers["note"], "@lang": pick(names.LANGUAGES, digest[20])}
    create = _create(visit, answers["village"], visit.case_type)
    return answers | {
        "case": case_block(
            visit, create=create, update={"members": answers["members"], "gps": answers["gps"]}
        )
    }


def _mother(visit: Visit) -> dict[str, Any]:
    digest = visit.digest
    name = names.person(digest[16:])
    return {
        "name": name,
        "age": str(15 + digest[19] % 30),
        "edd": timestamps.day(visit.timestamp + digest[20] * timestamps.DAY),
        "history": {
            "gravida": str(1 + digest[21] % 7),
            "previous": {
                "stillbirths": str(digest[22] % 3),
                "note": pick(names.REMARKS, digest[23]),
            },
        },
        "danger_signs": " ".join(
            sign for at, sign in enumerate(names.DANGER_SIGNS) if digest[24] >> at & 1
        ),
        "registration": {
            "case": case_block(
                visit,
                create=_create(visit, name, visit.case_type),
                update={"risk": pick(names.RISKS, digest[25])},
            )
        },
    }


def _visit(visit: Visit) -> dict[str, Any]:
    digest = visit.digest
    update = None if digest[16] % 17 == 0 else {"visits": str(digest[17] % 6), "remark": ""}
    answers: dict[str, Any] = {
        "case": case_block(visit, update=update),
        "measurements": {
            "bp": f"{100 + digest[18] % 60}/{60 + digest[19] % 40}",
            "weight": f"{40 + digest[20] / 6:.1f}",
            "gps": gps(digest),
        },
        "counselling": {"topics": "nutrition hygiene", "note": pick(names.REMARKS, digest[21])},
        "next-visit.date": timestamps.day(visit.timestamp + 28 * timestamps.DAY),
        "refused": "",
    }
    if digest[22] % 3 == 0:
        answers["subcase_0"] = {
            "case": case_block(
                visit,
                visit.made(VISIT, 0),
                create=_create(visit, f"visit {digest[23] % 9}", VISIT),
                update=None,
                index=_child_of(visit),
            )
        }
    if digest[24] % 11 == 0:
        answers["case"]["close"] = ""
    return answers


def _delivery(visit: Visit) -> dict[str, Any]:
    digest = visit.digest
    babies = [
        {
            "eye_color": pick(("brown", "blue", ""), digest[16 + at]),
            "weight": f"{2 + digest[17 + at] / 100:.2f}",
            "case": case_block(
                visit,
                visit.made(CHILD, at),
                create=_create(visit, f"B{at + 1}", CHILD),
                index=_child_of(visit),
                update={"eye_color": pick(("brown", "blue"), digest[16 + at])} if at else None,
            ),
        }
        for at in range(digest[18] % 4)
    ]
    answers: dict[str, Any] = {
        "case": case_block(visit, update={"last_status": pick(names.REMARKS, digest[19])}),
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
        "voucher-name": f"V-{digest[20]}",
        "how_many": str(len(babies)),
    }
    if babies:
        answers["babies"] = babies[0] if len(babies) == 1 else babies
    elif digest[21] % 2:
        answers["babies"] = ""
    return answers


def _growth(visit: Visit) -> dict[str, Any]:
    digest = visit.digest
    months = [{"month": str(at), "weight": f"{3 + digest[16 + at] / 50:.1f}"} for at in range(3)]
    answers: dict[str, Any] = {
        "growth": {"points": months[: 1 + digest[16] % 3]},
        "measurements": {"bp": "", "weight": f"{3 + digest[17] / 30:.1f}"},
        "checks": {"inner": {"deep": {"case": case_block(visit, update={"weight.now": "4.1"})}}},
        "vaccines": " ".join(v for at, v in enumerate(names.VACCINES) if digest[18] >> at & 1),
        "नाम": names.person(digest[19:]),
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
            "update": {"imported": str(visit.digest[16 + at])},
        }
        for at in range(1 + visit.digest[16] % 2)
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
