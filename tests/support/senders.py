"""An installation whose tap sends its credentials to a URL, and servers that record them."""

from __future__ import annotations

import sys
import textwrap
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from sqlalchemy import text

ROOT = Path(__file__).parents[2]
# As taps do: an authenticated request to its base URL, then one record.
TAP = """
    import json, os, sys, urllib.request
    schema = {"properties": {"id": {"type": "integer"}}}
    if "--discover" in sys.argv:
        stream = {"tap_stream_id": "things", "stream": "things", "schema": schema,
                  "key_properties": ["id"], "metadata": [{"breadcrumb": [], "metadata":
                  {"selected": True}}]}
        print(json.dumps({"streams": [stream]}))
        sys.exit()
    said = {name.removeprefix("TAP_SENDER_").lower(): value for name, value in os.environ.items()
            if name.startswith("TAP_SENDER_")}
    where = said.get("base_url") or f"http://{said['host']}:{said['port']}"
    request = urllib.request.Request(where, headers={"Authorization": said["api_key"]})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60).close()
    print(json.dumps({"type": "SCHEMA", "stream": "things", "schema": schema,
                      "key_properties": ["id"]}))
    print(json.dumps({"type": "RECORD", "stream": "things", "record": {"id": 1}}))
    print(json.dumps({"type": "STATE", "value": {"bookmarks": {"things": {"at": 1}}}}))
"""
SETTINGS = (
    *("base_url", "host", "port", "proxy", "verify_ssl", "ca_file", "region_code", "options"),
    *("domain", "start_date", "page_size", "xmlns", "batch_config", "stream_maps", "site_ids"),
)


class Catcher(ThreadingHTTPServer):
    """A server that records the credentials it receives."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.caught: list[str] = []

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Catcher

    def do_GET(self) -> None:
        self.server.caught.append(self.headers.get("Authorization", ""))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.caught.append(self.rfile.read(length).decode())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def catching() -> Iterator[Catcher]:
    """Run a server that records credentials."""
    server = Catcher()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Senders:
    """The installation, the source's server, and an attacker's server."""

    scout: Scout
    settings: Settings
    home: Catcher
    elsewhere: Catcher

    def source(self, name: str = "hq", **facts: Any) -> str:
        """Add a source at its own server."""
        self.scout.sources.add(name, "tap-sender", **{"base_url": self.home.url} | facts)
        return name

    def connect(self, source: str = "hq", **owner: str) -> str:
        """Save a credential with a new key; return the key."""
        key = f"key-{uuid.uuid4().hex}"
        self.scout.credentials.save(source, "settings", {"api_key": key}, **owner)
        return key

    def dataset(self, project: str = "river", source: str = "hq", **link: Any) -> str:
        """Link a source to a project, and return its dataset."""
        if project not in [each.id for each in self.scout.projects.list()]:
            self.scout.projects.create(project)
        self.scout.sources.link(project, source, **{"mode": "project"} | link)
        return self.scout.datasets.ensure(project, source).path

    def sql(self, statement: str, **values: Any) -> None:
        """Change the store as an attacker with write access and without the key would."""
        with self.scout.installation.store.engine.begin() as connection:
            assert connection.execute(text(statement), values).rowcount


@contextmanager
def sending(
    postgres: str, folder: Path, before: Callable[[Senders], None] = lambda _: None, **more: Any
) -> Iterator[Senders]:
    """Set up the installation; ``before`` can change the store beforehand."""
    project = folder / "project"
    project.mkdir()
    program = project / "tap-sender"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(TAP)}")
    program.chmod(0o755)
    settings = [{"name": name} for name in SETTINGS]
    extractor = {
        "name": "tap-sender",
        "namespace": "tap_sender",
        "executable": str(program),
        "capabilities": ["discover", "catalog", "state"],
        "settings": [*settings, {"name": "api_key", "sensitive": True}],
        "annotations": {
            "scout": {
                "addresses": ["region_code"],
                "oauth": {"authorize": "/o/authorize/", "token": "/o/token/", "revoke": "/revoke/"},
                "logins": ["settings", "oauth2"],
            }
        },
    }
    document = {
        "project_id": "senders",
        "send_anonymous_usage_stats": False,
        "cli": {"disable_version_check": True},
        "environments": [{"name": "prod"}],
        "plugins": {
            "extractors": [extractor],
            "loaders": yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["loaders"],
        },
    }
    (project / "meltano.yml").write_text(yaml.safe_dump(document))
    made = Settings(
        project_root=project,
        home=folder / "home",
        database_url=embedded_postgres.create_database(
            postgres, f"control_{uuid.uuid4().hex[:10]}"
        ),
        encryption_keys=generate(),
        **more,
    )
    with catching() as home, catching() as elsewhere, Scout(made) as scout:
        senders = Senders(scout, made, home, elsewhere)
        before(senders)
        scout.init()
        yield senders
