"""What people are told after a change of rules for columns, by whatever command."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.api.links import Links
from scout_control.rules import column_rules
from scout_control.rules.wording import counted
from scout_control.store import lookups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.installation.installation import Installation

ANY = "DATASET"
MAX_NAMED = 5

Rules = dict[tuple[str, str], dict[str, Any]]
"""The rules of links, those of their sources included, by project and source."""


@dataclass(frozen=True, kw_only=True)
class RuleNote:
    """What a change of the rules of one link means for what is loaded."""

    earlier_rows: Sequence[str]
    """The datasets whose rows it does not change."""
    effect: str
    """What those rows keep or lack."""
    warnings: Sequence[str]
    """Of rules for what no loaded row has."""


def rows_text(paths: Sequence[str], effect: str) -> str:
    """Return what the loaded rows of datasets keep or lack."""
    named = ", ".join(paths) if len(paths) <= MAX_NAMED else counted(len(paths), "dataset")
    return f"Rows of {named} that are loaded already {effect}."


def reload_command(path: str) -> str:
    """Return the command that loads a dataset again from the beginning."""
    path = quote(path) if path != ANY else path
    return f"scout datasets drop {path} && scout run {path}"


def summary(found: Sequence[RuleNote]) -> str:
    """Return all notes as one text."""
    texts = dict.fromkeys(f"Warning: {text}" for each in found for text in each.warnings)
    for effect in dict.fromkeys(each.effect for each in found):
        paths = [path for each in found if each.effect == effect for path in each.earlier_rows]
        if paths:
            command = reload_command(paths[0] if len(paths) == 1 else ANY)
            text = f"{rows_text(paths, effect)} To load everything again: {command}"
            texts[text] = None
    return " ".join(texts)


def read(installation: Installation, source: str, project: str | None = None) -> Rules:
    """Return the rules of the links to a source, or of one of them, before or after a change."""
    with installation.store.begin() as session:
        config = lookups.source(session, source).config
    return {
        (each.project, each.source): column_rules.united(config, each.sync_config)
        for each in Links(installation).list(project, source=source)
    }


def notes(installation: Installation, before: Rules, after: Rules) -> list[RuleNote]:
    """Return what to tell of the links whose rules have changed."""
    links = Links(installation)
    found = []
    for link, rules in after.items():
        if effect := column_rules.effect_on_rows(before.get(link, {}), rules):
            note = RuleNote(
                earlier_rows=links.earlier_rows(*link),
                effect=effect,
                warnings=links.unseen_paths(*link),
            )
            found.append(note)
    return found
