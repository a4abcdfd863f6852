"""Says what a mistyped name probably means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

SIMILARITY = 0.6
VARIABLE_SIMILARITY = 0.8
MAX_LENGTH_DIFFERENCE = 2
MAX_NAME_LENGTH = 100

# Settings that other plugins on the Singer SDK have. Configurations are often shared.
SDK_SETTINGS = frozenset(
    {
        "add_record_metadata",
        "batch_config",
        "batch_size_rows",
        "default_target_schema",
        "emit_activate_version_messages",
        "faker_config",
        "flattening_enabled",
        "flattening_max_depth",
        "flattening_max_key_length",
        "flattening_separator",
        "hard_delete",
        "load_method",
        "process_activate_version_messages",
        "stream_map_config",
        "stream_maps",
        "use_singer_decimal",
        "validate_records",
    }
)


def closest(name: str, known: Iterable[str], similarity: float = SIMILARITY) -> str | None:
    """Return the known name that is most similar, regardless of case; None if none is."""
    names = {each.lower(): each for each in sorted(known)}
    found = get_close_matches(name.lower(), names, n=1, cutoff=similarity)
    return names[found[0]] if found else None


def with_suggestions(
    names: Iterable[str], known: Iterable[str], similarity: float = SIMILARITY
) -> str:
    """Return names as a list, each with the known one that it probably means."""
    choices = list(known)
    parts = []
    for name in sorted(names):
        meant = closest(name, choices, similarity)
        shown = name[:MAX_NAME_LENGTH]
        parts.append(shown if meant is None else f"{shown} (did you mean {meant}?)")
    return ", ".join(parts)


def unknown_settings(config: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the settings that neither a plugin nor the Singer SDK has.

    Meltano's own begin with an underscore, or are parts of an object: ``stream_maps.cases``.
    """
    choices = SDK_SETTINGS.union(known)
    return sorted(
        name
        for name in config
        if not name.startswith("_") and name not in choices and name.split(".")[0] not in choices
    )


def mistyped_variables(
    environment: Iterable[str], prefix: str, known: Iterable[str]
) -> Mapping[str, str]:
    """Return environment variables that are probably meant as settings, each with the right one.

    Only what is very similar: another plugin's prefix may begin with the same words.
    """
    settings = [name.upper() for name in known]
    found: dict[str, str] = {}
    for variable in environment:
        name = variable.removeprefix(prefix)
        if name == variable or name in settings or name.startswith("_"):
            continue
        meant = closest(name, settings, VARIABLE_SIMILARITY)
        if meant is not None and abs(len(meant) - len(name)) <= MAX_LENGTH_DIFFERENCE:
            found[variable] = prefix + meant
    return found
