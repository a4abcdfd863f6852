"""The learn and deliver applications of an opportunity, as HQ describes them.

Their questions are the ones that the forms of the visits answer.
"""

from __future__ import annotations

from typing import Any

from commcare_sandbox import app_documents
from commcare_sandbox.app_documents import Document, multiselect, question
from commcare_sandbox.connect.data.forms import FORM_NAME, XMLNS, answer_count

LEARN_XMLNS = "http://openrosa.org/formdesigner/0F4A2C11-LEARN"
_VERSION = 53


def deliver_application(app: dict[str, Any], visit_bytes: int) -> Document:
    """Return the deliver application, with as many questions as a visit of that size answers."""
    questions = _deliver_questions(visit_bytes)
    form = app_documents.form("form_visit", XMLNS, {"en": FORM_NAME}, *questions)
    module = app_documents.module(
        "module_deliver", {"en": "Delivery"}, "child", ["muac_cm", "name"], form
    )
    return _released(app, module)


def learn_application(app: dict[str, Any]) -> Document:
    """Return the learn application."""
    form = app_documents.form(
        "form_lesson",
        LEARN_XMLNS,
        {"en": "Lesson"},
        question("/data/lesson", "Trigger", "trigger"),
        question("/data/score", "Int"),
    )
    return _released(app, app_documents.module("module_learn", {"en": "Learning"}, "", [], form))


def _released(app: dict[str, Any], module: Document) -> Document:
    document = app_documents.application(app["cc_app_id"], app["name"], _VERSION, [module])
    return document | {"is_released": True}


def _deliver_questions(visit_bytes: int) -> list[Document]:
    survey = [
        question(f"/data/survey/question_{number:04d}")
        for number in range(answer_count(visit_bytes))
    ]
    group = [question("/data/survey", "Group", "group")] if survey else []
    return [
        question("/data/child", "Group", "group"),
        question("/data/child/name"),
        multiselect("/data/child/symptoms", "fever", "cough", "diarrhoea"),
        question("/data/child/muac_photo", "Image", "upload"),
        question("/data/siblings", "Group", "group"),
        question("/data/siblings/sibling", "Repeat", "repeat"),
        question("/data/siblings/sibling/sib_name", repeat="/data/siblings/sibling"),
        question("/data/siblings/sibling/sib_age", "Int", repeat="/data/siblings/sibling"),
        question("/data/note"),
        *group,
        *survey,
    ]
