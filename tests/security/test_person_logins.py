"""What a person reads in the database ends with their access, and no one else sees or ends it.

``ann`` and ``ben`` are members of river, ``cara`` of hill; each reads as their own role.
What such a role may do otherwise is tested with the other roles of a dataset (``test_roles``).
"""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import psycopg2
import pytest
from scout_control.access.access import Access
from scout_control.access.identity import authenticate
from scout_control.access.sign_in import resume, with_token
from scout_control.api import dataset_checks
from scout_control.api.scout import Scout
from scout_control.datasets import person_login, role_retirement, sharing
from scout_control.errors import (
    BusyError,
    ControlError,
    NotFoundError,
    QueryError,
    SettingsError,
)
from scout_control.installation.encryption import generate
from scout_control.rules.naming import reader_role
from scout_control.rules.permissions import Scope
from scout_control.store import reader_logins
from scout_control.store.models import ReaderLogin
from sqlalchemy import select, text
from support.workers import wait_until

COUNT = "SELECT whose FROM things"
MINE = "SELECT current_user::text, session_user::text"


@pytest.fixture(scope="module")
def river(shared_world):
    scout = shared_world.scout
    path, other = shared_world.dataset("river"), shared_world.dataset("hill")
    for each in (path, other):
        shared_world.fill(each)
    for person, project in (("ann", "river"), ("ben", "river"), ("cara", "hill")):
        scout.people.add(person)
        scout.members.add(project, person)
    return path


@pytest.fixture
def sign_in(world):
    """Sign a person in with a new token."""

    def signed_in(person, scope="write", **options):
        made = world.scout.tokens.create(person, scope=scope, **options)
        access = Access(world.scout, authenticate(world.scout.installation, made.token))
        access.token = made
        return access

    return signed_in


def reads(url):
    """Return whether a login reads the rows."""
    try:
        with closing(psycopg.connect(url)) as connection:
            return bool(connection.execute(COUNT).fetchall())
    except psycopg.OperationalError:
        return False


def roles_of_people(world):
    """Return those of this installation: roles belong to the server, which other tests use, too."""
    mark = role_retirement.OF_PERSON.format(database=world.control)
    found = world.ask("SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles")
    return {name for name, comment in found if (comment or "").startswith(mark)}


def test_each_person_reads_as_a_role_of_their_own(world, river, sign_in):
    ann, ben = sign_in("ann"), sign_in("ben")
    found = {who.identity.person: who.datasets.url(river) for who in (ann, ben)}
    [asked] = ann.datasets.query(river, MINE).rows

    assert found["ann"].user != found["ben"].user
    assert asked == (found["ann"].user, found["ann"].user)
    assert ann.datasets.url(river).url == found["ann"].url
    assert world.scout.datasets.url(river).user not in {each.user for each in found.values()}
    for each in found.values():
        assert reads(each.url)
        assert len(each.user) <= 63
        assert not {"ann", "ben", "river"} & set(each.user.split("_"))
    granted = """
        SELECT roleid::regrole::text FROM pg_auth_members
         WHERE member = (SELECT oid FROM pg_roles WHERE rolname = %s)
    """
    schema = world.scout.datasets.show(river).schema
    assert world.ask(granted, found["ann"].user) == [(reader_role(schema),)]
    # A run, and sharing with others, leave it as it is.
    world.scout.datasets.share(river, [])
    assert reads(found["ann"].url)


def test_no_one_sees_or_ends_the_statements_of_another(world, river, sign_in):
    ann, ben = sign_in("ann"), sign_in("ben")
    ben.datasets.query(river, "SELECT 1")
    outcome = []

    def ask():
        try:
            ann.datasets.query(river, "SELECT 'secret of ann', pg_sleep(20)")
        except ControlError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    sessions = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: world.ask(sessions), 20)
    [(pid,)] = world.ask(sessions)
    seen = f"SELECT query, state, wait_event FROM pg_stat_activity WHERE pid = {pid}"
    assert ben.datasets.query(river, seen).rows == [("<insufficient privilege>", None, None)]
    for function in ("pg_terminate_backend", "pg_cancel_backend"):
        with pytest.raises(QueryError, match=r"permission denied to (terminate|cancel)|must be a"):
            ben.datasets.query(river, f"SELECT {function}({pid})")
    assert world.ask(sessions) == [(pid,)]
    # Their own sessions they may end, and it is not called a time-out.
    assert ann.datasets.query(river, f"SELECT pg_terminate_backend({pid})").rows == [(True,)]
    thread.join(30)
    [error] = outcome
    assert "was ended before its time limit" in error.cause
    assert "took longer" not in str(error)


