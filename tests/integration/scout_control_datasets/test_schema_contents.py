"""Reading a dataset schema whose writer may have replaced anything: within limits and in time."""

from __future__ import annotations

import json
import time
from contextlib import closing

import psycopg
import psycopg2
import pytest
from psycopg2 import sql
from scout_control.datasets import schema_contents, unseen_paths
from scout_control.datasets.provision import provision
from scout_control.datasets.query_role import connect_as_query_role, time_limit
from scout_control.datasets.schema_contents import SchemaContents
from scout_control.rules.naming import DatasetIdentity, OwnerKind, query_role
from target_scout_postgres.singer import column_rules

LOADS = """
    CREATE TABLE _scout_loads (run_id text, stream text, rows bigint, bytes bigint,
        started_at timestamptz, completed_at timestamptz, version bigint, status text)
"""
TELL = "INSERT INTO _scout_loads (run_id, stream, rows, started_at) VALUES "
# Replacements of the load log that count as unknown.
ODD = {
    "barrier": "CREATE VIEW _scout_loads WITH (security_barrier) AS SELECT 'x' AS run_id",
    "materialized": "CREATE MATERIALIZED VIEW _scout_loads AS SELECT 'x' AS run_id",
    "domain": "CREATE DOMAIN odd AS text; " + LOADS.replace("stream text", "stream odd"),
    "array": LOADS.replace("rows bigint", "rows bigint[]"),
    "char": LOADS.replace("run_id text", "run_id varchar"),
    "less": "CREATE TABLE _scout_loads (run_id text)",
    "forced": LOADS
    + "; ALTER TABLE _scout_loads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "sequence": "CREATE SEQUENCE _scout_loads",
    "index": "CREATE TABLE t (a int); CREATE INDEX _scout_loads ON t (a)",
    "type": "CREATE TYPE _scout_loads AS (run_id text)",
    "infinite": LOADS + ";" + TELL + "('r', 'a', 1, '-infinity')",
}
DOCUMENTS = (
    "SELECT (repeat('[', 3000) || repeat(']', 3000))::json AS d",
    "SELECT (repeat('[', 60) || repeat(']', 60))::jsonb AS d",
    "SELECT ('[' || repeat('9', 10000) || ']')::jsonb AS d",
    "SELECT repeat('x', 9000000) AS d FROM generate_series(1, 2)",
)


@pytest.fixture
def provisioned(postgres, connection):
    dataset = DatasetIdentity(
        owner_kind=OwnerKind.PROJECT,
        owner_id="p1",
        project_id="p1",
        source_id="s1",
        source_type="commcare",
    )
    made = provision(postgres, dataset)
    yield made
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(made.schema)))
        for role in (query_role(made.schema), made.reader, made.writer):
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
            if cursor.fetchone() is not None:
                cursor.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def write(postgres, provisioned):
    """Execute statements as the writer."""
    with closing(psycopg2.connect(provisioned.url(postgres))) as opened:
        opened.autocommit = True
        yield opened.cursor().execute


@pytest.fixture
def contents(postgres, provisioned):
    with closing(connect_as_query_role(postgres, provisioned.schema)) as reader:
        yield SchemaContents(reader, provisioned.schema)


def test_before_the_first_commit_the_contents_are_known_to_be_empty(contents):
    assert (contents.loads_of(["r"]), contents.counts(), contents.count("x")) == ([], {}, None)


def test_only_the_commits_of_the_given_runs_are_read(contents, write):
    write(LOADS)
    write(f"{TELL} ('r', 'a', 1, now()), ('s', 'a', 2, now()), ('t', 'b', 4, now())")
    write("CREATE TABLE a AS SELECT 1 AS t")
    found = contents.loads_of(["r", "s"])

    assert [(load.stream, load.rows) for load in found] == [("a", 1), ("a", 2)]
    assert contents.counts() == {"a": 1}
    assert contents.documents(["a", "b"]) == {"a": [{"t": 1}]}


@pytest.mark.parametrize("kind", ODD)
def test_a_load_log_of_another_shape_is_unknown(contents, write, kind, caplog):
    write(ODD[kind])
    found = contents.loads_of(["r"])

    if kind in {"index", "type"}:
        assert found in ([], None)
    elif kind != "infinite":  # of which some versions of Postgres know how long ago that is
        assert (found, contents.counts()) == (None, None)
        assert len(caplog.messages) == 1


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_beyond_the_limits_are_omitted(contents, write, document):
    write(f"CREATE TABLE a AS {document}")

    assert contents.documents(["a"]) == {}


