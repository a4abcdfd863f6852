"""What the audit trail records of an action: who, about whom, and never a secret.

The sessions are real ones without a database: nothing is flushed.
"""

from __future__ import annotations

import getpass
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.errors import CredentialRefusedError, OwnershipError
from scout_control.store import audit, audit_chain, models, queue_schema
from scout_control.store.database import Store
from sqlalchemy.orm import Session


@pytest.fixture
def session():
    with Session() as opened:
        yield opened


@pytest.fixture(autouse=True)
def actor(monkeypatch):
    monkeypatch.setenv("SCOUT_ACTOR", "ann")


def recorded(session) -> tuple[models.AuditEvent, dict[str, str]]:
    [event] = [each for each in session.new if isinstance(each, models.AuditEvent)]
    return event, {each.name: each.value for each in event.values}


def test_an_event_has_its_actor_its_subject_and_its_details(session):
    audit.record(
        session, "connected", "credential", 7, project="river", user=None, login="oauth2", tries=2
    )
    event, values = recorded(session)

    assert (event.action, event.subject_kind, event.facts) == ("connected", "credential", {})
    assert values == {
        "actor": "ann",
        "subject": "7",
        "project": "river",
        "details": '{"login": "oauth2", "tries": 2}',
    }


@given(st.text(), st.text(min_size=1))
def test_each_value_has_a_salted_digest_of_what_is_stored(subject, project):
    with Session() as session:
        audit.record(session, "queried", "dataset", subject, project=project)
        event, values = recorded(session)

    assert set(event.digests) == set(values)
    for each in event.values:
        expected = hashlib.sha256(each.salt + each.value.encode()).hexdigest()
        assert event.digests[each.name] == expected
        assert "\0" not in each.value
        assert len(each.salt) == 16
    assert len({each.salt for each in event.values}) == len(event.values)


def test_two_events_of_one_owner_have_different_digests(session):
    for _ in range(2):
        audit.record(session, "queried", "dataset", 7, user="ann")

    digests = [each.digests["user"] for each in session.new if isinstance(each, models.AuditEvent)]
    assert len(set(digests)) == 2


def test_names_are_cut_to_what_the_search_compares(session):
    long = "x" * (audit.MAX_NAME + 5)
    audit.record(session, "queried", long, long, project=long)
    _, values = recorded(session)

    assert values["subject"] == values["project"] == "x" * audit.MAX_NAME


def test_details_are_one_object_in_one_order(session):
    audit.record(session, "a", "b", 1, zeta="नदी", alpha=[None, float("nan"), b"\xff"])
    _, values = recorded(session)

    assert values["details"] == '{"alpha": [null, "NaN", "\\\\xff"], "zeta": "नदी"}'


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ann", "ann"), ("x" * 600, "x" * audit.MAX_NAME), ("", getpass.getuser())],
)
def test_the_actor_is_the_one_that_the_program_names_or_the_account(monkeypatch, name, expected):
    monkeypatch.setenv("SCOUT_ACTOR", name)

    assert audit.actor() == expected


def test_an_account_without_a_name_is_a_number(monkeypatch):
    monkeypatch.delenv("SCOUT_ACTOR")
    monkeypatch.setattr(audit.os, "getuid", lambda: 12345)

    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(audit.getpass, "getuser", nameless)
    assert audit.actor() == "12345"


def test_changes_of_a_row_are_its_old_and_new_values_without_ciphertexts():
    row = models.Source(
        name="hq", source_type="tap-x", config={"domain": "a"}, oauth_client_secret=b"canary"
    )
    changes = audit.changes(row)

    assert changes["name"] == [None, "hq"]
    assert changes["config"] == [None, {"domain": "a"}]
    assert changes["oauth_client_secret"] == [None, audit.CHANGED]
    assert "canary" not in json.dumps(changes)
    assert "base_url" not in changes  # never set


def test_a_row_without_changes_has_none():
    assert audit.changes(models.Source()) == {}


@pytest.mark.parametrize("error", [OwnershipError, CredentialRefusedError])
def test_a_refusal_is_raised_on_although_it_cannot_be_recorded(error):
    unusable = Store("postgresql://scout@db/x?sslmode=wrong")  # rejected before any connection

    with (
        pytest.raises(error, match="Refused"),
        audit.recording_refusals(unusable, "dataset", 7),
    ):
        raise error("Refused.", "Reconnect.")


def test_the_triggers_that_keep_the_trail_are_read_from_the_migration():
    triggers = audit_chain.expected_triggers()

    assert {table for table, _ in triggers} >= {"audit_events", "audit_values", "audit_chain"}
    bodies = dict(audit_chain.FUNCTION.findall(audit_chain._script()))
    assert {name for _, name in triggers} <= set(bodies)
    assert all(body.strip() for body in bodies.values())


@pytest.mark.parametrize(
    "expect", ["", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "0" * 64 + "\n", "' OR true --"]
)
def test_what_is_no_hash_is_not_looked_up(expect):
    assert audit_chain._has(None, expect) is False


def versions(scripts):
    found = [queue_schema.SCRIPT_VERSION.match(path.name).groups() for path in scripts]
    return [tuple(map(int, each)) for each in found]


def test_scripts_of_the_queue_are_applied_once_and_in_order():
    every = versions(queue_schema.scripts_after(""))

    assert every == sorted(every)
    assert len(every) > 5
    middle = every[len(every) // 2]
    later = versions(queue_schema.scripts_after(".".join(map(str, middle))))
    assert later == [each for each in every if each > middle]
    assert queue_schema.scripts_after("999.0.0") == []


@pytest.mark.parametrize("version", ["3.2.0", "03.02.00", "3.2.0rc1", "3.2.0.post1"])
def test_a_version_of_the_queue_is_a_number_however_it_is_written(version):
    assert queue_schema.scripts_after(version) == queue_schema.scripts_after("3.2.0")
