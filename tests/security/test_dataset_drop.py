"""Dropping a dataset succeeds, whatever locks its readers and its writer hold, in any database."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from scout_control.api.doctor import deletions
from scout_control.datasets import dataset_drop, schema_drop, schemas
from scout_control.errors import ConflictError
from scout_control.installation import embedded_postgres
from scout_control.rules import expiry
from scout_control.rules.naming import writer_role
from scout_control.scheduler import maintenance
from scout_control.store import lookups
from scout_control.store.models import Dataset
from sqlalchemy import update
from support.installations import installed
from support.servers import EMBEDDED, SERVERS
from support.workers import wait_until

DAY = timedelta(hours=24)
LATER = timedelta(hours=25)
NO_GRACE = timedelta()
LEFT = """
    SELECT nspname FROM pg_namespace WHERE nspname = %(schema)s
    UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, %(schema)s)
"""

# What the server calls otherwise than DROP does, or what goes only with what it belongs to.
ODD = {
    "statistics": (
        "CREATE TABLE SCHEMA.pairs (a int, b int)",
        "CREATE STATISTICS SCHEMA.s%s ON a, b FROM SCHEMA.pairs",
    ),
    "aggregates": (
        "CREATE FUNCTION SCHEMA.same(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE SCHEMA.a%s(*) (sfunc = SCHEMA.same, stype = int)",
    ),
    "ranges": ("SELECT 1", "CREATE TYPE SCHEMA.r%s AS RANGE (subtype = int)"),
    "composites": ("SELECT 1", "CREATE TYPE SCHEMA.c%s AS (a int)"),
}


@contextmanager
def prepared():
    """Start the embedded server with prepared transactions enabled; return its URL."""
    home = Path(tempfile.mkdtemp(prefix="scout-pg-"))
    url = embedded_postgres.start(home / "data", durable=False, as_superuser=True)
    try:
        execute(url, "ALTER SYSTEM SET max_prepared_transactions = 8")
        embedded_postgres.stop(home / "data")
        yield embedded_postgres.start(home / "data", durable=False, as_superuser=True)
    finally:
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    """The superuser's URL of a server with prepared transactions enabled."""
    if request.param != EMBEDDED:
        yield request.getfixturevalue("older_server")
        return
    with prepared() as url:
        yield url


