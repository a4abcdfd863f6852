"""Checks of settings that a type cannot express. A message never quotes a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from target_scout_postgres.errors import SettingsError

MIN_HASH_KEY = 16


def check_files(files: Mapping[str, str | None]) -> None:
    """Check that files exist.

    Raises:
        SettingsError: One does not.
    """
    for name, path in files.items():
        if path and path != "system" and not Path(path).is_file():
            raise SettingsError(f"The setting {name} names a file that does not exist.")


def check_schema_name(name: str) -> None:
    """Check the name of the dataset schema.

    Raises:
        SettingsError: Postgres would refuse or shorten it.
    """
    is_too_long = len(name.encode("utf-8", "replace")) > 63
    is_reserved = name.startswith("pg_") or name == "information_schema"
    if is_too_long or is_reserved or "\x00" in name or name.isspace():
        raise SettingsError(
            "The setting default_target_schema is invalid: it must have 63 bytes at most, must not "
            "be blank or begin with pg_, and must not be information_schema."
        )


def check_column_rules(
    rules: Mapping[str, Mapping[str, Sequence[str]]], hash_key: str | None
) -> None:
    """Check the paths of columns that must not arrive.

    Args:
        rules: By setting and stream.
        hash_key: The key of the hashes.

    Raises:
        SettingsError: A path is malformed, or the key is missing.
    """
    for setting, by_stream in rules.items():
        for stream, paths in by_stream.items():
            if not all(all(path.split(".")) for path in paths):
                raise SettingsError(
                    f"The setting {setting} has an invalid path for the stream {stream}: write "
                    "names with dots between them, such as properties.phone."
                )
    if rules["hash_columns"] and len(hash_key or "") < MIN_HASH_KEY:
        raise SettingsError(
            f"The setting hash_columns needs hash_key, a secret of {MIN_HASH_KEY} characters or "
            "more: give it as TARGET_SCOUT_POSTGRES_HASH_KEY."
        )
