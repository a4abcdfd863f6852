"""Columns that must not arrive: settings of the loader that a source or a link may set.

A rule is a path, such as ``properties.phone``: the loader leaves out what is there, or hashes it.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from scout_control.rules.suggestions import advice, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EXCLUDE, HASH = NAMES = ("exclude_columns", "hash_columns")
RESULT = "column_rules"
"""Where the result of a run keeps which rules have matched something."""
SO_FAR = "column_rules_so_far"
"""The same for the attempts at a run that has not ended: what they did not read is unknown."""
MAX_NAMED = 10
UNMATCHED_REMEDY = "What they were to protect may have arrived: check their spelling."
WILDCARDS = re.compile(r"[*?]")

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


Path = tuple[str, str, str]
"""A stream, its column, and what the path of a rule names first in the column."""


def inner_paths(known: Mapping[str, bool], *settings: Mapping[str, Any]) -> list[Path]:
    """Return the rules that lead into a column, as far as their names have no wildcards.

    Args:
        known: Which rules have matched something, and so are no mistakes; what they exclude is in
            no row.
        *settings: Settings with rules.
    """
    parted = [
        (stream, path.split("."))
        for rules in united(*settings).values()
        for stream, paths in rules.items()
        for path in paths
        if "." in path and not known.get(f"{stream}.{path}")
    ]
    found = {(stream, parts[0], parts[1]) for stream, parts in parted}
    return sorted(each for each in found if not WILDCARDS.search("".join(each)))


def unseen(paths: Iterable[Path], keys: Mapping[tuple[str, str], set[str]]) -> list[str]:
    """Return what to tell of paths whose names are not among those of the loaded rows.

    Args:
        paths: Those of rules.
        keys: By stream and column, the names that its rows have; empty if unknown.
    """
    found = []
    for stream, column, name in paths:
        seen = keys.get((stream, column), set())
        if seen and name not in seen:
            meant = did_you_mean([name], seen)
            said = f"No row that is loaded has {stream}.{column}.{name}."
            found.append(f"{said} {meant}" if meant else said)
    return found


def names(*settings: Mapping[str, Any]) -> set[str]:
    """Return all rules in settings, as STREAM.PATH."""
    return {
        f"{stream}.{path}"
        for rules in united(*settings).values()
        for stream, paths in rules.items()
        for path in paths
    }


def known(
    settings: Sequence[Mapping[str, Any]], streams: Iterable[str], *found: Mapping[str, bool]
) -> dict[str, bool]:
    """Return which of the present rules have matched something in any of several reads.

    Args:
        settings: Settings with rules.
        streams: The names of all streams of the source; empty if unknown.
        *found: By rule, whether it matched something; without a rule of which nothing is known.
    """
    every = merged(_without_stream(settings, list(streams)), *found)
    present = names(*settings)
    return {name: is_matched for name, is_matched in every.items() if name in present}


def merged(*found: Mapping[str, bool]) -> dict[str, bool]:
    """Return which rules have matched something in any of several reads."""
    every = {name for each in found for name in each}
    return {name: any(each.get(name) for each in found) for name in sorted(every)}


def _without_stream(
    settings: Sequence[Mapping[str, Any]], streams: Sequence[str]
) -> dict[str, bool]:
    """Return the rules for streams that the source lacks: they match nothing."""
    return {
        f"{stream}.{path}": False
        for rules in united(*settings).values()
        for stream, paths in rules.items()
        if streams and not any(_is_meant(stream, each) for each in streams)
        for path in paths
    }


def _is_meant(pattern: str, stream: str) -> bool:
    return fnmatchcase(stream, pattern.replace("[", "[[]"))


def unmatched_text(rules: Mapping[str, bool]) -> str | None:
    """Return what to tell of rules that matched nothing; None if all did."""
    names = sorted(name for name, is_matched in rules.items() if not is_matched)
    if not names:
        return None
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    named = ", ".join(names[:MAX_NAMED])
    return f"exclude/hash rules matched nothing: {named}{more}. {UNMATCHED_REMEDY}"


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
            if known and not WILDCARDS.search(stream) and stream not in known:
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
        if is_unknown and not WILDCARDS.search(column):
            return f"{name}: {stream} has no column {column}.", advice([column], properties)
    return None