def test_at_most_the_maximum_number_of_tables_is_read(contents, write, monkeypatch):
    monkeypatch.setattr(schema_contents, "MAX_TABLES", 3)
    write(LOADS)
    for number in range(5):
        write(f"{TELL} ('r', 'a{number}', 1, now()); CREATE TABLE a{number} ()")
    write(f"{TELL} ('r', repeat('x', 100000), 1, now())")

    assert len(contents.loads_of(["r"])) == 3
    assert contents.counts() == {"a0": 0, "a1": 0, "a2": 0}


def test_reading_ends_in_time_and_the_rest_is_unknown(contents, write, monkeypatch):
    write(LOADS)
    write(f"{TELL} ('r', 'a', 1, now()); CREATE TABLE a ()")
    contents._until = time.monotonic()

    assert (contents.loads_of(["r"]), contents.counts(), contents.count("a")) == (None, None, None)


def test_what_is_read_over_a_terminated_session_is_unknown(contents, write, postgres, provisioned):
    write(LOADS)
    with time_limit(contents._reader, postgres, 0.2):
        write("BEGIN; LOCK TABLE _scout_loads")
        found = contents.loads_of(["r"])
        write("ROLLBACK")

    assert found is None


RECORDS = [
    {"id": 1, "name": "a", "properties": {"phone": None, "age": "5", "a.b": 1, "#type": "x"}},
    {"id": 2, "name": None, "properties": {"address": {"street": "x"}, "meta": [{"who": 1}, 2]}},
    {"id": 3, "name": "c", "properties": {'o"dd \\n%': {"": {"(x": 1}}}},
]
# A rule, and whether the loader applies it to one of the records.
SEARCHES = [
    ("name", True),
    ("n?me.**", True),
    ("*hone", False),
    ("**.phone", True),
    ("**.phnoe", False),
    ("properties", True),
    ("properties.phone", True),
    ("properties.phnoe", False),
    ("properties.*phon?", True),
    ("properties.*phnoe*", False),
    ("properties.*", True),
    ("properties.street", False),
    ("properties.**.street", True),
    ("properties.**.*tree?", True),
    ("properties.*.street", True),
    ("properties.address.*.street", False),
    ("properties.address.**", True),
    ("properties.meta.who", True),
    ("properties.meta.w*", True),
    ("properties.m*.w?o", True),
    ("properties.meta.x*", False),
    ("properties.a.b", True),
    ("properties.a.c", False),
    ("properties.#type", True),
    ('properties.*"dd \\n%.*.(x', True),
    ("properties.**.(?", True),
    ("**.(y", False),
]


def test_loaded_rows_have_what_the_loader_would_apply_a_rule_to(contents, write):
    write(LOADS)
    write(f"{TELL} ('r', 'a', 3, now()), ('r', 'none', 0, now()), ('r', 'empty', 1, now())")
    columns = "(id bigint, name text, properties jsonb)"
    write(f"CREATE TABLE a {columns}; CREATE TABLE none {columns}; CREATE TABLE empty {columns}")
    write("INSERT INTO empty VALUES (1)")
    for record in RECORDS:
        write("INSERT INTO a VALUES (%s, %s, %s)", [*map(json.dumps, record.values())])
    rules = [column_rules.Rule(path, is_hash=False) for path, _ in SEARCHES]
    for rule in rules:
        for record in RECORDS:
            column_rules.protect(record, column_rules.root([rule]), str)

    assert {path: contents.has("a", path) for path, _ in SEARCHES} == dict(SEARCHES)
    assert {rule.path: rule.is_used for rule in rules} == dict(SEARCHES)
    assert contents.keys("a", "properties", '$."address"', 9) == {"street"}
    # Of what is in no row, or nothing but null, nothing is known.
    assert [contents.has(each, "properties.x") for each in ("none", "empty", "missing")] == [
        None
    ] * 3
    named = {f"{stream}.x*": (stream, "x*") for stream in ("a", "n*", "e*", "*", "missing")}
    assert unseen_paths.loaded(contents, named) == {"a.x*": False, "e*.x*": False}


def test_a_search_ends_in_time_and_the_rest_is_read(contents, write):
    write(LOADS)
    write(f"{TELL} ('r', 'a', 1, now()); CREATE TABLE a AS SELECT '{{}}'::jsonb AS b")
    contents._search_seconds = 0

    assert (contents.has("a", "b.c"), contents.counts()) == (None, {"a": 1})


def test_a_session_of_the_reader_cannot_write(contents, write, provisioned):
    write("CREATE TABLE a (b int); GRANT ALL ON a TO PUBLIC")
    statement = f"INSERT INTO {provisioned.schema}.a VALUES (1)".encode()

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        contents._reader.execute(statement)
