"""Authorization codes, and the visitors who gave them. It knows nothing of HTTP."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from hmac import compare_digest

_CODE_SECONDS = 60


@dataclass(frozen=True)
class Code:
    """What an authorization code was given for."""

    redirect_uri: str
    scope: str
    challenge: str
    method: str
    ends: float


class BrowserSessions:
    """People with a browser: who is logged in, and the codes that they allowed."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}
        self._codes: dict[str, Code] = {}

    def enter(self) -> str:
        """Return the session of a visitor who has logged in."""
        session = secrets.token_hex(16)
        self._marks[session] = secrets.token_hex(16)
        return session

    def mark(self, session: str) -> str | None:
        """Return what forms of a session carry, so that no other page can post them."""
        return self._marks.get(session)

    def allow(self, redirect_uri: str, scope: str, challenge: str, method: str) -> str:
        """Return a code that is good once, for a minute."""
        code = secrets.token_urlsafe(22)
        ends = time.monotonic() + _CODE_SECONDS
        self._codes[code] = Code(redirect_uri, scope, challenge, method, ends)
        return code

    def spend(self, code: str, redirect_uri: str, verifier: str) -> str | None:
        """Return the scope of a code, if it is alive and everything fits; it is dead after."""
        found = self._codes.pop(code, None)
        if found is None or found.ends < time.monotonic() or found.redirect_uri != redirect_uri:
            return None
        given = _challenge(verifier, found.method) if verifier else ""
        return found.scope if compare_digest(given, found.challenge) else None


def _challenge(verifier: str, method: str) -> str:
    if method == "plain":
        return verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
