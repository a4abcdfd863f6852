"""The REST interface, noun by noun, as people use it; the installation has real data."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests
from scout_control.access import checkups
from scout_control.access.access import Access
from scout_control.access.identity import Identity
from scout_control.rules.permissions import Decision, Relation, Role, Scope, decide
from scout_control.rules.remedies import COMMAND
from scout_control.serve import run_events
from support.rest import Client, serving

from benchmarks import rest_fuzz
from scout_control import Scout


@pytest.fixture(scope="module")
def place(shared_installation):
    """Two projects with rows: ann and ben are of river, cara of lake."""
    made, scout = shared_installation, shared_installation.scout
    for project, canary in rest_fuzz.CANARIES.items():
        dataset = made.dataset(project)
        made.act(rows=5, name=canary)
        assert scout.run(dataset).status == "completed"
    tokens = rest_fuzz.add_people(scout)
    with serving(scout) as address:
        clients = {name: Client(address, token) for name, token in tokens.items()}
        yield Place(made, scout, clients)


class Place:
    """What the tests share."""

    def __init__(self, made, scout, clients):
        self.made, self.scout, self.clients = made, scout, clients

    def __getitem__(self, person):
        return self.clients[person]

    @property
    def river(self):
        return self.scout.datasets.list(project="river")[0]

    @property
    def lake(self):
        return self.scout.datasets.list(project="lake")[0]


LISTS = {
    "connections": lambda scout: scout.connections.list(),
    "sources": lambda scout: scout.sources.list(),
    "project-sources": lambda scout: scout.links.list(),
    "datasets": lambda scout: scout.datasets.list(),
    "projects": lambda scout: scout.projects.list(),
    "people": lambda scout: scout.people.list(),
}


@pytest.mark.parametrize("noun", LISTS)
def test_lists_have_the_fields_of_the_commands_and_pages(place, noun):
    expected = [each.as_dict() for each in LISTS[noun](place.scout)]
    found, after = [], ""
    while after is not None:
        page = place["dan"].get(f"{noun}/?limit=1" + (f"&after={after}" if after else ""))
        found, after = found + page["items"], page["next"]

    assert sorted(found, key=json.dumps) == sorted(expected, key=json.dumps)


def test_runs_are_listed_the_newest_first_and_as_the_commands_show_them(place):
    first = place["dan"].get("sync-jobs/?limit=1")
    second = place["dan"].get(f"sync-jobs/?limit=1&after={first['next']}")
    run = place.scout.runs.show(first["items"][0]["run_id"])

    assert first["items"][0] == json.loads(json.dumps(run.as_dict()))
    assert second["items"][0]["run_id"] != run.run_id


@pytest.mark.parametrize(
    "path", ["connections", "types", "project-sources", "datasets", "people/me", "health", "ready"]
)
def test_a_path_is_answered_with_and_without_its_last_slash(place, path):
    for slash in ("", "/"):
        answer = place["ann"]("GET", path + slash)
        assert (answer.status_code, answer.history) == (200, []), answer.text


def test_head_is_answered_as_get_without_a_body(place):
    for path in ("/health", "datasets", f"datasets/{place.river.id}"):
        answer = place["ann"]("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_no_response_is_stored_or_says_which_server_it_is(place):
    for client, path in ((place["ann"], "datasets"), (place[None], "datasets"), (place[None], "x")):
        headers = client("GET", path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers


def test_a_connection_is_tested_and_its_login_is_never_shown(place):
    eve, url = place["eve"], urlsplit(place.made.settings.database_url)
    parts = {"host": "127.0.0.1", "port": 9, "user": "ann", "password": "canary-secret"}
    refused = eve("POST", "connections", {"name": "away", **parts})
    added = eve("POST", "connections", {"name": "away", **parts, "test": False})

    assert (refused.status_code, added.status_code) == (424, 201), (refused.text, url.scheme)
    assert refused.json()["error"]["code"] == "NETWORK_ERROR"
    shown = eve.get("connections/away")
    assert (shown["host"], shown["port"], shown["project_count"]) == ("127.0.0.1", 9, 0)
    assert "canary-secret" not in refused.text + added.text + json.dumps(shown)
    moved = eve("PATCH", "connections/away", {"host": "127.0.0.2", "test": False})
    assert moved.status_code == 422  # the password would be sent to another host
    named = eve("PATCH", "connections/away", {"description": "x", "database": "b", "test": False})
    assert (named.json()["description"], named.json()["database"]) == ("x", "b")
    row = place.scout.connections.show("away")
    assert row.host == "127.0.0.1"
    assert place["ann"]("PATCH", "connections/away", {"description": ""}).status_code == 403
    assert place["ben"]("GET", "connections/away").status_code == 404
    assert eve("DELETE", "connections/away").status_code == 204
    assert eve("DELETE", "connections/default").status_code == 409
    assert eve("POST", "connections/default/test").status_code == 200


def test_a_source_is_changed_and_its_client_secret_is_never_shown(place):
    dan = place["dan"]
    body = {"name": "late", "source_type": "tap-toy", "config": {"act": "/a"}}
    added = dan("POST", "sources", body | {"client_id": "c", "client_secret": "canary-secret"})

    assert added.status_code == 201
    assert added.json()["has_client_secret"] is True
    changed = dan("PATCH", "sources/late", {"client_secret": None, "config": {"act": "/b"}})
    assert (changed.json()["has_client_secret"], changed.json()["config"]) == (False, {"act": "/b"})
    assert "canary-secret" not in added.text + changed.text + dan("GET", "sources/late").text
    assert place["ben"]("GET", "sources/late").status_code == 404
    assert dan("DELETE", "sources/late").json() == {"success": True, "not_revoked": []}


def test_a_link_is_made_changed_detached_and_linked_again(place):
    place.scout.sources.add("linked", "tap-toy", config={"act": "/a"})
    ann = place["ann"]
    body = {"project": "river", "source": "linked", "credential_mode": "project"}
    made = ann("POST", "project-sources", body | {"refresh_interval_hours": 6})
    link = f"project-sources/{made.json()['id']}"

    assert made.status_code == 201
    assert made.json()["refresh_interval_hours"] == 6
    assert ann("POST", "project-sources", body).status_code == 409
    assert place["cara"]("GET", link).status_code == 404
    changed = ann("PATCH", link, {"refresh_interval_hours": None, "credential_mode": "user"})
    assert (changed.json()["refresh_interval_hours"], changed.json()["credential_mode"]) == (
        24,
        "user",
    )
    assert ann("PATCH", link, {"is_active": False}).json()["is_active"] is False
    assert ann("GET", link).status_code == 404
    assert ann("PATCH", link, {"is_active": True}).json()["is_active"] is True
    assert ann("DELETE", f"{link}?drop=true").status_code == 204
    place.scout.sources.remove("linked")


def test_credentials_are_saved_listed_and_revoked_without_their_secrets(place):
    source, ben = place.river.source, place["ben"]
    body = {"source": source, "kind": "settings", "fields": {"key": "canary-secret"}}
    saved = ben("POST", "credentials", body | {"test": False})
    credential = f"credentials/{saved.json()['id']}"

    assert (saved.status_code, saved.json()["user"]) == (201, "ben")
    assert {"status", "token_expires_at", "last_error"} <= set(saved.json())
    assert saved.json() in ben.get("credentials")["items"]
    assert ben("POST", f"{credential}/reauthorize").json()["start"] is None
    assert place["ann"]("GET", credential).status_code == 404
    assert place["dan"]("POST", f"{credential}/check").status_code == 403
    assert ben("POST", "credentials", body | {"project": "river"}).status_code == 403
    assert ben("DELETE", credential).json()["success"] is True
    assert ben("GET", credential).status_code == 404
    assert "canary-secret" not in saved.text


def test_a_change_of_what_has_changed_meanwhile_is_refused(place):
    ann = place["ann"]
    [link] = ann.get("project-sources?project=river")["items"]
    path = f"project-sources/{link['id']}"
    tag = ann("GET", path).headers["ETag"]
    results = []

    def change(hours):
        answer = ann("PATCH", path, {"refresh_interval_hours": hours}, If_Match=tag)
        results.append(answer.status_code)

    threads = [threading.Thread(target=change, args=(hours,)) for hours in range(30, 36)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(results) == [200] + [412] * 5
    present = ann("GET", path).headers["ETag"]
    assert ann("GET", path, If_None_Match=present).status_code == 304
    assert (
        ann("PATCH", path, {"refresh_interval_hours": 24}, If_Match=f"W/{present}").status_code
        == 412
    )
    assert ann("PATCH", path, {"refresh_interval_hours": 24}, If_Match=present).status_code == 200


def test_a_reading_token_changes_nothing_and_takes_no_lock(place):
    [link] = place["ann"].get("project-sources?project=river")["items"]
    answer = place["reader"]("PATCH", f"project-sources/{link['id']}", {}, If_Match='"other"')

    assert answer.status_code == 403
    assert place["reader"]("POST", f"datasets/{place.river.id}/sync").status_code == 403


def test_a_dataset_is_read_within_limits_and_queries_are_remembered(place):
    ann, dataset = place["ann"], f"datasets/{place.river.id}"
    body = {"dataset": place.river.id, "sql": "SELECT * FROM things ORDER BY id", "limit": 2}
    found = ann("POST", "query", body).json()

    assert found["rows"] == [[0, "canary-river"], [1, "canary-river"]]
    assert (found["columns"], found["types"]) == (["id", "name"], ["bigint", "text"])
    assert (found["truncated"], found["truncated_by"]) == (True, "rows")
    assert found["timing_ms"] >= 0
    failed = ann("POST", "query", body | {"sql": "SELECT none"})
    assert (failed.status_code, failed.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert ann("POST", "query", body | {"sql": "DELETE FROM things"}).status_code == 422
    assert ann.get(f"{dataset}/rows?table=things&limit=1")["rows"] == [[0, "canary-river"]]
    assert ann.get(f"{dataset}/schema")["tables"][0]["table"] == "things"
    assert ann.get(f"{dataset}/tables/things")["columns"]
    assert ann.get(f"{dataset}/status?history=3")["history"][0]["status"] == "completed"
    latest, *_ = ann.get(f"queries?person=ann&dataset={place.river.id}")["items"]
    assert (latest["row_count"], latest["truncated"], latest["sql"]) == (1, True, None)
    assert {each["person"] for each in place["cara"].get("queries")["items"]} <= {"cara"}
    assert place["cara"]("POST", "query", body).status_code == 404
    assert place["dan"]("POST", "query", body).status_code == 403
    assert place["dan"].get("queries")["items"][0]["person"] == "ann"


def test_a_repeated_request_to_sync_is_the_same_run(place):
    ann, key = place["ann"], str(uuid.uuid4())
    sync = f"datasets/{place.river.id}/sync"
    first = ann("POST", sync, Idempotency_Key=key)
    run = first.json()["run_id"]
    other = ann("POST", sync, {"full_refresh": True}, Idempotency_Key=key)

    assert first.status_code == 202
    assert first.headers["Location"].endswith(f"/sync-jobs/{run}/")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    assert ann("POST", f"sync-jobs/{run}/cancel").json()["status"] == "cancelled"
    again = ann("POST", sync, Idempotency_Key=key)
    assert (again.json()["run_id"], again.json()["status"]) == (run, "cancelled")
    ben = place["ben"]("POST", sync, Idempotency_Key=key).json()
    assert ben["run_id"] != run
    assert ann("POST", f"sync-jobs/{ben['run_id']}/cancel").status_code == 200


def test_events_tell_what_a_run_does_until_it_ends(place):
    ann = place["ann"]
    run = ann("POST", f"datasets/{place.river.id}/sync").json()["run_id"]
    told = []

    for name, data in ann.events(f"sync-jobs/{run}/events"):
        told.append((name, json.loads(data)))
        if len(told) == 1:
            place.scout.runs.cancel(run)

    assert [name for name, _ in told] == ["run", "run", "end"]
    assert [data["status"] for _, data in told] == ["queued", "cancelled", "cancelled"]
    assert place["cara"]("GET", f"sync-jobs/{run}/events").status_code == 404


def test_events_end_when_the_token_does(place):
    run = place["ann"]("POST", f"datasets/{place.river.id}/sync").json()["run_id"]
    token = place.scout.tokens.create("ben")
    told = []

    for name, data in Client(place["ann"].address, token.token).events(f"sync-jobs/{run}/events"):
        told.append((name, json.loads(data)))
        place.scout.tokens.revoke(token.id)

    assert [name for name, _ in told] == ["run", "error"]
    assert told[-1][1]["error"]["code"] == "AUTH_TOKEN_MISSING"
    place.scout.runs.cancel(run)


def test_streams_are_counted_by_person(place, monkeypatch):
    monkeypatch.setattr(run_events, "MOST_OF_PERSON", 1)
    run = place["ann"]("POST", f"datasets/{place.river.id}/sync").json()["run_id"]
    stream = place["ann"].events(f"sync-jobs/{run}/events")
    next(stream)

    refused = place["ann"]("GET", f"sync-jobs/{run}/events")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert refused.headers["Retry-After"]
    assert next(place["ben"].events(f"sync-jobs/{run}/events"))[0] == "run"
    stream.close()
    place.scout.runs.cancel(run)


def test_people_members_and_tokens_are_managed(place):
    dan, ann = place["dan"], place["ann"]
    assert dan("POST", "people", {"id": "gil", "name": "Gil"}).status_code == 201
    assert ann("POST", "projects/river/members", {"person": "gil"}).status_code == 201
    promoted = ann("PATCH", "projects/river/members/gil", {"role": "admin"})
    assert promoted.json()["role"] == "admin"
    assert ann("DELETE", "projects/river/members/gil").status_code == 204
    assert dan("PATCH", "people/gil", {"is_active": False}).json()["is_active"] is False
    assert dan("DELETE", "people/gil").status_code == 204
    assert place["ben"]("GET", "people/ann").status_code == 404
    made = place.scout.tokens.create("ben", name="own")
    assert made.id in [each["id"] for each in place["ben"].get("tokens")["items"]]
    assert made.token not in place["ben"]("GET", "tokens").text
    assert place["ben"]("POST", "tokens", {"name": "x"}).status_code == 403
    assert place["ben"]("DELETE", f"tokens/{made.id}").json()["status"] == "revoked"
    assert place["dan"]("POST", "purges/plan", {"project": "river"}).json()["links"] == 1
    assert place["dan"]("POST", "purges", {"user": "x", "confirm": True}).status_code == 403
    trail = place["ann"].get("audit?project=river&limit=2")
    assert len(trail["items"]) == 2
    assert place["ann"].get(f"audit?project=river&after={trail['next']}")["items"]
    assert place["ann"]("GET", "audit").status_code == 404


@pytest.mark.parametrize("name", [".", "..", "me", "a%2Fb", "a/b", "\u0430dmin", "a\u202eb", " "])
def test_no_id_is_given_that_an_address_could_not_name(place, name):
    bodies = {
        ("dan", "people"): {"id": name},
        ("dan", "projects"): {"id": name},
        ("dan", "sources"): {"name": name, "source_type": "tap-toy"},
        ("eve", "connections"): {"name": name, "host": "127.0.0.1", "test": False},
    }
    for (person, noun), body in bodies.items():
        answer = place[person]("POST", noun, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
        assert "must not" in answer.json()["error"]["message"]


def test_no_error_names_a_command_of_the_shell_or_a_file_of_the_server(place):
    dan, ann, ben = (place[each] for each in ("dan", "ann", "ben"))
    place.scout.people.add("hal")
    [link] = place.scout.links.list("river")
    source = link.source
    place.scout.credentials.save(source, "settings", {"key": "x"}, user="hal", test=False)
    settings = place.scout.installation.settings
    answers = [
        dan("POST", "sources", {"name": "x", "source_type": "tap-none"}),
        dan("POST", "sources", {"name": source, "source_type": "tap-toy"}),
        dan("POST", "people", {"id": "ann"}),
        dan("DELETE", "people/hal"),
        dan("GET", "people/none"),
        dan("DELETE", "projects/river"),
        dan("POST", "projects", {"id": "river"}),
        dan("PATCH", "people/hal", {"issuer": "https://a.example.org", "subject": "b"}),
        ann("POST", "project-sources", {"source": source, "project": "river"}),
        ann("PATCH", f"project-sources/{link.id}", {"sync_config": {"act": "/x"}}),
        ann("POST", "project-sources", {"source": source, "project": "none"}),
        ann("GET", "datasets/none"),
        ann("GET", "sync-jobs/none"),
        ann("POST", "query", {"dataset": place.river.schema, "sql": "SELECT * FROM none"}),
        ann("DELETE", "tokens/none"),
        ben("POST", "projects/river/members", {"person": "ben"}),
        ann("POST", "projects/river/members", {"person": "ben"}),
        place[None]("GET", "datasets"),
    ]
    place.scout.credentials.remove(source, user="hal")
    place.scout.people.remove("hal")

    for answer in answers:
        error = answer.json()["error"]
        assert 400 <= answer.status_code < 500, answer.text
        assert not COMMAND.search(error["message"] + error["remedy"]), error
        for folder in (settings.project_root, settings.home):
            assert str(folder) not in answer.text
    remedies = [answer.json()["error"]["remedy"] for answer in answers]
    assert "meltano.yml has no source type 'tap-none'" in answers[0].json()["error"]["message"]
    assert "PATCH /api/datasources/people/ann/" in remedies[2]
    assert "GET /api/datasources/datasets/{dataset}/tables/" in remedies[13]
    assert f"({{dataset}} is the id of {place.river.path})" in remedies[13]


OF_PROJECT = {
    "projects/{project}": "projects.show",
    "projects/{project}/belongings": "projects.belongings",
    "search-path?project={project}": "datasets.search_path",
    "audit?limit=1&project={project}": "audit.list",
    "project-sources/{link}": "links.show",
    "project-sources?is_active=false&project={project}": "links.unlinked",
    "credentials/{credential}": "credentials.show",
    "datasets/{dataset}": "datasets.show",
    "datasets/{dataset}/status": "status",
    "datasets/{dataset}/streams": "datasets.describe",
    "datasets/{dataset}/tables": "models.list",
    "datasets/{dataset}/schema": "models.describe",
    "datasets/{dataset}/rows?table=things": "datasets.query",
    "sync-jobs/{run}": "runs.show",
    "sync-jobs/{run}/logs": "runs.logs",
    "sync-jobs/{run}/events": "runs.follow",
    "sync-jobs/{run}/waiting": "runs.waiting_before",
}
OF_INSTALLATION = {
    "types": "sources.types",
    "pipelines": "pipelines",
    "connections": "connections.list",
    "connections/default": "connections.show",
    "audit?limit=1": "audit.list",
    "audit/verify": "audit.verify",
    "would-expire": "would_expire",
    "doctor": "doctor",
    "workers": "workers",
}
ANSWERS = {Decision.ALLOWED: 200, Decision.FORBIDDEN: 403, Decision.HIDDEN: 404}
MEMBERS = {
    ("ann", "river"): Role.ADMIN,
    ("reader", "river"): Role.ADMIN,
    ("ben", "river"): Role.MEMBER,
    ("cara", "lake"): Role.ADMIN,
}
OF_PERSON = {"dan": Role.OPERATOR, "eve": Role.CONNECTIONS}


def roles_of(person, *projects):
    """Return the roles of a person in projects, and in the installation."""
    found = {MEMBERS.get((person, each)) for each in projects} | {OF_PERSON.get(person)}
    return {Role.PERSON, *found} - {None}


@pytest.mark.parametrize("project", rest_fuzz.CANARIES)
@pytest.mark.parametrize("person", ["ann", "ben", "cara", "dan", "eve", "finn", "reader"])
def test_each_role_gets_by_id_what_the_table_of_permissions_says(place, person, project):
    dataset = place.scout.datasets.list(project=project)[0]
    names = {
        "project": project,
        "dataset": dataset.id,
        "link": place.scout.links.list(project)[0].id,
        "credential": place.scout.credentials.list(project=project)[0].id,
        "run": next(
            each.run_id
            for each in place.scout.runs.list(dataset=dataset.id)
            if each.status == "completed"
        ),
    }
    roles, found, expected = roles_of(person, project), {}, {}

    for path, operation in OF_PROJECT.items():
        found[path] = place[person]("GET", path.format(**names)).status_code
        expected[path] = ANSWERS[decide(operation, roles, Relation.PROJECT, Scope.READ)]

    assert found == expected


@pytest.mark.parametrize("person", ["ann", "ben", "dan", "eve", "finn", "reader"])
def test_each_role_gets_of_the_installation_what_the_table_says(place, person, monkeypatch):
    monkeypatch.setattr(checkups, "MOST_SECONDS", 0)  # the checks themselves have tests
    roles, found, expected = roles_of(person, *rest_fuzz.CANARIES), {}, {}

    for path, operation in OF_INSTALLATION.items():
        found[path] = place[person]("GET", path).status_code
        expected[path] = ANSWERS[decide(operation, roles, Relation.INSTALLATION, Scope.READ)]

    assert found == expected


def test_what_is_hidden_is_answered_like_what_does_not_exist(place):
    missing = str(uuid.uuid4())
    link, credential = (
        place.scout.links.list("lake")[0].id,
        place.scout.credentials.list(project="lake")[0].id,
    )
    for path, hidden in (
        ("datasets/{}", place.lake.id),
        ("datasets/{}", place.lake.schema),
        ("project-sources/{}", link),
        ("credentials/{}", credential),
        ("sync-jobs/{}", place.scout.runs.list(dataset=place.lake.id)[0].run_id),
        ("projects/{}", "lake"),
    ):
        answers = [place["ann"]("GET", path.format(name)) for name in (hidden, missing)]
        assert [each.status_code for each in answers] == [404, 404]
        assert answers[0].text.replace(hidden, missing) == answers[1].text


def test_a_project_is_created_changed_and_removed_by_an_operator(place):
    dan = place["dan"]
    made = dan("POST", "projects", {"id": "hill", "name": "Hill"})
    assert (made.status_code, made.json()["connection"]) == (201, "default")
    assert dan("POST", "projects", {"id": "hill"}).status_code == 409
    assert dan("PATCH", "projects/hill", {"name": None}).json()["name"] == "hill"
    tag = dan("GET", "projects/hill").headers["ETag"]
    assert dan("DELETE", "projects/hill", If_Match='"other"').status_code == 412
    assert dan("DELETE", "projects/hill", If_Match=tag).json()["not_revoked"] == []
    assert dan("GET", "projects/hill").status_code == 404
    assert place["ann"]("POST", "projects", {"id": "other"}).status_code == 404


def test_the_schedule_retention_and_readers_of_a_dataset_are_changed(place):
    ann, dataset = place["ann"], f"datasets/{place.river.id}"
    assert ann("POST", f"{dataset}/pause").json()["is_paused"] is True
    assert ann("POST", f"{dataset}/resume").json()["is_paused"] is False
    assert ann("PATCH", dataset, {"keep": "30d", "is_paused": True}).json()["keep"] == "30d"
    reset = ann("PATCH", dataset, {"keep": None, "is_paused": None}).json()
    assert (reset["keep"], reset["is_paused"]) == ("24h", False)
    assert ann("PATCH", dataset, {"keep": "never ever"}).status_code == 422
    assert ann("POST", f"{dataset}/touch").json()["id"] == place.river.id
    assert ann("POST", f"{dataset}/share", {"roles": []}).json()["readers"] == []
    url = ann("POST", f"{dataset}/url").json()
    assert url["password"] in url["url"]
    assert ann("DELETE", f"{dataset}/url").json() == {"success": True, "was_there": True}
    assert ann("DELETE", f"{dataset}/url").json()["was_there"] is False
    for path in ("pause", "touch", "url", "share"):
        body = {"roles": []} if path == "share" else None
        assert place["cara"]("POST", f"{dataset}/{path}", body).status_code == 404
    assert place["ben"]("POST", f"{dataset}/pause").status_code == 403
    assert place["dan"]("POST", f"{dataset}/url").status_code == 403


HOSTILE = {
    "GET /api/datasources/datasets/a%00b/": 400,
    "GET /api/datasources/datasets/%ff/": 400,
    "GET /api/datasources/datasets/?after=%00": 400,
    f"GET /api/datasources/datasets/{'a' * 9000}/": 414,
    "PUT /api/datasources/datasets/": 405,
    "GET /api/none": 404,
}


@pytest.mark.parametrize("request_", HOSTILE, ids=lambda each: each[:45])
def test_what_cannot_be_is_refused_with_a_document(place, request_):
    method, _, path = request_.partition(" ")
    answer = place["ann"](method, path)

    assert answer.status_code == HOSTILE[request_]
    assert answer.json()["success"] is False


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 422),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'{"dataset": "\xff"}', 400),
        ("application/json", b'{"dataset": "a\\u0000", "sql": "x"}', 422),
        ("application/json", b'{"dataset": "\\ud800", "sql": "x"}', 422),
        ("application/json", b'{"dataset": "a", "sql": "x", "hunter2": 1}', 422),
        ("application/json", b" " * (1 << 20) + b"{}", 413),
        ("text/plain", b"{}", 415),
    ],
)
def test_a_body_that_cannot_be_is_refused_with_a_document(place, kind, body, status):
    answer = requests.post(
        f"{place['ann'].address}/api/datasources/query",
        data=body,
        headers={"Authorization": f"Bearer {place['ann'].token}", "Content-Type": kind},
        timeout=60,
    )

    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is False


def test_a_server_lives_without_its_store_and_says_that_it_is_not_ready(place, tmp_path):
    away = replace(place.made.settings, database_url="postgresql://ann:canary@127.0.0.1:9/x")
    with Scout(away) as scout, serving(scout) as address:
        client = Client(address, "scout_" + "A" * 43)
        assert client.get("/health") == {"status": "ok"}
        ready, listed = client("GET", "/ready"), client("GET", "datasets")

    assert place[None].get("/ready") == {"status": "ready"}
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready"})
    assert (listed.status_code, listed.json()["error"]["code"]) == (503, "NETWORK_ERROR")
    assert listed.headers["Retry-After"]
    assert "canary" not in listed.text


def test_two_servers_of_one_store_share_what_matters(place):
    with Scout(place.made.settings) as scout, serving(scout) as address:
        first, second = place["ann"], Client(address, place["ann"].token)
        sync, key = f"datasets/{place.river.id}/sync", str(uuid.uuid4())
        run = first("POST", sync, Idempotency_Key=key).json()["run_id"]
        assert second("POST", sync, Idempotency_Key=key).json()["run_id"] == run
        assert second("POST", f"sync-jobs/{run}/cancel").status_code == 200
        assert first.get(f"sync-jobs/{run}")["status"] == "cancelled"
        [link] = first.get("project-sources?project=river")["items"]
        path = f"project-sources/{link['id']}"
        tag = first("GET", path).headers["ETag"]
        day = {"refresh_interval_hours": 48}
        assert second("PATCH", path, day, If_Match=tag).status_code == 200
        assert first("PATCH", path, day, If_Match=tag).status_code == 412
        token = place.scout.tokens.create("ann")
        client = Client(address, token.token)
        assert client("GET", "datasets").status_code == 200
        assert first("DELETE", f"tokens/{token.id}").status_code == 200
        assert client("GET", "datasets").status_code == 401


def test_a_text_of_queries_is_kept_only_if_the_installation_says_so(place, monkeypatch):
    object.__setattr__(place.made.settings, "query_text", True)
    try:
        access = Access(place.scout, Identity(person="ann", scope=Scope.READ))
        access.datasets.query(place.river.id, "SELECT 'canary-text'")
    finally:
        object.__setattr__(place.made.settings, "query_text", False)

    latest = place["ann"].get("queries?limit=1")["items"][0]
    assert latest["sql"] == "SELECT 'canary-text'"
    assert place["dan"].get("queries?limit=1")["items"][0]["sql"] is None  # reads no rows
    assert {each["person"] for each in place["ben"].get("queries")["items"]} <= {"ben"}


def test_no_role_gets_an_internal_error_or_a_foreign_row(place):
    known = rest_fuzz.names_of(place.scout)
    left_out = {*rest_fuzz.LEFT_OUT, "credentials.check"}  # which starts a tap
    reports = {}
    for role, (person, canaries) in rest_fuzz.PEOPLE.items():
        client = place[person]
        fuzz = rest_fuzz.Fuzz(client.address, client.token, known, canaries, 1, left_out)
        # All operations of all roles, several times: make bench ARGS=rest_fuzz
        reports[role] = fuzz.run(every=1 if role == "project admin" else 4)

    failures = [each for report in reports.values() for each in report.failures]
    assert not failures, "\n".join([*rest_fuzz.summary(reports), *failures])
    assert all(report.requests >= 18 for report in reports.values())
    assert reports["project admin"].statuses[200] >= 10
    assert set(reports["anonymous"].statuses) <= {200, 401}  # the former: whether it lives
