"""People, members and tokens, through the commands and in the store."""

from __future__ import annotations

import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from scout_control.access import authorizations, sign_in
from scout_control.credentials.records import Owner
from scout_control.datasets.purge import steps
from scout_control.datasets.purge.owner_data import SearchTerms
from scout_control.datasets.purge.report import PurgeReport
from scout_control.errors import (
    BusyError,
    ConflictError,
    ControlError,
    NotFoundError,
    NotSignedInError,
    SettingsError,
)
from scout_control.rules import access_tokens, sessions
from scout_control.scheduler import maintenance
from scout_control.store import models, people, requests
from scout_control.store import sessions as stored_sessions
from sqlalchemy import text
from support import pasted
from support.documents import OWN_TEST, run_by
from support.workers import environment_of

GUIDE = "docs/guides/people.md"
EVERYTHING = """
    SELECT string_agg(t::text, ' ') FROM scout_control.{} AS t
"""


def stored(scout, *tables):
    """Return all rows of tables as text."""
    with scout.installation.store.begin() as session:
        return " ".join(session.scalar(text(EVERYTHING.format(each))) or "" for each in tables)


def test_the_guide_runs_as_it_is_pasted(scout, settings, tmp_path):
    scout.projects.remove("river")  # the guide makes its own
    (folder := tmp_path / "programs").mkdir()
    path = pasted.path_with(pasted.programs(folder))

    printed = pasted.paste(
        run_by(OWN_TEST, GUIDE), tmp_path, os.environ | environment_of(settings) | {"PATH": path}
    )

    assert "Revoked a token of ann." in printed
    assert [each.id for each in scout.people.list()] == ["ann"]
    assert [each.status for each in scout.tokens.list()] == ["revoked"]


def test_a_person_is_shown_as_changed_and_what_is_left_out_stays(run):
    run("people", "add", "ann", "--name", "Ann", "--email", "Ann@Example.org")
    run("members", "add", "ann", "--project", "river", "--role", "admin")

    changed = run("people", "update", "ann", "--role", "operator", "--unset", "name")

    assert changed == run("people", "show", "ann")
    assert changed == {
        "id": "ann",
        "name": "ann",
        "email": "Ann@Example.org",
        "issuer": None,
        "subject": None,
        "roles": ["operator"],
        "projects": {"river": "admin"},
        "is_active": True,
    }
    assert "No person 'anne' exists. Did you mean ann?" in run("people", "show", "anne", code=3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("ann",), 1, "already exists"),
        (("ben", "--email", "ANN@example.org"), 1, "is that of ann"),
        (("ben", "--issuer", "https://id.example.org", "--subject", "1"), 1, "signs ann in"),
        (("ben", "--email", "ben"), 2, "address is invalid"),
        (("ben", "--subject", "7"), 2, "belong together"),
        (("a/b",), 2, "must not contain a slash"),
    ],
)
def test_what_cannot_be_a_new_person_is_refused_with_the_reason(run, words, code, message):
    known = ("--email", "ann@example.org", "--issuer", "https://id.example.org", "--subject", "1")
    run("people", "add", "ann", *known)

    assert message in run("people", "add", *words, code=code)
    assert [each["id"] for each in run("people", "list")] == ["ann"]


def test_who_has_data_is_not_removed_since_the_id_would_lead_to_it(scout):
    scout.people.add("ann")
    scout.sources.link("river", "hq", mode="user")
    scout.datasets.ensure("river", "hq", user="ann")

    with pytest.raises(ConflictError, match=r"1 dataset and 0 credentials.*purge --user ann"):
        scout.people.remove("ann")

    assert scout.people.show("ann").is_active


def test_the_end_of_a_membership_ends_the_consent(scout):
    scout.people.add("ann")
    scout.members.add("river", "ann")
    scout.sources.link("river", "hq", mode="user")
    path = scout.datasets.ensure("river", "hq", user="ann").path

    scout.members.remove("river", "ann")

    dataset = scout.datasets.show(path)
    assert (dataset.agreed_at, dataset.next_sync_at) == (None, None)
    with pytest.raises(NotFoundError, match="No member 'ann' of 'river' exists"):
        scout.members.show("river", "ann")


