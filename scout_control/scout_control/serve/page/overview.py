"""What the page of data sources shows, in the order in which people need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.rules.credential_kinds import OAUTH
from scout_control.serve.page import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.access.access import Access
    from scout_control.api.views import Link
    from scout_control.serve.page.progress import Progress

    Row = Mapping[str, Any]

USER_MODE = "user"
MOST = 500


@dataclass(frozen=True, kw_only=True)
class Use:
    """The use of a source by a project, and what the person may do next."""

    project: str
    is_mine: bool
    """Whether each member connects their own account."""
    credential: Row | None
    """The account that it is read with: the project's, or the person's."""
    dataset: str | None
    """The id of what is synced for the project, or for the person."""
    may_connect: bool
    may_start: bool

    @property
    def needs_account(self) -> bool:
        """Whether an account has to be connected, or connected again."""
        return self.credential is None or self.credential["status"] == "needs reconnect"


@dataclass(frozen=True, kw_only=True)
class Available:
    """A source, and its uses."""

    name: str
    kind: str
    label: str
    address: str | None
    is_oauth: bool
    uses: tuple[Use, ...]


@dataclass(frozen=True, kw_only=True)
class Account:
    """A connected account."""

    row: Row
    may_disconnect: bool


@dataclass(frozen=True, kw_only=True)
class Synced:
    """A dataset, and what its active run does."""

    row: Row
    progress: Progress | None
    may_load: bool

    @property
    def rows(self) -> int:
        """All rows of its tables."""
        return sum(each for each in self.row["row_counts"].values() if isinstance(each, int))


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All three parts of the page."""

    available: tuple[Available, ...]
    accounts: tuple[Account, ...]
    synced: tuple[Synced, ...]
    joinable: tuple[str, ...]
    """Projects of which an operator may become a member."""
    is_member: bool

    @property
    def is_active(self) -> bool:
        """Whether anything changes soon."""
        return any(each.progress is not None for each in self.synced)


def load(access: Access) -> Overview:
    """Return what a person sees of the data sources."""
    status = access.status()
    me = access.people.me()
    data, credentials = status.synced_data, status.credentials
    links: dict[str, list[Link]] = {}
    for link in access.links.list(limit=MOST).items:
        links.setdefault(link.source, []).append(link)
    found = _Facts(access, me.id, credentials, data)
    projects = [each.id for each in access.projects.list(limit=MOST).items]
    return Overview(
        available=tuple(
            _available(found, row, links.get(row["name"], [])) for row in status.available_sources
        ),
        accounts=tuple(
            Account(row=each, may_disconnect=found.may("credentials.revoke", each))
            for each in credentials
        ),
        synced=tuple(_synced(found, each) for each in data),
        joinable=tuple(each for each in projects if each not in me.projects),
        is_member=bool(me.projects),
    )


def of_dataset(access: Access, row: Row) -> Synced:
    """Return what a person sees of one dataset."""
    return _synced(_Facts(access, access.identity.person, (), (row,)), row)


@dataclass(frozen=True)
class _Facts:
    """What the rows are made from."""

    access: Access
    person: str
    credentials: Sequence[Row]
    data: Sequence[Row]

    def may(self, operation: str, row: Row) -> bool:
        """Return whether the person may do something with what a project or a user owns."""
        return self.access.may(operation, project=row["project"], user=row["user"])


def _available(facts: _Facts, row: Row, links: Sequence[Link]) -> Available:
    name = row["name"]
    label = facts.access.credentials.source_type(name).label
    return Available(
        name=name,
        kind=row["source_type"],
        label=label,
        address=row["base_url"],
        is_oauth=facts.access.credentials.default_kind(name) == OAUTH,
        uses=tuple(_use(facts, each) for each in links),
    )


def _use(facts: _Facts, link: Link) -> Use:
    is_mine = link.credential_mode == USER_MODE
    owner = (None, facts.person) if is_mine else (link.project, None)
    user = facts.person if is_mine else None

    def is_its_credential(each: Row) -> bool:
        return each["source"] == link.source and (each["project"], each["user"]) == owner

    def is_its_dataset(each: Row) -> bool:
        place = (each["project"], each["source"], each["user"])
        return place == (link.project, link.source, user)

    return Use(
        project=link.project,
        is_mine=is_mine,
        credential=next(filter(is_its_credential, facts.credentials), None),
        dataset=next((each["id"] for each in facts.data if is_its_dataset(each)), None),
        may_connect=facts.access.may("credentials.save", project=owner[0], user=owner[1]),
        may_start=facts.access.may("datasets.ensure", project=link.project, user=user),
    )


def _synced(facts: _Facts, row: Row) -> Synced:
    run = row["run"]
    return Synced(
        row=row,
        progress=None if run is None else progress.of_run(run),
        may_load=facts.may("runs.queue", row),
    )
