"""What a call changes of a link: checked first, then applied to its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.api import changes
from scout_control.api.source_config import (
    check_column_rules,
    check_config,
    check_interval,
    setting_names,
    warn_about_unchecked_streams,
)
from scout_control.errors import SettingsError
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules import column_rules, singer_catalog
from scout_control.rules.suggestions import advice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from scout_control.meltano.project import SourceType
    from scout_control.store.models import ProjectSource

ColumnPaths = Mapping[str, Sequence[str]]
"""Paths of columns, and of what is inside them, by stream."""
MODES = ("project", "user")
DEFAULTS: dict[str, Any] = {"credential_mode": "user", "refresh_interval_hours": 24}
# What callers and commands call the columns and settings of a link.
COLUMNS = {"mode": "credential_mode", "interval_hours": "refresh_interval_hours"}
ALIASES = COLUMNS | {
    "streams": STREAMS_SETTING,
    "exclude": column_rules.EXCLUDE,
    "hash": column_rules.HASH,
}


@dataclass(frozen=True, kw_only=True)
class LinkChange:
    """What a call changes of a link; None and what is not named stay."""

    mode: str | None = None
    interval_hours: int | None = None
    config: Mapping[str, Any] | None = None
    exclude: ColumnPaths | None = None
    hash: ColumnPaths | None = None
    unset: Collection[str] = ()

    def check(self) -> None:
        """Check what needs no store.

        Raises:
            SettingsError: The mode is unknown, or the interval invalid.
        """
        if self.interval_hours is not None:
            check_interval(self.interval_hours)
        if self.mode is not None and self.mode not in MODES:
            raise SettingsError(
                f"Unknown mode {self.mode!r}.", advice([self.mode], MODES, "Use one of")
            )

    def apply(
        self, link: ProjectSource, source_type: SourceType, catalog: Mapping[str, Any]
    ) -> None:
        """Change a link.

        Raises:
            SettingsError: A setting, stream or column is unknown, or a name to unset.
        """
        known = singer_catalog.ids(catalog)
        columns = {"mode": self.mode, "interval_hours": self.interval_hours}
        columns = {name: value for name, value in columns.items() if value is not None}
        given = {**(self.config or {}), **self._rules(link)}
        unset = self._unset(link, source_type, [*columns, *given])
        settings = check_config(source_type, given, known)
        check_column_rules(source_type, settings, catalog, link.sync_config)
        warn_about_unchecked_streams(source_type, settings, known, link.source.name)
        link.is_active = True
        for name in unset & set(COLUMNS.values()):
            setattr(link, name, DEFAULTS[name])
        for name, value in columns.items():
            setattr(link, COLUMNS[name], value)
        link.sync_config = changes.merged(link.sync_config, settings, unset)

    def _rules(self, link: ProjectSource) -> dict[str, Any]:
        """Return the settings of the rules that change."""
        current = {**(link.sync_config or {}), **(self.config or {})}
        pairs = ((column_rules.EXCLUDE, self.exclude), (column_rules.HASH, self.hash))
        return {
            name: column_rules.changed(current.get(name) or {}, paths)
            for name, paths in pairs
            if paths is not None
        }

    def _unset(
        self, link: ProjectSource, source_type: SourceType, given: Iterable[str]
    ) -> frozenset[str]:
        known = setting_names(source_type).union(link.sync_config)
        owner = f"The link of {link.project.id} to {link.source.name}"
        return changes.check_unset(self.unset, known, given, owner, ALIASES)
