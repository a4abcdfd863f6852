"""Compares a desired with an actual state: a pure function, whose result is the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.api.desired_state.items import Item, Key, Kind
from scout_control.rules import lost_accounts
from scout_control.rules.credential_kinds import NEEDS_RECONNECT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from scout_control.api.desired_state.items import State
    from scout_control.rules.lost_accounts import Account

OWNERS = {Kind.PROJECT, Kind.SOURCE, Kind.CONNECTION}
ORDER = list(Kind)
# Before a project or source: what belongs to it. A dataset is removed with its link; before their
# credential, so that a dataset that is busy keeps it.
REMOVAL_ORDER = (Kind.LINK, Kind.CREDENTIAL, Kind.PROJECT, Kind.SOURCE, Kind.CONNECTION)
# A source may accept again what it rejected once: only another test tells.
RETRIED = ("status", NEEDS_RECONNECT, "connected")
STAYS = "{} stays: what these files do not describe still uses it."


class Action(StrEnum):
    """What happens to an item; the value is its mark in a plan."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """A public field before and after; None where it is absent."""

    name: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of a plan."""

    action: Action
    key: Key
    fields: tuple[FieldChange, ...] = ()
    secrets: tuple[str, ...] = ()
    """Names of the secrets that are set or changed."""
    data: str = ""
    """The data that is dropped."""
    desired: Item | None = field(default=None, repr=False)
    actual: Item | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation, in which a secret is a name only."""
        action = {Action.ADD: "add", Action.CHANGE: "change", Action.REMOVE: "remove"}
        return {
            "action": action[self.action],
            "kind": str(self.key.kind),
            "name": self.key.name,
            "fields": {each.name: [each.old, each.new] for each in self.fields},
            "secrets": dict.fromkeys(self.secrets, "changed"),
            "drops": self.data,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that must be done, in its order, and notes for people."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What may be mistaken; applying says it, too, of each change."""

    @property
    def removals(self) -> tuple[Change, ...]:
        """The changes that remove something."""
        return tuple(each for each in self.changes if each.action == Action.REMOVE)

    @property
    def busy(self) -> tuple[Change, ...]:
        """The removals for which a run in progress must end first."""
        return tuple(each for each in self.removals if each.actual and each.actual.busy_with)

    def count(self, action: Action) -> int:
        """Return the number of changes of one kind."""
        return sum(each.action == action for each in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation."""
        return {
            "has_changes": bool(self.changes),
            "changes": [each.as_dict() for each in self.changes],
            "notes": [*self.warnings, *self.notes],
        }


def make_plan(
    desired: State, actual: State, is_prunable: Callable[[Key], bool] = lambda _: False
) -> Plan:
    """Return what leads from the actual to the desired state.

    Args:
        desired: What the files describe.
        actual: What there is.
        is_prunable: Whether an item that the files do not describe is to be removed.
    """
    made = [
        change
        for key in sorted(desired, key=lambda each: ORDER.index(each.kind))
        if (change := _compare(key, desired[key], actual.get(key))) is not None
    ]
    removed, blocked = _removed(desired, actual, is_prunable)
    removals = [
        Change(action=Action.REMOVE, key=key, data=actual[key].data, actual=actual[key])
        for kind in REMOVAL_ORDER
        for key in removed
        if key.kind == kind
    ]
    notes = [
        *_notes_on_lost_accounts(desired, actual, {*removed}),
        *_notes_on_credentials(desired, actual),
        *map(STAYS.format, blocked),
        *_notes_on_runs(removals),
    ]
    return Plan(changes=(*made, *removals), notes=tuple(notes))


def _compare(key: Key, desired: Item, actual: Item | None) -> Change | None:
    if key.kind == Kind.CREDENTIAL and not desired.secrets:
        return None  # a person connects it
    if actual is None or not actual.is_active:
        return Change(
            action=Action.ADD,
            key=key,
            fields=tuple(_changed_fields(desired.fields, {})),
            secrets=tuple(desired.secrets or ()),
            desired=desired,
            actual=actual,
        )
    fields = tuple(_changed_fields(desired.fields, actual.fields))
    if actual.is_rejected:
        name, old, new = RETRIED
        fields += (FieldChange(name=name, old=old, new=new),)
    secrets = _changed_secrets(desired, actual)
    if not fields and not secrets:
        return None
    return Change(
        action=Action.CHANGE,
        key=key,
        fields=fields,
        secrets=secrets,
        desired=desired,
        actual=actual,
    )


def _changed_fields(desired: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Yield the fields that differ; of a mapping (settings), its entries."""
    for name, new in desired.items():
        old = actual.get(name)
        if isinstance(new, dict):
            yield from _changed_entries(name, new, old or {})
        elif old != new and (old or new):
            yield FieldChange(name=name, old=old, new=new)


def _changed_entries(
    field_name: str, new: Mapping[str, Any], old: Mapping[str, Any]
) -> Iterator[FieldChange]:
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old or name not in new or old[name] != new[name]:
            name_of_entry = f"{field_name}.{name}"
            yield FieldChange(name=name_of_entry, old=old.get(name), new=new.get(name))


def _changed_secrets(desired: Item, actual: Item) -> tuple[str, ...]:
    """Return the names of the secrets to store; all where the old ones are of no use any longer."""
    if not desired.secrets:
        return ()
    if actual.secrets is None or (actual.secrets and dict(actual.address) != dict(desired.address)):
        return tuple(desired.secrets)
    names = {**desired.secrets, **actual.secrets}
    return tuple(name for name in names if desired.secrets.get(name) != actual.secrets.get(name))


def _removed(
    desired: State, actual: State, is_prunable: Callable[[Key], bool]
) -> tuple[dict[Key, None], list[Key]]:
    """Return what is removed, with what belongs to it, and what stays because it is in use."""
    unnamed = [
        key
        for key, item in actual.items()
        if key not in desired and not item.is_kept and is_prunable(key)
    ]
    projects = {key.name for key in unnamed if key.kind == Kind.PROJECT}
    links = {
        key: None
        for key, item in actual.items()
        if key.kind == Kind.LINK
        # One that was ended may still have data, such as after a removal that failed half-way.
        and (key.project in projects or (key in unnamed and (item.is_active or item.data)))
    }
    used = _used(desired, actual, {*links, *unnamed})
    owners = {key: None for key in unnamed if key.kind in OWNERS and key not in used}
    credentials = {
        key: None
        for key in actual
        if key.kind == Kind.CREDENTIAL and (key in unnamed or owners.keys() & _owners(key))
    }
    return {**credentials, **links, **owners}, [key for key in unnamed if key in used]


def _used(desired: State, actual: State, removed: set[Key]) -> set[Key]:
    """Return the sources of the links that stay, and the connections of the projects that do."""
    used: set[Key] = set()
    for key, item in {**actual, **desired}.items():
        if key in removed:
            continue
        if key.kind == Kind.LINK:
            used.add(Key(Kind.SOURCE, key.source))
        if key.kind == Kind.PROJECT:
            used.add(Key(Kind.CONNECTION, item.fields["connection"]))
    return used


def _owners(credential: Key) -> set[Key]:
    return {Key(Kind.PROJECT, credential.project), Key(Kind.SOURCE, credential.source)}


def _notes_on_runs(removals: Sequence[Change]) -> Iterator[str]:
    for change in removals:
        if change.actual and (run := change.actual.busy_with):
            yield (
                f"A run of {change.key.name} is in progress: this plan cannot be applied before it "
                f"has ended. To end it now: scout runs cancel {run}"
            )


def _notes_on_lost_accounts(
    desired: State, actual: State, removed: Collection[Key]
) -> Iterator[str]:
    """Tell which accounts a new address disconnects that the files do not connect again."""
    for key, item in desired.items():
        found = actual.get(key)
        if key.kind != Kind.SOURCE or found is None or dict(found.address) == dict(item.address):
            continue
        if lost := [each for each in found.accounts if not _is_stored(each, desired, removed)]:
            yield f"{lost_accounts.text(lost)} Next: {lost[0].command}"


def _is_stored(account: Account, desired: State, removed: Collection[Key]) -> bool:
    """Return whether applying stores an account again, or removes it."""
    key = Key.of(Kind.CREDENTIAL, account.name, account.source)
    if account.owner != "project":
        return False
    return key in removed or (key in desired and bool(desired[key].secrets))


def _notes_on_credentials(desired: State, actual: State) -> Iterator[str]:
    for key, item in desired.items():
        if key.kind != Kind.CREDENTIAL:
            continue
        found = actual.get(key)
        is_connected = (
            found is not None
            and not found.is_rejected
            and found.fields.get("kind") == item.fields.get("kind")
        )
        if not item.secrets and not is_connected:
            yield (
                f"A person must connect: scout credentials connect {quote(key.source)} "
                f"--project {quote(key.project)}"
            )
