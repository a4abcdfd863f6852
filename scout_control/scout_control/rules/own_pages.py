"""Paths and origins of our own pages: what a browser may be sent to, and where it comes from."""

from __future__ import annotations

import ipaddress
import string
from urllib.parse import urlsplit

HOME = "/"
LONGEST_PATH = 500
PATH_LETTERS = frozenset(string.ascii_letters + string.digits + "/-._~%!$&'()*+,;=:@?")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SAME_ORIGIN, TYPED = "same-origin", "none"


def own_path(text: str | None) -> str:
    r"""Return one of our paths to send a browser to; what could lead elsewhere becomes home.

    ``//host`` and ``/\\host`` are other hosts to a browser, which also drops tabs and line breaks.
    """
    if not text or not text.startswith("/") or text.startswith("//") or len(text) > LONGEST_PATH:
        return HOME
    return text if PATH_LETTERS.issuperset(text) else HOME


def origin_of(url: str) -> str | None:
    """Return the origin of a URL as browsers write it; None if it is not the address of a site."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = port in {None, 443 if parts.scheme == "https" else 80}
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{port}")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_from_here(origin: str | None, site: str | None, own: frozenset[str]) -> bool:
    """Return whether a request that changes something was sent by our own page.

    Args:
        origin: Its header ``Origin``, if it has one.
        site: Its header ``Sec-Fetch-Site``, which a page cannot forge.
        own: Our origins.
    """
    if site is not None and site != SAME_ORIGIN:
        return False
    return origin is None or origin_of(origin) in own


def is_typed(site: str | None) -> bool:
    """Return whether an address was opened by a person or our own page, not by another site."""
    return site in {None, TYPED, SAME_ORIGIN}
