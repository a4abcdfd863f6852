"""The audit trail records actions, reads and refusals, and reveals every change of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from scout_control.errors import ControlError, OwnershipError, QueryError, SettingsError
from scout_control.store import audit, audit_chain, migrate
from scout_control.store.database import Store
from sqlalchemy import text
from support.installations import a_database, installed
from support.preloaded import run_scout
from support.workers import environment_of

TABLES = ("audit_events", "audit_values", "audit_chain", "audit_head")
WRITERS, EVENTS = 8, 25
OLD = "2020-01-01"
STATEMENT = "select 'canary of a statement' from things"


@pytest.fixture
def installation(postgres, tmp_path):
    with installed(a_database(postgres), tmp_path) as made:
        yield made


@pytest.fixture
def store(postgres):
    """A store whose role is not a superuser, with a few events."""
    url = a_database(postgres)
    name = urlsplit(url).path[1:]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain' CREATEROLE")
        connection.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    made = Store(with_role(url, name))
    migrate.migrate(made)
    for number in range(6):
        with made.begin() as session:
            audit.record(session, "tried", "thing", number, user="ann", note=number)
    yield made
    made.close()


def with_role(url, name):
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(name)}:plain@{host}"))


def verify(store, **options):
    from scout_control.api.audit import Audit  # noqa: PLC0415

    class OfStore:
        pass

    site = OfStore()
    site.store = store
    return Audit(site).verify(**options)


@contextmanager
def as_owner(store):
    """A session of control's role that bypasses this program."""
    with psycopg.connect(store.driver_url, autocommit=True) as connection:
        yield connection


def disarm(connection):
    for table in TABLES:
        connection.execute(f"ALTER TABLE scout_control.{table} DISABLE TRIGGER USER")


def arm(connection):
    for table, name in audit_chain.expected_triggers():
        connection.execute(f"ALTER TABLE scout_control.{table} ENABLE ALWAYS TRIGGER {name}")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scout_control.{table} SET ctid_is = 1",
        "DELETE FROM scout_control.{table}",
        "TRUNCATE scout_control.{table} CASCADE",
        "WITH gone AS (DELETE FROM scout_control.{table} RETURNING 1) SELECT count(*) FROM gone",
    ],
)
def test_control_s_role_cannot_change_or_remove_events(store, table, statement):
    columns = {
        "audit_events": "action = 'other'",
        "audit_values": "value = 'other'",
        "audit_chain": "hash = ''",
        "audit_head": "position = 0",
    }
    changing = statement.replace("ctid_is = 1", columns[table]).format(table=table)
    with as_owner(store) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(changing)

    assert verify(store).is_whole


def test_events_cannot_be_inserted_with_sql(store):
    with as_owner(store) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO scout_control.audit_chain VALUES (99, 1, '')")


