"""Which parts of HQ have to be read for the selected streams of a domain.

Streams that are made of the same part share one read: a row of the table below is one read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from tap_common import settings, timestamps
from tap_common.client import ApiClient
from tap_common.full_table import FullTableSync, TableVersions
from tap_common.stream import ApiStream
from tap_common.sync import SyncTask

from tap_commcare import columns
from tap_commcare.endpoints import applications, cases_v1, cases_v2, forms, lists, reports, ucr
from tap_commcare.endpoints.locations import LocationsSource
from tap_commcare.incremental.date_filtered import DateFilteredSync
from tap_commcare.incremental.sync import IncrementalSync, StreamCursor
from tap_commcare.pagination.by_date import ByDateSource
from tap_commcare.pagination.tastypie import ListEndpoint
from tap_commcare.streams.locations import LOCATIONS
from tap_commcare.streams.users import USERS


@dataclass(frozen=True)
class SyncContext:
    """What every reading of a run needs."""

    api: ApiClient
    config: Mapping[str, Any]
    versions: TableVersions
    executor: Executor | None
    concurrency: int

    def page_size(self, most: int) -> int:
        """Return the rows per request, where an endpoint gives ``most``."""
        return min(int(self.config.get("page_size") or most), most)

    @property
    def overlap(self) -> int:
        """Return how far before a bookmark to begin, in milliseconds."""
        return round(float(self.config["overlap_seconds"]) * 1000)

    @property
    def start_date(self) -> int | None:
        """Return the first stamp that is wanted, if the settings say so."""
        start_date = self.config.get("start_date")
        return timestamps.stamp(start_date) if start_date else None

    def timed(
        self,
        domain: str,
        source: Any,
        members: Sequence[StreamCursor],
        filters: Mapping[str, Sequence[str]],
    ) -> IncrementalSync:
        """Return a reading by time."""
        return IncrementalSync(
            domain=domain,
            members=members,
            source=source,
            versions=self.versions,
            overlap=self.overlap,
            start_date=self.start_date,
            scope=scope_of(filters),
            executor=self.executor,
            width=lambda: self.api.gate(domain).width(self.concurrency),
        )


def scope_of(filters: Mapping[str, Sequence[str]]) -> str:
    """Return a digest of filters; empty without any."""
    used = {name: sorted(values) for name, values in filters.items() if values}
    if not used:
        return ""
    return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()[:12]


Chosen = Mapping[str, ApiStream]


def _cases(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask:
    case_types = settings.text_list(world.config, "case_types")
    size = world.page_size(cases_v2.MOST_CASES)
    source: Any = cases_v2.CaseSource(
        world.api, domain, size, case_types, left_out=lambda: _not_wanted(chosen["cases"])
    )
    expand: Callable[[Any], Any] = source.records
    if world.config["case_api"] == "v1":
        wanted = frozenset(case_types)
        source = ByDateSource(
            api=world.api,
            domain=domain,
            resource="case/v1",
            read=cases_v1.BODY,
            facts=cases_v1.FACTS,
            page_size=size,
            date="indexed_on",
            second_date="server_date_modified",
            filters=[("type", case_types[0])] if len(case_types) == 1 else [],
        )
        expand = partial(cases_v1.case_v1_records, domain=domain, case_types=wanted)
    members = [StreamCursor(chosen["cases"], expand)]
    return world.timed(domain, source, members, {"case_types": case_types})


def _not_wanted(stream: ApiStream) -> list[str]:
    return [
        name for name in stream.columns if name not in cases_v2.NEEDED and not stream.wants(name)
    ]


def _forms(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask:
    chosen_xmlns = settings.text_list(world.config, "form_xmlns")
    app_ids = settings.text_list(world.config, "app_ids")
    form_filter = forms.FormFilter(frozenset(chosen_xmlns), frozenset(app_ids))
    is_archived = bool(world.config["include_archived"])
    source = ByDateSource(
        api=world.api,
        domain=domain,
        resource="form/v1",
        read=forms.BODY,
        facts=forms.FACTS,
        page_size=world.page_size(forms.MOST_FORMS),
        date="indexed_on",
        second_date="received_on",
        params=[("include_archived", "true")] if is_archived else [],
        filters=form_filter.params(),
    )
    makers: dict[str, Callable[[Sequence[forms.FormRow]], Any]] = {
        "forms": lambda rows: [
            forms.form_record(row, domain, with_cases=_wants_cases(chosen))
            for row in forms.wanted(rows, form_filter)
        ],
        "form_cases": lambda rows: [
            record
            for row in forms.wanted(rows, form_filter)
            for record in forms.form_case_records(row, domain)
        ],
    }
    members = [StreamCursor(stream, makers[name]) for name, stream in chosen.items()]
    filters = {
        "form_xmlns": chosen_xmlns,
        "app_ids": app_ids,
        "include_archived": [] if is_archived else ["no"],
    }
    return world.timed(domain, source, members, filters)


def _wants_cases(chosen: Chosen) -> bool:
    return chosen["forms"].wants("case_ids")


def _applications(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask:
    app_ids = frozenset(settings.text_list(world.config, "app_ids"))
    makers = {
        "applications": applications.app_records,
        "case_types": applications.case_type_records,
        "form_definitions": applications.form_definition_records,
        "form_questions": applications.form_question_records,
    }

    def expand(make: Callable[..., Any], rows: Sequence[applications.AppRow]) -> Any:
        return make([row for row in rows if not app_ids or row.id in app_ids], domain)

    endpoint = ListEndpoint(world.api, domain, "application/v1", applications.BODY)
    members = [(stream, partial(expand, makers[name])) for name, stream in chosen.items()]
    return FullTableSync(domain, members, endpoint, world.versions)


def _users(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask:
    size = world.page_size(lists.MOST_ROWS)
    source = lists.UsersSource(
        active=lists.endpoint(world.api, domain, "user/v1", size),
        deactivated=lists.endpoint(world.api, domain, "user/v1", size, [("archived", "true")]),
    )
    expand = partial(columns.records, USERS, domain=domain, stream="users")
    return FullTableSync(domain, [(chosen["users"], expand)], source, world.versions)


def _list(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask:
    ((name, stream),) = chosen.items()
    facts = lists.LISTS[name]
    size = world.page_size(lists.MOST_ROWS)
    source = lists.endpoint(world.api, domain, facts.resource, size)
    expand = partial(columns.records, facts.fields, domain=domain, stream=name)
    return FullTableSync(domain, [(stream, expand)], source, world.versions)


def _locations(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask:
    size = world.page_size(lists.MOST_ROWS)

    return DateFilteredSync(
        domain=domain,
        stream=chosen["locations"],
        source=partial(LocationsSource, world.api, domain, size),
        make=partial(columns.records, LOCATIONS, domain=domain, stream="locations"),
        versions=world.versions,
        overlap=world.overlap,
        start_date=world.start_date,
    )


def _report_rows(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask | None:
    report_ids = settings.text_list(world.config, "reports")
    if not report_ids:
        return None
    size = world.page_size(reports.MOST_REPORT_ROWS)
    source = reports.ReportsSource(world.api, domain, report_ids, size)
    expand = partial(reports.report_records, domain=domain)
    scope = scope_of({"reports": report_ids})
    members = [(chosen["report_rows"], expand)]
    return FullTableSync(domain, members, source, world.versions, scope)


def _ucr_rows(world: SyncContext, domain: str, chosen: Chosen) -> SyncTask | None:
    data_sources = settings.text_list(world.config, "data_sources")
    if not data_sources:
        return None
    return ucr.UcrSync(
        api=world.api,
        domain=domain,
        stream=chosen["ucr_rows"],
        data_sources=data_sources,
        page_size=world.page_size(ucr.MAX_LIMIT),
        overlap=world.overlap,
        versions=world.versions,
    )


# Streams that share a read, and what makes it; nothing for a stream whose settings name nothing.
GROUPS: tuple[
    tuple[tuple[str, ...], Callable[[SyncContext, str, Chosen], SyncTask | None]], ...
] = (
    (("cases",), _cases),
    (("forms", "form_cases"), _forms),
    (("applications", "case_types", "form_definitions", "form_questions"), _applications),
    (("users",), _users),
    (("locations",), _locations),
    *(((name,), _list) for name in lists.LISTS),
    (("report_rows",), _report_rows),
    (("ucr_rows",), _ucr_rows),
)


def tasks_for(world: SyncContext, domain: str, streams: Sequence[ApiStream]) -> list[SyncTask]:
    """Return the readings that the given streams need in one domain."""
    by_name = {stream.name: stream for stream in streams}
    readings = []
    for names, make in GROUPS:
        chosen = {name: by_name[name] for name in names if name in by_name}
        reading = make(world, domain, chosen) if chosen else None
        if reading is not None:
            readings.append(reading)
    return readings