@pytest.fixture(scope="module")
def url(server):
    """A database of a role that can create roles but not terminate sessions of others."""
    name = f"plain_{uuid.uuid4().hex[:10]}"
    made = embedded_postgres.create_database(server, name)
    execute(server, f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'plain'")
    execute(server, f"ALTER DATABASE {name} OWNER TO {name}")
    return as_role(made, name, "plain")


@pytest.fixture(scope="module")
def installation(url, tmp_path_factory):
    with installed(url, tmp_path_factory.mktemp("deletion")) as made:
        yield made


@pytest.fixture
def site(installation):
    return installation.scout.installation


@pytest.fixture
def loaded(installation, site):
    """Datasets with data, as a run leaves them."""

    def load(count=1):
        found = [installation.dataset() for _ in range(count)]
        for dataset in found:
            execute(
                writer_url(site, installation, dataset),
                "CREATE TABLE things AS SELECT generate_series(1, 3) AS id",
            )
        now = datetime.now(UTC)
        with site.store.begin() as session:
            new = update(Dataset).where(Dataset.status == "pending")
            session.execute(new.values(status="ready", last_sync_at=now))
        return found

    return load


@pytest.fixture
def analyst(server, installation):
    """A role of another person, which reads what is shared with it."""
    name = f"ann_{uuid.uuid4().hex[:10]}"
    execute(server, f"CREATE ROLE {name} LOGIN PASSWORD 'ann'")
    return name


def as_role(url, name, password, database=None):
    parts = urlsplit(url)
    netloc = f"{quote(name)}:{password}@{parts.netloc.rpartition('@')[2]}"
    path = f"/{database}" if database else parts.path
    return urlunsplit(parts._replace(netloc=netloc, path=path))


def execute(url, statement, *parameters):
    with closing(psycopg2.connect(url)) as connection:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []


def in_database(server, url):
    """Return the superuser's URL of the database of another URL."""
    return urlunsplit(urlsplit(server)._replace(path=urlsplit(url).path))


@contextmanager
def idle_reader(url, schema):
    """Lock a table of a dataset in an idle transaction."""
    with closing(psycopg2.connect(url)) as connection:
        cursor = connection.cursor()
        cursor.execute(sql.SQL("SELECT count(*) FROM {}.things").format(sql.Identifier(schema)))
        yield connection


def schema_of(installation, dataset):
    return installation.scout.datasets.show(dataset).schema


def status_of(installation, dataset):
    return installation.scout.datasets.show(dataset).status


def left_of(server, url, schema):
    with closing(psycopg2.connect(in_database(server, url))) as connection:
        cursor = connection.cursor()
        cursor.execute(LEFT, {"schema": schema})
        return [name for (name,) in cursor.fetchall()]


def writer_url(site, installation, dataset):
    """Log in as the writer of a dataset, as its runs do."""
    with site.store.begin() as session:
        found = lookups.dataset(session, dataset)
        place = schemas.provision(site, found)
        return place.url(site.server_url_of(found))


def later():
    return datetime.now(UTC) + LATER


def test_an_idle_reader_delays_only_its_own_dataset_and_only_for_the_grace_period(
    installation, site, loaded, server, url, analyst, monkeypatch
):
    held, other = loaded(2)
    schema = schema_of(installation, held)
    control = urlsplit(url).username
    execute(server, f"GRANT pg_signal_backend TO {control}")
    installation.scout.datasets.share(held, [analyst])
    with idle_reader(as_role(url, analyst, "ann"), schema) as reader:
        assert maintenance.expire(site, later(), DAY) == 1
        assert left_of(server, url, schema_of(installation, other)) == []
        assert schema in left_of(server, url, schema)
        assert analyst in installation.scout.datasets.show(held).sync_error
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(as_role(url, analyst, "ann"), f"SELECT FROM {schema}.things")

        monkeypatch.setattr(expiry, "READER_GRACE", NO_GRACE)
        assert maintenance.expire(site, later(), DAY) == 1
        with pytest.raises(psycopg2.OperationalError):
            reader.cursor().execute("SELECT 1")
    execute(server, f"REVOKE pg_signal_backend FROM {control}")
    assert left_of(server, url, schema) == []
    assert installation.scout.datasets.show(held).sync_error is None


def test_a_session_that_cannot_be_terminated_is_reported_and_the_next_dataset_is_dropped(
    installation, site, loaded, server, url, analyst, monkeypatch
):
    held, other = loaded(2)
    schema = schema_of(installation, held)
    monkeypatch.setattr(expiry, "READER_GRACE", NO_GRACE)
    installation.scout.datasets.share(held, [analyst])
    with idle_reader(as_role(url, analyst, "ann"), schema) as reader:
        with pytest.raises(ConflictError, match=rf"{reader.info.backend_pid}.*{analyst}") as error:
            installation.scout.datasets.drop(held)
        assert "GRANT pg_signal_backend" in str(error.value)
        assert maintenance.expire(site, later(), DAY) == 1
        assert left_of(server, url, schema_of(installation, other)) == []
        [finding] = [each for each in deletions(site) if not each.is_well]
        assert held in finding.finding
        assert str(reader.info.backend_pid) in finding.finding
    assert maintenance.expire(site, later(), DAY) == 1
    assert left_of(server, url, schema) == []


def test_data_requested_again_before_its_removal_is_complete(
    installation, site, loaded, server, url, analyst
):
    held = installation.dataset()
    schema = installation.scout.run(held).schema
    installation.scout.datasets.share(held, [analyst])
    with idle_reader(as_role(url, analyst, "ann"), schema):
        assert maintenance.expire(site, later(), DAY) == 0
    assert installation.scout.run(held).status == "completed"
    assert installation.told()[-1]["state"] == {}
    assert maintenance.expire(site, datetime.now(UTC), DAY) == 0
    assert execute(as_role(url, analyst, "ann"), f"SELECT count(*) FROM {schema}.things") == [(3,)]
    assert dataset_drop.drop_retired_roles(site) == 0
    assert schema in left_of(server, url, schema)
    installation.scout.datasets.drop(held)


def test_objects_of_the_writer_in_another_database_are_removed_with_its_data(
    installation, site, loaded, server, url
):
    [dataset] = loaded()
    schema = schema_of(installation, dataset)
    elsewhere = urlunsplit(
        urlsplit(writer_url(site, installation, dataset))._replace(path="/postgres")
    )
    execute(elsewhere, "SELECT lo_create(0)")
    installation.scout.datasets.drop(dataset)

    assert left_of(server, url, schema) == []
    assert status_of(installation, dataset) == "expired"


def test_a_role_with_unreachable_objects_loses_its_login_and_keeps_no_data(
    installation, site, loaded, server, url
):
    [dataset] = loaded()
    schema, closed = schema_of(installation, dataset), f"closed_{uuid.uuid4().hex[:10]}"
    writer = writer_role(schema)
    there = embedded_postgres.create_database(server, closed)
    execute(server, f'GRANT CONNECT ON DATABASE {closed} TO "{writer}"')
    elsewhere = writer_url(site, installation, dataset)
    execute(urlunsplit(urlsplit(elsewhere)._replace(path=f"/{closed}")), "SELECT lo_create(0)")
    execute(server, f"ALTER DATABASE {closed} ALLOW_CONNECTIONS false")
    installation.scout.datasets.drop(dataset)

    assert left_of(server, url, schema) == [writer]
    assert execute(server, "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", writer) == [
        (False,)
    ]
    [finding] = [each for each in deletions(site) if not each.is_well]
    assert writer in finding.finding
    assert closed in finding.finding
    assert "DROP OWNED BY" in finding.remedy
    assert dataset_drop.drop_retired_roles(site) == 0
    execute(server, f"ALTER DATABASE {closed} ALLOW_CONNECTIONS true")
    assert dataset_drop.drop_retired_roles(site) == 0  # what a superuser granted is left, and named
    assert execute(there, "SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    execute(there, f'DROP OWNED BY "{writer}"')
    assert dataset_drop.drop_retired_roles(site) == 1
    assert left_of(server, url, schema) == []
    assert all(each.is_well for each in deletions(site))


@pytest.mark.parametrize("database", [None, "postgres"])
def test_a_prepared_transaction_of_the_writer_is_rolled_back(
    installation, site, loaded, server, url, database
):
    [dataset] = loaded()
    schema = schema_of(installation, dataset)
    writing = urlsplit(writer_url(site, installation, dataset))
    writing = urlunsplit(writing._replace(path=f"/{database}") if database else writing)
    with closing(psycopg2.connect(writing)) as connection:
        connection.tpc_begin(connection.xid(1, uuid.uuid4().hex, "b"))
        what = "SELECT lo_create(0)" if database else f"LOCK TABLE {schema}.things"
        connection.cursor().execute(what)
        connection.tpc_prepare()
    installation.scout.datasets.drop(dataset)

    assert left_of(server, url, schema) == []
    assert execute(server, "SELECT gid FROM pg_prepared_xacts") == []


def test_a_prepared_transaction_of_a_reader_is_reported(
    installation, site, loaded, server, url, analyst, monkeypatch
):
    [dataset] = loaded()
    schema, name = schema_of(installation, dataset), uuid.uuid4().hex
    monkeypatch.setattr(expiry, "READER_GRACE", NO_GRACE)
    installation.scout.datasets.share(dataset, [analyst])
    reading = as_role(url, analyst, "ann")
    with idle_reader(reading, schema) as reader:
        reader.cursor().execute(f"PREPARE TRANSACTION '{name}'")
    with pytest.raises(ConflictError, match=rf"{name}.*ROLLBACK PREPARED"):
        installation.scout.datasets.drop(dataset)
    execute(reading, f"ROLLBACK PREPARED '{name}'")
    assert maintenance.expire(site, later(), DAY) == 1
    assert left_of(server, url, schema) == []


def test_a_connected_writer_and_thousands_of_objects_do_not_delay_a_drop(
    installation, site, loaded, server, url
):
    [dataset] = loaded()
    schema = schema_of(installation, dataset)
    writing = writer_url(site, installation, dataset)
    for at in range(0, 6000, 1000):  # more than one transaction may lock
        make = f"CREATE TABLE {schema}.t_%s (i int PRIMARY KEY)"
        made = "; ".join(make % number for number in range(at, at + 1000))
        execute(writing, made)
        execute(writing, "SELECT lo_create(0) FROM generate_series(1, 2000)")
    with closing(psycopg2.connect(writing)) as connection:
        connection.cursor().execute("CREATE TEMP TABLE mine (i int)")
        connection.cursor().execute(f"LOCK TABLE {schema}.things")
        installation.scout.datasets.drop(dataset)

    assert left_of(server, url, schema) == []


@pytest.mark.parametrize("kind", ODD)
def test_many_objects_of_any_kind_are_dropped(installation, site, loaded, server, url, kind):
    [dataset] = loaded()
    schema = schema_of(installation, dataset)
    before, one = (text.replace("SCHEMA", schema) for text in ODD[kind])
    made = "; ".join(one % number for number in range(schema_drop.DROP_BATCH_SIZE + 10))
    execute(writer_url(site, installation, dataset), f"{before}; {made}")
    installation.scout.datasets.drop(dataset)

    assert left_of(server, url, schema) == []


def test_an_interrupted_drop_is_completed_by_the_next_round(
    installation, site, loaded, server, url, monkeypatch
):
    [dataset] = loaded()
    schema = schema_of(installation, dataset)
    with monkeypatch.context() as broken:
        broken.setattr(schema_drop, "drop", interrupted)
        with pytest.raises(KeyboardInterrupt):
            installation.scout.datasets.drop(dataset)
    assert schema in left_of(server, url, schema)
    assert maintenance.expire(site, datetime.now(UTC), DAY) == 1
    wait_until(lambda: left_of(server, url, schema) == [])


def interrupted(*_args, **_named):
    raise KeyboardInterrupt
