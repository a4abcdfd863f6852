"""The files of one embedded server and their ownership. Starts no process."""

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

DEFAULT_PORT = 5432
SOCKET_NAME = f".s.PGSQL.{DEFAULT_PORT}"
LONGEST_SOCKET_PATH_BYTES = 100  # Linux allows 107, macOS 103
# Paths with a comma, quote or space could not be written into unix_socket_directories.
PLAIN_PATH = re.compile(r"[\w/.@+=-]+", re.ASCII)
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - what is created there is 0700, and its owner is checked
# Passwords for every role: any process that can enter the directory of the socket may try.
PG_HBA = "local all all scram-sha-256\n"
# On a port of this machine any account may try: not the owner of everything.
PG_HBA_OF_PORT = """\
host all scout all reject
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Cluster:
    """The files of one server."""

    data: Path

    @classmethod
    def at(cls, data: Path) -> Cluster:
        """Return the cluster of a data directory."""
        return cls(data.absolute())

    def beside(self, suffix: str) -> Path:
        """Return the path of a file beside the data directory, outside the server's reach."""
        return self.data.with_name(f"{self.data.name}.{suffix}")

    @property
    def log(self) -> Path:
        """The log of the server."""
        return self.beside("log")

    @property
    def passfile(self) -> Path:
        """The user and password that control logs in with, in the format of libpq."""
        return self.beside("passfile")

    @property
    def sockets(self) -> Path:
        """The directory of the socket: the data directory, or a short path if that is too long."""
        path = str(self.data)
        is_short = len(os.fsencode(path)) + len(SOCKET_NAME) < LONGEST_SOCKET_PATH_BYTES
        if is_short and PLAIN_PATH.fullmatch(path):
            return self.data
        # Two levels: the outer directory belongs to this account, so that under root the account of
        # the server, nobody, cannot exchange the inner one.
        return SHORT_FOLDER / f"scout-{os.geteuid()}-{programs.digest(self.data)}" / "s"

    @property
    def port(self) -> int | None:
        """The port of this machine on which the server listens; None for the socket only."""
        with suppress(FileNotFoundError, ValueError):
            return int(self.beside("port").read_text())
        return None

    @property
    def number(self) -> int:
        """The port of the server, which names its socket even if it listens on no port."""
        return self.port or DEFAULT_PORT

    @property
    def socket(self) -> Path:
        """The socket itself."""
        return self.sockets / f".s.PGSQL.{self.number}"

    def set_port(self, port: int | None) -> None:
        """Let the server listen on a port from its next start, or on the socket only."""
        if port is None:
            self.beside("port").unlink(missing_ok=True)
        else:
            _write_atomically(self.beside("port"), f"{port}\n")
        if self.exists:
            self.write_hba()

    @property
    def exists(self) -> bool:
        """Whether the data directory is complete."""
        return (self.data / "PG_VERSION").exists()

    @property
    def login(self) -> tuple[str, str] | None:
        """The user and password in the password file, if there is one."""
        with suppress(FileNotFoundError, ValueError):
            *_, user, password = self.passfile.read_text().strip().split(":")
            return user, password
        return None

    def write_login(self, user: str, password: str) -> None:
        """Write the password file atomically."""
        _write_atomically(self.passfile, f"*:*:*:{user}:{password}\n")

    def check(self) -> None:
        """Refuse a data directory that must not be used.

        Raises:
            ServerError: It belongs to another account, or contains something else.
        """
        with suppress(FileNotFoundError):
            check_owner(self.data)
            if not self.exists and any(self.data.iterdir()):
                raise ServerError(
                    f"{self.data} contains files, but no complete Postgres data directory.",
                    "Remove it, or choose another folder: SCOUT_HOME",
                )

    def create_draft(self) -> Path:
        """Return a new empty directory of the server's account, to be renamed to ``data``."""
        draft = self.beside("new")
        shutil.rmtree(draft, ignore_errors=True)
        make_private(draft)
        return draft

    def write_hba(self) -> None:
        """Require passwords in pg_hba.conf; earlier versions did not.

        Renamed into place: under root the directory belongs to nobody, who could have put a link
        there that root would follow.
        """
        draft = self.beside("hba")
        _write_atomically(draft, PG_HBA + (PG_HBA_OF_PORT if self.port else ""))
        _chown_to_server(draft)
        draft.replace(self.data / "pg_hba.conf")


def make_private(directory: Path) -> None:
    """Create a directory that only the server's account may enter, or check an existing one."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        check_owner(directory)
    else:
        _chown_to_server(directory)


def check_owner(directory: Path, *, allow_server: bool = True) -> None:
    """Refuse a directory that belongs to another account, or is a link.

    Args:
        directory: The directory.
        allow_server: Whether it may belong to the server's account instead of to this one.

    Raises:
        ServerError: It does.
    """
    status, owners = directory.lstat(), {os.geteuid()}
    if allow_server:
        owners.add(programs.server_uid())
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise ServerError(
            f"{directory} belongs to another account.",
            "Remove it, choose another folder, or run this as that account.",
        )


def _chown_to_server(path: Path) -> None:
    if account := programs.server_account():
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _write_atomically(file: Path, text: str) -> None:
    """Write a file with mode 0600; an interruption leaves the former content."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
