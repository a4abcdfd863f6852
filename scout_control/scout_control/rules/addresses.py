"""Classifies the settings of a tap: some locate and secure the source, others select data.

Only the source may set the former, since credentials are bound to them; a project's link may set
the latter. A setting is classified by its name, by its value, or by its entry in meltano.yml.
Changing these tables changes what credentials are bound to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

BASE_URL = "base_url"
PORTS = {"http": 80, "https": 443}
LOCATION_WORDS = frozenset(
    {
        *("account", "addr", "address", "authority", "base", "bastion", "bootstrap"),
        *("broker", "connection", "dc", "dns", "env"),
        *("callback", "cluster", "datacenter", "dsn", "endpoint", "environment", "gateway", "host"),
        *("hostname", "instance", "ip", "issuer", "netloc", "origin", "port", "proxies", "proxy"),
        *(
            "realm",
            "redirect",
            "region",
            "sandbox",
            "scheme",
            "server",
            "shop",
            "site",
            "socket",
            "ssh",
        ),
        *("subdomain", "tenant", "tunnel", "uri", "url", "webhook", "website"),
    }
)
TLS_WORDS = frozenset(
    {
        *("ca", "cacert", "cafile", "cert", "certificate", "cipher", "fingerprint", "http"),
        *("https", "insecure", "protocol", "secure", "ssl", "sslmode", "tls", "trust", "verify"),
    }
)
PATH_WORDS = frozenset(
    {
        *("command", "dir", "directory", "executable", "file", "filename", "filepath"),
        *("folder", "keyfile", "path", "plugin", "root", "storage"),
    }
)
ALL_WORDS = LOCATION_WORDS | TLS_WORDS | PATH_WORDS
# For names without separators: apiurl, dbhost.
SUFFIXES = ("url", "uri", "host", "hostname", "endpoint", "proxy", "server", "cafile", "keyfile")
# A last word of these selects part of the data, whatever precedes it: site_ids.
SELECTOR_WORDS = frozenset({"id", "ids", "slug", "slugs", "xmlns"})
HOST_OR_NAME_WORDS = frozenset({"domain", "domains"})
# The names of streams and columns in these look like addresses.
HARMLESS = frozenset(
    {
        "exclude_columns",
        "faker_config",
        "hash_columns",
        "stream_map_config",
        "stream_maps",
        "user_agent",
    }
)
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
HOST_AND_PORT = re.compile(r"([\w-]+(\.[\w-]+)+|\[[0-9a-fA-F:.]+\]):\d{1,5}(/.*)?")
PATH = re.compile(r"\.{0,2}/|~|\\\\")
HOST_LIKE = re.compile(r"[.:/@\\?#%\s]")
HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|\[[0-9a-fA-F:.]+\]")
FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What meltano.yml declares about the settings of one tap; the tables above cover the rest."""

    declared: frozenset[str] = frozenset()
    """Settings that locate the source, whatever their names."""
    filters: frozenset[str] = frozenset()
    """Settings that select data, whatever their names."""

    def among(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that determine where, or how safely, data is read."""
        return {name: value for name, value in settings.items() if self._is_address(name, value)}

    def _is_address(self, name: str, value: Any) -> bool:
        if name in self.declared or name == "batch_config":  # holds the batch folder
            return True
        if name in self.filters or name in HARMLESS:
            return False
        words = _words(name)
        if words[-1:] and words[-1] in SELECTOR_WORDS:
            return words[-1] != "xmlns" and any(map(_is_location, strings(value)))
        if _has_address_word(words) or any(
            _has_address_word(_words(each)) for each in _names(value)
        ):
            return True
        if HOST_OR_NAME_WORDS & set(words):
            return any(map(HOST_LIKE.search, strings(value)))
        return any(map(_is_location, strings(value)))


def origin(url: object) -> str | None:
    """Return scheme, host and port of a URL in canonical form; None if it is not a URL."""
    if not isinstance(url, str) or FORBIDDEN_IN_URL.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc.removesuffix(f":{port}").removesuffix(":")
    if not parts.scheme or not HOST.fullmatch(host) or "?" in url or "#" in url:
        return None
    port = port or PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host.lower().removesuffix('.')}:{port}"


def binding(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the address settings, normalized, to which a credential is bound."""
    return {
        name: origin(value) or _normalized(value)
        for name, value in settings.items()
        if value is not None
    }


def _normalized(value: Any) -> str:
    plain = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return plain.strip().lower()


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def _has_address_word(words: list[str]) -> bool:
    singular = {word.removesuffix("es") for word in words} | {
        word.removesuffix("s") for word in words
    }
    return bool(ALL_WORDS & (set(words) | singular)) or any(
        word.endswith(SUFFIXES) for word in words
    )


def _is_location(text: str) -> bool:
    text = text.strip()
    return "://" in text or bool(PATH.match(text) or HOST_AND_PORT.fullmatch(text))


def _decoded(value: Any) -> Any:
    """Return the parsed value of a string that holds JSON, else the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _names(value: Any) -> Iterator[str]:
    """Yield the keys in a value, at any depth."""
    decoded = _decoded(value)
    if isinstance(decoded, Mapping):
        yield from decoded
    for each in _children(decoded):
        yield from _names(each)


def strings(value: Any) -> Iterator[str]:
    """Yield the strings in a value, at any depth."""
    decoded = _decoded(value)
    if isinstance(decoded, str):
        yield decoded
    for each in _children(decoded):
        yield from strings(each)


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
