"""An installation with a source at the sandbox's Connect, which does OAuth as production does."""

from __future__ import annotations

import threading
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import pytest
from commcare_sandbox import Sandbox
from scout_control.api.scout import Scout
from scout_control.credentials.loopback import callback_server
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.store import migrate

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=10, forms=5) as started:
        yield started


@pytest.fixture
def scout(control_postgres, tmp_path):
    settings = Settings(
        project_root=ROOT,
        home=tmp_path,
        database_url=embedded_postgres.create_database(
            control_postgres, f"control_{uuid.uuid4().hex[:10]}"
        ),
        encryption_keys=generate(),
    )
    with Scout(settings) as opened:
        migrate.migrate(opened.installation.store)
        with opened.installation.store.begin() as session:
            session.connection().exec_driver_sql(
                "INSERT INTO scout_control.connections (name) VALUES ('default')"
            )
        opened.projects.create("river")
        yield opened


@pytest.fixture
def source(scout, sandbox):
    """The name of a source that is linked to the project, and knows its OAuth client."""
    client = sandbox.connect.logins()
    scout.sources.add(
        "connect",
        "commcare-connect",
        base_url=sandbox.connect.url,
        client_id=client["client_id"],
        client_secret=client["client_secret"],
    )
    scout.sources.link("river", "connect", mode="project")
    return "connect"


@pytest.fixture
def connect(scout, source):
    """Connect the project's account as a person with a browser does."""

    def flow(**owner):
        with callback_server() as callback:
            request = scout.credentials.ask(source, callback.redirect_uri)
            callback.state = request.state
            visit = threading.Thread(target=allow, args=[request.url])
            visit.start()
            answer = callback.wait(120)
            visit.join()
        return scout.credentials.answer(source, request, answer, **owner or {"project": "river"})

    return flow


def allow(url):
    """Give consent, and follow the redirect."""
    form = urllib.parse.urlencode({"allow": "1"}).encode()
    urllib.request.urlopen(urllib.request.Request(url, data=form)).close()
