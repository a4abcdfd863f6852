"""Reasons of failed models, without values."""

from __future__ import annotations

import json

import psycopg2
import pytest
from scout_control.meltano.log import RunLog
from scout_dbt.runner.failures import lines, of_postgres, reason


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Database Error in model a (a.sql)\n  permission denied for schema other\n  LINE 1",
            "permission denied for schema other",
        ),
        (
            'Database Error in model a\n  invalid input syntax for type integer: "Asha, HIV+"',
            'invalid input syntax for type integer: "..."',
        ),
        ('  relation "x" does not exist', 'relation "x" does not exist'),
        ("", "dbt gives no reason"),
    ],
)
def test_a_reason_is_one_line_that_quotes_no_value(message, expected):
    assert reason(message) == expected


def test_a_build_that_could_not_start_is_reported_with_its_reason_by_the_run():
    log = RunLog()
    why = of_postgres(psycopg2.errors.InsufficientPrivilege("permission denied: Asha, HIV+"))
    for said in lines("generated models", why):
        log.read(json.dumps({"name": "dbt-postgres", "level": "info", "event": said}))
    log.read(json.dumps({"event": "Block run completed", "block_type": "InvokerCommand"}))

    assert str(log.transform_error).startswith("generated models: The models could not be ")
    assert "InsufficientPrivilege" in str(log.transform_error)
    assert "Asha" not in str(log.transform_error)
