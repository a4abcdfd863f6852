"""Removes what was generated in a checkout; asks before it removes data or encryption keys.

Run by make with the system's Python, so only the standard library is available.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

GENERATED = (
    *("docs/_build", "dist", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
    *(".import_linter_cache", ".hypothesis"),
)
HOMES = (".scout", ".meltano")
PRECIOUS = {
    ".scout/postgres": "the data and settings in the embedded Postgres",
    ".scout/encryption.keys": "the encryption keys, without which no stored credential can be read",
    ".meltano/meltano.db": "the state of runs by meltano, without which they read everything again",
}
ELSEWHERE = ("SCOUT_HOME", "SCOUT_DATABASE_URL", "SCOUT_ENCRYPTION_KEYS")
"""Variables that would let scout stop another installation than the one that is removed."""


def main(root: Path, *, is_confirmed: bool) -> int:
    """Clean a checkout; return an exit code."""
    precious = {path: what for path, what in PRECIOUS.items() if (root / path).exists()}
    homes = HOMES
    if precious and not is_confirmed:
        _say("This removes", [f"{path}: {what}" for path, what in precious.items()])
        if not sys.stdin.isatty():
            _say("Nothing was removed. To remove them, too: make clean CONFIRM=1")
            return 1
        if input("Remove them, too? [y/N] ").strip().lower() not in {"y", "yes"}:
            homes = tuple(each for each in HOMES if not any(p.startswith(each) for p in precious))
    if ".scout" in homes and not _stop(root):
        return 1
    present = [each for each in (*GENERATED, *homes) if (root / each).exists()]
    for each in present:
        path = root / each
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    kept = [each for each in HOMES if each not in homes]
    _say("Removed", present or ["nothing"])
    if kept:
        _say("Kept", kept)
    return 0


def _stop(root: Path) -> bool:
    """Stop what runs on the data, unless others use it; return whether nothing runs any more."""
    scout = root / ".venv" / "bin" / "scout"
    if os.access(scout, os.X_OK) and (root / ".scout").is_dir():
        environment = {name: text for name, text in os.environ.items() if name not in ELSEWHERE}
        environment["SCOUT_PROJECT_ROOT"] = str(root)
        command = [str(scout), "demo", "--stop"]
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - our own program
        if done.returncode:
            _say("Nothing was removed.")
            return False
    if server := _server(root / ".scout" / "postgres"):
        _say(f"Nothing was removed: Postgres (process {server}) uses .scout/postgres.")
        _say("Stop it first, with the scout that started it: scout demo --stop")
        return False
    return True


def _server(data: Path) -> int | None:
    """Return the process of a server that runs on a data directory."""
    try:
        process = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return process  # of another account, and alive
    working_directory = Path(f"/proc/{process}/cwd")  # where there is one: ids are used again
    is_other = os.access(working_directory, os.X_OK) and not working_directory.samefile(data)
    return None if is_other else process


def _say(text: str, items: list[str] | None = None) -> None:
    sys.stderr.write(f"{text}:\n" if items else f"{text}\n")
    sys.stderr.writelines(f"  {each}\n" for each in items or ())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--confirm", action="store_true", help="remove data and keys, too")
    raise SystemExit(main(Path.cwd(), is_confirmed=parser.parse_args().confirm))
