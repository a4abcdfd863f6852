"""Carries out a plan through the same interface as the commands, one item after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from scout_control.api import rule_changes
from scout_control.api.connections import Connections
from scout_control.api.credentials import Credentials
from scout_control.api.datasets import Datasets
from scout_control.api.desired_state import account_tests, settings
from scout_control.api.desired_state.items import Key, Kind
from scout_control.api.desired_state.planning import Action
from scout_control.api.links import Links
from scout_control.api.projects import Projects
from scout_control.api.sources import Sources
from scout_control.errors import ControlError, ServerError
from scout_control.store.connection_urls import ConnectionUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scout_control.api.desired_state.items import Item
    from scout_control.api.desired_state.planning import Change, Plan
    from scout_control.installation.installation import Installation
    from scout_control.meltano.reports import Wait

DONE, FAILED, SKIPPED = "done", "failed", "skipped"
COLUMNS = ("base_url", "client_id")
"""Fields of a source that are not settings of its tap."""
RULED = {Kind.SOURCE, Kind.LINK}
BELONGING = {Kind.LINK, Kind.DATASET, Kind.CREDENTIAL}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one change of a plan ended."""

    change: Change
    status: str
    message: str = ""
    """Why it failed or was skipped, or what a person must still do."""
    is_repetition: bool = False
    """Whether the message of an earlier outcome covers this one: they share an account."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation."""
        return {**self.change.as_dict(), "status": self.status, "message": self.message}


def execute(
    installation: Installation,
    plan: Plan,
    on_outcome: Callable[[Outcome], None],
    on_test: Callable[[int], None] | None = None,
    on_wait: Callable[[str, Wait], None] = lambda *_: None,
) -> list[Outcome]:
    """Carry out a plan. A failure stops what depends on it, and nothing else.

    Args:
        installation: The installation.
        plan: The plan.
        on_outcome: Called after each change.
        on_test: Called with the number of accounts before they are tested at their sources; None:
            credentials are stored untested.
        on_wait: Called in threads, with a source that makes a test wait, and why.
    """
    steps = _Steps(installation, on_wait)
    failed: list[Key] = []
    outcomes = []
    for index, change in enumerate(plan.changes):
        cause = next((key for key in failed if _needs(change, key)), None)
        if steps.rejected is None and on_test and _stores_credential(change):
            # Now: what tests need, such as sources and links, comes before in a plan.
            steps.test(_testable(plan.changes[index:], failed), on_test)
        outcome = _skipped(change, cause) if cause else _attempt(steps, change)
        if outcome.status != DONE:
            failed.append(change.key)
        outcomes.append(outcome)
        on_outcome(outcome)
    return outcomes


def _stores_credential(change: Change) -> bool:
    return change.key.kind == Kind.CREDENTIAL and change.action != Action.REMOVE


def _testable(changes: Iterable[Change], failed: Sequence[Key]) -> list[list[Change]]:
    """Return the accounts that are stored unless a change that they need has failed."""
    return account_tests.accounts(
        each
        for each in changes
        if _stores_credential(each) and not any(_needs(each, key) for key in failed)
    )


def _attempt(steps: _Steps, change: Change) -> Outcome:
    try:
        message = steps.perform(change)
    except ControlError as error:
        is_repetition = change.key in steps.repeated
        return Outcome(
            change=change, status=FAILED, message=str(error), is_repetition=is_repetition
        )
    except psycopg.Error as error:
        message = str(ServerError.of_postgres(error, error.sqlstate))
        return Outcome(change=change, status=FAILED, message=message)
    return Outcome(change=change, status=DONE, message=message)


def _skipped(change: Change, cause: Key) -> Outcome:
    return Outcome(change=change, status=SKIPPED, message=f"It depends on the {cause}.")


def _needs(change: Change, other: Key) -> bool:
    """Return whether a change is impossible after that of another item has failed."""
    key = change.key
    if change.action == Action.REMOVE:
        if key.kind == Kind.CREDENTIAL:
            return other == Key(Kind.LINK, key.name)
        if other.kind in BELONGING:
            return key in {Key(Kind.PROJECT, other.project), Key(Kind.SOURCE, other.source)}
        return other.kind == Kind.PROJECT and key.kind == Kind.CONNECTION
    if key.kind == Kind.PROJECT and change.desired is not None:
        return other == Key(Kind.CONNECTION, change.desired.fields["connection"])
    if key.kind not in BELONGING:
        return False
    owners = {Key(Kind.PROJECT, key.project), Key(Kind.SOURCE, key.source)}
    if key.kind == Kind.DATASET:
        owners.add(Key(Kind.LINK, key.name))
    return other in owners


