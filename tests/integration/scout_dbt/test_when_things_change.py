"""What happens to generated tables when answers, questions, case types and models change.

The tests share their data, which begins with that of test_values: each looks only at its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from textwrap import dedent

import psycopg2
import pytest
from psycopg2 import sql
from scout_dbt.planning.naming import RESERVED_WORDS

CASE = "SELECT case_id FROM case_pregnancy ORDER BY 1 LIMIT 1"


COLUMNS = (
    "SELECT attname::text FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
    " AND attrelid = 'form_mothers_register_mother'::regclass"
)
BIRTHS = "SELECT form_id, stillbirths::text FROM births ORDER BY 1"
VIEW_OF_BIRTHS = """
    CREATE VIEW births AS
    SELECT form_id, history_previous_stillbirths AS stillbirths FROM form_mothers_register_mother;
    COMMENT ON COLUMN births.stillbirths IS 'mine';
    CREATE VIEW births_of_workers AS
    SELECT username, stillbirths FROM births JOIN forms USING (form_id)
"""
ADD_CASE = """
    INSERT INTO cases (case_id, domain, case_type, indexed_on, properties, indices)
    VALUES (%s, 'river-health', %s, now(), '{"n": "1"}', '{}')
"""


def built(loaded, *more: str) -> str:
    done = loaded.build(*more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def reading(loaded) -> Iterator[None]:
    """Read views and a table in a transaction that stays open."""
    with closing(psycopg2.connect(loaded.url)) as opened, opened.cursor() as cursor:
        cursor.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(loaded.place.schema)))
        for name in ("stg_commcare__cases", "commcare_case_links", "case_visit"):
            cursor.execute(f"SELECT count(*) FROM {name}")
        yield


def test_an_unchanged_dataset_is_not_built_again(loaded):
    built(loaded)

    assert built(loaded).startswith("Nothing changed since the last build")


@pytest.fixture(scope="module")
def changed(loaded):
    """Everything that can change between two builds, changed before one build."""
    built(loaded)
    [(case_id,)] = loaded.ask(CASE)
    merge = "UPDATE cases SET properties = properties || %s WHERE case_id = %s"
    broken = {"gravida": "a few", "edd": "2026-02-30", "Brand-new": "yes"}
    loaded.ask("CREATE VIEW mine AS SELECT case_id, gravida FROM case_pregnancy")
    loaded.ask(VIEW_OF_BIRTHS)
    loaded.ask("CREATE VIEW case_summary AS SELECT 1 / 0 AS never FROM cases WHERE 1 / 0 = 1")
    rows = {"mine": loaded.ask("SELECT count(*) FROM mine"), "births": loaded.ask(BIRTHS)}
    rows["referral"] = loaded.ask("SELECT count(*) FROM case_referral")
    rows["columns"] = {name for (name,) in loaded.ask(COLUMNS)}
    [(form_id,)] = loaded.ask("SELECT form_id FROM form_mothers_delivery__babies LIMIT 1")

    loaded.ask(merge, json.dumps(broken), case_id)
    for case_type in ("home visit", "Home-Visit", "summary"):
        loaded.ask(ADD_CASE, f"slug {case_type}", case_type)
    loaded.ask("UPDATE cases SET case_type = 'transfer' WHERE case_type = 'referral'")
    loaded.ask("DELETE FROM form_questions WHERE path = '/data/age'")
    loaded.ask("UPDATE form_questions SET type = 'Text' WHERE path ~ '/stillbirths$'")
    loaded.ask(
        "INSERT INTO form_questions (app_id, xmlns, path, domain, position, type, tag, label)"
        " SELECT app_id, xmlns, '/data/AGE', domain, 0, 'Int', 'input', 'Age {{ again }}'"
        " FROM form_questions WHERE path = '/data/edd' LIMIT 1"
    )
    loaded.ask("DELETE FROM forms WHERE form_id = %s", form_id)
    with reading(loaded):
        said = built(loaded)
    yield {**rows, "case_id": case_id, "form_id": form_id, "said": said}
    loaded.ask("DROP VIEW mine, births_of_workers, births, case_summary")


def test_only_tables_of_what_changed_are_built(loaded, changed):
    assert "case_pregnancy" in changed["said"]
    assert "case_household" not in changed["said"]
    assert "form_mothers_visit" not in changed["said"]
    assert "stg_commcare__case_types" not in changed["said"]


def test_a_broken_answer_becomes_null_is_kept_and_counted(loaded, changed):
    [(gravida, edd, kept)] = loaded.ask(
        "SELECT gravida, edd, _scout_unreadable FROM case_pregnancy WHERE case_id = %s",
        changed["case_id"],
    )
    assert (gravida, edd) == (None, None)
    assert kept == {"gravida": "a few", "edd": "2026-02-30"}
    assert loaded.ask(
        "SELECT column_name, unreadable FROM _scout_catalog WHERE table_name = 'case_pregnancy'"
        " AND unreadable > 0 ORDER BY 1"
    ) == [("edd", 1), ("gravida", 1)]


def test_views_and_grants_on_a_generated_table_survive_a_new_column(loaded, changed):
    assert loaded.ask(
        "SELECT brand_new FROM case_pregnancy WHERE case_id = %s", changed["case_id"]
    ) == [("yes",)]
    assert loaded.ask("SELECT count(*) FROM mine") == changed["mine"]
    reader = loaded.place.reader
    assert loaded.ask("SELECT count(*) FROM case_pregnancy", role=reader) == changed["mine"]


def test_views_on_a_column_whose_type_changed_are_created_again_with_comments_and_values(
    loaded, changed
):
    assert [value for _, value in changed["births"] if value]
    assert loaded.ask(BIRTHS) == changed["births"]
    assert loaded.ask(
        "SELECT pg_typeof(stillbirths)::text, col_description('births'::regclass, 2)"
        " FROM births_of_workers LIMIT 1"
    ) == [("text", "mine")]


def test_a_view_of_a_user_keeps_its_name_and_is_listed_even_if_it_cannot_be_read(loaded, changed):
    assert loaded.ask(
        "SELECT kind, row_count FROM _scout_catalog WHERE table_name = 'case_summary'"
        " AND position = 0"
    ) == [("view", None)]
    names = "SELECT name FROM _scout_models WHERE definition ->> 'scope' = 'summary'"
    [(name,)] = loaded.ask(names)
    assert name.startswith("case_summary_")
    assert loaded.ask(f"SELECT case_id FROM {name}") == [("slug summary",)]


def test_a_renamed_case_type_moves_its_rows_to_a_table_of_its_new_name(loaded, changed):
    assert changed["referral"] != [(0,)]
    assert loaded.ask("SELECT count(*) FROM case_transfer") == changed["referral"]
    assert loaded.ask("SELECT count(*) FROM case_referral") == [(0,)]


def test_a_removed_question_keeps_its_column_and_an_added_one_renames_nothing(loaded, changed):
    after = {name for (name,) in loaded.ask(COLUMNS)}
    assert changed["columns"] < after
    assert {name[:4] for name in after - changed["columns"]} == {"age_"}
    assert loaded.ask("SELECT count(age) > 0 FROM form_mothers_register_mother") == [(True,)]


def test_rows_removed_from_a_stream_are_removed_from_its_tables(loaded, changed):
    for table in ("form_mothers_delivery", "form_mothers_delivery__babies"):
        assert loaded.ask(f"SELECT FROM {table} WHERE form_id = %s", changed["form_id"]) == []


def test_two_case_types_with_one_slug_have_a_table_each_and_keep_it_when_streams_go(
    loaded, changed
):
    names = "SELECT definition ->> 'scope', name FROM _scout_models WHERE name ~ '^case_home_visit'"
    first = dict(loaded.ask(names))
    assert set(first) == {"home visit", "Home-Visit"}
    assert len(set(first.values())) == 2
    for case_type, name in first.items():
        assert loaded.ask(f'SELECT case_id, n FROM "{name}"') == [(f"slug {case_type}", "1")]

    loaded.ask(ADD_CASE, "slug 3", "HOME VISIT")
    loaded.ask("DROP VIEW commcare_owners, stg_commcare__locations, stg_commcare__groups")
    for stream in ("locations", "groups"):
        loaded.ask(f"DROP TABLE {stream}")
    said = built(loaded)

    assert "ERROR=0" in said
    assert loaded.ask("SELECT count(*) > 0 FROM commcare_owners") == [(True,)]
    assert dict(loaded.ask(names)).items() >= first.items()
    assert len(loaded.ask(names)) == 3


def test_comments_name_the_question_its_label_and_its_options(loaded):
    comments = dict(
        loaded.ask(
            "SELECT attname::text, col_description(attrelid, attnum) FROM pg_attribute"
            " WHERE attrelid = 'form_mothers_register_mother'::regclass AND attnum > 0"
        )
    )

    assert comments["danger_signs"] == (
        "danger signs. Options: fever = Fever; bleeding = Bleeding; swelling = Swelling. "
        "From: question /data/danger_signs (MSelect), form CHW App > Mothers > Register Mother, "
        "domain river-health, CommCare"
    )
    assert comments["form_id"] == "Id of the submission"


def test_columns_of_streams_are_described_like_those_of_their_staging_models(loaded):
    described = loaded.ask(
        "SELECT relname::text, attname::text, col_description(c.oid, attnum)"
        " FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0"
        " WHERE relnamespace = current_schema()::regnamespace AND relname IN ('cases', 'forms')"
    )

    comments = {(table, column): text for table, column, text in described}
    assert comments["cases", "case_id"] == "Id of the case."
    assert comments["forms", "time_start"] == "When the form was opened, by the device's clock."


def test_every_word_that_postgres_reserves_gets_another_name(loaded):
    """Asks the server for its words, and whether each of the others needs no quotes."""
    words = "SELECT word, catcode IN ('R', 'T') FROM pg_get_keywords()"
    reserved = {word for word, is_reserved in loaded.ask(words) if is_reserved}
    others = {word for word, is_reserved in loaded.ask(words) if not is_reserved}

    assert reserved <= RESERVED_WORDS
    columns = ", ".join(f'1 AS "{word}"' for word in sorted(others - RESERVED_WORDS))
    names = ", ".join(f"t.{word}, {word}" for word in sorted(others - RESERVED_WORDS))
    loaded.ask(f"SELECT {names} FROM (SELECT {columns}) AS t ORDER BY 1")


def test_the_data_dictionary_lists_tables_columns_keys_and_rows(loaded):
    [(rows,)] = loaded.ask("SELECT count(*) FROM form_mothers_delivery__babies")
    assert loaded.ask(
        "SELECT kind, row_count FROM _scout_catalog"
        " WHERE table_name = 'form_mothers_delivery__babies' AND position = 0"
    ) == [("model", rows)]
    assert loaded.ask(
        "SELECT count(*) FROM _scout_catalog AS of_view JOIN _scout_catalog AS of_table"
        " USING (position, updated_at, row_count) WHERE position = 0"
        " AND of_view.table_name = 'stg_commcare__cases' AND of_table.table_name = 'cases'"
    ) == [(1,)]
    keys = loaded.ask(
        "SELECT column_name FROM _scout_catalog"
        " WHERE table_name = 'form_mothers_delivery__babies' AND is_key ORDER BY 1"
    )
    assert keys == [("form_id",), ("position_1",)]
    assert loaded.ask(
        "SELECT refers_to FROM _scout_catalog"
        " WHERE table_name = 'form_mothers_delivery__babies' AND column_name = 'form_id'"
    ) == [("form_mothers_delivery.form_id",)]


def test_a_model_that_reads_another_owners_schema_fails_and_the_others_are_built(
    loaded, connection
):
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA secrets_of_others")
        cursor.execute("CREATE TABLE secrets_of_others.salaries AS SELECT 1 AS salary")
    custom = loaded.project / "models/custom"
    (custom / "nosy.sql").write_text("select * from secrets_of_others.salaries")
    (custom / "greedy.sql").write_text(
        "{{ config(schema='secrets_of_others', materialized='table') }} select 1 as one"
    )
    try:
        done = loaded.build()

        assert done.returncode == 1
        assert "Reason of model nosy: permission denied for schema secrets_of_others" in done.stdout
        assert loaded.ask("SELECT one FROM greedy") == [(1,)]
        assert loaded.ask("SELECT count(*) > 0 FROM cases", role=loaded.place.reader) == [(True,)]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_class"
                " WHERE relnamespace = 'secrets_of_others'::regnamespace"
            )
            assert cursor.fetchone() == (1,)
    finally:
        (custom / "nosy.sql").unlink()
        (custom / "greedy.sql").unlink()
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA secrets_of_others CASCADE")


SUMMARY = "{{ config(materialized='table') }} select count(*) as n from {{ ref('%s') }}"
COMMENT = "SELECT coalesce(obj_description('river_summary'::regclass), '')"


def test_a_model_is_skipped_without_its_table_marked_and_built_when_the_table_comes(loaded):
    custom = loaded.project / "models/custom"
    files = {
        "river_summary.sql": SUMMARY % "case_later",
        "river_view.sql": "select * from {{ ref('river_summary') }}",
        "river_owners.sql": "{% set t = 'stg_commcare__' ~ 'gone' %}select * from {{ ref(t) }}",
        "river.yml": """
            models: [{name: river_summary, columns: [{name: n, data_tests: [not_null]}]}]
            unit_tests: [{name: u, model: river_summary, given: [], expect: {rows: [{n: 1}]}}]
            exposures: [{name: board, type: dashboard, owner: {name: me, email: a@b.c},
                         depends_on: [ref('river_summary')]}]
            """,
    }
    for name, text in files.items():
        (custom / name).write_text(dedent(text))
    try:
        said = built(loaded)
        assert said.count("Skipped 3 models: ") == 1
        assert "river_summary needs case_later, which this dataset does not have" in said
        assert "river_view needs river_summary, which is skipped" in said
        assert "river_owners needs stg_commcare__gone, which this dataset does not have" in said
        assert built(loaded).startswith("Nothing changed")

        loaded.ask(ADD_CASE, "later 1", "later")
        assert "Skipped 1 model: river_owners needs " in built(loaded)
        assert loaded.ask("SELECT n FROM river_view") == [(1,)]

        (custom / "river_summary.sql").write_text(SUMMARY % "case_gone")
        built(loaded)
        [(comment,)] = loaded.ask(COMMENT)
        assert comment.startswith("OUT OF DATE since 20")
        assert "river_summary needs case_gone, which this dataset does not have" in comment
        assert loaded.ask("SELECT n FROM river_summary") == [(1,)]

        (custom / "river_summary.sql").write_text(SUMMARY % "case_later")
        built(loaded)
        assert loaded.ask(COMMENT) == [("",)]
    finally:
        for name in files:
            (custom / name).unlink()
        loaded.ask("DROP VIEW IF EXISTS river_view; DROP TABLE IF EXISTS river_summary")


def test_the_writer_cannot_change_the_comment_that_names_the_owner_of_the_schema(loaded):
    schema = sql.Identifier(loaded.place.schema)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        loaded.ask(sql.SQL("COMMENT ON SCHEMA {} IS 'mine'").format(schema))
