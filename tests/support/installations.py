"""An installation: a store in an empty database, and a project with a small tap.

The tap follows a file written by the test; target, Meltano and Postgres are real.
"""

from __future__ import annotations

import json
import sys
import textwrap
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import yaml
from scout_control.api.scout import Scout
from scout_control.datasets.provision import provision
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.rules.naming import reader_role
from scout_control.store import datasets as stored_datasets
from scout_control.store import lookups

ROOT = Path(__file__).parents[2]
TAP = """
    import json, os, sys, time
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    act = json.loads(Path(os.environ["TAP_TOY_ACT"]).read_text())
    if "then" in act and Path(act["told"]).exists():
        act = act["then"] | {"told": act["told"]}
    schema = {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    schema["properties"] |= {name: {"type": "object"} for name in act.get("more", {})}
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
    key = act.get("key", ["id"])
    say({"type": "SCHEMA", "stream": "things", "schema": schema, "key_properties": key})
    for number in range(act.get("first", 0), act["rows"]):
        record = {"id": None if "broken" in act else number, "name": act.get("name", "a")}
        record |= act.get("more", {})
        say({"type": "RECORD", "stream": "things", "record": record})
    say({"type": "STATE", "value": {"bookmarks": {"things": {"at": act["rows"]}}}})
    print(act.get("words", ""), file=sys.stderr, flush=True)
    if "resume_in" in act:
        resume_at = datetime.now(UTC) + timedelta(seconds=act["resume_in"])
        print(f"event=paused resume_at={resume_at.isoformat()}", file=sys.stderr, flush=True)
    until = time.monotonic() + act.get("seconds", 0)
    while time.monotonic() < until or not Path(act.get("until", "/")).exists():
        time.sleep(0.1)
    sys.exit(act.get("exit", 0))
"""

# The real loader; afterwards it executes statements from a file with the same login.
LOADER = """
    import json, os, subprocess, sys
    from pathlib import Path
    import psycopg2
    words = sys.argv[1:]
    done = subprocess.run([str(Path(sys.executable).with_name("target-scout-postgres")), *words])
    schema = os.environ.get("TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA", "")
    file = Path(__file__).parents[1] / f"{schema}.sql"
    if file.is_file() and not {"--about", "--version"} & {*words}:
        connection = psycopg2.connect(os.environ["TARGET_SCOUT_POSTGRES_DATABASE_URL"])
        connection.autocommit = True
        for statement in json.loads(file.read_text()):
            try:
                connection.cursor().execute(statement)
            except psycopg2.Error as error:
                print(f"refused: {error}", file=sys.stderr)
    sys.exit(done.returncode)
"""


@dataclass
class Installation:
    """An installation under test."""

    scout: Scout
    settings: Settings
    folder: Path
    superuser_url: str = field(default="", repr=False)
    """The store's database as the superuser, if the store's role cannot see everything."""

    def act(self, **act) -> None:
        """Set what the tap does from now on."""
        usual = {"rows": 3, "told": str(self.folder / "told")}
        (self.folder / "act.json").write_text(json.dumps(usual | act))

    def told(self) -> list[dict]:
        """Return the inputs of each start of the tap."""
        file = self.folder / "told"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def dataset(self, project: str = "river", *, connect: bool = True) -> str:
        """Return a dataset of a new source, by default with credentials."""
        source = f"toy-{uuid.uuid4().hex[:6]}"
        if project not in [each.id for each in self.scout.projects.list()]:
            self.scout.projects.create(project)
        config = {"act": str(self.folder / "act.json")}
        self.scout.sources.add(source, "tap-toy", config=config)
        self.scout.sources.link(project, source, mode="project")
        if connect:
            self.scout.credentials.save(source, "settings", {"key": "canary"}, project=project)
        return self.scout.datasets.ensure(project, source).path

    def act_before_reads(self, dataset: str, *statements: str) -> None:
        """Let the loader execute statements as the dataset's writer, after its last commit.

        Needs an installation with a wrapped loader; failing statements are skipped.
        """
        schema = self.scout.datasets.show(dataset).schema
        (self.folder / f"{schema}.sql").write_text(json.dumps(statements))

    def fill(self, dataset: str) -> str:
        """Give a dataset a table with a row that names it, as a run would; return its schema."""
        installation = self.scout.installation
        with installation.store.begin() as session:
            row = lookups.dataset(session, dataset)
            provision(installation.server_url_of(row), stored_datasets.names(row))
            row.status, row.last_sync_at, schema = "ready", datetime.now(UTC), row.schema_name
        connection = psycopg2.connect(self.superuser_url or self.settings.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f'CREATE TABLE "{schema}".things AS SELECT %s AS whose', [dataset])
                cursor.execute(f'GRANT SELECT ON "{schema}".things TO "{reader_role(schema)}"')
        finally:
            connection.close()
        return schema

    def rows(self, dataset: str, statement: str = "SELECT count(*) FROM things") -> list[tuple]:
        """Query a dataset schema as the superuser."""
        schema = self.scout.datasets.show(dataset).schema
        connection = psycopg2.connect(self.superuser_url or self.settings.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f'SET search_path TO "{schema}"')
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()


def a_database(control_postgres):
    """Create a database and return its URL."""
    return embedded_postgres.create_database(control_postgres, f"control_{uuid.uuid4().hex[:10]}")


@contextmanager
def installed(url, folder, *, superuser_url="", is_loader_wrapped=False):
    """Set up an installation in a folder, with its store in an empty database."""
    project = folder / "project"
    project.mkdir()
    program = _program(project / "tap-toy", TAP)
    loaders = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["loaders"]
    if is_loader_wrapped:
        loaders[0]["executable"] = str(_program(project / "loader", LOADER))
    toy = {
        "name": "tap-toy",
        "namespace": "tap_toy",
        "executable": str(program),
        "capabilities": ["discover", "catalog", "state"],
        "settings": [{"name": "act"}, {"name": "key", "sensitive": True}],
        "annotations": {"scout": {"metadata_streams": ["things"]}},
    }
    document = {
        "project_id": "toy",
        "send_anonymous_usage_stats": False,
        "cli": {"disable_version_check": True},
        "environments": [{"name": "prod"}],
        "plugins": {"extractors": [toy], "loaders": loaders},
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
        made = Installation(scout, settings, folder, superuser_url)
        made.act()
        yield made


def _program(path, text):
    """Write a small executable Python program."""
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
    path.chmod(0o755)
    return path
