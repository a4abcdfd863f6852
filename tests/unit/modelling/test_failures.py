"""Reasons of failed models, without values."""

from __future__ import annotations

import pytest
from scout_control.modelling.failures import reason


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
