"""Values as people read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scout_control.api.progress_bars import duration
from scout_control.rules.json_values import to_json_value
from scout_control.rules.wording import counted
from scout_control.serve.page.advice import for_people

if TYPE_CHECKING:
    from scout_control.api.audit import Event

LONGEST_CELL = 300
KINDS = {
    "oauth2": "signed in at the source",
    "api_key": "API key",
    "username_password": "user name and password",
    "token": "access token",
    "settings": "secret settings",
}
SLACK_SECONDS = 30
"""What ends in 90 days is not said to end in 89 a moment later."""
NAMELESS = frozenset({"dataset", "run", "credential", "source", "link"})
"""What is stored in the audit trail under an id that says nothing to people."""
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def number(value: float | None) -> str:
    """Return a count with separators."""
    return "" if value is None else f"{value:,.0f}"


def period(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for name, length in UNITS:
        if seconds >= length:
            return counted(int(seconds // length), name)
    return f"{max(int(seconds), 0)} s"


def ago(moment: datetime | str | None, now: datetime | None = None) -> str:
    """Return when something was or will be, relative to now."""
    if moment is None:
        return "never"
    distance = (now or datetime.now(UTC)) - _parsed(moment)
    if abs(distance) < timedelta(seconds=10):
        return "just now"
    seconds = distance.total_seconds()
    if seconds > 0:
        return f"{period(seconds)} ago"
    return f"in {period(SLACK_SECONDS - seconds)}"


def moment(value: datetime | str | None) -> str:
    """Return a moment in UTC, to the minute."""
    return "" if value is None else _parsed(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(value: datetime | str | None) -> str:
    """Return the day of a moment in UTC."""
    return "" if value is None else _parsed(value).astimezone(UTC).strftime("%Y-%m-%d")


def span(first: datetime | None, last: datetime | None) -> tuple[str, str]:
    """Return the ends of a time: days, or moments of one day."""
    days = day(first), day(last)
    return days if days[0] != days[1] else (moment(first), moment(last))


def clock(value: datetime | str) -> str:
    """Return the time of a line of a log, in UTC."""
    return _parsed(value).astimezone(UTC).strftime("%H:%M:%S")


def iso(value: datetime | str) -> str:
    """Return a moment as HTML has it."""
    return _parsed(value).isoformat()


def cell(value: Any) -> str:
    """Return a value of a row, shortened; null is empty."""
    if value is None:
        return ""
    plain = to_json_value(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "\N{HORIZONTAL ELLIPSIS}"


def percent(share: float) -> str:
    """Return a share as a whole number; what is not nothing is not 0 %."""
    return "under 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def _parsed(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def kind(name: str) -> str:
    """Return what people call a kind of credential."""
    return KINDS.get(name, name)


def event(found: Event) -> str:
    """Return what was done, and to what: people know names, and not ids."""
    owner = "/".join(each for each in (found.source, found.user) if each)
    what = found.subject or ""
    if found.subject_kind in NAMELESS and owner:
        what = owner if found.subject_kind in {"dataset", "source"} else f"of {owner}"
    return f"{found.action} {found.subject_kind} {what}".strip()


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number,
    "period": period,
    "ago": ago,
    "moment": moment,
    "clock": clock,
    "iso": iso,
    "cell": cell,
    "counted": counted,
    "duration": duration,
    "event": event,
    "kind": kind,
    "for_people": for_people,
    "percent": percent,
}
