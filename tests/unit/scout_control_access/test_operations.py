"""``Access`` offers what the table of permissions offers, under the names of ``Scout``."""

from __future__ import annotations

import inspect

from scout_control.access.access import Access
from scout_control.access.identity import Identity
from scout_control.rules.permissions import TABLE, Scope

ALIASES = {
    "credentials.answer",
    "credentials.ask",
    "credentials.remove",
    "datasets.remove",
    "links.ensure",
    "projects.add",
    "sources.link",
    "sources.links",
    "sources.unlink",
}
"""Other names of operations, which only ``Scout`` has."""
ONLY_HERE = {
    "changing",
    "grants",
    "may",
    "credentials.check_connectable",
    "credentials.named",
    "credentials.to_connect",
    "links.named",
    "people.me",
}
"""Show the person who is signed in and what they may do, whose something is; hold a lock."""


def operations():
    """Yield the name of each public method."""
    access = Access(None, Identity(person="ann", scope=Scope.FULL))
    yield from (
        name for name, _ in inspect.getmembers(Access, inspect.isfunction) if name[0] != "_"
    )
    for name, part in vars(access).items():
        if name[0] != "_" and name != "identity":
            found = inspect.getmembers(type(part), inspect.isfunction)
            yield from (f"{name}.{each}" for each, _ in found if not each.startswith("_"))


def test_every_operation_that_is_offered_to_anyone_is_there_and_no_other():
    offered = {name for name, rule in TABLE.items() if rule.is_offered}

    assert set(operations()) - ONLY_HERE == offered - ALIASES
