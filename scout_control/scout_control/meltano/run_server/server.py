"""The run server: gives each plugin its secrets once, and Meltano the state, over a Unix socket.

A client is authenticated by its process id, which the kernel reports, and by its position in the
process tree below the run. Meltano may read and write state. A child of Meltano, a launcher, may
request the secrets of a plugin, once per process. Code of a plugin runs in a process that has made
its request already. Its children are one level too low; if it creates a sibling instead
(``CLONE_PARENT``), that process carries more restrictions than Meltano, see ``isolate_process``.
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

TIMEOUT_SECONDS = 30.0
MAX_BYTES = 64 * 1024 * 1024  # of a request; a state can be large
MELTANO, LAUNCHER = 0, 1  # levels below Meltano
MAX_DEPTH = 4
IS_LINUX = Path("/proc/self/stat").exists()
SOL_LOCAL, LOCAL_PEERPID = 0, 2  # macOS
RESTRICTIONS = ("NoNewPrivs:", "Seccomp_filters:")  # set by parent_death.isolate_process


class StateStorage(Protocol):
    """Storage of Singer states."""

    def get(self, state_id: str) -> State | None:
        """Return a state."""

    def save(self, state_id: str, state: State) -> None:
        """Replace a state."""


@dataclass(frozen=True, kw_only=True)
class PluginLaunch:
    """The program of a plugin, and what it may see."""

    program: str
    names: tuple[str, ...] = ()
    """Variables that it inherits from Meltano's environment."""
    prefixes: tuple[str, ...] = ()
    """Prefixes of further variables that it inherits."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Secrets to add to its configuration file."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Contents of in-memory files, by the variable that names each file."""
    announcement: str = ""
    """What its launcher writes to standard error first."""


class RunServer:
    """The server of one run."""

    def __init__(
        self, launches: Mapping[str, PluginLaunch], states: StateStorage, dataset_schema: str | None
    ) -> None:
        self._launches, self._states = launches, states
        self._suffix = f":{dataset_schema}" if dataset_schema else None
        self._root, self._meltano_depth = 0, 0
        self._is_root_known = threading.Event()
        self._served: set[tuple[int, str]] = set()
        self._is_closed = False

    @contextmanager
    def opened(self, path: Path) -> Iterator[RunServer]:
        """Listen until the end of the context."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(client.address(path))
            listener.listen()
            thread = threading.Thread(target=self._serve, args=[listener], daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self._is_closed = True
                with suppress(OSError), socket.socket(socket.AF_UNIX) as waker:  # ends accept()
                    waker.connect(client.address(path))
                thread.join()

    def set_root(self, process: int, meltano_depth: int) -> None:
        """Set the process of the run, and how many levels below it Meltano is."""
        self._root, self._meltano_depth = process, meltano_depth
        self._is_root_known.set()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if self._is_closed:
                    return
                connection.settimeout(TIMEOUT_SECONDS)
                with suppress(OSError, ValueError, LookupError):
                    self._respond(connection)

    def _respond(self, connection: socket.socket) -> None:
        # The socket exists before the process: the first client may connect before set_root().
        self._is_root_known.wait(TIMEOUT_SECONDS)
        peer = _peer(connection)
        ancestry = _ancestry(peer, self._root)
        role = len(ancestry) - 1 - self._meltano_depth
        # Descendants of a plugin are too deep. A sibling that a plugin created is as deep as a
        # launcher, but has more restrictions than Meltano, which is ancestry[role].
        if role not in {MELTANO, LAUNCHER} or _restrictions(peer) != _restrictions(ancestry[role]):
            return
        with connection.makefile("rb") as lines:
            request = json.loads(lines.readline(MAX_BYTES))
        if not isinstance(request, dict):
            return
        try:
            response = self._state(request) if role == MELTANO else self._launch(request, peer)
        except (ControlError, psycopg.Error, client.RefusedError) as error:
            log.warning("run_refused error=%s", type(error).__name__)
            response = {"refused": _reason(error)}
        connection.sendall(json.dumps(response).encode() + b"\n")

    def _launch(self, request: Mapping[str, Any], peer: int) -> dict[str, Any]:
        process = (peer, _parent_and_start(peer)[1])  # the pid alone could be reused
        launch = self._launches.get(str(request.get("plugin")))
        if launch is None or process in self._served:
            raise client.RefusedError("control does not recognise this process")
        self._served.add(process)
        return dict(vars(launch))

    def _state(self, request: Mapping[str, Any]) -> dict[str, Any]:
        state_id = str(request.get("state_id"))
        if self._suffix is None or not state_id.endswith(self._suffix):
            raise client.RefusedError("this state belongs to another dataset")
        if isinstance(request.get("save"), dict):
            self._states.save(state_id, request["save"])
            return {"saved": True}
        return {"state": self._states.get(state_id)}


def _reason(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        return f"Postgres reported an error ({type(error).__name__}, SQLSTATE {error.sqlstate})"
    return str(error)


def _peer(connection: socket.socket) -> int:
    """Return the id of the connected process."""
    if not IS_LINUX:
        return connection.getsockopt(SOL_LOCAL, LOCAL_PEERPID)
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    return int(struct.unpack("3i", credentials)[0])


def _ancestry(process: int, root: int) -> list[int]:
    """Return a process and its ancestors up to ``root``; empty if ``root`` is not near."""
    ancestry = [process]
    while ancestry[-1] != root:
        if len(ancestry) == MAX_DEPTH:
            return []
        ancestry.append(_parent_and_start(ancestry[-1])[0])
    return ancestry


def _restrictions(process: int) -> list[str]:
    """Return the security restrictions of a process, which its descendants can only add to."""
    if not IS_LINUX:
        return []
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return [line for line in lines if line.startswith(RESTRICTIONS)]


def _parent_and_start(process: int) -> tuple[int, str]:
    """Return the parent of a process and its start time."""
    if IS_LINUX:
        # The second field is the program's name, which may contain spaces and parentheses.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), fields[19]
    import psutil

    info = psutil.Process(process)
    return info.ppid(), str(info.create_time())