def test_a_membership_is_made_once_and_goes_with_its_project(scout):
    scout.people.add("ann")
    scout.members.add("river", "ann")

    with pytest.raises(ConflictError, match="members update ann --project river --role admin"):
        scout.members.add("river", "ann", role="admin")
    with pytest.raises(SettingsError, match=r"Did you mean admin\?"):
        scout.members.update("river", "ann", role="admim")
    scout.projects.remove("river")

    assert scout.members.list() == scout.members.list(person="ann") == []


def test_a_token_is_found_by_its_hash_and_stored_nowhere(scout, run):
    scout.people.add("ann", email="ann@example.org")
    made = run("tokens", "create", "--person", "ann", "--scope", "read", "--name", "report")

    assert access_tokens.FORM.fullmatch(made["token"])
    assert made["scope"] == "read"
    assert [each["id"] for each in run("tokens", "list")] == [made["id"]]
    assert "token" not in run("tokens", "list")[0]
    with scout.installation.store.begin() as session:
        found, owner = people.find_token(session, made["token"])
        assert (str(found.id), owner.id) == (made["id"], "ann")
        assert people.find_token(session, made["token"][:-1] + "_") is None
    everywhere = stored(scout, "people", "tokens", "audit_events", "audit_values")
    assert made["token"].removeprefix("scout_") not in everywhere
    assert "ann@example.org" not in stored(scout, "audit_events", "audit_values")


def test_the_use_of_a_token_is_recorded_once_a_minute(scout):
    scout.people.add("ann")
    made = scout.tokens.create("ann")
    now = datetime.now(UTC)

    def use(seconds):
        with scout.installation.store.begin() as session:
            moment = now + timedelta(seconds=seconds)
            people.record_use(session, session.query(models.Token).one().id, moment)
        return (scout.tokens.list()[0].last_used_at - now).total_seconds()

    assert [use(0), use(30), use(61)] == [0, 0, 61]
    assert scout.tokens.list()[0].id == made.id


def test_a_revoked_token_stays_revoked_since_the_first_time(scout):
    scout.people.add("ann")
    made = scout.tokens.create("ann", expires="never")

    first, second = scout.tokens.revoke(made.id), scout.tokens.revoke(made.id)

    assert (first.status, first.expires_at) == ("revoked", None)
    assert second.revoked_at == first.revoked_at
    with pytest.raises(NotFoundError) as caught:
        scout.tokens.revoke(made.token)  # by mistake: a message must not repeat it
    assert made.token not in str(caught.value)


def test_events_about_a_person_name_what_was_done(scout, run):
    run("people", "add", "ann", "--name", "Ann")
    run("members", "add", "ann", "--project", "river")
    run("tokens", "create", "--person", "ann")
    run("people", "update", "ann", "--inactive")

    events = [(each["action"], each["subject_kind"]) for each in run("audit", "--user", "ann")]

    assert events == [
        ("updated", "person"),
        ("created", "token"),
        ("joined", "member"),
        ("added", "person"),
    ]
    assert '"Ann"' not in json.dumps(run("audit"))


def request(scout, person):
    """Store a query of a person, and the key of a request."""
    if not scout.links.list("river"):
        scout.links.add("river", "hq", mode="project")
    dataset = scout.datasets.ensure("river", "hq")
    run = scout.runs.queue(dataset.id)
    row = models.Query(
        person_id=person,
        dataset_id=uuid.UUID(dataset.id),
        milliseconds=1,
        letters=6,
        statement=f"SELECT '{person}'",
    )
    with scout.installation.store.begin() as session:
        requests.add_query(session, row)
        run_id = uuid.UUID(run.run_id)
        requests.add_key(session, person, f"key of {person}", bytes(32), run_id)
    scout.runs.cancel(run.run_id)


