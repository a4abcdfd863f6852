"""The Case Search Query Language (CSQL), which the `query` parameter of case v2 takes.

As described in docs/case_search_query_language.rst of commcare-hq, read 2026-11-28. Not supported:
within-distance, fuzzy-match and phonetic-match. Dates are in UTC.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache

from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.cases import Case
from commcare_sandbox.hq.data.collection import Collection, Query
from commcare_sandbox.http_types import HTTPError, bad_request

Test = Callable[[Case], bool]
Value = str | float
Compare = Callable[[float, float], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"[^\"]*\"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w-])"
    r"|(?P<name>[^\s\d'\"=!<>(),/][^\s'\"=!<>(),/]*)|(?P<symbol>!=|<=|>=|[=<>(),/]))"
)
_EQUALITY = ("=", "!=")
_RANGES: Mapping[str, Compare] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COUNTS: Mapping[str, Compare] = {"=": operator.eq, "!=": operator.ne, **_RANGES}
_NO_OPERATOR = "Your filter is required to have at least one boolean operator (e.g. '=', '!=')"
_NOT_COMPARABLE = (
    "The right hand side of a comparison must be a number or date. "
    "Dates must be surrounded in quotation marks"
)
_METADATA: Mapping[str, Callable[[Case], str | None]] = {
    "@case_id": lambda case: case.case_id,
    "@case_type": lambda case: case.case_type,
    "@owner_id": lambda case: case.owner_id,
    "@status": lambda case: "closed" if case.closed else "open",
    "name": lambda case: case.case_name,
    "case_name": lambda case: case.case_name,
    "external_id": lambda case: case.external_id,
}
_TIMES: Mapping[str, Callable[[Case], str | None]] = {
    "date_opened": lambda case: case.date_opened,
    "closed_on": lambda case: case.date_closed,
    "last_modified": lambda case: case.last_modified,
}


def parse(text: str, cases: Collection[Case]) -> Test:
    """Return the test that a query stands for; related cases are looked up in ``cases``.

    Raises:
        HTTPError: 400, the query is malformed or uses something unsupported.
    """
    return _Parser(text, cases).parse()


class _Parser:
    """A recursive descent parser that builds tests of cases."""

    def __init__(self, text: str, cases: Collection[Case]) -> None:
        self._text, self._cases = text, cases
        self._tokens = _tokens(text)
        self._at = 0
        self._functions: Mapping[str, Callable[[], Test]] = {
            "not": self._not,
            "starts-with": self._starts_with,
            "selected": lambda: _selected(any, *self._property_and_text()),
            "selected-any": lambda: _selected(any, *self._property_and_text()),
            "selected-all": lambda: _selected(all, *self._property_and_text()),
            "match-all": lambda: self._constant(matches=True),
            "match-none": lambda: self._constant(matches=False),
            "ancestor-exists": self._ancestor_exists,
            "subcase-exists": self._subcase_exists,
            "subcase-count": self._subcase_count,
        }

    def parse(self) -> Test:
        """Parse the whole text."""
        test = self._or()
        if self._at < len(self._tokens):
            raise self._malformed()
        return test

    def _or(self) -> Test:
        tests = [self._and()]
        while self._take("or"):
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda case: any(test(case) for test in tests)

    def _and(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda case: all(test(case) for test in tests)

    def _one(self) -> Test:
        if self._take("("):
            test = self._or()
            self._expect(")")
            return test
        name = self._name()
        if self._take("("):
            if name not in self._functions:
                raise bad_request(f"'{name}' is not a valid standalone function")
            return self._functions[name]()
        steps = [name]
        while self._take("/"):
            steps.append(self._name())
        test = self._comparison(steps[-1])
        return self._of_ancestor(steps[:-1], test) if len(steps) > 1 else test

    def _comparison(self, name: str) -> Test:
        sign = self._operator()
        value = self._value()
        if name in _TIMES:
            return _time_test(_TIMES[name], sign, _day(value))
        if sign in _EQUALITY:
            wanted = _text(value)
            return lambda case: (_property(case, name) == wanted) == (sign == "=")
        return _range_test(name, _RANGES[sign], value)

    def _value(self) -> Value:
        kind, text = self._next()
        if kind == "string":
            return text[1:-1]
        if kind == "number":
            return float(text)
        if kind == "name" and self._take("("):
            return self._value_function(text)
        if kind == "name":
            raise bad_request(
                "You cannot reference a case property on the right side of an operation. "
                f'If "{text}" is meant to be a value, please surround it with quotation marks'
            )
        raise self._malformed()

    def _value_function(self, name: str) -> str:
        if name == "today":
            self._expect(")")
            return datetime.now(UTC).date().isoformat()
        if name != "date":
            raise bad_request(f"'{name}' is not a valid function here")
        value = self._value()
        self._expect(")")
        return _day(value).isoformat()

    def _not(self) -> Test:
        test = self._or()
        self._expect(")")
        return lambda case: not test(case)

    def _constant(self, *, matches: bool) -> Test:
        self._expect(")")
        return lambda _: matches

    def _starts_with(self) -> Test:
        name, prefix = self._property_and_text()
        return lambda case: _property(case, name).startswith(prefix)

    def _property_and_text(self) -> tuple[str, str]:
        name = self._name()
        self._expect(",")
        value = self._value()
        self._expect(")")
        return name, _text(value)

    # Related cases are looked up when the test runs, so that parsing stays cheap.

    def _ancestor_exists(self) -> Test:
        steps = [self._name()]
        while self._take("/"):
            steps.append(self._name())
        self._expect(",")
        test = self._or()
        self._expect(")")
        return self._of_ancestor(steps, test)

    def _of_ancestor(self, identifiers: list[str], test: Test) -> Test:
        def of_ancestor(case: Case) -> bool:
            above: Case | None = case
            for identifier in identifiers:
                link = above.indices.get(identifier) if above else None
                above = self._cases.get(link["case_id"]) if link else None
            return above is not None and test(above)

        return of_ancestor

    def _subcase_exists(self) -> Test:
        counts = self._subcases()
        return lambda case: counts()[case.case_id] > 0

    def _subcase_count(self) -> Test:
        counts = self._subcases()
        compare = _COUNTS[self._operator()]
        value = self._value()
        if isinstance(value, str):
            raise bad_request("'subcase-count' must be compared to a number")
        return lambda case: compare(counts()[case.case_id], value)

    def _subcases(self) -> Callable[[], Counter[str]]:
        """Read the arguments of a subcase function; return the count of matches per parent."""
        kind, text = self._next()
        identifier = text[1:-1] if kind == "string" else text
        self._expect(",")
        test = self._or()
        self._expect(")")
        cases = self._cases

        @cache
        def counts() -> Counter[str]:
            return Counter(
                case.indices[identifier]["case_id"]
                for case in cases.all(Query())
                if identifier in case.indices and test(case)
            )

        return counts

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._malformed()
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, text: str) -> bool:
        is_next = self._at < len(self._tokens) and self._tokens[self._at][1] == text
        self._at += is_next
        return is_next

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._malformed()

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name":
            raise self._malformed()
        return text

    def _operator(self) -> str:
        if self._at == len(self._tokens):
            raise bad_request(_NO_OPERATOR)
        _, text = self._next()
        if text not in _COUNTS:
            raise self._malformed()
        return text

    def _malformed(self) -> HTTPError:
        return bad_request(f"Malformed search query: {self._text}")


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise bad_request(f"Malformed search query: {text}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _property(case: Case, name: str) -> str:
    """Return a property as text; a missing one is empty, as it is for HQ."""
    read = _METADATA.get(name)
    return (read(case) if read else case.properties.get(name)) or ""


def _text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _day(value: Value) -> date:
    """Return a date from YYYY-MM-DD, or from days since 1970."""
    try:
        if isinstance(value, float):
            return date(1970, 1, 1) + timedelta(days=value)
        return date.fromisoformat(value[:10])
    except (ValueError, OverflowError):
        raise bad_request(f"{_text(value)} is not a valid date") from None


def _micros(day: date) -> int:
    return timestamps.to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _time_test(read: Callable[[Case], str | None], sign: str, day: date) -> Test:
    """Compare a timestamp with a whole day."""
    start = _micros(day)
    end = start + timestamps.DAY

    def fits(case: Case) -> bool:
        text = read(case)
        if not text:
            return sign == "!="
        at = timestamps.read(text)
        if sign in _EQUALITY:
            return (start <= at < end) == (sign == "=")
        # `> day` begins after the day has ended, and `<= day` includes all of it.
        return {">": at >= end, ">=": at >= start, "<": at < start, "<=": at < end}[sign]

    return fits


def _range_test(name: str, compare: Compare, value: Value) -> Test:
    """Compare a property with a number or a date; a property that is neither never matches."""
    read: Callable[[str], float]
    if isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\d.*", value):
            raise bad_request(_NOT_COMPARABLE)
        bound, read = float(_micros(_day(value))), timestamps.read
    else:
        bound, read = value, float

    def fits(case: Case) -> bool:
        try:
            return compare(read(_property(case, name)), bound)
        except ValueError:
            return False

    return fits


def _terms(text: str) -> set[str]:
    """Split a multi-select value as HQ's search engine does: at everything that is not a word."""
    return set(re.findall(r"\d+\.\d+|\w+", text.replace("'", "").lower()))


def _selected(quantify: Callable[[list[bool]], bool], name: str, wanted: str) -> Test:
    terms = _terms(wanted)

    def fits(case: Case) -> bool:
        there = _terms(_property(case, name))
        return bool(terms) and quantify([term in there for term in terms])

    return fits
