"""The data of the sandbox, as the rows that must be loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

CASE_MOMENTS = ("date_opened", "last_modified", "server_last_modified", "indexed_on", "date_closed")
CASE_TEXTS = ("case_id", "domain", "case_type", "case_name", "external_id", "owner_id")
FORM_MOMENTS = ("received_on", "server_modified_on", "indexed_on", "edited_on")


def moment(text: str | None) -> datetime | None:
    if not text:
        return None
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def without_nul(value: Any) -> Any:
    """Return a JSON value as Postgres can hold it; the target removes and counts these."""
    if isinstance(value, dict):
        return {without_nul(name): without_nul(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nul(inner) for inner in value]
    return value.replace("\0", "") if isinstance(value, str) else value


def cases(records: Iterable[Mapping]) -> dict[str, dict]:
    return {
        record["case_id"]: {
            **{name: record[name] or None for name in CASE_TEXTS},
            **{name: moment(record[name]) for name in CASE_MOMENTS},
            "closed": record["closed"],
            "properties": without_nul(record["properties"]),
            "indices": record["indices"],
        }
        for record in records
    }


def forms(records: Iterable[Mapping]) -> dict[str, dict]:
    return {
        record["id"]: {
            **{name: moment(record.get(name)) for name in FORM_MOMENTS},
            "form_id": record["id"],
            "archived": record["archived"],
            "app_id": record["app_id"] or None,
            "form_data": without_nul(record["form"]),
        }
        for record in records
    }


def like(rows: Iterable[Mapping], wanted: Mapping[str, Mapping], key: str) -> dict[str, dict]:
    """Return the rows by their key, with the columns that are compared."""
    names = next(iter(wanted.values())).keys()
    return {row[key]: {name: row[name] for name in names} for row in rows}


def assert_same(pipeline) -> None:
    """Compare the tables with the sandbox, row by row and column by column."""
    for name, key, expected in (("cases", "case_id", cases), ("forms", "form_id", forms)):
        wanted = expected(pipeline.sandbox.content(name))
        found = like(pipeline.rows(name), wanted, key)
        assert found.keys() == wanted.keys()
        different = [each for each in wanted if wanted[each] != found[each]]
        assert not different, (wanted[different[0]], found[different[0]])
