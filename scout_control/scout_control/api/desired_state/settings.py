"""Checks the settings of sources and links one by one, so that a mistake has its own line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from scout_control.api.desired_state.problems import did_you_mean
from scout_control.api.source_config import SECRETS, check_config
from scout_control.errors import ControlError
from scout_control.installation import secret_context
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules import keyless
from scout_control.runs import prepare
from scout_control.store.models import ProjectSource, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from scout_control.api.desired_state.files import Described
    from scout_control.meltano.project import SourceType

CONFIG, STREAMS = "config", "streams"


def check(
    described: Described, source_type: SourceType, known_streams: AbstractSet[str] = frozenset()
) -> dict[str, Any]:
    """Return the settings of a source or link, coerced; note the mistakes in them."""
    settings: dict[str, Any] = {}
    for name, value in described.value.config.items():
        text = "is empty. Write a value, or remove the key." if value is None else ""
        if text := text or _unknown(source_type, name):
            described.add_problem(text, CONFIG, name)
            continue
        try:
            settings |= check_config(source_type, {name: value})
        except ControlError as error:
            described.add_problem(f"is wrong. {error}", CONFIG, name)
    _check_streams(described, source_type, known_streams)
    return settings


def check_link(described: Described, source_type: SourceType, project: str, source: str) -> None:
    """Note the settings of a link that only its source may have: addresses and files."""
    for name, value in described.value.config.items():
        link = ProjectSource(
            project_id=project, sync_config={name: value}, source=Source(name=source)
        )
        try:
            if not _unknown(source_type, name):
                prepare.check_link(source_type, link)
        except ControlError:
            described.add_problem(
                "is a setting of the source, not of a link: it says where data is read from. "
                f"Move it to sources.{source}.config.",
                *(CONFIG, name),
            )


def _unknown(source_type: SourceType, name: str) -> str:
    if name == STREAMS_SETTING:
        return "is written as streams, beside config."
    known = {*source_type.settings, *keyless.NAMES} - {*source_type.sensitive}
    if name in known or name in source_type.sensitive or name in SECRETS:
        return ""
    return (
        f"is not a setting of {source_type.name}.{did_you_mean(name, known)} "
        f"It has: {', '.join(sorted(known))}."
    )


def _check_streams(
    described: Described, source_type: SourceType, known_streams: AbstractSet[str]
) -> None:
    known = source_type.streams or known_streams
    for at, stream in enumerate(described.value.streams):
        if known and stream not in known:
            described.add_problem(
                f"is not a stream of {source_type.name}.{did_you_mean(stream, known)} "
                f"It has: {', '.join(sorted(known))}.",
                *(STREAMS, at),
            )


def address(fields: Mapping[str, Any], source_type: SourceType) -> dict[str, str]:
    """Return where a source with these fields sends secrets, which are bound to that."""
    row = SimpleNamespace(config=fields["config"], base_url=fields["base_url"])
    return secret_context.source_address(row, source_type)


def to_stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a source or link as the store keeps them, in one mapping."""
    streams = {STREAMS_SETTING: fields[STREAMS]} if fields[STREAMS] else {}
    return {**fields[CONFIG], **streams}


def from_stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields ``config`` and ``streams`` (sorted) of stored settings."""
    streams = settings.get(STREAMS_SETTING)
    return {
        CONFIG: {name: value for name, value in settings.items() if name != STREAMS_SETTING},
        STREAMS: sorted(set(map(str, streams))) if isinstance(streams, list) else [],
    }
