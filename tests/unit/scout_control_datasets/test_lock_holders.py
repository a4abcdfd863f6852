"""Sessions that block dropping data are named, with the statement that ends them."""

from __future__ import annotations

import pytest
from scout_control.datasets.lock_holders import LockHolder
from scout_control.datasets.schema_drop import BlockedError, grant_statement

SESSION = LockHolder(pid=7, gid=None, role="analyst", database="scout")
PREPARED = LockHolder(pid=None, gid="g'1", role="writer", database="other")


@pytest.mark.parametrize(
    ("holder", "name", "statement"),
    [
        (SESSION, "session 7 of role 'analyst'", "SELECT pg_terminate_backend(7)"),
        (
            PREPARED,
            "the prepared transaction \"g'1\" of role 'writer'",
            "in database 'other' as its owner: ROLLBACK PREPARED 'g''1'",
        ),
    ],
)
def test_a_holder_is_named_with_what_ends_it(holder, name, statement):
    assert str(holder) == name
    assert holder.remedy == statement


def test_within_the_grace_period_the_message_says_to_wait():
    error = BlockedError("data_x", [SESSION], 12.4, "scout")

    assert not error.is_grace_over
    assert "session 7" in error.cause
    assert "12 s" in error.remedy
    assert "pg_terminate_backend" not in error.remedy


def test_after_it_the_message_has_statements_and_the_grant_for_control():
    error = BlockedError("data_x", [SESSION, PREPARED, SESSION], 0, 'sc"out')

    assert error.is_grace_over
    assert error.remedy.count("pg_terminate_backend(7)") == 1
    assert "ROLLBACK PREPARED" in error.remedy
    assert grant_statement('sc"out') in error.remedy
    assert 'TO "sc""out"' in error.remedy


def test_a_holder_that_has_ended_since_is_reported_as_such():
    error = BlockedError("data_x", [], 0, "scout")

    assert "a session that has ended since" in error.cause
    assert "retry" in error.remedy
