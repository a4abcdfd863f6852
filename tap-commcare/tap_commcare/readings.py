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

from dimagi_api import settings, timestamps
from dimagi_api.full_table import FullTableReading, Versions
from dimagi_api.http import Api
from dimagi_api.stream import ApiStream
from dimagi_api.sync import Reading

from tap_commcare import applications, cases, forms
from tap_commcare.by_date import ByDateSource
from tap_commcare.incremental import Member, TimedReading
from tap_commcare.tastypie import ListEndpoint


@dataclass(frozen=True)
class World:
    """What every reading of a run needs."""

    api: Api
    config: Mapping[str, Any]
    versions: Versions
    executor: Executor | None
    concurrency: int

    def page_size(self, most: int) -> int:
        """Return the rows per request, where an endpoint gives ``most``."""
        return min(int(self.config.get("page_size") or most), most)

    def timed(
        self,
        domain: str,
        source: Any,
        members: Sequence[Member],
        filters: Mapping[str, Sequence[str]],
    ) -> TimedReading:
        """Return a reading by time."""
        start_date = self.config.get("start_date")
        return TimedReading(
            domain=domain,
            members=members,
            source=source,
            versions=self.versions,
            overlap=round(float(self.config["overlap_seconds"]) * 1000),
            start_date=timestamps.stamp(start_date) if start_date else None,
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


def _cases(world: World, domain: str, chosen: Chosen) -> Reading:
    case_types = settings.text_list(world.config, "case_types")
    source = cases.CaseSource(world.api, domain, world.page_size(cases.MOST_CASES), case_types)
    members = [Member(chosen["cases"], source.records)]
    return world.timed(domain, source, members, {"case_types": case_types})


def _forms(world: World, domain: str, chosen: Chosen) -> Reading:
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
        params=[*form_filter.params(), *([("include_archived", "true")] if is_archived else [])],
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
    members = [Member(stream, makers[name]) for name, stream in chosen.items()]
    filters = {
        "form_xmlns": chosen_xmlns,
        "app_ids": app_ids,
        "include_archived": [] if is_archived else ["no"],
    }
    return world.timed(domain, source, members, filters)


def _wants_cases(chosen: Chosen) -> bool:
    return chosen["forms"].wants("case_ids")


def _applications(world: World, domain: str, chosen: Chosen) -> Reading:
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
    return FullTableReading(domain, members, endpoint, world.versions)


# Streams that share a read, and what makes it.
GROUPS: tuple[tuple[tuple[str, ...], Callable[[World, str, Chosen], Reading]], ...] = (
    (("cases",), _cases),
    (("forms", "form_cases"), _forms),
    (("applications", "case_types", "form_definitions", "form_questions"), _applications),
)


def readings_of(world: World, domain: str, streams: Sequence[ApiStream]) -> list[Reading]:
    """Return the readings that the given streams need in one domain."""
    by_name = {stream.name: stream for stream in streams}
    readings = []
    for names, make in GROUPS:
        chosen = {name: by_name[name] for name in names if name in by_name}
        if chosen:
            readings.append(make(world, domain, chosen))
    return readings
