"""A sandbox with Connect, and the tap that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commcare_sandbox import Sandbox
from support.taps import TapCommand, catalogs_of
from tap_commcare_connect.tap import TapCommCareConnect

TAP = "tap-commcare-connect"
SMALL = {"cases": 0, "forms": 0}
KINDS = {stream.name: stream.path for stream in TapCommCareConnect.stream_types if stream.path}
"""The sandbox's kinds of rows by stream: it calls them by the paths of their lists."""


def login_of(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings of the simplest login."""
    return {
        "base_url": sandbox.connect.url,
        "access_token": sandbox.connect.logins()["access_token"],
        "max_retry_seconds": 3,
        "page_size": 7,
    }


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A server that tests only read; they may switch on faults, which are reset after each test."""
    with Sandbox(**SMALL, connect_opportunities=6, connect_visits=300) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox) -> Iterator[Sandbox]:
    """The same server without any fault."""
    healthy = world.status()["switches"]
    yield world
    world.set(**healthy)


@pytest.fixture
def tap(sandbox: Sandbox, tmp_path: Path) -> TapCommand:
    """The tap, with small pages so that there are many."""
    return TapCommand(TAP, tmp_path, login_of(sandbox))


@pytest.fixture
def tap_on(tmp_path: Path) -> Callable[[Sandbox], TapCommand]:
    """The tap on a separate server, for a test that changes its data."""
    return lambda server: TapCommand(TAP, tmp_path, login_of(server))


@pytest.fixture(scope="session")
def select() -> Callable[..., dict[str, Any]]:
    """Make a catalog in which only some streams are selected."""
    return catalogs_of(TAP)


@pytest.fixture(scope="session")
def expected() -> Callable[..., list[dict[str, Any]]]:
    """Return the rows of a stream as records should be, without a key that the tap makes."""

    def rows(server: Sandbox, stream: str) -> list[dict[str, Any]]:
        return [as_record(item) for item in server.connect.content(KINDS[stream])]

    return rows


AMOUNTS = {"amount", "amount_usd", "saved_payment_accrued_usd", "saved_org_payment_accrued_usd"}


def as_record(item: dict[str, Any]) -> dict[str, Any]:
    """Return what the tap should make of a row."""
    row = item["row"]
    record = {name: None if value == "" else value for name, value in row.items()}
    for name in AMOUNTS & row.keys():
        if isinstance(row[name], str):
            record[name] = float(row[name])
    return record | {"opportunity_id": item["opportunity"]}
