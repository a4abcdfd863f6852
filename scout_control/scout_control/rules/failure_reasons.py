"""Recognises from the message of a plugin why it failed: what it could be told by its exit code.

Plugins that are not ours end with exit code 1, whatever happened.
"""

from __future__ import annotations

import re

from scout_control.errors import (
    ConflictError,
    ControlError,
    CredentialRefusedError,
    NetworkError,
    PermissionDeniedError,
    SettingsError,
)


def _status(*codes: int) -> str:
    """Return the pattern of an HTTP status: a number alone may count records."""
    number = f"(?:{'|'.join(map(str, codes))})"
    return (
        r"\b(?:http(?:/[\d.]+)?|status|status[ _]?code|code|error|response|returned|got|answered)"
        rf"\W{{0,3}}(?:is |was |with )?{number}\b(?! (?:records|rows))"
        rf"|\b{number}\b\W{{0,3}}(?:client|server|unauthori|forbidden|error|bad|service|gateway)"
        rf"|[(\[]{number}[)\]]"
    )


# First match wins: a server that answers "403" was reached, and "401" is not a missing permission.
REASONS: tuple[tuple[type[ControlError], re.Pattern[str]], ...] = (
    (
        ConflictError,
        re.compile(r"(?i)another run (?:holds|is loading|is using)|is being loaded (?:or|by)"),
    ),
    (
        PermissionDeniedError,
        re.compile(
            rf"(?i){_status(403)}|\bforbidden\b|\bmay not read\b|access denied|permission denied"
            r"|insufficient (?:scope|permission|privilege)|(?:lacks?|missing) (?:the )?permission"
            r"|not (?:authorized|permitted|allowed) to\b|PermissionError"
        ),
    ),
    (
        CredentialRefusedError,
        re.compile(
            rf"(?i){_status(401)}|\bunauthori[sz]ed\b|authentication (?:failed|error)|invalid_grant"
            r"|(?:invalid|wrong|incorrect|bad|expired|revoked) (?:\w+ ){0,2}?"
            r"(?:credentials?|api[ _-]?key|(?:access |refresh |auth )?token|password|login)\b"
            r"|(?:token|api[ _-]?key|credentials?) (?:is |has |are )?"
            r"(?:invalid|expired|revoked|rejected)"
        ),
    ),
    (
        NetworkError,
        re.compile(
            r"(?i)connection (?:was )?(?:refused|reset|aborted|closed|error)|timed? ?out\b"
            r"|name or service not known|name resolution|getaddrinfo|nodename nor servname"
            r"|no such host|no route to host|(?:network|host) is unreachable|max retries exceeded"
            r"|(?:could not|cannot|failed to) (?:be reached|connect|resolve|reach)|unreachable"
            r"|Connect(?:ion)?(?:Timeout)?Error|ConnectTimeout|ReadTimeout|SSLError|ECONNREFUSED"
            r"|certificate verify failed|bad gateway|service unavailable"
            r"|ECONNRESET|\bENOTFOUND|ETIMEDOUT|EAI_AGAIN|proxy ?error"
            rf"|no connection|no response in time|does not answer|{_status(502, 503, 504)}"
        ),
    ),
    (
        SettingsError,
        re.compile(
            r"(?i)is a required property|missing (?:required )?(?:key|setting|config|option|arg)"
            r"|config(?:uration)? (?:validation failed|is invalid|is missing)|ModuleNotFoundError"
            r"|ImportError|unrecognized arguments|no such option|could not be started"
        ),
    ),
)


def of(message: str) -> type[ControlError] | None:
    """Return the kind of failure that a message tells of, or None if it does not say."""
    return next((kind for kind, pattern in REASONS if pattern.search(message)), None)
