"""Answers the processes of one run over its Unix socket: to each plugin its secrets, once.

Who asks is told by the kernel, and is believed only by where it stands below the run's own process:
Meltano may read and write state, what Meltano started may ask which plugin it is to be. Code of a
plugin has been told already when it runs, and what it starts stands one step too low; or beside it
(``CLONE_PARENT``), but then it has a mark more than Meltano, as plugins have.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from scout_control.errors import ControlError
from scout_control.meltano.run_server import client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_control.store.singer_state import State

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 30.0
MOST_BYTES = 64 * 1024 * 1024  # of a question: a state may be large
MELTANO, PLUGIN = 0, 1  # steps below Meltano
MOST_STEPS = 4
IS_LINUX = Path("/proc/self/stat").exists()
APPLE_LOCAL, APPLE_PEER = 0, 2
MARKS = ("NoNewPrivs:", "Seccomp_filters:")  # see parent_death.stay_apart


class StateKeeper(Protocol):
    """Where state is kept."""

    def get(self, state_id: str) -> State | None: ...  # noqa: D102
    def keep(self, state_id: str, state: State) -> None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one plugin is told: what to run, and what it may see."""

    program: str
    names: tuple[str, ...] = ()
    """Variables of Meltano's environment that are passed on."""
    prefixes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What is added to its configuration file."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Texts of files that variables name."""


class RunServer:
    """The server of one run."""

    def __init__(
        self, told: Mapping[str, Told], states: StateKeeper, dataset_schema: str | None
    ) -> None:
        self._told, self._states = told, states
        self._suffix = f":{dataset_schema}" if dataset_schema else None
        self._root, self._steps = 0, 0
        self._known = threading.Event()
        self._seen: set[tuple[int, str]] = set()
        self._over = False

    @contextmanager
    def opened(self, path: Path) -> Iterator[RunServer]:
        """Listen, and end when the context is left."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(client.address(path))
            listener.listen()
            thread = threading.Thread(target=self._serve, args=[listener], daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self._over = True
                with suppress(OSError), socket.socket(socket.AF_UNIX) as waking:
                    waking.connect(client.address(path))
                thread.join()

    def know(self, process: int, steps_to_meltano: int) -> None:
        """Learn which process the run is, and how many steps below it Meltano stands."""
        self._root, self._steps = process, steps_to_meltano
        self._known.set()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if self._over:
                    return
                connection.settimeout(LONGEST_WAIT_SECONDS)
                with suppress(OSError, ValueError, LookupError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        self._known.wait(LONGEST_WAIT_SECONDS)
        peer = _peer(connection)
        way = _way_up(peer, self._root)
        role = len(way) - 1 - self._steps
        if role not in {MELTANO, PLUGIN} or _marks(peer) != _marks(way[role]):
            return
        with connection.makefile("rb") as lines:
            question = json.loads(lines.readline(MOST_BYTES))
        if not isinstance(question, dict):
            return
        try:
            answer = self._state(question) if role == MELTANO else self._plugin(question, peer)
        except (ControlError, psycopg.Error, client.RefusedError) as error:
            log.warning("run_refused error=%s", type(error).__name__)
            answer = {"refused": _why(error)}
        connection.sendall(json.dumps(answer).encode() + b"\n")

    def _plugin(self, question: Mapping[str, Any], peer: int) -> dict[str, Any]:
        asker = (peer, _facts(peer)[1])  # a number is used again, at another moment
        told = self._told.get(str(question.get("plugin")))
        if told is None or asker in self._seen:
            raise client.RefusedError("control does not know this process")
        self._seen.add(asker)
        return dict(vars(told))

    def _state(self, question: Mapping[str, Any]) -> dict[str, Any]:
        state_id = str(question.get("state_id"))
        if self._suffix is None or not state_id.endswith(self._suffix):
            raise client.RefusedError("this state belongs to another dataset")
        if isinstance(question.get("keep"), dict):
            self._states.keep(state_id, question["keep"])
            return {"kept": True}
        return {"state": self._states.get(state_id)}


def _why(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        return f"Postgres refused ({type(error).__name__}, SQLSTATE {error.sqlstate})"
    return str(error)


def _peer(connection: socket.socket) -> int:
    """Return the process that connected."""
    if not IS_LINUX:
        return connection.getsockopt(APPLE_LOCAL, APPLE_PEER)
    facts = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", facts)[0])


def _way_up(process: int, root: int) -> list[int]:
    """Return a process and those above it up to another one; nothing when it is not near."""
    way = [process]
    while way[-1] != root:
        if len(way) == MOST_STEPS:
            return []
        way.append(_facts(way[-1])[0])
    return way


def _marks(process: int) -> list[str]:
    """Return what a process has given up, which none that descends from it can have back."""
    if not IS_LINUX:
        return []
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return [line for line in lines if line.startswith(MARKS)]


def _facts(process: int) -> tuple[int, str]:
    """Return the parent of a process, and when it was started."""
    if IS_LINUX:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), fields[19]
    import psutil  # noqa: PLC0415 - takes a moment to load

    found = psutil.Process(process)
    return found.ppid(), str(found.create_time())
