"""The applications behind Connect as HQ describes them: they ask what the visits' forms answer."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.connect.estate.forms import FORM_NAME, XMLNS, answer_count

Question = dict[str, Any]
LEARN_XMLNS = "http://openrosa.org/formdesigner/0F4A2C11-LEARN"
_CHOICES = ("fever", "cough", "diarrhoea")


def application(app: dict[str, Any], kind: str, visit_bytes: int) -> dict[str, Any]:
    """Return the learn or the deliver application of an opportunity."""
    is_deliver = kind == "deliver"
    form = _form(
        XMLNS if is_deliver else LEARN_XMLNS,
        FORM_NAME if is_deliver else "Lesson",
        _deliver_questions(visit_bytes) if is_deliver else _learn_questions(),
    )
    case_type = "child" if is_deliver else ""
    return {
        "id": app["cc_app_id"],
        "name": app["name"],
        "version": 53,
        "is_released": True,
        "built_on": None,
        "build_comment": None,
        "built_from_app_id": None,
        "modules": [
            {
                "name": {"en": "Delivery" if is_deliver else "Learning"},
                "case_type": case_type,
                "case_properties": ["muac_cm", "name"] if is_deliver else [],
                "unique_id": f"module_{kind}",
                "forms": [form],
            }
        ],
        "versions": [],
        "resource_uri": "",
    }


def _form(xmlns: str, name: str, questions: list[Question]) -> dict[str, Any]:
    return {
        "xmlns": xmlns,
        "name": {"en": name},
        "unique_id": f"form_{name.lower()}",
        "questions": questions,
    }


def _deliver_questions(visit_bytes: int) -> list[Question]:
    survey = [
        _question(f"/data/survey/question_{at:04d}") for at in range(answer_count(visit_bytes))
    ]
    group = [_question("/data/survey", "Group", "group")] if survey else []
    return [
        _question("/data/child", "Group", "group"),
        _question("/data/child/name"),
        _question("/data/child/symptoms", "MSelect", "select", options=_options()),
        _question("/data/child/muac_photo", "Image", "upload"),
        _question("/data/siblings", "Group", "group"),
        _question("/data/siblings/sibling", "Repeat", "repeat"),
        _question("/data/siblings/sibling/sib_name", repeat="/data/siblings/sibling"),
        _question("/data/siblings/sibling/sib_age", "Int", repeat="/data/siblings/sibling"),
        _question("/data/note"),
        *group,
        *survey,
    ]


def _learn_questions() -> list[Question]:
    return [_question("/data/lesson", "Trigger", "trigger"), _question("/data/score", "Int")]


def _options() -> list[dict[str, str]]:
    return [{"value": each, "label": each.title()} for each in _CHOICES]


def _question(path: str, kind: str = "Text", tag: str = "input", **more: Any) -> Question:
    leaf = path.rsplit("/", 1)[-1].replace("_", " ")
    return {
        "label": leaf.capitalize(),
        "label_ref": f"{path.removeprefix('/data/')}-label",
        "translations": {"en": leaf.capitalize()},
        "tag": tag,
        "type": kind,
        "value": path,
        "hashtagValue": path.replace("/data/", "#form/", 1),
        "group": path.rsplit("/", 1)[0] if path.count("/") > 2 else None,
        "repeat": None,
        "is_group": tag in ("group", "repeat"),
        "relevant": None,
        "constraint": None,
        "required": False,
        "setvalue": None,
        "comment": None,
    } | more