def test_a_time_out_is_still_called_one(river, sign_in):
    with pytest.raises(QueryError, match=r"took longer than 0\.3 s"):
        sign_in("ann").datasets.query(river, "SELECT pg_sleep(20)", timeout_seconds=0.3)
    with pytest.raises(QueryError, match="was cancelled before its time limit"):
        sign_in("ann").datasets.query(
            river,
            "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5) FROM generate_series(1, 9)",
        )


def remove_member(scout):
    scout.members.remove("river", "ann")
    return lambda: scout.members.add("river", "ann")


def deactivate(scout):
    scout.people.update("ann", is_active=False)
    return lambda: scout.people.update("ann", is_active=True)


def remove_person(scout):
    scout.people.remove("ann")

    def restore():
        scout.people.add("ann")
        scout.members.add("river", "ann")

    return restore


def purge(scout):
    report = scout.purges.execute(user="ann")
    assert report["not_removed"] == [], report
    assert not any(each["found"] for each in report["looked_at"]), report

    def restore():
        scout.people.add("ann")
        scout.members.add("river", "ann")

    return restore


def drop_people(scout):
    """Delete the row of the person, as another program might."""
    with scout.installation.store.begin() as session:
        session.execute(text("DELETE FROM scout_control.people WHERE id = 'ann'"))
    person_login.sweep(scout.installation)

    def restore():
        scout.people.add("ann")
        scout.members.add("river", "ann")

    return restore


@pytest.mark.parametrize(
    "end", [remove_member, deactivate, remove_person, drop_people], ids=lambda each: each.__name__
)
def test_the_login_ends_with_the_access(world, river, sign_in, end):
    ann, ben = sign_in("ann"), sign_in("ben")
    hers, his = ann.datasets.url(river), ben.datasets.url(river)
    with closing(psycopg.connect(hers.url)) as connection:
        connection.execute("BEGIN")
        restore = end(world.scout)
        with pytest.raises(psycopg.OperationalError):
            connection.execute(COUNT)

    assert not reads(hers.url)
    assert hers.user not in roles_of_people(world)
    assert reads(his.url)
    assert world.ask("SELECT * FROM scout_control.reader_logins WHERE role = %s", hers.user) == []
    restore()
    assert not reads(hers.url)
    again = sign_in("ann").datasets.url(river)
    assert (again.user != hers.user, reads(again.url)) == (True, True)


def test_a_login_ends_with_the_token_that_requested_it(world, river, sign_in):
    other, one = sign_in("ann"), sign_in("ann")
    other.datasets.query(river, "SELECT 1")  # does not show the password
    found = one.datasets.url(river)
    world.scout.tokens.revoke(other.token.id)
    assert reads(found.url)
    world.scout.tokens.revoke(one.token.id)
    assert not reads(found.url)

    # Also in a browser that was signed in with a token, and when the token expires.
    made = world.scout.tokens.create("ann", expires="24h")
    session = with_token(world.scout.installation, made.token)
    identity = resume(world.scout.installation, session.secret).identity
    found = Access(world.scout, identity).datasets.url(river)
    assert reads(found.url)
    with world.scout.installation.store.begin() as opened:
        opened.execute(
            text("UPDATE scout_control.tokens SET expires_at = :then WHERE id = :id"),
            {"then": datetime.now(UTC) - timedelta(seconds=1), "id": made.id},
        )
    person_login.sweep(world.scout.installation)
    assert not reads(found.url)
    assert sign_in("ann").datasets.query(river, COUNT).rows == [(river,)]


