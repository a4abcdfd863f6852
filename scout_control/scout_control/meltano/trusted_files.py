"""Files that another account could have written, or could read: refused before they are used.

What control reads from a project decides which programs run with its keys. So a project that was
found, not named, must be ours or root's, and no other account may change it: not the file, its
folder, or a folder or link on the way there. One that was named is the operator's choice, unless
every account may write it. Knows no store and no setting.
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
    from collections.abc import Iterator

PROJECT_FILE = "meltano.yml"
# What Meltano and dbt read, or run, from a project besides its meltano.yml.
ALSO_READ = (".env", ".meltano", "plugins", "transform")
MOST_LINKS = 40  # as many as Linux follows
ROOT = 0


def check_project(root: Path, *, is_named: bool) -> None:
    """Refuse a project that another account could have written.

    Args:
        root: The folder of its meltano.yml.
        is_named: The operator named this folder; it may belong to another account then.

    Raises:
        SettingsError: It says which path it is, and what to do.
    """
    for path in (root / PROJECT_FILE, *map(root.joinpath, ALSO_READ)):
        if path.is_symlink() or path.exists():
            _check_way(path, root, is_named=is_named)
    for path in _below(root / "transform"):
        if path.is_symlink():
            _check_way(path, root, is_named=is_named)
        else:
            _check(path, path.lstat(), root, is_named=is_named, is_end=True)


def read_text(file: Path) -> str:
    """Return what is in a file that not every account may write, which is seen of the open file.

    Raises:
        SettingsError: Every account may write it.
        OSError: It cannot be read.
    """
    with file.open() as opened:
        if os.fstat(opened.fileno()).st_mode & stat.S_IWOTH:
            raise _writable(file)
        return opened.read()


def private_folder(folder: Path) -> Path:
    """Return a folder for secrets, made when missing: ours, and from its first moment ours alone.

    Raises:
        SettingsError: It belongs to another account, or cannot be made.
    """
    try:
        with suppress(FileExistsError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        found = folder.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(20, os.strerror(20))
        if found.st_uid != os.geteuid():
            raise SettingsError(
                f"The folder {folder} belongs to another account ({_name(found.st_uid)}).",
                "Set SCOUT_HOME to a folder of this account.",
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            folder.chmod(stat.S_IMODE(found.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "Set SCOUT_HOME to one that can, or SCOUT_DATABASE_URL to a server.",
        ) from None
    return folder


def private_file(path: Path, *, is_continued: bool = False) -> TextIO:
    """Open a file to write that only this account can read, also where it was there already.

    Raises:
        SettingsError: It is a link, not a plain file, or belongs to another account.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | (os.O_APPEND if is_continued else 0), 0o600)
    except OSError as error:
        raise SettingsError(
            f"The file {path} cannot be written: {error.strerror}.",
            "Name a file of this account that is not a link.",
        ) from None
    opened = os.fdopen(descriptor, "a" if is_continued else "w")
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        opened.close()
        raise SettingsError(
            f"The file {path} is not a plain file of this account.", "Name another one."
        )
    os.fchmod(descriptor, 0o600)
    if not is_continued:
        os.ftruncate(descriptor, 0)
    return opened


def _check_way(path: Path, root: Path, *, is_named: bool) -> None:
    """Check a path and each folder and link that is passed on the way to it."""
    *way, end = _way(path)
    last_folders = {end.parent, root.resolve()}
    for each in way:
        _check(each, each.lstat(), root, is_named=is_named, is_end=each in last_folders)
    _check(end, end.lstat(), root, is_named=is_named, is_end=True)


def _check(path: Path, found: os.stat_result, root: Path, *, is_named: bool, is_end: bool) -> None:
    if not is_named and found.st_uid not in {os.geteuid(), ROOT}:
        raise SettingsError(
            f"{path} belongs to another account ({_name(found.st_uid)}), and would decide what "
            "runs with your keys.",
            f"Work in a folder of this account; if you trust it: export SCOUT_PROJECT_ROOT={root}",
        )
    if stat.S_ISLNK(found.st_mode):
        return
    # In a folder with the sticky bit, as /tmp, others cannot replace what is ours; they can add.
    is_sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX and not is_end
    if not is_sticky and _others_may_write(found, is_named=is_named):
        raise _writable(path, None if found.st_mode & stat.S_IWOTH else root)


def _writable(path: Path, root: Path | None = None) -> SettingsError:
    """Return the error of a path that others may write; with a folder that may be named instead."""
    remedy = f"Run: chmod go-w {path}"
    if root is not None:
        remedy += f"; or, if you trust it: export SCOUT_PROJECT_ROOT={root}"
    return SettingsError(
        f"Other accounts may change {path}, which decides what runs with your keys.", remedy
    )


def _others_may_write(found: os.stat_result, *, is_named: bool) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return not is_named and bool(found.st_mode & stat.S_IWGRP) and not _is_private(found.st_gid)


def _is_private(group: int) -> bool:
    """Return whether a group has no members but this account and root."""
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


def _way(path: Path) -> Iterator[Path]:
    """Return each folder and link from the root of the file system to what a path really is."""
    here, rest, links = Path("/"), list(path.absolute().parts[1:]), 0
    yield here
    while rest:
        part = rest.pop(0)
        if part == "..":
            here = here.parent
            continue
        step = here / part
        yield step
        if not step.is_symlink():
            here = step
            continue
        links += 1
        if links > MOST_LINKS:
            raise SettingsError(f"{path} is a link that leads nowhere.", "Remove it.")
        target = step.readlink()
        rest = [*target.parts[target.is_absolute() :], *rest]
        here = Path("/") if target.is_absolute() else here


def _below(folder: Path) -> Iterator[Path]:
    """Return everything below a folder, as dbt walks through it: links are followed, once."""
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        found = Path(place).stat()
        is_new = (found.st_dev, found.st_ino) not in seen
        seen.add((found.st_dev, found.st_ino))
        if not is_new:
            folders.clear()
            continue
        yield from (Path(place, name) for name in (*folders, *files))
