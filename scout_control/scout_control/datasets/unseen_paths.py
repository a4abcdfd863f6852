"""Finds rules for columns that name what no loaded row has: they may be mistyped."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from scout_control.datasets import query
from scout_control.datasets.query_role import time_limit
from scout_control.datasets.schema_contents import SchemaContents
from scout_control.errors import ControlError
from scout_control.rules import column_paths, column_rules
from scout_control.store import runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.installation.installation import Installation
    from scout_control.rules.column_rules import Rule
    from scout_control.store.models import Dataset

READ_ROWS = 5000
"""Of how many rows names are read that may be meant."""
LONGEST_SECONDS = 30.0


def find(
    installation: Installation, dataset: Dataset, new_rules: Mapping[str, Any] | None = None
) -> Mapping[str, str]:
    """Return what to tell of each rule; an empty text if the loaded rows have what it names.

    Rules are missing that have matched something, and those of which nothing can be told: nothing
    is loaded, or it cannot be read, or other rules may have kept it from being loaded.

    Args:
        installation: The installation.
        dataset: The dataset.
        new_rules: Settings with rules that are to replace those of its link and source.
    """
    link = dataset.project_source
    settings = (link.source.config, link.sync_config) if new_rules is None else (new_rules,)
    with installation.store.begin() as session:
        known = runs.column_rules_known(session, dataset.id)
    matched = [name for name, is_matched in known.items() if is_matched]
    rules = {
        name: rule
        for name, rule in column_rules.named(*settings).items()
        if not column_rules.is_related(name, matched)
    }
    if not rules or dataset.last_sync_at is None:
        return {}
    try:
        with (
            closing(query.connect_as_inspector(installation, dataset)) as reader,
            time_limit(reader, installation.server_url_of(dataset), LONGEST_SECONDS),
        ):
            contents = SchemaContents(reader, dataset.schema_name)
            found = loaded(contents, rules)
            return {
                name: "" if is_loaded else _told(contents, name, rules[name])
                for name, is_loaded in found.items()
            }
    except ControlError:
        return {}


def loaded(contents: SchemaContents, rules: Mapping[str, Rule]) -> Mapping[str, bool]:
    """Return which rules name what loaded rows have; without those of which it is unknown."""
    streams = contents.streams() if rules else ()
    found = {}
    for name, (stream, path) in rules.items():
        answers = [contents.has(each, path) for each in streams if _is_meant(stream, each)]
        if any(answers) or (answers and None not in answers):
            found[name] = any(answers)
    return found


def _told(contents: SchemaContents, name: str, rule: Rule) -> str:
    stream, path = rule
    column, *parts = path.split(".")
    if column_paths.WILDCARDS.search(f"{stream}{path}"):
        return column_rules.unseen_text(name)
    for depth, part in enumerate(parts):
        [place, *_] = column_paths.json_paths(tuple(parts[:depth]))
        there_are = contents.keys(stream, column, place, READ_ROWS)
        if part not in there_are:
            return column_rules.unseen_text(name, part, there_are)
    return column_rules.unseen_text(name)


def _is_meant(pattern: str, stream: str) -> bool:
    return column_paths.matches(pattern, stream)
