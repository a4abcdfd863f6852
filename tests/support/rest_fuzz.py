"""schemathesis over the OpenAPI document for one role: what each response must be.

Half of the names in addresses and bodies are those of real objects, own and foreign: with invented
names alone, nearly everything is answered with 404.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

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
        "table": ["things"],
    }
    return {name: names for name, names in found.items() if names}


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
