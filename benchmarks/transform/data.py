"""Generates datasets with SQL, as the target would have loaded them."""

from __future__ import annotations

from contextlib import closing

import psycopg2

SCHEMA = "data_benchmark"
KINDS = (
    *["Text"] * 20,
    *["Int"] * 15,
    *["Date"] * 10,
    *["Double"] * 5,
    *["MSelect"] * 5,
    *["Select"] * 5,
)
ANSWERS = KINDS[::2]  # of a form, beside a repeat group of two questions
VALUES = {
    "Text": "'value ' || (i * {n} % 1000)",
    "Int": "(i * {n} % 97)::text",
    "Date": "(date '2020-01-01' + (i * {n} % 2000))::text",
    "Double": "round((i * {n} % 991) / 7.0, 3)::text",
    "MSelect": "'a b c' || (i * {n} % 7)",
    "Select": "'choice_' || (i * {n} % 5)",
}
NAMES = ("person", "household", "visit", "pregnancy")
TABLES = """
    DROP SCHEMA IF EXISTS {schema} CASCADE;
    CREATE SCHEMA {schema};
    SET search_path TO {schema};
    CREATE TABLE cases (
        case_id text PRIMARY KEY, domain text, case_type text, case_name text, external_id text,
        owner_id text, date_opened timestamptz, last_modified timestamptz,
        server_last_modified timestamptz, indexed_on timestamptz, closed boolean,
        date_closed timestamptz, properties jsonb, indices jsonb);
    CREATE TABLE forms (
        form_id text PRIMARY KEY, domain text, xmlns text, app_id text, build_id text,
        received_on timestamptz, server_modified_on timestamptz, indexed_on timestamptz,
        edited_on timestamptz, archived boolean, user_id text, username text,
        time_start timestamptz, time_end timestamptz, form_data jsonb, metadata jsonb,
        attachments jsonb, case_ids jsonb);
    CREATE TABLE form_definitions (
        app_id text, xmlns text, domain text, app_name text, name text, names jsonb,
        case_type text, uses jsonb, PRIMARY KEY (app_id, xmlns));
    CREATE TABLE form_questions (
        app_id text, xmlns text, path text, domain text, position bigint, type text, tag text,
        label text, translations jsonb, "group" text, repeat text, is_group boolean,
        is_required boolean, relevant text, "constraint" text, setvalue text, comment text,
        hashtag text, options jsonb, data_source jsonb, PRIMARY KEY (app_id, xmlns, path));
"""
CASES = """
    INSERT INTO cases
    SELECT md5(i::text), 'd', (array{names})[1 + i % 4], 'name ' || i, null, md5((i % 100)::text),
           now(), now(), now(), now(), i % 10 = 0, null, {answers}, '{{}}'
      FROM generate_series(1, {count}) AS i
"""
FORMS = """
    INSERT INTO forms
    SELECT md5(i::text), 'd', (array{names})[1 + i % 4], 'a', 'b', now(), now(), now(), null, false,
           md5((i % 100)::text), 'worker', now() - interval '5 minutes', now(),
           {answers} || jsonb_build_object(
               '@name', 'Visit', '#type', 'data',
               'meta', jsonb_build_object('userID', 'u', 'timeEnd', now()),
               'case', jsonb_build_object(
                   '@case_id', md5(i::text), 'update', '{{"a": "b"}}'::jsonb),
               'children', CASE i % 3
                   WHEN 0 THEN 'null'::jsonb
                   WHEN 1 THEN '{{"name": "a", "age": "3"}}'
                   ELSE '[{{"name": "a", "age": "3"}}, {{"name": "b", "age": "4"}}]' END),
           '{{}}', '{{}}', '[]'
      FROM generate_series(1, {count}) AS i
"""
CHANGES = {
    "cases": 'UPDATE cases SET properties = properties || \'{"property_20": "%s"}\'',
    "forms": 'UPDATE forms SET form_data = form_data || \'{"property_20": "%s"}\'',
}


def _answers(kinds: tuple[str, ...]) -> str:
    """Return the SQL of a JSON object with all properties, within Postgres' argument limit."""
    pairs = [f"'property_{at}', {VALUES[kind].format(n=at + 3)}" for at, kind in enumerate(kinds)]
    pieces = [pairs[at : at + 30] for at in range(0, len(pairs), 30)]
    return " || ".join(f"jsonb_build_object({', '.join(piece)})" for piece in pieces)


def fill(url: str, cases: int, forms: int) -> None:
    """Recreate the schema with these numbers of cases and forms."""
    with closing(psycopg2.connect(url)) as opened, opened, opened.cursor() as cursor:
        cursor.execute(TABLES.format(schema=SCHEMA))
        cursor.execute(CASES.format(names=list(NAMES), answers=_answers(KINDS), count=cases))
        cursor.execute(FORMS.format(names=list(NAMES), answers=_answers(ANSWERS), count=forms))
        for name in NAMES:
            cursor.execute(
                "INSERT INTO form_definitions VALUES ('a', %s, 'd', 'A', 'F', '{}', %s, '[]')",
                [name, name],
            )
            cursor.executemany(
                "INSERT INTO form_questions (app_id, xmlns, path, domain, position, type, tag)"
                " VALUES ('a', %s, %s, 'd', %s, %s, 'input')",
                [(name, f"/data/property_{at}", at, kind) for at, kind in enumerate(KINDS)],
            )
    with closing(psycopg2.connect(url)) as opened:
        opened.autocommit = True
        opened.cursor().execute(f"VACUUM ANALYZE {SCHEMA}.cases, {SCHEMA}.forms")


def change(url: str, stream: str, value: int) -> None:
    """Change ten records."""
    key = {"cases": "case_id", "forms": "form_id"}[stream]
    which = f"{key} IN (SELECT md5(i::text) FROM generate_series(1, 10) AS i)"
    options = f"-c search_path={SCHEMA}"
    with closing(psycopg2.connect(url, options=options)) as opened, opened:
        opened.cursor().execute(f"{CHANGES[stream] % value} WHERE {which}")
