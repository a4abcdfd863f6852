"""Data sources whose documents have several rows: complete for any page size, or an error."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from support.sync_tasks import Result, TaskRunner
from tap_commcare.endpoints.ucr import UcrSync
from tap_commcare.tap import TapCommCare
from tap_common.bookmarks import Bookmarks
from tap_common.client import Response
from tap_common.errors import StreamStatus
from tap_common.full_table import TableVersions

Row = dict[str, Any]
TAP = TapCommCare(config={"domain": "d", "username": "u", "api_key": "k"})
COMPLETED, FAILED = StreamStatus.COMPLETED, StreamStatus.FAILED


class Source:
    """A client of a server with one data source, which ends pages where it likes."""

    base_url = "https://hq.example.org"

    def __init__(self, rows: list[Row], *, cap: int = 10_000, separator: str = "T") -> None:
        self.rows, self.cap, self.separator = rows, cap, separator
        self.ignores_cursors = False
        self.cursor: Callable[[Row], str] = self._cursor

    def _cursor(self, row: Row) -> str:
        at = row["inserted_at"].replace("T", self.separator)
        fields = {"last_doc_id": row["doc_id"], "last_inserted_at": at}
        return base64.b64encode(urlencode(fields).encode()).decode()

    def get(self, url: str, _params: Any, _domain: str, decode: Any) -> Response[Any]:
        query = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        after = ("", "")
        if "cursor" in query and not self.ignores_cursors:
            fields = dict(parse_qsl(base64.b64decode(query["cursor"]).decode()))
            assert self.separator in fields["last_inserted_at"]
            after = (
                fields["last_inserted_at"].replace(self.separator, "T"),
                fields["last_doc_id"],
            )
        rows = [row for row in self.rows if (row["inserted_at"], row["doc_id"]) > after]
        rows = rows[: min(int(query["limit"]), self.cap)]
        following = f"?cursor={self.cursor(rows[-1])}" if rows else None
        page = {"objects": rows, "meta": {"next": following, "limit": query["limit"]}}
        return Response(decode(json.dumps(page).encode()), datetime.now(UTC))


def rows_of(*counts: int) -> list[Row]:
    """Return the rows of documents with the given numbers of rows; some have the same time."""
    return [
        {
            "doc_id": f"doc-{index:03}",
            "inserted_at": f"2025-08-17T11:08:{index // 2:02}.915246",
            "n": number,
        }
        for index, count in enumerate(counts)
        for number in range(count)
    ]


@pytest.fixture
def read(capsysbinary) -> Callable[..., Result]:
    runner = TaskRunner(capsysbinary, ("d",))

    def run(source: Source, page_size: int, state: dict[str, Any] | None = None) -> Result:
        def task(bookmarks: Bookmarks) -> UcrSync:
            versions = TableVersions(bookmarks, ["d"])
            stream = TAP.streams["ucr_rows"]
            return UcrSync(source, "d", stream, ["s"], page_size, 300_000, versions)

        return runner(state or {}, task)

    return run


def outcome(result: Result) -> tuple[StreamStatus, list[Row]]:
    rows = [record["data"] for record in result.records("ucr_rows")]
    return result.outcomes["ucr_rows", "d"].status, rows


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
def test_no_end_of_a_page_loses_a_row(read, counts, page_size, separator):
    source = Source(rows_of(*counts), separator=separator)

    assert outcome(read(source, page_size)) == (COMPLETED, source.rows)


@pytest.mark.parametrize("cap", [3, 4, 7])
@pytest.mark.parametrize("counts", [(2, 2, 3, 1), (1, 1, 1, 2), (3, 3, 3)])
def test_a_server_that_returns_fewer_rows_than_it_says_loses_none(read, counts, cap):
    source = Source(rows_of(*counts), cap=cap)
    status, rows = outcome(read(source, 100))

    assert (status, rows) == (COMPLETED, source.rows) or (status is FAILED and max(counts) >= cap)


@pytest.mark.parametrize(
    ("counts", "changes", "reason"),
    [
        ((1, 9), {"cap": 5}, "the rest of them cannot be read"),
        ((1, 2, 2), {"cursor": lambda row: f"opaque-{row['doc_id']}"}, "an unknown format"),
        ((1, 1, 1, 1), {"ignores_cursors": True}, "repeats rows"),
    ],
)
def test_a_server_that_cannot_be_read_completely_is_an_error(read, counts, changes, reason):
    source = Source(rows_of(*counts))
    vars(source).update(changes)
    result = read(source, 3 if "cap" not in changes else 100)

    assert result.outcomes["ucr_rows", "d"].error.exit_code == 65
    assert reason in result.outcomes["ucr_rows", "d"].reason


def test_a_later_run_begins_within_the_overlap(read):
    source = Source(rows_of(*[2] * 40))
    first = read(source, 7)
    source.rows = rows_of(*[2] * 41)
    second = read(source, 7, first.states[-1])

    assert 2 <= len(second.records("ucr_rows")) <= 82
    assert second.records("ucr_rows")[-1]["data"] == source.rows[-1]


@pytest.mark.parametrize(
    "addresses",
    [
        {"begin": "/a/d/api/ucr/v1/?data_source_id=other&limit=7"},
        {"going_on": "/a/other/api/ucr/v1/?data_source_id=s&limit=7"},
        {"going_on": "/a/d/api/ucr/v1/?data_source_id=s&limit=7&cursor=eA=="},
        {"begin": 5},
        "x",
    ],
)
def test_a_stored_address_that_cannot_be_used_costs_a_read_from_the_beginning(read, addresses):
    source = Source(rows_of(2, 2, 2))
    state = {"bookmarks": {"ucr_rows": {"data_sources": {"s": addresses}}}}

    assert outcome(read(source, 7, state)) == (COMPLETED, source.rows)
