"""What the project's documents say: what loaded tables are, and which column refers to which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from scout_dbt.planning.tables import Model

REFERENCE = re.compile(r"ref\('(\w+)'\)")
OF_KIND = {
    "case": (("owner_id", "commcare_owners.owner_id"),),
    "form": (
        ("user_id", "stg_commcare__users.user_id"),
        ("app_id", "stg_commcare__applications.app_id"),
    ),
    "visit": (
        ("visit_id", "stg_connect__visits.visit_id"),
        ("opportunity_id", "stg_connect__opportunities.opportunity_id"),
        ("username", "stg_connect__users.username"),
    ),
}
OURS = ("staging", "relations")
MAIN_COLUMN = {"case": "case_id", "form": "form_id", "visit": "visit_id"}
CASES = "stg_commcare__cases.case_id"


@dataclass(frozen=True)
class Join:
    """A column, and that of another table that it refers to, in the same domain or opportunity."""

    table: str
    column: str
    to: str


def of_project(models: Path, source_type: str) -> tuple[dict[str, str], list[Join]]:
    """Return what tables of a source are, and the joins that tests of hand-written models check."""
    tables: dict[str, str] = {}
    joins: list[Join] = []
    for file in sorted(file for name in OURS for file in (models / name).rglob("*.yml")):
        told = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for source in told.get("sources", ()):
            if source["name"] == source_type:
                tables |= {each["name"]: each["description"] for each in source["tables"]}
        for model in told.get("models", ()):
            for test in model.get("data_tests", ()):
                joins += _of_test(model["name"], test)
    return tables, joins


def _of_test(table: str, test: Any) -> Iterator[Join]:
    if not isinstance(test, dict) or "relationships_together" not in test:
        return
    told = test["relationships_together"]["arguments"]
    if found := REFERENCE.search(told["to"]):
        others = told.get("to_columns") or told["columns"]
        yield Join(table, told["columns"][-1], f"{found[1]}.{others[-1]}")


def of_models(models: Iterable[Model]) -> Iterator[Join]:
    """Yield the joins of generated tables: to what is around them, to cases, users and visits."""
    models = list(models)
    names = {model.table.key: model.table.name for model in models}
    for model in models:
        table = model.table
        if table.is_lesser:
            column = MAIN_COLUMN[table.kind]
            if main := names.get(table.main_key):
                yield Join(table.name, column, f"{main}.{column}")
            continue
        for column, to in OF_KIND[table.kind]:
            yield Join(table.name, column, to)
        for index in table.indices:
            yield Join(table.name, index.name, CASES)
