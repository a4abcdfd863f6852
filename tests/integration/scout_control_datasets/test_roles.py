"""The roles of one owner cannot do anything to the data of another, or to control.

Each role tries with its own connection: it is the database that refuses.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2 import errors, sql
from scout_control.rules.naming import login_role, query_role, reader_role, writer_role
from scout_control.rules.statuses import LIVE
from support.logins import login_of
from support.workers import wait_until, worker

READER, PERSON, QUERY, LOGIN, WRITER = "reader", "person", "query", "login", "writer"
SIGNED_IN = "signed in"
# To a role without access to a schema, Postgres says that the table does not exist.
REFUSED = (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.UndefinedTable)
# With {other} and {mine} for schemas, {reader} {writer} {query} for the other owner's roles.
ANYBODY_TRIES = (
    "SELECT * FROM {other}.things",
    "SELECT count(*) FROM {other}._scout_loads",
    "TABLE {other}.things FOR UPDATE",
    "INSERT INTO {other}.things VALUES (99)",
    "UPDATE {other}.things SET name = 'x'",
    "DELETE FROM {other}.things",
    "TRUNCATE {other}.things",
    "COPY {other}.things TO STDOUT",
    "DO $$ BEGIN LOCK TABLE {other}.things; END $$",
    "CREATE TABLE {other}.mine (a int)",
    "CREATE VIEW {other}.mine AS SELECT 1",
    "CREATE FUNCTION {other}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE {other}.things",
    "DROP SCHEMA {other} CASCADE",
    "ALTER SCHEMA {other} RENAME TO stolen",
    "ALTER SCHEMA {other} OWNER TO CURRENT_USER",
    "ALTER TABLE {other}.things ADD COLUMN a int",
    "ALTER TABLE {other}.things OWNER TO CURRENT_USER",
    "COMMENT ON SCHEMA {other} IS 'mine'",
    "COMMENT ON SCHEMA {mine} IS 'of another owner'",
    "GRANT USAGE ON SCHEMA {other} TO CURRENT_USER",
    "CREATE SCHEMA stolen",
    "CREATE TABLE public.stolen (a int)",
    "SET search_path TO {other}; SELECT * FROM things",
    "SELECT last_value FROM pg_sequences, {other}.things",
    "SET ROLE {reader}",
    "SET ROLE {writer}",
    "SET ROLE {query}",
    "SET ROLE {login}",
    "SELECT * FROM {alias}.things",
    "CREATE TABLE {alias}.mine (a int)",
    "CREATE OR REPLACE VIEW {alias}.things AS SELECT 1 AS id, 'x'::text AS name",
    "DROP VIEW {alias}.things CASCADE",
    "DROP SCHEMA {alias} CASCADE",
    "ALTER SCHEMA {alias} RENAME TO stolen",
    "ALTER SCHEMA {alias} OWNER TO CURRENT_USER",
    "CREATE TABLE {own_alias}.mine (a int)",
    "CREATE OR REPLACE VIEW {own_alias}.things AS SELECT 1 AS id, 'x'::text AS name",
    "DROP SCHEMA {own_alias} CASCADE",
    "COMMENT ON SCHEMA {own_alias} IS 'mine'",
    "ALTER ROLE {login} PASSWORD 'known'",
    "SET ROLE {signed_in}",
    "ALTER ROLE {signed_in} PASSWORD 'known'",
    "ALTER ROLE {signed_in} CONNECTION LIMIT 0",
    "COMMENT ON ROLE {signed_in} IS 'mine'",
    "GRANT {signed_in} TO CURRENT_USER",
    "SELECT * FROM scout_control.reader_logins",
    "SELECT * FROM pg_largeobject",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT pg_stat_reset()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_physical_replication_slot('stolen')",
    "SELECT lo_export(1, '/tmp/stolen')",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION {writer}",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('role', 'postgres', false)",
    "GRANT {reader} TO CURRENT_USER",
    "GRANT postgres TO CURRENT_USER",
    "ALTER ROLE {writer} PASSWORD 'known'",
    "ALTER ROLE {writer} SET search_path TO {mine}",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE ROLE stolen LOGIN",
    "DROP ROLE {reader}",
    "DROP OWNED BY {writer}",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY (SELECT 1) TO '/tmp/stolen'",
    "SELECT pg_reload_conf()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' LIMIT 1",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SELECT * FROM scout_control.credentials",
    "SELECT * FROM scout_control.connections",
    "SELECT * FROM scout_control.service_logins",
    "SELECT * FROM scout_control.datasets",
    "SELECT * FROM scout_control.audit_events",
    "SELECT * FROM scout_control.procrastinate_jobs",
    "UPDATE scout_control.datasets SET readers = '{{}}'",
    "DELETE FROM scout_control.runs",
    "CREATE TABLE scout_control.mine (a int)",
    "SELECT scout_control.touch('{other}')",
    "CREATE OR REPLACE FUNCTION scout_control.touch(text) RETURNS boolean LANGUAGE sql AS "
    "'SELECT true'",
    "SET search_path TO scout_control; SELECT procrastinate_fetch_job_v2(ARRAY['runs'], 1)",
)
TRIES_ON_STATE = (
    "SELECT * FROM scout_meltano.state",
    "DELETE FROM scout_meltano.state",
    "UPDATE scout_meltano.state SET completed_state = '{{}}'",
)
READER_TRIES = (
    "INSERT INTO {mine}.things VALUES (99)",
    "UPDATE {mine}.things SET name = 'x'",
    "DELETE FROM {mine}.things",
    "TRUNCATE {mine}.things",
    "CREATE TABLE {mine}.extra (a int)",
    "DROP TABLE {mine}.things",
)
TRIES = {
    READER: ANYBODY_TRIES + TRIES_ON_STATE + READER_TRIES,
    PERSON: ANYBODY_TRIES + TRIES_ON_STATE + READER_TRIES,
    QUERY: ANYBODY_TRIES + TRIES_ON_STATE + READER_TRIES,
    LOGIN: ANYBODY_TRIES + TRIES_ON_STATE + READER_TRIES,
    SIGNED_IN: ANYBODY_TRIES + TRIES_ON_STATE + READER_TRIES,
    WRITER: ANYBODY_TRIES + TRIES_ON_STATE,
}
SEEN = """
    SELECT table_schema || '.' || table_name FROM information_schema.tables
     WHERE table_schema IN (%(other)s, 'scout_control')
    UNION ALL
    SELECT column_name FROM information_schema.columns WHERE table_schema = %(other)s
    UNION ALL
    SELECT view_definition FROM information_schema.views WHERE table_schema = %(other)s
    UNION ALL
    SELECT routine_definition FROM information_schema.routines
     WHERE routine_schema IN (%(other)s, 'scout_control') AND routine_definition IS NOT NULL
    UNION ALL
    SELECT histogram_bounds::text FROM pg_stats WHERE schemaname = %(other)s
    UNION ALL
    SELECT query FROM pg_stat_activity WHERE usename <> current_user AND query NOT LIKE '<insuff%%'
