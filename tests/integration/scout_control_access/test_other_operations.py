"""Every operation of ``Access`` that is not about one dataset, for each person, own and foreign.

The arguments are such that an operation which is allowed then fails, or changes nothing: what is
compared with the table is whether it was let through.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scout_control.access import checkups, sign_in
from scout_control.access.access import Access
from scout_control.access.identity import Identity, authenticate
from scout_control.errors import (
    ConflictError,
    ControlError,
    ForbiddenError,
    NotFoundError,
    NotSignedInError,
    SettingsError,
)
from scout_control.rules import cursors
from scout_control.rules.permissions import TABLE, Decision, Relation, Role, Scope, decide
from scout_control.store.models import Base
from sqlalchemy import text

MEMBERS = {"ann": ("river", "admin"), "ben": ("river", "member"), "cara": ("lake", "admin")}
OPERATOR, CONNECTIONS = "dan", "eve"
PEOPLE = (*MEMBERS, OPERATOR, CONNECTIONS, "finn")
PROJECTS = ("river", "lake")
NO_NAME = "none-" + uuid.uuid4().hex[:6]
BAD_URL = "postgresql://"
LONG_AGO = (datetime(2020, 1, 1, tzinfo=UTC), uuid.UUID(int=1))


@pytest.fixture(scope="module")
def scout(shared_installation):
    scout = shared_installation.scout
    for project in PROJECTS:
        scout.projects.create(project)
        scout.sources.add(project, "tap-toy", config={"act": "/none"})
        scout.links.add(project, project, mode="project")
        scout.credentials.save(project, "settings", {"key": "canary"}, project=project)
        scout.datasets.ensure(project, project)
    roles = {OPERATOR: ["operator"], CONNECTIONS: ["manage_database_connections"]}
    for person in PEOPLE:
        scout.people.add(person, roles=roles.get(person, ()))
        scout.tokens.create(person, name=person)
    for person, (project, role) in MEMBERS.items():
        scout.members.add(project, person, role=role)
        scout.credentials.save(project, "settings", {"key": "canary"}, user=person)
    return scout


def roles_of(person, project=None):
    """Return the roles of a person in a project, or in the installation and anywhere."""
    known = {"admin": Role.ADMIN, "member": Role.MEMBER}
    roles = {Role.PERSON}
    roles |= {Role.OPERATOR} if person == OPERATOR else set()
    roles |= {Role.CONNECTIONS} if person == CONNECTIONS else set()
    where, role = MEMBERS.get(person, (None, None))
    return roles | ({known[role]} if role and project in {None, where} else set())


def outcome(call):
    """Return whether a call was let through."""
    try:
        call()
    except NotFoundError:  # what is let through finds the objects of these tests
        return Decision.HIDDEN
    except ForbiddenError:
        return Decision.FORBIDDEN
    except ControlError:
        return Decision.ALLOWED
    return Decision.ALLOWED


def of_project(access, project):
    """Return the operations on what a project shares."""
    link = (project, project)
    return {
        "projects.show": lambda: access.projects.show(project),
        "projects.belongings": lambda: access.projects.belongings(project),
        "projects.update": lambda: access.projects.update(project, unset=[NO_NAME]),
        "projects.remove": lambda: access.projects.remove(project),
        "links.list": lambda: access.links.list(project),
        "links.show": lambda: access.links.show(*link),
        "links.unlinked": lambda: access.links.unlinked(link[0]),
        "links.remaining": lambda: access.links.remaining(*link),
        "links.earlier_rows": lambda: access.links.earlier_rows(*link),
        "links.add": lambda: access.links.add(*link),
        "links.update": lambda: access.links.update(*link, mode=NO_NAME),
        "datasets.search_path": lambda: access.datasets.search_path(project),
        "datasets.ensure": lambda: access.datasets.ensure(*link),
        "audit.list": lambda: access.audit.list(project=project, limit=1),
        "purges.plan": lambda: access.purges.plan(project=project),
        "credentials.show": lambda: access.credentials.show(project, project=project),
        "credentials.save": lambda: access.credentials.save(
            project, NO_NAME, {}, project=project, test=False
        ),
        "credentials.authorization_request": lambda: access.credentials.authorization_request(
            project, "http://127.0.0.1/", project=project
        ),
    }


def of_installation(access):
    """Return the operations on the installation."""
    return {
        "projects.create": lambda: access.projects.create("a/b"),
        "sources.types": access.sources.types,
        "sources.add": lambda: access.sources.add("a/b", "tap-toy"),
        "pipelines": access.pipelines,
        "connections.list": access.connections.list,
        "connections.show": lambda: access.connections.show("default"),
        "connections.test": lambda: access.connections.test("default"),
        "connections.add": lambda: access.connections.add(NO_NAME, BAD_URL),
        "connections.update": lambda: access.connections.update("default", unset=[NO_NAME]),
        "connections.remove": lambda: access.connections.remove("default"),
        "audit.list": lambda: access.audit.list(limit=1),
        "audit.verify": access.audit.verify,
        "would_expire": access.would_expire,
        "doctor": access.doctor,
        "workers": access.workers,
    }


def of_person(access, person, token):
    """Return the operations on a person."""
    return {
        "people.show": lambda: access.people.show(person),
        "people.add": lambda: access.people.add(person),
        "people.update": lambda: access.people.update(person, unset=[NO_NAME]),
        "tokens.list": lambda: access.tokens.list(person=person),
        "purges.plan": lambda: access.purges.plan(user=person),
        "tokens.revoke": lambda: access.tokens.revoke(token),
        "sessions.list": lambda: access.sessions.list(person),
        "sessions.end": lambda: access.sessions.end(person),
    }


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("person", PEOPLE)
def test_what_a_project_shares_is_for_each_person_as_the_table_says(scout, person, project):
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    calls = of_project(access, project)

    found = {operation: outcome(call) for operation, call in calls.items()}

    roles = roles_of(person, project)
    assert found == {each: decide(each, roles, Relation.PROJECT) for each in calls}


@pytest.mark.parametrize("person", PEOPLE)
def test_the_installation_is_for_each_person_as_the_table_says(scout, person, monkeypatch):
    monkeypatch.setattr(checkups, "MOST_SECONDS", 0)  # the checks themselves have tests
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    calls = of_installation(access)

    found = {operation: outcome(call) for operation, call in calls.items()}

    assert found == {each: decide(each, roles_of(person), Relation.INSTALLATION) for each in calls}


@pytest.mark.parametrize("other", ["ann", "cara", "dan"])
@pytest.mark.parametrize("person", PEOPLE)
def test_people_are_for_each_person_as_the_table_says(scout, person, other):
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    relation = Relation.OWN if person == other else Relation.OTHER
    # One that is revoked already, so that it can be again.
    [token, *_] = scout.tokens.list(person=other)
    scout.tokens.revoke(token.id)
    calls = of_person(access, other, token.id)

    found = {operation: outcome(call) for operation, call in calls.items()}

    assert found == {each: decide(each, roles_of(person), relation) for each in calls}


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("other", [*MEMBERS])
@pytest.mark.parametrize("person", PEOPLE)
def test_members_are_for_each_person_as_the_table_says(scout, person, other, project):
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    relation, roles = (
        Relation.OWN if person == other else Relation.OTHER,
        roles_of(person, project),
    )
    added = outcome(lambda: access.members.add(project, other, role=NO_NAME))
    shown = outcome(lambda: access.members.show(project, other))
    changed = outcome(lambda: access.members.update(project, other, role=NO_NAME))

    assert added == decide("members.add", roles, relation)
    if MEMBERS[other][0] != project:  # there is no such member, no matter who asks
        assert (shown, changed) == (Decision.HIDDEN, Decision.HIDDEN)
    else:
        assert shown == decide("members.show", roles, relation)
        assert changed == decide("members.update", roles, relation)


@pytest.mark.parametrize("other", [*MEMBERS])
@pytest.mark.parametrize("person", PEOPLE)
def test_credentials_of_people_are_theirs(scout, person, other):
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    source = MEMBERS[other][0]
    relation = Relation.OWN if person == other else Relation.OTHER

    shown = outcome(lambda: access.credentials.show(source, user=other))

    assert shown == decide("credentials.show", roles_of(person), relation)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_token_for_reading_is_let_through_to_what_reads_only(scout, person):
    access = Access(scout, Identity(person=person, scope=Scope.READ))
    for project in PROJECTS:
        for operation, call in of_project(access, project).items():
            roles = roles_of(person, project)
            expected = decide(operation, roles, Relation.PROJECT, Scope.READ)
            assert outcome(call) == expected, (operation, project)


def all_rows(scout):
    """Return everything that is stored, except the audit trail and when tokens were used."""
    names = sorted(set(Base.metadata.tables) - {f"scout_control.{each}" for each in (
        "audit_events", "audit_values", "audit_chain", "audit_head", "touches", "locks",
    )})  # fmt: skip
    with scout.installation.store.begin() as session:
        return {
            name: session.scalars(text(f"SELECT t::text FROM {name} AS t ORDER BY 1")).all()
            for name in names
        }


@pytest.mark.parametrize("person", ["cara", "eve", "finn"])
def test_someone_of_elsewhere_changes_nothing_of_a_project(scout, person):
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    dataset, before = scout.datasets.list(project="river")[0], all_rows(scout)

    for call in (
        *of_project(access, "river").values(),
        lambda: access.projects.update("river", name="mine"),
        lambda: access.projects.remove("river", with_credentials=True),
        lambda: access.links.remove("river", "river", drop=True),
        lambda: access.members.add("river", person, role="admin"),
        lambda: access.members.remove("river", "ben"),
        lambda: access.credentials.revoke("river", project="river"),
        lambda: access.credentials.revoke("river", user="ben"),
        lambda: access.datasets.drop(dataset.id),
        lambda: access.datasets.share(dataset.schema, [person]),
        lambda: access.datasets.update(dataset.path, alias="mine"),
        lambda: access.runs.queue(dataset.path, full_refresh=True),
        lambda: access.purges.execute(project="river"),
        lambda: access.purges.execute(user="ben"),
        lambda: access.people.update("ben", is_active=False),
        lambda: access.people.remove("ben"),
        lambda: access.people.update(person, roles=["operator"]),
    ):
        assert outcome(call) != Decision.ALLOWED

    assert all_rows(scout) == before


def test_people_are_changed_by_operators_and_not_by_themselves(scout):
    dan = Access(scout, Identity(person=OPERATOR, scope=Scope.FULL))
    ann = Access(scout, Identity(person="ann", scope=Scope.FULL))

    made = dan.people.add("gil", name="Gil", roles=["operator"])
    assert dan.people.update("gil", name="Gilbert").name == "Gilbert"
    assert dan.people.list(limit=2).next == "ben"
    dan.people.remove("gil")

    assert made.roles == ["operator"]
    assert ann.people.me().id == "ann"
    assert outcome(lambda: ann.people.update("ann", roles=["operator"])) == Decision.FORBIDDEN
    assert outcome(lambda: dan.people.remove(OPERATOR)) == Decision.FORBIDDEN
    event = scout.audit.list(subject="gil", limit=1)[0]
    assert (event.action, event.actor) == ("removed", OPERATOR)


ACCOUNT = {"issuer": "https://id.example.org", "subject": "of-dan"}


@pytest.mark.parametrize("other", ["ann", "ben", "dan", "eve"])
def test_no_operator_becomes_another_person_by_naming_an_account(scout, other):
    """Each has something: an account that is an operator's would open it."""
    dan, before = Access(scout, Identity(person=OPERATOR, scope=Scope.FULL)), all_rows(scout)

    for changes in (ACCOUNT, {**ACCOUNT, "name": "x"}, {**ACCOUNT, "unset": ["email"]}):
        with pytest.raises(ConflictError, match="would be them"):
            dan.people.update(other, **changes)

    assert all_rows(scout) == before


