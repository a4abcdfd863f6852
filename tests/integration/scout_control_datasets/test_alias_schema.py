"""Alias schemas in a real Postgres: never in the way of a load, never of someone else."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg import errors
from scout_control.datasets import alias_schema, schema_drop
from scout_control.datasets.provision import provision
from scout_control.errors import ConflictError
from scout_control.rules.alias_names import KEYWORDS
from scout_control.rules.naming import DatasetIdentity, OwnerKind
from support.installations import a_database
from support.logins import at_database_of, login_of

NASTY = "a\"b'c%s{}; -- नदी"
# What targets, dbt and people do to a table. No view may hold it up.
CHANGES = (
    "ALTER TABLE things ALTER n TYPE numeric",
    "ALTER TABLE things ALTER n TYPE text",
    "ALTER TABLE things DROP COLUMN n",
    "ALTER TABLE things RENAME n TO m",
    "ALTER TABLE things ADD COLUMN extra date",
    "DROP TABLE things",
    "ALTER TABLE things RENAME TO old; CREATE TABLE things (id uuid)",
    "DROP TABLE things; CREATE VIEW things AS SELECT 1 AS id",
    "DROP TABLE moods; DROP TYPE mood",
    "ALTER TYPE mood ADD VALUE 'bad'",
)


class Place:
    """A dataset schema with its alias, on a server where control is not a superuser."""

    def __init__(self, url, superuser_url, source):
        self.url, self.superuser_url = url, superuser_url
        self.dataset = DatasetIdentity(
            owner_kind=OwnerKind.PROJECT,
            owner_id="p",
            project_id="p",
            source_id=source,
            source_type="toy",
        )
        self.provisioned = provision(url, self.dataset)
        self.schema, self.alias = self.provisioned.schema, f"p_{source}"

    def create(self, *statements):
        """Create the alias, after statements of the writer."""
        self.write(*statements)
        with self.control() as connection:
            assert alias_schema.create(connection, self.dataset, self.alias)
        return self.renew()

    def renew(self):
        return alias_schema.renew(self.url, self.dataset, self.alias)

    def control(self):
        return psycopg.connect(self.url, autocommit=True)

    def write(self, *statements):
        with psycopg.connect(self.provisioned.url(self.url), autocommit=True) as writer:
            for each in statements:
                writer.execute(each)

    @contextmanager
    def reader(self):
        with (
            login_of(self.superuser_url, self.provisioned.reader) as url,
            closing(psycopg.connect(url, autocommit=True)) as connection,
        ):
            yield connection

    def read(self, statement):
        with self.reader() as connection:
            return connection.execute(statement).fetchall()

    def superuser(self, *statements):
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            for each in statements:
                connection.execute(each)


@pytest.fixture(scope="module")
def database(control_postgres):
    return a_database(control_postgres)


@pytest.fixture
def place(database, postgres, request):
    """A new dataset schema with a few tables."""
    number = abs(hash(request.node.nodeid)) % 10**10
    made = Place(database, at_database_of(postgres, database), f"s{number}")
    made.write(
        "CREATE TABLE things AS SELECT g AS id, g::bigint AS n, 'a'::text AS name"
        " FROM generate_series(1, 1000) AS g",
        "CREATE INDEX ON things (n)",
        "COMMENT ON TABLE things IS 'All things'",
        "COMMENT ON COLUMN things.n IS '100% of it''s number'",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE TABLE moods AS SELECT 'good'::mood AS mood, ARRAY['good'::mood] AS all_moods",
        "CREATE TABLE _scout_loads (id int)",
    )
    yield made
    schema_drop.drop(database, made.dataset, force=True)


def test_the_views_show_what_is_to_be_read_with_its_comments(place):
    renewal = place.create("CREATE VIEW stg_toy__things AS SELECT id, n FROM things")

    assert (renewal.renewed, renewal.left) == (2, {})
    assert place.read(
        "SELECT table_name FROM information_schema.tables"
        f" WHERE table_schema = '{place.alias}' ORDER BY 1"
    ) == [("moods",), ("stg_toy__things",)]
    place.write("DROP VIEW stg_toy__things")
    assert place.renew().renewed == 1
    things = f"'{place.alias}.things'::regclass"
    assert place.read(f"SELECT obj_description({things}), col_description({things}, 2)") == [
        ("All things", "100% of it's number")
    ]
    assert place.read(f"SELECT count(*) FROM {place.alias}.things") == [(1000,)]
    assert place.renew().renewed == 0


def test_the_plan_is_that_of_the_table(place):
    place.create("ANALYZE things")
    of_view, of_table = (
        place.read(f"EXPLAIN SELECT t.name FROM {schema}.things AS t WHERE n = 5")
        for schema in (place.alias, place.schema)
    )

    assert "Index Scan" in of_view[0][0]
    assert of_view == of_table


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_a_table_is_held_up_and_the_next_run_follows_it(place, change):
    place.create()

    place.write("SET lock_timeout = '5s'", *change.split("; "))
    assert place.renew().left == {}
    with place.reader() as connection:
        for (name,) in connection.execute(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{place.alias}'"
        ).fetchall():
            columns = [
                {each.name for each in connection.execute(f"TABLE {schema}.{name}").description}
                for schema in (place.alias, place.schema)
            ]
            assert columns[0] == columns[1]


def test_a_changed_type_is_an_error_until_the_end_of_the_run_and_never_a_rounded_value(place):
    place.create()
    place.write("ALTER TABLE things ALTER n TYPE numeric USING n + 0.5")

    with pytest.raises(errors.UndefinedFunction):
        place.read(f"SELECT max(n) FROM {place.alias}.things")
    place.renew()
    assert str(place.read(f"SELECT max(n) FROM {place.alias}.things")[0][0]) == "1000.5"


def test_a_new_column_reaches_a_view_that_others_have_built_upon(place):
    place.create()
    place.superuser(f"CREATE VIEW public.of_{place.alias} AS SELECT n FROM {place.alias}.things")
    place.write("ALTER TABLE things ADD COLUMN extra date")
    assert place.renew().left == {}
    assert place.read(f"SELECT DISTINCT extra FROM {place.alias}.things") == [(None,)]

    # A column of it was dropped: the view of others holds the alias, which holds nothing.
    place.write("ALTER TABLE things DROP COLUMN n")
    assert place.renew().left == {"things": "2BP01"}
    place.superuser(f"DROP VIEW public.of_{place.alias}")
    assert place.renew().left == {}


def test_what_others_built_upon_an_alias_is_dropped_with_force_only(place):
    place.create()
    place.superuser(f"CREATE VIEW public.on_{place.alias} AS SELECT n FROM {place.alias}.things")

    with pytest.raises(ConflictError, match=f"public.on_{place.alias} would be dropped"):
        schema_drop.drop(place.url, place.dataset)
    assert place.read(f"SELECT count(*) FROM {place.alias}.things") == [(1000,)]
    schema_drop.drop(place.url, place.dataset, force=True)
    with place.control() as connection:
        found = "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)"
        assert connection.execute(found, [[place.schema, place.alias]]).fetchall() == []


def test_a_view_in_use_is_left_for_the_next_run_without_waiting(place):
    place.create()
    place.write("ALTER TABLE things ADD COLUMN extra date")
    with place.reader() as connection, connection.transaction():
        connection.execute(f"SELECT 1 FROM {place.alias}.things").fetchone()
        began = time.monotonic()
        assert place.renew().left == {"things": "55P03"}
        assert time.monotonic() - began < 5
    assert place.renew().left == {}
    assert place.read(f"SELECT DISTINCT extra FROM {place.alias}.things") == [(None,)]


def test_what_a_run_has_no_time_for_is_left_for_the_next(place):
    place.create()
    place.write("ALTER TABLE things ADD COLUMN extra date")

    late = alias_schema.renew(place.url, place.dataset, place.alias, longest_seconds=-1)
    assert late.left == {"things": alias_schema.OUT_OF_TIME}
    assert place.read(f"SELECT count(*) FROM {place.alias}.things") == [(1000,)]
    assert (place.renew().left, place.renew().renewed) == ({}, 0)


def test_a_schema_of_someone_else_is_neither_used_nor_dropped(place):
    mark = alias_schema.MARK.format(owner=place.dataset.owner)
    place.superuser(
        f"CREATE SCHEMA {place.alias}",
        f"COMMENT ON SCHEMA {place.alias} IS '{mark}'",  # every role can read it, and copy it
        f"CREATE TABLE {place.alias}.things (stolen text)",
    )
    with place.control() as connection:
        assert alias_schema.find(connection, place.dataset) == []
        assert not alias_schema.create(connection, place.dataset, place.alias)
        assert alias_schema.create(connection, place.dataset, f"{place.alias}_2")
        assert not alias_schema.rename(connection, f"{place.alias}_2", place.alias)
        assert alias_schema.find(connection, place.dataset) == [f"{place.alias}_2"]
    schema_drop.drop(place.url, place.dataset)
    place.superuser(
        f"INSERT INTO {place.alias}.things VALUES ('kept')", f"DROP SCHEMA {place.alias} CASCADE"
    )


def test_names_that_need_quotes_are_shown_as_they_are(place):
    quoted = '"' + NASTY.replace('"', '""') + '"'
    place.create(
        f'CREATE TABLE {quoted} ({quoted} int, "{"é" * 31}" text)',
        f"COMMENT ON COLUMN {quoted}.{quoted} IS 'It''s \\ 100%'",
    )

    assert place.read(f"SELECT count({quoted}) FROM {place.alias}.{quoted}") == [(0,)]


def test_types_of_a_writer_and_hundreds_of_columns(place):
    columns = ", ".join(f"c{number} text" for number in range(300))
    place.create(f"CREATE TABLE wide ({columns})", "CREATE TABLE empty ()")

    assert place.read(f"TABLE {place.alias}.moods") == [("good", "{good}")]
    assert place.read(f"SELECT count(c299) FROM {place.alias}.wide") == [(0,)]


def test_only_readers_of_the_dataset_may_use_it(place):
    place.create()
    other = f"other_of_{place.alias}"
    place.superuser(f"CREATE ROLE {other} LOGIN")
    try:
        with (
            login_of(place.superuser_url, other) as url,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            [function] = connection.execute(
                "SELECT proname FROM pg_proc JOIN pg_namespace ON pronamespace = pg_namespace.oid"
                f" WHERE nspname = '{place.alias}' LIMIT 1"
            ).fetchone()
            for statement in (
                f"SELECT * FROM {place.alias}.things",
                f"SELECT * FROM {place.alias}.{function}()",
                f"CREATE TABLE {place.alias}.mine (id int)",
                f"CREATE FUNCTION {place.alias}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                f"DROP VIEW {place.alias}.things",
                f"ALTER SCHEMA {place.alias} RENAME TO stolen",
            ):
                with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedTable)):
                    connection.execute(statement)
            # The schema alone would give nothing: what a view reads is read as who asks.
            place.superuser(
                f"GRANT USAGE ON SCHEMA {place.alias} TO {other}",
                f"GRANT SELECT ON {place.alias}.things TO {other}",
                f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {place.alias} TO {other}",
            )
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {place.alias}.things")
    finally:
        place.superuser(f"DROP OWNED BY {other}", f"DROP ROLE {other}")


def test_the_writer_can_change_nothing_in_the_alias(place):
    place.create()
    for statement in (
        f"CREATE TABLE {place.alias}.mine (id int)",
        f"CREATE OR REPLACE VIEW {place.alias}.things AS SELECT 1",
        f"DROP SCHEMA {place.alias} CASCADE",
        f"COMMENT ON SCHEMA {place.alias} IS 'mine'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            place.write(statement)


def test_readers_who_lost_their_role_have_access_after_the_next_run(place):
    place.create()
    place.superuser(
        f"DROP OWNED BY {place.provisioned.reader}", f"DROP ROLE {place.provisioned.reader}"
    )
    place.provisioned = provision(place.url, place.dataset)

    assert place.renew().left == {}
    assert place.read(f"SELECT count(*) FROM {place.alias}.things") == [(1000,)]


def test_the_keywords_are_those_of_postgres(postgres):
    statement = "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')"
    with psycopg.connect(postgres) as connection:
        assert {word for (word,) in connection.execute(statement)} <= KEYWORDS
