"""Checks the settings before anything starts.

A message names the setting and what is wrong, never its value, which may be a secret.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tap_common.errors import SettingsError
from tap_common.throttling import RequestLimits

BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
MAX_SECONDS = 10.0**9  # thirty years; a socket time-out cannot be much longer
LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain"})


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def checked_base_url(text: str) -> str:
    """Return a base URL without a trailing slash.

    Raises:
        SettingsError: It is not a URL, contains a credential, or would send it unencrypted.
    """
    if "@" in text:  # anywhere in the URL: a password may contain characters that end a host name
        raise SettingsError("base_url contains a credential.", "Use the settings for it instead.")
    try:
        parts = urlsplit(text.strip())
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise SettingsError(
            "base_url is invalid.", "Use a complete URL that begins with https://."
        ) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(
            "base_url is not an HTTP URL.",
            "Use a complete URL that begins with https://.",
        )
    if parts.query or parts.fragment:
        raise SettingsError("base_url has a query.", "Use only scheme, host and path.")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(
            f"base_url would send the credential unencrypted to {host}.",
            "Use https; http is allowed for loopback hosts only.",
        )
    return text.strip().rstrip("/")


def without_blanks(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are neither null nor blank."""
    return {
        name: value
        for name, value in config.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }


def convert_texts(texts: Mapping[str, str], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings from the environment, where all are text, to the types of the schema.

    A text that cannot be converted stays as it is; the schema refuses it later.
    """
    return {name: _converted(text, properties[name]) for name, text in texts.items()}


def _converted(text: str, schema: Mapping[str, Any]) -> Any:
    declared = schema.get("type", "string")
    types = {declared} if isinstance(declared, str) else set(declared)
    converters = [convert for name, convert in _CONVERTERS.items() if name in types]
    return text if "string" in types or not converters else converters[0](text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _list(text: str) -> Any:
    value = _json(text)
    return value if isinstance(value, list) else [item.strip() for item in text.split(",")]


def _integer(text: str) -> Any:
    value = _json(text)
    return int(value) if isinstance(value, float) and value.is_integer() else value


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "array": _list,
    "boolean": lambda text: BOOLEANS.get(text.strip().lower(), text),
    "integer": _integer,
    "number": _json,
    "object": _json,
}


def check_values(config: Mapping[str, Any]) -> None:
    """Check what a JSON schema cannot express.

    Raises:
        SettingsError: A number is not finite, or a text contains control characters.
    """
    for name, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{name} must be a number.")
        if isinstance(value, str) and not value.strip().isprintable():
            raise SettingsError(f"{name} contains a line break or another control character.")


def limits(config: Mapping[str, Any]) -> RequestLimits:
    """Return the limits of waiting that the settings define."""
    return RequestLimits(
        **{
            name: min(float(config[name]), MAX_SECONDS)
            for name in RequestLimits.__dataclass_fields__
            if config.get(name) is not None
        }
    )


def text_list(config: Mapping[str, Any], name: str) -> list[str]:
    """Return a list setting in its order, without blanks and duplicates."""
    value = config.get(name)
    items = [value] if isinstance(value, (str, int)) else list(value or [])
    return list(dict.fromkeys(str(item).strip() for item in items if str(item).strip()))


def chosen_auth_method(config: Mapping[str, Any], methods: Mapping[str, tuple[str, ...]]) -> str:
    """Return the name of the one method of authentication whose settings are complete.

    Raises:
        SettingsError: No method is complete, or more than one is.
    """
    complete = [name for name, needed in methods.items() if all(map(config.get, needed))]
    # Next to a refresh token, an access token is only the first one to use.
    if "refresh_token" in complete and "access_token" in complete:
        complete.remove("access_token")
    choices = " | ".join("{" + ", ".join(needed) + "}" for needed in methods.values())
    if not complete:
        present = [part for needed in methods.values() for part in needed if config.get(part)]
        given = f" Given: {', '.join(dict.fromkeys(present))}." if present else ""
        raise SettingsError(
            f"The credential is missing or incomplete.{given}", f"Set one of {choices}."
        )
    if len(complete) > 1:
        raise SettingsError(
            f"There is more than one credential: {' and '.join(complete)}.",
            f"Set one of {choices}.",
        )
    return complete[0]
