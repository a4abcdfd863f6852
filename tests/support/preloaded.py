"""Runs console scripts by forking a process that has imported them already.

Importing the same modules for each of a thousand runs took half of the CPU time of the contract
tests. Each run is still a separate process with its command line, environment, standard
streams, exit code and interpreter shutdown; only the imports are shared. What a test does to a
process (signals, memory limits, a look into /proc) needs a real start: use subprocess there.
`SCOUT_TEST_REAL_STARTS=1` starts every run for real.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

DBT = ("dbt.cli.main", "dbt.adapters.postgres", "dbt.task.build")
TARGET = ("target_scout_postgres.runner",)
SCOUT = (
    "scout_control.api.scout",
    "scout_control.api.doctor",
    "scout_control.cli.admin",
    "scout_control.cli.credentials",
    "scout_control.installation.setup",
)
REAL_STARTS = bool(os.environ.get("SCOUT_TEST_REAL_STARTS"))
# The server: stops when its stdin closes. Each request is answered by a process in between, which
# waits for the run and sends its return code; SIGCHLD is ignored so that those need no waiting.
SERVER = """
import gc, importlib, importlib.metadata, json, os, random, select, signal, socket, sys, time

script, *_ = importlib.metadata.entry_points(group="console_scripts", name=sys.argv[1])
entry = script.load()
for module in sys.argv[3:]:  # which the script imports when it runs
    importlib.import_module(module)
gc.freeze()  # what is shared needs no collection, which would copy all of its memory in each run
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[2])
listening.listen(64)
print("ready", flush=True)


def requested():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        readable, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in readable:
            os._exit(0)
        connection, _ = listening.accept()
        if os.fork() == 0:
            break
        connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
    body, fds, _, _ = socket.recv_fds(connection, 1, 3)
    body += connection.recv(size - 1, socket.MSG_WAITALL)
    child = os.fork()
    if child:
        connection.sendall(child.to_bytes(8, "big", signed=True))
        _, status = os.waitpid(child, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, "big", signed=True))
        os._exit(0)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    connection.close()
    listening.close()
    return json.loads(body)


request = requested()
os.environ.clear()
os.environ.update(request["environment"])
os.chdir(request["folder"])
sys.argv = request["command"]
time.tzset()
random.seed()
sys.exit(entry())
"""


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    imports: tuple[str, ...] = (),
    timeout: float = 300,
    given: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run a console script of this environment to its end, as subprocess.run does.

    Args:
        command: The script's path, and its arguments.
        env: The environment; by default that of this process. If a test has changed that one, the
            start is a real one, since variables may be read when modules are imported.
        imports: Modules that are imported beforehand, besides those that the script begins with.
        timeout: Seconds.
        given: Its standard input.
    """
    if REAL_STARTS or (env is None and _environment() != AT_START):
        return subprocess.run(
            command, env=env, capture_output=True, timeout=timeout, check=False, input=given
        )
    request = {
        "command": [str(word) for word in command],
        "environment": dict(os.environ if env is None else env),
        "folder": str(Path.cwd()),
    }
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        stdin.write(given)
        stdin.seek(0)
        code = _run(_server(Path(command[0]).name, imports), request, (stdin, out, err), timeout)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(command), code, out.read(), err.read())


def run_scout(
    words: Sequence[str], env: Mapping[str, str], given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command of scout; the output as text."""
    script = Path(sys.executable).with_name("scout")
    done = run([script, *words], env=env, imports=SCOUT, given=given.encode())
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def run_target(
    command: Sequence[str | Path],
    given: bytes,
    variables: Mapping[str, str] | None = None,
    *,
    is_of_sdk: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run the target on an input; with settings of the SDK, it imports that.

    With variables besides those of this process, the start is a real one.
    """
    if variables:
        env = {**os.environ, **variables}
        return subprocess.run(
            command, env=env, input=given, capture_output=True, timeout=300, check=False
        )
    imports = (*TARGET, "target_scout_postgres.target") if is_of_sdk else TARGET
    return run(command, imports=imports, given=given)


def run_dbt(
    command: Sequence[str | Path], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script that calls dbt in its process; the output as text."""
    done = run(command, env=env, imports=DBT)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


AT_START = _environment()


@cache
def _server(script: str, imports: tuple[str, ...]) -> str:
    """Start the server of a script, which ends with this process; return its socket."""
    address = f"{tempfile.mkdtemp(prefix='scout-preloaded-')}/s"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, script, address, *imports],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return address


def _run(address: str, request: object, files: tuple[IO[bytes], IO[bytes]], timeout: float) -> int:
    """Let the server run a request; return its exit code, or kill it after the timeout."""
    body = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        connection.sendall(len(body).to_bytes(8, "big"))
        socket.send_fds(connection, [body[:1]], [file.fileno() for file in files])
        connection.sendall(body[1:])
        pid = _number(connection)
        try:
            return _number(connection)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise


def _number(connection: socket.socket) -> int:
    return int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big", signed=True)
