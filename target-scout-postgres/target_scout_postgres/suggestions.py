"""Says what a mistyped name probably means. Pure."""

from __future__ import annotations

from collections.abc import Iterable

SIMILARITY = 0.6
ALMOST_EQUAL = 0.8
MAX_NAME_LENGTH = 100


def closest(name: str, known: Iterable[str], similarity: float = SIMILARITY) -> str | None:
    """Return the known name that is most similar, regardless of case; None if none is."""
    from difflib import get_close_matches  # start-up: few runs have an unknown name

    names = {each.lower(): each for each in sorted(known)}
    found = get_close_matches(name.lower(), names, n=1, cutoff=similarity)
    return names[found[0]] if found else None


def with_suggestions(names: Iterable[str], known: Iterable[str]) -> str:
    """Return names as a list, each with the known one that it probably means."""
    choices = list(known)
    parts = []
    for name in sorted(names):
        meant, shown = closest(name, choices), name[:MAX_NAME_LENGTH]
        parts.append(shown if meant is None else f"{shown} (did you mean {meant}?)")
    return ", ".join(parts)


def mistyped_variables(
    environment: Iterable[str], prefix: str, known: Iterable[str]
) -> dict[str, str]:
    """Return environment variables that are probably meant as settings, each with the right one."""
    settings = {name.upper() for name in known}
    unknown = {
        variable
        for variable in environment
        if variable.startswith(prefix)
        and variable.removeprefix(prefix) not in settings
        and not variable.removeprefix(prefix).startswith("_")  # Meltano's own
    }
    pairs = {
        variable: closest(variable.removeprefix(prefix), settings, ALMOST_EQUAL)
        for variable in sorted(unknown)
    }
    return {variable: prefix + meant for variable, meant in pairs.items() if meant is not None}
