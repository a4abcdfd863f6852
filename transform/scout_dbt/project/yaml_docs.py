"""Reads the project's YAML files: descriptions of loaded tables, and how tables are joined."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from scout_dbt.planning.tables import RecordKind, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from scout_dbt.planning.tables import Model

REF = re.compile(r"ref\('(\w+)'\)")
FOLDERS = ("staging", "relations")
REFERENCES = {
    RecordKind.CASE: (("owner_id", "commcare_owners.owner_id"),),
    RecordKind.FORM: (
        ("user_id", "stg_commcare__users.user_id"),
        ("app_id", "stg_commcare__applications.app_id"),
    ),
    RecordKind.VISIT: (
        ("visit_id", "stg_connect__visits.visit_id"),
        ("opportunity_id", "stg_connect__opportunities.opportunity_id"),
        ("username", "stg_connect__users.username"),
    ),
}
RECORD_IDS = {
    RecordKind.CASE: "case_id",
    RecordKind.FORM: "form_id",
    RecordKind.VISIT: "visit_id",
}
CASES = "stg_commcare__cases.case_id"


def read(models: Path, source_type: str) -> tuple[dict[str, str], list[Reference]]:
    """Return the descriptions of a source's tables, and the references that data tests check.

    Args:
        models: The folder of the project's models.
        source_type: ``commcare`` or ``connect``.
    """
    descriptions: dict[str, str] = {}
    references: list[Reference] = []
    for file in sorted(file for name in FOLDERS for file in (models / name).rglob("*.yml")):
        content = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for source in content.get("sources", ()):
            if source["name"] == source_type:
                descriptions |= {each["name"]: each["description"] for each in source["tables"]}
        for model in content.get("models", ()):
            for test in model.get("data_tests", ()):
                references += _tested(model["name"], test)
    return descriptions, references


def _tested(table: str, test: Any) -> Iterator[Reference]:
    if not isinstance(test, dict) or "relationships_together" not in test:
        return
    arguments = test["relationships_together"]["arguments"]
    if found := REF.search(arguments["to"]):
        # The columns before the last are the domain or the opportunity of both tables.
        columns = arguments.get("to_columns") or arguments["columns"]
        yield Reference(table, arguments["columns"][-1], f"{found[1]}.{columns[-1]}")


def model_references(models: Iterable[Model]) -> Iterator[Reference]:
    """Yield the references of generated tables: to their main table, to cases, users and so on."""
    models = list(models)
    names = {model.table.key: model.table.name for model in models}
    for model in models:
        table = model.table
        if table.is_secondary:
            column = RECORD_IDS[table.record_kind]
            if main := names.get(table.main_table_key):
                yield Reference(table.name, column, f"{main}.{column}")
            continue
        for column, target in REFERENCES[table.record_kind]:
            yield Reference(table.name, column, target)
        for index in table.indices:
            yield Reference(table.name, index.name, CASES)
