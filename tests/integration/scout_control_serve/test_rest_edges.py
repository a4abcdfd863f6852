"""What no client should send: each endpoint answers it with a document that says so.

In this process, with a real store: hundreds of requests, as someone who may do nearly everything.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from scout_control.serve.app import create_app
from scout_control.serve.routers import ROUTERS
from support.asgi import InProcess

BASE = "/api/datasources"
ROUTES = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if route.path.startswith(BASE) and route.include_in_schema
    for method in sorted(route.methods)
]
NAMED = [each for each in ROUTES if "{" in each[1] and each[0] == "GET"]
CHANGING = [each for each in ROUTES if each[0] in {"POST", "PATCH"}]
OPERATOR = "dan"
ALL = ("operator", "manage_database_connections")


@pytest.fixture(scope="module")
def served(shared_installation):
    scout = shared_installation.scout
    scout.projects.create("river")
    scout.people.add(OPERATOR, roles=ALL)
    scout.members.add("river", OPERATOR, role="admin")
    token = scout.tokens.create(OPERATOR).token
    with InProcess(create_app(scout)) as served:
        served.scout = scout
        yield served, f"Bearer {token}"


@pytest.fixture
def ask(served):
    app, bearer = served

    def send(address, method="GET", body=b"", *more, **headers):
        return app.ask(address, method, body, *more, **{"authorization": bearer, **headers})

    return send


def problem(answer):
    """Return the code of an error, whose document is complete and says nothing of the inside."""
    document = answer.json()
    error = document["error"]
    assert not document["success"]
    assert error["message"]
    assert error["remedy"]
    assert error["code"] != "INTERNAL_ERROR", error
    assert "Traceback" not in error["message"]
    assert len(answer.body) < 3000
    return error["code"]


NAMES = (
    *("%2e%2e", "a%2Fb", "%25%32%66", "%F0%9F%90%98", "%C3%A9", "e%CC%81", "%E2%80%AE", "%27%3B--"),
    *("00000000-0000-0000-0000-000000000000", "%7B00000000-0000-0000-0000-000000000000%7D"),
    *("urn:uuid:00000000-0000-0000-0000-000000000000", "0" * 32, "-1", "1e400", "%20", "%09"),
    *("x" * 1020, "x" * 1021, quote("ß" * 300), "me;x=1", "*", "%25", "null", "%ED%A0%80", "%FF"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_nothing_has_is_not_found_or_refused(ask, name):
    for method, path in NAMED[NAMES.index(name) % 3 :: 3]:
        answer = ask(fill(path, name), method)

        assert answer.status in {400, 404, 414, 422}, (path, answer.body)
        assert problem(answer) in {"NOT_FOUND", "VALIDATION_ERROR"}


def fill(path, name):
    """Return a path with a name in place of each parameter."""
    parts = [name if each.startswith("{") else each for each in path.split("/")]
    return "/".join(parts)


BODIES = {
    "nothing": b"",
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "a number": b"1",
    "no JSON": b"{",
    "no UTF-8": b'{"name": "\xff"}',
    "with a mark": b"\xef\xbb\xbf{}",
    "half a pair": b'{"name": "\\ud800", "id": "\\ud800", "source": "\\ud800"}',
    "NUL": b'{"name": "a\\u0000", "id": "a\\u0000", "project": "a\\u0000", "dataset": "\\u0000"}',
    "not a number": b'{"name": NaN, "id": Infinity}',
    "deep": b'{"config": ' + b"[" * 500 + b"]" * 500 + b"}",
    "huge": b'{"limit": ' + b"9" * 5000 + b"}",
    "unknown": b'{"no_such_field": 1}',
    "of other types": json.dumps(
        {name: [{}] for name in ("name", "id", "project", "source", "dataset", "sql", "config")}
    ).encode(),
    "twice": b'{"id": "a/b", "id": "a/c", "name": "a/b", "name": "a/c", "project": "x"}',
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_of_another_kind_is_refused(ask, kind):
    for method, path in CHANGING[[*BODIES].index(kind) % 3 :: 3]:
        answer = ask(fill(path, "none"), method, BODIES[kind])

        assert 400 <= answer.status < 500, (path, answer.body)
        problem(answer)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("Bearer {}", 200),
        ("bearer {}", 200),
        ("BEARER   {}", 200),
        ("Bearer {} ", 200),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Basic {}", 401),
        ("Token {}", 401),
        ("{}", 401),
        ("Bearer {}x", 401),
        ("Bearer {0} {0}", 401),
        ("Bearer {0}, Bearer {0}", 401),
        ("Bearer é{}", 401),
        ("Bearer " + "x" * 7000, 401),
    ],
)
def test_a_token_is_taken_from_one_well_formed_header(served, sent, status):
    app, bearer = served
    token = bearer.removeprefix("Bearer ")

    answer = app.ask(f"{BASE}/people/me/", authorization=sent.format(token))

    assert answer.status == status, answer.body
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert token not in answer.body.decode()


@pytest.mark.parametrize("name", ["authorization", "host", "content-type", "idempotency-key"])
def test_of_two_tokens_or_hosts_in_a_request_none_is_chosen(ask, name):
    others = {"authorization": "Bearer scout_" + "A" * 43, "host": "127.0.0.1:8765"}
    value = others.get(name, "application/json")
    second = (name.encode(), value.encode())
    headers = {} if name in others else {name.replace("-", "_"): value}

    answer = ask(f"{BASE}/people/me/", "GET", b"", second, **headers)

    assert (answer.status, problem(answer)) == (400, "VALIDATION_ERROR")
    assert name in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "tags", ["", "*x", "x", "W/{}", '"', '"x", W/{}', "{}x", "é", '"' + "x" * 1500 + '"']
)
def test_a_change_is_not_made_by_a_tag_that_does_not_fit(ask, tags):
    tag = ask(f"{BASE}/projects/river/").headers["etag"]

    answer = ask(
        f"{BASE}/projects/river/", "PATCH", b'{"name": "Changed"}', if_match=tags.format(tag)
    )

    assert (answer.status, problem(answer)) == (412, "CONFLICT")
    assert ask(f"{BASE}/projects/river/").headers["etag"] == tag


@pytest.mark.parametrize("tags", ["{}", "*", ' "x" , {} ', '"a,b",{},"c"'])
def test_a_change_is_made_by_one_tag_that_fits(ask, tags):
    tag = ask(f"{BASE}/projects/river/").headers["etag"]
    body = json.dumps({"name": tags[:20]}).encode()

    answer = ask(f"{BASE}/projects/river/", "PATCH", body, if_match=tags.format(tag))

    assert answer.status == 200, answer.body
    known = answer.headers["etag"]
    assert ask(f"{BASE}/projects/river/", if_none_match=f"W/{known}").status == 304


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FOO", "get"])
def test_a_method_that_an_address_does_not_answer_is_named_with_those_it_does(ask, method):
    answer = ask(f"{BASE}/datasets/", method)

    assert (answer.status, problem(answer)) == (405, "VALIDATION_ERROR")
    assert set(answer.headers["allow"].split(", ")) <= {"GET", "POST"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("APPLICATION/JSON", 201),
        ("application/vnd.scout+json", 201),
        ("application/json; charset=utf-16", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonx", 415),
        ("", 415),
    ],
)
def test_a_body_is_read_as_json_only_if_it_says_so(ask, kind, status):
    name = f"kind-{abs(hash(kind))}"
    body = json.dumps({"id": name}).encode()

    answer = ask(f"{BASE}/projects/", "POST", body, content_type=kind)

    assert answer.status == status, answer.body
    assert ask(f"{BASE}/projects/{name}/").status == (200 if status == 201 else 404)


@pytest.mark.parametrize("limit", ["0", "-1", "501", "1e2", "1.5", "", "x", "9" * 400, "٣", " 1"])
def test_a_limit_is_a_number_within_its_bounds(ask, limit):
    for noun in ("datasets", "people", "audit", "sync-jobs", "workers"):
        answer = ask(f"{BASE}/{noun}/?limit={quote(limit)}")
        if answer.status == 200:
            assert int(limit) in range(1, 501)
        else:
            assert (answer.status, problem(answer)) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "moment",
    ["yesterday", "2026-13-01", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "1e10", "-1",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "9" * 30],
)  # fmt: skip
def test_a_moment_that_cannot_be_is_refused_and_one_of_any_age_is_answered(ask, moment):
    answer = ask(f"{BASE}/audit/?since={quote(moment)}&limit=1")

    if answer.status != 200:
        assert (answer.status, problem(answer)) == (422, "VALIDATION_ERROR")


def test_who_manages_connections_learns_of_no_project(served):
    app, _ = served
    scout = app.scout
    scout.people.add("eve", roles=["manage_database_connections"])
    parts = {"host": "127.0.0.1", "port": 9, "user": "ann", "password": "canary"}
    scout.connections.add("away", parts=parts, test=False)
    scout.projects.create("secret-project", connection="away")
    bearer = f"Bearer {scout.tokens.create('eve').token}"

    answers = [
        app.ask(f"{BASE}/{path}", method, body, authorization=bearer)
        for method, path, body in (
            ("GET", "connections/", b""),
            ("GET", "connections/away/", b""),
            ("DELETE", "connections/away/", b""),
            ("POST", "connections/", b'{"name": "away", "host": "x", "user": "x", "test": false}'),
            ("PATCH", "connections/away/", b'{"port": 10, "password": "x", "test": false}'),
            ("GET", "projects/", b""),
            ("GET", "projects/secret-project/", b""),
            ("POST", "projects/", b'{"id": "secret-project"}'),
        )
    ]

    assert [each.status for each in answers] == [200, 200, 409, 409, 200, 200, 404, 404]
    for each in answers[:6]:
        assert b"secret-project" not in each.body


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("sources/", {"oauth_client_id": "x"}, "Did you mean client_id? The fields are: "),
        ("projects/", {"nam": "x"}, "Did you mean name? The fields are: "),
        ("datasets/none/share/", {"readers": ["x"]}, "The fields are: roles."),
        ("datasets/none/sync/", {"xyz": 1}, "The fields are: full_refresh."),
    ],
)
def test_an_unknown_field_is_named_with_those_that_there_are(ask, path, body, said):
    answer = ask(f"{BASE}/{path}", "POST", json.dumps(body).encode())

    error = answer.json()["error"]
    assert (answer.status, problem(answer)) == (422, "VALIDATION_ERROR")
    assert f"{next(iter(body))}: there is no such field" in error["message"]
    assert error["remedy"].startswith(said)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("query/", b'{"dataset": "x", "sql": "SELECT 1", "limit": true}', "limit"),
        ("query/", b'{"dataset": "x", "sql": "SELECT 1", "limit": "10"}', "limit"),
        ("datasets/none/sync/", b'{"full_refresh": "yes"}', "full_refresh"),
        ("datasets/none/sync/", b'{"full_refresh": 1}', "full_refresh"),
        ("projects/", b'{"id": "one", "id": "two"}', "id"),
        ("sources/", b'{"name": "n", "config": {"a": 1, "a": 2}}', "a"),
        (
            "sources/",
            b'{"name": "n", "source_type": "tap-toy", "base_url": "https://x.org/%0d%0a"}',
            "base URL",
        ),
    ],
)
def test_a_value_is_of_the_type_of_its_field_and_sent_once(ask, path, body, field):
    answer = ask(f"{BASE}/{path}", "POST", body)

    assert (answer.status, problem(answer)) == (422, "VALIDATION_ERROR")
    assert field in answer.json()["error"]["message"]


def test_a_person_is_themselves_as_me_wherever_a_person_is_named(ask):
    for noun in ("queries", "tokens"):
        mine, named = (ask(f"{BASE}/{noun}/?person={each}") for each in ("me", OPERATOR))
        assert (mine.status, mine.json()) == (200, named.json())


def test_another_name_of_the_server_is_refused_with_a_document(ask):
    for host in ("attack.example", "", "127.0.0.1.attack.example:8765", "["):
        answer = ask(f"{BASE}/datasets/", host=host)
        assert (answer.status, problem(answer)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["nothing/", "datasets/x/nothing/", ""])
def test_who_is_not_signed_in_learns_of_no_address(served, path):
    app, bearer = served
    found = [app.ask(f"{BASE}/{path}", authorization=each).status for each in ("", bearer)]
    assert found == [401, 404]


def test_a_method_is_refused_with_all_those_of_its_address(ask):
    answer = ask(f"{BASE}/datasets/none/", "PUT", b"{}")
    assert (answer.status, problem(answer)) == (405, "VALIDATION_ERROR")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PATCH", "DELETE"}


@pytest.fixture(scope="module")
def member(served):
    """Sends as a plain member of a project that has a source of each mode."""
    app, _ = served
    scout = app.scout
    scout.people.add("mia")
    scout.members.add("river", "mia")
    for name, mode in (("own", "user"), ("shared", "project")):
        scout.sources.add(name, "tap-toy", config={"act": "x"})
        scout.links.add("river", name, mode=mode)
    bearer = f"Bearer {scout.tokens.create('mia').token}"

    def send(path, method="GET", document=None, body=b""):
        sent = body or (json.dumps(document).encode() if document is not None else b"")
        return app.ask(f"{BASE}/{path}", method, sent, authorization=bearer)

    return send


def test_a_dataset_of_a_user_that_names_no_user_is_told_which_field_is_missing(member):
    found = {
        name: member("datasets/", "POST", {"project": "river", "source": name} | more)
        for name, more in (("own", {}), ("shared", {"user": "mia"}))
    }

    assert [each.status for each in found.values()] == [422, 422]
    assert found["own"].json()["error"]["remedy"].startswith("Give user: ")
    assert found["shared"].json()["error"]["remedy"] == "Leave user out."
    shared = member("datasets/", "POST", {"project": "river", "source": "shared"})
    assert shared.status == 403
    other = member("datasets/", "POST", {"project": "river", "source": "own", "user": "dan"})
    assert other.status in {403, 404}
    assert member("datasets/", "POST", {"project": "none", "source": "own"}).status == 404
