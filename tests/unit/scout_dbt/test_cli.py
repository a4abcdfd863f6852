"""How scout-dbt explains errors outside of dbt."""

from __future__ import annotations

import psycopg2
import pytest
from scout_dbt.cli import explain


@pytest.mark.parametrize(
    ("error", "code", "start"),
    [
        (psycopg2.OperationalError("canary"), 1, "Failure in generated models"),
        (KeyboardInterrupt("canary"), 130, "Interrupted: "),
    ],
)
def test_errors_are_explained_without_quoting_their_message(error, code, start):
    found, *lines = explain(error)

    assert found == code
    assert lines[0].startswith(start)
    assert "canary" not in "".join(lines)
