"""schemathesis over the OpenAPI document for each role: no internal error, no foreign row.

Each response must be as the document says, and have no row of a project that the role has nothing
to do with. `make test` tries each operation once. Half of the names in addresses and bodies are
those of real objects, own and foreign: with invented names alone, nearly everything is answered
with 404.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import psycopg2
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

from benchmarks.control.__main__ import project_without_dbt
from benchmarks.control.installation import Installation, installed
from benchmarks.rest_load import say, served

WANTED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
SECONDS = 60


@dataclass
class Report:
    """What came of the requests of one role."""

    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: dict[str, Counter[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, operation: str, status: int) -> None:
        self.statuses[status] += 1
        self.by_operation.setdefault(operation, Counter())[status] += 1

    @property
    def requests(self) -> int:
        return self.statuses.total()


@dataclass(frozen=True)
class Fuzz:
    """How the interface is tried out as one role."""

    address: str
    token: str | None
    known: Mapping[str, Collection[str]]
    """Names of real objects, by what they name; own and foreign."""
    canaries: Collection[str] = ()
    """Texts that only foreign rows have."""
    examples: int = 1
    left_out: Collection[str] = ()
    """Operations that are not tried."""

    def run(self, every: int = 1) -> Report:
        """Try out every operation, or every second one and so on; return what came of it."""
        report = Report()
        session = requests.Session()
        document = session.get(f"{self.address}/api/openapi.json", timeout=SECONDS).json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=self.address)
        for found in islice(schema.get_all_operations(), 0, None, every):
            operation = found.ok()
            name = operation.definition.raw["operationId"]
            if name not in self.left_out:
                self._try(operation, name, session, report)
        return report

    def _try(self, operation: Any, name: str, session: Any, report: Report) -> None:
        checks = [each for each in CHECKS.get_all() if each.__name__ in WANTED]

        @settings(
            max_examples=self.examples,
            phases=[Phase.generate],
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(case=operation.as_strategy(), data=st.data())
        def attempt(case: Any, data: Any) -> None:
            self._name_real_objects(case, data)
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            response = case.call(session=session, headers=headers, timeout=SECONDS)
            report.add(name, response.status_code)
            report.failures.extend(
                f"{name}: {response.status_code}: a foreign row"
                for each in self.canaries
                if each in response.text
            )
            try:
                case.validate_response(response, checks=checks)
            except (AssertionError, FailureGroup) as error:
                report.failures.append(f"{name}: {response.status_code}: {explain(error)}")

        attempt()

    def _name_real_objects(self, case: Any, data: Any) -> None:
        places = [case.path_parameters, case.query]
        body = case.body if isinstance(case.body, dict) else None
        for place in filter(None, (*places, body)):
            for name in set(place) & set(self.known):
                if data.draw(st.booleans()):
                    place[name] = data.draw(st.sampled_from(sorted(self.known[name])))
        if body is not None:
            _do_not_test(case.operation.path, body)


def _do_not_test(path: str, body: dict[str, Any]) -> None:
    """Leave the login at another server out, which invented addresses make slow."""
    if path.endswith(("/connections/", "/connections/{connection}/", "/credentials/")):
        body["test"] = False


def explain(error: BaseException) -> str:
    """Return the first lines of what a check found."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return "; ".join(" ".join(str(each).split())[:300] for each in inner)


def names_of(scout: Any) -> dict[str, list[str]]:
    """Return the names of real objects of an installation."""
    found = {
        "project": [each.id for each in scout.projects.list()],
        "source": [each.name for each in scout.sources.list()],
        "dataset": [each.id for each in scout.datasets.list()],
        "link": [each.id for each in scout.links.list()],
        "credential": [each.id for each in scout.credentials.list()],
        "connection": [each.name for each in scout.connections.list()],
        "run": [each.run_id for each in scout.runs.list()],
        "person": [each.id for each in scout.people.list()],
        "table": ["things", "groups"],
    }
    return {name: names for name, names in found.items() if names}


