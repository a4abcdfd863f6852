"""A run: readings side by side, one failing without stopping the others, one line at the end.

A reading reads one part of the API for the streams that are made of it. It must not know what is
read, or how.
"""

from __future__ import annotations

import concurrent.futures
import enum
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from singer_sdk import metrics

from tap_common.bookmarks import Bookmarks
from tap_common.errors import (
    ApiError,
    FailureScope,
    InternalError,
    InterruptedRunError,
    RateLimitError,
    UnexpectedResponseError,
)
from tap_common.messages import AnyRecord, Output, write
from tap_common.omissions import OMISSIONS
from tap_common.stream import ApiStream
from tap_common.timestamps import spell

log = logging.getLogger(__name__)

# When several things went wrong: what a person, and then a clock, must act on comes first.
WORST_FIRST = (77, 75)

# What single values of an answer lead to that no reader of pages refused.
UNREADABLE = (RecursionError, ArithmeticError, msgspec.DecodeError)


class SyncTask(Protocol):
    """One part of the API and the selected streams that are made of it."""

    domain: str
    streams: Sequence[ApiStream]

    def run(self, run: Run) -> None:
        """Read everything and write it through the run."""

    def sample(self, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few records of each stream, by one request."""


@dataclass
class StreamOutcome:
    """What became of one stream in one domain."""

    stream: str
    domain: str
    status: str = "skipped"
    reason: str = ""
    records: int = 0
    error: ApiError | None = None

    def text(self, *, with_domain: bool) -> str:
        """Return one part of the last log line."""
        name = f"{self.stream}[{self.domain}]" if with_domain else self.stream
        told = f"{self.records} records" + (f"; {self.reason}" if self.reason else "")
        return f"{name} {self.status} ({told})"


class ExtraMetric(enum.StrEnum):
    """A metric beside those of the SDK."""

    RECORD_TOTAL = "record_total"


@dataclass
class Run:
    """What readings write through, and what is known of them so far."""

    output: Output
    bookmarks: Bookmarks
    concurrency: int = 1
    outcomes: dict[tuple[str, str], StreamOutcome] = field(default_factory=dict)
    closed: dict[str, ApiError] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    counters: dict[tuple[str, str], metrics.Counter] = field(default_factory=dict)

    def begin(self, stream: ApiStream, version: int | None = None) -> None:
        """Write a stream's schema, once; readings of several domains share a version."""
        with self.output.interruption.held(), self.output.lock:
            if stream.name not in self.begun:
                stream.begin(version)
                self.begun.add(stream.name)

    def expect(self, stream: ApiStream, domain: str, records: int) -> None:
        """Say in the log how many records are still to come, as the source counts them."""
        tags = {"stream": stream.name, "domain": domain}
        point = metrics.Point("gauge", ExtraMetric.RECORD_TOTAL, records, tags)  # type: ignore[arg-type]  # one of ours
        metrics.log(metrics.get_metrics_logger(), point)

    def write_page(
        self,
        reading: SyncTask,
        pages: Sequence[tuple[ApiStream, Iterable[AnyRecord]]],
        remember: Callable[[], None],
        then: Callable[[], None] | None = None,
    ) -> None:
        """Write the records of a page, what is remembered after them, and the state."""
        pieces: list[bytes | bytearray] = []
        for stream, records in pages:
            known = list(records)
            pieces.extend(stream.lines(known))
            place = (stream.name, reading.domain)
            self.outcomes[place].records += len(known)
            if place in self.counters:
                self.counters[place].increment(len(known))
        with self.output.interruption.held(), self.output.lock:
            for piece in pieces:
                write(piece)
            if then is not None:
                then()
            remember()
            self.output.write_state(self.bookmarks.state)


def run_tasks(run: Run, readings: Sequence[SyncTask]) -> None:
    """Run all readings, up to ``run.concurrency`` of them at the same time.

    Raises:
        InterruptedRunError: A signal came.
    """
    for reading in readings:
        for stream in reading.streams:
            run.outcomes[stream.name, reading.domain] = StreamOutcome(stream.name, reading.domain)
    if run.concurrency == 1 or len(readings) == 1:
        for reading in readings:
            _run_one(run, reading)
        return
    pool = concurrent.futures.ThreadPoolExecutor(run.concurrency, thread_name_prefix="reading")
    try:
        waiting = {pool.submit(_run_one, run, reading) for reading in readings}
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, timeout=1.0, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_one(run: Run, reading: SyncTask) -> None:
    stopped = run.closed.get(reading.domain) or run.closed.get("")
    if stopped is not None:
        _note(run, reading, "skipped", stopped)
        return
    places = [(stream.name, reading.domain) for stream in reading.streams]
    for place in places:
        run.counters[place] = metrics.record_counter(place[0], domain=place[1])
    try:
        reading.run(run)
    except InterruptedRunError:
        raise
    except ApiError as error:
        _fail(run, reading, error)
    except UNREADABLE as error:
        _fail(run, reading, _unreadable(error))
    except Exception as error:  # noqa: BLE001 - a mistake in one stream must not stop the others
        _fail(run, reading, InternalError(error))
    else:
        for stream in reading.streams:
            run.outcomes[stream.name, reading.domain].status = "completed"
    finally:
        for place in places:
            run.counters.pop(place).exit()


def _unreadable(error: Exception) -> UnexpectedResponseError:
    """Return the error of a value that is JSON and more than can be held."""
    return UnexpectedResponseError(
        f"An answer holds a value that is nested too deeply or too large ({type(error).__name__}).",
        "Nothing was taken from this page. Tell the server's administrator.",
    )


def _fail(run: Run, reading: SyncTask, error: ApiError) -> None:
    error.__context__ = error.__traceback__ = None  # they would keep the answer in memory
    if error.reach is FailureScope.DOMAIN:
        run.closed.setdefault(reading.domain, error)
    elif error.reach is FailureScope.RUN:
        run.closed.setdefault("", error)
    _note(run, reading, error.status, error)
    log.error("%s: %s", " and ".join(stream.name for stream in reading.streams), error)


def _note(run: Run, reading: SyncTask, status: str, error: ApiError) -> None:
    for stream in reading.streams:
        outcome = run.outcomes[stream.name, reading.domain]
        if outcome.status == "completed":
            continue
        outcome.status = status
        outcome.reason = error.cause
        outcome.error = error


def exit_code(outcomes: Iterable[StreamOutcome]) -> int:
    """Return the exit code of a run.

    A part failed: 1. Nothing was completed and everything failed alike: that failure's own code.
    """
    known = list(outcomes)
    codes = {outcome.error.exit_code for outcome in known if outcome.error is not None}
    for code in WORST_FIRST:
        if code in codes:
            return code
    if not codes:
        return 0
    is_all = all(outcome.status != "completed" for outcome in known)
    return codes.pop() if is_all and len(codes) == 1 else 1


def report(run: Run, not_selected: Sequence[str]) -> int:
    """Log how the run went, the streams in the last line; return its exit code."""
    OMISSIONS.tell()
    outcomes = list(run.outcomes.values())
    code = exit_code(outcomes)
    pauses = [o.error for o in outcomes if isinstance(o.error, RateLimitError)]
    if pauses:
        latest = max(pause.resume_at for pause in pauses)
        log.warning("event=paused resume_at=%s", spell(latest))
    with_domain = len({outcome.domain for outcome in outcomes}) > 1
    parts = [outcome.text(with_domain=with_domain) for outcome in outcomes]
    parts += [f"{name} skipped (not selected)" for name in not_selected]
    level = logging.INFO if code == 0 else logging.ERROR
    log.log(level, "event=finished exit_code=%d streams: %s", code, ", ".join(parts))
    return code
