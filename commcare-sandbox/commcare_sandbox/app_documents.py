"""Applications as the APIs of HQ and Connect describe them: modules, forms, questions."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def application(app_id: str, name: str, version: int, modules: list[Document]) -> Document:
    """Return an unreleased application that was not built from another."""
    return {
        "id": app_id,
        "name": name,
        "version": version,
        "is_released": False,
        "built_on": None,
        "build_comment": None,
        "built_from_app_id": None,
        "resource_uri": "",
        "versions": [],
        "modules": modules,
    }


def module(
    unique_id: str, name: dict[str, str], case_type: str, properties: list[str], *forms: Document
) -> Document:
    """Return a module: forms about cases of one type; ``name`` is keyed by language."""
    return {
        "name": name,
        "case_type": case_type,
        "case_properties": properties,
        "unique_id": unique_id,
        "forms": list(forms),
    }


def form(unique_id: str, xmlns: str | None, name: dict[str, str], *questions: Document) -> Document:
    """Return a form; ``name`` is keyed by language."""
    return {
        "xmlns": xmlns,
        "name": name,
        "unique_id": unique_id,
        "questions": list(questions),
    }


def question(path: str, data_type: str = "Text", tag: str = "input", **overrides: Any) -> Document:
    """Return a question that is labelled with the last step of its path."""
    name = path.rsplit("/", 1)[-1]
    label = name.replace("_", " ")
    return {
        "label": label,
        "label_ref": f"{name}-label",
        "translations": {"en": label},
        "tag": tag,
        "type": data_type,
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
    } | overrides


def multiselect(path: str, *values: str) -> Document:
    """Return a question with any number of answers out of ``values``."""
    choices = [{"value": value, "label": value.title()} for value in values]
    return question(path, "MSelect", "select", options=choices)
