"""Parts of a stream, one for each opportunity: side by side, one failing without the others.

It must not know what a part is made of.
"""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from tap_common.errors import (
    ApiError,
    FailureScope,
    ForbiddenError,
    NotFoundError,
    ReadTimeoutError,
)

from tap_commcare_connect.account_index import Opportunity

log = logging.getLogger(__name__)

LOST = (ForbiddenError, NotFoundError)
_TOLD = 5
_SILENT = 2


@dataclass(frozen=True)
class Failure:
    """A part that could not be read."""

    opportunity: int
    error: ApiError


class OpportunitiesFailedError(ApiError):
    """Some opportunities could not be read; the others are complete."""

    def __init__(self, failures: Sequence[Failure], *, is_all: bool) -> None:
        told = [f"opportunity {f.opportunity}: {f.error.cause}" for f in failures[:_TOLD]]
        if len(failures) > _TOLD:
            told.append(f"and {len(failures) - _TOLD} more opportunities")
        super().__init__(" ".join(told), failures[0].error.remedy)
        codes = {failure.error.exit_code for failure in failures}
        self.exit_code = codes.pop() if is_all and len(codes) == 1 else 1
        is_lost = all(isinstance(failure.error, LOST) for failure in failures)
        self.status = "skipped" if is_lost else "failed"


def lost(opportunity: int) -> Failure:
    """Return the failure of an opportunity that is named and not listed."""
    return Failure(
        opportunity,
        NotFoundError(
            "It is not among those that this account sees.",
            "Check opportunity_ids and the account's memberships; nothing that was read before"
            " is removed.",
        ),
    )


def read_each(
    opportunities: Sequence[Opportunity],
    read: Callable[[Opportunity], None],
    executor: Executor | None,
    width: int,
    *,
    stops: bool = False,
) -> list[Failure]:
    """Read every opportunity; return those that failed.

    Args:
        opportunities: What to read.
        read: Reads one.
        executor: Reads several at the same time; None reads one after the other.
        width: How many may wait or be under way.
        stops: Whether to begin no more once one has failed.

    Raises:
        ApiError: Something that stops them all.
    """
    if executor is None:
        return _one_by_one(opportunities, read, stops=stops)
    failures: list[Failure] = []
    read_well = 0
    line = iter(opportunities)
    under_way: set[Future[Failure | None]] = set()
    try:
        while True:
            while len(under_way) < width and not (stops and failures):
                opportunity = next(line, None)
                if opportunity is None:
                    break
                under_way.add(executor.submit(_attempt, read, opportunity))
            if not under_way:
                return sorted(failures, key=lambda failure: failure.opportunity)
            done, under_way = concurrent.futures.wait(
                under_way, return_when=concurrent.futures.FIRST_COMPLETED
            )
            found = [failure for each in done if (failure := each.result()) is not None]
            failures += found
            read_well += len(done) - len(found)
            _check_alive(failures, read_well, len(opportunities))
    finally:
        for future in under_way:
            future.cancel()
        concurrent.futures.wait(under_way)


def _one_by_one(
    opportunities: Sequence[Opportunity], read: Callable[[Opportunity], None], *, stops: bool
) -> list[Failure]:
    failures: list[Failure] = []
    for place, opportunity in enumerate(opportunities):
        failure = _attempt(read, opportunity)
        failures += [failure] if failure is not None else []
        _check_alive(failures, place + 1 - len(failures), len(opportunities))
        if stops and failures:
            break
    return failures


def _check_alive(failures: Sequence[Failure], read_well: int, of: int) -> None:
    """Raise what is no fault of one opportunity: nothing answers, wherever it is asked."""
    silent = [failure.error for failure in failures if isinstance(failure.error, ReadTimeoutError)]
    if not read_well and len(silent) >= min(_SILENT, of):
        raise silent[0]


def _attempt(read: Callable[[Opportunity], None], opportunity: Opportunity) -> Failure | None:
    try:
        read(opportunity)
    except ApiError as error:
        if error.reach is not FailureScope.STREAM and not isinstance(error, ReadTimeoutError):
            raise
        log.warning("opportunity %d: %s", opportunity.id, error)
        return Failure(opportunity.id, error)
    return None
