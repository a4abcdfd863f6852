"""The exit code of ``scout run`` for each way in which a run ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from scout_control.cli.runs import exit_code


@pytest.mark.parametrize(
    ("status", "error", "transform_error", "code"),
    [
        ("completed", None, None, 0),
        ("completed", None, "model x", 1),
        ("partial", 65, None, 1),
        ("paused", 75, None, 75),
        ("queued", None, None, 143),
        ("cancelled", None, None, 143),
        ("failed", 65, None, 65),
        ("failed", 77, None, 77),
        ("failed", None, None, 1),
    ],
)
def test_status_and_error_decide_the_exit_code(status, error, transform_error, code):
    result = {"error": {"exit_code": error}} if error else {}
    ended = SimpleNamespace(status=status, result=result, transform_error=transform_error)

    assert exit_code(ended) == code
