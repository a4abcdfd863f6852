"""Validates the settings of sources and links before anything is stored or started."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from scout_control.credentials.oauth import LOOPBACK
from scout_control.credentials.required_settings import find_missing
from scout_control.errors import SettingsError
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.meltano.setting_kinds import coerce
from scout_control.rules import column_rules, keyless
from scout_control.rules.addresses import BASE_URL, origin, strings
from scout_control.rules.credential_kinds import FIELDS_BY_KIND
from scout_control.rules.suggestions import advice

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from scout_control.meltano.project import SourceType

log = logging.getLogger(__name__)

SECRETS = frozenset({"client_secret"}.union(*(secret for _, secret in FIELDS_BY_KIND.values())))
LONGEST_INTERVAL_HOURS = 24 * 366
URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]*:[^/?#]*@", re.IGNORECASE)


def check_config(
    source_type: SourceType,
    config: Mapping[str, Any],
    known_streams: AbstractSet[str] = frozenset(),
) -> dict[str, Any]:
    """Return settings with values of their declared kinds; reject what the source type lacks.

    Args:
        source_type: Declares the settings and their kinds.
        config: The settings.
        known_streams: The discovered streams of the source, if any.

    Raises:
        SettingsError: A setting is unknown, invalid or a secret.
    """
    allowed = setting_names(source_type)
    unknown = sorted(set(config) - allowed)
    if secrets := sorted(set(config) & set(source_type.sensitive) | set(unknown) & SECRETS):
        raise SettingsError(
            f"{', '.join(secrets)} is a secret and cannot be stored as a setting.",
            "Connect it (scout credentials connect SOURCE), or for an OAuth client use "
            "--client-secret-from-env.",
        )
    if unknown:
        raise SettingsError(
            f"{source_type.name} has no setting {', '.join(unknown)}.",
            advice(unknown, allowed),
        )
    if BASE_URL in config:
        check_url(str(config[BASE_URL]))
    _reject_passwords(config)
    settings = {
        name: coerce(source_type.setting_kinds.get(name), value) for name, value in config.items()
    }
    for name, value in settings.items():
        kind = source_type.setting_kinds.get(name)
        if kind is not None and not kind.fits(value):
            raise SettingsError(
                f"The setting {name} of {source_type.name} is {kind.description}.",
                "Correct its value.",
            )
    _check_patterns(source_type, settings)
    if error := keyless.find_error(settings) or column_rules.find_error(settings):
        raise SettingsError(error, "Correct the setting.")
    if STREAMS_SETTING in settings:
        _check_streams(source_type, settings[STREAMS_SETTING], source_type.streams or known_streams)
    return settings


def _check_patterns(source_type: SourceType, settings: Mapping[str, Any]) -> None:
    for name, pattern in source_type.patterns.items():
        value = settings.get(name)
        values = value if isinstance(value, list) else [value]
        if name in settings and not all(
            isinstance(each, str) and pattern.expression.fullmatch(each.strip()) for each in values
        ):
            raise SettingsError(
                f"The setting {name} of {source_type.name} is {pattern.description}.",
                "Correct its value.",
            )


def check_column_rules(
    source_type: SourceType,
    settings: Mapping[str, Any],
    catalog: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Any],
) -> None:
    """Check new rules for columns against the streams that are known.

    Args:
        source_type: The type of the source.
        settings: Settings with rules.
        catalog: The discovered streams; empty before the first discovery.
        before: The settings until now: what has them already stays, such as what was exported.

    Raises:
        SettingsError: A stream or column does not exist, or a key would be left out.
    """
    if conflict := column_rules.find_conflict(
        column_rules.added(settings, before), catalog, source_type.streams
    ):
        raise SettingsError(*conflict)


def check_complete(source_type: SourceType, names: AbstractSet[str]) -> None:
    """Check that a source has all required settings.

    Raises:
        SettingsError: It lacks one, which its first run would report otherwise.
    """
    if missing := find_missing(source_type, names):
        raise SettingsError(
            f"{source_type.name} requires the setting {missing}.",
            "Give it with --config NAME=VALUE, or as config in Python. If each link has its own: "
            "--allow-incomplete (may_be_incomplete in Python).",
        )


def warn_about_unchecked_streams(
    source_type: SourceType, settings: Mapping[str, Any], known: AbstractSet[str], source: str
) -> None:
    """Warn that selected streams cannot be checked yet."""
    streams = settings.get(STREAMS_SETTING)
    if streams and not (source_type.streams or known):
        log.warning(
            "The streams of %s are unknown until its first run: %s could not be checked.",
            source,
            ", ".join(streams),
        )


def setting_names(source_type: SourceType) -> frozenset[str]:
    """Return the settings that a source of this type, or a link to it, may have."""
    own = (STREAMS_SETTING, *keyless.NAMES, *column_rules.NAMES)
    return frozenset({*source_type.settings, *own})


def check_interval(hours: float) -> None:
    """Reject an invalid interval between scheduled runs.

    Raises:
        SettingsError: It is not a whole number of hours, or out of range.
    """
    is_whole = isinstance(hours, int) and not isinstance(hours, bool)
    if not is_whole or not 1 <= hours <= LONGEST_INTERVAL_HOURS:
        raise SettingsError(
            f"An interval must be a whole number of hours from 1 to {LONGEST_INTERVAL_HOURS}.",
            "Choose another interval.",
        )


def _check_streams(source_type: SourceType, streams: Any, known: AbstractSet[str]) -> None:
    if not isinstance(streams, list) or not all(isinstance(each, str) for each in streams):
        raise SettingsError(
            f"{STREAMS_SETTING} must be a list of streams.", 'Write ["cases", "forms"].'
        )
    # Before the first discovery the streams are unknown; the first run checks them.
    if known and (unknown := sorted(set(streams) - known)):
        raise SettingsError(
            f"{source_type.name} has no stream {', '.join(unknown)}.",
            advice(unknown, known),
        )


def _reject_passwords(config: Mapping[str, Any]) -> None:
    for name, value in config.items():
        if any(map(URL_WITH_PASSWORD.search, strings(value))):
            raise SettingsError(
                f"The URL in {name} contains a password and cannot be stored as a setting.",
                "Remove the password, or mark the setting as sensitive in meltano.yml and use: "
                "scout credentials connect SOURCE",
            )


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
"""What no path holds, written as percents either: some servers and proxies decode it."""


def check_url(base_url: str | None) -> None:
    """Reject a base URL that is invalid, contains a login, or would send secrets unencrypted.

    Raises:
        SettingsError: The URL is not a scheme, a host and optionally a port and path, or it is
            plain HTTP to another machine. The message does not quote it.
    """
    if base_url is None:
        return
    remedy = "Write https://host, optionally with a port and a path."
    if "@" in base_url:
        raise SettingsError("The base URL contains a user or password.", remedy)
    url_origin = origin(base_url)
    if url_origin is None or CONTROL.search(unquote(base_url)):
        raise SettingsError("The base URL is invalid.", remedy)
    parts = urlsplit(url_origin)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise SettingsError(
            "The base URL must use https (plain http is allowed for loopback only).", remedy
        )