def test_a_new_password_is_ones_own_affair_and_revoking_that_of_an_admin(world, river, sign_in):
    ann, ben = sign_in("ann"), sign_in("ben")
    hers, his = ann.datasets.url(river), ben.datasets.url(river)
    of_dataset = world.scout.datasets.url(river)
    changed = ann.datasets.url(river, new_password=True)

    assert (reads(hers.url), reads(changed.url), reads(his.url)) == (False, True, True)
    assert reads(of_dataset.url)
    assert world.scout.datasets.revoke_url(river)
    assert not any(map(reads, (changed.url, his.url, of_dataset.url)))
    assert not world.scout.datasets.revoke_url(river)
    assert roles_of_people(world) == set()


def test_who_lost_access_while_the_login_is_made_does_not_get_one(world, river):
    reader = person_login.Reader(person="cara")
    before = roles_of_people(world)

    with pytest.raises(NotFoundError):
        person_login.login(world.scout.installation, river, reader)
    with pytest.raises(NotFoundError):
        world.scout.datasets.query(river, COUNT, person="cara")
    assert roles_of_people(world) == before


def test_a_server_that_did_not_answer_is_asked_again(world, river, sign_in, monkeypatch, caplog):
    found = sign_in("ann").datasets.url(river)
    with world.session(world.superuser) as cursor:
        cursor.execute(f'ALTER ROLE "{world.control}" NOCREATEROLE')
        world.scout.members.remove("river", "ann")
        cursor.execute(f'ALTER ROLE "{world.control}" CREATEROLE')
    assert "logins_not_ended" in caplog.text
    world.scout.members.add("river", "ann")  # before it has ended: it is not hers again
    assert person_login.sweep(world.scout.installation) == 1
    assert not reads(found.url)


def test_roles_that_the_store_does_not_know_are_found_and_dropped(world, river, sign_in):
    installation, found = world.scout.installation, sign_in("ann").datasets.url(river)
    stranger = "scout_reader_of_another_store"
    with installation.store.begin() as session:
        session.execute(text("DELETE FROM scout_control.reader_logins"))
    world.ask(f"CREATE ROLE {stranger}")
    world.ask(
        f"COMMENT ON ROLE {stranger} IS "
        f"'{role_retirement.OF_PERSON.format(database=world.control)}scout 0123'"
    )
    assert [each.finding for each in person_findings(world)] == [
        f"the role {found.user} reads a dataset for no one"
    ]
    assert person_login.drop_orphans(installation) == 1
    assert not reads(found.url)
    assert person_findings(world) == []
    assert roles_of_people(world) == {stranger}
    world.ask(f"DROP ROLE {stranger}")


def person_findings(world):
    return [each for each in dataset_checks.logins(world.scout.installation) if not each.is_well]


def test_a_role_that_someone_changed_or_dropped_is_set_up_again(world, river, sign_in):
    ann = sign_in("ann")
    found = ann.datasets.url(river)
    for change in (
        f'DROP ROLE "{found.user}"',
        f'ALTER ROLE "{found.user}" NOLOGIN',
        f"""ALTER ROLE "{found.user}" PASSWORD 'other'""",
    ):
        world.ask(change)
        assert ann.datasets.query(river, MINE).rows == [(found.user, found.user)]
        assert reads(found.url)


def test_one_person_has_so_many_sessions_and_no_more(world, river, sign_in):
    ann, ben = sign_in("ann"), sign_in("ben")
    url = ann.datasets.url(river).url
    opened = [psycopg.connect(url) for _ in range(person_login.CONNECTION_LIMIT)]
    try:
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            psycopg.connect(url)
        with pytest.raises(BusyError, match="sessions in this dataset"):
            ann.datasets.query(river, COUNT)
        assert ben.datasets.query(river, COUNT).rows == [(river,)]
        # Also where someone else opened them: a new password ends them.
        assert ann.datasets.url(river).url == url
        assert ann.datasets.url(river, new_password=True).url != url
        count, role = person_login.SESSIONS, urlsplit(url).username
        wait_until(lambda: world.ask(count, role) == [(0,)], 20)
        assert ann.datasets.query(river, COUNT).rows == [(river,)]
    finally:
        for each in opened:
            each.close()


