"""Says which known name a mistyped one probably means."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIMILARITY = 0.6


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar, regardless of case; None if none is."""
    names = {each.lower(): each for each in sorted(known)}
    found = get_close_matches(name.lower(), names, n=1, cutoff=SIMILARITY)
    return names[found[0]] if found else None


def did_you_mean(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Return a sentence that suggests a known name for each unknown one; empty without any."""
    choices = list(known)
    pairs = [(each, closest(each, choices)) for each in sorted(unknown)]
    found = [(each, name) for each, name in pairs if name is not None]
    if len(pairs) == 1 and found:
        return f"Did you mean {found[0][1]}?"
    meant = ", ".join(f"{name} instead of {each}" for each, name in found)
    return f"Did you mean {meant}?" if meant else ""


def advice(unknown: Iterable[str], known: Iterable[str], choices: str = "It has") -> str:
    """Return what to do about unknown names: suggestions first, then all that there are."""
    names = sorted(known)
    everything = f"{choices}: {', '.join(names)}." if names else ""
    return " ".join(filter(None, (did_you_mean(unknown, names), everything)))
