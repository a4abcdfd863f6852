"""Opportunities by themselves: what the list does not say, their modules and payment units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from tap_common.client import ApiClient
from tap_common.errors import UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder
from tap_common.messages import AnyRecord
from tap_common.sync import Run
from typing_extensions import override

from tap_commcare_connect import client
from tap_commcare_connect.account_index import Opportunity
from tap_commcare_connect.incremental.opportunity_sync import OpportunitySync
from tap_commcare_connect.pagination.fast_pages import value_in
from tap_commcare_connect.pagination.keyset import KeysetList
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.values import NULL, Row, is_there


class App(msgspec.Struct):
    """What is needed of a learn or deliver app."""

    learn_modules: list[dict[str, msgspec.Raw]]
    id: int | None = None


class Claim(msgspec.Struct):
    """What a worker's claim says of a payment unit."""

    payment_unit: int | None = None
    payment_unit_id: str | None = None


DETAIL = JsonDecoder(dict[str, msgspec.Raw], "an object")
APP = JsonDecoder(App, "apps with a list learn_modules")
UNITS = JsonDecoder(list[dict[str, msgspec.Raw]], "a list payment_units")
CLAIMS = JsonDecoder(list[Claim], "claim_limits with payment units")


@dataclass
class OpportunityDetailSync(OpportunitySync):
    """Reads each opportunity's detail; the streams of the details are complete together.

    The payment units of a detail may be missing although there are some. Then those that workers
    have claimed are taken: their ids, and no more.
    """

    api: ApiClient = field(kw_only=True)
    workers_of: Callable[[int], KeysetList] = field(kw_only=True)

    @override
    def read(self, run: Run, opportunity: Opportunity) -> None:
        records = list(self._records(opportunity))
        self.write(run, opportunity.id, records, None)

    @override
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        found = self._records(opportunity)
        return {stream.name: list(records)[:limit] for stream, records in found}

    def _records(self, opportunity: Opportunity) -> Iterator[tuple[ConnectStream, list[AnyRecord]]]:
        domain = client.account(self.api.base_url)
        path = client.path(opportunity.id)
        detail = self.api.get(path, (), domain, _checked(opportunity.id), client.HEADERS).value
        for stream in self.members:
            rows = self._rows_of(stream.name, opportunity, detail)
            owner = opportunity.id if stream.is_of_opportunity else None
            yield stream, list(stream.records(rows, owner))

    def _rows_of(self, name: str, opportunity: Opportunity, detail: Row) -> list[Row]:
        if name == "opportunities":
            return [{**opportunity.row, **detail}]
        if name == "learn_modules":
            return _modules(detail)
        return _units(detail) or self._claimed(opportunity.id)

    def _claimed(self, opportunity: int) -> list[Row]:
        source = self.workers_of(opportunity)
        claimed: dict[str, int | None] = {}
        after: int | None = None
        while True:
            page = source.page(after)
            for row in page.rows:
                claimed |= _claims(row)
            after = page.last_id
            if after is None:
                return [
                    {"payment_unit_id": _raw(unit), "id": _raw(number)}
                    for unit, number in claimed.items()
                ]


def _checked(opportunity: int) -> Callable[[bytes], Row]:
    def read(body: bytes) -> Row:
        detail = DETAIL(body)
        if bytes(detail.get("id", NULL)) != b"%d" % opportunity:
            raise UnexpectedResponseError("it holds another opportunity, or none.")
        return detail

    return read


def _modules(detail: Row) -> list[Row]:
    rows: list[Row] = []
    for name in ("learn_app", "deliver_app"):
        if is_there(raw := detail.get(name, NULL)):
            app = APP(bytes(raw))
            rows += [{**module, "app": _raw(app.id)} for module in app.learn_modules]
    return rows


def _claims(row: Row | msgspec.Struct) -> dict[str, int | None]:
    raw = value_in(row, "claim_limits")
    claims = CLAIMS(bytes(raw)) if is_there(raw) else []
    return {claim.payment_unit_id: claim.payment_unit for claim in claims if claim.payment_unit_id}


def _units(detail: Row) -> list[Row]:
    if "payment_units" not in detail:
        raise UnexpectedResponseError("The detail of an opportunity has no payment_units.")
    return list(UNITS(bytes(detail["payment_units"])))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
