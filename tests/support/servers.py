"""Additional servers for tests: Debian's PostgreSQL 15, where it is installed.

`EACH_SERVER` marks a module whose tests of `world` run on all of them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql/15/bin")
EMBEDDED, OLDER = "embedded", "15"
SERVERS = [EMBEDDED, *([OLDER] if DEBIAN.is_dir() else [])]
EACH_SERVER = pytest.mark.parametrize("shared_world", SERVERS, indirect=True)


@contextmanager
def older():
    """Start PostgreSQL 15 and yield the URL of its superuser."""
    home = Path(tempfile.mkdtemp(prefix="scout-pg15-"))
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(home, account.pw_uid, account.pw_gid)
    data, log = home / "data", home / "log"
    options = f"-k {home} -c listen_addresses= -c fsync=off -c max_prepared_transactions=8"
    initdb = [DEBIAN / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "utf8"]
    _as(account, *initdb, "--no-sync")
    _as(account, DEBIAN / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        yield f"postgresql://postgres@/postgres?host={home}"
    finally:
        _as(account, DEBIAN / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _as(account: pwd.struct_passwd, *command: object) -> None:
    change = {} if os.geteuid() else {"user": account.pw_uid, "group": account.pw_gid}
    words = [str(word) for word in command]
    subprocess.run(words, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=120, **change)
