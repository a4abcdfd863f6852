"""What the demo needs around it: the embedded Postgres and the sandbox, started and ended here.

Whatever this starts it also ends, unless it is asked to leave it running; files stay.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scout_control.demo import sandbox as sandboxes
from scout_control.demo.source import Change, Source, dataset
from scout_control.errors import ServerError
from scout_control.installation import embedded_postgres
from scout_control.meltano import trusted_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scout_control.demo.sandbox import Sandbox, Size
    from scout_control.rules.naming import DatasetIdentity

POSTGRES, LOCK = "postgres", "demo.lock"
DATA_DATABASE, STATE_DATABASE = "scout", "meltano"


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything up and reachable."""

    home: Path
    source: Source
    size: Size
    server_url: str = field(repr=False)
    shown_url: str
    """The same without the password, for people."""
    meltano_url: str = field(repr=False)
    sandbox: Sandbox
    is_new_sandbox: bool

    @property
    def dataset(self) -> DatasetIdentity:
        """Return the dataset that is shown."""
        return dataset(self.source, self.size)

    @property
    def key(self) -> str:
        """Return the name under which changes of the sandbox are remembered."""
        return f"{self.source.name} {self.source.size(self.size)}"


@contextmanager
def started(home: Path, source: Source, size: Size, *, keep_running: bool) -> Iterator[World]:
    """Start what is not running yet; end what was started here, unless it shall go on."""
    trusted_files.private_folder(home)
    with _alone(home), ExitStack() as at_the_end:
        found = sandboxes.remembered(home)
        if found and found.size != size:
            found.stop()
            found = None
        if found is None:
            process = sandboxes.start(home, size)
            if not keep_running:
                at_the_end.callback(sandboxes.end, process)
            server = _postgres(home, at_the_end, keep_running=keep_running)
            sandbox = sandboxes.ready(home, process, size)
        else:
            server = _postgres(home, at_the_end, keep_running=keep_running)
            sandbox = found
        yield World(
            home=home,
            source=source,
            size=size,
            server_url=embedded_postgres.create_database(server, DATA_DATABASE),
            shown_url=embedded_postgres.url_to_show(home / POSTGRES, DATA_DATABASE),
            meltano_url=embedded_postgres.create_database(server, STATE_DATABASE),
            sandbox=sandbox,
            is_new_sandbox=found is None,
        )


@contextmanager
def database(home: Path) -> Iterator[str]:
    """Give the URL of the demo's database, without the password, as an argument may be.

    A server that this started is ended again.
    """
    with ExitStack() as at_the_end:
        server = _postgres(home, at_the_end, keep_running=False)
        embedded_postgres.create_database(server, DATA_DATABASE)
        yield embedded_postgres.url_to_show(home / POSTGRES, DATA_DATABASE)


def _postgres(home: Path, at_the_end: ExitStack, *, keep_running: bool) -> str:
    """Start the server unless it runs, and return its URL."""
    data = home / POSTGRES
    if not keep_running and not embedded_postgres.is_running(data):
        at_the_end.callback(embedded_postgres.stop, data)
    return embedded_postgres.start(data)


def stop(home: Path) -> list[str]:
    """End what a demo left running; return the names of what that was."""
    stopped = []
    if found := sandboxes.remembered(home):
        found.stop()
        stopped.append("sandbox")
    if embedded_postgres.stop(home / POSTGRES):
        stopped.append("Postgres")
    return stopped


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep a second demo of the same folder out."""
    with (home / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(
                f"A demo is already running in {home}.", "Wait until it ends, or end it."
            ) from None
        yield


@dataclass
class Memory:
    """What the demo remembers: the last dataset, and what was changed in the sandbox.

    The sandbox itself forgets its changes when it ends, so they are made again when it starts.
    """

    file: Path
    schema: str = ""
    changes: dict[str, list[Change]] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path) -> Memory:
        """Read it; a new one when there is none."""
        file = home / "demo.json"
        if not file.exists():
            return cls(file)
        told = json.loads(file.read_text())
        return cls(file, told["schema"], told["changes"])

    def save(self) -> None:
        """Write it."""
        self.file.touch(0o600)
        self.file.write_text(json.dumps({"schema": self.schema, "changes": self.changes}, indent=1))
