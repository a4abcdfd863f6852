"""Control's own settings: the only module that reads its environment.

The environment of a run is built in ``meltano``, from a list; nothing is inherited.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from shlex import quote

from scout_control.errors import SettingsError
from scout_control.installation import project_location
from scout_control.installation.openid_settings import OpenIDSettings
from scout_control.meltano import project_file, trusted_files
from scout_control.rules import retention

BOOLEANS = {"": None, "1": True, "true": True, "0": False, "false": False}
SHORTEST_AUDIT_DAYS = 30  # the database refuses to remove younger events
LONGEST_AUDIT_DAYS = 36_500


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Environment variables, each prefixed ``SCOUT_``."""

    project_root: Path
    """``SCOUT_PROJECT_ROOT``: the folder of meltano.yml; by default found from here upwards, else
    the one that ``scout init`` has made for this user."""

    home: Path
    """``SCOUT_HOME``: the folder of the embedded Postgres and of caches; ``.scout`` by default."""

    database_url: str | None = field(default=None, repr=False)
    """``SCOUT_DATABASE_URL``: the Postgres of the store; the embedded one if it is not set."""

    encryption_keys: str | None = field(default=None, repr=False)
    """``SCOUT_ENCRYPTION_KEYS``: comma-separated Fernet keys; the first one encrypts."""

    opaque_names: bool | None = None
    """``SCOUT_OPAQUE_NAMES``: read by ``scout init``, which stores it for all processes."""

    keep: float | None = None
    """``SCOUT_KEEP``, in hours: how long unused data is kept; stored by ``scout init``, too."""

    audit_keep: timedelta = timedelta(days=400)
    """``SCOUT_AUDIT_KEEP_DAYS``: the retention of the audit trail; 400 by default."""

    openid: OpenIDSettings | None = None
    """``SCOUT_OIDC_...``: the provider that signs people in, if there is one."""

    query_text: bool = False
    """``SCOUT_QUERY_TEXT``: whether the history of queries keeps their text; false by default."""

    @property
    def key_file(self) -> Path | None:
        """Return the file of the encryption keys, or None unless the Postgres is the embedded one.

        A key file beside a server that other machines use would differ on each of them.
        """
        return None if self.database_url else self.home / "encryption.keys"

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """Return the folders of the installation, as they are set and where links lead."""
        own = (self.project_root, self.home)
        return (*own, *(each.resolve() for each in own))

    @property
    def server_folders(self) -> tuple[Path, ...]:
        """Return the folders of this machine that errors may name to those who have its shell."""
        # Not gettempdir(), which writes a file: on a full disk, errors must be written, too.
        temporary = tempfile.tempdir or os.environ.get("TMPDIR", "/")
        machine = (sys.prefix, temporary, os.environ.get("HOME", "/"))
        return (*self.own_folders, *map(Path, machine))

    def make_home(self) -> Path:
        """Return ``SCOUT_HOME``, created with mode 0700 if it does not exist.

        Raises:
            SettingsError: It belongs to another account, or cannot be created.
        """
        return trusted_files.private_folder(self.home)

    @classmethod
    def load(cls) -> Settings:
        """Read the environment.

        Raises:
            SettingsError: No Meltano project was found, or other accounts can write to it.
        """
        is_named = bool(os.environ.get(project_location.VARIABLE))
        root = project_location.find()
        if root is None or not (root / trusted_files.PROJECT_FILE).is_file():
            raise _missing(root, is_named=is_named)
        trusted_files.check_project(root, is_named=is_named)
        file = root / trusted_files.PROJECT_FILE
        trusted_files.check_files(project_file.included_files(file), root, is_named=is_named)
        home = os.environ.get("SCOUT_HOME")
        return cls(
            project_root=root,
            home=Path(home).absolute() if home else root / ".scout",
            database_url=os.environ.get("SCOUT_DATABASE_URL") or None,
            encryption_keys=os.environ.get("SCOUT_ENCRYPTION_KEYS") or None,
            opaque_names=_read_boolean("SCOUT_OPAQUE_NAMES"),
            keep=_read_keep(),
            query_text=bool(_read_boolean("SCOUT_QUERY_TEXT")),
            audit_keep=_parse_audit_keep(os.environ.get("SCOUT_AUDIT_KEEP_DAYS") or "400"),
            openid=OpenIDSettings.read(os.environ),
        )


def _read_boolean(variable: str) -> bool | None:
    value = os.environ.get(variable, "").strip().lower()
    if value not in BOOLEANS:
        raise SettingsError(f"{variable} must be true or false.", "Correct its value.")
    return BOOLEANS[value]


def _read_keep() -> float | None:
    period = os.environ.get("SCOUT_KEEP")
    if not period:
        return None
    try:
        return retention.parse(period)
    except SettingsError as error:
        raise SettingsError(f"SCOUT_KEEP: {error.cause}", "Correct its value.") from None


def _parse_audit_keep(days: str) -> timedelta:
    # The length first: Python refuses to read a number of thousands of digits.
    is_number = days.isdecimal() and len(days) <= len(str(LONGEST_AUDIT_DAYS))
    if not is_number or not SHORTEST_AUDIT_DAYS <= int(days) <= LONGEST_AUDIT_DAYS:
        raise SettingsError(
            "SCOUT_AUDIT_KEEP_DAYS must be a whole number of days from "
            f"{SHORTEST_AUDIT_DAYS} to {LONGEST_AUDIT_DAYS}.",
            "Correct its value, or remove it for 400.",
        )
    return timedelta(days=int(days))


def _missing(root: Path | None, *, is_named: bool) -> SettingsError:
    if is_named:
        return SettingsError(
            f"There is no meltano.yml in {root}.",
            "Correct SCOUT_PROJECT_ROOT, or make a project there: "
            f"scout init --project {quote(str(root))}",
        )
    return SettingsError(
        f"There is no meltano.yml in {root or Path.cwd()} or above it.",
        f"Make a project, in {project_location.default()}: scout init; or in a folder of your "
        "choice: scout init --project FOLDER",
    )
