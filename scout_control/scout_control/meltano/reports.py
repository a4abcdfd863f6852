"""What one event of Meltano's log reports about the progress of a run. Pure.

The target reports what it committed, whatever tap is in front of it. Taps of this project also
report totals and waits; of other taps, waits are recognised by the usual wording.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.rules.json_values import to_storable_text

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNT, TOTAL = "record_count", "record_total"
COMMITTED, WAITING, METRIC = "committed_rows", "waiting", "metric_info"
LOADER_STARTS = "The loader starts."
"""What its launcher writes: discovery is over, whatever the plugins log later."""
NOTICE, RULES = "notice", "column_rules"
OF_ATTEMPT = "attempt"
MAX_REASON_CHARACTERS = 200
MAX_NOTICE_CHARACTERS = 500
OWN_PLUGINS = frozenset({"tap-commcare", "tap-commcare-connect", "target-scout-postgres"})
"""Plugins whose messages quote no value of a record, and end with what to do."""
# Such as "Backing off request(...) for 1.6s" of the library backoff, and "Retrying in 5 seconds".
WAIT_OF_OTHERS = re.compile(
    r"\b(?:back(?:ing|ed)?[ -]?off|wait(?:ing)?|sleep(?:ing)?|retry(?:ing)?|retries)\b.{0,200}?"
    r"\b(?P<seconds>\d{1,5}(?:\.\d+)?) ?(?:s|secs?|seconds)\b",
    re.IGNORECASE,
)
IS_RATE_LIMIT = re.compile(r"\b429\b|rate.?limit|too many requests|throttl", re.IGNORECASE)
# dbt numbers models and tests together, by their start: counted is what has ended.
NODE_ENDED = re.compile(
    r"\b\d+ of (?P<total>\d+) (?:OK|PASS|WARN|ERROR|FAIL|SKIP|NO-OP|PARTIAL SUCCESS)\b"
)


@dataclass(frozen=True)
class StreamProgress:
    """How many records of a stream were read since the last report."""

    stream: str
    records: int
    total: int | None = None
    """How many there are, where the tap knows."""


@dataclass(frozen=True)
class Committed:
    """The rows of this attempt that are committed, of the streams that changed."""

    rows: Mapping[str, int]


@dataclass(frozen=True)
class ModelEnded:
    """dbt has ended one more model or test."""

    total: int


@dataclass(frozen=True)
class Wait:
    """Something waits."""

    reason: str
    seconds: float | None = None
    """How long it waits from now; None: unknown."""
    waited_seconds: float = 0.0
    """How long it has waited when this was reported."""


@dataclass(frozen=True)
class WaitEnded:
    """What was waited for without a known end is over."""


@dataclass(frozen=True)
class Notice:
    """A plugin of this project warns of something that people should see without the log."""

    text: str
    is_of_attempt: bool = False
    """Whether it only tells where an attempt ended, from which the next one continues."""


@dataclass(frozen=True)
class RuleOutcomes:
    """Which rules for columns matched something in what came, and which did not."""

    matched: Mapping[str, bool]
    """By rule, as STREAM.PATH; a rule of a stream without records is missing."""


Report = StreamProgress | Committed | ModelEnded | Wait | WaitEnded | Notice | RuleOutcomes


def parse_event(line: str) -> dict[str, Any] | None:
    """Return the event of one line; None for one that is not Meltano's: plugins write anything."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def report_of(
    event: Mapping[str, Any], totals: dict[str, dict[str, int]], plugin: str | None = None
) -> Report | None:
    """Return what an event reports.

    Args:
        event: One decoded line of the log.
        totals: The totals that taps announced, by stream and domain; this adds to them.
        plugin: The plugin that it is about, where the event does not name it.
    """
    name = str(event.get("string_id") or event.get("name") or plugin or "tap-")
    if WAITING in event:
        return _wait(event[WAITING])
    if name in OWN_PLUGINS and (finding := _finding(event)):
        return finding
    if name.startswith("target-"):
        return _committed(event.get(COMMITTED))
    if name.startswith("dbt"):
        return _model_ended(event)
    if METRIC in event and name.startswith("tap-"):
        return _stream_progress(event[METRIC], totals)
    is_other = name.startswith("tap-") and name not in OWN_PLUGINS
    return _wait_of_others(event) if is_other else None


def is_only_progress(event: Mapping[str, Any]) -> bool:
    """Return whether an event has nothing to tell but counts, which are shown as progress."""
    return METRIC in event or COMMITTED in event or event.get("event") == LOADER_STARTS


def _finding(event: Mapping[str, Any]) -> Notice | RuleOutcomes | None:
    """Return what an event of our plugins tells of the data; it holds names only."""
    if (kind := event.get(NOTICE)) is True or kind == OF_ATTEMPT:
        text = to_storable_text(" ".join(str(event.get("event")).split()))
        return Notice(text[:MAX_NOTICE_CHARACTERS], is_of_attempt=kind == OF_ATTEMPT)
    return _rule_outcomes(event.get(RULES))


def _committed(value: object) -> Committed | None:
    if not isinstance(value, dict):
        return None
    rows = {to_storable_text(str(name)): rows for name, rows in value.items() if _is_count(rows)}
    return Committed(rows) if rows else None


def _rule_outcomes(value: object) -> RuleOutcomes | None:
    if not isinstance(value, dict):
        return None
    lists = {"unmatched": value.get("unmatched"), "matched": value.get("matched")}
    return RuleOutcomes(
        {
            to_storable_text(name): outcome == "matched"
            for outcome, names in lists.items()
            for name in (names if isinstance(names, list) else ())
            if isinstance(name, str)
        }
    )


def _model_ended(event: Mapping[str, Any]) -> ModelEnded | None:
    found = NODE_ENDED.search(str(event.get("event")))
    return ModelEnded(int(found["total"])) if found else None


def _wait(value: object) -> Wait | WaitEnded | None:
    if value is None:
        return WaitEnded()
    if not isinstance(value, dict) or not isinstance(value.get("reason"), str):
        return None
    reason = to_storable_text(" ".join(value["reason"].split()))[:MAX_REASON_CHARACTERS]
    seconds, waited = value.get("seconds"), value.get("waited")
    return Wait(
        reason,
        float(seconds) if isinstance(seconds, int | float) else None,
        float(waited) if isinstance(waited, int | float) else 0.0,
    )


def _wait_of_others(event: Mapping[str, Any]) -> Wait | None:
    text = str(event.get("event"))
    found = WAIT_OF_OTHERS.search(text)
    if found is None:
        return None
    is_rate_limit = IS_RATE_LIMIT.search(text)
    reason = "HTTP 429, the rate limit of the source" if is_rate_limit else "a request is retried"
    return Wait(reason, float(found["seconds"]))


def _stream_progress(metric: object, totals: dict[str, dict[str, int]]) -> StreamProgress | None:
    if not isinstance(metric, dict) or metric.get("metric") not in (COUNT, TOTAL):
        return None
    tags, value = metric.get("tags"), metric.get("value")
    if not isinstance(tags, dict) or not _is_count(value) or not isinstance(value, int):
        return None
    stream = tags.get("stream")
    if not isinstance(stream, str):
        return None
    stream = to_storable_text(stream)
    if metric["metric"] == TOTAL:
        totals.setdefault(stream, {})[str(tags.get("domain"))] = value
        return StreamProgress(stream, 0, sum(totals[stream].values()))
    return StreamProgress(stream, value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
