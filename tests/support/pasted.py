"""Pastes commands of a document into a shell, in an empty folder.

The programs of this project are the real ones, started by ``preloaded``: a stand-in of the same
name on the PATH hands its arguments, environment and standard streams to the program's server.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from support import preloaded

PROGRAMS = {
    "scout": preloaded.SCOUT,
    "tap-commcare": (),
    "tap-commcare-connect": (),
    "target-scout-postgres": (),
}
# Imports as little as it can: it starts some fifty times.
STARTER = """#!{python} -IS
import json, os, socket, sys
command = [{program!r}, *sys.argv[1:]]
request = {{"command": command, "environment": dict(os.environ), "folder": os.getcwd()}}
body = json.dumps(request).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    connection.sendall(len(body).to_bytes(8, "big"))
    socket.send_fds(connection, [body[:1]], [0, 1, 2])
    connection.sendall(body[1:])
    numbers = connection.makefile("rb")
    numbers.read(8)
    sys.exit(int.from_bytes(numbers.read(8), "big", signed=True))
"""


def programs(folder: Path) -> Path:
    """Return a folder for the PATH with the programs."""
    for name, imports in PROGRAMS.items():
        program = Path(sys.executable).with_name(name)
        address = preloaded._server(name, imports)
        starter = folder / name
        starter.write_text(
            STARTER.format(python=sys.executable, program=str(program), address=address)
        )
        starter.chmod(0o755)
    return folder


def paste(
    texts: Iterable[str],
    folder: Path,
    environment: Mapping[str, str],
    replacements: Mapping[str, str] | None = None,
) -> str:
    """Run blocks one after the other; return what they print.

    Args:
        texts: Blocks of a document.
        folder: Where they run.
        environment: Its PATH has the programs of ``programs`` first.
        replacements: What a reader would write instead of a placeholder, each at least once.
    """
    script = "\n".join(texts)
    for placeholder, real in (replacements or {}).items():
        assert placeholder in script, f"{placeholder} is in none of the blocks"
        script = script.replace(placeholder, real)
    file = folder / "pasted.sh"
    file.write_text(f"set -euxo pipefail\n{script}\n")
    done = subprocess.run(
        ["bash", file],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def path_with(folder: Path) -> str:
    """Return the PATH with a folder first, and those of this environment."""
    return f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
