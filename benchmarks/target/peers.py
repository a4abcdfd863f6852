"""What is measured: each peer in an environment of its own, made on first use.

A peer turns a file of Singer messages into rows of a schema. `raw` is the yardstick: one text COPY
of rows that are ready, into a logged table with its key.
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
UV = Path(sys.executable).parent / "uv"


@dataclass(frozen=True)
class Place:
    """Where to load: a server, a schema, and a directory for files of the run."""

    url: str
    schema: str
    home: Path

    def parts(self) -> dict[str, str]:
        """The address in pieces, for peers that take no URL with a socket directory."""
        found = urlsplit(self.url)
        return {
            "host": parse_qs(found.query).get("host", [found.hostname or "localhost"])[0],
            "user": found.username or "postgres",
            "database": found.path.removeprefix("/"),
        }

    def config(self, **settings: object) -> str:
        path = self.home / "config.json"
        path.write_text(json.dumps(settings))
        return str(path)


@dataclass(frozen=True)
class Peer:
    """A loader: how it is installed, and the command that reads Singer messages from stdin."""

    name: str
    command: Callable[[Place], list[str]]
    package: str | None = None

    def is_there(self) -> bool:
        """Install the peer if it is not yet; tell whether that was possible."""
        if self.package is None:
            return True
        home = CACHE / self.name
        if (home / "installed").exists():
            return True
        CACHE.mkdir(parents=True, exist_ok=True)
        python = str(home / "bin" / "python")
        steps = (
            [UV, "venv", "--quiet", "--python", sys.executable, str(home)],
            [UV, "pip", "install", "--quiet", "--python", python, self.package],
        )
        if any(subprocess.run(step, check=False).returncode for step in steps):
            return False
        (home / "installed").touch()
        return True


def _ours(place: Place) -> list[str]:
    config = place.config(database_url=place.url, default_target_schema=place.schema)
    return [str(Path(sys.executable).parent / "target-scout-postgres"), "--config", config]


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
        password="x",
        dbname=parts["database"],
        default_target_schema=place.schema,
    )
    return [str(CACHE / "pipelinewise" / "bin" / "target-postgres"), "--config", config]


def _dlt(place: Place) -> list[str]:
    script = Path(__file__).parent / "dlt_loader.py"
    python = str(CACHE / "dlt" / "bin" / "python")
    return [python, str(script), place.url, place.schema, str(place.home)]


OURS = Peer("scout", _ours)
PEERS = (
    OURS,
    Peer("meltanolabs", _meltanolabs, "meltanolabs-target-postgres==0.8.1"),
    Peer("pipelinewise", _pipelinewise, "pipelinewise-target-postgres==2.1.2"),
    Peer("dlt", _dlt, "dlt[postgres]==1.31.0"),
)