def test_no_operator_becomes_a_user_with_data_by_adding_them(scout):
    dan = Access(scout, Identity(person=OPERATOR, scope=Scope.FULL))
    scout.credentials.save("river", "settings", {"key": "canary"}, user="embedded")
    try:
        with pytest.raises(ConflictError, match="would be them"):
            dan.people.add("embedded", **ACCOUNT)
        dan.people.add("embedded")  # without an account, only the shell signs them in
        with pytest.raises(ConflictError, match="would be them"):
            dan.people.update("embedded", **ACCOUNT)
    finally:
        scout.credentials.remove("river", user="embedded")

    assert dan.people.update("embedded", **ACCOUNT).subject == "of-dan"  # has nothing any longer
    # Naming the same again changes nothing, whatever they have.
    token = scout.tokens.create("embedded")
    assert dan.people.update("embedded", **ACCOUNT, name="E").name == "E"
    assert [each.status for each in scout.tokens.list(person="embedded")] == ["valid"]
    assert dan.people.update("embedded", unset=["issuer", "subject"]).subject is None
    assert [each.status for each in scout.tokens.list(person="embedded")] == ["revoked"]
    with pytest.raises(NotSignedInError):
        authenticate(scout.installation, token.token)
    event = scout.audit.list(subject="embedded", limit=1)[0]
    assert (event.action, event.actor, event.details["tokens_revoked"]) == ("updated", OPERATOR, 1)
    assert "of-dan" not in str(event.as_dict())
    scout.people.remove("embedded")


