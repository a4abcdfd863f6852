"""Control never executes objects that others planted in shared schemas."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest
from scout_control.api.doctor import run_checks
from support.servers import EACH_SERVER
from support.workers import environment_of

pytestmark = EACH_SERVER

# A function for each operator and function that control's statements use without a schema; what
# matches its arguments better than the one of Postgres, or comes first, would be chosen.
RECORD = """
    CREATE TABLE public.seen (who name, what text);
    GRANT ALL ON public.seen TO PUBLIC;
    CREATE FUNCTION public.record(what text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.seen VALUES (current_user, what);
        RETURN false;
    EXCEPTION WHEN OTHERS THEN RETURN false;
    END $$
"""
OPERATORS = (
    ("=", "name", "text"),
    ("=", "name", "varchar"),
    ("=", "name", "name"),
    ("=", "oid", "regtype"),
    ("=", "oid", "oid"),
    ("=", "text", "text"),
    ("=", "text", "varchar"),
    ("=", "uuid", "uuid"),
    ("<>", "name", "name"),
    ("<>", "text", "text"),
    ("<=", "timestamptz", "timestamptz"),
    ("||", "text", "text"),
    ("->>", "jsonb", "text"),
)
FUNCTIONS = (
    "obj_description(oid, text)",
    "obj_description(oid, name)",
    "obj_description(oid, varchar)",
    "format(text, name, name)",
    "to_regclass(varchar)",
    "to_regclass(text)",
    "to_regtype(text)",
    "pg_has_role(text, text)",
    "pg_has_role(name, oid, text)",
    "has_schema_privilege(text, text, text)",
    "has_schema_privilege(name, name, name)",
    "has_database_privilege(name, text)",
    "pg_terminate_backend(int)",
    "pg_terminate_backend(bigint)",
    "hashtextextended(text, int)",
    "set_config(text, text, boolean)",
    "now()",
    "count(anyelement)",
    "version()",
    "current_schema()",
)


@pytest.fixture(scope="module")
def planted(shared_world):
    """An owner whose database lets any role create in public, where a role created this."""
    world = shared_world
    owner = world.owner("river")
    world.ask("DROP SCHEMA IF EXISTS public CASCADE")
    world.ask("CREATE SCHEMA public")
    world.ask("GRANT ALL ON SCHEMA public TO PUBLIC")
    world.ask("CREATE ROLE planter LOGIN")
    with closing(psycopg2.connect(world.superuser)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET SESSION AUTHORIZATION planter")
        cursor.execute(RECORD)
        for number, (name, left, right) in enumerate(OPERATORS):
            function = f"public.op_{number}"
            cursor.execute(
                f"CREATE FUNCTION {function}({left}, {right}) RETURNS boolean LANGUAGE sql "
                f"AS $$ SELECT public.record('{name} {left} {right}') $$"
            )
            cursor.execute(
                f"CREATE OPERATOR public.{name} (LEFTARG = {left}, RIGHTARG = {right}, "
                f"FUNCTION = {function})"
            )
        for words in FUNCTIONS:
            returns = "SELECT public.record($w$" + words + "$w$)::text"
            cursor.execute(
                f"CREATE FUNCTION public.{words} RETURNS text LANGUAGE sql AS $$ {returns} $$"
            )
        for table in ("pg_roles", "pg_namespace", "pg_stat_activity", "alembic_version", "runs"):
            cursor.execute(
                f"CREATE VIEW public.{table} AS SELECT *, public.record('{table}') "
                f"FROM {'pg_catalog.' + table if table.startswith('pg_') else '(SELECT 1) AS one'}"
            )
    yield owner
    world.ask("DROP SCHEMA public CASCADE")
    world.ask("DROP ROLE planter")


def test_control_executes_nothing_planted_in_public(world, planted, monkeypatch):
    for name, value in environment_of(world.settings).items():
        monkeypatch.setenv(name, value)
    scout = world.scout
    scout.init()
    run = scout.run(planted.path)
    scout.datasets.query(planted.path, "SELECT count(*) FROM things")
    scout.models.describe(planted.path)
    scout.datasets.share(planted.path, [])
    scout.datasets.touch(planted.path)
    scout.runs.queue(planted.path)
    scout.work(until_idle=True)
    scout.tick()
    findings = {each.check: each for each in run_checks()}
    scout.datasets.drop(planted.path)

    control = world.control
    assert run.status == "completed"
    assert [each for each in world.ask("SELECT * FROM public.seen") if each[0] == control] == []
    public = findings["public of default"]
    assert not public.is_well
    assert "REVOKE CREATE ON SCHEMA public FROM PUBLIC" in public.remedy


def test_doctor_warns_of_createrole_before_postgres_16(world, monkeypatch):
    for name, value in environment_of(world.settings).items():
        monkeypatch.setenv(name, value)
    found = [each for each in run_checks() if each.check == "role of default"]

    assert len(found) == (1 if world.version < 16 else 0)
    assert all("pg_execute_server_program" in each.finding for each in found)
