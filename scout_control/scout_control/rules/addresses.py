"""Which settings of a tap say where data is read from, or how safely; all others say what is read.

The source alone says where: a login is bound to it. A project's link says what. A setting is known
by its name, its value, or by what meltano.yml says of it. A change of these tables changes what
logins are bound to.
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
PLACES = frozenset(
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
SAFETY = frozenset(
    {
        *("ca", "cacert", "cafile", "cert", "certificate", "cipher", "fingerprint", "http"),
        *("https", "insecure", "protocol", "secure", "ssl", "sslmode", "tls", "trust", "verify"),
    }
)
FILES = frozenset(
    {
        *("command", "dir", "directory", "executable", "file", "filename", "filepath"),
        *("folder", "keyfile", "path", "plugin", "root", "storage"),
    }
)
NAMES = PLACES | SAFETY | FILES
# As they end where words are written together: apiurl, dbhost.
ENDINGS = ("url", "uri", "host", "hostname", "endpoint", "proxy", "server", "cafile", "keyfile")
# What a setting with such a last word names is a part of the data, not a place: site_ids.
CHOOSES = frozenset({"id", "ids", "slug", "slugs", "xmlns"})
MAY_BE_HOST = frozenset({"domain", "domains"})
HARMLESS = frozenset({"stream_maps", "stream_map_config", "faker_config", "user_agent"})
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
HOST_AND_PORT = re.compile(r"[\w-]+(\.[\w-]+)+:\d{1,5}(/.*)?")
PATH = re.compile(r"\.{0,2}/|~|\\\\")
HOST_LIKE = re.compile(r"[.:/@\\?#%\s]")
HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|\[[0-9a-fA-F:.]+\]")
NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What one tap's settings say, as far as meltano.yml tells; the rest is told by the tables."""

    told: frozenset[str] = frozenset()
    """Say where, whatever they are called."""
    filters: frozenset[str] = frozenset()
    """Say what, whatever they are called."""

    def among(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that say where data is read from, or how safely."""
        return {name: value for name, value in settings.items() if self._is_one(name, value)}

    def _is_one(self, name: str, value: Any) -> bool:
        if name in self.told or name == "batch_config":  # which holds the folder of the batches
            return True
        if name in self.filters or name in HARMLESS:
            return False
        words = _words(name)
        if words[-1:] and words[-1] in CHOOSES:
            return words[-1] != "xmlns" and any(map(_is_place, texts(value)))
        if _is_named(words) or any(_is_named(_words(each)) for each in _names(value)):
            return True
        if MAY_BE_HOST & set(words):
            return any(map(HOST_LIKE.search, texts(value)))
        return any(map(_is_place, texts(value)))


def origin(url: object) -> str | None:
    """Return scheme, host and port of a URL, the same however it is spelled; nothing for none."""
    if not isinstance(url, str) or NOT_IN_A_URL.search(url):
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


def bound(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what a login is bound to: settings that say where, each in one spelling."""
    return {
        name: origin(value) or _text(value) for name, value in settings.items() if value is not None
    }


def _text(value: Any) -> str:
    plain = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return plain.strip().lower()


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def _is_named(words: list[str]) -> bool:
    singular = {word.removesuffix("es") for word in words} | {
        word.removesuffix("s") for word in words
    }
    return bool(NAMES & (set(words) | singular)) or any(word.endswith(ENDINGS) for word in words)


def _is_place(text: str) -> bool:
    text = text.strip()
    return "://" in text or bool(PATH.match(text) or HOST_AND_PORT.fullmatch(text))


def _inside(value: Any) -> Any:
    """Return what a text holds that is JSON, else the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _names(value: Any) -> Iterator[str]:
    """Return the names in a value, at any depth."""
    found = _inside(value)
    if isinstance(found, Mapping):
        yield from found
    for each in _parts(found):
        yield from _names(each)


def texts(value: Any) -> Iterator[str]:
    """Return the texts in a value, at any depth."""
    found = _inside(value)
    if isinstance(found, str):
        yield found
    for each in _parts(found):
        yield from texts(each)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
