"""HQ counts requests, not rows: prefetching requests no page that does not exist."""

from __future__ import annotations

import pytest
from commcare_sandbox import Sandbox
from support.taps import TapCommand

PAGE = 100


def asked(sandbox: Sandbox, tap: TapCommand, concurrency: int) -> dict[str, int]:
    """Read all streams; return how often each address was requested."""
    sandbox.forget_requests()
    run = tap(concurrency=concurrency, page_size=PAGE)
    assert run.code == 0, run.log
    return sandbox.requests()["by_path"]


# No page, one that is not full, one that is, and three; then large enough for windows.
@pytest.mark.parametrize("rows", [0, 40, PAGE, 3 * PAGE - 20])
def test_a_small_domain_costs_as_many_requests_at_once_as_one_after_the_other(tap_on, rows):
    with Sandbox(cases=rows, forms=rows) as sandbox:
        tap = tap_on(sandbox)

        assert asked(sandbox, tap, 4) == asked(sandbox, tap, 1)


def test_a_large_domain_costs_five_percent_more_at_most(tap_on):
    with Sandbox(cases=5000, forms=4000) as sandbox:
        tap = tap_on(sandbox)
        alone, ahead = asked(sandbox, tap, 1), asked(sandbox, tap, 4)

    assert ahead.keys() == alone.keys()
    assert {path for path in alone if ahead[path] > 1.05 * alone[path]} == set()
    assert sum(ahead.values()) <= 1.05 * sum(alone.values())
