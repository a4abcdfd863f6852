"""How control reads a dataset after a run: with which role, and whatever its writer did to it."""

from __future__ import annotations

import logging

import pytest
from scout_control.errors import ConflictError, QueryError
from support.servers import EACH_SERVER
from support.workers import wait_until

pytestmark = EACH_SERVER

SEIZE = (
    "CREATE TABLE {schema}.seen (who name, as_whom name, did text)",
    "GRANT ALL ON {schema}.seen TO PUBLIC",
    """
    CREATE FUNCTION {schema}.seize() RETURNS boolean LANGUAGE plpgsql AS $attack$
    DECLARE attempt text;
    BEGIN
        FOREACH attempt IN ARRAY ARRAY[
            'SELECT 1',
            'SELECT count(secrets) FROM scout_control.credentials',
            'SELECT count(*) FROM {other}.things',
            'DELETE FROM {other}.things',
            'UPDATE scout_control.sources SET base_url = ''http://thief''',
            'CREATE FUNCTION scout_control.planted() RETURNS int LANGUAGE sql AS ''SELECT 1''',
            'COPY (SELECT 1) TO PROGRAM ''cat > /dev/null''',
            'ALTER ROLE {writer} CREATEROLE',
            'GRANT {other}_ro TO {writer}',
            'GRANT pg_execute_server_program TO {writer}'
        ] LOOP
            BEGIN
                EXECUTE attempt;
                INSERT INTO {schema}.seen VALUES (session_user, current_user, attempt);
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
        RETURN true;
    END $attack$
    """,
    "CREATE FUNCTION {schema}.seize_of(anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE "
    "AS 'SELECT {schema}.seize()'",
)
LOAD = (
    "SELECT run_id, stream, rows, bytes, started_at, completed_at, version, status "
    "FROM {schema}.kept WHERE {schema}.seize()"
)
KEPT = "ALTER TABLE {schema}._scout_loads RENAME TO kept"
# Replacements for the table of the load log.
LOADS = {
    "view": (KEPT, f"CREATE VIEW {{schema}}._scout_loads AS {LOAD}"),
    "rule": (
        KEPT,
        "CREATE TABLE {schema}._scout_loads (LIKE {schema}.kept)",
        f'CREATE RULE "_RETURN" AS ON SELECT TO {{schema}}._scout_loads DO INSTEAD {LOAD}',
    ),
    "policy": (
        "ALTER TABLE {schema}._scout_loads ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON {schema}._scout_loads USING ({schema}.seize())",
    ),
    "foreign": (KEPT, "CREATE FOREIGN TABLE {schema}._scout_loads (run_id text) SERVER elsewhere"),
    "types": (
        "CREATE TYPE {schema}.name_of AS (name text)",
        "CREATE FUNCTION {schema}.is_same({schema}.name_of, {schema}.name_of) RETURNS boolean "
        "LANGUAGE sql AS 'SELECT {schema}.seize()'",
        "CREATE OPERATOR {schema}.= (LEFTARG = {schema}.name_of, RIGHTARG = {schema}.name_of, "
        "FUNCTION = {schema}.is_same)",
        KEPT,
        "CREATE TABLE {schema}._scout_loads (run_id {schema}.name_of, stream text, rows bigint, "
        "started_at timestamptz, completed_at timestamptz)",
        "INSERT INTO {schema}._scout_loads VALUES (row('x'), 'things', 1, now(), now())",
    ),
}
# What may be named as a stream, so that control wants to know how many rows it has.
STREAMS = {
    "a_view": ("CREATE VIEW {schema}.a_view AS SELECT {schema}.seize()",),
    "a_table": ("CREATE TABLE {schema}.a_table AS SELECT 1 AS one",),
    "a_policy": (
        "CREATE TABLE {schema}.a_policy AS SELECT 1 AS one",
        "ALTER TABLE {schema}.a_policy ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON {schema}.a_policy USING ({schema}.seize())",
    ),
    "partitions": (
        "CREATE TABLE {schema}.partitions (a int) PARTITION BY LIST (a)",
        "CREATE FOREIGN TABLE {schema}.far PARTITION OF {schema}.partitions DEFAULT "
        "SERVER elsewhere",
    ),
    "parent": (
        "CREATE TABLE {schema}.parent AS SELECT 1 AS one",
        "CREATE FOREIGN TABLE {schema}.child () INHERITS ({schema}.parent) SERVER elsewhere",
    ),
    "generated": (
        "CREATE TABLE {schema}.generated (a int DEFAULT {schema}.seize()::int, b boolean "
        "GENERATED ALWAYS AS ({schema}.seize_of(1)) STORED)",
        "CREATE INDEX ON {schema}.generated ({schema}.seize_of(a))",
        "INSERT INTO {schema}.generated VALUES (2)",
        "COMMENT ON TABLE {schema}.generated IS '$(id) {{{{ 1 }}}} \\'",
    ),
    "a_sequence": ("CREATE SEQUENCE {schema}.a_sequence",),
    'odd"; DROP TABLE things; --%s %I \\': (
        'CREATE TABLE {schema}."odd""; DROP TABLE things; --%s %I \\" AS SELECT 1 AS one',
    ),
}
TELL = (
    "INSERT INTO {schema}._scout_loads (run_id, stream, started_at, status) "
    "VALUES ('x', $s$NAME$s$, now(), '')"
)
# A stream that describes the source is kept as JSON, to which types may bring their own casts.
CAST = (
    "CREATE TYPE {schema}.pair AS (a int, b int)",
    "CREATE FUNCTION {schema}.of_pair({schema}.pair) RETURNS json LANGUAGE sql IMMUTABLE "
    "AS $$ SELECT to_json({schema}.seize()) $$",
    "CREATE CAST ({schema}.pair AS json) WITH FUNCTION {schema}.of_pair({schema}.pair)",
    "ALTER TABLE {schema}.things ADD COLUMN odd {schema}.pair",
    "UPDATE {schema}.things SET odd = row(1, 2)",
)