def test_at_the_shell_another_account_ends_sessions_links_and_tokens(scout):
    scout.people.add("gil", issuer="https://id.example.org", subject="1")
    token, link = scout.tokens.create("gil"), scout.sessions.link("gil")
    session = sign_in.with_token(scout.installation, token.token)

    scout.people.update("gil", subject="2")

    for call in (
        lambda: authenticate(scout.installation, token.token),
        lambda: sign_in.with_link(scout.installation, link.secret),
        lambda: sign_in.resume(scout.installation, session.secret),
    ):
        with pytest.raises(NotSignedInError):
            call()
    scout.people.remove("gil")


def test_a_project_and_its_links_are_managed_through_access(scout):
    dan = Access(scout, Identity(person=OPERATOR, scope=Scope.FULL))
    dan.projects.create("hill", name="Hill")
    dan.sources.add("hill-source", "tap-toy", config={"act": "/none"})
    dan.members.add("hill", "finn", role="admin")
    finn = Access(scout, Identity(person="finn", scope=Scope.FULL))
    try:
        finn.links.add("hill", "hill-source", mode="project", interval_hours=12)
        assert (
            finn.links.update("hill", "hill-source", interval_hours=6).refresh_interval_hours == 6
        )
        assert finn.datasets.ensure("hill", "hill-source").project == "hill"
        assert [each.source for each in finn.links.list("hill").items] == ["hill-source"]
        finn.links.remove("hill", "hill-source", drop=True)
        assert finn.projects.update("hill", name="Hills").name == "Hills"
        assert [each.person for each in finn.members.list("hill", limit=1).items] == ["finn"]
        assert dan.sources.remove("hill-source") == []
    finally:
        dan.projects.remove("hill")

    assert outcome(lambda: finn.projects.show("hill")) == Decision.HIDDEN
    assert [each.project for each in scout.members.list(person="finn")] == []


