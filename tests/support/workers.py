"""Processes of ``scout``: their environment, a worker, and waiting for what they do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from scout_control.installation.settings import Settings

LONGEST_SECONDS = 180.0  # several times what it takes while the machine is busy with other work


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of a command of this installation."""
    return os.environ | {
        "SCOUT_DATABASE_URL": str(settings.database_url),
        "SCOUT_ENCRYPTION_KEYS": str(settings.encryption_keys),
        "SCOUT_PROJECT_ROOT": str(settings.project_root),
        "SCOUT_HOME": str(settings.home),
    }


@contextmanager
def worker(settings: Settings, *options: str, stderr: int) -> Iterator[subprocess.Popen[str]]:
    """Start a worker process, and kill it afterwards."""
    command = [sys.executable, "-m", "scout_control", "worker", *options]
    process = subprocess.Popen(command, env=environment_of(settings), stderr=stderr, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def is_alive(pid: int) -> bool:
    """Tell whether a process still does something; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(is_so: Callable[[], object], seconds: float = LONGEST_SECONDS) -> None:
    """Wait for something that a process does."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
