"""The files of one embedded server: where they are, whose they are. Starts nothing."""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scout_control.errors import ServerError
from scout_control.installation.embedded_postgres import programs

SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH_BYTES = 100  # Linux allows 107, macOS 103
# No comma, quote or blank: it goes into a setting.
PLAIN_PATH = re.compile(r"[\w/.@+=-]+", re.ASCII)
SHORT_PLACE = Path("/tmp")  # noqa: S108 - what is made there is 0700, and checked to be ours
# Only by password. Whoever may enter the directory of the socket may try.
WHO_MAY_LOG_IN = "local all all scram-sha-256\n"


@dataclass(frozen=True)
class Cluster:
    """The files of one server."""

    data: Path

    @classmethod
    def at(cls, data: Path) -> Cluster:
        """Return the server with this data directory."""
        return cls(data.absolute())

    def beside(self, what: str) -> Path:
        """Return the path of a file beside the data, which is ours and not the server's."""
        return self.data.with_name(f"{self.data.name}.{what}")

    @property
    def log(self) -> Path:
        """Return the file of what the server says."""
        return self.beside("log")

    @property
    def passfile(self) -> Path:
        """Return the file of the login, in libpq's format."""
        return self.beside("passfile")

    @property
    def sockets(self) -> Path:
        """Return the data directory, or a short one when a socket's path in it is too long."""
        path = str(self.data)
        is_short = len(os.fsencode(path)) + len(SOCKET_NAME) < LONGEST_SOCKET_PATH_BYTES
        if is_short and PLAIN_PATH.fullmatch(path):
            return self.data
        # Two directories: the outer one is ours, so that the server's account alone is not enough.
        return SHORT_PLACE / f"scout-{os.geteuid()}-{programs.digest(self.data)}" / "s"

    @property
    def is_made(self) -> bool:
        """Return whether there are files of a server."""
        return (self.data / "PG_VERSION").exists()

    @property
    def login(self) -> tuple[str, str] | None:
        """Return the user and password that the server was prepared for."""
        with suppress(FileNotFoundError, ValueError):
            *_, user, password = self.passfile.read_text().strip().split(":")
            return user, password
        return None

    def keep_login(self, user: str, password: str) -> None:
        """Write the login down, whole or not at all."""
        _put(self.passfile, f"*:*:*:{user}:{password}\n")

    def check(self) -> None:
        """Refuse a directory that is not ours to use.

        Raises:
            ServerError: It belongs to another account, or holds something else.
        """
        with suppress(FileNotFoundError):
            check_ours(self.data)
            if not self.is_made and any(self.data.iterdir()):
                raise ServerError(
                    f"{self.data} holds files, but none of a complete Postgres.",
                    "Remove it, or choose another place: SCOUT_HOME",
                )

    def empty(self) -> Path:
        """Return an empty directory of the server's account, to be made the data directory."""
        fresh = self.beside("new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh)
        return fresh

    def let_in(self) -> None:
        """Say who may log in; a login of an earlier version needed no password.

        Renamed into its place: the directory is not ours, and a link in it would be followed.
        """
        made = self.beside("hba")
        _put(made, WHO_MAY_LOG_IN)
        _give(made)
        made.replace(self.data / "pg_hba.conf")


def make_private(directory: Path) -> None:
    """Make a directory that only the server's account may enter; refuse somebody else's."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        check_ours(directory)
    else:
        _give(directory)


def check_ours(directory: Path, *, but_the_servers: bool = False) -> None:
    """Refuse a directory unless it is ours or, without `but_the_servers`, the server account's.

    Raises:
        ServerError: It is not.
    """
    found, owners = directory.lstat(), {os.geteuid()}
    if not but_the_servers:
        owners.add(programs.owner())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise ServerError(
            f"{directory} belongs to another account.",
            "Remove it, choose another place, or run this as that account.",
        )


def _give(path: Path) -> None:
    if account := programs.account():
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _put(file: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:  # noqa: PTH123 - a descriptor
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
