"""Private temporary directories of runs, in memory where possible, removed afterwards.

A killed process leaves its directory behind, which may hold secrets. Each process locks a file in
its directory, so that later processes can recognise abandoned directories and remove them.
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

IN_MEMORY = Path("/dev/shm")
RUN, CREDENTIAL_DIRECTORY = "scout-run-", "scout-login-"
LOCK, KEEP = ".alive", ".keep"
MAX_BYTES = 64 * 1024 * 1024  # of a file that a run wrote; a catalog can be large


@contextmanager
def directory(prefix: str = RUN) -> Iterator[Path]:
    """Create a directory and remove it at the end."""
    with _locked_directory(prefix) as path:
        try:
            yield path
        finally:
            if not (path / KEEP).exists():
                shutil.rmtree(path, ignore_errors=True)


def keep(path: Path) -> None:
    """Do not remove a directory at the end; recovery finds it as an abandoned one."""
    (path / KEEP).touch()


def read(path: Path) -> bytes:
    """Return the content of a file that a run wrote and may have replaced by anything.

    Raises:
        OSError: It is a link, pipe or device, too large, or unreadable.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content


def abandoned(prefix: str = RUN) -> Iterator[Path]:
    """Yield our directories whose process was killed."""
    for parent in {parent_directory(), Path(tempfile.gettempdir())}:
        for path in parent.glob(f"{prefix}*"):
            with suppress(OSError):
                if path.stat().st_uid == os.geteuid() and _is_abandoned(path):
                    yield path


def sweep() -> int:
    """Remove abandoned directories of runs; return how many."""
    paths = list(abandoned())
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
    return len(paths)


@contextmanager
def _locked_directory(prefix: str) -> Iterator[Path]:
    # flock is released by the kernel with the process, however it ends.
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent_directory()))  # mode 0700
    draft = path / f"{LOCK}.draft"
    descriptor = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        draft.rename(path / LOCK)  # renamed when locked, so that it never exists unlocked
        yield path
    finally:
        os.close(descriptor)


def _is_abandoned(path: Path) -> bool:
    """Return whether the lock is free; a directory without a lock file is being created."""
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


def parent_directory() -> Path:
    """Return where directories of runs are created."""
    is_usable = IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK | os.X_OK)
    return IN_MEMORY if is_usable else Path(tempfile.gettempdir())
