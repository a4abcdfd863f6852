"""Refuses settings of sources before anything is started with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scout_control.credentials.oauth import LOOPBACK
from scout_control.errors import SettingsError
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.meltano.setting_kinds import coerce
from scout_control.rules import keyless
from scout_control.rules.addresses import BASE_URL, origin, strings
from scout_control.rules.credential_kinds import FIELDS_BY_KIND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from scout_control.meltano.project import SourceType

SECRETS = frozenset({"client_secret"}.union(*(secret for _, secret in FIELDS_BY_KIND.values())))
LONGEST_INTERVAL_HOURS = 24 * 366
URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]*:[^/?#]*@", re.IGNORECASE)


def check_config(
    source_type: SourceType,
    config: Mapping[str, Any],
    known_streams: AbstractSet[str] = frozenset(),
) -> dict[str, Any]:
    """Return settings as they are kept; refuse those that the source type does not take.

    Args:
        source_type: Says which settings there are, and of which kind.
        config: The settings.
        known_streams: Streams that the source was found to have.

    Raises:
        SettingsError: Naming them, and what there is.
    """
    known = {*source_type.settings, STREAMS_SETTING, *keyless.NAMES}
    unknown = sorted(set(config) - known)
    if secret := sorted(set(config) & set(source_type.sensitive) | set(unknown) & SECRETS):
        raise SettingsError(
            f"{', '.join(secret)} is a secret, and is not kept among the settings.",
            "Give it with: scout credentials connect; a client secret: --client-secret-from-env.",
        )
    if unknown:
        raise SettingsError(
            f"{source_type.name} has no setting {', '.join(unknown)}.",
            f"It has: {', '.join(sorted(known))}.",
        )
    if BASE_URL in config:
        check_url(str(config[BASE_URL]))
    _check_passwords(config)
    settings = {
        name: coerce(source_type.setting_kinds.get(name), value) for name, value in config.items()
    }
    for name, value in settings.items():
        kind = source_type.setting_kinds.get(name)
        if kind is not None and not kind.fits(value):
            raise SettingsError(
                f"The setting {name} of {source_type.name} is {kind.description}.", "Correct it."
            )
    if error := keyless.find_error(settings):
        raise SettingsError(error, "Correct it.")
    if STREAMS_SETTING in settings:
        _check_streams(source_type, settings[STREAMS_SETTING], source_type.streams or known_streams)
    return settings


def check_interval(hours: float) -> None:
    """Refuse an interval that no schedule can keep.

    Raises:
        SettingsError: It is no whole number of hours, or out of bounds.
    """
    is_whole = isinstance(hours, int) and not isinstance(hours, bool)
    if not is_whole or not 1 <= hours <= LONGEST_INTERVAL_HOURS:
        raise SettingsError(
            f"An interval is 1 to {LONGEST_INTERVAL_HOURS} whole hours.", "Choose another."
        )


def _check_streams(source_type: SourceType, streams: Any, known: AbstractSet[str]) -> None:
    if not isinstance(streams, list) or not all(isinstance(each, str) for each in streams):
        raise SettingsError(f"{STREAMS_SETTING} is a list of streams.", 'Write ["cases", "forms"].')
    if known and (unknown := sorted(set(streams) - known)):
        raise SettingsError(
            f"{source_type.name} has no stream {', '.join(unknown)}.",
            f"It has: {', '.join(sorted(known))}.",
        )


def _check_passwords(config: Mapping[str, Any]) -> None:
    for name, value in config.items():
        if any(map(URL_WITH_PASSWORD.search, strings(value))):
            raise SettingsError(
                f"The URL in {name} holds a password, and is not kept among the settings.",
                "Leave the password out, or mark the setting as sensitive in meltano.yml and give "
                "it with: scout credentials connect",
            )


def check_url(base_url: str | None) -> None:
    """Refuse a base URL that is invalid, holds a login, or is not safe, without showing it.

    Raises:
        SettingsError: It is not scheme, host, perhaps a port and a path; or it is plain http to
            another machine.
    """
    if base_url is None:
        return
    remedy = "Write https://host, perhaps with a port and a path."
    if "@" in base_url:
        raise SettingsError("The base URL holds a user or password.", remedy)
    place = origin(base_url)
    if place is None:
        raise SettingsError("The base URL is invalid.", remedy)
    parts = urlsplit(place)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise SettingsError(
            "The base URL is not https (plain http is for this machine only).", remedy
        )
