"""Filters of case v2; an unknown parameter is an error."""

from __future__ import annotations

from collections.abc import Callable

from commcare_sandbox.hq import case_search
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.cases import FAMILIES, FAMILY, PERIOD, Case, is_closed
from commcare_sandbox.hq.data.collection import DateRange, Query
from commcare_sandbox.hq.date_filters import v2_date_range
from commcare_sandbox.hq.filters import Filters
from commcare_sandbox.http_types import Pairs, bad_request
from commcare_sandbox.pseudorandom import mix

Test = Callable[[Case], bool]

_WINDOWS = ("indexed_on", "server_last_modified", "last_modified")
_TESTED_DATES = ("date_opened", "date_closed")
_NO_FILTERS = ("limit", "fields", "exclude")
FALSE = frozenset({"f", "false", "n", "no", "0"})


def case_query(context: Context, params: Pairs) -> Query[Case]:
    """Read the filters: values of one parameter are alternatives, all parameters must hold.

    Raises:
        HTTPError: A parameter is unknown, or a value cannot be read.
    """
    filters: Filters[Case] = Filters(PERIOD)
    for name in dict.fromkeys(name for name, _ in params):
        _add(context, filters, name, [value for key, value in params if key == name])
    only_in_location(context, filters)
    return filters.query()


def _add(context: Context, filters: Filters[Case], name: str, values: list[str]) -> None:
    field, _, rest = name.partition(".")
    if name in _NO_FILTERS or (field in _NO_FILTERS[1:] and rest):
        return
    if name == "case_type":
        of_type(filters, set(values))
    elif name == "closed":
        flags = _flags(values)
        filters.by_number(lambda at: is_closed(at) in flags, lambda case: case.closed in flags)
    elif name == "query":
        cases = context.domain.cases
        queries = [case_search.parse(value, cases) for value in values]
        # Related cases may have changed since the matches were listed under this name.
        filters.test(
            f"query={sorted(values)} {cases.edition}",
            lambda case: any(matches(case) for matches in queries),
        )
    elif field in _WINDOWS and rest:
        for value in values:
            filters.date_range(v2_date_range(field, rest, value))
    else:
        filters.test(f"{name}={sorted(values)}", _test(name, values))


def of_type(filters: Filters[Case], types: set[str]) -> None:
    """Filter by case type."""
    filters.by_number(
        lambda at: FAMILIES[at % FAMILY][0] in types, lambda case: case.case_type in types
    )


def only_in_location(context: Context, filters: Filters[Case]) -> None:
    """Filter by location if the user is location-restricted."""
    if context.hq.switches.location_restricted:
        filters.by_number(_in_location, lambda case: in_location(context, case))


def in_location(context: Context, case: Case) -> bool:
    """Return whether a location-restricted user sees a case."""
    number = context.domain.case_number(case.case_id)
    return _in_location(mix(sum(case.case_id.encode())) if number is None else number)


def _in_location(number: int) -> bool:
    return number % 2 == 0


def _test(name: str, values: list[str]) -> Test:
    field, _, rest = name.partition(".")
    if name in _EXACT:
        return _EXACT[name](values)
    if field in _TESTED_DATES and rest:
        date_ranges = [v2_date_range(field, rest, value) for value in values]
        return lambda case: all(_within(case, date_range) for date_range in date_ranges)
    if field == "properties" and rest:
        return lambda case: (case.properties.get(rest) or "") in values
    if field == "indices" and rest:
        return lambda case: case.indices.get(rest, {}).get("case_id") in values
    raise bad_request(f"'{name}' is not a valid parameter.")


def _within(case: Case, date_range: DateRange) -> bool:
    text = getattr(case, date_range.field)
    return text is not None and date_range.low <= timestamps.read(text) // 1000 <= date_range.high


def _flags(values: list[str]) -> list[bool]:
    """Parse booleans as HQ does: any text that is not in FALSE is true."""
    return [value.lower() not in FALSE for value in values]


def _include_deprecated(values: list[str]) -> Test:
    flags = _flags(values)
    return lambda case: True in flags or not case.is_deprecated


_EXACT: dict[str, Callable[[list[str]], Test]] = {
    "owner_id": lambda values: lambda case: case.owner_id in values,
    "external_id": lambda values: lambda case: (case.external_id or "") in values,
    "case_name": lambda values: lambda case: case.case_name in values,
    "include_deprecated": _include_deprecated,
}
