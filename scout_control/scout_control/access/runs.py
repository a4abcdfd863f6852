"""Runs, as a person sees them: listed, queued, followed, cancelled."""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.access.pages import LIMIT, Page, newest
from scout_control.api import runs as api_runs
from scout_control.api import views
from scout_control.errors import ConflictError, SettingsError
from scout_control.rules.server_paths import without_folders
from scout_control.rules.statuses import RunStatus
from scout_control.store import lookups, models, requests, visibility
from scout_control.store.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from scout_control.access.authorization import Authorizer

LONGEST_KEY = 255
LONGEST_WAIT_SECONDS = 10
"""For another request with the same key."""
WORKER = re.compile(r"^(Attempt \d+) on .+\.$")
"""How a log begins, with the host and the process of its worker."""
UNFINISHED = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})


@dataclass(frozen=True, kw_only=True)
class News:
    """What is new about a run since it was last asked."""

    run: views.Run
    lines: Sequence[views.LogLine]
    position: api_runs.LogPosition
    is_over: bool
    """Whether it has ended or paused."""


def _shown(auth: Authorizer, lines: Iterable[views.LogLine]) -> Sequence[views.LogLine]:
    """Return the lines of a log without the folders, hosts and processes of the server."""
    folders = auth.scout.installation.settings.server_folders
    return [
        replace(each, text=without_folders(WORKER.sub(r"\1.", each.text), folders))
        for each in lines
    ]


class Follower:
    """Tells what is new about a run; whether the person may know that is decided each time."""

    def __init__(self, auth: Authorizer, run_id: str, position: api_runs.LogPosition) -> None:
        self._auth = auth
        with auth.run("runs.follow", run_id) as found:
            self._log = api_runs.RunLogReader(
                auth.scout.installation.store, auth.scout.runs.show(found), position
            )

    def read(self) -> News:
        """Return what is new.

        Raises:
            NotFoundError: The person may not see the run any longer, or it was removed.
            NotSignedInError: The person was removed, or is inactive.
        """
        with self._auth.run("runs.follow", self._log.run_id) as run_id:
            run = self._auth.scout.runs.show(run_id)  # before the lines: none is missed at its end
            lines = _shown(self._auth, self._log.lines())
        is_over = RunStatus(run.status) not in UNFINISHED
        return News(run=run, lines=lines, position=self._log.position, is_over=is_over)

    def __iter__(self) -> Iterator[views.LogLine]:
        while True:
            news = self.read()
            yield from news.lines
            if news.is_over:
                return
            time.sleep(api_runs.FOLLOW_SECONDS)


@dataclass(frozen=True)
class Runs:
    """The runs that a person may see."""

    _auth: Authorizer

    def list(
        self, *, dataset: str | None = None, after: str | None = None, limit: int = LIMIT
    ) -> Page[views.Run]:
        """Return runs, the newest first.

        Raises:
            NotFoundError: There is no such dataset that the person may see.
        """
        with self._auth.reading() as (session, viewer):
            visible = visibility.datasets(viewer, "runs.list")
            statement = select(models.Run).join(models.Run.dataset)
            statement = statement.join(models.Dataset.project_source).where(visible)
            if dataset is not None:
                found = lookups.dataset(session, dataset, visible=visible)
                statement = statement.where(models.Run.dataset_id == found.id)
            rows: Sequence[models.Run]
            rows, following = newest(
                session,
                statement,
                (models.Run.created_at, models.Run.id),
                after=after,
                limit=limit,
                place=lambda row: (row.created_at, row.id),
            )
            return Page([views.Run.of(row) for row in rows], following)

    def show(self, run_id: str) -> views.Run:
        """Return one run."""
        with self._auth.run("runs.show", run_id) as run:
            return self._auth.scout.runs.show(run)

    def logs(self, run_id: str) -> Sequence[views.LogLine]:
        """Return the lines of a run's log, which is bounded."""
        with self._auth.run("runs.logs", run_id) as run:
            return _shown(self._auth, self._auth.scout.runs.logs(run))

    def follow(
        self, run_id: str, *, position: api_runs.LogPosition = api_runs.BEGINNING
    ) -> Follower:
        """Return what tells the news of a run until it has ended or paused.

        Args:
            run_id: As for ``show``.
            position: Where an earlier follower has stopped in the log.
        """
        return Follower(self._auth, run_id, position)

    def waiting_before(self, run_id: str) -> int:
        """Return how many queued runs have waited longer than this one."""
        with self._auth.run("runs.waiting_before", run_id) as run:
            return self._auth.scout.runs.waiting_before(run)

    def queue(
        self, dataset: str, *, full_refresh: bool = False, idempotency_key: str | None = None
    ) -> views.Run:
        """Queue a run for a worker, or return the one that has not ended yet.

        Args:
            dataset: The dataset.
            full_refresh: Discard the state and read everything.
            idempotency_key: A repeated request of the person with the same key returns the run of
                the first one, also after that has ended; for a day.

        Raises:
            ConflictError: The key was given with another request.
        """
        with self._auth.dataset("runs.queue", dataset) as found:
            queue = self._auth.scout.runs.queue
            if idempotency_key is None:
                return queue(found, full_refresh=full_refresh)
            request = {"dataset": found, "full_refresh": full_refresh}
            return self._once(
                idempotency_key, request, lambda: queue(found, full_refresh=full_refresh)
            )

    def _once(
        self, key: str, request: dict[str, object], act: Callable[[], views.Run]
    ) -> views.Run:
        """Return the run of the first request with a key; requests at the same time wait."""
        _check_key(key)
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
        store, person = self._auth.scout.installation.store, self._auth.identity.person
        name = hashlib.sha256(f"{person}\0{key}".encode()).hexdigest()
        with exclusive(store, f"scout request {name}", LONGEST_WAIT_SECONDS):
            with store.begin() as session:
                found = requests.find_key(session, person, key, datetime.now(UTC))
            if found is None:
                run = act()
                with store.begin() as session:
                    requests.add_key(session, person, key, digest, uuid.UUID(run.run_id))
                return run
        if found[0] != digest:
            raise ConflictError(
                "This idempotency key was given with another request.", "Use a new key."
            )
        return self._auth.scout.runs.show(str(found[1]))

    def cancel(self, run_id: str) -> views.Run:
        """Cancel a run; what it committed stays."""
        with self._auth.run("runs.cancel", run_id) as run:
            return self._auth.scout.runs.cancel(run)


def _check_key(key: str) -> None:
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise SettingsError(
            "The idempotency key is invalid.",
            f"Use up to {LONGEST_KEY} printable ASCII characters, such as a random UUID.",
        )
