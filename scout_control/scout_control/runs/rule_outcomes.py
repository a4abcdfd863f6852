"""What a run that ends has shown of the rules for columns: which match, and which do not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scout_control.rules import column_paths, column_rules
from scout_control.rules.statuses import RunStatus
from scout_control.store import runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from scout_control.runs.run_result import RunResult
    from scout_control.store.models import Run

HAS_LOADED = frozenset({RunStatus.COMPLETED, RunStatus.PARTIAL})


def doubted(session: Session, run: Run, found: Mapping[str, bool]) -> dict[str, column_rules.Rule]:
    """Return the rules that no run has seen match: loaded rows may have what they name.

    Args:
        session: A session of the store.
        run: The run.
        found: What this attempt at it has found.
    """
    settings = _settings(run)
    if not column_rules.names(*settings):
        return {}
    before = runs.column_rules_known(session, run.dataset_id, run.id)
    return column_rules.doubted(settings, before, *_earlier(run), found)


def known(session: Session, run: Run, result: RunResult) -> dict[str, bool] | None:
    """Return which rules have matched something, in any run so far; None without any.

    Only a completed full refresh shows that a rule which matched before matches nothing now: an
    incremental run may just not have read a record that has the property.
    """
    settings = _settings(run)
    if not column_rules.names(*settings):
        return None
    is_all = run.is_full_refresh and result.status is RunStatus.COMPLETED
    before = {} if is_all else runs.column_rules_known(session, run.dataset_id, run.id)
    evidence = column_rules.Evidence(
        before=before,
        found=so_far(run, result),
        loaded=result.loaded_rules,
        streams=result.catalog,
        is_read=partial(is_read, run, result),
    )
    return column_rules.known(settings, evidence)


def so_far(run: Run, result: RunResult) -> dict[str, bool]:
    """Return what all attempts at a run have found."""
    return column_rules.merged(*_earlier(run), result.column_rules or {})


def document(run: Run, result: RunResult) -> dict[str, Any]:
    """Return what the ``result`` of a run tells; of a paused one nothing is certain yet."""
    if result.status is RunStatus.PAUSED:
        found = so_far(run, result)
        return {column_rules.SO_FAR: found} if found else {}
    rules = result.column_rules
    return {} if rules is None else {column_rules.RESULT: dict(rules)}


def is_read(run: Run, result: RunResult, stream: str) -> bool:
    """Return whether a run has read all records of a stream: it resumed nothing earlier."""
    is_whole = run.is_full_refresh or run.dataset.last_sync_at is None
    # What an attempt matched whose worker died is unknown.
    if not is_whole or run.deaths or result.status not in HAS_LOADED:
        return False
    outcomes = [each for name, each in result.streams.items() if column_paths.matches(stream, name)]
    return result.status is RunStatus.COMPLETED or "failed" not in outcomes


def _settings(run: Run) -> Sequence[Mapping[str, Any]]:
    link = run.dataset.project_source
    return (link.source.config, link.sync_config)


def _earlier(run: Run) -> Sequence[Mapping[str, bool]]:
    # A run that was paused by an earlier release has the first of them.
    return [run.result.get(name, {}) for name in (column_rules.RESULT, column_rules.SO_FAR)]
