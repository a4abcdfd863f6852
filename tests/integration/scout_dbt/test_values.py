"""Every single value of the sandbox is in a typed column, or counted as unreadable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from scout_dbt import generator
from scout_dbt.dataset import documentation
from scout_dbt.dataset.connection import transaction
from scout_dbt.project import yaml_docs

Leaf = tuple[tuple[str, ...], tuple[int, ...], Any]
READ = {
    "integer": int,
    "number": Decimal,
    "date": date.fromisoformat,
    "moment": datetime.fromisoformat,
    "choices": str.split,
}


class Tables:
    """The generated tables of a dataset, by the records from which they are generated."""

    def __init__(self, loaded: Any) -> None:
        self.by_scope: dict[tuple[str, str], list[dict]] = defaultdict(list)
        for name, definition in loaded.ask("SELECT name, definition FROM _scout_models"):
            rows = loaded.ask(f'SELECT to_jsonb(t), t.* FROM "{name}" AS t')
            columns = [
                column
                for (column,) in loaded.ask(
                    "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass"
                    " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                    f'"{name}"',
                )
            ]
            repeats = [tuple(path) for path in definition["repeats"]]
            keyed = {}
            for _, *values in rows:
                row = dict(zip(columns, values, strict=True))
                where = tuple(row[f"position_{number + 1}"] for number in range(len(repeats)))
                keyed[row.get("form_id") or row.get("case_id"), where] = row
            self.by_scope[definition["kind"], definition["scope"]].append(
                {"columns": definition["columns"], "repeats": repeats, "rows": keyed}
            )

    def holds(self, kind: str, scope: str, of: str, leaf: Leaf) -> bool:
        """Return whether a value is in its column, or is recorded as unreadable there."""
        path, positions, value = leaf
        for table in self.by_scope[kind, scope]:
            for column in table["columns"]:
                if column["key"] != "/".join(path):
                    continue
                row = table["rows"].get((of, positions[: len(table["repeats"])]))
                if row is not None and _is_same(row, column, value):
                    return True
        return False


def _is_same(row: dict, column: dict, value: Any) -> bool:
    name, answer = column["name"], column["answer"]
    if answer == "json":
        return row[name] == value
    if (row["_scout_unreadable"] or {}).get(name) == value.strip():
        return row[name] is None or answer == "place"
    if answer == "place":
        numbers = [float(number) for number in value.split()]
        return row[name] == value and [row[part] for part in column["parts"]] == numbers
    return row[name] == READ.get(answer, str)(value)


def leaves(value: Any, repeats: set[tuple[str, ...]]) -> Iterator[Leaf]:
    """Yield every value of a form: its path, its places in the repeats around it, itself."""
    stack: list[tuple[tuple[str, ...], tuple[int, ...], Any]] = [((), (), value)]
    while stack:
        path, where, each = stack.pop()
        if isinstance(each, list):
            stack += [(path, (*where, number), item) for number, item in enumerate(each, 1)]
        elif isinstance(each, dict):
            inside = (
                (*where, 1) if path in repeats and _depth(path, repeats) > len(where) else where
            )
            for key, item in each.items():
                if path == () and key in {"meta", "@xmlns"}:
                    continue  # in stg_commcare__forms
                at = path if key == "#text" else (*path, key)
                if key == "case" and (
                    isinstance(item, list) or {"@case_id", "case_id"} & set(item)
                ):
                    yield at, inside, item
                else:
                    stack.append((at, inside, item))
        elif each is not None and str(each).strip():
            yield path, (*where, 1) if _depth(path, repeats) > len(where) else where, str(each)


def _depth(path: tuple[str, ...], repeats: set[tuple[str, ...]]) -> int:
    return sum(path[:length] in repeats for length in range(1, len(path) + 1))


@pytest.fixture(scope="module")
def tables(loaded):
    return Tables(loaded)


def test_every_answer_of_every_form_is_in_its_column_or_kept_as_unreadable(loaded, tables):
    checked, lost = 0, []
    for form in loaded.sandbox.content("forms"):
        xmlns = form["form"]["@xmlns"]
        of_form = tables.by_scope["form", xmlns]
        repeats = {path for table in of_form for path in table["repeats"]}
        for leaf in leaves(form["form"], repeats):
            checked += 1
            if not tables.holds("form", xmlns, form["id"], leaf):
                lost.append((xmlns, form["id"], leaf))
    assert lost == []
    assert checked > 2000


def test_every_property_of_every_case_is_in_its_column_or_kept_as_unreadable(loaded, tables):
    checked, lost = 0, []
    for case in loaded.sandbox.content("cases"):
        for name, value in case["properties"].items():
            leaf = ((name,), (), (value or "").replace("\x00", ""))
            if leaf[2].strip():
                checked += 1
                if not tables.holds("case", case["case_type"], case["case_id"], leaf):
                    lost.append((case["case_type"], case["case_id"], leaf))
    assert lost == []
    assert checked > 400


def test_every_form_and_case_has_exactly_one_row_in_a_table_of_its_kind(loaded):
    for kind, stream, key in (("case", "cases", "case_id"), ("form", "forms", "form_id")):
        names = [
            name
            for name, repeats, part in loaded.ask(
                "SELECT name, definition -> 'repeats', (definition ->> 'part')::int"
                " FROM _scout_models WHERE definition ->> 'kind' = %s",
                kind,
            )
            if not repeats and not part
        ]
        ids = [row for name in names for row in loaded.ask(f'SELECT {key} FROM "{name}"')]
        assert sorted(ids) == sorted(loaded.ask(f"SELECT {key} FROM {stream}"))


@pytest.fixture(scope="module")
def docs(loaded):
    """What the documentation page shows of the dataset."""
    with transaction(loaded.place.url(loaded.url), loaded.place.schema) as cursor:
        generated = generator.generate(cursor, "commcare")
        of_files = yaml_docs.read(loaded.project / "models", "commcare").references
        references = [*of_files, *yaml_docs.model_references(generated.models)]
        models, streams = generated.models, generated.streams
        return documentation.read(cursor, loaded.place.schema, models, streams, references)


def test_every_join_that_is_shown_can_be_run_and_most_find_rows(loaded, docs):
    texts = {join.text for join in docs.joins}
    assert texts >= {
        "case_pregnancy.parent_case_id = case_household.case_id",
        "form_mothers_delivery__babies.form_id = form_mothers_delivery.form_id",
        "form_mothers_delivery.form_id = stg_commcare__form_cases.form_id, "
        "stg_commcare__form_cases.case_id = case_pregnancy.case_id",
        "form_mothers_delivery.user_id = stg_commcare__users.user_id",
        "case_pregnancy.owner_id = commcare_owners.owner_id",
    }
    found = [bool(loaded.ask(join.sql, role=loaded.place.reader)) for join in docs.joins]
    assert sum(found) > len(found) / 2


def test_forms_and_case_types_are_shown_with_their_questions_rows_and_times(loaded, docs):
    tables = {table.name: table for table in docs.tables}
    [delivery] = [each for each in docs.forms if each.title == "Delivery"]
    assert delivery.group == "CHW App"
    assert set(delivery.tables) == {"form_mothers_delivery", "form_mothers_delivery__babies"}
    columns = {table: {c.name for c in tables[table].columns} for table in delivery.tables}
    assert all(item.column in columns[item.table] and item.text for item in delivery.items)
    assert {"pregnancy", "household"} <= {each.title for each in docs.case_types}
    counted = tables["form_mothers_delivery"]
    assert loaded.ask("SELECT count(*) FROM form_mothers_delivery") == [(counted.rows,)]
    assert counted.updated_at
    assert counted.kind == documentation.GENERATED
    assert (tables["cases"].kind, tables["stg_commcare__cases"].is_view) == ("loaded", True)
