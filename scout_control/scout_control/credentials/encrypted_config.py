"""Configurations with secrets, to keep or to move: ``__enc_<field>`` marks what is encrypted.

Secrets are known by their names, at any depth. What is marked must open: nothing that is plain
passes for encrypted, and nothing that was damaged passes for a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scout_control.errors import SettingsError

if TYPE_CHECKING:
    from scout_control.installation.encryption import Keyring

SENSITIVE = frozenset(
    {
        "access_token",
        "api_key",
        "client_secret",
        "connection_string",
        "credentials",
        "password",
        "private_key",
        "refresh_token",
        "secret_access_key",
        "token",
    }
)
ENDINGS = ("_password", "_secret", "_token", "_api_key", "_private_key")
MARK = "__enc_"
VALUE = "value"


def encrypt_credentials(config: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """Return a configuration whose secrets are encrypted and marked ``__enc_<field>``.

    Raises:
        SettingsError: A field is marked already and is not encrypted, or holds what is no JSON.
    """
    encrypted: dict[str, Any] = {}
    for name, value in _fields(config).items():
        if config.get(MARK + name):
            _opened(name, value, keyring)
            encrypted |= {name: value, MARK + name: True}
        elif value is not None and _is_secret(name):
            encrypted |= {name: _closed(name, value, keyring), MARK + name: True}
        else:
            encrypted[name] = _inside(value, lambda part: encrypt_credentials(part, keyring))
    return encrypted


def decrypt_credentials(config: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """Return a configuration as it was before ``encrypt_credentials``.

    Raises:
        SettingsError: A field is marked and does not open with these keys, or is not there.
    """
    return {
        name: _opened(name, value, keyring)
        if config.get(MARK + name)
        else _inside(value, lambda part: decrypt_credentials(part, keyring))
        for name, value in _fields(config).items()
    }


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without their marks, of which each must belong to one."""
    fields = {name: value for name, value in config.items() if not name.startswith(MARK)}
    for mark, value in config.items():
        if mark.startswith(MARK) and mark.removeprefix(MARK) not in fields:
            raise SettingsError(f"{mark} marks a field that is not there.", "Remove the mark.")
        if mark.startswith(MARK) and not isinstance(value, bool):
            raise SettingsError(f"{mark} is neither true nor false.", "Correct it.")
    return fields


def _is_secret(name: str) -> bool:
    return name.lower() in SENSITIVE or name.lower().endswith(ENDINGS)


def _inside(value: Any, do: Any) -> Any:
    if isinstance(value, Mapping):
        return do(value)
    if isinstance(value, list | tuple):
        return [_inside(each, do) for each in value]
    return value


def _closed(name: str, value: Any, keyring: Keyring) -> str:
    try:
        return keyring.encrypt({VALUE: value}).decode()
    except (TypeError, ValueError):
        raise SettingsError(f"The value of {name} is not JSON.", "Give text.") from None


def _opened(name: str, value: Any, keyring: Keyring) -> Any:
    try:
        found = keyring.decrypt(value.encode()) if isinstance(value, str) else {}
    except (SettingsError, UnicodeEncodeError):
        found = {}
    if set(found) != {VALUE}:
        raise SettingsError(
            f"{name} is marked as encrypted, and does not open with these keys.",
            "Add the key it was encrypted with to SCOUT_ENCRYPTION_KEYS, or give it in plain, "
            f"without {MARK}{name}.",
        )
    return found[VALUE]
