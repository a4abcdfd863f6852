"""An installation of its own: a store in a fresh database, and a project with a tap of a few lines.

The tap does as its file says; the target, Meltano and Postgres are the real ones.
"""

from __future__ import annotations

import json
import sys
import textwrap
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
import yaml
from scout_control.api import Scout
from scout_control.credentials.encryption import generate
from scout_control.settings import Settings

from scout_control import embedded

ROOT = Path(__file__).parents[3]
TAP = """
    import json, os, sys, time
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    act = json.loads(Path(os.environ["TAP_TOY_ACT"]).read_text())
    if "then" in act and Path(act["told"]).exists():
        act = act["then"] | {"told": act["told"]}
    schema = {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    if "--discover" in sys.argv:
        stream = {"tap_stream_id": "things", "stream": "things", "schema": schema,
                  "key_properties": ["id"], "metadata": [{"breadcrumb": [], "metadata":
                  {"selected": True}}]}
        print(json.dumps({"streams": [stream]}))
        sys.exit()
    if "--test" in sys.argv:
        print(act.get("words", ""), file=sys.stderr)
        sys.exit(act.get("test", 0))
    with open(act["told"], "a") as file:
        state = sys.argv[sys.argv.index("--state") + 1] if "--state" in sys.argv else None
        told = {"key": os.environ.get("TAP_TOY_KEY"), "pid": os.getpid(),
                "state": json.loads(Path(state).read_text() or "{}") if state else {}}
        file.write(json.dumps(told) + "\\n")
    def say(message):
        print(json.dumps(message), flush=True)
    say({"type": "SCHEMA", "stream": "things", "schema": schema, "key_properties": ["id"]})
    for number in range(act["rows"]):
        record = {"id": None if "broken" in act else number, "name": act.get("name", "a")}
        say({"type": "RECORD", "stream": "things", "record": record})
    say({"type": "STATE", "value": {"bookmarks": {"things": {"at": act["rows"]}}}})
    print(act.get("words", ""), file=sys.stderr, flush=True)
    if "resume_in" in act:
        resume_at = datetime.now(UTC) + timedelta(seconds=act["resume_in"])
        print(f"event=paused resume_at={resume_at.isoformat()}", file=sys.stderr, flush=True)
    until = time.monotonic() + act.get("seconds", 0)
    while time.monotonic() < until:
        time.sleep(0.1)
    sys.exit(act.get("exit", 0))
"""


@dataclass
class Installation:
    """What a test plays with."""

    scout: Scout
    settings: Settings
    folder: Path

    def act(self, **act) -> None:
        """Say what the tap does from now on."""
        usual = {"rows": 3, "told": str(self.folder / "told")}
        (self.folder / "act.json").write_text(json.dumps(usual | act))

    def told(self) -> list[dict]:
        """Return what each start of the tap was given."""
        file = self.folder / "told"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def dataset(self, project: str = "river", *, connect: bool = True) -> str:
        """Return a dataset of a source of its own, connected."""
        source = f"toy-{uuid.uuid4().hex[:6]}"
        if project not in [each.id for each in self.scout.projects.list()]:
            self.scout.projects.create(project)
        config = {"act": str(self.folder / "act.json")}
        self.scout.sources.add(source, "tap-toy", config=config)
        self.scout.sources.link(project, source, mode="project")
        if connect:
            self.scout.credentials.save(source, "settings", {"key": "canary"}, project=project)
        return self.scout.datasets.ensure(project, source).path

    def rows(self, dataset: str, statement: str = "SELECT count(*) FROM things") -> list[tuple]:
        """Look into a dataset schema, past all roles."""
        schema = self.scout.datasets.show(dataset).schema
        connection = psycopg2.connect(self.settings.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f'SET search_path TO "{schema}"')
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def shared_installation(postgres, tmp_path_factory):
    """One for all tests of a module, which only read."""
    with installed(a_database(postgres), tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture
def url(postgres):
    return a_database(postgres)


@pytest.fixture
def installation(url, tmp_path):
    with installed(url, tmp_path) as made:
        yield made


def a_database(postgres):
    """Return the URL of a database of its own."""
    return embedded.create_database(postgres, f"control_{uuid.uuid4().hex[:10]}")


@contextmanager
def installed(url, folder):
    """Set an installation up in a folder, its store in an empty database."""
    project = folder / "project"
    project.mkdir()
    program = project / "tap-toy"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(TAP)}")
    program.chmod(0o755)
    own = yaml.safe_load((ROOT / "meltano.yml").read_text())
    toy = {
        "name": "tap-toy",
        "namespace": "tap_toy",
        "executable": str(program),
        "capabilities": ["discover", "catalog", "state"],
        "settings": [{"name": "act"}, {"name": "key", "sensitive": True}],
    }
    document = {
        "project_id": "toy",
        "send_anonymous_usage_stats": False,
        "cli": {"disable_version_check": True},
        "environments": [{"name": "prod"}],
        "plugins": {"extractors": [toy], "loaders": own["plugins"]["loaders"]},
    }
    (project / "meltano.yml").write_text(yaml.safe_dump(document))
    settings = Settings(
        project_root=project,
        home=folder / "home",
        database_url=url,
        encryption_keys=generate(),
    )
    with Scout(settings) as scout:
        scout.init()
        made = Installation(scout, settings, folder)
        made.act()
        yield made
