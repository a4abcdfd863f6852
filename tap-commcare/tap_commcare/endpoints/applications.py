"""Applications, and the records derived from them: case types, form definitions, questions. Pure.

HQ returns an error in place of a module that it cannot serialise; a name may lack any language; two
forms, even of one application, may share an xmlns.
Source: https://commcare-hq.readthedocs.io/api/ (read November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from tap_common.counting_converters import boolean, integer, json_array, text, timestamp
from tap_common.messages import Record
from tap_common.raw_converters import NULL

from tap_commcare.pagination.tastypie import list_decoder
from tap_commcare.streams.applications import ApplicationsStream


class AppRow(msgspec.Struct, dict=True):
    """An application as the API returns it."""

    id: str
    name: Any = None
    version: Any = None
    is_released: Any = None
    built_on: Any = None
    build_comment: Any = None
    built_from_app_id: Any = None
    versions: msgspec.Raw = NULL
    modules: msgspec.Raw = NULL

    @cached_property
    def valid_modules(self) -> list[dict[str, Any]]:
        """The modules that HQ could serialise."""
        return [each for each in _dicts(msgspec.json.decode(self.modules)) if "error" not in each]


RESOURCE = ApplicationsStream.path
DECODE = list_decoder(AppRow, "applications")


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list; other items, and values other than lists, are ignored."""
    if type(value) is list:
        yield from (each for each in value if type(each) is dict)


def _texts(value: Any) -> list[str]:
    return [each for each in value if type(each) is str and each] if type(value) is list else []


def localized_name(names: Any) -> str | None:
    """Return one of the names by language: the English one, or else the first."""
    if type(names) is not dict:
        return text(names)
    texts = [name for name in (names.get("en"), *names.values()) if type(name) is str and name]
    return texts[0] if texts else None


def app_records(rows: Iterable[AppRow], domain: str) -> Iterator[Record]:
    """Yield the records of applications."""
    for row in rows:
        yield {
            "id": row.id,
            "domain": domain,
            "name": text(row.name),
            "app_version": integer(row.version, ("applications", "app_version")),
            "is_released": boolean(row.is_released, ("applications", "is_released")),
            "built_on": timestamp(row.built_on, ("applications", "built_on")),
            "build_comment": text(row.build_comment),
            "built_from_app_id": text(row.built_from_app_id),
            "versions": json_array(row.versions, ("applications", "versions")),
            "modules": json_array(row.modules, ("applications", "modules")),
        }


def case_type_records(rows: Sequence[AppRow], domain: str) -> list[Record]:
    """Return one record for each case type that a module uses."""
    found: dict[str, Record] = {}
    for row in rows:
        for module in row.valid_modules:
            name = text(module.get("case_type"))
            if name is None:
                continue
            record = found.setdefault(
                name, {"name": name, "domain": domain, "apps": {}, "modules": [], "properties": {}}
            )
            record["apps"][row.id] = {"id": row.id, "name": text(row.name)}
            record["modules"].append(
                {
                    "app_id": row.id,
                    "unique_id": text(module.get("unique_id")),
                    "name": localized_name(module.get("name")),
                }
            )
            record["properties"] |= dict.fromkeys(_texts(module.get("case_properties")))
    return [
        {**record, "apps": [*record["apps"].values()], "properties": sorted(record["properties"])}
        for record in found.values()
    ]


def _forms(
    rows: Iterable[AppRow],
) -> Iterator[tuple[AppRow, dict[str, Any], dict[str, Any], str]]:
    """Yield application, module, form and xmlns of each form that submissions can belong to."""
    for row in rows:
        for module in row.valid_modules:
            for form in _dicts(module.get("forms")):
                xmlns = text(form.get("xmlns"))
                if xmlns is not None:
                    yield row, module, form, xmlns


def form_definition_records(rows: Sequence[AppRow], domain: str) -> list[Record]:
    """Return one record for each xmlns of each application; ``uses`` lists its modules."""
    found: dict[tuple[str, str], Record] = {}
    for row, module, form, xmlns in _forms(rows):
        names = form.get("name")
        record = found.setdefault(
            (row.id, xmlns),
            {
                "app_id": row.id,
                "xmlns": xmlns,
                "domain": domain,
                "app_name": text(row.name),
                "name": localized_name(names),
                "names": names if type(names) is dict else None,
                "case_type": text(module.get("case_type")),
                "uses": [],
            },
        )
        record["uses"].append(
            {
                "module_id": text(module.get("unique_id")),
                "module_name": localized_name(module.get("name")),
                "case_type": text(module.get("case_type")),
                "form_id": text(form.get("unique_id")),
                "form_name": localized_name(names),
            }
        )
    return list(found.values())


def form_question_records(rows: Sequence[AppRow], domain: str) -> list[Record]:
    """Return one record for each question of each xmlns of each application."""
    found: dict[tuple[str, str, str], Record] = {}
    for row, _, form, xmlns in _forms(rows):
        for position, question in enumerate(_dicts(form.get("questions"))):
            path = text(question.get("value"))
            if path is not None:
                key = (row.id, xmlns, path)
                found.setdefault(key, _question(question, key, domain, position))
    return list(found.values())


def _question(
    question: dict[str, Any], key: tuple[str, str, str], domain: str, position: int
) -> Record:
    translations, source = question.get("translations"), question.get("data_source")
    app_id, xmlns, path = key
    return {
        "app_id": app_id,
        "xmlns": xmlns,
        "path": path,
        "domain": domain,
        "position": position,
        "type": text(question.get("type")),
        "tag": text(question.get("tag")),
        "label": localized_name(question.get("label")),
        "translations": translations if type(translations) is dict else None,
        "group": text(question.get("group")),
        "repeat": text(question.get("repeat")),
        "is_group": boolean(question.get("is_group")),
        "is_required": boolean(question.get("required")),
        "relevant": text(question.get("relevant")),
        "constraint": text(question.get("constraint")),
        "setvalue": text(question.get("setvalue")),
        "comment": text(question.get("comment")),
        "hashtag": text(question.get("hashtagValue")),
        "options": [*_dicts(question.get("options"))],
        "data_source": source if type(source) is dict else None,
    }


RECORDS: Mapping[str, Callable[[Sequence[AppRow], str], Iterable[Record]]] = {
    "applications": app_records,
    "case_types": case_type_records,
    "form_definitions": form_definition_records,
    "form_questions": form_question_records,
}
"""For each stream, the function that derives its records from a list of applications."""