OFF = "ALTER TABLE scout_control.{} DISABLE TRIGGER USER;"
VALUE = "UPDATE scout_control.audit_values SET value = 'eve' WHERE event_id = {} AND name = '{}';"
ALL_OFF = "".join(OFF.format(table) for table in TABLES[:3])
# What someone with control's own login can do, step by step, and the first place that shows it.
TAMPERED = {
    "an action changed": (3, OFF.format("audit_events")
        + "UPDATE scout_control.audit_events SET action = 'x' WHERE id = 3"),
    "a moment changed": (2, OFF.format("audit_events")
        + "UPDATE scout_control.audit_events SET at = at - interval '1 us' WHERE id = 2"),
    "an actor changed": (4, OFF.format("audit_values")
        + VALUE.format(4, "actor")),
    "a value and its digest changed": (5, OFF.format("audit_values") + OFF.format("audit_events")
        + VALUE.format(5, "user")
        + "UPDATE scout_control.audit_events SET digests = digests || jsonb_build_object('user', ("
        "SELECT encode(sha256(salt || convert_to(value, 'UTF8')), 'hex')"
        "  FROM scout_control.audit_values WHERE event_id = 5 AND name = 'user')) WHERE id = 5"),
    "a value removed": (4, OFF.format("audit_values")
        + "DELETE FROM scout_control.audit_values WHERE event_id = 4 AND name = 'actor'"),
    "a value added": (4, "INSERT INTO scout_control.audit_values VALUES (4, 'project', '', 'x')"),
    "an event removed": (4, ALL_OFF + "DELETE FROM scout_control.audit_events WHERE id = 3"),
    "the first event removed": (2, ALL_OFF + "DELETE FROM scout_control.audit_events WHERE id = 1"),
    "the last event removed": (6, ALL_OFF + "DELETE FROM scout_control.audit_events WHERE id = 6"),
    "all removed": (6, ALL_OFF + "DELETE FROM scout_control.audit_events"),
    "two events exchanged": (2, OFF.format("audit_chain")
        + "ALTER TABLE scout_control.audit_chain DROP CONSTRAINT audit_chain_event_id_key;"
        "UPDATE scout_control.audit_chain SET event_id = 5 - event_id WHERE event_id IN (2, 3)"),
    "an event outside of the chain": (None, OFF.format("audit_events")
        + "INSERT INTO scout_control.audit_events (action, subject_kind) VALUES ('x', 'y')"),
    "a trigger dropped": (None, "DROP TRIGGER audit_refuse ON scout_control.audit_values"),
    "the chaining dropped": (None, "DROP TRIGGER audit_append ON scout_control.audit_events"),
    "a trigger for replicas only": (None,
        "ALTER TABLE scout_control.audit_events ENABLE REPLICA TRIGGER audit_append"),
    "a function replaced": (None, "CREATE OR REPLACE FUNCTION scout_control.audit_refuse()"
        " RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"),
    "a trigger of another's": (None, "CREATE TRIGGER z BEFORE INSERT ON scout_control.audit_events"
        " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
    "a rule": (None, "CREATE RULE quiet AS ON INSERT TO scout_control.audit_values"
        " WHERE NEW.name = 'actor' DO INSTEAD NOTHING"),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERED)
def test_changed_removed_and_inserted_events_are_named(store, how):
    position, statements = TAMPERED[how]
    with as_owner(store) as connection:
        connection.execute(statements)

    found = verify(store)

    assert not found.is_whole
    assert found.flaws[0]["position"] == position, found.flaws


def test_a_truncated_and_repaired_trail_lacks_a_kept_hash(store):
    kept = verify(store).hash
    with as_owner(store) as connection:
        disarm(connection)
        connection.execute("DELETE FROM scout_control.audit_events WHERE id > 4")
        connection.execute(
            "UPDATE scout_control.audit_head SET (position, hash) ="
            " (SELECT position, hash FROM scout_control.audit_chain WHERE position = 4)"
        )
        arm(connection)

    assert verify(store).is_whole
    assert not verify(store, expect=kept).is_whole
    assert not verify(store, expect="nonsense").is_whole


def test_a_kept_hash_is_found_while_its_event_exists(store):
    kept = verify(store).hash
    with store.begin() as session:
        audit.record(session, "tried", "thing", "one more")

    assert verify(store, expect=kept).is_whole


def test_session_settings_do_not_change_hashes(store):
    odd = "SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET extra_float_digits = 0"
    with as_owner(store) as connection:
        connection.execute(odd + "; SET bytea_output = 'escape'; SET intervalstyle = 'iso_8601'")
        connection.execute(
            "INSERT INTO scout_control.audit_events (action, subject_kind, facts)"
            """ VALUES ('tried', 'thing', '{"b": 1.10, "a": "é\\u2028"}')"""
        )

    assert verify(store).is_whole


def test_concurrent_writers_leave_no_gaps_and_no_deadlocks(store):
    def fail(number):
        with store.begin() as session:
            audit.record(session, "undone", "thing", number)
            session.execute(text("SELECT 'no number'::int"))

    def write(writer):
        for number in range(EVENTS):
            with store.begin() as session:
                audit.record(session, "tried", "thing", f"{writer}.{number}")
                audit.record(session, "tried", "thing", f"{writer}.{number} again")
            with pytest.raises(SettingsError):
                fail(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    found = verify(store)

    assert found.is_whole, found.flaws
    assert found.last == found.events == 6 + WRITERS * EVENTS * 2


def age(store, *ids):
    """Backdate events and rebuild the chain, as if they had been recorded then."""
    with as_owner(store) as connection:
        disarm(connection)
        connection.execute(
            "UPDATE scout_control.audit_events SET at = %s WHERE id = ANY(%s)", [OLD, list(ids)]
        )
        connection.execute("""
            DO $$ DECLARE event record; before bytea := sha256('scout_control audit'); BEGIN
            FOR event IN SELECT e.*, position FROM scout_control.audit_events AS e
                JOIN scout_control.audit_chain ON event_id = e.id ORDER BY position LOOP
                before := sha256(before || convert_to(jsonb_build_array(event.position, event.id,
                    trunc(extract(epoch FROM event.at) * 1000000)::bigint, event.action,
                    event.subject_kind, event.facts, event.digests)::text, 'UTF8'));
                UPDATE scout_control.audit_chain SET hash = before WHERE event_id = event.id;
                UPDATE scout_control.audit_head SET hash = before;
            END LOOP; END $$""")
        arm(connection)


def retain(store, days):
    with store.begin() as session:
        return audit.retain(session, datetime.now(UTC) - timedelta(days=days))


def test_retention_removes_old_events_and_is_recorded(store):
    assert not retain(store, 400)
    age(store, 1, 2, 3)
    kept = verify(store)
    assert kept.is_whole

    assert retain(store, 400)
    assert not retain(store, 400)
    found = verify(store, expect=kept.hash)
    assert found.is_whole, found.flaws
    assert (found.first, found.last, found.events) == (4, 7, 4)
    with store.begin() as session:
        [(position, event), *_] = audit.latest(session, audit.EventFilter(), 1)
    assert (position, event.action, event.facts["last"]) == (7, "audit retention", 3)


def test_retention_never_removes_recent_events(store):
    for before in ("now", "2100-01-01", "infinity"):
        with as_owner(store) as connection:
            connection.execute(
                "INSERT INTO scout_control.audit_events (action, subject_kind, facts)"
                " VALUES ('audit retention', 'audit', jsonb_build_object('before', %s::text))",
                [before],
            )

    assert verify(store).events == 6
    assert verify(store).is_whole


def test_an_older_trail_becomes_the_start_of_the_chain(postgres):
    store = Store(a_database(postgres))
    migrate.migrate(store, "0006")
    with store.engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO scout_control.audit_events
                (actor, action, subject_kind, subject_id, details)
            VALUES ('ann', 'created', 'project', 'river', '{}'),
                   ('ann', 'linked', 'source', 'x', '{"project": "river", "odd": [1.50, "é"]}')""")
        )
    migrate.migrate(store)
    with store.begin() as session:
        wanted = audit.EventFilter(named={"project": "river", "actor": "ann"})
        found = [position for position, _ in audit.latest(session, wanted, 9)]
    whole = verify(store)
    store.close()

    assert found == [2, 1]
    assert whole.is_whole, whole.flaws


def test_every_action_and_refusal_is_recorded(installation):
    scout = installation.scout
    path = installation.dataset()
    project, source = path.split("/")
    schema = scout.datasets.show(path).schema
    scout.sources.update(source, config={"act": str(installation.folder / "act.json")})
    scout.sources.update(source, client_id="new-client", client_secret="canary")
    scout.sources.link(project, source, mode="project", interval_hours=6)
    run = scout.run(path)
    scout.datasets.query(path, STATEMENT)
    with pytest.raises(QueryError):
        scout.datasets.query(path, "select 1 from pg_authid")
    scout.datasets.pause(path)
    scout.datasets.pause(path, is_paused=False)
    analysts = f"analysts_of_{schema}"
    with psycopg.connect(installation.settings.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {analysts}")
    scout.datasets.share(path, [analysts])
    with pytest.raises(SettingsError, match="pg_monitor"):
        scout.datasets.share(path, ["pg_monitor"])
    scout.rotate_keys()
    with scout.installation.store.begin() as session:
        session.execute(text(f"COMMENT ON SCHEMA {schema} IS 'another owner''s'"))
    assert scout.run(path).status == "failed"
    with pytest.raises(OwnershipError):
        scout.datasets.drop(path)
    scout.credentials.revoke(source, project=project)
    with pytest.raises(ControlError):
        scout.credentials.check(source, project=project)
    events = scout.audit.list(limit=1000)
    told = [(each.action, each.subject_kind) for each in events][::-1]

    for expected in (
        ("initialised", "store"), ("created", "project"), ("added", "source"),
        ("linked", "source"), ("connected", "credential"), ("made", "dataset"),
        ("updated", "source"), ("asked for", "dataset"), ("used", "credential"),
        ("completed", "run"), ("queried", "dataset"), ("paused", "dataset"),
        ("resumed", "dataset"), ("shared", "dataset"), ("rotated", "keys"), ("failed", "run"),
        ("refused", "dataset"), ("revoked", "credential"), ("refused", "source"),
    ):  # fmt: skip
        assert expected in told, expected
    [used, *_] = scout.audit.list(action="used", dataset=path)[::-1]
    assert (used.run, used.details["processes"]) == (run.run_id, ["tap-toy"])
    [interval] = [each for each in scout.audit.list(action="linked") if "6" in str(each.details)]
    assert interval.details["changes"] == {"refresh_interval_hours": [24, 6]}
    [client, _] = scout.audit.list(action="updated")
    assert client.details["changes"]["oauth_client_id"] == [None, "new-client"]
    assert client.details["changes"]["oauth_client_secret"] == [None, "changed"]
    [shared] = scout.audit.list(action="shared")
    assert shared.details["changes"] == {"readers": [[], [analysts]]}
    assert len(scout.audit.list(action="refused", project=project)) == 3
    with psycopg.connect(installation.settings.database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {analysts}")
    everything = json.dumps([each.as_dict() for each in events])
    assert "canary" not in everything
    assert scout.audit.verify().is_whole


def command(installation, *words):
    done = run_scout(words, environment_of(installation.settings) | {"SCOUT_ACTOR": "olga"})
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_commands_list_filter_and_verify(installation):
    assert command(installation, "projects", "create", "lake")[0] == 0
    code, shown, _ = command(installation, "audit", "--actor", "olga", "--json")
    assert (code, [each["action"] for each in json.loads(shown)]) == (0, ["created"])
    day = ["--since", "2020-01-01", "--until", "2020-01-02"]
    assert json.loads(command(installation, "audit", *day, "--json")[1]) == []
    assert "olga" in command(installation, "audit", "--project", "lake")[1]
    code, shown, _ = command(installation, "audit", "--verify", "--json")
    verdict = json.loads(shown)
    assert (code, verdict["is_whole"]) == (0, True)
    kept = command(installation, "audit", "--verify", "--expect", verdict["hash"])
    assert kept[0] == 0
    assert command(installation, "audit", "--verify", "--expect", "0" * 64)[0] == 1
    assert command(installation, "audit", "--expect", "0" * 64)[0] == 2

    with psycopg.connect(installation.settings.database_url) as connection:
        connection.execute("ALTER TABLE scout_control.audit_events DISABLE TRIGGER USER")
        connection.execute("UPDATE scout_control.audit_events SET action = 'x' WHERE id = 2")
    code, shown, _ = command(installation, "audit", "--verify")
    assert (code, shown.splitlines()[0][:10]) == (1, "Position 2")
    findings = json.loads(command(installation, "doctor", "--json")[1])["findings"]
    [finding] = [each for each in findings if each["check"] == "audit"]
    assert not finding["is_well"]
