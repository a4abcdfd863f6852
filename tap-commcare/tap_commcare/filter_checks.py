"""Whether the values of filters exist: case types, forms and applications. Costs no request.

A filter for a value that does not exist reads nothing, and nothing would say why. What a run reads
anyway tells: rows that were seen, and the structure of applications if their streams are selected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tap_common import notices, settings
from tap_common.full_table import ListPage, ListSource, Position
from tap_common.suggestions import closest, with_suggestions

log = logging.getLogger(__name__)

WORD_SIMILARITY = 0.6
ID_SIMILARITY = 0.9  # ids and xmlns of different things begin alike


@dataclass
class FilterCheck:
    """The values of one filter, and what a run has learnt about them.

    Args:
        setting: The filter.
        missing: What does not exist, as the message says it: ``no case of type``.
        unused: The same for a value of which only applications tell.
        wanted: The values of the setting.
        domains: The domains of the run.
        similarity: How similar a suggestion must be.
    """

    setting: str
    missing: str
    unused: str
    wanted: Sequence[str]
    domains: Sequence[str]
    similarity: float = WORD_SIMILARITY
    seen: set[str] = field(default_factory=set)
    in_applications: set[str] = field(default_factory=set)
    _complete: set[str] = field(default_factory=set)

    def see(self, values: Iterable[Any]) -> None:
        """Note values that rows have."""
        if self.wanted:
            self.seen.update(each for each in values if type(each) is str)

    def see_in_application(self, values: Iterable[Any]) -> None:
        """Note values that applications have."""
        if self.wanted:
            self.in_applications.update(each for each in values if type(each) is str)

    def mark_complete(self, domain: str) -> None:
        """Note that all rows of a domain were read, from the first one."""
        self._complete.add(domain)

    def finding(self) -> str | None:
        """Return which values do not exist, with suggestions; None if all may exist."""
        missing = sorted(set(self.wanted) - self.seen)
        known = self.in_applications | self.seen
        text = self.missing
        if not self._complete.issuperset(self.domains):
            # Earlier runs may have read such rows: only what looks mistyped is reported.
            missing = [
                each
                for each in missing
                if each not in known and closest(each, known, self.similarity)
            ]
            text = self.unused
        if not missing:
            return None
        names = with_suggestions(missing, known, self.similarity)
        return f"{self.setting}: {' and '.join(self.domains)}: {text} {names}"


class FilterChecks:
    """The checks of all filters of a run."""

    def __init__(self, config: Mapping[str, Any], domains: Sequence[str]) -> None:
        def check(name: str, missing: str, unused: str, **more: Any) -> FilterCheck:
            return FilterCheck(
                name, missing, unused, settings.text_list(config, name), domains, **more
            )

        self.case_types = check(
            "case_types", "no case has the type", "no application uses the case type"
        )
        self.form_xmlns = check(
            "form_xmlns",
            "no form has the xmlns",
            "no application has a form with the xmlns",
            similarity=ID_SIMILARITY,
        )
        self.app_ids = check(
            "app_ids",
            "no application has the id",
            "no application has the id",
            similarity=ID_SIMILARITY,
        )

    def log(self) -> None:
        """Log which values do not exist."""
        for check in (self.case_types, self.form_xmlns, self.app_ids):
            if finding := check.finding():
                notices.warn(log, "%s", finding)


@dataclass
class ObservedList:
    """A list whose rows are shown to an observer as they are read.

    Args:
        source: The list.
        observe: Called with the rows of each page.
        complete: Called when all pages were read, from the first one.
    """

    source: ListSource
    observe: Callable[[Sequence[Any]], None]
    complete: Callable[[], None]
    _is_from_start: bool = False

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position."""
        page = self.source.page(position, limit)
        self._is_from_start = self._is_from_start or position is None
        self.observe(page.rows)
        if page.next_position is None and self._is_from_start and limit is None:
            self.complete()
        return page
