"""Servers that are older, or change while they are read: over real HTTP, page by page."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.json_server import json_server
from tap_commcare import client
from tap_commcare.endpoints import cases_v2, forms, lists
from tap_commcare.endpoints.locations import LocationsSource
from tap_commcare.pagination.by_date import ByDateSource
from tap_commcare.pagination.pages import Window
from tap_commcare.streams.base import ListStream
from tap_commcare.streams.locations import LocationsStream
from tap_commcare.streams.lookup_tables import LookupTableRowsStream, LookupTablesStream
from tap_common.auth import bearer_auth
from tap_common.client import ApiClient
from tap_common.full_table import ListSource
from tap_common.session import new_session
from tap_common.throttling import RequestLimits

Query = dict[str, list[str]]
Respond = Callable[[str, Query], list[dict[str, Any]] | int]


@contextmanager
def server(
    respond: Respond, total: Callable[[int], int | None] = lambda rows: rows
) -> Iterator[ApiClient]:
    def page(address: str) -> Any:
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        rows = respond(parts.path.partition("/api/")[2], query)
        if isinstance(rows, int):
            return rows
        limit, offset = int(query["limit"][0]), int(query.get("offset", ["0"])[0])
        end = offset + limit
        following = f"?limit={limit}&offset={end}" if end < len(rows) else None
        count = total(len(rows))
        meta = {"limit": limit, "offset": offset, "total_count": count, "next": following}
        return {"meta": meta, "objects": rows[offset:end], "cases": rows[offset:end]}

    with json_server(page) as url:
        session, stop = new_session(1, "test"), threading.Event()
        yield ApiClient(url, bearer_auth("token"), RequestLimits(), client.to_error, session, stop)


def test_locations_come_from_api_v2_where_there_is_no_v1():
    def respond(path: str, query: Query) -> list[dict[str, Any]] | int:
        if path.startswith("location/v1"):
            return 404
        if path.startswith("location_type/v1"):
            return [{"id": 7, "code": "ward"}, {"id": 8, "code": "town"}, {"id": 9, "code": "x"}]
        if "last_modified__gte" in query:
            return 400
        return [
            {"location_id": f"l{n}", "location_type_code": "town", "parent_location_id": parent}
            for n, parent in enumerate(["", "l0", "l1"])
        ]

    with server(respond) as client_:
        source = LocationsSource(client_, "d", 2, since="2024-01-01T00:00:00")
        first = source.page(None)
        rows = [*first.rows, *source.page(first.next_position).rows]
        records = list(LocationsStream.records(rows, "d"))

    assert [record["location_id"] for record in records] == ["l0", "l1", "l2"]
    assert [record["parent_location_id"] for record in records] == [None, "l0", "l1"]
    assert {record["location_type_id"] for record in records} == {8}


def test_no_form_is_missed_when_one_of_many_equal_stamps_leaves_during_the_read():
    stamp = "2025-02-01T00:00:00.500000Z"
    left = [{"id": f"f{n:02d}", "indexed_on": stamp, "received_on": stamp} for n in range(40)]
    asked = 0

    def respond(_: str, query: Query) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        if asked == 5:
            left.pop(0)
        starts = [query.get(f"{name}_start", [""])[0] for name in ("indexed_on", "received_on")]
        return left if all(start <= stamp for start in starts) else []

    assert {row["id"] for row in left} <= read_forms(respond)


@pytest.mark.parametrize(
    "total", [lambda _: None, lambda rows: min(rows, 1)], ids=["none", "too small"]
)
@pytest.mark.parametrize("gap", [0, 1], ids=["equal stamps", "other stamps"])
def test_no_form_is_missed_where_the_server_does_not_count(total, gap):
    times = [f"2025-02-01T00:00:{n * gap:02d}.500000Z" for n in range(40)]
    rows = [{"id": f"f{n}", "indexed_on": at, "received_on": at} for n, at in enumerate(times)]

    def respond(_: str, query: Query) -> list[dict[str, Any]]:
        starts = [query.get(f"{name}_start", [""])[0] for name in ("indexed_on", "received_on")]
        return [row for row in rows if row["indexed_on"] >= max(starts)]

    assert read_forms(respond, total) == {row["id"] for row in rows}


def read_forms(
    respond: Respond, total: Callable[[int], int | None] = lambda rows: rows
) -> set[str]:
    with server(respond, total) as client_:
        source = ByDateSource(
            client_, "d", "form/v1", forms.DECODE, forms.FIELDS, 10, "indexed_on", "received_on"
        )
        page = source.page(Window(None, None), None)
        found = set(page.ids)
        while page.next_page_token is not None:
            page = source.page(Window(None, None), page.next_page_token)
            found |= set(page.ids)
    return found


def test_a_server_that_cannot_exclude_columns_is_asked_for_all():
    def respond(_: str, query: Query) -> list[dict[str, Any]] | int:
        asked.append("exclude" in query)
        at = "2025-02-01T00:00:00Z"
        return 400 if asked[-1] else [{"case_id": "c1", "indexed_on": at, "domain": "d"}]

    asked: list[bool] = []
    with server(respond) as client_:
        source = cases_v2.CaseSource(client_, "d", 10, excluded=lambda: ["properties"])
        pages = [source.page(Window(None, None), None) for _ in range(2)]

    assert [page.ids for page in pages] == [["c1"], ["c1"]]
    assert asked == [True, False, False]


@pytest.mark.parametrize("stream", [LookupTableRowsStream, LocationsStream])
def test_no_row_is_missed_in_a_list_whose_order_changes_from_page_to_page(stream):
    order = random.Random(7)
    rows = [{"id": n, "location_id": f"l{n}"} for n in range(40)]

    def respond(_: str, query: Query) -> list[dict[str, Any]]:
        return order.sample(rows, len(rows))

    assert read_list(respond, stream) == set(range(40))


def test_a_list_that_holds_rows_twice_is_read_twice_and_taken_for_complete():
    rows = [{"id": n} for n in (1, 2, 2, 3)]
    asked = 0

    def respond(_: str, query: Query) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return rows

    assert read_list(respond, LookupTablesStream, size=2) == {1, 2, 3}
    assert asked == 4


def read_list(respond: Respond, stream: type[ListStream], size: int = 25) -> set[int]:
    found: set[int] = set()
    with server(respond) as client_:
        source: ListSource = lists.endpoint(client_, "d", stream, size)
        if stream is LocationsStream:
            source = LocationsSource(client_, "d", size)
        page = source.page(None)
        found |= {row["id"] for row in page.rows}
        while page.next_position is not None:
            page = source.page(page.next_position)
            found |= {row["id"] for row in page.rows}
    return found
