"""Columns that must not arrive: settings of the loader that a source or a link may set.

A rule is a path, such as ``properties.phone``: the loader leaves out what is there, or hashes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scout_control.rules import column_paths
from scout_control.rules.suggestions import advice, did_you_mean
from scout_control.rules.wording import listed

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

EXCLUDE, HASH = NAMES = ("exclude_columns", "hash_columns")
RESULT = "column_rules"
"""Where the result of a run keeps which rules have matched something."""
SO_FAR = "column_rules_so_far"
"""The same for the attempts at a run that has not ended: what they did not read is unknown."""
MAX_NAMED = 10
UNMATCHED_REMEDY = "What they were to protect may have arrived: check their spelling."
Rules = dict[str, list[str]]
"""Paths by stream."""


def find_error(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the rules in settings; None if nothing."""
    for name in NAMES:
        rules = settings.get(name, {})
        if not isinstance(rules, dict) or not all(map(_is_list_of_paths, rules.values())):
            return f'{name} gives streams lists of paths, as in {{"cases": ["properties.phone"]}}.'
    return None


def _is_list_of_paths(paths: Any) -> bool:
    return isinstance(paths, list) and all(
        isinstance(path, str) and all(path.split(".")) for path in paths
    )


def changed(current: Mapping[str, Any], changes: Mapping[str, Sequence[str]]) -> Rules:
    """Return rules of which those of some streams are replaced; without paths, removed."""
    merged = {**current, **{stream: list(paths) for stream, paths in changes.items()}}
    return {stream: paths for stream, paths in merged.items() if paths}


def united(*settings: Mapping[str, Any]) -> dict[str, Rules]:
    """Return the rules of several settings together, by setting: a link adds to its source's."""
    return {
        name: {
            stream: sorted(
                {path for each in settings for path in each.get(name, {}).get(stream, ())}
            )
            for stream in sorted({stream for each in settings for stream in each.get(name, {})})
        }
        for name in NAMES
    }


Rule = tuple[str, str]
"""A stream, or a pattern of several, and a path."""


def named(*settings: Mapping[str, Any]) -> dict[str, Rule]:
    """Return all rules in settings, by their names: STREAM.PATH."""
    return {
        f"{stream}.{path}": (stream, path)
        for rules in united(*settings).values()
        for stream, paths in rules.items()
        for path in paths
    }


def names(*settings: Mapping[str, Any]) -> set[str]:
    """Return the names of all rules in settings."""
    return set(named(*settings))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of rules, each by their names, when a run ends."""

    before: Mapping[str, bool] = field(default_factory=dict)
    """Which rules, of earlier ones too, had matched something when the last run ended."""
    found: Mapping[str, bool] = field(default_factory=dict)
    """Which ones matched something in what this run read."""
    loaded: Mapping[str, bool] = field(default_factory=dict)
    """Which ones name something that is in the loaded rows; without those of which it is unknown.
    """
    streams: Collection[str] = ()
    """All streams of the source; empty if unknown."""
    is_read: Callable[[str], bool] = lambda _: False
    """Whether the run has read all records of a stream, or of all that a pattern stands for."""


def known(settings: Sequence[Mapping[str, Any]], evidence: Evidence) -> dict[str, bool]:
    """Return which of the present rules have matched something, or name what loaded rows have.

    Earlier rules that matched something are returned, too: what they excluded is in no row. A rule
    that may have matched nothing for that reason is unknown, and missing, as is one that was to
    match what the run did not read.
    """
    present = named(*settings)
    missing = _without_stream(present, evidence.streams)
    every = merged(missing, evidence.before, evidence.found)
    matched = [name for name, is_matched in every.items() if is_matched]
    judged = {
        name: _judged(name, present[name][0], evidence, {*missing})
        for name, is_matched in every.items()
        if not is_matched and name in present and not is_related(name, matched)
    }
    certain = {name: is_matched for name, is_matched in judged.items() if is_matched is not None}
    return dict(sorted({**dict.fromkeys(matched, True), **certain}.items()))


def _judged(name: str, stream: str, evidence: Evidence, missing: Container[str]) -> bool | None:
    """Return whether a rule that has matched nothing yet names what there is; None if unknown."""
    if evidence.loaded.get(name):
        return True
    is_told = evidence.before.get(name) is False or name in missing
    is_certain = is_told or evidence.is_read(stream) or name in evidence.loaded
    return False if is_certain else None


def doubted(settings: Sequence[Mapping[str, Any]], *found: Mapping[str, bool]) -> dict[str, Rule]:
    """Return the present rules that have matched nothing in any of several reads."""
    present = named(*settings)
    return {
        name: present[name]
        for name, is_matched in merged(*found).items()
        if not is_matched and name in present
    }


def is_related(name: str, matched: Iterable[str]) -> bool:
    """Return whether a rule names what one that matched also names, or what contains it.

    If that one is an earlier rule, the loaded rows may lack both for its sake.
    """
    return any(
        column_paths.covers(other, name) or column_paths.covers(name, other) for other in matched
    )


def unseen_text(name: str, missing: str = "", there_are: Iterable[str] = ()) -> str:
    """Return what to tell of a rule for what no row has.

    Args:
        name: Its name.
        missing: The first name in its path that is missing.
        there_are: The names at its place.
    """
    said = f"No row that is loaded has {name}."
    meant = did_you_mean([missing], there_are) if missing else ""
    return f"{said} {meant}" if meant else said


def merged(*found: Mapping[str, bool]) -> dict[str, bool]:
    """Return which rules have matched something in any of several reads."""
    every = {name for each in found for name in each}
    return {name: any(each.get(name) for each in found) for name in sorted(every)}


def _without_stream(rules: Mapping[str, Rule], streams: Collection[str]) -> dict[str, bool]:
    """Return the rules for streams that the source lacks: they match nothing."""
    return {
        name: False
        for name, (stream, _) in rules.items()
        if streams and not any(column_paths.matches(stream, each) for each in streams)
    }


def effect_on_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return what a change of rules leaves in the rows that are loaded; None if nothing changed.

    Args:
        before: Settings with the rules until now.
        after: The same with those from now on.
    """
    old = {name: names({name: before.get(name) or {}}) for name in NAMES}
    new = {name: names({name: after.get(name) or {}}) for name in NAMES}
    effects = {
        "keep their values": _beyond(new[EXCLUDE] | new[HASH], old[EXCLUDE] | old[HASH]),
        "lack the values that were excluded": _beyond(old[EXCLUDE], new[EXCLUDE]),
        "keep the hashes": _beyond(old[HASH], new[HASH]),
    }
    *others, last = [effect for effect, changed in effects.items() if changed] or [""]
    return (f"{', '.join(others)} and {last}" if others else last) or None