def test_the_key_of_its_password_may_change_or_be_lost(world, river, sign_in):
    found = sign_in("ann").datasets.url(river)
    with world.scout.installation.store.begin() as session:
        stored = session.scalar(select(ReaderLogin.password).where(ReaderLogin.role == found.user))
    assert found.password.encode() not in stored
    new = generate()
    keys = f"{new},{world.settings.encryption_keys}"
    with Scout(replace(world.settings, encryption_keys=keys)) as rotating:
        rotating.rotate_keys()
        with Scout(replace(world.settings, encryption_keys=new)) as later:
            assert later.datasets.url(river, person="ann").url == found.url
        with Scout(replace(world.settings, encryption_keys=generate())) as stranger:
            assert stranger.datasets.query(river, COUNT, person="ann").rows == [(river,)]
    assert not reads(found.url)
    with Scout(replace(world.settings, encryption_keys=world.settings.encryption_keys)) as scout:
        scout.datasets.url(river, person="ann", new_password=True)


def test_nothing_of_it_outlives_the_data(world, sign_in):
    path = world.dataset("river")
    world.fill(path)
    url, query = sign_in("ann").datasets.url(path), sign_in("ben")
    query.datasets.query(path, COUNT)
    world.scout.datasets.update(path, alias="chosen")
    before = roles_of_people(world)
    with closing(psycopg.connect(url.url)) as connection:
        assert (
            connection.execute("SELECT lo_create(0)")
            if connection.info.server_version < 160000
            else True
        )
    world.scout.datasets.drop(path)

    assert not reads(url.url)
    assert len(before - roles_of_people(world)) == 2
    with world.scout.installation.store.begin() as session:
        assert not {url.user} & set(reader_logins.roles(session))


def test_a_purge_removes_the_logins_of_a_person_and_its_receipt_finds_none(world, river, sign_in):
    found = sign_in("ann").datasets.url(river)
    restore = purge(world.scout)

    assert not reads(found.url)
    assert found.user not in roles_of_people(world)
    restore()
    assert sign_in("ann").identity.scope == Scope.WRITE


@pytest.fixture(scope="module")
def roles(shared_world, river):
    """Roles that a dataset cannot be shared with, by what they are; the last one can be."""
    schema = shared_world.scout.datasets.show(river).schema
    other = shared_world.scout.datasets.show(shared_world.dataset("pond")).schema
    shared_world.fill("pond/" + shared_world.scout.datasets.show(other).source)
    made = {
        "boss": "CREATE ROLE {} SUPERUSER",
        "maker": "CREATE ROLE {} CREATEROLE",
        "parent": "CREATE ROLE {}; GRANT {} TO " + reader_role(schema),
        "older": "CREATE ROLE {}; COMMENT ON ROLE {} IS 'scout 0123'",
        "analysts": "CREATE ROLE {}",
    }
    names = {what: f"{shared_world.control}_{what}" for what in made}
    for what, statement in made.items():
        shared_world.ask(statement.replace("{}", f'"{names[what]}"'))
    names |= {each: each for each in ("pg_read_all_data", "pg_monitor", "public", "none", "a\0b")}
    names |= {f"{other}{each}": f"{other}{each}" for each in ("_ro", "_rw", "_query", "_login")}
    names |= {"own writer": f"{schema}_rw", "own reader": reader_role(schema)}
    names |= {"control": shared_world.control}
    yield names
    for what in made:
        shared_world.ask(f'DROP OWNED BY "{names[what]}"; DROP ROLE "{names[what]}"')


def test_a_dataset_is_shared_only_with_roles_that_only_read(world, river, roles, sign_in):
    share = world.scout.datasets.share
    of_ann = sign_in("ann").datasets.url(river).user
    before = world.fingerprint()

    suitable = roles["analysts"]
    for role in sorted({*roles.values(), of_ann} - {suitable}):
        with pytest.raises(SettingsError, match="The role "):
            share(river, [suitable, role])
        with pytest.raises(SettingsError, match="The role "):
            world.scout.datasets.update(river, readers=[role])
    assert world.fingerprint() == before
    assert world.scout.datasets.show(river).readers == []
    # Nor where it was stored by an older version, when the dataset is loaded again.
    schema = world.scout.datasets.show(river).schema
    stored = [suitable, roles["maker"], "pg_monitor", f"{schema}_rw"]
    ignored = sharing.set_readers(world.settings.database_url, schema, stored, skip_missing=True)
    assert set(ignored) == {*stored} - {suitable}
    assert share(river, [suitable]).readers == [suitable]
    share(river, [])


