"""A shared sandbox for tests that only read Connect, and one to change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from commcare_sandbox import Sandbox

V2 = "application/json; version=2.0"


class Client:
    """A client of Connect."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.connect = sandbox.connect
        self.token = sandbox.connect.logins()["access_token"]

    def get(self, path: str, accept: str = V2, **options) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept}
        headers |= options.pop("headers", {})
        return requests.get(
            f"{self.connect.url}{path}", headers=headers, allow_redirects=False, **options
        )

    def token_answer(self, **form: str) -> requests.Response:
        logins = self.connect.logins()
        login = {name: logins[name] for name in ("client_id", "client_secret")}
        return requests.post(f"{self.connect.url}/o/token/", data=login | form)

    def rows(self, kind: str, opportunity: int, **params: str) -> list[dict]:
        found, last_id = [], {}
        while True:
            answer = self.get(
                f"/export/opportunity/{opportunity}/{kind}/", params=params | last_id
            ).json()
            found += answer["results"]
            if answer["next"] is None:
                return found
            last_id = {"last_id": answer["next"].split("last_id=")[1].split("&")[0]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(cases=0, forms=0, connect_opportunities=5, connect_visits=150) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)
