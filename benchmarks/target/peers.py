"""The measured targets, each in a separate environment that is created on first use.

A peer loads Singer messages from stdin into a schema.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CACHE = Path.home() / ".cache" / "scout-benchmarks"
HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
INSTALL_SECONDS = 300


@dataclass(frozen=True)
class Place:
    """Destination of a load: server, schema, and a directory for temporary files."""

    url: str
    schema: str
    home: Path

    def parts(self) -> dict[str, str]:
        """The URL's parts, for peers that accept no URL with a socket directory."""
        found = urlsplit(self.url)
        return {
            "host": parse_qs(found.query).get("host", [found.hostname or "localhost"])[0],
            "user": found.username or "postgres",
            "password": found.password or "x",
            "database": found.path.removeprefix("/"),
        }

    def config(self, **settings: object) -> str:
        path = self.home / "config.json"
        path.write_text(json.dumps(settings))
        return str(path)


@dataclass(frozen=True)
class Peer:
    """A loader: its requirements, its command, and its number of runs."""

    name: str
    command: Callable[[Place], list[str]]
    rounds: int
    package: str | None = None
    needs_schema: bool = False  # it does not make it

    @property
    def label(self) -> str:
        """The name with the version."""
        return self.name if self.package is None else self.package.replace("==", " ")

    def is_there(self) -> bool:
        """Install the peer if needed; return whether it is installed."""
        if self.package is None:
            return True
        home = CACHE / self.name
        mark = home / "installed"
        if mark.exists() and mark.read_text() == self.package:
            return True
        CACHE.mkdir(parents=True, exist_ok=True)
        uv, python = str(BIN / "uv"), str(home / "bin" / "python")
        steps = (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", python, self.package],
        )
        if not all(_succeeds(step) for step in steps):
            return False
        mark.write_text(self.package)
        return True


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, timeout=INSTALL_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _ours(place: Place) -> list[str]:
    config = place.config(database_url=place.url, default_target_schema=place.schema)
    return [str(BIN / "target-scout-postgres"), "--config", config]


def _meltanolabs(place: Place) -> list[str]:
    config = place.config(
        sqlalchemy_url=place.url.replace("postgresql://", "postgresql+psycopg://"),
        default_target_schema=place.schema,
        use_copy=True,
    )
    return [str(CACHE / "meltanolabs" / "bin" / "target-postgres"), "--config", config]


def _pipelinewise(place: Place) -> list[str]:
    parts = place.parts()
    config = place.config(
        host=parts["host"],
        port=5432,
        user=parts["user"],
        password=parts["password"],
        dbname=parts["database"],
        default_target_schema=place.schema,
    )
    return [str(CACHE / "pipelinewise" / "bin" / "target-postgres"), "--config", config]


def _dlt(place: Place) -> list[str]:
    python = str(CACHE / "dlt" / "bin" / "python")
    found = urlsplit(place.url)  # dlt wants a host and a password; the query's host counts
    parts = place.parts()
    url = found._replace(netloc=f"{parts['user']}:{parts['password']}@localhost").geturl()
    return [python, str(HERE / "dlt_loader.py"), url, place.schema, str(place.home)]


def _sling(place: Place) -> list[str]:
    """This package has the binary; the one named sling downloads it from elsewhere."""
    (program,) = (CACHE / "sling").glob("lib/*/site-packages/sling_linux_amd64/bin/sling-*")
    script = str(HERE / "sling_loader.py")
    return [sys.executable, script, str(program), place.url, place.schema, str(place.home)]


OURS = Peer("target-scout-postgres", _ours, rounds=5)
PIPELINEWISE = "pipelinewise-target-postgres==2.1.2"
MELTANOLABS = Peer("meltanolabs", _meltanolabs, 3, "meltanolabs-target-postgres==0.8.1")
PEERS = (
    OURS,
    MELTANOLABS,
    Peer(
        "pipelinewise", _pipelinewise, 2, "pipelinewise-target-postgres==2.1.2", needs_schema=True
    ),
    Peer("dlt", _dlt, 2, "dlt[postgres]==1.31.0"),
    Peer("sling", _sling, 2, "sling-linux-amd64==1.4.11"),
)
