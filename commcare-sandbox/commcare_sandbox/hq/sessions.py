"""Browser sessions and the authorization codes granted in them. Independent of HTTP."""

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
    """An authorization code."""

    redirect_uri: str
    scope: str
    challenge: str
    method: str
    expires_at: float


class BrowserSessions:
    """Logged-in browser sessions and the authorization codes they granted."""

    def __init__(self) -> None:
        self._csrf_tokens: dict[str, str] = {}
        self._codes: dict[str, Code] = {}

    def start_session(self) -> str:
        """Start a session and return its id."""
        session = secrets.token_hex(16)
        self._csrf_tokens[session] = secrets.token_hex(16)
        return session

    def csrf_token(self, session: str) -> str | None:
        """Return the CSRF token of a session; None if there is no such session."""
        return self._csrf_tokens.get(session)

    def issue_code(self, redirect_uri: str, scope: str, challenge: str, method: str) -> str:
        """Return an authorization code that works once, within a minute."""
        code = secrets.token_urlsafe(22)
        expires_at = time.monotonic() + _CODE_SECONDS
        self._codes[code] = Code(redirect_uri, scope, challenge, method, expires_at)
        return code

    def redeem_code(self, code: str, redirect_uri: str, verifier: str) -> str | None:
        """Redeem a code and return its scope; None if it is invalid, expired or does not match."""
        found = self._codes.pop(code, None)
        if (
            found is None
            or found.expires_at < time.monotonic()
            or found.redirect_uri != redirect_uri
        ):
            return None
        given = _challenge(verifier, found.method) if verifier else ""
        return found.scope if compare_digest(given, found.challenge) else None


def _challenge(verifier: str, method: str) -> str:
    if method == "plain":
        return verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
