"""A sandbox server, and the tap as a separate process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commcare_sandbox import Sandbox
from support.taps import TapCommand, catalogs_of

TAP = "tap-commcare"


def login_of(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings of the simplest login."""
    return {
        "base_url": sandbox.url,
        "domain": sandbox.domain,
        "username": sandbox.username,
        "api_key": sandbox.api_key,
    }


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A server that tests only read; they may switch on faults, which are reset after each test."""
    with Sandbox(cases=400, forms=200) as sandbox:
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
    return TapCommand(TAP, tmp_path, login_of(sandbox) | {"page_size": 50})


@pytest.fixture
def tap_on(tmp_path: Path) -> Callable[[Sandbox], TapCommand]:
    """The tap on a separate server, for a test that changes its data."""
    return lambda server: TapCommand(TAP, tmp_path, login_of(server) | {"page_size": 50})


@pytest.fixture(scope="session")
def select() -> Callable[..., dict[str, Any]]:
    """Make a catalog in which only some streams are selected."""
    return catalogs_of(TAP)
