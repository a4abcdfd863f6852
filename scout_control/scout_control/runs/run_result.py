"""How a run ended: what its phases found, before any of it is written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scout_control.errors import ControlError, RunPausedError
from scout_control.meltano import outcomes
from scout_control.rules.statuses import RunStatus
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from scout_control.datasets.row_counts import Committed
    from scout_control.meltano.process import ProcessResult
    from scout_control.meltano.reports import Notice
    from scout_control.runs.prepare import Preparation

NOT_COUNTED = (
    "The loaded rows could not be counted: tables of the dataset schema are unreadable or not as "
    "the target creates them. See the log."
)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    error: ControlError | None = None
    is_partial: bool = False
    """Whether it failed, but some streams were loaded to their end."""
    transform_error: str | None = None
    skipped_models: str | None = None
    """Which models were not built, since the dataset lacks what they read."""
    resume_at: str | None = None
    """When a paused run may be resumed, as the tap printed it."""
    rows_loaded: Mapping[str, int] = field(default_factory=dict)
    """Rows that all attempts at the run wrote; one that was sent again counts again."""
    row_counts: Mapping[str, int | None] | None = None
    """Rows that each table has now; None when the run ended before anything could be counted."""
    is_counted: bool = True
    """False when the rows were to be counted and could not be."""
    streams: Mapping[str, str] = field(default_factory=dict)
    """The tap's outcome of each stream: completed, failed, skipped or not selected."""
    catalog: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Rows of the streams that describe the source."""
    credential_id: uuid.UUID | None = None
    pipeline: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Spent in each stage of this attempt."""
    notices: Sequence[Notice] = ()
    """What people should see although they read no log."""
    column_rules: Mapping[str, bool] | None = None
    """Which rules for columns matched something, as far as it is known; None without rules."""
    loaded_rules: Mapping[str, bool] = field(default_factory=dict)
    """Which of those that did not name what loaded rows have, as far as it is known."""

    @property
    def status(self) -> RunStatus:
        """Return the status that the run ends with.

        A run whose transforms failed is complete: its rows are loaded.
        """
        # First: a paused run has not ended, whatever it loaded. Ending it as partial would count
        # as a failure, and forget until when its source is to be left alone.
        if isinstance(self.error, RunPausedError):
            return RunStatus.PAUSED
        if self.is_partial:
            return RunStatus.PARTIAL
        is_loaded = self.error is None or self.transform_error
        return RunStatus.COMPLETED if is_loaded else RunStatus.FAILED

    @property
    def failure(self) -> ControlError | None:
        """Return the error of the load; that of a transform is in ``transform_error`` alone."""
        is_transform = self.transform_error and not self.is_partial
        return None if is_transform else self.error


def started(preparation: Preparation) -> RunResult:
    """Return the result as far as it is known once a run is prepared."""
    return RunResult(
        credential_id=preparation.credential.credential_id, pipeline=preparation.source_type.job
    )


def result_of_load(
    known: RunResult,
    loaded: ProcessResult,
    committed: Committed,
    catalog: Mapping[str, Any],
    unknown_streams: ControlError | None,
) -> RunResult:
    """Return the result of a load.

    Args:
        known: The result before the load.
        loaded: How the process ended.
        committed: What the target has committed.
        catalog: What discovery found.
        unknown_streams: The error for selected streams that the source turned out not to have.
    """
    error, is_partial = loaded.error, False
    if error is not None:
        is_partial = outcomes.is_partial(loaded.log, error)
    elif unknown_streams is not None:
        # The load itself succeeded: Meltano ignores selected streams that no tap has.
        error, is_partial = unknown_streams, any(committed.rows_loaded.values())
    return replace(
        known,
        error=error,
        is_partial=is_partial,
        transform_error=loaded.log.transform_error if loaded.error else None,
        skipped_models=loaded.log.skipped_models,
        resume_at=loaded.log.resume_at,
        rows_loaded=committed.rows_loaded,
        row_counts=committed.row_counts,
        is_counted=committed.is_counted,
        loaded_rules=committed.rules,
        streams=loaded.log.streams,
        catalog=catalog,
        metadata={} if error else committed.documents,
    )


def with_transforms(result: RunResult, transformed: ProcessResult) -> RunResult:
    """Return the result of a partial load after its transforms."""
    if skipped := transformed.log.skipped_models:
        result = replace(result, skipped_models=skipped)
    if transformed.error is None:
        return result
    why = transformed.log.transform_error or transformed.error.cause
    return replace(result, transform_error=why)


def rows_in_tables(result: RunResult) -> int | None:
    """Return how many rows the tables of all streams have after a run; None if unknown."""
    counts = [count for count in (result.row_counts or {}).values() if count is not None]
    return sum(counts) if counts and result.is_counted else None


def summary(result: RunResult) -> str:
    """Return how a run ended, as the last line of its log."""
    written = counted(sum(result.rows_loaded.values()), "row")
    seconds = sum(result.seconds.values())
    ended = f"Run {result.status} after {seconds:.0f} s, {written} written"
    if (present := rows_in_tables(result)) is not None:
        ended += f", {present:,} in the tables"
    reasons = [str(result.failure)] if result.failure else []
    reasons += [result.transform_error] if result.transform_error else []
    return f"{ended}: {' '.join(reasons)}" if reasons else f"{ended}."
