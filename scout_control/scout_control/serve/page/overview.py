"""What the page of data sources shows, in the order in which people need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from scout_control.rules.credential_kinds import OAUTH
from scout_control.serve.page import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scout_control.access.grants import Grants
    from scout_control.api.views import Link, Project
    from scout_control.meltano.project import SourceType
    from scout_control.serve.page.progress import Progress
    from scout_control.serve.page.visits import Visit

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
    needs_credential: bool
    may_connect: bool
    may_start: bool

    @property
    def needs_account(self) -> bool:
        """Whether an account has to be connected, or connected again."""
        if self.credential is None:
            return self.needs_credential
        return bool(self.credential["status"] == "needs reconnect")


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
    may_connect: bool


@dataclass(frozen=True, kw_only=True)
class Synced:
    """A dataset, and what its active run does."""

    row: Row
    progress: Progress | None
    may_load: bool
    reconnect: str | None = None
    """Where the person connects its account again, if that is needed."""

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


def load(visit: Visit) -> Overview:
    """Return what a person sees of the data sources."""
    access, grants = visit.access, visit.grants
    status = access.status()
    data, credentials = status.synced_data, status.credentials
    projects = access.projects.list(limit=MOST).items if visit.is_operator else ()
    links: dict[str, list[Link]] = {}
    for link in access.links.list(limit=MOST).items:
        links.setdefault(link.source, []).append(link)
    types = {each.name: each for each in access.sources.types()}
    facts = _Facts(grants, credentials, data)
    kinds = {
        row["name"]: _is_oauth(types.get(row["source_type"]), row["oauth_client_id"])
        for row in status.available_sources
    }
    return Overview(
        available=tuple(
            _available(facts, row, types.get(row["source_type"]), links.get(row["name"], []))
            for row in status.available_sources
        ),
        accounts=tuple(_account(facts, each) for each in credentials),
        synced=tuple(of_dataset(grants, each, kinds.get(each["source"])) for each in data),
        joinable=joinable(grants, projects),
        is_member=bool(grants.projects),
    )


def of_dataset(grants: Grants, row: Row, is_oauth: bool | None = None) -> Synced:
    """Return what a person sees of one dataset.

    Args:
        grants: What they may do.
        row: Its status.
        is_oauth: Whether its account is connected by signing in at the source; None if unknown.
    """
    run, may_reconnect = row["run"], row["needs_reconnect"] and _may_connect(grants, row)
    return Synced(
        row=row,
        progress=None if run is None else progress.of_run(run),
        may_load=grants.may("runs.queue", project=row["project"], user=row["user"]),
        reconnect=connect_place(row, is_oauth=bool(is_oauth)) if may_reconnect else None,
    )


def connect_place(row: Row, *, is_oauth: bool) -> str:
    """Return where an account is connected: that of a dataset, a use, or a credential."""
    owner = {} if row["user"] else {"project": row["project"]}
    query = urlencode({"source": row["source"], **owner})
    return f"/api/datasources/oauth/start/?{query}&next=/" if is_oauth else f"/connect/?{query}"


def _may_connect(grants: Grants, row: Row) -> bool:
    owner = (None, row["user"]) if row["user"] else (row["project"], None)
    return grants.may("credentials.save", project=owner[0], user=owner[1])


def _is_oauth(source_type: SourceType | None, client_id: str | None) -> bool:
    """Return whether an account is best connected by signing in at the source."""
    kinds = source_type.credential_kinds if source_type else ()
    usable = [each for each in kinds if each != OAUTH or client_id]
    return usable[:1] == [OAUTH]


def joinable(grants: Grants, projects: Iterable[Project]) -> tuple[str, ...]:
    """Return the projects of which a person may make themselves a member."""
    person = grants.viewer.person_id
    return tuple(
        each.id
        for each in projects
        if each.id not in grants.projects
        and grants.may("members.add", project=each.id, user=person)
    )


@dataclass(frozen=True)
class _Facts:
    """What the rows are made from."""

    grants: Grants
    credentials: Sequence[Row]
    data: Sequence[Row]


def _account(facts: _Facts, row: Row) -> Account:
    owner = {"project": row["project"], "user": row["user"]}
    return Account(
        row=row,
        may_disconnect=facts.grants.may("credentials.revoke", **owner),
        may_connect=facts.grants.may("credentials.save", **owner),
    )


def _available(
    facts: _Facts, row: Row, found: SourceType | None, links: Sequence[Link]
) -> Available:
    return Available(
        name=row["name"],
        kind=row["source_type"],
        label=found.label if found else row["source_type"],
        address=row["base_url"],
        is_oauth=_is_oauth(found, row["oauth_client_id"]),
        uses=tuple(_use(facts, each, found) for each in links),
    )


def _use(facts: _Facts, link: Link, source_type: SourceType | None) -> Use:
    is_mine, person = link.credential_mode == USER_MODE, facts.grants.viewer.person_id
    owner = (None, person) if is_mine else (link.project, None)
    user = person if is_mine else None

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
        needs_credential=source_type is None or source_type.needs_credential,
        may_connect=facts.grants.may("credentials.save", project=owner[0], user=owner[1]),
        may_start=facts.grants.may("datasets.ensure", project=link.project, user=user),
    )
