"""Tracks the versions of one stream, as a state machine: decisions and transitions. Pure.

`Versions` asks for decisions, has the checkpointer carry them out, and applies the transitions.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_scout_postgres.postgres.schema_snapshot import StreamVersions

MAX_SEEN = 50  # how many earlier versions of a stream are remembered
# No version equals it. The first record therefore takes the exact path, which finds out whether the
# stream's records carry versions.
UNKNOWN = 1 << 63


class OnActivateVersion(Enum):
    """What an ACTIVATE_VERSION message means."""

    ALREADY_ACTIVE = auto()
    OUTDATED = auto()
    ACTIVATE = auto()  # the records of this version precede it
    WITHOUT_RECORDS = auto()  # the stream's records carry no version
    ANNOUNCE = auto()  # the records of this version follow


class Destination(Enum):
    """Where the records of a version go."""

    UNCHANGED = auto()
    LIVE = auto()
    STAGE = auto()
    REPLACEMENT = auto()  # a stage without version, for a stream that is replaced as a whole


class VersionTracker:
    """Which version is active, which one is staged, and which one records must have.

    Read-only from outside, apart from the methods.
    """

    def __init__(self) -> None:
        self.expected: int | None = None  # the version of the records that take the fast path
        self.active: int | None = None
        self.loading: int | None = None  # in the staging table, perhaps from an earlier run
        self.announced: int | None = None  # its ACTIVATE_VERSION preceded its records
        self.pending: int | None = None  # to be activated with the STATE that covers it
        self.has_begun = False  # this run has reached the version in the staging table
        self.is_staged = False  # rows go to the stage
        self.replaces_table = False  # the stage replaces the table at the clean end of the run
        self.seen: list[int] = []  # the latest versions before the active one
        self.loaded: set[int] = set()  # versions with records, which ACTIVATE_VERSION activates

    def resume(self, stored: StreamVersions) -> None:
        """Continue where an earlier run ended.

        A tap that prints ACTIVATE_VERSION after the records does so too in a run that resumes at
        the very end and has no record left.
        """
        self.active, self.loading, is_announced, seen = stored
        self.seen = list(seen)
        if self.loading is not None and not is_announced:
            self.loaded.add(self.loading)

    @property
    def current(self) -> int | None:
        """Return the version that the load log shows."""
        return self.loading if self.loading is not None else self.active

    def is_active(self, version: int) -> bool:
        """Return whether a version is active, or about to be."""
        return version in (self.active, self.pending)

    def is_outdated(self, version: int) -> bool:
        """Return whether a version is older than the active one or the one that is staged.

        A lower number alone does not make a version older than the active one, as some taps start
        over: it must have been seen before. A newer version that only an earlier run has staged
        does not make the active one outdated.
        """
        if self.active is not None and version < self.active and version in self.seen:
            return True
        is_live = version == self.active and not self.is_staged
        return (
            self.has_begun and self.loading is not None and version < self.loading and not is_live
        )

    def counts_anew(self, version: int) -> bool:
        """Return whether a version that is about to begin is lower than the active one."""
        return self.active is not None and version < self.active and self.loading != version

    def waits(self, *, has_key: bool) -> bool:
        """Return whether rows must wait for the STATE that covers them.

        With a key, a record that is sent again changes nothing. A stage without version is dropped
        by the next run.
        """
        return not (has_key or (self.is_staged and self.loading is None))

    def on_activate_version(self, version: int, *, has_rows: bool) -> OnActivateVersion:
        """Return what an ACTIVATE_VERSION means."""
        if self.is_active(version):
            return OnActivateVersion.ALREADY_ACTIVE
        if self.is_outdated(version):
            return OnActivateVersion.OUTDATED
        if version in self.loaded or version == self.announced:
            return OnActivateVersion.ACTIVATE
        carries_none = self.expected is None and self.loading is None
        if has_rows and carries_none and (self.replaces_table or not self.is_staged):
            return OnActivateVersion.WITHOUT_RECORDS
        return OnActivateVersion.ANNOUNCE

    def destination(self, version: int | None) -> Destination:
        """Return where the records of a version go; None: they have no version."""
        if version is None and self.expected == UNKNOWN:
            return Destination.REPLACEMENT
        if version is None:
            # A tap may announce a version and then leave it out of its records.
            return Destination.LIVE if self.announced is None else Destination.UNCHANGED
        if version == self.active:
            return Destination.LIVE
        if self.is_staged and version == self.loading:
            return Destination.UNCHANGED
        return Destination.STAGE

    def expect(self, version: int | None) -> None:
        """Allow records of a version to take the fast path."""
        self.expected = version

    def announce(self, version: int) -> None:
        """Record an ACTIVATE_VERSION that precedes its records."""
        self.announced = version

    def await_first_record(self) -> None:
        """Wait for the first record to learn whether the stream's records carry versions."""
        self.expected = UNKNOWN

    def stage(self, version: int) -> None:
        """Load a version into the staging table."""
        if self.loading != version:
            self._leave(self.loading)
        if self.announced != version:
            self.announced = None
        self.is_staged = self.has_begun = True
        self.replaces_table = False
        self.loading = version

    def stage_replacement(self, *, replaces_table: bool = True) -> None:
        """Load rows into the staging table that replaces the table at the clean end of the run."""
        self.is_staged = True
        self.replaces_table = replaces_table

    def abandon_version(self) -> None:
        """Abandon the version of an earlier run: the stream's records have no version."""
        self.loading = None
        self.loaded.clear()

    def keep_table(self) -> None:
        """Keep the table: stop loading its replacement."""
        self.is_staged = self.is_staged and not self.replaces_table
        self.replaces_table = False

    def write_live(self, version: int | None) -> None:
        """Send rows to the live table; if they have a version, it becomes the active one."""
        self.is_staged = False
        if version is not None and version != self.active:
            self._leave(self.active)
            self.active = version
            self.loading = self.announced = None

    def await_activation(self, version: int | None) -> None:
        """Postpone an activation until STATE covers the rows."""
        self.pending = version

    def promote(self, version: int | None) -> None:
        """Make a staged version the active one."""
        self.is_staged = False
        if version != self.active:
            self._leave(self.active)
        self.active = version
        self.loading = self.announced = self.pending = None

    def note_rows(self) -> None:
        """Record that rows were staged."""
        if self.loading is not None and self.is_staged:
            self.loaded.add(self.loading)

    def _leave(self, version: int | None) -> None:
        if version is not None and version not in self.seen:
            self.seen = [*self.seen, version][-MAX_SEEN:]
