"""Reading opportunities concurrently: what fails is told apart from what ends everything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_commcare_connect.account_index import Opportunity, OpportunitySummary
from tap_commcare_connect.incremental.per_opportunity import (
    Failure,
    OpportunitiesFailedError,
    not_listed,
    read_each,
)
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    ForbiddenError,
    NotFoundError,
    RateLimitError,
    ReadTimeoutError,
    StreamStatus,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.retry_after import parse_http_date

AT = parse_http_date("Fri, 20 Nov 2026 22:15:00 GMT")
LIMITED = RateLimitError("Too many requests.", "Wait.", AT)  # type: ignore[arg-type]  # it is a date


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture(params=["in sequence", "at the same time"])
def executor(request, pool) -> Executor | None:
    return pool if request.param == "at the same time" else None


def opportunities(count: int) -> list[Opportunity]:
    return [Opportunity(OpportunitySummary(number), {}) for number in range(1, count + 1)]


class Reads:
    """Reads opportunities, of which some fail; notes which were begun."""

    def __init__(self, failures: dict[int, ApiError]) -> None:
        self.failures = failures
        self.begun: list[int] = []
        self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()

    def __call__(self, opportunity: Opportunity) -> None:
        with self._lock:
            self.begun.append(opportunity.id)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if error := self.failures.get(opportunity.id):
                raise error
        finally:
            with self._lock:
                self.in_flight -= 1


def ids(failures: list[Failure]) -> list[int]:
    return [failure.opportunity for failure in failures]


@pytest.mark.parametrize("failing", [[], [1], [9], [2, 3, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]], ids=str)
def test_every_opportunity_is_read_once_and_those_that_failed_are_named_in_order(executor, failing):
    reads = Reads({number: UnavailableError(f"No {number}.") for number in failing})
    failures = read_each(opportunities(9), reads, executor, 4)

    assert ids(failures) == failing
    assert [failure.error.cause for failure in failures] == [f"No {number}." for number in failing]
    assert sorted(reads.begun) == list(range(1, 10))


@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_more_are_in_flight_than_allowed(pool, most):
    reads = Reads({})
    read_each(opportunities(30), reads, pool, most)

    assert reads.most_in_flight <= most
    assert len(reads.begun) == 30


def test_the_first_failure_keeps_further_ones_from_starting():
    reads = Reads({2: UnavailableError("No."), 4: UnavailableError("No.")})
    failures = read_each(opportunities(50), reads, None, 4, stops=True)

    assert ids(failures) == [2]
    assert reads.begun == [1, 2]


def test_what_was_submitted_before_a_failure_ends_and_the_rest_never_starts(pool):
    reads = Reads({number: UnavailableError("No.") for number in range(1, 51)})
    failures = read_each(opportunities(50), reads, pool, 4, stops=True)

    assert 1 <= len(failures) <= 4
    assert ids(failures) == sorted(reads.begun)


ENDING = [CredentialRefusedError("Dead."), LIMITED, UnreachableError("No connection.")]


@pytest.mark.parametrize("error", ENDING, ids=lambda error: type(error).__name__)
def test_what_concerns_all_ends_all(executor, error):
    reads = Reads({3: error})
    with pytest.raises(type(error)):
        read_each(opportunities(100), reads, executor, 4)

    assert reads.in_flight == 0  # nothing still writes pages afterwards
    assert executor is not None or reads.begun == [1, 2, 3]


def test_an_error_in_this_program_is_not_a_failed_opportunity(executor):
    def read(_: Opportunity) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        read_each(opportunities(3), read, executor, 2)


@pytest.mark.parametrize(
    ("timeouts", "count", "is_server"),
    [
        ([1], 9, False),
        ([1, 2], 9, True),
        ([1], 1, True),
        ([1, 2], 2, True),
        ([2, 3], 9, False),
        ([8, 9], 9, False),
    ],
    ids=["one of many", "the first two", "the only one", "both", "after a success", "the last two"],
)
def test_time_outs_concern_the_server_only_if_nothing_was_read(timeouts, count, is_server):
    reads = Reads({number: ReadTimeoutError("It timed out.") for number in timeouts})
    if is_server:
        with pytest.raises(ReadTimeoutError):
            read_each(opportunities(count), reads, None, 1)
        assert len(reads.begun) == min(2, count)
    else:
        assert ids(read_each(opportunities(count), reads, None, 1)) == timeouts


def test_nothing_to_read_is_no_failure(executor):
    assert read_each([], Reads({}), executor, 4) == []


ERRORS: dict[str, Callable[[], ApiError]] = {
    "not found": lambda: NotFoundError("It does not exist."),
    "forbidden": lambda: ForbiddenError("No permission."),
    "unavailable": lambda: UnavailableError("It failed.", "Run again."),
    "unexpected": lambda: UnexpectedResponseError("It changed.", "Update."),
}


def failed(*kinds: str) -> list[Failure]:
    return [Failure(number, ERRORS[kind]()) for number, kind in enumerate(kinds, start=1)]


@pytest.mark.parametrize(
    ("kinds", "is_all", "code", "status"),
    [
        (["not found"], False, 1, StreamStatus.SKIPPED),
        (["not found", "forbidden"], True, 1, StreamStatus.SKIPPED),
        (["not found", "unavailable"], False, 1, StreamStatus.FAILED),
        (["unexpected"], False, 1, StreamStatus.FAILED),
        (["unexpected", "unexpected"], True, 65, StreamStatus.FAILED),
        (["unexpected", "unavailable"], True, 1, StreamStatus.FAILED),
    ],
    ids=str,
)
def test_the_exit_code_is_that_of_the_failures_only_if_nothing_else_was_read(
    kinds, is_all, code, status
):
    error = OpportunitiesFailedError(failed(*kinds), is_all=is_all)

    assert (error.exit_code, error.status) == (code, status)


@pytest.mark.parametrize(("count", "more"), [(1, ""), (5, ""), (6, "and 1 more"), (900, "and 895")])
def test_the_message_names_a_few_and_counts_the_rest(count, more):
    error = OpportunitiesFailedError(failed(*["unavailable"] * count), is_all=False)

    assert "opportunity 1: It failed." in str(error)
    assert more in str(error)
    assert ("more opportunities" in str(error)) is bool(more)
    assert len(str(error)) < 300
    assert str(error).endswith("Run again.")


def test_an_opportunity_that_is_not_listed_says_which_setting_names_it():
    failure = not_listed(77)

    assert failure.opportunity == 77
    assert "opportunity_ids" in failure.error.remedy
    assert OpportunitiesFailedError([failure], is_all=False).status is StreamStatus.SKIPPED


@given(
    failing=st.sets(st.integers(1, 20), max_size=20), most=st.integers(1, 6), stops=st.booleans()
)
def test_whatever_fails_each_is_begun_at_most_once_and_every_failure_is_told(failing, most, stops):
    reads = Reads({number: NotFoundError("No.") for number in failing})
    with ThreadPoolExecutor(3) as executor:
        told = ids(read_each(opportunities(20), reads, executor, most, stops=stops))

    assert len(set(reads.begun)) == len(reads.begun)
    assert told == sorted(failing & set(reads.begun))
    assert stops or len(reads.begun) == 20
