"""Reads opportunities concurrently; one that fails does not stop the others.

This module does not know which part of an opportunity is read.
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
    StreamStatus,
)

from tap_commcare_connect.account_index import Opportunity

log = logging.getLogger(__name__)

ACCESS_ERRORS = (ForbiddenError, NotFoundError)
_MAX_NAMED = 5
_TIMEOUTS_OF_A_DEAD_SERVER = 2


@dataclass(frozen=True)
class Failure:
    """An opportunity that could not be read."""

    opportunity: int
    error: ApiError


class OpportunitiesFailedError(ApiError):
    """Some opportunities could not be read; the others are complete."""

    def __init__(self, failures: Sequence[Failure], *, is_all: bool) -> None:
        causes = [f"opportunity {f.opportunity}: {f.error.cause}" for f in failures[:_MAX_NAMED]]
        if len(failures) > _MAX_NAMED:
            causes.append(f"and {len(failures) - _MAX_NAMED} more opportunities")
        super().__init__(" ".join(causes), failures[0].error.remedy)
        # Control acts on 75 and 77: it waits, or asks a person to reconnect. While others can be
        # read, neither is right.
        codes = {failure.error.exit_code for failure in failures}
        self.exit_code = codes.pop() if is_all and len(codes) == 1 else 1
        no_access = all(isinstance(failure.error, ACCESS_ERRORS) for failure in failures)
        self.status = StreamStatus.SKIPPED if no_access else StreamStatus.FAILED


def not_listed(opportunity: int) -> Failure:
    """Return the failure of an opportunity in the settings that the account cannot see."""
    return Failure(
        opportunity,
        NotFoundError(
            "This account cannot see it.",
            "Check opportunity_ids and the account's memberships; rows that were read before are"
            " kept.",
        ),
    )


def read_each(
    opportunities: Sequence[Opportunity],
    read: Callable[[Opportunity], None],
    executor: Executor | None,
    max_in_flight: int,
    *,
    stops: bool = False,
) -> list[Failure]:
    """Read every opportunity; return those that failed.

    Args:
        opportunities: What to read.
        read: Reads one.
        executor: Reads several at the same time; None if they are read in sequence.
        max_in_flight: How many may be submitted at the same time.
        stops: Whether the first failure stops further ones from starting.

    Raises:
        ApiError: A failure that concerns all of them.
    """
    if executor is None:
        return _in_sequence(opportunities, read, stops=stops)
    failures: list[Failure] = []
    successes = 0
    remaining = iter(opportunities)
    in_flight: set[Future[Failure | None]] = set()
    try:
        while True:
            # Not all are submitted at once: what a failure stops before that sends no request.
            while len(in_flight) < max_in_flight and not (stops and failures):
                opportunity = next(remaining, None)
                if opportunity is None:
                    break
                in_flight.add(executor.submit(_attempt, read, opportunity))
            if not in_flight:
                # By id: the message and the state must not depend on which thread was first.
                return sorted(failures, key=lambda failure: failure.opportunity)
            done, in_flight = concurrent.futures.wait(
                in_flight, return_when=concurrent.futures.FIRST_COMPLETED
            )
            failed = [failure for each in done if (failure := each.result()) is not None]
            failures += failed
            successes += len(done) - len(failed)
            _check_server(failures, successes, len(opportunities))
    finally:
        # Reads in progress still write pages: they must end before the caller writes others.
        for future in in_flight:
            future.cancel()
        concurrent.futures.wait(in_flight)


def _in_sequence(
    opportunities: Sequence[Opportunity], read: Callable[[Opportunity], None], *, stops: bool
) -> list[Failure]:
    failures: list[Failure] = []
    for index, opportunity in enumerate(opportunities):
        failure = _attempt(read, opportunity)
        failures += [failure] if failure is not None else []
        _check_server(failures, index + 1 - len(failures), len(opportunities))
        if stops and failures:
            break
    return failures


def _check_server(failures: Sequence[Failure], successes: int, total: int) -> None:
    """Raise the time-out if no opportunity could be read: then the server itself is down.

    A single time-out may be due to one large list. Several without any success mean that waiting
    for each of the others would take hours.
    """
    timeouts = [
        failure.error for failure in failures if isinstance(failure.error, ReadTimeoutError)
    ]
    if not successes and len(timeouts) >= min(_TIMEOUTS_OF_A_DEAD_SERVER, total):
        raise timeouts[0]


def _attempt(read: Callable[[Opportunity], None], opportunity: Opportunity) -> Failure | None:
    try:
        read(opportunity)
    except ApiError as error:
        # A time-out usually concerns the server, but a single large list may cause it, too. It
        # counts as this opportunity's until others time out as well: see _check_server.
        concerns_all = error.scope is not FailureScope.STREAM
        if concerns_all and not isinstance(error, ReadTimeoutError):
            raise
        log.warning("opportunity %d: %s", opportunity.id, error)
        return Failure(opportunity.id, error)
    return None
