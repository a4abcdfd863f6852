"""What each person may do through ``Access``: two projects, six people, real rows.

``ann`` is admin and ``ben`` member of river, where each has an own dataset; ``cara`` is admin of
lake. ``dan`` is operator, ``eve`` manages connections, ``finn`` has no role. Each project has a
shared dataset, a credential and a run; of the sources, one is used by each project alone.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

import psycopg
import pytest
from scout_control.access.access import Access
from scout_control.access.identity import Identity, authenticate
from scout_control.datasets.provision import provision
from scout_control.errors import (
    ControlError,
    ForbiddenError,
    NotFoundError,
    NotSignedInError,
    SettingsError,
)
from scout_control.rules.naming import reader_role
from scout_control.rules.permissions import Decision, Relation, Role, Scope, decide
from scout_control.rules.refusal_limit import IN_FULL
from scout_control.store import datasets as stored_datasets
from scout_control.store import lookups
from sqlalchemy import event, text

PEOPLE = ("ann", "ben", "cara", "dan", "eve", "finn")
ROLES = {
    "ann": {"river": Role.ADMIN},
    "ben": {"river": Role.MEMBER},
    "cara": {"lake": Role.ADMIN},
}
INSTALLATION = {"dan": Role.OPERATOR, "eve": Role.CONNECTIONS}
DATASETS = ("river/shared-river", "river/mine/ann", "river/mine/ben", "lake/shared-lake")
MISSING = "river/nothing"
SUGGESTIONS = re.compile(r" Did you mean ([^?]+)\?")


@dataclass
class Place:
    """The installation, and the ids of what is in it."""

    scout: object
    ids: dict[str, str]
    runs: dict[str, str]

    def access(self, person, scope=Scope.FULL):
        return Access(self.scout, Identity(person=person, scope=scope))


def load(made, path):
    """Give a dataset a table with a row, as a run would."""
    store = made.scout.installation.store
    with store.begin() as session:
        dataset = lookups.dataset(session, path)
        provision(made.scout.installation.server_url_of(dataset), stored_datasets.names(dataset))
        dataset.status, schema = "ready", dataset.schema_name
        session.execute(
            text("UPDATE scout_control.datasets SET last_sync_at = now() WHERE id = :id"),
            {"id": dataset.id},
        )
    with psycopg.connect(made.superuser_url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE \"{schema}\".things AS SELECT '{path}' AS whose")
        connection.execute(f'GRANT SELECT ON "{schema}".things TO "{reader_role(schema)}"')


@pytest.fixture(scope="module")
def place(shared_installation):
    made = shared_installation
    scout = made.scout
    for project in ("river", "lake"):
        scout.projects.create(project)
        source = f"shared-{project}"
        scout.sources.add(source, "tap-toy", config={"act": "/none"})
        scout.links.add(project, source, mode="project")
        scout.datasets.ensure(project, source)
        scout.credentials.save(source, "settings", {"key": "canary"}, project=project)
    scout.sources.add("mine", "tap-toy", config={"act": "/none"})
    scout.links.add("river", "mine", mode="user")
    for person in PEOPLE:
        role = INSTALLATION.get(person)
        names = {Role.OPERATOR: "operator", Role.CONNECTIONS: "manage_database_connections"}
        scout.people.add(person, roles=[names[role]] if role else [])
    for person, projects in ROLES.items():
        for project, role in projects.items():
            scout.members.add(project, person, role="admin" if role == Role.ADMIN else "member")
    for person in ("ann", "ben"):
        scout.datasets.ensure("river", "mine", user=person)
        scout.credentials.save("mine", "settings", {"key": "canary"}, user=person)
    for path in DATASETS:
        load(made, path)
    ids = {path: scout.datasets.show(path).id for path in DATASETS}
    runs = {path: scout.runs.queue(path).run_id for path in DATASETS}
    return Place(scout, ids, runs)


def standing(person, path):
    """Return the roles of a person where a dataset is, and whose it is."""
    project, _, user = (*path.split("/"), None)[:3]
    roles = {Role.PERSON, *filter(None, (INSTALLATION.get(person),))}
    roles |= {ROLES.get(person, {}).get(project)} - {None}
    owner = Relation.PROJECT if user is None else Relation.OWN if user == person else Relation.OTHER
    return roles, owner


def outcome(call, *arguments, **options):
    """Return what happened to a call: an error that is not about access is ALLOWED."""
    try:
        call(*arguments, **options)
    except NotFoundError:
        return Decision.HIDDEN
    except ForbiddenError:
        return Decision.FORBIDDEN
    except ControlError:
        return Decision.ALLOWED
    return Decision.ALLOWED


def datasets_calls(access, name, run):
    """Return every operation on one dataset, by its name in the table; none destroys anything."""
    return {
        "datasets.show": lambda: access.datasets.show(name),
        "datasets.describe": lambda: access.datasets.describe(name),
        "datasets.query": lambda: access.datasets.query(name, "SELECT whose FROM things"),
        "datasets.touch": lambda: access.datasets.touch(name),
        "datasets.pause": lambda: access.datasets.pause(name, is_paused=False),
        "datasets.update": lambda: access.datasets.update(name, keep="default"),
        "datasets.choose_alias": lambda: access.datasets.choose_alias(name, "select"),
        "datasets.share": lambda: access.datasets.share(name, []),
        "datasets.revoke_url": lambda: access.datasets.revoke_url(name),
        "datasets.drop": lambda: access.datasets.drop(name),
        "models.list": lambda: access.models.list(name),
        "models.show": lambda: access.models.show(name, "things"),
        "models.describe": lambda: access.models.describe(name),
        "runs.show": lambda: access.runs.show(run),
        "runs.list": lambda: access.runs.list(dataset=name),
        "runs.logs": lambda: access.runs.logs(run),
        "runs.waiting_before": lambda: access.runs.waiting_before(run),
        "runs.queue": lambda: access.runs.queue(name),
        "runs.follow": lambda: access.runs.follow(run),
        "status": lambda: access.status(dataset=name),
    }


KEPT = ("datasets.drop", "datasets.query", "models.list", "models.show", "models.describe")
"""Not called where they are allowed, since they destroy, cost seconds, or need dbt's tables."""


