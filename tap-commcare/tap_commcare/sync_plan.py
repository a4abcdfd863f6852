"""Decides which tasks read the selected streams of a domain.

Streams that are derived from the same part of the API share a task: each row of ``TASKS`` is one.
All other streams are lists, which need no row here.
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

from tap_commcare.endpoints import applications, cases_v1, cases_v2, forms, lists, reports, ucr
from tap_commcare.endpoints.locations import LocationsSource
from tap_commcare.incremental.date_filtered import DateFilteredSync
from tap_commcare.incremental.sync import IncrementalSync, StreamCursor
from tap_commcare.pagination.by_date import ByDateSource
from tap_commcare.pagination.tastypie import ListEndpoint
from tap_commcare.streams.base import ListStream
from tap_commcare.streams.locations import LocationsStream
from tap_commcare.streams.users import UsersStream


@dataclass(frozen=True)
class SyncContext:
    """The settings and objects that all tasks of a run share."""

    client: ApiClient
    config: Mapping[str, Any]
    versions: TableVersions
    executor: Executor | None
    concurrency: int

    def page_size(self, largest: int) -> int:
        """Return the rows per request of an endpoint that allows ``largest``."""
        return min(int(self.config.get("page_size") or largest), largest)

    @property
    def overlap(self) -> int:
        """How far before a bookmark to begin, in milliseconds."""
        return round(float(self.config["overlap_seconds"]) * 1000)

    @property
    def start_date(self) -> int | None:
        """The earliest time to read, in milliseconds since 1970, or None."""
        start_date = self.config.get("start_date")
        return timestamps.to_millis(start_date) if start_date else None

    def incremental(
        self,
        domain: str,
        source: Any,
        cursors: Sequence[StreamCursor],
        filters: Mapping[str, Sequence[str]],
    ) -> IncrementalSync:
        """Return a task that reads by time."""
        return IncrementalSync(
            domain=domain,
            cursors=cursors,
            source=source,
            versions=self.versions,
            overlap=self.overlap,
            start_date=self.start_date,
            scope=scope_of(filters),
            executor=self.executor,
            max_in_flight=lambda: self.client.gate(domain).max_in_flight(self.concurrency),
        )


def scope_of(filters: Mapping[str, Sequence[str]]) -> str:
    """Return a digest of filters; empty without any."""
    used = {name: sorted(values) for name, values in filters.items() if values}
    if not used:
        return ""
    return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()[:12]


Streams = Mapping[str, ApiStream]
"""Selected streams by name."""


def _cases(context: SyncContext, domain: str, streams: Streams) -> SyncTask:
    case_types = settings.text_list(context.config, "case_types")
    size = context.page_size(cases_v2.MAX_CASES)
    source: Any = cases_v2.CaseSource(
        context.client,
        domain,
        size,
        case_types,
        excluded=lambda: _unneeded(streams["cases"]),
    )
    to_records: Callable[[Any], Any] = source.records
    if context.config["case_api"] == "v1":
        source = ByDateSource(
            client=context.client,
            domain=domain,
            resource=cases_v1.RESOURCE,
            decode=cases_v1.DECODE,
            fields=cases_v1.FIELDS,
            page_size=size,
            date="indexed_on",
            second_date="server_date_modified",
            filters=[("type", case_types[0])] if len(case_types) == 1 else [],
        )
        to_records = partial(
            cases_v1.case_v1_records, domain=domain, case_types=frozenset(case_types)
        )
    cursors = [StreamCursor(streams["cases"], to_records)]
    return context.incremental(domain, source, cursors, {"case_types": case_types})


def _unneeded(stream: ApiStream) -> list[str]:
    """Return the columns that the server does not have to send."""
    return [
        name
        for name in stream.columns
        if name not in cases_v2.ALWAYS_NEEDED and not stream.needs(name)
    ]


def _forms(context: SyncContext, domain: str, streams: Streams) -> SyncTask:
    xmlns = settings.text_list(context.config, "form_xmlns")
    app_ids = settings.text_list(context.config, "app_ids")
    form_filter = forms.FormFilter(frozenset(xmlns), frozenset(app_ids))
    with_archived = bool(context.config["include_archived"])
    source = ByDateSource(
        client=context.client,
        domain=domain,
        resource=forms.RESOURCE,
        decode=forms.DECODE,
        fields=forms.FIELDS,
        page_size=context.page_size(forms.MAX_FORMS),
        date="indexed_on",
        second_date="received_on",
        params=[("include_archived", "true")] if with_archived else [],
        filters=form_filter.params(),
    )
    to_records: dict[str, Callable[[Sequence[forms.FormRow]], Any]] = {
        "forms": lambda rows: [
            forms.form_record(row, domain, with_cases=streams["forms"].needs("case_ids"))
            for row in form_filter.apply(rows)
        ],
        "form_cases": lambda rows: [
            record
            for row in form_filter.apply(rows)
            for record in forms.form_case_records(row, domain)
        ],
    }
    cursors = [StreamCursor(stream, to_records[name]) for name, stream in streams.items()]
    filters = {
        "form_xmlns": xmlns,
        "app_ids": app_ids,
        "include_archived": [] if with_archived else ["no"],
    }
    return context.incremental(domain, source, cursors, filters)


def _applications(context: SyncContext, domain: str, streams: Streams) -> SyncTask:
    app_ids = frozenset(settings.text_list(context.config, "app_ids"))

    def records(make: Callable[..., Any], rows: Sequence[applications.AppRow]) -> Any:
        return make([row for row in rows if not app_ids or row.id in app_ids], domain)

    endpoint = ListEndpoint(context.client, domain, applications.RESOURCE, applications.DECODE)
    members = [
        (stream, partial(records, applications.RECORDS[name])) for name, stream in streams.items()
    ]
    return FullTableSync(domain, members, endpoint, context.versions)


def _users(context: SyncContext, domain: str, streams: Streams) -> SyncTask:
    size = context.page_size(lists.MAX_ROWS)
    endpoint = partial(lists.endpoint, context.client, domain, UsersStream, size)
    source = lists.UsersSource(
        active=endpoint(), deactivated=endpoint(params=[("archived", "true")])
    )
    members = [(streams["users"], partial(UsersStream.records, domain=domain))]
    return FullTableSync(domain, members, source, context.versions)


def _locations(context: SyncContext, domain: str, streams: Streams) -> SyncTask:
    size = context.page_size(lists.MAX_ROWS)
    return DateFilteredSync(
        domain=domain,
        stream=streams["locations"],
        source=partial(LocationsSource, context.client, domain, size),
        to_records=partial(LocationsStream.records, domain=domain),
        versions=context.versions,
        overlap=context.overlap,
        start_date=context.start_date,
    )


def _report_rows(context: SyncContext, domain: str, streams: Streams) -> SyncTask | None:
    report_ids = settings.text_list(context.config, "reports")
    if not report_ids:
        return None
    size = context.page_size(reports.MAX_ROWS)
    source = reports.ReportsSource(context.client, domain, report_ids, size)
    members = [(streams["report_rows"], partial(reports.report_records, domain=domain))]
    scope = scope_of({"reports": report_ids})
    return FullTableSync(domain, members, source, context.versions, scope)


def _ucr_rows(context: SyncContext, domain: str, streams: Streams) -> SyncTask | None:
    data_sources = settings.text_list(context.config, "data_sources")
    if not data_sources:
        return None
    return ucr.UcrSync(
        client=context.client,
        domain=domain,
        stream=streams["ucr_rows"],
        data_sources=data_sources,
        page_size=context.page_size(ucr.MAX_LIMIT),
        overlap=context.overlap,
        versions=context.versions,
    )


def _list(context: SyncContext, domain: str, stream: ListStream) -> SyncTask:
    size = context.page_size(lists.MAX_ROWS)
    source = lists.endpoint(context.client, domain, type(stream), size)
    members = [(stream, partial(stream.records, domain=domain))]
    return FullTableSync(domain, members, source, context.versions)


MakeTask = Callable[[SyncContext, str, Streams], SyncTask | None]

# Streams that share a task, and the function that creates it; None if nothing is configured.
TASKS: tuple[tuple[tuple[str, ...], MakeTask], ...] = (
    (("cases",), _cases),
    (("forms", "form_cases"), _forms),
    (("applications", "case_types", "form_definitions", "form_questions"), _applications),
    (("users",), _users),
    (("locations",), _locations),
    (("report_rows",), _report_rows),
    (("ucr_rows",), _ucr_rows),
)


def tasks_for(context: SyncContext, domain: str, streams: Sequence[ApiStream]) -> list[SyncTask]:
    """Return the tasks that read the given streams of one domain."""
    left = {stream.name: stream for stream in streams}
    tasks: list[SyncTask] = []
    for names, make in TASKS:
        members = {name: left.pop(name) for name in names if name in left}
        task = make(context, domain, members) if members else None
        if task is not None:
            tasks.append(task)
    lists_left = [stream for stream in left.values() if isinstance(stream, ListStream)]
    return tasks + [_list(context, domain, stream) for stream in lists_left]
