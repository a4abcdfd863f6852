"""Servers that are older, or change while they are read: over real HTTP, page by page."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tap_commcare import client, columns
from tap_commcare.endpoints import cases_v2, forms, lists
from tap_commcare.endpoints.locations import LocationsSource
from tap_commcare.pagination.by_date import ByDateSource
from tap_commcare.pagination.windows import Window
from tap_commcare.streams.locations import LOCATIONS
from tap_common.auth import bearer_auth
from tap_common.client import ApiClient, new_session
from tap_common.full_table import ListSource
from tap_common.throttling import RequestLimits

Query = dict[str, list[str]]
Response = Callable[[str, Query], list[dict[str, Any]] | int]


@contextmanager
def server(
    answer: Response, total: Callable[[int], int | None] = lambda rows: rows
) -> Iterator[ApiClient]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            found = answer(parts.path.partition("/api/")[2], query)
            status, rows = (found, []) if isinstance(found, int) else (200, found)
            limit, offset = int(query["limit"][0]), int(query.get("offset", ["0"])[0])
            after = (
                f"?limit={limit}&offset={offset + limit}" if offset + limit < len(rows) else None
            )
            count = total(len(rows))
            meta = {"limit": limit, "offset": offset, "total_count": count, "next": after}
            part = rows[offset : offset + limit]
            body = json.dumps({"meta": meta, "objects": part, "cases": part}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        stop = threading.Event()
        base_url = f"http://127.0.0.1:{http.server_port}"
        login = bearer_auth("token")
        yield ApiClient(
            base_url, login, RequestLimits(), client.explain, new_session(1, "test"), stop
        )
        http.shutdown()


def test_locations_come_from_api_v2_where_there_is_no_v1():
    def answer(path: str, query: Query) -> list[dict[str, Any]] | int:
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

    with server(answer) as api:
        source = LocationsSource(api, "d", 2, since="2024-01-01T00:00:00")
        first = source.page(None)
        rows = [*first.rows, *source.page(first.following).rows]
        records = list(columns.records(LOCATIONS, rows, "d", "locations"))

    assert [record["location_id"] for record in records] == ["l0", "l1", "l2"]
    assert [record["parent_location_id"] for record in records] == [None, "l0", "l1"]
    assert {record["location_type_id"] for record in records} == {8}


def test_no_form_is_missed_when_one_of_many_equal_stamps_leaves_during_the_read():
    stamp = "2025-02-01T00:00:00.500000Z"
    left = [{"id": f"f{n:02d}", "indexed_on": stamp, "received_on": stamp} for n in range(40)]
    asked = 0

    def answer(_: str, query: Query) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        if asked == 5:
            left.pop(0)
        starts = [query.get(f"{name}_start", [""])[0] for name in ("indexed_on", "received_on")]
        return left if all(start <= stamp for start in starts) else []

    assert {row["id"] for row in left} <= read_forms(answer)


@pytest.mark.parametrize(
    "total", [lambda _: None, lambda rows: min(rows, 1)], ids=["none", "too small"]
)
@pytest.mark.parametrize("gap", [0, 1], ids=["equal stamps", "other stamps"])
def test_no_form_is_missed_where_the_server_does_not_count(total, gap):
    times = [f"2025-02-01T00:00:{n * gap:02d}.500000Z" for n in range(40)]
    rows = [{"id": f"f{n}", "indexed_on": at, "received_on": at} for n, at in enumerate(times)]

    def answer(_: str, query: Query) -> list[dict[str, Any]]:
        starts = [query.get(f"{name}_start", [""])[0] for name in ("indexed_on", "received_on")]
        return [row for row in rows if row["indexed_on"] >= max(starts)]

    assert read_forms(answer, total) == {row["id"] for row in rows}


def read_forms(
    answer: Response, total: Callable[[int], int | None] = lambda rows: rows
) -> set[str]:
    with server(answer, total) as api:
        source = ByDateSource(
            api, "d", "form/v1", forms.BODY, forms.FACTS, 10, "indexed_on", "received_on"
        )
        page = source.page(Window(None, None), None)
        found = set(page.ids)
        while page.more is not None:
            page = source.page(Window(None, None), page.more)
            found |= set(page.ids)
    return found


def test_a_server_that_cannot_leave_columns_out_is_asked_for_all():
    def answer(_: str, query: Query) -> list[dict[str, Any]] | int:
        asked.append("exclude" in query)
        at = "2025-02-01T00:00:00Z"
        return 400 if asked[-1] else [{"case_id": "c1", "indexed_on": at, "domain": "d"}]

    asked: list[bool] = []
    with server(answer) as api:
        source = cases_v2.CaseSource(api, "d", 10, left_out=lambda: ["properties"])
        pages = [source.page(Window(None, None), None) for _ in range(2)]

    assert [page.ids for page in pages] == [["c1"], ["c1"]]
    assert asked == [True, False, False]


@pytest.mark.parametrize("resource", ["lookup_table_item/v1", "location/v1"])
def test_no_row_is_missed_in_a_list_whose_order_changes_from_page_to_page(resource):
    order = random.Random(7)
    rows = [{"id": n, "location_id": f"l{n}"} for n in range(40)]

    def answer(_: str, query: Query) -> list[dict[str, Any]]:
        return order.sample(rows, len(rows))

    assert read_list(answer, resource) == set(range(40))


def test_a_list_that_holds_rows_twice_is_read_twice_and_taken_for_complete():
    rows = [{"id": n} for n in (1, 2, 2, 3)]
    asked = 0

    def answer(_: str, query: Query) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return rows

    assert read_list(answer, "lookup_table/v1", size=2) == {1, 2, 3}
    assert asked == 4


def read_list(answer: Response, resource: str, size: int = 25) -> set[int]:
    found: set[int] = set()
    with server(answer) as api:
        source: ListSource = lists.endpoint(api, "d", resource, size)
        if resource == "location/v1":
            source = LocationsSource(api, "d", size)
        page = source.page(None)
        found |= {row["id"] for row in page.rows}
        while page.following is not None:
            page = source.page(page.following)
            found |= {row["id"] for row in page.rows}
    return found
