"""What to do about the test of an account that failed, by what its source did. Pure.

A test is no run: nothing is resumed, its waits are short, and a person waits for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.errors import (
    ConflictError,
    ControlError,
    DataRefusedError,
    NetworkError,
    PermissionDeniedError,
    RunPausedError,
    ServerError,
    SettingsError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TRY_AGAIN = "try again"
UNTIL = re.compile(r"\buntil (?P<moment>\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)")
LATER = "{Again} in a few minutes."


@dataclass(frozen=True)
class Advice:
    """One row: what is done about failures of these kinds, or whose messages have these words."""

    remedy: str
    kinds: tuple[type[ControlError], ...] = ()
    words: re.Pattern[str] | None = None

    def fits(self, error: ControlError) -> bool:
        """Return whether this is about an error."""
        has_words = self.words is not None and self.words.search(error.cause) is not None
        return has_words or (bool(self.kinds) and isinstance(error, self.kinds))


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# The first that fits. A server that answers was reached, and one that refuses TLS, too.
ADVICE: Sequence[Advice] = (
    Advice(LATER, kinds=(RunPausedError,), words=_words(r"\bHTTP 429\b|too many requests")),
    Advice(
        "Install {plugin}, or correct its executable in meltano.yml; then {again}.",
        words=_words(r"could not be started"),
    ),
    Advice(
        "{Again} when this machine has more free memory.",
        words=_words(r"was killed by signal 9\b"),
    ),
    Advice(
        "Check that the address begins with the right scheme and has the right port, and that the "
        "server's certificate is valid for it; then {again}.",
        words=_words(r"\bTLS\b|\bSSL|certificate verify"),
    ),
    Advice(
        "Check the address, the network and the proxy. If the source is only slow, {again} later.",
        words=_words(r"tim(?:ed|e)[ -]?out|did not finish within|no (?:answer|response)\b"),
    ),
    Advice(
        "The source itself has a problem: {again} later.",
        words=_words(r"\bHTTP 5\d\d\b|\b50[0234]\b.{0,30}\b(?:error|gateway|unavailable)\b"),
    ),
    Advice(
        "Check that the address is that of the source itself, and not of a proxy or a page to sign "
        "in; then {again}.",
        kinds=(DataRefusedError,),
        words=_words(r"is not JSON|unexpected response|redirects"),
    ),
    Advice(
        "Check the address and the network, then {again}.",
        kinds=(NetworkError, ServerError),
        words=_words(r"was cut off"),
    ),
    Advice(
        "Correct the address or the setting, or have the access granted at the source; then "
        "{again}.",
        kinds=(PermissionDeniedError,),
        words=_words(r"\bHTTP 40[34]\b|does not exist|may not read"),
    ),
    Advice("Correct the setting, then {again}.", kinds=(SettingsError,)),
    Advice("{Again} when the other process has ended.", kinds=(ConflictError,)),
)
OTHERWISE = "Correct what the message names, then {again}."


def remedy(error: ControlError, again: str = TRY_AGAIN, plugin: str = "the plugin") -> str:
    """Return what to do about a test that failed.

    Args:
        error: How it failed; not that the credential was refused.
        again: What a person does to test once more.
        plugin: The tap, as messages call it.
    """
    words = {"again": again, "Again": again[0].upper() + again[1:], "plugin": plugin}
    if isinstance(error, RunPausedError) and (moment := _moment(error.cause)):
        return "{Again} after {moment}.".format(**words, moment=moment)
    found = next((each.remedy for each in ADVICE if each.fits(error)), OTHERWISE)
    return found.format(**words)


def _moment(cause: str) -> str | None:
    """Return until when a source is to be left alone, to the second."""
    found = UNTIL.search(cause)
    try:
        moment = datetime.fromisoformat(found["moment"]) if found else None
    except ValueError:
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