"""


@pytest.fixture(scope="module")
def installation(shared_installation):
    return shared_installation


@pytest.fixture(scope="module")
def schemas(installation):
    """The dataset schemas of two owners, with data, statistics, and a view of the other one's."""
    paths = [installation.dataset("river"), installation.dataset("hill")]
    for path in paths:
        installation.scout.run(path)
        installation.scout.datasets.query(path, "SELECT 1")
        installation.scout.datasets.url(path)
        project = path.partition("/")[0]
        installation.scout.people.add(f"reader of {project}")
        installation.scout.members.add(project, f"reader of {project}")
    found = [installation.scout.datasets.show(path).schema for path in paths]
    with closing(psycopg2.connect(installation.superuser_url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f'ANALYZE "{found[1]}".things')
        cursor.execute(f"CREATE ROLE person_of_{found[0]} LOGIN")
        cursor.execute(f"GRANT {reader_role(found[0])} TO person_of_{found[0]}")
        for role in (reader_role, writer_role, query_role):  # as while a run or a query lasts
            cursor.execute(f"ALTER ROLE {role(found[0])} LOGIN")
    return found


@pytest.fixture(params=TRIES)
def role(request, installation, schemas):
    """The kind and the name of a role of the first owner."""
    names = {
        READER: reader_role(schemas[0]),
        PERSON: f"person_of_{schemas[0]}",
        QUERY: query_role(schemas[0]),
        LOGIN: login_role(schemas[0]),
        SIGNED_IN: of_person(installation, schemas[0]),
        WRITER: writer_role(schemas[0]),
    }
    return request.param, names[request.param]


def of_person(installation, schema):
    """Return the role with which a person reads a dataset."""
    project = installation.scout.datasets.show(schema).project
    return installation.scout.datasets.url(schema, person=f"reader of {project}").user


@contextmanager
def as_role(installation, role):
    """Open a connection of a role, as if it knew its password."""
    with (
        login_of(installation.superuser_url, role) as url,
        closing(psycopg2.connect(url)) as connection,
    ):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")  # which every role may do
            yield cursor


def test_each_role_tries_everything_and_the_database_refuses(installation, schemas, role):
    kind, name = role
    mine, other = schemas
    words = {
        "mine": mine,
        "other": other,
        "reader": reader_role(other),
        "writer": writer_role(other),
        "query": query_role(other),
        "login": login_role(other),
        "signed_in": of_person(installation, other),
        "alias": installation.scout.datasets.show(other).alias,
        "own_alias": installation.scout.datasets.show(mine).alias,
    }
    allowed = []
    with as_role(installation, name) as cursor:
        for attempt in TRIES[kind]:
            statement = attempt.format(**words)
            try:
                cursor.execute(statement)
            except REFUSED:
                continue
            except psycopg2.Error as error:
                allowed.append((statement, type(error).__name__))
            else:
                allowed.append((statement, cursor.statusmessage))

    assert allowed == []


def test_each_role_sees_no_columns_values_or_statements_of_others(installation, schemas, role):
    with as_role(installation, role[1]) as cursor:
        cursor.execute(SEEN, {"other": schemas[1]})

        assert cursor.fetchall() == []


@pytest.mark.parametrize("role", TRIES, indirect=True)
def test_a_role_of_an_owner_reads_its_own_data(installation, schemas, role):
    with as_role(installation, role[1]) as cursor:
        cursor.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schemas[0], "things"))
        )

        assert cursor.fetchone() == (3,)


def test_arbitrary_notifications_to_workers_disturb_no_run(installation, schemas):
    def is_alive(run):
        return installation.scout.runs.show(run.run_id).status in LIVE

    path = installation.dataset("river")
    installation.act(seconds=3)
    begun = len(installation.told())
    run = installation.scout.runs.queue(path)
    with (
        worker(installation.settings, stderr=subprocess.DEVNULL) as process,
        as_role(installation, reader_role(schemas[0])) as cursor,
    ):
        wait_until(lambda: len(installation.told()) > begun)
        for channel in ("procrastinate_any_queue_v1", "procrastinate_queue_v1#runs"):
            cursor.execute("SELECT pg_notify(%s, 'no JSON')", [channel])
            for job in range(40):
                wish = {"type": "abort_job_requested", "job_id": job}
                cursor.execute("SELECT pg_notify(%s, %s)", [channel, json.dumps(wish)])
        wait_until(lambda: not is_alive(run))
        ended = installation.scout.runs.show(run.run_id)
        installation.act()
        another = installation.scout.runs.queue(path)
        wait_until(lambda: not is_alive(another))

        assert (ended.status, ended.attempt) == ("completed", 1)
        assert installation.scout.runs.show(another.run_id).status == "completed"
        assert process.poll() is None
