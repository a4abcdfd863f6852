"""A shared sandbox for all tests of HQ; switches are reset after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from commcare_sandbox import Sandbox

CASES, FORMS = 460, 180


class HQ:
    """A client of HQ."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.login = f"ApiKey {sandbox.username}:{sandbox.api_key}"

    def url(self, path: str) -> str:
        if path.startswith("http"):
            return path
        start = "" if path.startswith("/") else f"/a/{self.sandbox.domain}/api/"
        return f"{self.sandbox.url}{start}{path}"

    def ask(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        headers = {"Authorization": self.login} | options.pop("headers", {})
        return self.session.request(method, self.url(path), headers=headers, **options)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.ask(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def pages(self, path: str, key: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
        url = self.url(path)
        while url:
            answer = self.session.get(url, params=params, headers={"Authorization": self.login})
            answer.raise_for_status()
            body, params = answer.json(), {}
            yield body[key]
            next_url = body.get("next") or body.get("meta", {}).get("next")
            url = urljoin(answer.url, next_url) if next_url else ""

    def walk(self, path: str, key: str = "objects", **params: Any) -> list[dict[str, Any]]:
        return [record for page in self.pages(path, key, **params) for record in page]


@pytest.fixture(scope="session")
def serving() -> Iterator[Sandbox]:
    with Sandbox(cases=CASES, forms=FORMS, domains=2) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def defaults(serving: Sandbox) -> dict[str, Any]:
    return serving.status()["switches"]


@pytest.fixture
def hq(serving: Sandbox, defaults: dict[str, Any]) -> Iterator[HQ]:
    asking = HQ(serving)
    yield asking
    serving.set(**defaults)
    serving.forget_requests()
    asking.session.close()


@pytest.fixture
def own() -> Iterator[HQ]:
    """A sandbox for a test that changes records."""
    with Sandbox(cases=CASES, forms=FORMS) as sandbox:
        asking = HQ(sandbox)
        yield asking
        asking.session.close()
