"""Which parts of Connect have to be read for the selected streams.

Streams that are made of the same part share one read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tap_common.client import Api
from tap_common.full_table import Versions
from tap_common.sync import Reading

from tap_commcare_connect import client
from tap_commcare_connect.account_index import Discovery
from tap_commcare_connect.endpoints.opportunity_details import DetailReading
from tap_commcare_connect.endpoints.organizations import listing
from tap_commcare_connect.incremental.opportunity_sync import TableReading
from tap_commcare_connect.incremental.visits import VisitsReading
from tap_commcare_connect.pagination.keyset import KeysetList, PageSize
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.streams.workers import UsersStream

MOST_DAYS = 36500.0  # a hundred years: more is no date


@dataclass(frozen=True)
class World:
    """What every reading of a run needs."""

    api: Api
    config: Mapping[str, Any]
    discovery: Discovery
    versions: Versions
    executor: Executor | None
    concurrency: int
    sizes: dict[str, PageSize] = field(default_factory=dict)

    @property
    def filters(self) -> list[Any]:
        """What is remembered of the filters."""
        return self.discovery.filters.scope

    def list_of(self, stream: type[ConnectStream] | ConnectStream, opportunity: int) -> KeysetList:
        """Return a stream's list of one opportunity; all share the size of their pages."""
        wanted = self.config.get("page_size")
        first = PageSize.of(int(wanted) if wanted else None, stream.first_page_rows)
        size = self.sizes.setdefault(stream.path, first)
        with_images = stream.path == "user_visits" and bool(self.config["include_images"])
        params = (("images", "true"),) if with_images else ()
        path = client.path(opportunity, stream.path)
        return KeysetList(self.api, path, stream.page_reader, size, params)


Chosen = Sequence[ConnectStream]


def _listing(world: World, chosen: Chosen) -> Reading:
    return listing(chosen, world.discovery, world.versions)


def _details(world: World, chosen: Chosen) -> Reading:
    return DetailReading(
        chosen,
        world.discovery,
        world.versions,
        world.filters,
        world.executor,
        world.concurrency,
        api=world.api,
        workers_of=partial(world.list_of, UsersStream),
    )


def _visits(world: World, chosen: Chosen) -> Reading:
    return VisitsReading(
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


def _table(world: World, chosen: Chosen) -> Reading:
    return TableReading(
        chosen,
        world.discovery,
        world.versions,
        world.filters,
        world.executor,
        world.concurrency,
        list_of=partial(world.list_of, chosen[0]),
    )


# Streams that are not a list of rows of each opportunity, and what reads them.
GROUPS: tuple[tuple[tuple[str, ...], Callable[[World, Chosen], Reading]], ...] = (
    (("organizations", "programs"), _listing),
    (("opportunities", "payment_units", "learn_modules"), _details),
    (("visits",), _visits),
)


def readings_of(world: World, streams: Sequence[ConnectStream]) -> list[Reading]:
    """Return the readings that the given streams need."""
    readings = []
    left = {stream.name: stream for stream in streams}
    for names, make in GROUPS:
        chosen = [left.pop(name) for name in names if name in left]
        if chosen:
            readings.append(make(world, chosen))
    return readings + [_table(world, [stream]) for stream in left.values()]
