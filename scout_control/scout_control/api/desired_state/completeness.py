"""Whether sources and links have the required settings between them. Pure.

What a source lacks, its links may supply. What lacked something already stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.api.desired_state import settings
from scout_control.api.desired_state.items import Key, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.api.desired_state.items import State
    from scout_control.meltano.project import SourceType


def lacking_source(
    name: str,
    source_type: SourceType,
    desired: State,
    actual: State,
    is_removed: Callable[[Key], bool],
) -> str:
    """Return what a source lacks that no link supplies, as a sentence; nothing if it is complete.

    Links that the files describe are judged by themselves.
    """
    key = Key(Kind.SOURCE, name)
    fields, before = desired[key].fields, actual.get(key)
    missing = settings.missing(source_type, fields)
    if before is not None and settings.missing(source_type, before.fields):
        return ""
    links = {each for each in desired if each.kind == Kind.LINK and each.source == name}
    others = {
        each.name: item.fields
        for each, item in actual.items()
        if each.kind == Kind.LINK and each.source == name and item.is_active
        if each not in links and not is_removed(each)
    }
    lacking = [n for n, own in others.items() if settings.missing(source_type, fields, own)]
    if not missing or ((links or others) and not lacking):
        return ""
    users = f", which {lacking[0]} needs" if lacking else ""
    return f"lacks the setting {missing}{users}. Write it in config."


def lacking_link(key: Key, source_type: SourceType, desired: State, actual: State) -> str:
    """Return what neither a link in the files nor its source has; nothing if they are complete."""
    of_source = Key(Kind.SOURCE, key.source)
    source = desired.get(of_source) or actual.get(of_source)
    if source is None:
        return ""
    before = [actual.get(each) for each in (of_source, key)]
    known = [each.fields for each in before if each is not None]
    if len(known) == len(before) and settings.missing(source_type, *known):
        return ""
    return settings.missing(source_type, source.fields, desired[key].fields)