@pytest.mark.parametrize("by", ["path", "id"])
@pytest.mark.parametrize("person", PEOPLE)
def test_each_dataset_and_run_is_for_each_person_as_the_table_says(place, person, by):
    access = place.access(person)
    found, expected = {}, {}
    for path in DATASETS:
        roles, relation = standing(person, path)
        name = path if by == "path" else place.ids[path]
        for operation, call in datasets_calls(access, name, place.runs[path]).items():
            expected[path, operation] = decide(operation, roles, relation)
            if operation in KEPT and expected[path, operation] == Decision.ALLOWED:
                found[path, operation] = Decision.ALLOWED
                continue
            found[path, operation] = outcome(call)

    assert found == expected


@pytest.mark.parametrize("person", PEOPLE)
def test_a_hidden_dataset_or_run_has_the_message_of_a_missing_one(place, person):
    access = place.access(person)
    for path in DATASETS:
        if decide("datasets.show", *standing(person, path)) != Decision.HIDDEN:
            continue
        for name, missing in (
            (path, MISSING),
            (place.ids[path], str(uuid.uuid4())),
            (place.scout.datasets.show(path).schema, "data_nothing"),
        ):
            for operation, call in datasets_calls(access, name, place.runs[path]).items():
                if operation.startswith("runs.") and operation not in {"runs.queue", "runs.list"}:
                    continue
                with pytest.raises(NotFoundError) as hidden:
                    call()
                with pytest.raises(NotFoundError) as absent:
                    datasets_calls(access, missing, "none")[operation]()
                said = without_suggestions(hidden.value, access).replace(name, missing)
                assert said == without_suggestions(absent.value, access), operation
        run, other = place.runs[path], str(uuid.uuid4())
        with pytest.raises(NotFoundError) as hidden:
            access.runs.cancel(run)
        with pytest.raises(NotFoundError) as absent:
            access.runs.cancel(other)
        assert str(hidden.value).replace(run, other) == str(absent.value)