@dataclass
class _Steps:
    """What each kind of change does."""

    installation: Installation
    on_wait: Callable[[str, Wait], None]
    rejected: Mapping[Key, ControlError] | None = None
    """The credentials that failed the test; None before it."""
    repeated: frozenset[Key] = frozenset()
    """Those of them that share an account with an earlier one."""
    _connections: Connections = field(init=False)

    def __post_init__(self) -> None:
        self._connections = Connections(self.installation)
        self._sources = Sources(self.installation)
        self._links = Links(self.installation)
        self._projects = Projects(self.installation)
        self._datasets = Datasets(self.installation)
        self._credentials = Credentials(self.installation)

    def test(self, accounts: list[list[Change]], on_test: Callable[[int], None]) -> None:
        """Test accounts at their sources."""
        on_test(len(accounts))
        self.rejected = account_tests.failures(self.installation, accounts, self.on_wait)
        others = frozenset(change.key for account in accounts for change in account[1:])
        self.repeated = others & self.rejected.keys()

    def perform(self, change: Change) -> str:
        """Make a change; return what a person must still do."""
        if change.action == Action.REMOVE:
            return self._remove(change.key)
        if change.desired is not None:
            steps = {
                Kind.CONNECTION: self._put_connection,
                Kind.SOURCE: self._put_source,
                Kind.PROJECT: self._put_project,
                Kind.LINK: self._put_link,
                Kind.DATASET: self._put_dataset,
                Kind.CREDENTIAL: self._put_credential,
            }
            is_ruled = change.action == Action.CHANGE and change.key.kind in RULED
            before = self._rules(change.key) if is_ruled else {}
            steps[change.key.kind](change, change.desired)
            if is_ruled:
                after = self._rules(change.key)
                return rule_changes.summary(rule_changes.notes(self.installation, before, after))
        return ""

    def _rules(self, key: Key) -> rule_changes.Rules:
        if key.kind == Kind.SOURCE:
            return rule_changes.read(self.installation, key.name)
        return rule_changes.read(self.installation, key.source, key.project)

    def _put_connection(self, change: Change, item: Item) -> None:
        name, description = change.key.name, item.fields["description"]
        if change.action == Action.ADD:
            self._connections.add(name, _url(item), description=description)
            return
        is_description_only = {each.name for each in change.fields} <= {"description"}
        url = None if is_description_only and not change.secrets else _url(item)
        unset = [] if url is None else _removed_parameters(change)
        self._connections.update(name, url=url, description=description, unset=unset)

    def _put_source(self, change: Change, item: Item) -> None:
        fields = item.fields
        values: dict[str, Any] = {
            "base_url": fields["base_url"],
            "config": settings.to_stored(fields),
            "client_id": fields["client_id"],
            "client_secret": (item.secrets or {}).get("client_secret"),
        }
        # Its links supply what it lacks, which was checked.
        values["may_be_incomplete"] = True
        if change.action == Action.ADD:
            self._sources.add(change.key.name, fields["type"], **values)
        else:
            if not change.secrets:
                values["client_secret"] = None
            self._sources.update(change.key.name, **values, unset=_unset(change))

    def _put_project(self, change: Change, item: Item) -> None:
        put = self._projects.create if change.action == Action.ADD else self._projects.update
        put(change.key.name, **item.fields)

    def _put_link(self, change: Change, item: Item) -> None:
        fields = item.fields
        self._links.ensure(
            change.key.project,
            change.key.source,
            mode=fields["mode"],
            interval_hours=fields["interval"],
            config=settings.to_stored(fields),
            unset=_unset(change),
        )

    def _put_dataset(self, change: Change, item: Item) -> None:
        path, changed = change.key.name, {each.name: each.new for each in change.fields}
        if change.action == Action.ADD:
            path = self._datasets.ensure(change.key.project, change.key.source).path
        if "readers" in changed:
            self._datasets.share(path, item.fields["readers"])
        if "keep" in changed:
            self._datasets.update(path, keep=item.fields["keep"] or "default")
        if "alias" in changed:
            self._datasets.update(path, alias=item.fields["alias"])
        if "paused" in changed:
            self._datasets.pause(path, is_paused=item.fields["paused"])

    def _put_credential(self, change: Change, item: Item) -> None:
        if error := (self.rejected or {}).get(change.key):
            raise error
        self._credentials.save(
            change.key.source,
            item.fields["kind"],
            item.secrets or {},
            project=change.key.project,
        )

    def _remove(self, key: Key) -> str:
        if key.kind == Kind.CREDENTIAL:
            self._credentials.revoke(key.source, project=key.project)
        elif key.kind == Kind.LINK:
            self._links.remove(key.project, key.source, drop=True)
        elif key.kind == Kind.PROJECT:
            self._projects.remove(key.name)
        elif key.kind == Kind.CONNECTION:
            self._connections.remove(key.name)
        elif not_revoked := self._sources.remove(key.name):
            return f"Revoke these tokens at the source: {', '.join(not_revoked)}."
        return ""


def _unset(change: Change) -> list[str]:
    """Return the fields and settings that go back to their defaults."""
    if change.actual is None or change.desired is None:
        return []
    old, new = change.actual.fields, change.desired.fields
    stored = settings.to_stored(new)
    removed = [name for name in settings.to_stored(old) if name not in stored]
    return removed + [name for name in COLUMNS if old.get(name) and not new.get(name)]


def _url(item: Item) -> str:
    """Return the URL of a connection."""
    fields, login = item.fields, item.secrets or {}
    names = ("host", "port", "database", "sslmode", "parameters")
    parts = {name: fields[name] for name in names}
    return ConnectionUrl(user=login["user"], password=login["password"], **parts).compose()


def _removed_parameters(change: Change) -> list[str]:
    """Return the parameters of a connection that its new URL does not have."""
    old, new = change.actual, change.desired
    if old is None or new is None:
        return []
    gone = [name for name in old.fields["parameters"] if name not in new.fields["parameters"]]
    return gone if new.fields["sslmode"] else ["sslmode", *gone]
