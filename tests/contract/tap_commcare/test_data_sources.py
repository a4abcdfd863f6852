"""Data sources whose documents have several rows: complete for any page size, or an error."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

Row = dict[str, Any]


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 50, 10_000])
def test_all_rows_of_all_documents_are_read(sandbox, tap, select, page_size):
    run = tap(catalog=select("ucr_rows"), data_sources=sandbox.data_sources, page_size=page_size)

    assert run.code == 0, run.log
    assert rows_by_source(run) == {
        sandbox.data_sources[0]: 130,
        sandbox.data_sources[1]: 260,
        sandbox.data_sources[2]: sum(1 + at % 7 for at in range(130)),
    }
    assert len(set(run.keys("ucr_rows"))) == len(run.keys("ucr_rows"))


@pytest.mark.parametrize("style", ["bare", "path", "http"])
def test_older_servers_name_no_data_source_in_their_links(sandbox, tap, select, style):
    sandbox.set(next_style=style)
    run = tap(catalog=select("ucr_rows"), data_sources=sandbox.data_sources[2:], page_size=10)

    assert run.code == 0, run.log
    assert len(run.records("ucr_rows")) == sum(1 + at % 7 for at in range(130))


def test_a_later_run_reads_the_last_documents_again_and_no_more(sandbox, tap, select):
    settings = {"data_sources": sandbox.data_sources[2:], "page_size": 20}
    first = tap(catalog=select("ucr_rows"), **settings)
    again = tap(catalog=select("ucr_rows"), state=first.state, **settings)

    assert again.code == 0, again.log
    assert 0 < len(again.records("ucr_rows")) <= 40
    assert again.state == first.state


class Source:
    """A server with one data source, which cuts pages where it likes."""

    def __init__(self, rows: list[Row], *, cap: int = 10_000, separator: str = "T") -> None:
        self.rows, self.cap, self.separator = rows, cap, separator
        self.requests = 0
        self.cursor: Callable[[Row], str] = self._cursor

    def _cursor(self, row: Row) -> str:
        at = row["inserted_at"].replace("T", self.separator)
        place = {"last_doc_id": row["doc_id"], "last_inserted_at": at}
        return base64.b64encode(urlencode(place).encode()).decode()

    def page(self, query: dict[str, str]) -> Row:
        """Return a page; it states the requested limit, whatever it returns."""
        self.requests += 1
        after = ("", "")
        if "cursor" in query:
            place = dict(parse_qsl(base64.b64decode(query["cursor"]).decode()))
            after = (place["last_inserted_at"].replace(self.separator, "T"), place["last_doc_id"])
            assert self.separator in place["last_inserted_at"]
        rows = [row for row in self.rows if (row["inserted_at"], row["doc_id"]) > after]
        rows = rows[: min(int(query["limit"]), self.cap)]
        following = f"?cursor={self.cursor(rows[-1])}" if rows else None
        return {"objects": rows, "meta": {"next": following, "limit": query["limit"]}}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it on a port of this machine."""
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {
                    name: value[0] for name, value in parse_qs(urlsplit(self.path).query).items()
                }
                body = json.dumps(source.page(query)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Be silent."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{http.server_port}"
            finally:
                http.shutdown()
                thread.join()


def rows_of(*counts: int) -> list[Row]:
    """Return the rows of documents with the given numbers of rows; some have the same time."""
    return [
        {
            "doc_id": f"doc-{place:03}",
            "inserted_at": f"2025-08-17T11:08:{place // 2:02}.915246",
            "n": number,
        }
        for place, count in enumerate(counts)
        for number in range(count)
    ]


def rows_by_source(run) -> Counter[str]:
    """Return how many rows each data source has."""
    return Counter(record["data_source_id"] for record in run.records("ucr_rows"))


@pytest.mark.parametrize("separator", ["T", " "])
@pytest.mark.parametrize(
    ("counts", "page_size"),
    [
        ((3,), 2),
        ((3,), 3),
        ((3,), 10),
        ((1, 6), 6),
        ((6, 1), 6),
        ((2, 2, 2), 2),
        ((1, 23, 1, 69), 7),
        ((5, 5), 10),
        ((), 5),
    ],
)
def test_no_cut_loses_a_row(tap, select, counts, page_size, separator):
    source = Source(rows_of(*counts), separator=separator)
    with source.served() as url:
        run = tap(catalog=select("ucr_rows"), base_url=url, data_sources=["s"], page_size=page_size)

    assert run.code == 0, run.log
    assert [record["data"] for record in run.records("ucr_rows")] == source.rows


@pytest.mark.parametrize("cap", [3, 4, 7])
@pytest.mark.parametrize("counts", [(2, 2, 3, 1), (1, 1, 1, 2), (3, 3, 3)])
def test_a_server_that_returns_fewer_rows_than_it_says_loses_none(tap, select, counts, cap):
    source = Source(rows_of(*counts), cap=cap)
    with source.served() as url:
        run = tap(catalog=select("ucr_rows"), base_url=url, data_sources=["s"], page_size=100)

    found = [record["data"] for record in run.records("ucr_rows")]
    assert (run.code, found) == (0, source.rows) or (run.code == 65 and max(counts) >= cap), run.log


def test_a_document_larger_than_the_server_returns_at_once_is_an_error(tap, select):
    source = Source(rows_of(1, 9), cap=5)
    with source.served() as url:
        run = tap(catalog=select("ucr_rows"), base_url=url, data_sources=["s"], page_size=100)

    assert run.code == 65
    assert "the rest of them cannot be read" in run.log


def test_cursors_that_cannot_be_built_are_an_error(tap, select):
    source = Source(rows_of(1, 2, 2))
    source.cursor = lambda row: f"opaque-{row['doc_id']}"
    with source.served() as url:
        run = tap(catalog=select("ucr_rows"), base_url=url, data_sources=["s"], page_size=3)

    assert run.code == 65
    assert "cannot be read" in run.log


def test_a_server_that_ignores_the_cursor_does_not_hold_the_tap_for_ever(tap, select):
    source = Source(rows_of(1, 1, 1, 1))
    honest = source.page
    source.page = lambda query: honest({k: v for k, v in query.items() if k != "cursor"})
    with source.served() as url:
        run = tap(catalog=select("ucr_rows"), base_url=url, data_sources=["s"], page_size=3)

    assert run.code == 65
    assert "repeats rows" in run.log
