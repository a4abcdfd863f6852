"""Live events of a run: the permission is checked before each of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent

from scout_control.api.runs import BEGINNING
from scout_control.errors import BusyError, ControlError
from scout_control.rules.error_document import error_document
from scout_control.rules.remedies import Surface
from scout_control.serve.documents import Key
from scout_control.serve.sign_in import Renewed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scout_control.access.runs import Follower, News
    from scout_control.api.runs import LogPosition

INTERVAL_SECONDS = 1.0
LONGEST_SECONDS = 600.0
RETRY_MILLISECONDS = 2_000
MOST, MOST_OF_PERSON = 200, 10
"""Streams at the same time, in one process."""


class Streams:
    """Counts the streams of a process, and of each person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_person: Counter[str] = Counter()

    @contextmanager
    def taken(self, person: str) -> Iterator[None]:
        """Take a place for a stream.

        Raises:
            BusyError: All are taken.
        """
        with self._lock:
            if self._by_person[person] >= MOST_OF_PERSON or self._by_person.total() >= MOST:
                raise BusyError(
                    "Too many streams of events are open.", "Close one, or try again later."
                )
            self._by_person[person] += 1
        try:
            yield
        finally:
            with self._lock:
                self._by_person[person] -= 1
                self._by_person += Counter()  # forgets who has none


def position_of(event_id: str | None) -> LogPosition:
    """Return the position in the log that the id of an event stands for; else the beginning."""
    parts = (event_id or "").split("-")
    if len(parts) != len(BEGINNING) or not all(e.isascii() and e.isdecimal() for e in parts):
        return BEGINNING
    attempt, chunk, lines = (min(int(each[:9]), 2**31 - 1) for each in parts)
    return attempt, chunk, lines


def events_of(news: News, last: dict[str, Any]) -> Iterator[ServerSentEvent]:
    """Yield the events of what is new; ``last`` is the run as it was sent last."""
    position = "-".join(map(str, news.position))
    for number, line in enumerate(news.lines, 1):
        # Only the last one has the position after them: who was cut off gets the others again.
        is_last = number == len(news.lines)
        yield ServerSentEvent(event="log", data=line.as_dict(), id=position if is_last else None)
    run = news.run.as_dict()
    if run != last:
        yield ServerSentEvent(event="run", data=run, id=position, retry=RETRY_MILLISECONDS)
    if news.is_over:
        yield ServerSentEvent(event="end", data={"status": run["status"]}, id=position)


class RunEvents:
    """The events of one run for one person."""

    def __init__(self, renewed: Renewed, run_id: str, position: LogPosition) -> None:
        self._renewed = renewed
        self._follower: Follower = renewed().runs.follow(run_id, position=position)

    def _read(self) -> News:
        self._renewed()  # the token may have been revoked
        return self._follower.read()

    async def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        """Yield events until the run is over, or the time is, or they may not be seen."""
        until, last = time.monotonic() + LONGEST_SECONDS, dict[str, Any]()
        while time.monotonic() < until:
            try:
                news = await run_in_threadpool(self._read)
            except ControlError as error:
                yield ServerSentEvent(event="error", data=error_document(error, Surface.REST))
                return
            for event in events_of(news, last):
                yield event
            if news.is_over:
                return
            last = news.run.as_dict()
            await anyio.sleep(INTERVAL_SECONDS)


def _events(
    request: Request,
    renewed: Renewed,
    run: Key,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Iterator[RunEvents]:
    streams: Streams = request.app.state.streams
    with streams.taken(renewed().identity.person):
        yield RunEvents(renewed, run, position_of(last_event_id))


Events = Annotated[RunEvents, Depends(_events)]
