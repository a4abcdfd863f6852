"""The version of the store that this program requires."""

from __future__ import annotations

from scout_control.errors import SettingsError

SCHEMA = "scout_control"
VERSION = "0015"
"""The newest migration, which produces the tables of ``models``."""


def check(version: str | None) -> None:
    """Refuse a store of another version.

    Raises:
        SettingsError: It is older or newer.
    """
    if version is not None and version > VERSION:
        raise newer_store_error(version)
    if version != VERSION:
        raise SettingsError("The store is outdated.", "Run: scout init")


def newer_store_error(version: str | None) -> SettingsError:
    """Return the error for a store that a newer release has migrated."""
    return SettingsError(
        f"The store (version {version}) was migrated by a newer release.", "Upgrade scout here."
    )