def test_what_people_requested_is_bounded_by_number_and_age(scout, monkeypatch):
    monkeypatch.setattr(requests, "MOST_QUERIES_OF_PERSON", 2)
    monkeypatch.setattr(requests, "MOST_KEYS_OF_PERSON", 2)
    for person in ("ann", "ben"):
        scout.people.add(person)
    for _ in range(3):
        request(scout, "ann")
    request(scout, "ben")

    found = scout.queries.list()
    assert [each.person for each in found] == ["ben", "ann", "ann"]
    assert stored(scout, "idempotency_keys").count("key of ann") == 1  # the same key
    later = datetime.now(UTC) + requests.HISTORY_RETENTION + timedelta(minutes=1)
    with scout.installation.store.begin() as session:
        assert requests.find_key(session, "ann", "key of ann", datetime.now(UTC)) is not None
        assert requests.find_key(session, "ann", "key of ann", later) is None
        requests.purge(session, later)
    assert scout.queries.list() == []
    assert stored(scout, "idempotency_keys") == ""


def test_tokens_are_bounded_and_go_a_while_after_their_end(scout, monkeypatch):
    monkeypatch.setattr(access_tokens, "MOST_OF_PERSON", 2)
    scout.people.add("ann")
    valid = scout.tokens.create("ann", expires="never")
    expiring, ended = scout.tokens.create("ann", expires="1h"), datetime.now(UTC)
    with pytest.raises(ConflictError, match="2 valid tokens already"):
        scout.tokens.create("ann")
    scout.tokens.revoke(expiring.id)
    other = scout.tokens.create("ann", expires="1h")  # those that ended do not count

    for moment, kept in (
        (ended - timedelta(minutes=1), {valid.id, expiring.id, other.id}),
        (ended + timedelta(minutes=1), {valid.id, other.id}),
        (ended + timedelta(hours=2), {valid.id}),
    ):
        maintenance.purge(scout.installation, moment + access_tokens.KEPT_AFTER_END)
        assert {each.id for each in scout.tokens.list(person="ann")} == kept


def test_who_makes_and_ends_many_tokens_fills_no_table(scout, monkeypatch):
    monkeypatch.setattr(access_tokens, "MOST_OF_PERSON", 2)
    scout.people.add("ann")
    for _ in range(5):
        scout.tokens.revoke(scout.tokens.create("ann").id)
    other = scout.people.add("ben")
    scout.tokens.revoke(scout.tokens.create(other.id).id)

    assert len(scout.tokens.list(person="ann")) == 3
    assert len(scout.tokens.list(person="ben")) == 1


