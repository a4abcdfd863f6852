"""Runs sync tasks concurrently; one that fails does not stop the others.

A task reads one part of the API for the streams that are derived from it. This module knows neither
what is read nor how.
"""

from __future__ import annotations

import concurrent.futures
import enum
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from singer_sdk import metrics

from tap_common.bookmarks import Bookmarks
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    FailureScope,
    InternalError,
    InterruptedRunError,
    RateLimitError,
    StreamStatus,
    UnexpectedResponseError,
)
from tap_common.messages import AnyRecord, Output, write
from tap_common.omissions import OMISSIONS
from tap_common.stream import ApiStream
from tap_common.timestamps import to_rfc3339
from tap_common.wording import counted

log = logging.getLogger(__name__)

# If several things failed: first what a person must act on, then what only takes time.
EXIT_CODES_BY_PRIORITY = (CredentialRefusedError.exit_code, RateLimitError.exit_code)

# What converting a single value can raise although the decoder accepted the page.
VALUE_ERRORS = (RecursionError, ArithmeticError, msgspec.DecodeError)

READ_BY_A_PROGRAM = "SINGER_SDK_LOG_CONFIG"
"""Meltano sets this variable, and turns the counts into progress."""
PROGRESS_SECONDS = 1.0
"""Between two counts of a stream, where a program reads them; else the minute of the SDK."""

WHOLE_RUN = ""
"""The key of a failure that ends all domains."""


class SyncTask(Protocol):
    """One part of the API, and the selected streams that are derived from it."""

    domain: str
    streams: Sequence[ApiStream]

    def run(self, run: SyncRun) -> None:
        """Read everything, and write it through ``run``."""

    def sample(self, limit: int) -> Mapping[str, Iterable[AnyRecord]]:
        """Return a few records of each stream, with one request."""


@dataclass
class StreamOutcome:
    """How the sync of one stream in one domain ended."""

    stream: str
    domain: str
    status: StreamStatus = StreamStatus.SKIPPED
    reason: str = ""
    records: int = 0
    error: ApiError | None = None

    def text(self, *, with_domain: bool) -> str:
        """Return one part of the last log line."""
        name = f"{self.stream}[{self.domain}]" if with_domain else self.stream
        details = counted(self.records, "record") + (f"; {self.reason}" if self.reason else "")
        return f"{name} {self.status} ({details})"


class ExtraMetric(enum.StrEnum):
    """Metrics in addition to the SDK's."""

    RECORD_TOTAL = "record_total"


@dataclass
class SyncRun:
    """One run: tasks write through it, and it tracks the progress of each stream.

    Args:
        failures: The failure that ended a domain, or ``WHOLE_RUN``; later tasks there are skipped.
        started: The streams whose schema has been written.
    """

    output: Output
    bookmarks: Bookmarks
    concurrency: int = 1
    outcomes: dict[tuple[str, str], StreamOutcome] = field(default_factory=dict)
    failures: dict[str, ApiError] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    counters: dict[tuple[str, str], metrics.Counter] = field(default_factory=dict)

    def begin(self, stream: ApiStream, version: int | None = None) -> None:
        """Write a stream's schema, once: the tasks of several domains share it and the version."""
        with self.output.transaction():
            if stream.name not in self.started:
                stream.begin(version)
                self.started.add(stream.name)

    def log_expected(self, stream: ApiStream, domain: str, records: int) -> None:
        """Log how many records are still to come, as the source counts them."""
        tags = {"stream": stream.name, "domain": domain}
        point = metrics.Point("gauge", ExtraMetric.RECORD_TOTAL, records, tags)  # type: ignore[arg-type]  # the SDK's enum is closed
        metrics.log(metrics.get_metrics_logger(), point)

    def write_page(
        self,
        task: SyncTask,
        pages: Sequence[tuple[ApiStream, Iterable[AnyRecord]]],
        update_bookmarks: Callable[[], None],
        before_state: Callable[[], None] | None = None,
    ) -> None:
        """Write the records of a page and the state after them.

        Records are encoded before the lock is taken, so that only writing is serialised.

        Args:
            task: The task that read the page.
            pages: The records of each stream.
            update_bookmarks: Called after the records were written and before the state is.
            before_state: Writes other messages between the two.
        """
        pieces: list[bytes | bytearray] = []
        for stream, records in pages:
            page = list(records)
            pieces.extend(stream.lines(page))
            key = (stream.name, task.domain)
            self.outcomes[key].records += len(page)
            if key in self.counters:
                self.counters[key].increment(len(page))
        with self.output.transaction():
            for piece in pieces:
                write(piece)
            if before_state is not None:
                before_state()
            update_bookmarks()
            self.output.write_state(self.bookmarks.state)