@pytest.fixture(scope="module")
def victim(shared_world):
    owner = shared_world.owner("hill")
    shared_world.ask("CREATE FOREIGN DATA WRAPPER nothing")
    shared_world.ask("CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing")
    shared_world.ask("GRANT USAGE ON FOREIGN SERVER elsewhere TO PUBLIC")
    return owner


@pytest.fixture
def attacker(world, victim):
    """An owner whose first run is still to come."""
    return world.owner("river", is_loaded=False)


@pytest.fixture
def attack(world, attacker, victim):
    """Let the writer execute statements before control reads what it left; return the run."""

    def run_after(*statements):
        before = world.fingerprint()
        words = attacker.names | {"other": victim.schema}
        made = [each.format(**words) for each in (*SEIZE, *statements)]
        world.act_before_reads(attacker.path, *made)
        run = world.scout.run(attacker.path)

        assert seized(world, attacker) == []
        assert world.fingerprint() == before
        assert world.ask(f"SELECT count(*) FROM {victim.schema}.things") == [(3,)]
        return run

    return run_after


def seized(world, owner):
    """Return what a function of the owner's did as another role than one of the owner."""
    own = set(owner.names.values())
    found = world.ask(
        f"SELECT DISTINCT who, as_whom, did FROM {owner.schema}.seen ORDER BY 1, 2, 3"
    )
    return [each for each in found if not {each[0], each[1]} <= own]


@pytest.mark.parametrize("kind", LOADS)
def test_a_replaced_load_log_is_never_evaluated_and_counts_as_unknown(
    world, attacker, attack, caplog, kind
):
    caplog.set_level(logging.WARNING)
    run = attack(*LOADS[kind])
    told = [each for each in caplog.messages if each.startswith("not_read")]
    is_refused = kind == "rule" and world.version >= 16  # then it is an empty table

    assert (run.status, run.rows_loaded) == ("completed", {})
    assert world.scout.datasets.show(attacker.path).row_counts == {}
    assert ("warning" in run.result) is not is_refused
    assert ["_scout_loads" in each for each in told] == ([] if is_refused else [True])


def test_tables_are_counted_and_everything_else_is_unknown(world, attacker, attack):
    extra = [statement for statements in STREAMS.values() for statement in statements]
    run = attack(*extra, *[TELL.replace("NAME", name) for name in STREAMS])

    assert (run.status, run.rows_loaded) == ("completed", {"things": 3})
    assert world.scout.datasets.show(attacker.path).row_counts == {
        "things": 3,
        "a_view": None,
        "a_table": 1,
        "a_policy": None,
        "partitions": None,
        "parent": 1,
        "generated": 1,
        "a_sequence": None,
        'odd"; DROP TABLE things; --%s %I \\': 1,
    }


def test_a_metadata_stream_is_kept_only_from_a_table_of_built_in_types(
    world, attacker, victim, attack
):
    run = attack(*CAST)
    kept = world.scout.datasets.describe(victim.path)["content"]

    assert (run.status, run.rows_loaded) == ("completed", {"things": 3})
    assert [len(rows) for rows in kept.values()] == [3]
    assert "content" not in world.scout.datasets.describe(attacker.path)


def test_a_catalog_that_is_a_view_is_not_read(world, attacker, attack):
    run = attack(
        "DROP TABLE IF EXISTS {schema}._scout_catalog",
        "CREATE VIEW {schema}._scout_catalog AS SELECT 'things' AS table_name, "
        "{schema}.seize()::text AS description",
    )

    assert run.status == "completed"
    with pytest.raises(ConflictError, match="not as it is made"):
        world.scout.models.describe(attacker.path)
    assert seized(world, attacker) == []


def test_a_query_ends_in_time_even_if_a_function_ignores_cancellation(world, victim):
    statement = f"SELECT {victim.schema}.stubborn()"
    with world.session_of(victim.names["writer"]) as cursor:
        cursor.execute(STUBBORN.format(**victim.names))
    with pytest.raises(QueryError):
        world.scout.datasets.query(victim.path, statement, timeout_seconds=1)

    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    wait_until(lambda: world.ask(sessions, victim.names["query"]) == [(0,)])


STUBBORN = """
    CREATE FUNCTION {schema}.stubborn() RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        LOOP
            BEGIN
                PERFORM pg_sleep(600);
            EXCEPTION WHEN query_canceled THEN NULL;
            END;
        END LOOP;
    END $$
"""


def test_the_query_role_can_log_in_only_while_control_connects(world, victim):
    world.scout.datasets.query(victim.path, "SELECT 1")
    roles = [victim.names[kind] for kind in ("query", "reader", "writer")]

    found = world.ask(
        "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", roles
    )
    assert found == [(False, None)] * 3
