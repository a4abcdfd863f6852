"""The status of an installation: available sources, connected credentials, synced data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.api import views
from scout_control.errors import FIRST_CONNECT, RECONNECT
from scout_control.rules import column_rules, health, retention, unlinked
from scout_control.rules.credential_kinds import CREDENTIAL_WAS_RESET, credential_status
from scout_control.rules.health import Condition, Facts
from scout_control.rules.json_values import to_json_value
from scout_control.runs.context import is_interrupted
from scout_control.store import overview, plain_reads

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation
    from scout_control.store.plain_reads import StoreReader

    Row = dict[str, Any]

RUN = ("phase", "progress", "activity", "resume_at")
HELPERS = frozenset({*RUN, "run_id", "run_status", "run_since", "heartbeat_at", "worker"}) | {
    "transform_error",
    "is_partly_loaded",
    "needs_reconnect",
    "credential_error",
    "keep_hours",
    *("column_rules", "link_config", "source_config"),
}
"""Columns of a dataset's row that its view does not have."""


@dataclass(frozen=True, kw_only=True)
class Visible:
    """The ids of what someone may see."""

    datasets: list[str]
    credentials: list[str]
    sources: list[str]
    projects: list[str]
    """Those that are named as users of sources."""


@dataclass(frozen=True, kw_only=True)
class Status(views.View):
    """Available sources, credentials and synced data."""

    available_sources: list[dict[str, Any]]
    credentials: list[dict[str, Any]]
    synced_data: list[dict[str, Any]]
    """The worst first; each with ``health``, ``condition`` and the ``reason`` of what is wrong."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation; ``connections`` repeats ``credentials``.

        Earlier versions had the credentials under ``connections``.
        """
        document = super().as_dict()
        return {**document, "connections": document["credentials"]}


def status(
    installation: Installation,
    *,
    project: str | None,
    user: str | None,
    history: int = 0,
    visible: Visible | None = None,
) -> Status:
    """Return the status of a project, of a user, of what someone may see, or of everything.

    Raises:
        NotFoundError: The project does not exist.
    """
    now = datetime.now(UTC)
    with plain_reads.opened(installation.url) as reader:
        overview.check_project(reader, project)
        has_worker = overview.has_worker(reader)
        data = [
            _dataset(row, now, has_worker=has_worker)
            for row in overview.datasets(
                reader, project, user, visible.datasets if visible else None
            )
        ]
        if history:
            _add_history(reader, data, history)
        return Status(
            available_sources=_sources(reader, project, visible),
            credentials=[
                _credential(row, now)
                for row in overview.credentials(
                    reader, project, user, visible.credentials if visible else None
                )
            ],
            synced_data=sorted(data, key=lambda each: health.ORDER[Condition(each["condition"])]),
        )


def _sources(reader: StoreReader, project: str | None, visible: Visible | None) -> list[Row]:
    projects: dict[str, list[str]] = {}
    for link in overview.links(reader, project, visible.projects if visible else None):
        projects.setdefault(link["source"], []).append(link["project"])
    return [
        {**views.Source(**row).as_dict(), "projects": projects.get(row["name"], [])}
        for row in overview.sources(reader, visible.sources if visible else None)
        if project is None or row["name"] in projects
    ]


def _credential(row: Row, now: datetime) -> Row:
    is_valid = row.pop("is_valid")
    status = credential_status(row["token_expires_at"], now, is_valid=is_valid)
    return views.Credential(status=status, **row).as_dict()


def _dataset(row: Row, now: datetime, *, has_worker: bool) -> Row:
    run = _run(row, now)
    keep = row["keep_hours"] or retention.DEFAULT_HOURS
    has_data = row["last_sync_at"] is not None
    expires_at = retention.expires_at(row["last_activity_at"], keep) if has_data else None
    path = "/".join(filter(None, (row["project"], row["source"], row["user"])))
    condition, reason = health.assess(
        Facts(
            status=row["status"],
            is_paused=row["is_paused"],
            sync_error=row["sync_error"],
            next_sync_at=row["next_sync_at"],
            run_status=row["run_status"],
            run_since=row["run_since"],
            is_interrupted=run is not None and run["is_interrupted"],
            transform_error=row["transform_error"],
            refusal=_refusal(row) if row["needs_reconnect"] else None,
            is_reset=row["credential_error"] == CREDENTIAL_WAS_RESET,
            is_linked=row["is_linked"],
            remains=_remains(row, expires_at),
            has_worker=has_worker,
            unmatched_rules=_unmatched_rules(row),
            is_partly_loaded=row["is_partly_loaded"],
            command=f"scout run {quote(path)}",
        ),
        now,
    )
    known = {name: value for name, value in row.items() if name not in HELPERS}
    view = views.Dataset(
        path=path,
        run=run,
        keep=retention.format_period(keep),
        expires_at=expires_at,
        **known,
    )
    assessed = {
        "health": str(health.health_of(condition, reason)),
        "condition": str(condition),
        "reason": reason,
        "needs_reconnect": bool(row["needs_reconnect"]),
    }
    return {**view.as_dict(), **assessed}


def _refusal(row: Row) -> str:
    """Return what is wrong with the credential of a dataset, and the command."""
    kind, owner = ("user", row["user"]) if row["user"] else ("project", row["project"])
    arguments = f"{quote(row['source'])} --{kind} {quote(owner)}"
    if row["credential_error"] == CREDENTIAL_WAS_RESET:
        return f"No account is connected. {CREDENTIAL_WAS_RESET} {FIRST_CONNECT} {arguments}"
    return f"Its credential was refused. {RECONNECT} {arguments}"


def _remains(row: Row, expires_at: datetime | None) -> str | None:
    """Return what to say of the data of a dataset that is no longer linked; None without any."""
    if not unlinked.holds_data(row["status"], row["last_sync_at"], row["sync_error"]):
        return None
    return unlinked.reason(row["project"], row["source"], expires_at)


def _unmatched_rules(row: Row) -> str | None:
    """Return what to tell of rules for columns that matched nothing, and are still the rules."""
    names = column_rules.names(row["source_config"], row["link_config"])
    known = row["column_rules"] or {}
    return column_rules.unmatched_text(
        {name: is_matched for name, is_matched in known.items() if name in names}
    )


def _run(row: Row, now: datetime) -> Row | None:
    if row["run_id"] is None:
        return None
    status = row["run_status"]
    lost = is_interrupted(status, row["worker"], row["heartbeat_at"], now)
    run = {"run_id": row["run_id"], "status": status, "is_interrupted": lost}
    return run | {name: to_json_value(row[name]) for name in RUN}


def _add_history(reader: StoreReader, data: list[Row], limit: int) -> None:
    found = overview.history(reader, [each["id"] for each in data], limit)
    for each in data:
        each["history"] = [_past_run(run) for run in found.get(each["id"], ())]


def _past_run(run: Row) -> Row:
    started, completed = run["started_at"], run["completed_at"]
    seconds = (completed - started).total_seconds() if started and completed else None
    is_partial = run["status"] == "completed" and run["has_transform_error"]
    return {
        "run_id": run["run_id"],
        "status": "partial" if is_partial else run["status"],
        "started_at": to_json_value(started),
        "seconds": None if seconds is None else round(seconds, 1),
    }
