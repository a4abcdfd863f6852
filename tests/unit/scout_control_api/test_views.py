"""What callers see of stored objects: everything they need, as JSON, and no secret."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from scout_control.api import views
from scout_control.api.audit import Event
from scout_control.store import lookups, models

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SOURCE = models.Source(
    id=uuid.uuid4(),
    name="hq",
    source_type="tap-commcare",
    config={"domain": "river"},
    oauth_client_id="client",
    oauth_client_secret=b"canary",
    is_active=True,
)
LINK = models.ProjectSource(
    id=uuid.uuid4(),
    project_id="river",
    source=SOURCE,
    credential_mode="user",
    sync_config={"datasets": ["cases"]},
    refresh_interval_hours=24,
    is_active=True,
)


def a_dataset(**values) -> models.Dataset:
    given = {
        "id": uuid.uuid4(),
        "project_source": LINK,
        "schema_name": "data_river_hq_1234abcd",
        "status": "ready",
        "is_paused": False,
        "readers": ["analyst"],
        "row_counts": {"cases": 3},
        "last_activity_at": NOW,
    }
    return models.Dataset(**given | values)


def a_run(**values) -> models.Run:
    given = {
        "id": uuid.uuid4(),
        "dataset": a_dataset(),
        "status": "running",
        "phase": "loading",
        "trigger": "manual",
        "attempt": 1,
        "progress": {},
        "activity": {},
        "rows_loaded": {},
        "result": {},
    }
    return models.Run(**given | values)


def a_credential(**values) -> models.Credential:
    given = {
        "id": uuid.uuid4(),
        "source": SOURCE,
        "project_id": "river",
        "kind": "oauth",
        "secrets": b"canary",
        "is_valid": True,
    }
    return models.Credential(**given | values)


VIEWS = {
    "connection": views.Connection.of(
        models.Connection(
            id=uuid.uuid4(),
            name="main",
            description="",
            host="db",
            port=5432,
            login=b"canary",
            is_active=True,
        ),
        2,
        {"sslrootcert": "/ca.pem"},
    ),
    "project": views.Project.of(
        models.Project(
            id="river",
            name="River",
            connection=models.Connection(name="main", login=b"canary"),
            db_schema="public",
            is_active=True,
        )
    ),
    "source": views.Source.of(SOURCE),
    "link": views.Link.of(LINK),
    "credential": views.Credential.of(a_credential(), NOW),
    "dataset": views.Dataset.of(a_dataset(), 24.0, a_run(resume_at=NOW)),
    "run": views.Run.of(a_run(started_at=NOW)),
    "finding": views.Finding(check="store", is_well=True, finding="It answers."),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_is_json_without_secrets(view):
    text = json.dumps(view.as_dict())

    assert "canary" not in text
    assert "canary" not in repr(view)
    assert "datetime" not in text


def test_a_client_secret_shows_only_whether_there_is_one():
    assert views.Source.of(SOURCE).has_client_secret is True
    assert views.Source.of(models.Source(name="x", config={})).has_client_secret is False


@pytest.mark.parametrize(
    ("is_valid", "expires_at", "status"),
    [
        (True, None, "connected"),
        (True, NOW + SECOND, "connected"),
        (True, NOW, "expired"),
        (True, NOW - SECOND, "expired"),
        (False, None, "needs reconnect"),
        (False, NOW + SECOND, "needs reconnect"),
        (False, NOW - SECOND, "needs reconnect"),
    ],
)
def test_only_a_rejected_credential_needs_a_person(is_valid, expires_at, status):
    row = a_credential(is_valid=is_valid, token_expires_at=expires_at)

    assert views.Credential.of(row, NOW).status == status


@pytest.mark.parametrize(
    ("user", "path"),
    [
        (None, "river/hq"),
        ("ann", "river/hq/ann"),
        ("", "river/hq"),
        ("ann@example.org", "river/hq/ann@example.org"),
        ("a/b", "river/hq/a/b"),
        ("नदी", "river/hq/नदी"),
    ],
)
def test_a_dataset_is_named_as_people_type_it(user, path):
    dataset = a_dataset(user_id=user)

    assert lookups.path(dataset) == views.Dataset.of(dataset, 24.0).path == path
    assert views.Run.of(a_run(dataset=dataset)).dataset == path


def test_a_dataset_shows_its_live_run_with_times_as_text():
    run = a_run(status="paused", phase="done", resume_at=NOW, progress={"cases": {"fetched": 1}})

    assert views.Dataset.of(run.dataset, 24.0).run is None
    assert views.Dataset.of(run.dataset, 24.0, run).run == {
        "run_id": str(run.id),
        "is_interrupted": False,
        "status": "paused",
        "phase": "done",
        "progress": {"cases": {"fetched": 1}},
        "activity": {},
        "resume_at": "2026-11-28T12:00:00Z",
    }


RESULT = {
    "status": "partial",
    "schema": "of the result",
    "sources": {"cases": {"rows": 5}},
    "error": {"code": "INTERNAL_ERROR"},
    "rows_loaded": 4,
}


@pytest.mark.parametrize(
    ("values", "sources", "has_error"),
    [
        ({"status": "partial", "result": RESULT}, {"cases": {"rows": 5}}, True),
        ({"status": "queued", "result": RESULT}, {}, False),  # of an earlier attempt
        ({"status": "running", "result": {"worked_seconds": 3.0}}, {}, False),
        ({"status": "queued", "result": {}}, {}, False),
    ],
    ids=["ended", "requeued", "worked before", "new"],
)
def test_the_json_of_a_run_has_its_result_once_it_is_over(values, sources, has_error):
    run = a_run(rows_loaded={"cases": 5, "forms": 2}, **values)
    document = views.Run.of(run).as_dict()

    assert document["sources"] == sources
    assert ("error" in document) == has_error
    assert document["rows_loaded"] == 7
    assert document["schema"] == "data_river_hq_1234abcd"  # the row's own columns win
    assert document["status"] == values["status"]


def test_a_result_cannot_give_a_run_another_identity():
    run = a_run(status="failed", result={"status": "failed", "run_id": "forged", "attempt": 99})
    document = views.Run.of(run).as_dict()

    assert (document["run_id"], document["attempt"]) == (str(run.id), 1)


def an_event(**values) -> models.AuditEvent:
    rows = [models.AuditValue(name=name, salt=b"", value=value) for name, value in values.items()]
    return models.AuditEvent(
        at=NOW,
        action="connected",
        subject_kind="credential",
        facts={"before": "2026-01-01"},
        values=rows,
    )


def test_an_event_has_its_names_and_its_details():
    event = an_event(actor="ann", subject="7", project="river", details='{"login": "oauth"}')
    document = Event.of(3, event).as_dict()

    assert (document["position"], document["at"]) == (3, "2026-11-28T12:00:00Z")
    assert (document["actor"], document["subject"], document["project"]) == ("ann", "7", "river")
    assert document["details"] == {"before": "2026-01-01", "login": "oauth"}
    assert (document["user"], document["dataset"], document["run"]) == (None, None, None)


def test_an_event_that_a_purge_erased_still_says_what_happened():
    document = Event.of(None, an_event()).as_dict()

    assert (document["action"], document["subject_kind"]) == ("connected", "credential")
    assert (document["actor"], document["subject"]) == (None, None)
    assert document["details"] == {"before": "2026-01-01"}


@pytest.mark.parametrize(
    ("own_hours", "keep", "kept_for"),
    [(None, "24h", 24), (720.0, "30d", 720), (float("inf"), "forever", None)],
)
def test_a_dataset_says_how_long_its_data_is_kept(own_hours, keep, kept_for):
    dataset = a_dataset()
    dataset.keep_hours, dataset.last_sync_at, dataset.last_activity_at = own_hours, NOW, NOW
    view = views.Dataset.of(dataset, 24.0)

    assert (view.keep, view.expires_at) == (keep, kept_for and NOW + timedelta(hours=kept_for))
    dataset.last_sync_at = None
    assert views.Dataset.of(dataset, 24.0).expires_at is None, "there is no data"
