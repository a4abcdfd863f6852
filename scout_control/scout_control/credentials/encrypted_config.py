"""Encrypts the secrets of a configuration for storage or transfer: ``__enc_<field>`` marks them.

Secrets are recognised by the names of their fields, at any depth. A marked value must decrypt:
plain text never passes for encrypted, and a damaged ciphertext never passes for a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scout_control.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.installation.encryption import Keyring

SECRET_NAMES = frozenset(
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
SECRET_ENDINGS = ("_password", "_secret", "_token", "_api_key", "_private_key")
MARK = "__enc_"
VALUE = "value"


def encrypt_credentials(config: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """Return a configuration with its secrets encrypted and marked ``__enc_<field>``.

    Values that are encrypted already stay as they are.

    Raises:
        SettingsError: A marked field is not encrypted, or a secret cannot be written as JSON.
    """
    encrypted: dict[str, Any] = {}
    for name, value in _unmarked_fields(config).items():
        if config.get(MARK + name):
            _decrypt(name, value, keyring)  # only to check it
            encrypted |= {name: value, MARK + name: True}
        elif value is not None and _is_secret(name):
            encrypted |= {name: _encrypt(name, value, keyring), MARK + name: True}
        else:
            encrypted[name] = _map_nested(value, lambda part: encrypt_credentials(part, keyring))
    return encrypted


def decrypt_credentials(config: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """Reverse ``encrypt_credentials``.

    Raises:
        SettingsError: A marked field is missing, or no key decrypts it.
    """
    return {
        name: _decrypt(name, value, keyring)
        if config.get(MARK + name)
        else _map_nested(value, lambda part: decrypt_credentials(part, keyring))
        for name, value in _unmarked_fields(config).items()
    }


def _unmarked_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without the marks, each of which must belong to a field."""
    fields = {name: value for name, value in config.items() if not name.startswith(MARK)}
    for mark, value in config.items():
        if mark.startswith(MARK) and mark.removeprefix(MARK) not in fields:
            raise SettingsError(f"{mark} marks a field that does not exist.", "Remove the mark.")
        if mark.startswith(MARK) and not isinstance(value, bool):
            raise SettingsError(f"{mark} must be true or false.", "Correct its value.")
    return fields


def _is_secret(name: str) -> bool:
    return name.lower() in SECRET_NAMES or name.lower().endswith(SECRET_ENDINGS)


def _map_nested(value: Any, function: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Apply a function to the mappings in a value, at any depth of lists."""
    if isinstance(value, Mapping):
        return function(value)
    if isinstance(value, list | tuple):
        return [_map_nested(each, function) for each in value]
    return value


def _encrypt(name: str, value: Any, keyring: Keyring) -> str:
    try:
        return keyring.encrypt({VALUE: value}).decode()
    except (TypeError, ValueError):
        raise SettingsError(
            f"The value of {name} cannot be written as JSON.", "Use text instead."
        ) from None


def _decrypt(name: str, value: Any, keyring: Keyring) -> Any:
    try:
        fields = keyring.decrypt(value.encode()) if isinstance(value, str) else {}
    except (SettingsError, UnicodeEncodeError):
        fields = {}
    if set(fields) != {VALUE}:
        raise SettingsError(
            f"{name} is marked as encrypted, but no configured key decrypts it.",
            "Add the key it was encrypted with to SCOUT_ENCRYPTION_KEYS, or give it in plain text, "
            f"without {MARK}{name}.",
        )
    return fields[VALUE]
