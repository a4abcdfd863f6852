"""The filters of the case lists, both versions, as a query on the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.dates import joined, v1_millisecond, v2_window
from commcare_sandbox.hq.programme import moments
from commcare_sandbox.hq.programme.cases import FAMILIES, PERIOD, Case
from commcare_sandbox.hq.programme.collection import Query, Window
from commcare_sandbox.seeds import mix
from commcare_sandbox.wire import Pairs, bad_request

Test = Callable[[Case], bool]

WINDOW_FIELDS = ("indexed_on", "server_last_modified")
"""Dates that order the base: their bounds are found by arithmetic."""
_TESTED_DATES = ("last_modified", "date_opened", "date_closed")
_EXACT = ("case_type", "owner_id", "external_id", "case_name", "closed", "include_deprecated")
_PLAIN = ("limit", "fields", "exclude", "query")
LOCATION_KINDS = frozenset(range(0, PERIOD, 2))


def in_location(case: Case) -> bool:
    """Tell whether a location-restricted login sees a case that was changed or added."""
    return mix(sum(case.case_id.encode())) % 2 == 0


def case_query(context: Context, params: Pairs) -> Query[Case]:
    """Read the filters of case v2.

    Raises:
        RefusalError: A parameter is unknown, or a value cannot be read.
    """
    windows: list[Window] = []
    tests: list[Test] = []
    named: list[str] = []
    types: list[str] | None = None
    for name in dict.fromkeys(name for name, _ in params):
        values = [value for key, value in params if key == name]
        field, _, rest = name.partition(".")
        if name == "case_type":
            types = values
        elif field in WINDOW_FIELDS and rest:
            windows += [v2_window(field, rest, value) for value in values]
        elif not _ignored(name, field):
            tests.append(_test(name, values))
            named.append(f"{name}={sorted(values)}")
    return assemble(context, types, windows, tests, named)


def assemble(
    context: Context,
    types: Iterable[str] | None,
    windows: list[Window],
    tests: list[Test],
    named: list[str],
) -> Query[Case]:
    """Make one query of case types, windows and tests, within what the login may see."""
    kinds = None
    of_kind: Test | None = None
    if types is not None:
        wanted = set(types)
        kinds = frozenset(at for at, (each, _) in enumerate(FAMILIES) if each in wanted)
        of_kind = _is_of(wanted)
    if context.world.switches.location_restricted:
        kinds = LOCATION_KINDS if kinds is None else kinds & LOCATION_KINDS
        within = of_kind
        of_kind = _both(within, in_location) if within else in_location
    return Query(joined(windows), kinds, of_kind, tuple(tests), "&".join(named))


def _is_of(wanted: set[str]) -> Test:
    return lambda case: case.case_type in wanted


def _both(one: Test, other: Test) -> Test:
    return lambda case: one(case) and other(case)


def _ignored(name: str, field: str) -> bool:
    return name in _PLAIN or (field in ("fields", "exclude") and "." in name)


def _test(name: str, values: list[str]) -> Test:
    field, _, rest = name.partition(".")
    if name in _EXACT:
        return _EXACT_TESTS[name](values)
    if field in _TESTED_DATES:
        return _any([_within(v2_window(field, rest, value)) for value in values])
    if field == "properties" and rest:
        return lambda case: (case.properties.get(rest) or "") in values
    if field == "indices" and rest:
        return lambda case: case.indices.get(rest, {}).get("case_id") in values
    if name in WINDOW_FIELDS:
        raise bad_request(f"'{name}' is not a valid parameter.")
    raise bad_request(f"'{name}' is not a valid parameter.")


def _any(tests: list[Test]) -> Test:
    return lambda case: any(test(case) for test in tests)


def _within(window: Window) -> Test:
    def test(case: Case) -> bool:
        text = getattr(case, window.field)
        return text is not None and window.low <= moments.read(text) // 1000 <= window.high

    return test


def _flag(values: list[str], name: str) -> list[bool]:
    known = {"true": True, "false": False}
    for value in values:
        if value.lower() not in known:
            raise bad_request(f"'{value}' is not a valid value for '{name}'")
    return [known[value.lower()] for value in values]


def _closed(values: list[str]) -> Test:
    flags = _flag(values, "closed")
    return lambda case: case.closed in flags


def _include_deprecated(values: list[str]) -> Test:
    flags = _flag(values, "include_deprecated")
    return lambda case: True in flags or not case.is_deprecated


_EXACT_TESTS: dict[str, Callable[[list[str]], Test]] = {
    "owner_id": lambda values: lambda case: case.owner_id in values,
    "external_id": lambda values: lambda case: (case.external_id or "") in values,
    "case_name": lambda values: lambda case: case.case_name in values,
    "closed": _closed,
    "include_deprecated": _include_deprecated,
}


# ---------------------------------------------------------------------- version 1

V1_DATES = {
    "indexed_on": "indexed_on",
    "server_date_modified": "server_last_modified",
    "server_modified_on": "server_last_modified",
    "date_modified": "last_modified",
}
_V1_TESTS: dict[str, Callable[[str], Test]] = {
    "owner_id": lambda value: lambda case: (case.owner_id or case.user_id or "").lower() == value,
    "user_id": lambda value: lambda case: (case.user_id or "").lower() == value,
    "name": lambda value: lambda case: case.case_name.lower() == value,
    "name.exact": lambda value: lambda case: case.case_name.lower() == value,
    "external_id": lambda value: lambda case: (case.external_id or "").lower() == value,
    "external_id.exact": lambda value: lambda case: (case.external_id or "").lower() == value,
    "closed": lambda value: lambda case: str(case.closed).lower() == value,
}
V1_RESERVED = ("limit", "offset", "order_by", "q", "api_key", "username", "format")


def case_query_v1(context: Context, params: Pairs) -> Query[Case]:
    """Read the filters of case v1: what is unknown matches nothing, silently."""
    windows: list[Window] = []
    tests: list[Test] = []
    named: list[str] = []
    types: list[str] | None = None
    for name, value in dict(params).items():
        if name in V1_RESERVED or name.endswith("__full"):
            continue
        bound = v1_bound(name, value, V1_DATES)
        if name in ("type", "case_type", "type.exact"):
            types = [each for each, _ in FAMILIES if each == value.lower()] or [value.lower()]
        elif bound and bound.field in WINDOW_FIELDS:
            windows.append(bound)
        else:
            tests.append(_v1_test(name, value, bound))
            named.append(f"{name}={value}")
    return assemble(context, types, windows, tests, named)


def _v1_test(name: str, value: str, bound: Window | None) -> Test:
    if bound:
        return _within(bound)
    known = _V1_TESTS.get(name)
    return known(value.lower()) if known else _nothing


def _nothing(_record: Any) -> bool:
    return False


def v1_bound(name: str, value: str, dates: dict[str, str]) -> Window | None:
    """Return the inclusive bound that a v1 parameter stands for, if it is one."""
    for suffix, side in (("_start", "low"), ("_end", "high")):
        field = dates.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if field:
            millisecond = v1_millisecond(value)
            if side == "low":
                return Window(field, low=millisecond)
            return Window(field, high=millisecond)
    return None
