"""The detail of each opportunity: what the account index lacks, modules, payment units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from tap_common.client import ApiClient
from tap_common.errors import UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder
from tap_common.messages import AnyRecord
from tap_common.raw_converters import NULL, RawRow, is_present
from tap_common.sync import SyncRun
from typing_extensions import override

from tap_commcare_connect.account_index import Opportunity
from tap_commcare_connect.client import HEADERS, account_name, path
from tap_commcare_connect.incremental.opportunity_sync import OpportunitySync
from tap_commcare_connect.pagination.fast_pages import value_in
from tap_commcare_connect.pagination.keyset import KeysetList
from tap_commcare_connect.streams.base import ConnectStream


class App(msgspec.Struct):
    """The modules of a learn or deliver app."""

    learn_modules: list[dict[str, msgspec.Raw]]
    id: int | None = None


class Claim(msgspec.Struct):
    """The payment unit of a worker's claim."""

    payment_unit: int | None = None
    payment_unit_id: str | None = None


DECODE_DETAIL = JsonDecoder(dict[str, msgspec.Raw], "an object")
DECODE_APP = JsonDecoder(App, "apps with a list learn_modules")
DECODE_UNITS = JsonDecoder(list[dict[str, msgspec.Raw]], "a list payment_units")
DECODE_CLAIMS = JsonDecoder(list[Claim], "claim_limits with payment units")


@dataclass
class OpportunityDetailSync(OpportunitySync):
    """Reads each opportunity's detail; the streams derived from it are completed together.

    A detail may list no payment units although there are some. Then those that workers have claimed
    are used: their ids only.
    """

    client: ApiClient = field(kw_only=True)
    workers_of: Callable[[int], KeysetList] = field(kw_only=True)

    @override
    def read(self, run: SyncRun, opportunity: Opportunity) -> None:
        records = list(self._records(opportunity))
        self.write(run, opportunity.id, records, None)

    @override
    def sample_of(self, opportunity: Opportunity, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        return {
            stream.name: list(records)[:limit] for stream, records in self._records(opportunity)
        }

    def _records(self, opportunity: Opportunity) -> Iterator[tuple[ConnectStream, list[AnyRecord]]]:
        detail = self.client.get(
            path(opportunity.id),
            (),
            account_name(self.client.base_url),
            _detail_decoder(opportunity.id),
            HEADERS,
        ).value
        for stream in self.members:
            rows = self._rows_of(stream.name, opportunity, detail)
            owner = opportunity.id if stream.is_of_opportunity else None
            yield stream, list(stream.records(rows, owner))

    def _rows_of(self, name: str, opportunity: Opportunity, detail: RawRow) -> list[RawRow]:
        if name == "opportunities":
            return [{**opportunity.row, **detail}]
        if name == "learn_modules":
            return _modules(detail)
        return _payment_units(detail) or self._claimed_units(opportunity.id)

    def _claimed_units(self, opportunity: int) -> list[RawRow]:
        workers = self.workers_of(opportunity)
        claimed: dict[str, int | None] = {}
        after: int | None = None
        while True:
            page = workers.page(after)
            for row in page.rows:
                claimed |= _claims(row)
            after = page.last_id
            if after is None:
                return [
                    {"payment_unit_id": _raw(unit), "id": _raw(number)}
                    for unit, number in claimed.items()
                ]


def _detail_decoder(opportunity: int) -> Callable[[bytes], RawRow]:
    def decode(body: bytes) -> RawRow:
        detail = DECODE_DETAIL(body)
        # Rows get the id that was requested: those of another opportunity would be stored under it.
        if bytes(detail.get("id", NULL)) != b"%d" % opportunity:
            raise UnexpectedResponseError("it is not the requested opportunity.")
        return detail

    return decode


def _modules(detail: RawRow) -> list[RawRow]:
    rows: list[RawRow] = []
    for name in ("learn_app", "deliver_app"):
        if is_present(raw := detail.get(name, NULL)):
            app = DECODE_APP(bytes(raw))
            rows += [{**module, "app": _raw(app.id)} for module in app.learn_modules]
    return rows


def _claims(row: RawRow | msgspec.Struct) -> dict[str, int | None]:
    raw = value_in(row, "claim_limits")
    claims = DECODE_CLAIMS(bytes(raw)) if is_present(raw) else []
    return {claim.payment_unit_id: claim.payment_unit for claim in claims if claim.payment_unit_id}


def _payment_units(detail: RawRow) -> list[RawRow]:
    # Missing is not empty: for an empty list the claimed units are taken, known by their ids only.
    if "payment_units" not in detail:
        raise UnexpectedResponseError("The detail of an opportunity has no payment_units.")
    return list(DECODE_UNITS(bytes(detail["payment_units"])))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
