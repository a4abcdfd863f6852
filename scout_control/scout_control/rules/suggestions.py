"""Says which known name a mistyped one probably means."""

from __future__ import annotations

from collections.abc import Set
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIMILARITY, SLIP = 0.6, 0.8
MOST_PATHS = 3
BEGINNING = 3
"""How many letters say what a name begins with."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is meant, regardless of case; None if none is similar.

    One that differs by a slip of the hand; else the first that begins with it, in the order given;
    else the most similar one.
    """
    names = {each.lower(): each for each in _ordered(known)}
    name = name.lower()
    slips = get_close_matches(name, names, n=1, cutoff=SLIP)
    longer = [each for each in names if each.startswith(name)] if len(name) >= BEGINNING else []
    similar = get_close_matches(name, names, n=1, cutoff=SIMILARITY)
    return next((names[each] for each in (*slips, *longer, *similar)), None)


def _ordered(known: Iterable[str]) -> list[str]:
    """Return names as they come; those of a set, which come in any order, sorted."""
    return sorted(known) if isinstance(known, Set) else list(known)


def did_you_mean(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Return a sentence that suggests a known name for each unknown one; empty without any."""
    choices = _ordered(known)
    pairs = [(each, closest(each, choices)) for each in sorted(unknown)]
    found = [(each, name) for each, name in pairs if name is not None]
    if len(pairs) == 1 and found:
        return f"Did you mean {found[0][1]}?"
    meant = ", ".join(f"{name} instead of {each}" for each, name in found)
    return f"Did you mean {meant}?" if meant else ""


def near_paths(path: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests known paths; empty if none is near.

    Those that are similar as a whole, then those that have a part in common: a project or source.
    """
    paths = {each.lower(): each for each in _ordered(known)}
    path, parts = path.lower(), set(path.lower().split("/"))
    similar = get_close_matches(path, paths, n=MOST_PATHS, cutoff=SIMILARITY)
    related = [each for each in paths if parts & set(each.split("/"))]
    near = list(dict.fromkeys([*similar, *related]))[:MOST_PATHS]
    return f"Did you mean {' or '.join(paths[each] for each in near)}?" if near else ""


def advice(unknown: Iterable[str], known: Iterable[str], choices: str = "It has") -> str:
    """Return what to do about unknown names: suggestions first, then all that there are."""
    ordered = _ordered(known)
    meant, names = did_you_mean(unknown, ordered), sorted(ordered)
    everything = f"{choices}: {', '.join(names)}." if names else ""
    return " ".join(filter(None, (meant, everything)))