def without_suggestions(error, access):
    """Return a message without the names that may be meant, which are the person's own."""
    match = SUGGESTIONS.search(str(error))
    suggested = match.group(1).split(" or ") if match else []
    assert set(suggested) <= {each.path for each in access.datasets.list().items}
    return SUGGESTIONS.sub("", str(error))


def test_a_hidden_object_takes_the_statements_of_a_missing_one(place):
    """Statements are compared rather than clocks: equal work takes equal time on any machine."""
    engine, access = place.scout.installation.store.engine, place.access("cara")

    def statements(call, name):
        seen = []

        def note(_c, _cursor, statement, *_rest):
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            assert outcome(call, name) == Decision.HIDDEN
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return seen

    ids, runs, missing_id = place.ids, place.runs, str(uuid.uuid4())
    pairs = (
        (access.datasets.show, "river/shared-river", "river/none"),
        (access.datasets.show, ids["river/mine/ben"], missing_id),
        (access.runs.show, runs["river/mine/ben"], missing_id),
        (access.projects.show, "river", "none"),
        (access.people.show, "ben", "none"),
        (lambda project: access.links.show(project, "mine"), "river", "none"),
    )
    for call, hidden, missing in pairs:
        assert statements(call, hidden) == statements(call, missing) != []


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ("ann", {"river/shared-river", "river/mine/ann", "river/mine/ben"}),
        ("ben", {"river/shared-river", "river/mine/ben"}),
        ("cara", {"lake/shared-lake"}),
        ("dan", set(DATASETS)),
        ("eve", set()),
        ("finn", set()),
    ],
)
def test_lists_hold_what_may_be_seen_on_every_page(place, person, expected):
    access = place.access(person)
    found, after = [], None
    while True:
        page = access.datasets.list(after=after, limit=1)
        found += [each.path for each in page.items]
        assert len(page.items) <= 1
        if (after := page.next) is None:
            break

    assert (set(found), len(found)) == (expected, len(expected))
    assert {each.dataset for each in access.runs.list().items} == expected
    projects = {path.split("/")[0] for path in expected}
    assert {each.id for each in access.projects.list().items} == projects


def test_rows_are_read_as_the_reader_of_that_dataset_and_bounded(place):
    access = place.access("ben")

    result = access.datasets.query("river/shared-river", "SELECT whose FROM things")
    many = access.datasets.query(
        "river/mine/ben", "SELECT generate_series(1, 5000)", max_rows=10**9, timeout_seconds=10**6
    )

    assert [list(row) for row in result.rows] == [["river/shared-river"]]
    assert (len(many.rows), many.truncated_by) == (1000, "rows")
    schema = place.scout.datasets.show("lake/shared-lake").schema
    with pytest.raises(ControlError, match="rejected"):
        access.datasets.query("river/mine/ben", f'SELECT * FROM "{schema}".things')


@pytest.mark.parametrize(
    ("person", "sources"),
    [
        ("ann", {"shared-river", "shared-lake", "mine"}),
        ("ben", {"shared-river", "mine"}),
        ("cara", {"shared-river", "shared-lake", "mine"}),
        ("dan", {"shared-river", "shared-lake", "mine"}),
        ("finn", set()),
    ],
)
def test_sources_are_seen_by_those_whose_projects_use_or_may_link_them(place, person, sources):
    access = place.access(person)

    assert {each.name for each in access.sources.list().items} == sources
    for name in ("shared-river", "shared-lake", "mine"):
        expected = Decision.ALLOWED if name in sources else Decision.HIDDEN
        assert outcome(access.sources.show, name) == expected
        assert outcome(access.credentials.source_type, name) == expected
        assert outcome(access.credentials.default_kind, name) == expected
        changed = outcome(access.sources.update, name, config={})
        if person == "dan":
            assert changed == Decision.ALLOWED
        else:
            assert changed == (Decision.FORBIDDEN if name in sources else Decision.HIDDEN)