def test_a_page_begins_after_its_cursor(scout):
    dan = Access(scout, Identity(person=OPERATOR, scope=Scope.FULL))
    for call, key in (
        (dan.projects.list, lambda each: each.id),
        (dan.sources.list, lambda each: each.name),
        (dan.people.list, lambda each: each.id),
        (dan.credentials.list, lambda each: each.id),
        (dan.links.list, lambda each: each.id),
    ):
        everything = [key(each) for each in call().items]
        first = call(limit=1)
        rest = call(after=first.next)
        assert [key(each) for each in (*first.items, *rest.items)] == everything, call
        assert rest.next is None
    events = dan.audit.list(limit=3)
    later = dan.audit.list(limit=3, after=events.next).items
    positions = [each.position for each in (*events.items, *later)]
    assert positions == sorted(positions, reverse=True)
    assert len({*positions}) == 6
    tokens = dan.tokens.list(person="ann", limit=1)
    assert tokens.items
    assert not dan.tokens.list(person="ann", after=cursors.compose(*LONG_AGO)).items
    members = dan.members.list("river", limit=1)
    assert members.next == "ann"
    assert [each.person for each in dan.members.list("river", after="ann").items] == ["ben"]


@pytest.mark.parametrize("cursor", ["none", "'; --", "", "ÿ" * 1000])
def test_a_made_up_cursor_finds_nothing_that_is_hidden(scout, cursor):
    access = Access(scout, Identity(person="finn", scope=Scope.FULL))

    assert access.projects.list(after=cursor).items == []
    assert access.datasets.list(after=cursor).items == []
    with pytest.raises(SettingsError, match="cursor is invalid"):
        access.credentials.list(after=cursor)


