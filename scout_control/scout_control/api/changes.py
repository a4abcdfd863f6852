"""What an update changes: named settings are set, those to unset removed, and all others stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scout_control.errors import SettingsError
from scout_control.rules import identifiers
from scout_control.rules.suggestions import advice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

NO_ALIASES: Mapping[str, str] = {}


def check_unset(
    names: Collection[str],
    known: Iterable[str],
    given: Iterable[str],
    owner: str,
    aliases: Mapping[str, str] = NO_ALIASES,
) -> frozenset[str]:
    """Return the names to unset, as they are stored.

    Args:
        names: As the caller gave them.
        known: What can be unset; a setting that is not set is no error.
        given: What the same call sets.
        owner: Whose settings they are, as messages call it.
        aliases: Other names of stored ones.

    Raises:
        SettingsError: A name is unknown, or set by the same call.
    """
    if isinstance(names, str):  # else each letter would be a name
        names = (names,)
    choices = frozenset(known).union(aliases, aliases.values())
    if unknown := sorted(set(names) - choices):
        stored_names = set(aliases.values())
        ordered = known if isinstance(known, Sequence) else sorted(known)
        shown = [each for each in dict.fromkeys((*ordered, *aliases)) if each not in stored_names]
        raise SettingsError(
            f"{owner} has no setting {', '.join(unknown)} to unset.", advice(unknown, shown)
        )
    stored = frozenset(aliases.get(name, name) for name in names)
    if both := sorted(stored.intersection(aliases.get(name, name) for name in given)):
        raise SettingsError(
            f"{', '.join(both)} cannot be set and unset at once.", "Leave one of the two out."
        )
    return stored


def merged(
    current: Mapping[str, Any], changes: Mapping[str, Any] | None, unset: Collection[str]
) -> dict[str, Any]:
    """Return settings with changes: what is neither changed nor unset stays."""
    kept = {name: value for name, value in current.items() if name not in unset}
    return kept | dict(changes or {})


def check_name(name: str, what: str, *, is_id: bool = False) -> None:
    """Check the name of something new.

    Raises:
        SettingsError: It is invalid.
    """
    if error := identifiers.find_error(name, what, is_id=is_id):
        raise SettingsError(error, f"Correct it, or choose another {what.split()[1]}.")
