"""Prefetching: every row once, in order, wherever rows lie in time and whatever a server can do."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_commcare.incremental.bookmarks import Start
from tap_commcare.incremental.prefetch import Prefetcher
from tap_commcare.pagination.pages import PageToken, TimedPage, Window
from tap_common.errors import RequestRejectedError, UnavailableError, UnexpectedResponseError

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class RoundExecutor(Executor):
    """Runs what was submitted in rounds, one round whenever the reader waits for a request.

    How many rounds a read takes says how long it lasts, whatever else the machine does.
    """

    def __init__(self) -> None:
        self.rounds = 0
        self.executed = 0
        self._pending: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, function, /, *args, **options):
        """Queue a call for the next round."""
        future = RoundFuture(self)
        self._pending.append((future, partial(function, *args, **options)))
        return future

    def run_round(self) -> None:
        """Run all that is pending."""
        pending, self._pending = self._pending, []
        self.rounds += bool(pending)
        for future, call in pending:
            if not future.set_running_or_notify_cancel():
                continue
            self.executed += 1
            future.set_result(call())


class RoundFuture(Future):
    """Runs a round when `concurrent.futures.wait` registers itself: before it would block."""

    def __init__(self, executor: RoundExecutor) -> None:
        super().__init__()
        self._waiters = Waiters(executor)


class Waiters(list):
    def __init__(self, executor: RoundExecutor) -> None:
        super().__init__()
        self._executor = executor

    def append(self, waiter) -> None:
        super().append(waiter)
        self._executor.run_round()


@dataclass
class Endpoint:
    """An endpoint in memory, with a cursor by time and id."""

    rows: list[tuple[int, str]]
    page_size: int
    refuses_ends: bool = False
    ignores_ends: bool = False
    goes_in_cycles: bool = False
    fails_at: int = 0
    asked: int = 0
    under_way: int = 0
    most_under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def page(
        self, window: Window, page_token: PageToken | None, limit: int | None = None
    ) -> TimedPage:
        with self.lock:
            self.asked += 1
            fails = self.asked == self.fails_at
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if fails:
                raise UnavailableError("The server answered 500.")
            return self._page(window, page_token, limit)
        finally:
            with self.lock:
                self.under_way -= 1

    def _page(self, window: Window, page_token: PageToken | None, limit: int | None) -> TimedPage:
        if window.until is not None and self.refuses_ends:
            raise RequestRejectedError("'indexed_on.lte' is not a valid parameter.")
        found = [
            row
            for row in sorted(self.rows)
            if (window.after is None or row[0] > window.after)
            and (window.until is None or self.ignores_ends or row[0] <= window.until)
            and (page_token is None or list(row) > page_token["last"])
        ]
        size = limit or self.page_size
        rows = found[:size]
        following: PageToken | None = {"last": list(rows[-1])} if len(rows) == size else None
        if self.goes_in_cycles and following is not None:
            following = {"last": [-1, ""]}
        return TimedPage(
            rows=rows,
            ids=[name for _, name in rows],
            times=[stamp for stamp, _ in rows],
            total=len(found) if page_token is None else None,
            next_page_token=following,
            requested_at=NOW,
        )


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def read(endpoint: Endpoint, executor: Executor | None, start: Start | None = None):
    prefetcher = Prefetcher(endpoint, executor, lambda: 4)
    return [
        row for _, page in prefetcher.pages(start or Start(Window(None, None))) for row in page.rows
    ]


def numbered(times: list[int]) -> list[tuple[int, str]]:
    return [(stamp, f"{place:04d}") for place, stamp in enumerate(times)]


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(
        st.integers(0, 50) | st.integers(10**9, 10**9 + 500) | st.integers(0, 10**12), max_size=250
    ),
    page_size=st.integers(1, 20),
    in_parallel=st.booleans(),
)
def test_every_row_comes_once_and_in_order(executor, times, page_size, in_parallel):
    endpoint = Endpoint(numbered(times), page_size)

    rows = read(endpoint, executor if in_parallel else None)

    assert len(rows) == len(times)
    assert [stamp for stamp, _ in rows] == sorted(times)
    assert endpoint.most_under_way <= (4 if in_parallel else 1)


YEAR = 365 * 86_400_000
SPREADS = {
    "evenly": lambda _: 0.0,
    "in bursts": lambda chance: (chance.randrange(12) + chance.random() / 700) * YEAR / 12,
    "by chance": lambda chance: chance.random() * YEAR,
    "more and more": lambda chance: YEAR - min(chance.expovariate(5.0), 1.0) * YEAR,
    "half on one day": lambda chance: YEAR * (1 - chance.random() / chance.choice([1, 365])),
    "in office hours": lambda chance: (
        (chance.randrange(365) + chance.uniform(0.3, 0.7)) * YEAR / 365
    ),
}


def spread_rows(spread: str, count: int) -> list[tuple[int, str]]:
    chance = random.Random(5)
    times = [int(NOW.timestamp() * 1000 - YEAR + SPREADS[spread](chance)) for _ in range(count)]
    return numbered(sorted(times) if spread != "evenly" else [s * 6_000_000 for s in range(count)])


@pytest.mark.parametrize("count", [0, 40, 41, 119, 120, 600, 1640, 4840])
@pytest.mark.parametrize("spread", SPREADS)
def test_prefetching_costs_five_percent_more_requests_at_most(spread, count):
    rows = spread_rows(spread, count)
    alone, ahead = Endpoint(rows, 40), Endpoint(rows, 40)

    assert read(alone, None) == rows
    assert read(ahead, RoundExecutor()) == rows
    assert ahead.asked <= 1.05 * alone.asked


@pytest.mark.parametrize("spread", ["evenly", "in office hours"])
def test_four_requests_at_once_take_half_of_the_time_where_rows_come_regularly(spread):
    rows = spread_rows(spread, 4840)
    endpoint, executor = Endpoint(rows, 40), RoundExecutor()

    assert read(endpoint, executor) == rows
    requests_alone = endpoint.asked - executor.executed
    assert executor.rounds + requests_alone < 0.5 * 122


@pytest.mark.parametrize("habit", ["refuses_ends", "ignores_ends"])
def test_a_server_without_ends_of_windows_is_read_one_page_after_the_other(executor, habit):
    endpoint = Endpoint(numbered(list(range(0, 100_000, 100))), 50, **{habit: True})

    assert len(read(endpoint, executor)) == 1000


@pytest.mark.parametrize("request_number", range(2, 12))
def test_a_request_that_fails_loses_no_page_that_came_before_it(executor, request_number):
    rows = numbered(list(range(0, 100_000, 100)))
    endpoint = Endpoint(rows, 50, fails_at=request_number)
    found: list[tuple[int, str]] = []

    try:
        for _, page in Prefetcher(endpoint, executor, lambda: 4).pages(Start(Window(None, None))):
            found += page.rows
    except UnavailableError:
        assert len(found) >= 50
    else:
        assert found == rows
    assert found == rows[: len(found)]


def test_a_cycle_of_links_is_an_error(executor):
    endpoint = Endpoint(numbered([5] * 100), 10, goes_in_cycles=True)

    with pytest.raises(UnexpectedResponseError, match="cycle"):
        read(endpoint, executor)


def test_a_read_resumes_among_equal_times_and_then_prefetches(executor):
    rows = numbered([5] * 100 + list(range(1000, 2000)))
    endpoint = Endpoint(rows, 20)

    left = read(endpoint, executor, Start(Window(None, None), {"last": list(rows[49])}))

    assert left == rows[50:]


@pytest.mark.parametrize("clock", [1_000_001, 50_000_000, 2_000_000_000_000])
@pytest.mark.parametrize("gap", [1, 1000])
def test_rows_that_move_to_the_end_during_the_read_are_found_there(executor, clock, gap):
    endpoint = Endpoint(numbered(list(range(0, 1_000_000, 1000))), 50)
    seen: dict[str, int] = {}

    prefetcher = Prefetcher(endpoint, executor, lambda: 4)
    for turn, (_, page) in enumerate(prefetcher.pages(Start(Window(None, None)))):
        seen |= {name: stamp for stamp, name in page.rows}
        if turn < 10:
            _, name = endpoint.rows.pop(900 - 40 * turn)
            endpoint.rows.append((clock + gap * turn, name))

    assert seen == {name: stamp for stamp, name in endpoint.rows}
