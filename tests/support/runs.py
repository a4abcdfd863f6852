"""A run as the interface shows it, for tests of how it is shown."""

from __future__ import annotations

from datetime import UTC, datetime

from scout_control.api.views import Run

RUN = Run(
    run_id="1f2e",
    dataset="river/hq",
    schema="data_river",
    alias=None,
    status="running",
    is_interrupted=False,
    phase="loading",
    trigger="manual",
    attempt=1,
    started_at=datetime(2026, 11, 29, tzinfo=UTC),
    completed_at=None,
    resume_at=None,
    heartbeat_at=None,
    progress={},
    activity={},
    rows_loaded={},
    result={},
    error_code=None,
    error_message=None,
    transform_error=None,
)
CASES = {"cases": {"fetched": 450, "total": 1200, "committed": 400}}