@pytest.mark.parametrize("person", PEOPLE)
def test_credentials_are_their_owners(place, person):
    access = place.access(person)
    is_operator = person == "dan"
    own = {(each.source, each.project, each.user) for each in access.credentials.list().items}
    all_of_them = {
        ("shared-river", "river", None),
        ("shared-lake", "lake", None),
        ("mine", None, "ann"),
        ("mine", None, "ben"),
    }
    projects = ROLES.get(person, {})

    assert own == {
        each for each in all_of_them if is_operator or each[1] in projects or each[2] == person
    }
    seen = outcome(access.credentials.show, "mine", user="ben")
    assert seen == (Decision.ALLOWED if person in {"ben", "dan"} else Decision.HIDDEN)
    saved = outcome(
        access.credentials.save,
        "shared-river",
        "settings",
        {"key": "other"},
        project="river",
        test=False,
    )
    expected = {"ann": Decision.ALLOWED, "ben": Decision.FORBIDDEN, "dan": Decision.FORBIDDEN}
    assert saved == expected.get(person, Decision.HIDDEN)


def test_who_chooses_no_names_does_not_learn_which_are_taken(place):
    """A name that all projects share would tell, and keep it from whose name it is."""
    place.scout.datasets.update("lake/shared-lake", alias="lake_secret")
    said = {}
    for person in ("ann", "ben"):
        datasets = place.access(person).datasets
        for alias in ("lake_secret", "lake_free", "lake_shared_lake"):
            for path in ("river/shared-river", f"river/mine/{person}"):
                with pytest.raises(ForbiddenError) as raised:
                    datasets.update(path, alias=alias, keep="7d")
                said.setdefault(person, set()).add(str(raised.value))
            with pytest.raises(NotFoundError):
                datasets.update("lake/shared-lake", alias=alias)

    assert [len(each) for each in said.values()] == [1, 1]
    river = place.scout.datasets.show("river/shared-river")
    assert (river.alias, river.keep) == (None, place.scout.datasets.show("lake/shared-lake").keep)
    assert place.access("dan").datasets.update("lake/shared-lake", unset=["alias"]).alias


def test_no_one_consents_for_another(place):
    for person, expected in (
        ("ann", ForbiddenError),
        ("ben", NotFoundError),
        ("dan", ForbiddenError),
        ("cara", NotFoundError),
    ):
        with pytest.raises(expected):
            place.access(person).datasets.ensure(
                "river", "mine", user="ann" if person != "ann" else "ben"
            )


def test_members_see_each_other_and_no_one_else(place):
    ben, cara = place.access("ben"), place.access("cara")

    assert [each.person for each in ben.members.list("river").items] == ["ann", "ben"]
    assert ben.members.show("river", "ann").role == "admin"
    for name in ("finn", "finm"):
        assert outcome(ben.members.add, "river", name) == Decision.FORBIDDEN
    assert outcome(ben.members.update, "river", "ann", role="member") == Decision.FORBIDDEN
    assert outcome(ben.members.update, "river", "ben", role="admin") == Decision.FORBIDDEN
    assert outcome(cara.members.list, "river") == Decision.HIDDEN
    for name in ("finn", "finm"):  # a person elsewhere, and no one: no suggestion tells them apart
        with pytest.raises(NotFoundError) as caught:
            ben.members.show("river", name)
        assert str(caught.value) == (
            f"No member '{name}' of 'river' exists. See: scout members list --project river"
        )
    assert [each.id for each in ben.people.list().items] == ["ben"]
    assert {each.id for each in place.access("dan").people.list().items} == set(PEOPLE)