def run_tasks(run: SyncRun, tasks: Sequence[SyncTask]) -> None:
    """Run all tasks, up to ``run.concurrency`` at the same time.

    Raises:
        InterruptedRunError: A signal asked the run to stop.
    """
    for task in tasks:
        for stream in task.streams:
            run.outcomes[stream.name, task.domain] = StreamOutcome(stream.name, task.domain)
    if run.concurrency == 1 or len(tasks) == 1:
        for task in tasks:
            _run_one(run, task)
        return
    pool = concurrent.futures.ThreadPoolExecutor(run.concurrency, thread_name_prefix="task")
    try:
        pending = {pool.submit(_run_one, run, task) for task in tasks}
        while pending:
            # The time-out lets the main thread handle signals: without one it would wait in C.
            done, pending = concurrent.futures.wait(
                pending, timeout=1.0, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_one(run: SyncRun, task: SyncTask) -> None:
    earlier = run.failures.get(task.domain) or run.failures.get(WHOLE_RUN)
    if earlier is not None:
        _record_failure(run, task, StreamStatus.SKIPPED, earlier)
        return
    keys = [(stream.name, task.domain) for stream in task.streams]
    for key in keys:
        run.counters[key] = _counter(*key)
    try:
        task.run(run)
    except InterruptedRunError:
        raise
    except ApiError as error:
        _fail(run, task, error)
    except VALUE_ERRORS as error:
        _fail(run, task, _unreadable_value(error))
    except Exception as error:  # noqa: BLE001 - a bug in one stream must not stop the others
        _fail(run, task, InternalError(error))
    else:
        for stream in task.streams:
            run.outcomes[stream.name, task.domain].status = StreamStatus.COMPLETED
    finally:
        # The SDK's counter logs its total at its end, even for a stream that failed.
        for key in keys:
            run.counters.pop(key).exit()


def _counter(stream: str, domain: str) -> metrics.Counter:
    """Return the SDK's counter of records, which logs more often where a program reads the log."""
    counter = metrics.record_counter(stream, domain=domain)
    if READ_BY_A_PROGRAM in os.environ:
        counter.log_interval = PROGRESS_SECONDS
    return counter


def _unreadable_value(error: Exception) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        "A response contains a value that is nested too deeply or too large"
        f" ({type(error).__name__}).",
        "Nothing was taken from this page. Contact the server's administrator.",
    )


def _fail(run: SyncRun, task: SyncTask, error: ApiError) -> None:
    # The error is kept until the end of the run; its frames would keep the page in memory.
    error.__context__ = error.__traceback__ = None
    if error.scope is FailureScope.DOMAIN:
        run.failures.setdefault(task.domain, error)
    elif error.scope is FailureScope.RUN:
        run.failures.setdefault(WHOLE_RUN, error)
    _record_failure(run, task, error.status, error)
    log.error("%s: %s", " and ".join(stream.name for stream in task.streams), error)


def _record_failure(run: SyncRun, task: SyncTask, status: StreamStatus, error: ApiError) -> None:
    for stream in task.streams:
        outcome = run.outcomes[stream.name, task.domain]
        if outcome.status is StreamStatus.COMPLETED:
            continue
        outcome.status = status
        outcome.reason = error.cause
        outcome.error = error


def exit_code(outcomes: Iterable[StreamOutcome]) -> int:
    """Return the exit code of a run.

    1 if a part failed; if nothing was completed and everything failed alike, the failure's code.
    """
    known = list(outcomes)
    codes = {outcome.error.exit_code for outcome in known if outcome.error is not None}
    for code in EXIT_CODES_BY_PRIORITY:
        if code in codes:
            return code
    if not codes:
        return 0
    none_completed = all(outcome.status is not StreamStatus.COMPLETED for outcome in known)
    return codes.pop() if none_completed and len(codes) == 1 else 1


def log_result(run: SyncRun, not_selected: Sequence[str]) -> int:
    """Log the result of the run, with all streams in the last line; return the exit code."""
    OMISSIONS.log_summary()
    outcomes = list(run.outcomes.values())
    code = exit_code(outcomes)
    limits = [o.error for o in outcomes if isinstance(o.error, RateLimitError)]
    if limits:
        resume_at = max(limit.resume_at for limit in limits)
        log.warning("event=paused resume_at=%s", to_rfc3339(resume_at))
    with_domain = len({outcome.domain for outcome in outcomes}) > 1
    parts = [outcome.text(with_domain=with_domain) for outcome in outcomes]
    parts += [f"{name} skipped (not selected)" for name in not_selected]
    level = logging.INFO if code == 0 else logging.ERROR
    log.log(level, "event=finished exit_code=%d streams: %s", code, ", ".join(parts))
    return code
