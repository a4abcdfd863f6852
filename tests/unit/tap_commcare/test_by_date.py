"""Paging by date: every row comes, and none is passed, whatever shares its time or its page."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_commcare.pagination.by_date import ByDateSource, RowFields
from tap_commcare.pagination.pages import PageToken, Window
from tap_commcare.pagination.tastypie import list_decoder
from tap_common.client import Response
from tap_common.errors import UnavailableError, UnexpectedResponseError
from tap_common.timestamps import from_millis, to_millis, to_rfc3339

NOW = datetime(2026, 11, 20, tzinfo=UTC)
START = 1_700_000_000_000
OPEN = Window(None, None)
FIELDS: RowFields[dict[str, Any]] = RowFields(
    identity=lambda row: row["id"],
    time=lambda row: row["indexed_on"],
    second_time=lambda row: row["received_on"],
    domain=lambda row: row.get("domain"),
)


@dataclass
class Server:
    """Rows with two dates; the order of equal ones differs from request to request."""

    rows: dict[str, tuple[int, int]]
    """Both dates by id, in milliseconds after START."""
    most: int = 1000
    has_total: bool = True
    is_ordered: bool = True
    domain: str = "d"
    known_filters: frozenset[str] = frozenset()
    requested: list[dict[str, list[str]]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    base_url = "https://hq.example.org"

    def get(self, url: str, _params: Any, _domain: str, decode: Any) -> Response[Any]:
        query = parse_qs(urlsplit(url).query)
        self.requested.append(query)
        return Response(decode(msgspec.json.encode(self._body(query))), NOW)

    def _body(self, query: dict[str, list[str]]) -> dict[str, Any]:
        found = [name for name in self.rows if self._is_in(name, query)]
        self.chance.shuffle(found)
        if not self.is_ordered:
            found.sort(reverse=True)
        place = 0 if query["order_by"] == ["indexed_on"] else 1
        if self.is_ordered:
            found.sort(key=lambda name: self.rows[name][place])
        if set(query) & {"xmlns"} - self.known_filters:
            found = []
        limit, offset = min(int(query["limit"][0]), self.most), int(query.get("offset", ["0"])[0])
        page = found[offset : offset + limit]
        meta: dict[str, Any] = {"limit": limit}
        if self.has_total:
            meta["total_count"] = len(found)
        meta["next"] = "?more=1" if offset + limit < len(found) else None
        return {"meta": meta, "objects": [self._row(name) for name in page]}

    def _is_in(self, name: str, query: dict[str, list[str]]) -> bool:
        for place, date in enumerate(("indexed_on", "received_on")):
            at = START + self.rows[name][place]
            start, end = query.get(f"{date}_start"), query.get(f"{date}_end")
            if (start and at < to_millis(start[0])) or (end and at > to_millis(end[0])):
                return False
        return True

    def _row(self, name: str) -> dict[str, Any]:
        indexed, received = (to_rfc3339(from_millis(START + each)) for each in self.rows[name])
        return {"id": name, "indexed_on": indexed, "received_on": received, "domain": self.domain}


def source(server: Server, page_size: int = 3, **more: Any) -> ByDateSource[dict[str, Any]]:
    client: Any = server
    return ByDateSource(
        client=client,
        domain="d",
        resource="form/v1",
        decode=list_decoder(dict[str, Any]),
        fields=FIELDS,
        page_size=page_size,
        date="indexed_on",
        second_date="received_on",
        **more,
    )


def read(server: Server, window: Window = OPEN, page_size: int = 3) -> list[str]:
    """Return the ids of all pages of a window; each page must leave nothing behind it."""
    pages, token, found = source(server, page_size), None, []
    for _ in range(300):
        page = pages.page(window, token)
        found += page.ids
        token = page.next_page_token
        assert_nothing_is_passed(server, window, found, token)
        assert len(page.rows) == len(page.ids) == len(page.times)
        if token is None:
            return found
    raise AssertionError("The pages do not end.")


def assert_nothing_is_passed(
    server: Server, window: Window, found: list[str], token: PageToken | None
) -> None:
    after = -1 if window.after is None else window.after
    until = 2**62 if window.until is None else window.until
    # A row before the place where the next page begins is never requested again.
    ends = until + 1 if token is None else min(token.get("from", token.get("same")), until + 1)
    passed = {name for name, (at, _) in server.rows.items() if after < at + START < ends}
    if token and "second" in token:
        passed |= {
            name
            for name, (at, second) in server.rows.items()
            if at + START == token["same"] and second + START < token["second"]
        }
    assert passed <= set(found)


ROWS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3),
    st.tuples(st.integers(0, 4), st.integers(0, 3)),
    max_size=25,
)


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, size=st.integers(1, 8), most=st.integers(1, 8))
def test_every_row_comes_whatever_shares_its_dates(rows, size, most):
    server = Server(rows, most)

    assert set(read(server, page_size=size)) == set(rows)


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, after=st.integers(-1, 5), length=st.integers(1, 5), size=st.integers(1, 6))
def test_a_window_has_exactly_its_rows(rows, after, length, size):
    window = Window(START + after, START + after + length)
    inside = {name for name, (at, _) in rows.items() if after < at <= after + length}

    assert set(read(Server(rows), window, size)) == inside


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, size=st.integers(2, 6))
def test_a_server_that_counts_nothing_loses_no_row_that_a_date_distinguishes(rows, size):
    distinct = {name: (place, place) for place, name in enumerate(rows)}

    assert set(read(Server(distinct, has_total=False), page_size=size)) == set(rows)


def test_a_page_that_is_exactly_full_is_the_last():
    server = Server({name: (place, 0) for place, name in enumerate("abc")})

    assert read(server) == ["a", "b", "c"]
    assert len(server.requested) == 1


def test_rows_of_one_time_are_read_by_their_second_date():
    server = Server({name: (5, place) for place, name in enumerate("abcdefg")})

    assert set(read(server)) == set("abcdefg")
    assert {query["order_by"][0] for query in server.requested} == {"indexed_on", "received_on"}
    assert not any("offset" in query for query in server.requested)


def test_rows_of_the_same_two_dates_are_read_by_offset_until_all_have_come():
    server = Server({f"r{number}": (5, 5) for number in range(20)})

    assert set(read(server)) == set(server.rows)
    assert any("offset" in query for query in server.requested)


def test_rows_that_go_while_others_are_paged_by_offset_hide_none_of_those():
    class Shrinking(Server):
        """In a fixed order; the rows of the first page go as soon as they were sent."""

        def _body(self, query: dict[str, list[str]]) -> dict[str, Any]:
            self.chance.seed(7)
            body = super()._body(query)
            if query.get("offset") == ["0"] and len(self.rows) == 12:
                for row in body["objects"]:
                    del self.rows[row["id"]]
            return body

    server = Shrinking({f"r{number}": (5, 5) for number in range(12)})
    found = read(server)

    assert len(server.rows) == 9
    assert set(server.rows) <= set(found)


def test_rows_that_never_come_to_an_end_are_given_up():
    class Endless(Server):
        def _body(self, query: dict[str, list[str]]) -> dict[str, Any]:
            body = super()._body(query)
            body["meta"]["total_count"] = 100
            return body

    with pytest.raises(UnavailableError, match="more equal timestamps than can be paged"):
        read(Endless({f"r{number}": (5, 5) for number in range(9)}))


def test_the_page_size_of_the_server_is_learnt_once():
    server = Server({f"r{number}": (number, 0) for number in range(9)}, most=2)
    pages = source(server, page_size=1000)
    page = pages.page(OPEN, None)
    pages.page(OPEN, page.next_page_token)

    assert [query["limit"] for query in server.requested] == [["1000"], ["2"]]


def test_a_sample_neither_learns_nor_drops_filters():
    server = Server({}, most=2)
    pages = source(server, page_size=1000, filters=[("xmlns", "x")])
    pages.page(OPEN, None, limit=1)

    assert (pages.page_size, list(pages.filters)) == (1000, [("xmlns", "x")])


@pytest.mark.parametrize("is_known", [True, False])
def test_an_unknown_filter_that_hides_all_rows_is_left_out(is_known):
    known = frozenset({"xmlns"}) if is_known else frozenset()
    server = Server({"a": (1, 1)}, known_filters=known)
    page = source(server, filters=[("xmlns", "x")]).page(OPEN, None)

    assert page.ids == ["a"]
    assert ["xmlns" in query for query in server.requested] == (
        [True] if is_known else [True, False]
    )


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (Server({"a": (1, 0)}, domain="other"), "data of another project space than d"),
        (Server({n: (p, 0) for p, n in enumerate("vwxyz")}, is_ordered=False), "is not ordered by"),
    ],
    ids=["another domain", "no order"],
)
def test_a_server_that_ignores_the_request_is_an_unexpected_response(server, text):
    with pytest.raises(UnexpectedResponseError, match=text):
        source(server).page(OPEN, None)


@pytest.mark.parametrize("value", ["", "soon", None, 5])
def test_a_row_without_a_time_is_an_unexpected_response(value):
    class Odd(Server):
        def _row(self, name: str) -> dict[str, Any]:
            return super()._row(name) | {"indexed_on": value}

    pages = source(Odd({"a": (1, 1)}))
    pages.fields = RowFields(
        FIELDS.identity, lambda row: str(row["indexed_on"]), FIELDS.second_time, FIELDS.domain
    )
    with pytest.raises(UnexpectedResponseError, match="the indexed_on of a row is not a timestamp"):
        pages.page(OPEN, None)


def test_a_count_without_rows_is_not_the_end():
    class Hiding(Server):
        def _body(self, _query: dict[str, list[str]]) -> dict[str, Any]:
            return {"meta": {"total_count": 4, "next": None}, "objects": []}

    with pytest.raises(UnexpectedResponseError, match="counts 4 rows and returns none"):
        source(Hiding({})).page(OPEN, None)


def test_the_end_of_a_window_includes_the_microseconds_of_its_last_millisecond():
    server = Server({})
    source(server).page(Window(START, START + 5), None)
    (query,) = server.requested

    assert query["indexed_on_start"] == ["2023-11-14T22:13:20.001000"]
    assert query["indexed_on_end"] == ["2023-11-14T22:13:20.005999"]
