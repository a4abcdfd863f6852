"""The metadata stored between builds, as read by the data dictionary and the next build."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from scout_dbt.dataset import build_metadata, data_dictionary
from scout_dbt.dataset.build_metadata import BuiltModel
from scout_dbt.planning import table_plan
from scout_dbt.planning.form_tables import FormType
from scout_dbt.planning.table_plan import AssignedNames
from scout_dbt.planning.tables import Model, Question

FORM = FormType(
    xmlns="http://x/f",
    preferred_name="f",
    title="F",
    questions=[
        Question(path=("where",), type="GPS"),
        Question(path=("rep",), tag="repeat"),
        Question(path=("rep", "on"), type="Date"),
    ],
)


def plan(form=FORM, assigned=None):
    return table_plan.plan([], [form], assigned or AssignedNames())


def stored(table):
    """Return a table as it comes back from ``_scout_models``."""
    definition = json.loads(json.dumps(table.definition()))
    return BuiltModel(
        key=table.key,
        name=table.name,
        fingerprint="",
        watermark=1,
        rows=1,
        definition=definition,
    )


def test_names_come_back_as_they_were_given_also_of_gps_numbers():
    before = plan()
    assigned = build_metadata.assigned_names({table.key: stored(table) for table in before})
    rival = Question(path=("Where",), type="Text")
    questions = [rival, *FORM.questions]

    after = plan(replace(FORM, preferred_name="renamed", questions=questions), assigned)

    assert [table.name for table in after] == [table.name for table in before]
    names = {column.key: column for column in after[0].columns}
    assert names["where"].gps_columns == before[0].columns[0].gps_columns
    assert names["where"].gps_columns[0] == "where_latitude"
    assert names["Where"].name not in {"where", *names["where"].gps_columns}


def test_the_stored_definition_has_the_keys_of_earlier_releases():
    [main, _] = plan()

    definition = main.definition()
    assert set(definition) == {
        *("name", "kind", "scope", "repeats", "part", "columns", "comment", "indices")
    }
    assert set(definition["columns"][0]) == {
        *("key", "name", "path", "answer", "comment", "widest", "parts", "is_tree")
    }
    assert json.loads(main.key) == ["form", "http://x/f", [], 0]


def test_every_column_of_a_generated_table_has_a_comment():
    [main, entries] = (Model(table=table, sql="", keys=()) for table in plan())

    comments = dict(data_dictionary.column_comments(main))
    assert comments["where_latitude"].startswith("Latitude: where. From: question /data/where")
    assert {"form_id", "received_at", "_scout_unreadable", "where_"} <= set(comments)
    of_entries = dict(data_dictionary.column_comments(entries))
    assert of_entries["position_1"] == "Position in the repeat group /data/rep, from 1"
    assert "received_at" not in of_entries


def test_rows_of_the_data_dictionary_become_tables_with_columns():
    moment = datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3)))
    columns = ("text", False, True, None, "Id", 0)
    rows = [
        ("cases", None, "table", None, None, None, None, "Cases", None, 7, moment),
        ("cases", "case_id", "table", *columns, None, None),
    ]

    [table] = data_dictionary.tables(rows)

    assert table["updated_at"] == "2026-01-01T00:00:00Z"
    assert (table["table"], table["rows"], table["description"]) == ("cases", 7, "Cases")
    assert table["columns"] == [
        {
            "name": "case_id",
            **dict(zip(data_dictionary.COLUMN_FIELDS, columns, strict=True)),
        }
    ]
    [never_loaded] = data_dictionary.tables([(*rows[0][:-1], None)])
    assert never_loaded["updated_at"] is None