def test_an_admin_adds_and_removes_members_and_a_member_leaves(place):
    ann, finn = place.access("ann"), place.access("finn")
    assert outcome(finn.projects.show, "river") == Decision.HIDDEN

    ann.members.add("river", "finn")
    assert finn.projects.show("river").id == "river"
    finn.members.remove("river", "finn")

    assert outcome(finn.projects.show, "river") == Decision.HIDDEN
    events = place.scout.audit.list(subject="finn", limit=2)
    assert [(each.action, each.actor) for each in events] == [("left", "finn"), ("joined", "ann")]


def test_connections_are_managed_by_their_manager_alone(place):
    admin, operator, manager = (place.access(each) for each in ("ann", "dan", "eve"))

    assert [each.name for each in admin.connections.list().items] == ["default"]
    for access in (admin, operator):
        assert outcome(access.connections.update, "default", description="x") == Decision.FORBIDDEN
    assert manager.connections.update("default", description="x").description == "x"
    assert outcome(place.access("ben").connections.list) == Decision.HIDDEN
    assert outcome(place.access("ben").connections.show, "default") == Decision.HIDDEN
    assert outcome(manager.projects.list) == Decision.ALLOWED
    assert manager.projects.list().items == []


def test_a_login_for_tools_is_for_members_and_its_replacement_for_admins(place):
    path, foreign = "river/shared-river", "lake/shared-lake"
    ann, ben, dan = (place.access(each) for each in ("ann", "ben", "dan"))

    first = ben.datasets.url(path)
    assert ben.datasets.url(path).password == first.password
    assert outcome(ben.datasets.url, path, new_password=True) == Decision.FORBIDDEN
    assert outcome(dan.datasets.url, path) == Decision.FORBIDDEN
    assert outcome(ben.datasets.url, foreign) == Decision.HIDDEN
    assert ann.datasets.url(path, new_password=True).password != first.password
    assert outcome(ben.datasets.url, "river/mine/ann") == Decision.HIDDEN
    assert ann.datasets.revoke_url(path)


def test_a_source_that_is_hidden_is_not_found_through_a_project_either(place):
    ben = place.access("ben")
    for name in ("shared-lake", "none"):
        with pytest.raises(NotFoundError, match=f"No source '{name}' exists"):
            ben.links.list("river", source=name)
        with pytest.raises(NotFoundError, match=f"No source '{name}' exists"):
            ben.links.show("river", name)


def test_the_audit_trail_of_a_project_is_for_its_admins(place):
    assert place.access("ann").audit.list(project="river")
    assert place.access("dan").audit.list()
    assert outcome(place.access("ben").audit.list, project="river") == Decision.FORBIDDEN
    assert outcome(place.access("cara").audit.list, project="river") == Decision.HIDDEN
    assert outcome(place.access("ann").audit.list) == Decision.HIDDEN
    assert all(
        each.project == "river" for each in place.access("ann").audit.list(project="river").items
    )


def test_purges_are_an_operators_who_signed_in(place):
    dan = place.access("dan")

    assert dan.purges.plan(user="ben").credentials == 1
    for person in ("ann", "ben", "finn"):
        assert outcome(place.access(person).purges.plan, project="lake") == Decision.HIDDEN
    limited = place.access("dan", Scope.WRITE)
    assert outcome(limited.purges.execute, user="ben") == Decision.FORBIDDEN


def test_a_token_for_reading_reads(place):
    made = place.scout.tokens.create("ann", scope="read")
    identity = authenticate(place.scout.installation, made.token)
    access = Access(place.scout, identity)

    assert (identity.person, identity.scope) == ("ann", Scope.READ)
    assert access.datasets.show("river/shared-river").project == "river"
    with pytest.raises(ForbiddenError, match="does not reach far enough"):
        access.runs.queue("river/shared-river")
    assert outcome(access.tokens.create) == Decision.FORBIDDEN
    assert outcome(access.runs.queue, "lake/shared-lake") == Decision.HIDDEN


