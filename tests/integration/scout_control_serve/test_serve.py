"""``scout serve``: a process, real requests, and what each of two people gets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
import requests
from scout_control.rules.permissions import TABLE
from support.preloaded import run_scout
from support.workers import environment_of

ADDRESS = re.compile(r"Serving (http://127\.0\.0\.1:\d+)/api/openapi\.json")
DATASETS = "/api/datasources/datasets/"
ALIASES = {
    *("credentials.answer", "credentials.ask", "credentials.remove", "datasets.remove"),
    *("links.ensure", "projects.add", "sources.link", "sources.links", "sources.unlink"),
}
"""Other names of operations."""
OTHERWISE = {
    # What these return is in other responses: of types, of credentials, of updates of links.
    *("credentials.source_type", "credentials.default_kind", "links.earlier_rows"),
    "links.remaining",  # datasets of the project, of which that says which source is linked
    "links.unlinked",  # a list of links with is_active=false
    *("sessions.list", "sessions.end"),  # on the page
    "datasets.choose_alias",  # a part of the update of a dataset
}


@dataclass
class Server:
    """A running server, and the tokens of two people."""

    address: str
    tokens: dict[str, str]
    scout: object
    process: subprocess.Popen

    def get(self, path, person=None, **options):
        token = self.tokens.get(person, person)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(
            f"{self.address}{path}",
            headers=headers | options.pop("headers", {}),
            timeout=30,
            **options,
        )


def address_of(process):
    """Return where a server serves, once it says so."""
    until = time.monotonic() + 120
    while time.monotonic() < until and (line := process.stderr.readline()):
        if found := ADDRESS.search(line):
            return found[1]
    pytest.fail(f"It does not serve: exit code {process.poll()}.")


@pytest.fixture(scope="module")
def server(shared_installation):
    made, scout = shared_installation, shared_installation.scout
    for project in ("river", "lake"):
        for _ in range(2):
            made.dataset(project)
        scout.people.add(f"of-{project}")
        scout.members.add(project, f"of-{project}")
    tokens = {
        person: scout.tokens.create(person, scope="read").token
        for person in ("of-river", "of-lake")
    }
    command = [sys.executable, "-m", "scout_control", "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        env=environment_of(made.settings) | {"PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Server(address_of(process), tokens, scout, process)
        finally:
            process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert "Traceback" not in said
    assert not any(token in said for token in tokens.values())


def test_a_list_has_the_datasets_of_ones_projects_in_the_form_of_the_commands(server):
    answer = server.get(DATASETS, "of-river")
    mine = server.scout.datasets.list(project="river")

    assert answer.status_code == 200
    assert answer.json() == {"items": [each.as_dict() for each in mine], "next": None}
    first = server.get(DATASETS, "of-river", params={"limit": 1}).json()
    second = server.get(DATASETS, "of-river", params={"limit": 1, "after": first["next"]}).json()
    assert [each["id"] for each in (*first["items"], *second["items"])] == [
        each.id for each in mine
    ]


def test_a_dataset_is_shown_by_id_and_schema_and_a_foreign_one_does_not_exist(server):
    [mine, _], [foreign, _] = (
        server.scout.datasets.list(project=each) for each in ("river", "lake")
    )

    for name in (mine.id, mine.schema):
        assert server.get(f"{DATASETS}{name}/", "of-river").json() == mine.as_dict()
    hidden = server.get(f"{DATASETS}{foreign.schema}/", "of-river")
    missing = server.get(f"{DATASETS}data_none/", "of-river")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.text.replace(foreign.schema, "data_none") == missing.text
    assert missing.json()["error"]["code"] == "NOT_FOUND"
    assert server.get(DATASETS, "of-river", params={"project": "lake"}).status_code == 404


@pytest.mark.parametrize("token", [None, "", "scout_" + "A" * 43, "x" * 10_000])
def test_without_a_valid_token_nothing_is_answered(server, token):
    for path in (DATASETS, f"{DATASETS}data_none/"):
        answer = server.get(path, token)

        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.json()["error"]["code"] == "AUTH_TOKEN_MISSING"


def test_a_token_ends_at_once_when_it_is_revoked(server):
    made = server.scout.tokens.create("of-river")
    assert server.get(DATASETS, made.token).status_code == 200

    server.scout.tokens.revoke(made.id)

    assert server.get(DATASETS, made.token).status_code == 401


def test_another_host_that_is_resolved_to_this_machine_is_refused(server):
    answer = server.get(DATASETS, "of-river", headers={"Host": "evil.example.org"})

    assert answer.status_code == 400


@pytest.mark.parametrize("limit", ["0", "501", "canary"])
def test_an_invalid_parameter_is_named_and_its_value_is_not_repeated(server, limit):
    answer = server.get(DATASETS, "of-river", params={"limit": limit})

    assert answer.status_code == 422
    assert "limit" in answer.json()["error"]["message"]
    assert "canary" not in answer.text


def test_errors_of_addresses_and_methods_have_the_same_form(server):
    missing = server.get("/api/none")
    method = requests.delete(f"{server.address}{DATASETS}", timeout=30)

    assert (missing.status_code, missing.json()["success"]) == (404, False)
    assert (method.status_code, method.json()["success"]) == (405, False)


def test_the_document_names_the_operations_as_the_table_of_permissions_does(server):
    document = server.get("/api/openapi.json").json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    probes = {each["operationId"] for each in operations if "security" not in each}
    described = [each for each in operations if each["operationId"] not in probes]
    permissions = {each["x-permission"]["operation"] for each in described}

    assert document["openapi"].startswith("3.1")
    assert probes == {"health", "ready"}
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert permissions <= {each["operationId"] for each in described}
    assert (
        permissions
        == {name for name, rule in TABLE.items() if rule.is_offered} - ALIASES - OTHERWISE
    )
    assert server.get("/docs").status_code == 404


def test_a_port_that_is_taken_is_told(server, shared_installation):
    port = server.address.rpartition(":")[2]
    done = run_scout(
        ["serve", "--port", port], os.environ | environment_of(shared_installation.settings)
    )

    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr
