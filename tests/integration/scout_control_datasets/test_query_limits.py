"""The size limit of a result applies even to a single value, and to a malicious query."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from scout_control.errors import QueryError, SettingsError
from scout_control.rules.json_values import to_json_value
from support.measuring import run_measured
from support.preloaded import run_scout
from support.workers import environment_of

MANY = "SELECT n, repeat('x', 1000) AS text FROM generate_series(1, 250) AS n ORDER BY n DESC"
EXPORT = """
    SELECT n, NULL AS none, E'a,"b"\\n\\x1b' AS text FROM generate_series(1, 1500) AS n
"""
GIANT = "SELECT n, repeat('x', (CASE n WHEN 3 THEN 3e8 ELSE 1 END)::int) FROM {numbers} AS n"
GIANT = GIANT.format(numbers="generate_series(1, 5)")
MOST_MIB = 300  # with a value of GIANT in memory it is more than twice as much
SHAPES = (
    ("SELECT 1 AS a, 2 AS a, 3 AS total, 4 AS q -- a comment", [(1, 2, 3, 4)]),
    ("VALUES (1, 'x'), (2, NULL);", [(1, "x"), (2, None)]),
    ("TABLE things", [(0, "a"), (1, "a"), (2, "a")]),
    ("WITH a AS (SELECT 1 AS one) SELECT * FROM a", [(1,)]),
    ("SELECT FROM things", [(), (), ()]),
    ("SELECT row(1, 2), NULL, pg_sleep(0)", [("(1,2)", None, "")]),
    ("SELECT '{\"a\": [1]}'::jsonb, ARRAY[1, 2]", [({"a": [1]}, [1, 2])]),
    # What would exhaust the stack or the memory of who reads it stays text.
    ("SELECT (repeat('[', 900) || repeat(']', 900))::jsonb", [("[" * 900 + "]" * 900,)]),
    ("SELECT repeat('9', 5000)::json", [("9" * 5000,)]),
)
# Each expression, and its value in JSON: the text that Postgres writes where JSON has none.
EXACT = {
    "'-infinity'::interval": "-infinity",
    "'1 mon -3 days 04:05:06.000001'::interval": "1 mon -3 days +04:05:06.000001",
    "'24:00'::time": "24:00:00",
    "'10:00'::time": "10:00:00",
    "'24:00+01:30'::timetz": "24:00:00+01:30",
    "'infinity'::date": "infinity",
    "'0044-03-15 BC'::date": "0044-03-15 BC",
    "'12026-01-01'::date": "12026-01-01",
    "'0044-03-15'::date": "0044-03-15",
    "'-infinity'::timestamp": "-infinity",
    "'294276-12-31 23:59:59.999999'::timestamp": "294276-12-31 23:59:59.999999",
    "'infinity'::timestamptz": "infinity",
    "'NaN'::numeric": "NaN",
    "'0.00000001'::numeric": "0.00000001",
    "'1e30'::numeric": "1000000000000000000000000000000",
    "'-0.10'::numeric": "-0.10",
    "'NaN'::float8": "NaN",
    "'-Infinity'::float4": "-Infinity",
    "'-0'::float8": -0.0,
    "1.1::float4": 1.1,
    "9223372036854775807": 9223372036854775807,
    "'12.5'::money::numeric": "12.50",
    "'[1,5)'::int4range": "[1,5)",
    "'[2026-01-01,infinity]'::daterange": "[2026-01-01,infinity]",
    "'{[1,2),[4,5)}'::int4multirange": "{[1,2),[4,5)}",
    "ARRAY['[1,2)'::int4range, NULL]": ["[1,2)", None],
    "ARRAY['-infinity'::interval, '1 year']": ["-infinity", "1 year"],
    "ARRAY['infinity'::date, '2026-01-01']": ["infinity", "2026-01-01"],
    "ARRAY['NaN'::numeric, 1.50]": ["NaN", "1.50"],
    "ARRAY['NaN'::float8, '-0']": ["NaN", -0.0],
    "ARRAY[['24:00'::time]]": [["24:00:00"]],
    "'[0:1]={1,2}'::int[]": "[0:1]={1,2}",
    "'{}'::int[]": [],
    "row(1, NULL, 'a,b', row('x'))": '(1,,"a,b","(x)")',
    "ARRAY[row(1, NULL)]": ["(1,)"],
    "'\\x00ff'::bytea": "\\x00ff",
    "ARRAY['\\x00ff'::bytea]": ["\\x00ff"],
    "'::ffff:1.2.3.4'::inet": "::ffff:1.2.3.4",
    "'10.0.0.1/8'::inet": "10.0.0.1/8",
    "'10.0.0.0/8'::cidr": "10.0.0.0/8",
    "'08:00:2b:01:02:03'::macaddr": "08:00:2b:01:02:03",
    "'x'::\"char\"": "x",
    "B'101'": "101",
    "point '(1,2)'": "(1,2)",
    "'a1b2c3d4-0000-0000-0000-000000000001'::uuid": "a1b2c3d4-0000-0000-0000-000000000001",
    "to_tsvector('simple', 'b a')": "'a':2 'b':1",
    "'pg_class'::regclass": "pg_class",
    "'1e400'::json": "1e400",
    "'0.1234567890123456789'::jsonb": "0.1234567890123456789",
    "'[1.5, 2, -0.0]'::json": [1.5, 2, -0.0],
    "'-0'::json": "-0",
    '\'{"a": 1, "a": 2}\'::json': '{"a": 1, "a": 2}',
    "'\"\\ud800\"'::json": '"\\ud800"',
    "'\"a\\u0000b\"'::json": '"a\\u0000b"',
    "'\"\\ud83d\\ude00\"'::json": "😀",
    "'18446744073709551617'::jsonb": 18446744073709551617,
    "ARRAY['1e400'::json]": ["1e400"],
    "NULL::interval": None,
}
# Out of the parentheses, into a second statement, past the transaction that only reads.
ESCAPES = (
    "SELECT 1) AS q; SET statement_timeout TO 0; SELECT (2",
    "SELECT 1; SELECT 2",
    "SELECT 1) AS q(c0) OFFSET 0) AS q) AS q UNION ALL SELECT 0, repeat('x', 300000000)"
    " FROM (SELECT (SELECT (SELECT 1",
    "SELECT 1) AS z, (SELECT repeat('x', 300000000)",
    "SELECT 1 /*",
    "SELECT 1) --",
    "COMMIT",
    "CREATE TABLE made AS SELECT 1",
    "EXPLAIN SELECT 1; SELECT 2",
    "EXPLAIN SELECT 1) AS q; SELECT pg_catalog.set_config('scout.plan', 'x', false); SELECT (1",
    "EXPLAIN (ANALYZE) DELETE FROM things",
    "EXPLAIN (ANALYZE) CREATE TABLE made AS SELECT 1",
    "EXPLAIN (NONSENSE) SELECT 1",
    "EXPLAIN",
    "EXPLAIN ANALYZE COMMIT",
)
PLANS = (
    ("EXPLAIN SELECT * FROM things", "Seq Scan on things"),
    ("explain analyze select 1;", "actual time"),
    ("-- why?\n/* so */ EXPLAIN (ANALYZE, TIMING off) SELECT 1", "actual rows"),
    ("EXPLAIN (SELECT 1 AS a)", "Result"),
    ("EXPLAIN VERBOSE SELECT 'it''s $$ $scout$'", "it''s $$ $scout$"),
)


@pytest.fixture(scope="module")
def ask(shared_installation):
    dataset = shared_installation.dataset()
    shared_installation.scout.run(dataset)

    def query(statement, **limits):
        return shared_installation.scout.datasets.query(dataset, statement, **limits)

    query.dataset = dataset
    return query


def test_rows_are_cut_before_the_one_that_exceeds_the_limit(ask):
    whole = ask(MANY)
    cut = ask(MANY, max_bytes=10_000)
    by_rows = ask(MANY, max_rows=7)

    assert (len(whole.rows), whole.is_truncated, whole.truncated_by) == (250, False, None)
    assert [row[0] for row in cut.rows] == list(range(250, 241, -1))
    assert (cut.columns, cut.is_truncated, cut.truncated_by) == (["n", "text"], True, "bytes")
    assert (len(by_rows.rows), by_rows.truncated_by) == (7, "rows")
    with pytest.raises(SettingsError, match="--max-bytes"):
        ask(MANY, max_bytes=0)


@pytest.mark.parametrize(("statement", "rows"), SHAPES)
def test_results_and_types_are_unchanged(ask, statement, rows):
    assert ask(statement).rows == rows


def test_every_value_comes_out_exact(shared_installation, ask):
    statement = f"SELECT {', '.join(EXACT)}"
    [row] = ask(statement).rows
    found = dict(zip(EXACT, map(to_json_value, row), strict=True))
    done = run_scout(
        ["query", ask.dataset, statement, "--json"], environment_of(shared_installation.settings)
    )

    assert {k: repr(v) for k, v in found.items()} == {k: repr(v) for k, v in EXACT.items()}
    assert json.loads(done.stdout)["rows"] == [list(EXACT.values())]


@pytest.mark.parametrize("statement", ESCAPES)
def test_a_query_is_one_select(ask, statement):
    with pytest.raises(QueryError):
        ask(statement)


REJECTED = (
    ("SELECT * FROM thing", "Did you mean things? Look which tables it has: scout describe "),
    ("explain select * from thing", "Did you mean things?"),
    ("SELECT nam FROM things", 'column "things.name". Look which columns there are: scout descr'),
    ("SELECT\n name FROM things WHERE", "The fault shows at the end"),
    ("SELECT 1\n+ + FROM things", "Look at line 2, column 5. A query is a single SELECT"),
    ("EXPLAIN SELECT 1\n+ + FROM things", "Look at line 2, column 5. A query is a single"),
    ("DROP TABLE things", "Look at line 1, column 6. A query is a single SELECT that only reads."),
    ("SELECT * FROM pg_authid", "can be read. Name its tables without a schema"),
    ("SELECT nothing(1)", "You might need to add explicit type casts. Look at line 1, column 8."),
    ("SELECT chr(0)", "Correct the statement"),
    ("SELECT $1", "Correct the statement"),
    (f"SELECT {', '.join(['1'] * 1700)}", "Correct the statement"),
    ("SELECT repeat('x', 1000000000)", "build smaller values"),
    ("SELECT (SELECT n FROM generate_series(1, 2) AS n)", "Correct the statement"),
)


@pytest.mark.parametrize(("statement", "remedy"), REJECTED)
def test_a_rejected_query_has_the_remedy_that_fits(ask, statement, remedy):
    with pytest.raises(QueryError) as rejected:
        ask(statement)

    assert remedy in rejected.value.remedy


@pytest.mark.parametrize(("statement", "part"), PLANS)
def test_a_plan_is_shown(ask, statement, part):
    plan = ask(statement)

    assert (plan.columns, plan.types, plan.truncated_by) == (["QUERY PLAN"], ["text"], None)
    assert part in "\n".join(line for (line,) in plan.rows)


def test_a_plan_is_cut_by_the_server(ask):
    giant = "EXPLAIN SELECT 1 FROM things WHERE name = repeat('x', 1000000)"
    cut = ask(giant, max_bytes=10_000)

    assert (cut.truncated_by, sum(len(line) for (line,) in cut.rows) <= 10_000) == ("bytes", True)
    assert len(ask(giant).rows) == 2
    assert ask(giant, max_rows=1).truncated_by == "rows"


def test_types_are_named_as_postgres_writes_them(ask):
    typed = ask("SELECT 1::numeric(10,2), now(), ARRAY[1], 'x'::varchar(3), id, name FROM things")

    assert typed.types[:4] == [
        "numeric(10,2)",
        "timestamp with time zone",
        "integer[]",
        "character varying(3)",
    ]
    assert len(typed.types) == len(typed.columns)
    assert ask("SELECT FROM things").types == []


def test_csv_holds_all_rows_of_a_statement_from_stdin(shared_installation, ask):
    environment = environment_of(shared_installation.settings)
    done = run_scout(["query", ask.dataset, "--csv"], environment, given=EXPORT)
    rows = list(csv.reader(io.StringIO(done.stdout)))

    assert (done.returncode, done.stderr) == (0, "")
    assert rows[:2] == [["n", "none", "text"], ["1", "", 'a,"b"\n\x1b']]
    assert len(rows) == 1501


def test_a_value_beyond_the_limit_is_never_sent(shared_installation, ask, tmp_path):
    command = [sys.executable, "-m", "scout_control", "query", ask.dataset, GIANT, "--json"]
    environment = environment_of(shared_installation.settings)

    done, peak = run_measured(command, tmp_path, env=environment, stdout=subprocess.PIPE)

    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["rows"] == [[1, "x"], [2, "x"]]
    assert (said["truncated"], said["truncated_by"]) == (True, "bytes")
    assert peak < MOST_MIB * 1024


def test_a_cut_result_is_reported(shared_installation, ask):
    words = ["query", ask.dataset, MANY, "--max-bytes", "5000"]
    done = run_scout(words, environment_of(shared_installation.settings))

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 5)
    assert "cut at 5000 bytes; see --max-bytes" in done.stderr
