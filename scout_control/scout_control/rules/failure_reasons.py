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
    """Return the pattern of an HTTP status: a number alone may count records, or be an id."""
    number = f"(?:{'|'.join(map(str, codes))})"
    # A plural that follows says what is counted: 401 records.
    no_count = r"(?! (?!status\b|access\b|address\b)\w+s\b)"
    return (
        r"\b(?:http(?:/[\d.]+)?|(?:status|http|error|response)[ _]?code|status|error|response"
        r"|returned|got|answered|failed)"
        rf"[\"']?\W{{0,3}}(?:is |was |with )?{number}\b{no_count}"
        rf"|[\"']?\bcode[\"']? ?[:=] ?{number}\b"
        rf"|\b{number}\b\W{{0,3}}"
        r"(?:client|server|unauthori|forbidden|error|bad|service|gateway)"
        r"|(?:error|http|fail|refus|denied|response|request|reject|return|unable|could not)"
        rf"[^()\[\]]{{0,60}}[(\[]{number}[)\]]"
    )


# What only names something, or numbers a record: it tells nothing of a failure.
NAMES = re.compile(
    r"(?i)\b(?:column|field|propert(?:y|ies)|key|KeyError:|attribute|stream|table|setting"
    r"|option)s? ?(?P<quote>[\"'`])[^\"'`]{1,100}(?P=quote)"
    r"|\b(?:column|field|property) \w+"
    r"|\b(?:row|line|record|index|item|position|page|offset|batch|id|number)s?\b"
    r"[ #:=(\[]{0,3}\d+[)\]]?"
)
SECRETS = (
    r"(?:credentials?|api[ _-]?key|(?:access |refresh |auth )?token|password"
    r"|(?:user)?name or password|login)"
)
# An invalid token in JSON, or the invalid date of a login, is no credential.
NOT_A_VALUE = (
    r"(?! at +$)(?! (?:(?:at|in|near|on|before|after) (?:the )?"
    r"(?:line|position|char|column|json|input|row)"
    r"|date|time|count|column|field|format|length|hash|type|id)s?\b)"
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
            rf"(?i){_status(403)}|\bforbidden\b|\bmay not read\b|access ?denied"
            r"|permission[ _]?denied|insufficient[ _](?:scope|permission|privilege)"
            r"|(?:lacks?|missing|no|not have) (?:the |any )?(?:required )?permission"
            r"|(?:does|do) not have access\b"
            r"|not (?:authorized|permitted|allowed) to\b(?! be\b)|PermissionError"
        ),
    ),
    (
        CredentialRefusedError,
        re.compile(
            rf"(?i){_status(401)}|\bunauthori[sz]ed\b|\bunauthenticated\b"
            r"|authentication[ _]?(?:failed|failure|error|required)|\bAuthError\b|not authenticated"
            r"|authentication credentials were not provided|could not validate credentials"
            r"|(?:failed to|could not|cannot) (?:authenticate|log ?in)\b"
            r"|log[ -]?in (?:failed|denied|refused|rejected|incorrect)"
            r"|\binvalid_(?:grant|client|token)\b|\btoken_expired\b"
            r"|(?:session|jwt|signature) (?:has |is )?expired"
            r"|(?:invalid|wrong|incorrect|bad|expired|revoked) (?:[\w/]+ ){0,2}?"
            rf"(?:[\w]+/)?{SECRETS}\b{NOT_A_VALUE}"
            rf"|{SECRETS} (?:is |has |are |was |were )?(?:invalid|expired|revoked|rejected)\b"
            r"(?! json\b)"
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
    told = NAMES.sub(" ", message)
    for kind, pattern in REASONS:
        # A setting is what such a message is about.
        if pattern.search(message if kind is SettingsError else told):
            return kind
    return None