def test_tokens_are_made_for_oneself_and_revoked_by_operators(place):
    ben, dan = place.access("ben"), place.access("dan")
    made = ben.tokens.create(name="own")

    assert made.person == "ben"
    assert [each.name for each in dan.tokens.list(person="ben").items] == ["own"]
    with pytest.raises(NotFoundError) as hidden:
        place.access("ann").tokens.revoke(made.id)
    with pytest.raises(NotFoundError) as missing:
        place.access("ann").tokens.revoke(str(uuid.uuid4()))
    assert str(hidden.value) == str(missing.value)
    assert dan.tokens.revoke(made.id).status == "revoked"


def test_who_is_not_let_in_gets_one_answer(place):
    installation = place.scout.installation
    place.scout.people.add("gone")
    expired, revoked, inactive = (place.scout.tokens.create("gone") for _ in range(3))
    place.scout.tokens.revoke(revoked.id)
    with installation.store.begin() as session:
        session.execute(
            text("UPDATE scout_control.tokens SET expires_at = now() WHERE id = :id"),
            {"id": expired.id},
        )
    identity = authenticate(installation, inactive.token)
    place.scout.people.update("gone", is_active=False)
    answers = set()
    for token in (expired.token, revoked.token, inactive.token, "", "scout_" + "A" * 43, "é"):
        with pytest.raises(NotSignedInError) as caught:
            authenticate(installation, token)
        answers.add(str(caught.value))

    assert len(answers) == 1
    with pytest.raises(NotSignedInError):  # also with an identity from before
        Access(place.scout, identity).projects.list()
    place.scout.people.remove("gone")
    with pytest.raises(NotSignedInError):
        Access(place.scout, identity).projects.list()


def test_the_person_is_the_actor_of_what_they_do(place):
    place.access("ben").datasets.touch("river/shared-river")
    place.access("ben").datasets.pause("river/mine/ben", is_paused=False)

    [event] = place.scout.audit.list(action="resumed", user="ben", limit=1)

    assert event.actor == "ben"


def test_what_is_forbidden_is_recorded_and_what_is_hidden_is_not(place):
    place.scout.people.add("zoe")
    place.scout.members.add("river", "zoe")
    zoe = place.access("zoe")

    with pytest.raises(ForbiddenError) as caught:
        zoe.datasets.pause("river/shared-river")
    assert outcome(zoe.datasets.pause, "lake/shared-lake") == Decision.HIDDEN

    [found] = place.scout.audit.list(action="refused", user="zoe", limit=1000)
    assert (found.actor, found.subject) == ("zoe", "datasets.pause")
    assert str(caught.value) == (
        "Your role does not allow this (datasets.pause). "
        "Ask someone with the role of project admin or operator."
    )
    # Who repeats it does not fill the disk.
    for _ in range(3 * IN_FULL):
        assert outcome(zoe.datasets.pause, "river/shared-river") == Decision.FORBIDDEN
        assert outcome(zoe.projects.update, "river") == Decision.FORBIDDEN
    assert len(place.scout.audit.list(action="refused", user="zoe", limit=1000)) == IN_FULL
    place.scout.people.remove("zoe")


@pytest.mark.parametrize("limit", [0, -1, 501, 10**9])
def test_no_list_is_unbounded(place, limit):
    access = place.access("ann")
    for call in (
        access.datasets.list,
        access.projects.list,
        access.sources.list,
        access.credentials.list,
        access.people.list,
        access.runs.list,
        access.tokens.list,
        access.links.list,
        access.connections.list,
        access.audit.list,
        access.queries.list,
    ):
        with pytest.raises(SettingsError, match="limit"):
            call(limit=limit)
