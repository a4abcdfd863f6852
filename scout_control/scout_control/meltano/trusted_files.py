"""Rejects files that another account could have written or could read.

The files of a project decide which programs run with control's keys. So a project that was found
by searching must belong to us or root, and no other account may be able to change the file, its
folder, or any folder or link on the path. A project that the operator named is trusted, unless it
is world-writable. Independent of the store and of settings.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scout_control.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROJECT_FILE = "meltano.yml"
# What Meltano and dbt read or run besides meltano.yml.
MODELS = ("transform", "models")
ALSO_READ = (".env", ".meltano", "plugins", *MODELS)
MAX_LINKS = 40  # the limit of Linux
ROOT = 0


def check_project(root: Path, *, is_named: bool) -> None:
    """Reject a project that another account could have written.

    Args:
        root: The folder of its meltano.yml.
        is_named: The operator named this folder; then it may belong to another account.

    Raises:
        SettingsError: Another account can change a path of the project.
    """
    for path in (root / PROJECT_FILE, *map(root.joinpath, ALSO_READ)):
        if path.is_symlink() or path.exists():
            _check_path(path, root, is_named=is_named)
    for path in (each for name in MODELS for each in _below(root / name)):
        if path.is_symlink():
            _check_path(path, root, is_named=is_named)
        else:
            _check(path, path.lstat(), root, is_named=is_named, is_end=True)


def check_files(files: Iterable[Path], root: Path, *, is_named: bool) -> None:
    """Reject further files of a project, as ``check_project`` does.

    Raises:
        SettingsError: Another account can change one of them.
    """
    for each in files:
        _check_path(each, root, is_named=is_named)


def read_text(file: Path) -> str:
    """Return the text of a file that is not world-writable.

    The open file is checked, not the path, so that it cannot be replaced in between.

    Raises:
        SettingsError: It is world-writable.
        OSError: It cannot be read.
    """
    with file.open() as opened:
        if os.fstat(opened.fileno()).st_mode & stat.S_IWOTH:
            raise _writable_error(file)
        return opened.read()


def private_folder(folder: Path) -> Path:
    """Return a folder for secrets, created with mode 0700 if missing.

    Raises:
        SettingsError: It belongs to another account, or cannot be created.
    """
    try:
        with suppress(FileExistsError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        status = folder.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, os.strerror(20))
        if status.st_uid != os.geteuid():
            raise SettingsError(
                f"The folder {folder} belongs to another account ({_name(status.st_uid)}).",
                "Set SCOUT_HOME to a folder of this account.",
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            folder.chmod(stat.S_IMODE(status.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be created: {error.strerror}.",
            "Set SCOUT_HOME to a writable folder, or SCOUT_DATABASE_URL to a server.",
        ) from None
    return folder


def private_file(path: Path, *, append: bool = False) -> TextIO:
    """Open a file for writing with mode 0600, whether it exists or not.

    Raises:
        SettingsError: It is a link, not a regular file, or belongs to another account.
    """
    # O_NONBLOCK: opening a pipe that another account has placed there must not hang.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | (os.O_APPEND if append else 0), 0o600)
    except OSError as error:
        raise SettingsError(
            f"The file {path} cannot be written: {error.strerror}.",
            "Choose a file of this account that is not a link.",
        ) from None
    opened = os.fdopen(descriptor, "a" if append else "w")
    status = os.fstat(descriptor)
    # A second hard link could be a file of another purpose, such as a key.
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink > 1:
        opened.close()
        raise SettingsError(
            f"{path} is not a regular file of this account.", "Choose another file."
        )
    os.fchmod(descriptor, 0o600)
    if not append:
        os.ftruncate(descriptor, 0)
    return opened


def _check_path(path: Path, root: Path, *, is_named: bool) -> None:
    """Check a path and each folder and link that its resolution traverses."""
    *traversed, end = _resolution(path)
    # The sticky bit does not protect the folder itself: others could add files that are read.
    last_folders = {end.parent, root.resolve()}
    for each in traversed:
        _check(each, each.lstat(), root, is_named=is_named, is_end=each in last_folders)
    _check(end, end.lstat(), root, is_named=is_named, is_end=True)


def _check(path: Path, status: os.stat_result, root: Path, *, is_named: bool, is_end: bool) -> None:
    if not is_named and status.st_uid not in {os.geteuid(), ROOT}:
        raise SettingsError(
            f"{path} belongs to another account ({_name(status.st_uid)}), and determines what "
            "runs with your keys.",
            f"Use a folder of this account; or, if you trust it: export SCOUT_PROJECT_ROOT={root}",
        )
    if stat.S_ISLNK(status.st_mode):
        return
    # In a folder with the sticky bit, such as /tmp, others can add files but not replace ours.
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and not is_end
    if not is_sticky and _others_may_write(status, is_named=is_named):
        raise _writable_error(path, None if status.st_mode & stat.S_IWOTH else root)


def _writable_error(path: Path, root: Path | None = None) -> SettingsError:
    """Return the error for a path that others may write; ``root`` is suggested as trusted."""
    remedy = f"Run: chmod go-w {path}"
    if root is not None:
        remedy += f"; or, if you trust it: export SCOUT_PROJECT_ROOT={root}"
    return SettingsError(
        f"Other accounts can change {path}, which determines what runs with your keys.", remedy
    )


def _others_may_write(status: os.stat_result, *, is_named: bool) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    is_group_writable = bool(status.st_mode & stat.S_IWGRP)
    return not is_named and is_group_writable and not _is_private(status.st_gid)


def _is_private(group: int) -> bool:
    """Return whether a group has no members other than this account and root."""
    try:
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        members = set() if group == os.getegid() else {"unknown"}
    members |= {each.pw_name for each in pwd.getpwall() if each.pw_gid == group}
    return members <= {_name(os.geteuid()), _name(ROOT)}


def _name(account: int) -> str:
    try:
        return pwd.getpwuid(account).pw_name
    except KeyError:
        return str(account)


def _resolution(path: Path) -> Iterator[Path]:
    """Yield each folder and link that the kernel traverses to resolve a path, then its target.

    ``Path.resolve`` would skip the links, whose replacement is an attack, too.
    """
    current, rest, links = Path("/"), list(path.absolute().parts[1:]), 0
    yield current
    while rest:
        part = rest.pop(0)
        if part == "..":
            current = current.parent
            continue
        step = current / part
        yield step
        if not step.is_symlink():
            current = step
            continue
        links += 1
        if links > MAX_LINKS:
            raise SettingsError(f"{path} is a circular link.", "Remove it.")
        target = step.readlink()
        rest = [*target.parts[target.is_absolute() :], *rest]
        current = Path("/") if target.is_absolute() else current


def _below(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder as dbt walks it: follows links, but each folder once."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        status = Path(parent).stat()
        is_new = (status.st_dev, status.st_ino) not in seen
        seen.add((status.st_dev, status.st_ino))
        if not is_new:
            folders.clear()
            continue
        yield from (Path(parent, name) for name in (*folders, *files))