def test_a_dataset_without_data_is_not_shared_with_them_either(world, roles):
    path = world.dataset("river")
    for role in ("pg_monitor", "public", world.control, roles["own writer"]):
        with pytest.raises(SettingsError, match="The role "):
            world.scout.datasets.share(path, [role])


def test_the_schema_of_a_project_is_none_of_postgres_scout_or_a_dataset(world, river):
    projects, shown = world.scout.projects, world.scout.datasets.show(river)
    world.scout.datasets.update(river, alias="water")

    for name in ("pg_temp", "scout_control", "information_schema", shown.schema, "water", "a\0"):
        with pytest.raises(SettingsError, match="The schema "):
            projects.update("hill", db_schema=name)
        with pytest.raises(SettingsError, match="The schema "):
            projects.create("valley", db_schema=name)
    assert projects.update("hill", db_schema="own").db_schema == "own"
    projects.update("hill", unset=["schema"])


LEFT_BEHIND = (
    "SELECT pg_notify('procrastinate_any_queue_v1', 'x')",
    "SELECT pg_advisory_lock(n) FROM generate_series(1, 500) AS n",
    "SELECT lo_creat(-1)",
    "SELECT set_config('statement_timeout', '0', false), set_config('role', 'none', false)",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "SELECT query_to_xml('CREATE TEMP TABLE made AS SELECT 1', true, true, '')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_logical_emit_message(true, 'x', 'y')",
    "SELECT nextval('scout_control.touches_id_seq')",
)


def test_a_query_leaves_nothing_behind_whatever_it_calls(world, river, sign_in):
    ann = sign_in("ann")
    role = ann.datasets.url(river).user
    before = world.fingerprint()
    for statement in LEFT_BEHIND:
        with suppress(QueryError):
            ann.datasets.query(river, statement, timeout_seconds=5)

    assert world.fingerprint() == before
    assert world.ask("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    wait_until(lambda: world.ask(sessions, role) == [(0,)], 20)
    assert world.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    # The next query of anyone has the usual settings.
    asked = "SELECT current_setting('transaction_read_only'), current_setting('role')"
    assert ann.datasets.query(river, asked).rows == [("on", "none")]


def test_a_query_that_removes_its_own_time_limit_ends_in_time(river, sign_in):
    statement = """
        SELECT set_config('statement_timeout', '0', false), pg_sleep(0.5)
          FROM generate_series(1, 250)
    """
    with pytest.raises(QueryError, match=r"took longer than 0\.3 s"):
        sign_in("ann").datasets.query(river, statement, timeout_seconds=0.3)


# What the guide on roles advises to take from everyone in the database, and that nothing needs.
HARDENING = Path(__file__).parents[2] / "docs/guides/isolation.md"


def test_what_the_guide_takes_from_everyone_is_missed_by_no_one(world, river, sign_in):
    block = HARDENING.read_text().split("```sql\n")[1].split("```")[0]
    world.ask(block.replace("warehouse", f'"{world.control}"'))
    ann = sign_in("ann")
    try:
        for attempt in (
            "SELECT pg_advisory_lock(1)",
            "SELECT lo_create(0)",
            "CREATE TEMP TABLE made (id int)",
            "SELECT pg_logical_emit_message(false, 'x', 'y')",
        ):
            with world.session(ann.datasets.url(river).url) as cursor:
                cursor.execute("SET default_transaction_read_only TO off")
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(attempt)
        path = world.dataset("river")
        assert world.scout.run(path).status == "completed"
        assert ann.datasets.query(path, "SELECT count(*) FROM things").rows == [(3,)]
        world.scout.datasets.drop(path)
    finally:
        undo = block.replace("REVOKE", "GRANT").replace("FROM PUBLIC", "TO PUBLIC")
        world.ask(undo.replace("warehouse", f'"{world.control}"'))
