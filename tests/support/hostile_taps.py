"""An installation with a tap that runs arbitrary code, as a malicious plugin would.

The tap is a few lines of Python that execute a file written by the test. The target, Meltano, dbt
and Postgres are the real ones.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

import psycopg2
import yaml
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings

from support.canaries import spellings

ROOT = Path(__file__).parents[2]
STORE_PASSWORD = "canary of the store &=%:@"
SECONDS_BETWEEN_LOOKS = 0.02
TAP = """
    import json, os, sys
    from pathlib import Path
    config = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
    schema = {"properties": {"id": {"type": "integer"}}}
    if "--discover" in sys.argv:
        stream = {"tap_stream_id": "things", "stream": "things", "schema": schema,
                  "key_properties": ["id"], "metadata": [{"breadcrumb": [], "metadata":
                  {"selected": True}}]}
        print(json.dumps({"streams": [stream]}))
        sys.exit()
    state = sys.argv[sys.argv.index("--state") + 1] if "--state" in sys.argv else None
    state = json.loads(Path(state).read_text() or "{}") if state else {}
    folder = Path(config["folder"])
    with (folder / "told").open("a") as file:
        told = {"config": config, "state": state, "key": os.environ.get("TAP_SPY_KEY")}
        file.write(json.dumps(told) + "\\n")
    for message in (
        {"type": "SCHEMA", "stream": "things", "schema": schema, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "things", "record": {"id": 1}},
        {"type": "STATE", "value": {"bookmarks": {"things": {"of": config["folder"]}}}},
    ):
        print(json.dumps(message), flush=True)
    exec(compile((folder / "code.py").read_text(), "code", "exec"))
"""


@dataclass
class Dataset:
    """A dataset whose tap executes a file."""

    path: str
    schema: str
    folder: Path
    key: str

    def does(self, code: str) -> None:
        """Set the code that the tap executes after its record and state."""
        (self.folder / "code.py").write_text(textwrap.dedent(code))

    @property
    def told(self) -> list[dict]:
        """Return the inputs of each start of the tap."""
        return [json.loads(line) for line in (self.folder / "told").read_text().splitlines()]


@dataclass
class Installation:
    """An installation under test."""

    scout: Scout
    settings: Settings
    folder: Path
    superuser: str

    def dataset(self, project: str) -> Dataset:
        """Return a dataset of a new source with a unique key."""
        source, key = f"spy-{uuid.uuid4().hex[:6]}", f"canary-{uuid.uuid4().hex}"
        folder = self.folder / source
        folder.mkdir()
        if project not in [each.id for each in self.scout.projects.list()]:
            self.scout.projects.create(project)
        self.scout.sources.add(source, "tap-spy", config={"folder": str(folder)})
        self.scout.sources.link(project, source, mode="project")
        fields = {"key": key, "deep.number": "7", "open": "yes"}
        self.scout.credentials.save(source, "settings", fields, project=project)
        found = self.scout.datasets.ensure(project, source)
        made = Dataset(path=found.path, schema=found.schema, folder=folder, key=key)
        made.does("")
        return made

    def run(
        self, dataset: Dataset, *options: str, before: Sequence[str] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a dataset from the command line, optionally below another program."""
        command = [sys.executable, "-m", "scout_control", "run", dataset.path, *options]
        return subprocess.run(
            [*before, *command],
            env=self.environment | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def ask(self, statement: str) -> list[tuple]:
        """Query the store's database as the superuser."""
        with closing(psycopg2.connect(self.superuser)) as opened, opened.cursor() as cursor:
            opened.autocommit = True
            cursor.execute(statement)
            return cursor.fetchall()

    def everything(self) -> bytes:
        """Return every row of every table of the store and of all dataset schemas."""
        tables = self.ask(
            "SELECT format('SELECT t::text FROM %I.%I AS t', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = (row for (statement,) in tables for (row,) in self.ask(statement))
        return "\n".join(rows).encode()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a command of this installation."""
        return os.environ | {
            "HOME": str(self.folder),
            "SCOUT_DATABASE_URL": str(self.settings.database_url),
            "SCOUT_ENCRYPTION_KEYS": str(self.settings.encryption_keys),
            "SCOUT_PROJECT_ROOT": str(self.settings.project_root),
            "SCOUT_HOME": str(self.settings.home),
        }


@contextmanager
def installed(postgres: str, folder: Path) -> Iterator[Installation]:
    """Set up an installation whose role has a password and is not a superuser."""
    name = f"control_{uuid.uuid4().hex[:10]}"
    superuser = embedded_postgres.create_database(postgres, name)
    with closing(psycopg2.connect(superuser)) as opened, opened, opened.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD %s", [STORE_PASSWORD])
        cursor.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    server = urlsplit(superuser)
    login = f"{name}:{quote(STORE_PASSWORD, safe='')}@{server.netloc.rpartition('@')[2]}"
    settings = Settings(
        project_root=_project(folder),
        home=folder / "home",
        database_url=server._replace(netloc=login).geturl(),
        encryption_keys=generate(),
    )
    with Scout(settings) as scout:
        scout.init()
        yield Installation(scout, settings, folder, superuser)


def _project(folder: Path) -> Path:
    made = folder / "project"
    made.mkdir()
    program = made / "tap-spy"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(TAP)}")
    program.chmod(0o755)
    shutil.copytree(ROOT / "transform", made / "transform")
    document = yaml.safe_load((ROOT / "meltano.yml").read_text())
    spy = {
        "name": "tap-spy",
        "namespace": "tap_spy",
        "executable": "./tap-spy",
        "capabilities": ["discover", "catalog", "state"],
        "settings": [
            {"name": "folder"},
            {"name": "key", "sensitive": True},
            {"name": "deep.number", "kind": "integer", "sensitive": True},
            {"name": "open", "kind": "boolean", "sensitive": True},
        ],
    }
    document["plugins"]["extractors"].append(spy)
    tasks = ["tap-spy target-scout-postgres dbt-postgres:build"]
    document["jobs"].append({"name": "spy-sync", "tasks": tasks})
    document["cli"]["log_level"] = "debug"
    (made / "meltano.yml").write_text(yaml.safe_dump(document))
    return made


@dataclass
class Processes:
    """Watches the environments and arguments of all running processes."""

    wanted: dict[str, str]
    holders: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By secret: the arguments of the processes that had it."""
    environments: dict[str, bytes] = field(default_factory=dict)
    """By process and arguments: other runs on this machine may have the same arguments."""

    def __post_init__(self) -> None:
        self._known: dict[str, tuple[bytes, bytes]] = {}
        self._spelled = {what: spellings(secret) for what, secret in self.wanted.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_again_and_again(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            for process in Path("/proc").glob("[0-9]*"):
                if process.name != str(os.getpid()):
                    with suppress(OSError):
                        self._look(process)

    def _look(self, process: Path) -> None:
        seen = (process / "environ").read_bytes()
        argv = (process / "cmdline").read_bytes()
        if self._known.get(process.name) == (argv, seen):
            return
        self._known[process.name] = (argv, seen)
        told = argv.replace(b"\0", b" ").decode(errors="replace")
        self.environments[f"{process.name} {told}"] = seen
        for what, words in self._spelled.items():
            if any(word in seen or word in argv for word in words):
                self.holders[what].add(told)
