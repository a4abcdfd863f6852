"""Tasks of a run: what a failure ends, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from tap_common.bookmarks import Bookmarks
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    ForbiddenError,
    InterruptedRunError,
    RateLimitError,
    StreamStatus,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.messages import Output
from tap_common.signals import SignalHandler
from tap_common.sync import StreamOutcome, SyncRun, exit_code, log_result, run_tasks

COMPLETED, FAILED, SKIPPED = StreamStatus.COMPLETED, StreamStatus.FAILED, StreamStatus.SKIPPED
RESUME_AT = datetime(2026, 11, 20, 22, 15, tzinfo=UTC)
LIMITED = RateLimitError("The server asks to wait.", "Run again later.", RESUME_AT)


@dataclass
class Stream:
    name: str


@dataclass
class Task:
    """A task that fails, or does nothing."""

    name: str
    domain: str
    error: Exception | None = None
    streams: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = [Stream(self.name)]

    def run(self, _run: SyncRun) -> None:
        if self.error is not None:
            raise self.error


def outcomes(*tasks: Task, concurrency: int = 1) -> tuple[SyncRun, list[str]]:
    run = SyncRun(Output(SignalHandler()), Bookmarks({}), concurrency)
    run_tasks(run, tasks)
    return run, [str(outcome.status) for outcome in run.outcomes.values()]


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    ("error", "same_domain", "other_domain"),
    [
        (ForbiddenError("No permission."), COMPLETED, COMPLETED),
        (UnexpectedResponseError("It changed."), COMPLETED, COMPLETED),
        (ZeroDivisionError(), COMPLETED, COMPLETED),
        (RecursionError(), COMPLETED, COMPLETED),
        (CredentialRefusedError("It is refused."), SKIPPED, COMPLETED),
        (LIMITED, SKIPPED, COMPLETED),
        (UnreachableError("No connection."), SKIPPED, SKIPPED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_failure_ends_as_much_as_its_scope(error, same_domain, other_domain, concurrency):
    first = Task("one", "a", error)
    others = [Task("two", "a"), Task("three", "b")]
    if concurrency == 1:
        _, statuses = outcomes(first, *others)
        assert statuses[1:] == [same_domain, other_domain]
    else:
        run, statuses = outcomes(first, *others, concurrency=concurrency)
        assert run.outcomes["one", "a"].error is not None
    assert statuses[0] == (SKIPPED if error is LIMITED else FAILED)


def test_a_signal_ends_all_tasks():
    with pytest.raises(InterruptedRunError):
        outcomes(Task("one", "a", InterruptedRunError(15)), Task("two", "a"))


def outcome(status: StreamStatus, error: ApiError | None = None) -> StreamOutcome:
    return StreamOutcome("s", "d", status, error=error)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], 0),
        ([outcome(COMPLETED), outcome(COMPLETED)], 0),
        ([outcome(COMPLETED), outcome(FAILED, ForbiddenError("x"))], 1),
        ([outcome(COMPLETED), outcome(FAILED, UnexpectedResponseError("x"))], 1),
        ([outcome(FAILED, UnexpectedResponseError("x"))], 65),
        ([outcome(FAILED, UnexpectedResponseError("x")), outcome(FAILED, ForbiddenError("x"))], 1),
        ([outcome(COMPLETED), outcome(SKIPPED, LIMITED)], 75),
        ([outcome(SKIPPED, LIMITED), outcome(FAILED, CredentialRefusedError("x"))], 77),
    ],
)
def test_the_exit_code_says_what_to_do_first(found, code):
    assert exit_code(found) == code


def test_the_last_line_has_every_stream(caplog):
    caplog.set_level("INFO")
    run, _ = outcomes(Task("one", "a"), Task("two", "b", LIMITED))
    code = log_result(run, ["three"])

    assert code == 75
    assert "event=paused resume_at=2026-11-20T22:15:00.000000Z" in caplog.text
    assert caplog.messages[-1] == (
        "event=finished exit_code=75 streams: one[a] completed (0 records), "
        "two[b] skipped (0 records; The server asks to wait.), three skipped (not selected)"
    )
