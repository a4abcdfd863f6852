"""The only reader of the environment of control itself.

A run's environment is built in ``meltano``; nothing of ours reaches it by accident.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from scout_control.errors import SettingsError
from scout_control.meltano import trusted_files

YES_AND_NO = {"": None, "1": True, "true": True, "0": False, "false": False}
SHORTEST_AUDIT_DAYS = 30  # the database removes nothing that is younger
LONGEST_AUDIT_DAYS = 36_500


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Environment variables, each prefixed ``SCOUT_``."""

    project_root: Path
    """``SCOUT_PROJECT_ROOT``: the folder of meltano.yml; by default the nearest one upwards."""

    home: Path
    """``SCOUT_HOME``: where Postgres and the demo keep their files; ``.scout`` by default."""

    database_url: str | None = field(default=None, repr=False)
    """``SCOUT_DATABASE_URL``: the Postgres of the store; the embedded one when it is not set."""

    encryption_keys: str | None = field(default=None, repr=False)
    """``SCOUT_ENCRYPTION_KEYS``: Fernet keys with commas between; the first one encrypts."""

    opaque_names: bool | None = None
    """``SCOUT_OPAQUE_NAMES``: read by ``scout init``, which keeps it in the store for all."""

    audit_keep: timedelta = timedelta(days=400)
    """``SCOUT_AUDIT_KEEP_DAYS``: for how long the audit trail is kept; 400 by default."""

    @property
    def key_file(self) -> Path | None:
        """Return where keys are kept beside the embedded Postgres; elsewhere they are not."""
        return None if self.database_url else self.home / "encryption.keys"

    def make_home(self) -> Path:
        """Return ``SCOUT_HOME``, made when missing: closed to other accounts from the beginning.

        Raises:
            SettingsError: It belongs to another account, or cannot be made.
        """
        return trusted_files.private_folder(self.home)

    @classmethod
    def load(cls) -> Settings:
        """Read the environment.

        Raises:
            SettingsError: No Meltano project is found, or others could have written it.
        """
        told = os.environ.get("SCOUT_PROJECT_ROOT")
        root = Path(told).absolute() if told else _nearest_project()
        if root is None or not (root / trusted_files.PROJECT_FILE).is_file():
            raise SettingsError(
                f"There is no meltano.yml in {root or Path.cwd()}"
                + ("." if told else " or above it."),
                "Run this in the project's folder, or set SCOUT_PROJECT_ROOT to it.",
            )
        trusted_files.check_project(root, is_named=bool(told))
        home = os.environ.get("SCOUT_HOME")
        return cls(
            project_root=root,
            home=Path(home).absolute() if home else root / ".scout",
            database_url=os.environ.get("SCOUT_DATABASE_URL") or None,
            encryption_keys=os.environ.get("SCOUT_ENCRYPTION_KEYS") or None,
            opaque_names=_yes_or_no("SCOUT_OPAQUE_NAMES"),
            audit_keep=_audit_keep(os.environ.get("SCOUT_AUDIT_KEEP_DAYS") or "400"),
        )


def _yes_or_no(variable: str) -> bool | None:
    told = os.environ.get(variable, "").strip().lower()
    if told not in YES_AND_NO:
        raise SettingsError(f"{variable} is neither true nor false.", "Correct it.")
    return YES_AND_NO[told]


def _audit_keep(told: str) -> timedelta:
    if not told.isdecimal() or not SHORTEST_AUDIT_DAYS <= int(told) <= LONGEST_AUDIT_DAYS:
        raise SettingsError(
            f"SCOUT_AUDIT_KEEP_DAYS is {SHORTEST_AUDIT_DAYS} to {LONGEST_AUDIT_DAYS} whole days.",
            "Correct it, or leave it out for 400.",
        )
    return timedelta(days=int(told))


def _nearest_project() -> Path | None:
    """Return the folder of the nearest meltano.yml: from here upwards, else where this code is."""
    here, code = Path.cwd(), Path(__file__).absolute()
    places = (here, *here.parents, *code.parents)
    return next((place for place in places if _is_project(place)), None)


def _is_project(place: Path) -> bool:
    """Return whether a meltano.yml is there, also one that leads nowhere: it is not passed over."""
    file = place / trusted_files.PROJECT_FILE
    return file.is_file() or file.is_symlink()
