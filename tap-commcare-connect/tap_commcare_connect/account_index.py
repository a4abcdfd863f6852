"""What the account can see: organizations, programs and opportunities; and filters for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
from tap_common import notices, settings
from tap_common.client import ApiClient
from tap_common.errors import ApiError, CredentialRefusedError, ForbiddenError, SettingsError
from tap_common.json_decoder import JsonDecoder
from tap_common.raw_converters import NULL, RawRow
from tap_common.suggestions import with_suggestions

from tap_commcare_connect.client import ACCOUNT_INDEX_PATH, HEADERS, account_name


class OpportunitySummary(msgspec.Struct):
    """The properties of a listed opportunity on which reading it depends."""

    id: int
    organization: str | None = None
    program: int | None = None
    visit_count: int | None = None
    is_active: bool | None = None


class Document(msgspec.Struct):
    """The response that lists everything the account can see."""

    organizations: list[dict[str, msgspec.Raw]]
    opportunities: list[msgspec.Raw]
    programs: list[dict[str, msgspec.Raw]]


DECODE = JsonDecoder(Document, "the lists organizations, opportunities and programs")
DECODE_SUMMARY = JsonDecoder(
    OpportunitySummary, "opportunities with id, organization, program and visit_count"
)
DECODE_ROW = JsonDecoder(dict[str, msgspec.Raw], "opportunities that are objects")

log = logging.getLogger(__name__)

_id = attrgetter("id")


@dataclass(frozen=True)
class Opportunity:
    """An opportunity that is to be read."""

    summary: OpportunitySummary
    row: RawRow

    @property
    def id(self) -> int:
        """Its id."""
        return self.summary.id


@dataclass(frozen=True)
class Filters:
    """The selected opportunities; an empty set means all."""

    opportunity_ids: frozenset[int]
    organization_slugs: frozenset[str]
    program_ids: frozenset[int]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Filters:
        """Return the filters in the settings.

        Raises:
            SettingsError: An id is not a number.
        """
        return cls(
            _numbers(config, "opportunity_ids"),
            frozenset(settings.text_list(config, "organization_slugs")),
            _numbers(config, "program_ids"),
        )

    def accepts(self, summary: OpportunitySummary) -> bool:
        """Return whether an opportunity is selected."""
        conditions = (
            (self.opportunity_ids, summary.id),
            (self.organization_slugs, summary.organization),
            (self.program_ids, summary.program),
        )
        return all(not wanted or value in wanted for wanted, value in conditions)

    @property
    def scope(self) -> list[list[Any]]:
        """The filters in the format of the state; progress is not valid under other filters."""
        sets = (self.opportunity_ids, self.organization_slugs, self.program_ids)
        return [sorted(wanted) for wanted in sets] if any(sets) else []


def _numbers(config: Mapping[str, Any], name: str) -> frozenset[int]:
    try:
        return frozenset(int(text) for text in settings.text_list(config, name))
    except ValueError:
        raise SettingsError(f"{name} must be a list of ids.", "Ids are numbers.") from None


@dataclass(frozen=True)
class AccountIndex:
    """The organizations, programs and selected opportunities of the account."""

    organizations: Sequence[RawRow]
    programs: Sequence[RawRow]
    opportunities: Sequence[Opportunity]
    not_listed: Sequence[int]
    """Opportunities in the settings that the account cannot see."""


@dataclass
class AccountIndexLoader:
    """Requests the account index once, however many streams need it, because it is slow."""

    client: ApiClient
    filters: Filters
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _result: AccountIndex | ApiError | None = None

    def get(self) -> AccountIndex:
        """Return the account index.

        Raises:
            ApiError: It could not be read; the same error for all callers.
        """
        with self._lock:
            if self._result is None:
                self._result = _result_or_error(self._read)
        if isinstance(self._result, ApiError):
            raise self._result
        return self._result

    def _read(self) -> AccountIndex:
        domain = account_name(self.client.base_url)
        try:
            response = self.client.get(ACCOUNT_INDEX_PATH, (), domain, self._decode, HEADERS)
        except ForbiddenError as error:
            # Without the index nothing can be read, so this concerns the credential as a whole.
            raise CredentialRefusedError(error.cause, error.remedy) from None
        return response.value

    def _decode(self, body: bytes) -> AccountIndex:
        document = DECODE(body)
        rows = [
            Opportunity(DECODE_SUMMARY(raw), DECODE_ROW(raw))
            for raw in map(bytes, document.opportunities)
        ]
        # An opportunity is listed twice if two memberships give access to it.
        listed = {opportunity.id: opportunity for opportunity in rows}
        self._warn_about_missing(document, listed.values())
        wanted = sorted((o for o in listed.values() if self.filters.accepts(o.summary)), key=_id)
        slugs, ids = self.filters.organization_slugs, self.filters.program_ids
        return AccountIndex(
            [row for row in document.organizations if _is_one_of(row, "slug", slugs)],
            [row for row in document.programs if _is_one_of(row, "id", ids)],
            wanted,
            sorted(self.filters.opportunity_ids - listed.keys()),
        )

    def _warn_about_missing(self, document: Document, listed: Collection[Opportunity]) -> None:
        """Warn of filters for what the account does not see: nothing is read for them."""
        organizations = {*_values(document.organizations, "slug")}
        organizations |= {str(each.summary.organization) for each in listed}
        programs = {*_values(document.programs, "id")}
        programs |= {str(each.summary.program) for each in listed}
        if slugs := self.filters.organization_slugs - organizations:
            names = with_suggestions(slugs, organizations)
            notices.warn(log, "organization_slugs: the account sees no organization %s", names)
        if ids := set(map(str, self.filters.program_ids)) - programs:
            notices.warn(log, "program_ids: the account sees no program %s", ", ".join(sorted(ids)))


def _values(rows: Iterable[RawRow], name: str) -> Iterable[str]:
    return (str(msgspec.json.decode(row.get(name, NULL))) for row in rows)


def _is_one_of(row: RawRow, name: str, wanted: frozenset[Any]) -> bool:
    return not wanted or msgspec.json.decode(row.get(name, NULL)) in wanted


def _result_or_error(read: Callable[[], AccountIndex]) -> AccountIndex | ApiError:
    try:
        return read()
    except ApiError as error:
        return error
