"""Checks the settings of sources and links one by one, so that a mistake has its own line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from scout_control.api.desired_state.problems import did_you_mean
from scout_control.api.source_config import SECRETS, check_column_rules, check_config
from scout_control.credentials import link_settings
from scout_control.credentials.required_settings import find_missing
from scout_control.errors import ControlError
from scout_control.installation import secret_context
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules import column_rules, keyless, singer_catalog
from scout_control.rules.addresses import BASE_URL
from scout_control.store.models import ProjectSource, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from scout_control.api.desired_state.files import Described
    from scout_control.api.desired_state.items import Catalog, Item
    from scout_control.meltano.project import SourceType

CONFIG, STREAMS = "config", "streams"
BESIDE = {
    STREAMS_SETTING: STREAMS,
    column_rules.EXCLUDE: "exclude",
    column_rules.HASH: "hash",
}
"""Settings that files write beside ``config``, and their names there."""
RULES = ("exclude", "hash")


def check(
    described: Described, source_type: SourceType, catalog: Catalog, found: Item | None
) -> dict[str, Any]:
    """Return the settings of a source or link, coerced; note the mistakes in them.

    Args:
        described: The source or link.
        source_type: The type of the source.
        catalog: The discovered streams of the source; empty before the first discovery.
        found: The source or link as it is.
    """
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
    _check_streams(described, source_type, singer_catalog.ids(catalog))
    _check_columns(described, source_type, catalog, found.fields if found else {})
    return settings


def check_link(described: Described, source_type: SourceType, project: str, source: str) -> None:
    """Note the settings of a link that only its source may have: addresses and files."""
    for name, value in described.value.config.items():
        link = ProjectSource(
            project_id=project, sync_config={name: value}, source=Source(name=source)
        )
        try:
            if not _unknown(source_type, name):
                link_settings.check_link(source_type, link)
        except ControlError:
            described.add_problem(
                "is a setting of the source, not of a link: it says where data is read from. "
                f"Move it to sources.{source}.config.",
                *(CONFIG, name),
            )


def _unknown(source_type: SourceType, name: str) -> str:
    if name in BESIDE:
        return f"is written as {BESIDE[name]}, beside config."
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
    beside = {stored: fields[name] for stored, name in BESIDE.items()}
    return {**fields[CONFIG], **{name: value for name, value in beside.items() if value}}


def from_stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of stored settings: ``config``, and those that files write beside it."""
    config = {name: value for name, value in settings.items() if name not in BESIDE}
    beside = {name: settings.get(stored) for stored, name in BESIDE.items()}
    return {CONFIG: config, **canonical(beside)}


def rules(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules for columns among fields, by the names of their settings."""
    return {stored: fields.get(name) or {} for stored, name in BESIDE.items() if name in RULES}


def of_file(value: Any) -> dict[str, Any]:
    """Return the fields that a source or link of a file has beside ``config``."""
    return canonical({name: getattr(value, name) for name in BESIDE.values()})


def canonical(beside: Mapping[str, Any]) -> dict[str, Any]:
    """Return these fields without a meaningless order."""
    streams = beside[STREAMS]
    rules = {name: beside[name] or {} for name in RULES}
    return {
        STREAMS: sorted(set(map(str, streams))) if isinstance(streams, list) else [],
        **{
            name: {stream: sorted(set(paths)) for stream, paths in of_streams.items() if paths}
            for name, of_streams in rules.items()
        },
    }


def _check_columns(
    described: Described, source_type: SourceType, catalog: Catalog, found: Mapping[str, Any]
) -> None:
    """Note what is wrong with the columns that must not arrive, or only hashed."""
    before = rules(found)
    for stored, name in BESIDE.items():
        for stream, paths in (getattr(described.value, name) if name in RULES else {}).items():
            rule = {stored: {stream: paths}}
            if error := column_rules.find_error(rule):
                described.add_problem(f"is wrong. {error}", name, stream)
                continue
            try:
                check_column_rules(source_type, rule, catalog, before)
            except ControlError as error:
                described.add_problem(f"is wrong. {error}", name, stream)


def missing(source_type: SourceType, *fields: Mapping[str, Any]) -> str:
    """Return which required setting is in none of these fields, as text; nothing if complete."""
    names = {name for each in fields for name in each[CONFIG]}
    names |= {BASE_URL for each in fields if each.get(BASE_URL)}
    return find_missing(source_type, names) or ""