CANARIES = {"river": "canary-river", "lake": "canary-lake"}
"""What only the rows of a project have."""
LEFT_OUT = frozenset({"members.add", "people.update", "people.remove"})
"""These change what other roles see."""
PEOPLE: Mapping[str, tuple[str | None, Collection[str]]] = {
    "stranger": ("finn", tuple(CANARIES.values())),
    "connection manager": ("eve", tuple(CANARIES.values())),
    "read token": ("reader", ("canary-lake",)),
    "member": ("ben", ("canary-lake",)),
    "project admin": ("ann", ("canary-lake",)),
    "operator": ("dan", ()),
    "anonymous": (None, tuple(CANARIES.values())),
}
"""By role: who has it, and what they must not see.

The operator, who removes things, is the last who has a token; after those that are invented for who
has none, the address is limited.
"""


def add_people(scout: Any) -> dict[str | None, str | None]:
    """Add someone for each role to an installation with two projects; return their tokens."""
    roles = {"dan": ["operator"], "eve": ["manage_database_connections"]}
    for person in ("ann", "ben", "cara", "dan", "eve", "finn"):
        scout.people.add(person, roles=roles.get(person, ()))
    for project, person, role in (
        ("river", "ann", "admin"),
        ("river", "ben", "member"),
        ("lake", "cara", "admin"),
    ):
        scout.members.add(project, person, role=role)
    tokens = {each.id: scout.tokens.create(each.id).token for each in scout.people.list()}
    return {None: None, **tokens, "reader": scout.tokens.create("ann", scope="read").token}


def summary(reports: Mapping[str, Report]) -> Iterator[str]:
    """Yield the lines of a table of what came of each role's requests."""
    yield "| role | requests | 2xx | 401 | 403 | 404 | 409, 412 | other 4xx | 5xx | failures |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for role, report in reports.items():
        found = report.statuses
        success = sum(count for status, count in found.items() if 200 <= status < 300)
        server = sum(count for status, count in found.items() if status >= 500)
        conflict = found[409] + found[412]
        named = (success, found[401], found[403], found[404], conflict)
        other = report.requests - sum(named) - server
        numbers = (report.requests, *named, other, server, len(report.failures))
        yield f"| {role} | " + " | ".join(f"{each:,}" for each in numbers) + " |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--examples", type=int, default=20, help="of each operation and role")
    chosen = options.parse_args()
    with project_without_dbt() as project, installed(project, cases=4, forms=2) as installation:
        scout = installation.scout
        for name, canary in CANARIES.items():
            _load(installation, name, canary)
        tokens = add_people(scout)
        reports = {}
        with served(installation) as (port, _):
            for role, (person, canaries) in PEOPLE.items():
                known = names_of(scout)
                address, token = f"http://127.0.0.1:{port}", tokens[person]
                fuzz = Fuzz(address, token, known, canaries, chosen.examples, LEFT_OUT)
                reports[role] = fuzz.run()
        say("\n".join(summary(reports)))
        failures = sorted({each for report in reports.values() for each in report.failures})
        say("\n".join(failures) or "No failure.")
        sys.exit(bool(failures))


def _load(installation: Installation, project: str, canary: str) -> None:
    """Load a project whose rows have its canary."""
    scout, sandbox = installation.scout, installation.sandbox
    login = {"username": sandbox.username, "api_key": sandbox.api_key}
    config = {"domain": sandbox.domain, "datasets": ["groups"]}
    scout.projects.create(project)
    scout.sources.add(project, "tap-commcare", base_url=sandbox.url, config=config)
    scout.links.add(project, project, mode="project")
    scout.credentials.save(project, "api_key", login, project=project)
    dataset = scout.datasets.ensure(project, project)
    if scout.run(dataset.id).status != "completed":
        sys.exit(f"{project} could not be loaded.")
    with closing(psycopg2.connect(installation.url)) as connection, connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{dataset.schema}".groups SET name = %s', (canary,))
        connection.commit()


if __name__ == "__main__":
    main()