def _beyond(rules: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the rules that concern what no other one does."""
    known = list(others)
    return [rule for rule in rules if not any(column_paths.covers(other, rule) for other in known)]


def unmatched_text(rules: Mapping[str, bool]) -> str | None:
    """Return what to tell of rules that matched nothing; None if all did."""
    names = sorted(name for name, is_matched in rules.items() if not is_matched)
    if not names:
        return None
    named = listed(names, MAX_NAMED)
    return f"exclude/hash rules matched nothing: {named}. {UNMATCHED_REMEDY}"


def pop_loader_settings(source: dict[str, Any], link: dict[str, Any]) -> dict[str, str]:
    """Remove the rules from settings; return them together as text for the loader, if any."""
    rules = united(source, link)
    for settings in (source, link):
        for name in NAMES:
            settings.pop(name, None)
    return {name: json.dumps(value) for name, value in rules.items() if value}


def needs_key(*settings: Mapping[str, Any]) -> bool:
    """Return whether anything is hashed."""
    return any(paths for paths in united(*settings)[HASH].values())


def added(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Rules]:
    """Return the rules in settings that are not there yet; the others were accepted once."""
    return {
        name: {
            stream: new
            for stream, paths in (settings.get(name) or {}).items()
            if (new := _without(paths, (before.get(name) or {}).get(stream, ())))
        }
        for name in NAMES
    }


def _without(paths: Iterable[str], others: Container[str]) -> list[str]:
    return [path for path in paths if path not in others]


def find_conflict(
    settings: Mapping[str, Any],
    catalog: Mapping[str, Mapping[str, Any]],
    streams: Iterable[str] = (),
) -> tuple[str, str] | None:
    """Return what the rules contradict in the known streams, and what to do; None if nothing.

    Args:
        settings: Settings with rules.
        catalog: The discovered streams, each with its key and schema; empty if unknown.
        streams: The names of all streams, if they are known without discovery.
    """
    known = {*catalog, *streams}
    for name in NAMES:
        for stream, paths in settings.get(name, {}).items():
            if known and not column_paths.WILDCARDS.search(stream) and stream not in known:
                return f"{name}: there is no stream {stream}.", advice([stream], known)
            found = _find_conflict(name, stream, paths, catalog.get(stream) or {})
            if found is not None:
                return found
    return None


def _find_conflict(
    name: str, stream: str, paths: Sequence[str], facts: Mapping[str, Any]
) -> tuple[str, str] | None:
    key, properties = facts.get("key") or (), (facts.get("schema") or {}).get("properties") or {}
    if name == EXCLUDE and (excluded := sorted(set(paths).intersection(key))):
        return (
            f"{name}: {', '.join(excluded)} is the key of {stream}, without which no row is known.",
            "Hash it instead.",
        )
    for path in paths:
        column = path.split(".")[0]
        is_unknown = properties and path not in properties and column not in properties
        if is_unknown and not column_paths.WILDCARDS.search(column):
            return f"{name}: {stream} has no column {column}.", advice([column], properties)
    return None