def test_a_cursor_that_postgres_cannot_hold_is_refused(scout):
    access = Access(scout, Identity(person=OPERATOR, scope=Scope.FULL))
    for call in (access.projects.list, access.datasets.list, access.sources.list):
        with pytest.raises(SettingsError, match="cursor is invalid"):
            call(after="a\0")


@pytest.mark.parametrize("person", [*PEOPLE])
def test_the_status_and_the_links_have_nothing_of_foreign_projects(scout, person):
    access = Access(scout, Identity(person=person, scope=Scope.FULL))
    mine = {MEMBERS[person][0]} if person in MEMBERS else set()
    expected = {*PROJECTS} if person == OPERATOR else mine

    status, links = access.status(), access.links.list().items

    assert {each["project"] for each in status.synced_data} == expected
    assert {each.project for each in links} == expected
    assert {access.links.named(each.id)[0] for each in links} == expected
    assert {name for each in status.available_sources for name in each["projects"]} == expected
    own = {each["user"] for each in status.credentials if each["user"]}
    assert own <= {*MEMBERS} if person == OPERATOR else own <= {person}
    assert {each["project"] for each in status.credentials if each["project"]} <= expected


def test_operators_see_workers_and_what_they_execute(scout):
    dan = Access(scout, Identity(person=OPERATOR, scope=Scope.READ))
    with scout.installation.store.begin() as session:
        insert = "INSERT INTO scout_control.procrastinate_workers (last_heartbeat) VALUES "
        times = "(now() - interval '2 minutes'), (now()) RETURNING id"
        silent, alive = session.execute(text(insert + times)).scalars()
        for name in ("run", "upkeep"):
            session.execute(
                text(
                    "INSERT INTO scout_control.procrastinate_jobs "
                    "(queue_name, task_name, status, worker_id, args) VALUES "
                    """('x', :name, 'doing', :worker, '{"run_id": "of-a-run"}')"""
                ),
                {"name": name, "worker": alive},
            )
    try:
        found = {each.id: each for each in dan.workers()}
    finally:
        with scout.installation.store.begin() as session:
            session.execute(text("DELETE FROM scout_control.procrastinate_jobs"))
            session.execute(text("DELETE FROM scout_control.procrastinate_workers"))

    assert [*found] == [alive, silent]
    assert (found[alive].is_alive, found[silent].is_alive) == (True, False)
    assert (found[alive].runs, found[silent].runs) == (["of-a-run"], [])


def test_a_credential_of_another_is_not_checked_in_ones_own_name(scout):
    [anns] = scout.credentials.list(user="ann")
    dan, ben = (Access(scout, Identity(person=p, scope=Scope.FULL)) for p in (OPERATOR, "ben"))
    source, project, user = dan.credentials.named(anns.id)

    assert user == "ann"
    for call in (
        lambda: dan.credentials.check(source, project=project, user=user),
        lambda: dan.credentials.to_connect(anns.id),
    ):
        assert outcome(call) == Decision.FORBIDDEN
    assert outcome(lambda: ben.credentials.named(anns.id)) == Decision.HIDDEN
    foreign = outcome(lambda: dan.credentials.check_connectable(anns.source, project="none"))
    assert foreign == Decision.HIDDEN


def test_every_operation_of_access_is_called_by_a_test_of_this_folder():
    sources = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    access = Access(None, Identity(person="ann", scope=Scope.FULL))
    names = [
        f"{noun}.{method}"
        for noun, part in vars(access).items()
        if noun[0] != "_" and noun != "identity"
        for method in dir(part)
        if method[0] != "_" and callable(getattr(part, method))
    ]
    not_called = {each for each in names if f".{each}" not in sources}

    assert not_called <= {
        # These connect to a source, which needs a sandbox.
        "credentials.check",
        "credentials.complete_authorization",
    }
    helpers = {"people.me", "links.named", "credentials.named", "credentials.to_connect"}
    helpers |= {"credentials.check_connectable"}
    assert set(names) - helpers <= set(TABLE)
