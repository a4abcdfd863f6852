"""Reads the values that links have beside their settings; notes those that cannot be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.api.desired_state.schema import HOURS
from scout_control.api.source_config import check_interval
from scout_control.errors import ControlError
from scout_control.rules import alias_names, retention

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.api.desired_state.files import Described
    from scout_control.api.desired_state.items import Key


def hours(link: Described) -> int:
    """Return the hours between scheduled runs."""
    interval = link.value.interval
    number = int(interval[:-1]) * HOURS[interval[-1]]
    try:
        check_interval(number)
    except ControlError as error:
        link.add_problem(f"is wrong. {error}", "interval")
    return number


def period(link: Described) -> str | None:
    """Return how long unused data is kept, as it is shown; None for the usual time."""
    try:
        keep = link.value.keep
        return retention.format_period(retention.parse(keep)) if keep else None
    except ControlError as error:
        link.add_problem(f"is wrong. {error}", "keep")
        return None


def alias(link: Described) -> str | None:
    """Return the alias; None after noting a problem, or where it is left to control."""
    name: str | None = link.value.alias
    if name is not None and (error := alias_names.find_error(name)):
        link.add_problem(f"{error}.", "alias")
        return None
    return name


def check_aliases(links: Mapping[Key, Described], there_are: Mapping[str, str]) -> None:
    """Note aliases that two datasets would have.

    Args:
        links: What the files describe.
        there_are: The paths of datasets by their aliases.
    """
    seen: set[str] = set()
    for key, link in links.items():
        name = link.value.alias
        if name is None:
            continue
        if name in seen:
            link.add_problem(f"is {name}, which another dataset has here, too.", "alias")
        elif (owner := there_are.get(name, key.name)) != key.name and not _gives_up(links, owner):
            link.add_problem(f"is {name}, which the dataset {owner} has.", "alias")
        seen.add(name)


def _gives_up(links: Mapping[Key, Described], owner: str) -> bool:
    """Return whether the files give the dataset that has an alias another one."""
    return any(key.name == owner and each.value.alias for key, each in links.items())
