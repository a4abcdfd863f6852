"""Which rows Postgres rejects is found by bisection; any other error ends the search."""

from __future__ import annotations

import psycopg2
import pytest
from target_scout_postgres.postgres.rejected_rows import find_rejected, is_data_error


def error(sqlstate: str) -> psycopg2.Error:
    made = psycopg2.Error()
    made.__setstate__({"pgcode": sqlstate})
    return made


def search(count: int, wrong: set[int], sqlstate: str = "22003"):
    """Apply something to rows, some of which are wrong; return those, and the attempts."""
    attempts: list[range] = []

    def attempt(numbers: range) -> None:
        attempts.append(numbers)
        if wrong & set(numbers):
            raise error(sqlstate)

    return [number for number, _ in find_rejected(range(count), attempt)], attempts


@pytest.mark.parametrize("wrong", [set(), {0}, {99}, {3, 4, 50}, set(range(100))])
def test_exactly_the_wrong_rows_are_found(wrong):
    assert search(100, wrong)[0] == sorted(wrong)


def test_a_batch_without_wrong_rows_costs_one_attempt_and_one_wrong_row_few():
    assert len(search(1_000, set())[1]) == 1
    assert len(search(1_000, {500})[1]) < 25


@pytest.mark.parametrize("sqlstate", ["53100", "57014", "40001", "08006", "55P03"])
def test_an_error_of_the_server_ends_the_search(sqlstate):
    with pytest.raises(psycopg2.Error) as raised:
        search(10, {5}, sqlstate)
    assert raised.value.pgcode == sqlstate


def test_a_row_that_refers_to_a_later_one_is_tried_again():
    stored: set[int] = set()

    def attempt(numbers: range) -> None:
        if 0 in numbers and 7 not in stored:
            raise error("23503")
        stored.update(numbers)

    assert find_rejected(range(8), attempt) == []
    assert stored == set(range(8))


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [("22P02", True), ("54000", True), ("23505", True), ("23502", True), ("53200", False)],
)
def test_which_errors_the_data_causes(sqlstate, expected):
    assert is_data_error(error(sqlstate)) is expected