def test_sessions_of_a_person_and_sign_ins_in_progress_are_bounded(scout, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_OF_PERSON", 2)
    monkeypatch.setattr(sessions, "MOST_IN_PROGRESS", 2)
    scout.people.add("ann")
    token, installation = scout.tokens.create("ann").token, scout.installation
    begun = [sign_in.with_token(installation, token) for _ in range(3)]

    with pytest.raises(NotSignedInError):
        sign_in.resume(installation, begun[0].secret)
    assert [sign_in.resume(installation, each.secret).secret for each in begun[1:]]

    for number in range(2):
        authorizations.keep(installation, f"browser {number}", f"state {number}", {})
    with pytest.raises(BusyError, match="in progress"):
        authorizations.keep(installation, "browser", "state", {})
    later = datetime.now(UTC) + sessions.AUTHORIZATION_EXPIRY
    with installation.store.begin() as session:
        row = models.Authorization(
            state_hash=bytes(32), browser_hash=bytes(32), secrets=b"x", expires_at=later
        )
        assert stored_sessions.keep_authorization(session, row, later)  # the others have expired


def test_a_purge_removes_the_person_with_memberships_and_tokens(scout):
    scout.people.add("ann", name="Ann Kimani", email="kimani@example.org")
    scout.people.add("ben", name="Ben", email="ben@example.org")
    for person in ("ann", "ben"):
        scout.members.add("river", person)
        scout.tokens.create(person)
        request(scout, person)

    receipt = scout.purges.execute(user="ann")

    assert receipt["is_complete"], receipt["left"]
    assert receipt["removed"] | {"audit_values": 0} == {
        "audit_values": 0, "memberships": 1, "people": 1, "tokens": 1,
    }  # fmt: skip
    rows = stored(scout, "people", "members", "tokens", "audit_events", "audit_values")
    assert "kimani" not in rows.lower()
    assert [each.person for each in scout.queries.list()] == ["ben"]
    assert stored(scout, "idempotency_keys").count("key of") == 1
    assert [each.id for each in scout.people.list()] == ["ben"]
    assert [each.person for each in scout.tokens.list()] == ["ben"]
    with scout.installation.store.begin() as session:
        statistics = session.scalar(
            text("SELECT string_agg(s::text, ' ') FROM pg_stats AS s WHERE tablename = 'people'")
        )
    assert "example.org" not in (statistics or "")
    assert "kimani" not in json.dumps(receipt).lower()


@pytest.mark.parametrize("field", ["id", "email", "subject"])
def test_of_people_who_are_added_at_once_one_stays(scout, field):
    """What a check before the write cannot see, a constraint of the store does."""
    values = {
        "id": [{"person": "ann"}] * 4,
        "email": [{"person": f"p{n}", "email": "ann@example.org"} for n in range(4)],
        "subject": [{"person": f"p{n}", "issuer": "https://id", "subject": "1"} for n in range(4)],
    }[field]

    def add(fields):
        try:
            return scout.people.add(**fields)
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as pool:
        added = [each for each in pool.map(add, values) if each is not None]

    assert scout.people.list() == added
    assert len(added) == 1


def test_a_person_in_two_projects_leaves_one_and_keeps_the_other(scout, run):
    scout.projects.create("lake")
    scout.people.add("ann")
    for project, role in (("river", "admin"), ("lake", "member")):
        run("members", "add", "ann", "--project", project, "--role", role)

    run("members", "remove", "ann", "--project", "lake")

    assert run("people", "show", "ann")["projects"] == {"river": "admin"}
    assert [each["project"] for each in run("members", "list", "--person", "ann")] == ["river"]
    assert run("members", "show", "ann", "--project", "river")["role"] == "admin"
    assert "No project 'hill' exists" in run("members", "list", "--project", "hill", code=3)
    assert "No member 'ann' of 'lake'" in run("members", "show", "ann", "--project", "lake", code=3)


def test_a_purged_project_takes_its_members_and_no_person(scout):
    for person in ("ann", "ben"):
        scout.people.add(person)
        scout.members.add("river", person)

    receipt = scout.purges.execute(project="river")

    assert receipt["is_complete"], receipt["left"]
    assert receipt["removed"]["memberships"] == 2
    assert [each.projects for each in scout.people.list()] == [{}, {}]


def test_a_purge_ends_access_even_if_it_is_interrupted_then(scout):
    """The first step is committed before any data is touched."""
    scout.people.add("ann", roles=["operator"])
    scout.members.add("river", "ann")
    made = scout.tokens.create("ann")

    with pytest.raises(KeyboardInterrupt):
        steps.run_steps(
            {"access": steps.STEPS["access"], "then": _interrupted},
            steps.Purge(
                installation=scout.installation,
                owner=Owner(user_id="ann"),
                terms=SearchTerms(kind="user", id="ann"),
                wait_seconds=0,
                report=PurgeReport(),
            ),
        )

    assert (scout.people.show("ann").is_active, scout.people.show("ann").roles) == (False, [])
    with scout.installation.store.begin() as session:
        assert people.find_token(session, made.token) is None
    assert scout.purges.execute(user="ann")["is_complete"]


def _interrupted(_purge):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO scout_control.people (id, name) VALUES ('', 'x')",
        "INSERT INTO scout_control.people (id, name, roles) VALUES ('x', 'x', '{root}')",
        "INSERT INTO scout_control.people (id, name, subject) VALUES ('x', 'x', '1')",
        "INSERT INTO scout_control.members (project_id, person_id, role)"
        " VALUES ('river', 'ann', 'owner')",
        "INSERT INTO scout_control.members (project_id, person_id) VALUES ('river', 'none')",
        "INSERT INTO scout_control.tokens (person_id, hash) VALUES ('ann', 'short')",
        "INSERT INTO scout_control.tokens (person_id, hash, scope)"
        " VALUES ('ann', sha256('x'), 'all')",
    ],
)
def test_the_store_keeps_its_rules_against_any_program(scout, statement):
    scout.people.add("ann")

    with pytest.raises(ControlError), scout.installation.store.begin() as session:
        session.execute(text(statement))
