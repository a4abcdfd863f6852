"""Reasons of failed models, without values."""

from __future__ import annotations

import json

import psycopg2
import pytest
from scout_control.meltano.log import RunLog
from scout_control.modelling.failures import lines, of_postgres, reason


@pytest.mark.parametrize(
    ("message", "told"),
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
        ("", "dbt does not say why"),
    ],
)
def test_a_reason_is_one_line_that_quotes_no_value(message, told):
    assert reason(message) == told


def test_a_build_that_could_not_begin_is_told_with_its_reason_where_the_run_is_told():
    log = RunLog()
    why = of_postgres(psycopg2.errors.InsufficientPrivilege("permission denied: Asha, HIV+"))
    for said in lines("generated models", why):
        log.take(json.dumps({"name": "dbt-postgres", "level": "info", "event": said}))
    log.take(json.dumps({"event": "Block run completed", "block_type": "InvokerCommand"}))

    assert str(log.transform_error).startswith("generated models: The models could not be ")
    assert "InsufficientPrivilege" in str(log.transform_error)
    assert "Asha" not in str(log.transform_error)
