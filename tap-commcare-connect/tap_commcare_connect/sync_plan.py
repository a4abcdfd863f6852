"""Which parts of Connect have to be read for the selected streams.

Streams that are made of the same part share one read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tap_common.client import ApiClient
from tap_common.full_table import TableVersions
from tap_common.sync import SyncTask

from tap_commcare_connect import client
from tap_commcare_connect.account_index import AccountIndexCache
from tap_commcare_connect.endpoints.opportunity_details import OpportunityDetailSync
from tap_commcare_connect.endpoints.organizations import listing
from tap_commcare_connect.incremental.opportunity_sync import ListSync
from tap_commcare_connect.incremental.visits import VisitsSync
from tap_commcare_connect.pagination.keyset import AdaptivePageSize, KeysetList
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.streams.workers import UsersStream

MOST_DAYS = 36500.0  # a hundred years: more is no date


@dataclass(frozen=True)
class SyncContext:
    """What every reading of a run needs."""

    api: ApiClient
    config: Mapping[str, Any]
    discovery: AccountIndexCache
    versions: TableVersions
    executor: Executor | None
    concurrency: int
    sizes: dict[str, AdaptivePageSize] = field(default_factory=dict)

    @property
    def filters(self) -> list[Any]:
        """What is remembered of the filters."""
        return self.discovery.filters.scope

    def list_of(self, stream: type[ConnectStream] | ConnectStream, opportunity: int) -> KeysetList:
        """Return a stream's list of one opportunity; all share the size of their pages."""
        wanted = self.config.get("page_size")
        first = AdaptivePageSize.of(int(wanted) if wanted else None, stream.first_page_rows)
        size = self.sizes.setdefault(stream.path, first)
        with_images = stream.path == "user_visits" and bool(self.config["include_images"])
        params = (("images", "true"),) if with_images else ()
        path = client.path(opportunity, stream.path)
        return KeysetList(self.api, path, stream.page_reader, size, params)


Chosen = Sequence[ConnectStream]


def _listing(world: SyncContext, chosen: Chosen) -> SyncTask:
    return listing(chosen, world.discovery, world.versions)


def _details(world: SyncContext, chosen: Chosen) -> SyncTask:
    return OpportunityDetailSync(
        chosen,
        world.discovery,
        world.versions,
        world.filters,
        world.executor,
        world.concurrency,
        api=world.api,
        workers_of=partial(world.list_of, UsersStream),
    )


def _visits(world: SyncContext, chosen: Chosen) -> SyncTask:
    return VisitsSync(
        chosen[0],
        world.discovery,
        partial(world.list_of, chosen[0]),
        int(world.config["visit_overlap"]),
        float(world.config["visit_review_days"]),
        min(float(world.config["visit_full_refresh_days"]), MOST_DAYS),
        ["images"] if world.config["include_images"] else [],
        world.filters,
        world.executor,
        world.concurrency,
    )


def _table(world: SyncContext, chosen: Chosen) -> SyncTask:
    return ListSync(
        chosen,
        world.discovery,
        world.versions,
        world.filters,
        world.executor,
        world.concurrency,
        list_of=partial(world.list_of, chosen[0]),
    )


# Streams that are not a list of rows of each opportunity, and what reads them.
GROUPS: tuple[tuple[tuple[str, ...], Callable[[SyncContext, Chosen], SyncTask]], ...] = (
    (("organizations", "programs"), _listing),
    (("opportunities", "payment_units", "learn_modules"), _details),
    (("visits",), _visits),
)


def tasks_for(world: SyncContext, streams: Sequence[ConnectStream]) -> list[SyncTask]:
    """Return the readings that the given streams need."""
    readings = []
    left = {stream.name: stream for stream in streams}
    for names, make in GROUPS:
        chosen = [left.pop(name) for name in names if name in left]
        if chosen:
            readings.append(make(world, chosen))
    return readings + [_table(world, [stream]) for stream in left.values()]
