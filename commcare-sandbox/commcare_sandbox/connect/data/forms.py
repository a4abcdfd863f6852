"""The ``form_json`` of visits: CommCare forms of any size as HQ forwards them.

Forms are byte templates with placeholders: encoding JSON for each of a million visits is too slow.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from commcare_sandbox.connect.data.formats import in_jsonb_order

XMLNS = "http://openrosa.org/formdesigner/67D08BE6-BBEE-452D-AE73-34DCC3A742C1"
FORM_NAME = "Visit"
_GAP = re.compile(rb"\{\{(\w+)\}\}")
_ENVELOPE_BYTES = 1900
_ANSWER_BYTES = 78


class FormTemplate:
    """An encoded form with ``{{placeholders}}`` for the values that differ between visits."""

    def __init__(self, form: dict[str, Any]) -> None:
        self._parts = _GAP.split(msgspec.json.encode(in_jsonb_order(form)))

    def fill(self, values: dict[bytes, str]) -> msgspec.Raw:
        """Return the form as JSON."""
        texts = {name: msgspec.json.encode(value)[1:-1] for name, value in values.items()}
        parts = list(self._parts)
        parts[1::2] = [texts[name] for name in parts[1::2]]
        return msgspec.Raw(b"".join(parts))


def templates(domain: str, app_id: str, visit_bytes: int) -> tuple[FormTemplate, ...]:
    """Return the form variants of an opportunity.

    They differ as real forms do: a repeat group is an object if it has one instance and a list if
    it has several; an unanswered question is empty or missing.
    """
    sibling = {"sib_age": "4", "sib_name": "A"}
    shapes: tuple[dict[str, Any], ...] = (
        {"siblings": {"sibling": [sibling, {"sib_age": "6", "sib_name": "B"}]}},
        {"siblings": {"sibling": sibling}, "note": ""},
        {"case": [{"@case_id": "{{case}}"}, {"@case_id": "{{form}}", "close": ""}]},
    )
    filler = _survey(visit_bytes)
    return tuple(FormTemplate(_form(domain, app_id, shape | filler)) for shape in shapes)


def answer_count(visit_bytes: int) -> int:
    """Return how many answers a form of that size has."""
    return max(visit_bytes - _ENVELOPE_BYTES, 0) // _ANSWER_BYTES


def _survey(visit_bytes: int) -> dict[str, Any]:
    answers = answer_count(visit_bytes)
    if not answers:
        return {}
    questions = {f"question_{at:04d}": f"answer {at} 'to' {'x' * 47}" for at in range(answers)}
    return {"survey": questions}


def _form(domain: str, app_id: str, answers: dict[str, Any]) -> dict[str, Any]:
    meta = {
        "instanceID": "{{form}}",
        "userID": "{{user}}",
        "username": "{{username}}",
        "timeStart": "{{began}}",
        "timeEnd": "{{ended}}",
        "location": "{{location}}",
        "app_build_version": 53,
        "drift": "0",
    }
    form = {
        "@name": FORM_NAME,
        "@xmlns": XMLNS,
        "@version": "53",
        "#type": "data",
        "case": {"@case_id": "{{case}}", "update": {"muac_cm": "12.4"}},
        "meta": meta,
        "child": {"name": "{{name}}", "symptoms": "fever cough", "muac_photo": "170.jpg"},
        "deliver_group": {
            "deliver": {
                "@id": "visit",
                "@xmlns": "http://commcareconnect.com/data/v1/learn",
                "entity_id": "{{entity}}",
                "entity_name": "{{name}}",
            }
        },
    }
    return {
        "id": "{{form}}",
        "app_id": app_id,
        "build_id": app_id[::-1],
        "domain": domain,
        "received_on": "{{ended}}",
        "server_modified_on": "{{ended}}",
        "version": "53",
        "archived": False,
        "problem": None,
        "metadata": meta,
        "form": form | answers,
        "attachments": {"170.jpg": {"content_type": "image/jpeg", "length": 48211}},
    }
