"""Reads the project's YAML files: descriptions of loaded tables, and how tables are joined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from scout_dbt.planning.tables import RecordKind, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from scout_dbt.planning.tables import Model

REF = re.compile(r"ref\('(\w+)'\)")
RENAMED = re.compile(r'^ +"?(\w+)"?(?: as (\w+))?,?$', re.MULTILINE)
STREAM = re.compile(r"from \{\{ source\('\w+', '(\w+)'\) \}\}")
FOLDERS = ("staging", "relations")
REFERENCES = {
    RecordKind.CASE: (("commcare_owners", ("owner_id",)),),
    RecordKind.FORM: (
        ("stg_commcare__users", ("user_id",)),
        ("stg_commcare__applications", ("app_id",)),
    ),
    RecordKind.VISIT: (
        ("stg_connect__visits", ("visit_id",)),
        ("stg_connect__opportunities", ("opportunity_id",)),
        ("stg_connect__users", ("opportunity_id", "username")),
    ),
}
"""Of the tables of records: the other table, and the columns that both have."""
CASES = "stg_commcare__cases"
DOMAIN = "domain"


@dataclass(frozen=True, kw_only=True)
class ProjectDocs:
    """What the files of the project say about the tables of one source."""

    streams: Mapping[str, str]
    """The description of each stream."""
    columns: Mapping[str, Mapping[str, str]]
    """The description of each column of a stream, by the name that it has there."""
    references: tuple[Reference, ...]
    """Those that data tests check."""


def read(models: Path, source_type: str) -> ProjectDocs:
    """Return what the project's files say about the tables of a source.

    Args:
        models: The folder of the project's models.
        source_type: ``commcare`` or ``connect``.
    """
    streams: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    references: list[Reference] = []
    for file in sorted(file for name in FOLDERS for file in (models / name).rglob("*.yml")):
        content = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for source in content.get("sources", ()):
            if source["name"] == source_type:
                streams |= {each["name"]: each["description"] for each in source["tables"]}
                for each in source["tables"]:
                    columns.setdefault(each["name"], {}).update(_described(each))
        for model in content.get("models", ()):
            for test in model.get("data_tests", ()):
                references += _tested(model["name"], test)
            sql = file.parent / f"{model['name']}.sql"
            if model["name"].startswith(f"stg_{source_type}__") and sql.is_file():
                for stream, found in _stream_columns(sql.read_text("utf-8"), model):
                    columns.setdefault(stream, {}).update(found)
    return ProjectDocs(streams=streams, columns=columns, references=tuple(references))


def _described(table: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("description", "") for each in table.get("columns", ())}


def _stream_columns(sql: str, model: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the descriptions of a stream's columns: those of the model that renames them."""
    described = _described(model)
    stream = STREAM.search(sql)
    named = ((column, alias or column) for column, alias in RENAMED.findall(sql))
    if stream:
        yield stream[1], {column: described[name] for column, name in named if described.get(name)}


def _tested(table: str, test: Any) -> Iterator[Reference]:
    if not isinstance(test, dict) or "relationships_together" not in test:
        return
    arguments = test["relationships_together"]["arguments"]
    if found := REF.search(arguments["to"]):
        yield Reference(
            table=table,
            columns=tuple(arguments["columns"]),
            to_table=found[1],
            to_columns=tuple(arguments.get("to_columns") or arguments["columns"]),
        )


def model_references(models: Iterable[Model]) -> Iterator[Reference]:
    """Yield the references of generated tables: to their main table, to cases, users and so on."""
    models = list(models)
    names = {model.table.key: model.table.name for model in models}
    for model in models:
        table = model.table
        domain = tuple(key for key in model.keys if key == DOMAIN)
        if table.is_secondary:
            if main := names.get(table.main_table_key):
                # The id comes last.
                ids = (key for key in model.keys if key not in (DOMAIN, *table.position_columns))
                yield _reference(table.name, (*domain, *ids), main)
            continue
        for target, columns in REFERENCES[table.record_kind]:
            yield _reference(table.name, (*domain, *columns), target)
        for index in table.indices:
            yield Reference(
                table=table.name,
                columns=(*domain, index.name),
                to_table=CASES,
                to_columns=(*domain, "case_id"),
            )


def _reference(table: str, columns: tuple[str, ...], to_table: str) -> Reference:
    return Reference(table=table, columns=columns, to_table=to_table, to_columns=columns)
