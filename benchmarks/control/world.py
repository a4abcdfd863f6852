"""An installation to measure and to torment: embedded Postgres, sandbox, datasets, workers.

Nothing of the programs is changed: the same commands, intervals and limits as in production.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from commcare_sandbox import Sandbox
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings

ROOT = Path(__file__).parents[2]
DATABASE = "control"


@dataclass(frozen=True, kw_only=True)
class World:
    """One installation, and the sandbox that it reads."""

    scout: Scout
    settings: Settings
    sandbox: Sandbox
    postgres: Path
    """The files of the embedded Postgres."""
    folder: Path
    tap_settings: Mapping[str, int] = field(default_factory=dict)
    """More settings of the sources that are made."""

    @property
    def url(self) -> str:
        """Return the URL of the database that holds the store and all datasets."""
        return str(self.settings.database_url)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a command of this installation."""
        return os.environ | {
            "SCOUT_DATABASE_URL": self.url,
            "SCOUT_ENCRYPTION_KEYS": str(self.settings.encryption_keys),
            "SCOUT_PROJECT_ROOT": str(self.settings.project_root),
            "SCOUT_HOME": str(self.settings.home),
        }

    def start_worker(self, concurrency: int, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker process; what it says is appended to ``workers.log``."""
        command = [sys.executable, "-m", "scout_control", "worker"]
        command += ["--concurrency", str(concurrency), *options]
        with (self.folder / "workers.log").open("ab") as log:
            return subprocess.Popen(command, env=self.environment, stderr=log)

    def add_commcare(self, domain: str) -> str:
        """Make a dataset of one domain; return its path."""
        login = {"username": self.sandbox.username, "api_key": self.sandbox.api_key}
        config = {"domain": domain, **self.tap_settings}
        return self._add(domain, "tap-commcare", self.sandbox.url, config, "api_key", login)

    def add_connect(self, opportunity: int) -> str:
        """Make a dataset of one opportunity; return its path."""
        connect = self.sandbox.connect
        login = {"access_token": connect.logins()["access_token"]}
        config = {"opportunity_ids": [opportunity], **self.tap_settings}
        name = f"opportunity-{opportunity}"
        return self._add(name, "tap-commcare-connect", connect.url, config, "token", login)

    def _add(
        self, name: str, kind: str, url: str, config: dict, login_kind: str, login: dict[str, str]
    ) -> str:
        """Make a project of its own with one source."""
        self.scout.projects.create(name)
        self.scout.sources.add(name, kind, base_url=url, config=config)
        self.scout.sources.link(name, name, mode="project")
        self.scout.credentials.save(name, login_kind, login, project=name)
        return str(self.scout.datasets.ensure(name, name).path)


@contextmanager
def installed(project_root: Path = ROOT, **sandbox: int) -> Iterator[World]:
    """Start Postgres and the sandbox, and set an installation up; end everything afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="scout-bench-"))
    folder.chmod(0o755)
    postgres = folder / "data"
    try:
        with Sandbox(**sandbox) as started:
            url = embedded_postgres.create_database(embedded_postgres.start(postgres), DATABASE)
            settings = Settings(
                project_root=project_root,
                home=folder / "home",
                database_url=url,
                encryption_keys=generate(),
            )
            with Scout(settings) as scout:
                scout.init()
                yield World(
                    scout=scout,
                    settings=settings,
                    sandbox=started,
                    postgres=postgres,
                    folder=folder,
                )
    finally:
        embedded_postgres.stop(postgres)
        shutil.rmtree(folder, ignore_errors=True)
