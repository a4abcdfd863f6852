"""What the login sees, asked once a run: organizations, programs, opportunities. And filters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
from tap_common import settings
from tap_common.client import ApiClient
from tap_common.errors import ApiError, CredentialRefusedError, ForbiddenError, SettingsError
from tap_common.json_decoder import JsonDecoder

from tap_commcare_connect import client
from tap_commcare_connect.values import NULL, Row


class OpportunitySummary(msgspec.Struct):
    """What is needed of a listed opportunity."""

    id: int
    organization: str | None = None
    program: int | None = None
    visit_count: int | None = None
    is_active: bool | None = None


class Document(msgspec.Struct):
    """The one document that lists everything."""

    organizations: list[dict[str, msgspec.Raw]]
    opportunities: list[msgspec.Raw]
    programs: list[dict[str, msgspec.Raw]]


DOCUMENT = JsonDecoder(Document, "the lists organizations, opportunities and programs")
FACTS = JsonDecoder(
    OpportunitySummary, "opportunities with id, organization, program and visit_count"
)
ROW = JsonDecoder(dict[str, msgspec.Raw], "opportunities that are objects")

_id = attrgetter("id")


@dataclass(frozen=True)
class Opportunity:
    """An opportunity that is to be read."""

    facts: OpportunitySummary
    row: Row

    @property
    def id(self) -> int:
        """Its id."""
        return self.facts.id


@dataclass(frozen=True)
class Filters:
    """Which opportunities are wanted; empty means all."""

    opportunity_ids: frozenset[int]
    organization_slugs: frozenset[str]
    program_ids: frozenset[int]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Filters:
        """Return the filters of the settings.

        Raises:
            SettingsError: An id is no number.
        """
        return cls(
            _numbers(config, "opportunity_ids"),
            frozenset(settings.text_list(config, "organization_slugs")),
            _numbers(config, "program_ids"),
        )

    def wants(self, facts: OpportunitySummary) -> bool:
        """Tell whether an opportunity is wanted."""
        chosen = (
            (self.opportunity_ids, facts.id),
            (self.organization_slugs, facts.organization),
            (self.program_ids, facts.program),
        )
        return all(not wanted or value in wanted for wanted, value in chosen)

    @property
    def scope(self) -> list[list[Any]]:
        """What is remembered of the filters: under others, what was read means nothing."""
        named = (self.opportunity_ids, self.organization_slugs, self.program_ids)
        return [sorted(wanted) for wanted in named] if any(named) else []


def _numbers(config: Mapping[str, Any], name: str) -> frozenset[int]:
    try:
        return frozenset(int(text) for text in settings.text_list(config, name))
    except ValueError:
        raise SettingsError(f"{name} holds something else than ids.", "Ids are numbers.") from None


@dataclass(frozen=True)
class AccountIndex:
    """What is to be read."""

    organizations: Sequence[Row]
    programs: Sequence[Row]
    opportunities: Sequence[Opportunity]
    lost: Sequence[int]
    """Opportunities that the settings name and the login does not see."""


@dataclass
class AccountIndexCache:
    """Asks for the list of everything once, however many streams need it: it is slow."""

    api: ApiClient
    filters: Filters
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: AccountIndex | ApiError | None = None

    def get(self) -> AccountIndex:
        """Return what is to be read.

        Raises:
            ApiError: The list could not be read; for all who need it.
        """
        with self._lock:
            if self._known is None:
                self._known = _or_error(self._read)
        if isinstance(self._known, ApiError):
            raise self._known
        return self._known

    def _read(self) -> AccountIndex:
        domain = client.account(self.api.base_url)
        try:
            document = self.api.get(
                client.ACCOUNT_INDEX_PATH, (), domain, self._parse, client.HEADERS
            ).value
        except ForbiddenError as error:
            # Nothing at all can be read: this is the login, not a part.
            raise CredentialRefusedError(error.cause, error.remedy) from None
        return document

    def _parse(self, body: bytes) -> AccountIndex:
        document = DOCUMENT(body)
        rows = [Opportunity(FACTS(raw), ROW(raw)) for raw in map(bytes, document.opportunities)]
        # An opportunity that two memberships show may be listed twice.
        listed = {opportunity.id: opportunity for opportunity in rows}
        wanted = sorted((o for o in listed.values() if self.filters.wants(o.facts)), key=_id)
        unseen = self.filters.opportunity_ids - listed.keys()
        slugs, ids = self.filters.organization_slugs, self.filters.program_ids
        return AccountIndex(
            [row for row in document.organizations if _is_one_of(row, "slug", slugs)],
            [row for row in document.programs if _is_one_of(row, "id", ids)],
            wanted,
            sorted(unseen),
        )


def _is_one_of(row: Row, name: str, wanted: frozenset[Any]) -> bool:
    return not wanted or msgspec.json.decode(row.get(name, NULL)) in wanted


def _or_error(read: Callable[[], AccountIndex]) -> AccountIndex | ApiError:
    try:
        return read()
    except ApiError as error:
        return error
