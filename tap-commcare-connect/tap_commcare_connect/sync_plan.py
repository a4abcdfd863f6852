"""Decides which tasks read the selected streams.

Streams that are derived from the same part of the API share a task: each row of ``TASKS`` is one.
All other streams are lists of each opportunity, which need no row here.
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

from tap_commcare_connect.account_index import AccountIndexLoader
from tap_commcare_connect.client import path
from tap_commcare_connect.endpoints.opportunity_details import OpportunityDetailSync
from tap_commcare_connect.endpoints.organizations import account_index_sync
from tap_commcare_connect.incremental.opportunity_sync import ListSync
from tap_commcare_connect.incremental.visits import VisitsSync
from tap_commcare_connect.pagination.keyset import KeysetList, PageSize
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.streams.delivery import VisitsStream
from tap_commcare_connect.streams.workers import UsersStream

MAX_DAYS = 36500.0  # a hundred years; timedelta cannot hold much more


@dataclass(frozen=True)
class SyncContext:
    """The settings and objects that all tasks of a run share."""

    client: ApiClient
    config: Mapping[str, Any]
    account: AccountIndexLoader
    versions: TableVersions
    executor: Executor | None
    concurrency: int
    page_sizes: dict[str, PageSize] = field(default_factory=dict)

    @property
    def filters(self) -> list[Any]:
        """The filters as they are stored in the state."""
        return self.account.filters.scope

    def list_of(self, stream: type[ConnectStream] | ConnectStream, opportunity: int) -> KeysetList:
        """Return a stream's list of one opportunity; all of its lists share one page size."""
        configured = self.config.get("page_size")
        first = PageSize.of(int(configured) if configured else None, stream.first_page_rows)
        size = self.page_sizes.setdefault(stream.path, first)
        with_images = stream.path == VisitsStream.path and bool(self.config["include_images"])
        params = (("images", "true"),) if with_images else ()
        return KeysetList(
            self.client, path(opportunity, stream.path), stream.decode_page, size, params
        )


Streams = Sequence[ConnectStream]


def _account_index(context: SyncContext, streams: Streams) -> SyncTask:
    return account_index_sync(streams, context.account, context.versions)


def _details(context: SyncContext, streams: Streams) -> SyncTask:
    return OpportunityDetailSync(
        members=streams,
        account=context.account,
        versions=context.versions,
        scope=context.filters,
        executor=context.executor,
        max_in_flight=context.concurrency,
        client=context.client,
        workers_of=partial(context.list_of, UsersStream),
    )


def _visits(context: SyncContext, streams: Streams) -> SyncTask:
    (stream,) = streams
    config = context.config
    return VisitsSync(
        stream=stream,
        account=context.account,
        list_of=partial(context.list_of, stream),
        overlap=int(config["visit_overlap"]),
        review_days=float(config["visit_review_days"]),
        full_refresh_days=min(float(config["visit_full_refresh_days"]), MAX_DAYS),
        scope=["images"] if config["include_images"] else [],
        filters=context.filters,
        executor=context.executor,
        max_in_flight=context.concurrency,
    )


def _list(context: SyncContext, stream: ConnectStream) -> SyncTask:
    return ListSync(
        members=[stream],
        account=context.account,
        versions=context.versions,
        scope=context.filters,
        executor=context.executor,
        max_in_flight=context.concurrency,
        list_of=partial(context.list_of, stream),
    )


# Streams that share a task, and the function that creates it.
TASKS: tuple[tuple[tuple[str, ...], Callable[[SyncContext, Streams], SyncTask]], ...] = (
    (("organizations", "programs"), _account_index),
    (("opportunities", "payment_units", "learn_modules"), _details),
    (("visits",), _visits),
)


def tasks_for(context: SyncContext, streams: Sequence[ConnectStream]) -> list[SyncTask]:
    """Return the tasks that read the given streams."""
    left = {stream.name: stream for stream in streams}
    tasks = []
    for names, make in TASKS:
        members = [left.pop(name) for name in names if name in left]
        if members:
            tasks.append(make(context, members))
    return tasks + [_list(context, stream) for stream in left.values()]
