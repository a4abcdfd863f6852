"""Warns of rules for columns in files that name what no loaded row has, before they are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.api.desired_state import settings
from scout_control.api.desired_state.items import Key, Kind
from scout_control.api.links import Links
from scout_control.rules import column_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.api.desired_state.items import State
    from scout_control.installation.installation import Installation
    from scout_control.rules.column_rules import Rules


def warnings(installation: Installation, desired: State, actual: State) -> list[str]:
    """Return the warnings of all links whose rules change, each once; reads loaded rows."""
    links = Links(installation)
    texts = [
        text
        for key, rules in changed(desired, actual).items()
        for text in links.unseen_paths(key.project, key.source, rules=rules)
    ]
    return list(dict.fromkeys(f"Warning: {text}" for text in texts))


def changed(desired: State, actual: State) -> Mapping[Key, Mapping[str, Rules]]:
    """Return the new rules of each link that is there, and whose rules change. Pure."""
    after = {key: _rules(key, {**actual, **desired}) for key in actual if _is_used(key, actual)}
    return {
        key: rules
        for key, rules in after.items()
        if column_rules.effect_on_rows(_rules(key, actual), rules)
    }


def _is_used(key: Key, actual: State) -> bool:
    is_used = key.kind == Kind.LINK and actual[key].is_active
    return is_used and Key(Kind.SOURCE, key.source) in actual


def _rules(link: Key, state: State) -> Mapping[str, Rules]:
    """Return the rules of a link, those of its source included."""
    items = (state[Key(Kind.SOURCE, link.source)], state[link])
    return column_rules.united(*(settings.rules(each.fields) for each in items))
