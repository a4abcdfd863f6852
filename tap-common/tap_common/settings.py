"""The settings that every tap on a Dimagi API has, and what is checked before anything starts.

A message names the setting and what is wrong, never its value: it may be a secret.
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

YES_NO = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
MOST_SECONDS = 10.0**9  # thirty years: a socket cannot wait for much more
LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain"})


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def checked_base_url(text: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        SettingsError: It is no URL, holds a login, or would send the login in the clear.
    """
    if "@" in text:  # wherever it stands: a password may hold what ends a host
        raise SettingsError("base_url holds a login.", "Use the settings for logins instead.")
    try:
        parts = urlsplit(text.strip())
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise SettingsError(
            "base_url is not a URL.", "Give a whole one that begins with https://."
        ) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(
            "base_url is not a URL of http or https.",
            "Give a whole one that begins with https://.",
        )
    if parts.query or parts.fragment:
        raise SettingsError("base_url holds a query.", "Give only scheme, host and path.")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(
            f"base_url would send the login unencrypted to {host}.",
            "Use https; http is for loopback hosts only.",
        )
    return text.strip().rstrip("/")


def without_blanks(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that say something: none that are null, "" or blank."""
    return {
        name: value
        for name, value in config.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }


def typed(texts: Mapping[str, str], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of which only the texts are known, as it is in the environment.

    A text that is none of its kind stays as it is, and does not fit the schema then.
    """
    return {name: _typed(text, properties[name]) for name, text in texts.items()}


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    named = schema.get("type", "string")
    kinds = {named} if isinstance(named, str) else set(named)
    readers = [read for kind, read in _READERS.items() if kind in kinds]
    return text if "string" in kinds or not readers else readers[0](text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _list(text: str) -> Any:
    found = _json(text)
    return found if isinstance(found, list) else [item.strip() for item in text.split(",")]


def _integer(text: str) -> Any:
    found = _json(text)
    return int(found) if isinstance(found, float) and found.is_integer() else found


_READERS: Mapping[str, Callable[[str], Any]] = {
    "array": _list,
    "boolean": lambda text: YES_NO.get(text.strip().lower(), text),
    "integer": _integer,
    "number": _json,
    "object": _json,
}


def check_values(config: Mapping[str, Any]) -> None:
    """Check what a JSON schema lets pass.

    Raises:
        SettingsError: A number is no number, or a text could not stand in a header.
    """
    for name, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{name} must be a number.")
        if isinstance(value, str) and not value.strip().isprintable():
            raise SettingsError(f"{name} holds a line break or another control character.")


def limits(config: Mapping[str, Any]) -> RequestLimits:
    """Return what the settings say about waiting."""
    return RequestLimits(
        **{
            name: min(float(config[name]), MOST_SECONDS)
            for name in RequestLimits.__dataclass_fields__
            if config.get(name) is not None
        }
    )


def text_list(config: Mapping[str, Any], name: str) -> list[str]:
    """Return a list setting, without blanks and repetitions, in its order."""
    value = config.get(name)
    items = [value] if isinstance(value, (str, int)) else list(value or [])
    return list(dict.fromkeys(str(item).strip() for item in items if str(item).strip()))


def chosen_auth_method(config: Mapping[str, Any], logins: Mapping[str, tuple[str, ...]]) -> str:
    """Return the name of the one login whose settings are all there.

    Raises:
        SettingsError: None is complete, or more than one is.
    """
    complete = [name for name, needed in logins.items() if all(config.get(part) for part in needed)]
    # An access token beside a refresh token is only its first token.
    if "refresh_token" in complete and "access_token" in complete:
        complete.remove("access_token")
    ways = " | ".join("{" + ", ".join(needed) + "}" for needed in logins.values())
    if not complete:
        present = [part for needed in logins.values() for part in needed if config.get(part)]
        given = f" Given: {', '.join(dict.fromkeys(present))}." if present else ""
        raise SettingsError(f"The login is missing or incomplete.{given}", f"Give one of {ways}.")
    if len(complete) > 1:
        raise SettingsError(
            f"There is more than one login: {' and '.join(complete)}.", f"Give one of {ways}."
        )
    return complete[0]
