"""Directories for one run: ours alone, in memory where there is such a place, gone afterwards.

A process that is killed leaves its directory behind, and what is in it may be secret. Each one is
locked as long as its process lives, so that whoever comes later can tell and remove the others.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory in it is made 0700 by mkdtemp
RUN, LOGIN_DIRECTORY = "scout-run-", "scout-login-"
LOCK, KEEP = ".alive", ".keep"
MOST_BYTES = 64 * 1024 * 1024  # of a file that a process of a run wrote: a catalog may be large


@contextmanager
def directory(prefix: str = RUN) -> Iterator[Path]:
    """Make a directory, and remove it at the end."""
    with _alive(prefix) as made:
        try:
            yield made
        finally:
            if not (made / KEEP).exists():
                shutil.rmtree(made, ignore_errors=True)


def keep(made: Path) -> None:
    """Leave a directory where it is, for whoever looks for abandoned ones."""
    (made / KEEP).touch()


def read(path: Path) -> bytes:
    """Return what is in a file that a process of a run wrote, which may have made anything of it.

    Raises:
        OSError: It is a pipe, a link or a device, it is too large, or it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file")
        found = file.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return found


def abandoned(prefix: str = RUN) -> Iterator[Path]:
    """Return the directories of ours whose process was killed."""
    for place in {_place(), Path(tempfile.gettempdir())}:
        for found in place.glob(f"{prefix}*"):
            with suppress(OSError):
                if found.stat().st_uid == os.geteuid() and _is_dead(found):
                    yield found


def sweep() -> int:
    """Remove the directories of runs that were killed; return how many."""
    found = list(abandoned())
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)


@contextmanager
def _alive(prefix: str) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=_place()))
    draft = made / f"{LOCK}.draft"
    descriptor = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        draft.rename(made / LOCK)  # it is there from the moment on at which it is locked
        yield made
    finally:
        os.close(descriptor)


def _is_dead(path: Path) -> bool:
    """Tell whether nobody holds the lock; one that is just being made counts as alive."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _place() -> Path:
    is_usable = IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK | os.X_OK)
    return IN_MEMORY if is_usable else Path(tempfile.gettempdir())
