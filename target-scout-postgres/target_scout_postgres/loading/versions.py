"""Follows the versions of all streams: where records go, and when a version is activated.

`VersionTracker` makes the decisions, and the checkpointer carries them out. This module does not
know about lines or tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres import logs
from target_scout_postgres.loading.version_tracker import UNKNOWN, Destination, OnActivateVersion
from target_scout_postgres.wording import counted

if TYPE_CHECKING:
    from target_scout_postgres.loading.checkpointer import Checkpointer
    from target_scout_postgres.loading.stream import Stream
    from target_scout_postgres.settings import Settings

CUT_OFF = "no STATE follows its last record, so its tap seems to have been cut off"


class Versions:
    """The versions of all streams of a run."""

    def __init__(self, settings: Settings, checkpointer: Checkpointer) -> None:
        self._settings = settings
        self._checkpointer = checkpointer

    def on_schema(self, stream: Stream) -> None:
        """Begin staging a stream whose table is replaced at the clean end of the run."""
        tracker = stream.versions
        if self._settings.is_overwrite:
            if not tracker.is_staged:
                self._stage_replacement(stream, replaces_table=False)
            return
        is_undecided = tracker.expected in (None, UNKNOWN) and tracker.announced is None
        if stream.buffer.received_rows or not is_undecided:
            return
        if not self._is_replaced_by_setting(stream):
            tracker.keep_table()
        elif tracker.loading is not None:  # its records may continue an unfinished version
            tracker.await_first_record()
        elif not tracker.replaces_table:
            self._stage_replacement(stream)

    def _is_replaced_by_setting(self, stream: Stream) -> bool:
        schema = stream.schema
        is_plain = schema is not None and not (schema.key or schema.has_bookmark)
        return (
            is_plain and self._settings.is_upsert and self._settings.replaces_keyless(stream.name)
        )

    def _stage_replacement(self, stream: Stream, *, replaces_table: bool = True) -> None:
        stream.versions.stage_replacement(replaces_table=replaces_table)
        stream.buffer.last_epoch = self._checkpointer.epoch
        self._checkpointer.begin_version(stream, None)

    def on_activate_version(self, stream: Stream, version: int) -> None:
        """Activate a version whose records were received, or expect those of an announced one."""
        if not self._settings.is_upsert:
            return
        has_rows = bool(stream.buffer.received_rows)
        meaning = stream.versions.on_activate_version(version, has_rows=has_rows)
        if meaning is OnActivateVersion.OUTDATED:
            logs.notice(f"{stream.name}: an older version was not activated")
        elif meaning is OnActivateVersion.WITHOUT_RECORDS:
            logs.notice(
                f"{stream.name}: its records carry no version, so the version was not activated "
                "and no row was removed"
            )
        elif meaning is OnActivateVersion.ACTIVATE:
            self._activate(stream, version)
        elif meaning is OnActivateVersion.ANNOUNCE:
            self._activate_pending(stream)
            stream.versions.announce(version)
            stream.buffer.last_epoch = self._checkpointer.epoch
            self._gather(stream, version)
            stream.versions.expect(version)

    def _activate(self, stream: Stream, version: int) -> None:
        tracker = stream.versions
        if not (tracker.is_staged and version == tracker.loading):
            self._gather(stream, version)
        self._checkpointer.activate(stream, version)
        if tracker.pending is None:
            self._write_live(stream, version)
            self._checkpointer.checkpoint()

    def on_record_version(self, stream: Stream, version: int | None) -> bool:
        """Handle the version of a record; return whether the record is loaded."""
        tracker = stream.versions
        if not self._settings.is_upsert:
            tracker.expect(version)
            return True
        if version is not None and tracker.is_outdated(version):
            return False
        self._activate_pending(stream)
        destination = tracker.destination(version)
        if destination is Destination.REPLACEMENT:
            tracker.abandon_version()
            self._stage_replacement(stream)
        elif destination is Destination.LIVE:
            self._write_live(stream, tracker.active)
        elif destination is Destination.STAGE and version is not None:
            self._gather(stream, version)
        tracker.expect(version)
        return True

    def _activate_pending(self, stream: Stream) -> None:
        # A stream has one staging table: its version must be activated before another begins.
        if stream.versions.pending is not None:
            self._checkpointer.activate_pending(stream)

    def _gather(self, stream: Stream, version: int) -> None:
        tracker = stream.versions
        self._activate_pending(stream)
        self._checkpointer.flush(stream)  # buffered rows belong to what precedes the version
        if tracker.counts_anew(version):
            logs.notice(
                f"{stream.name}: version {version} is lower than {tracker.active}, the active one, "
                "but has not been seen before: it is taken as a new version"
            )
        tracker.stage(version)
        self._checkpointer.begin_version(stream, version)

    def _write_live(self, stream: Stream, version: int | None) -> None:
        self._checkpointer.flush(stream)
        stream.versions.write_live(version)

    def finish(self) -> None:
        """Activate the versions that a clean end of the input activates."""
        for stream in self._checkpointer.streams.values():
            self._finish_stream(stream)
            self._log_keyless(stream)

    def _finish_stream(self, stream: Stream) -> None:
        tracker = stream.versions
        if self._settings.is_overwrite:
            self._checkpointer.activate(stream, None)
        elif tracker.replaces_table:
            # Existing rows must not be replaced by those of a tap that was cut off.
            if self._checkpointer.is_empty(stream) or self._ended_cleanly(stream):
                self._checkpointer.activate(stream, None)
        elif self._is_first_version(stream):
            self._activate_first(stream)
        elif tracker.announced is not None and not tracker.is_active(tracker.announced):
            if self._ended_cleanly(stream):
                self._checkpointer.activate(stream, tracker.announced)
        elif tracker.is_staged and tracker.pending is None and stream.buffer.received_rows:
            logs.notice(
                f"{stream.name}: no ACTIVATE_VERSION came for version {tracker.loading}, so its "
                "records are not visible yet; readers still see the previous rows",
                is_of_attempt=True,
            )

    def _is_first_version(self, stream: Stream) -> bool:
        """Return whether a version waits that replaces no earlier rows.

        An earlier run may have staged it, and ended before it could activate it.
        """
        tracker = stream.versions
        version = tracker.loading
        if version is None or tracker.active is not None or tracker.pending is not None:
            return False
        if not self._settings.is_upsert or not self._checkpointer.is_empty(stream):
            return False
        if not tracker.has_begun:
            self._gather(stream, version)
        return bool(stream.buffer.received_rows) or self._checkpointer.has_staged_rows(stream)

    def _activate_first(self, stream: Stream) -> None:
        """Activate a first version at the clean end of a run, as that hides no other rows."""
        why = "it was activated, as there are no earlier rows"
        if stream.versions.announced is None:
            which = f"no ACTIVATE_VERSION came for version {stream.versions.loading}"
            logs.info(f"{stream.name}: {which}; {why}")
        elif self._was_cut_off(stream):
            told = f"{stream.name}: {CUT_OFF}; {why}, but may lack some"
            logs.notice(told, is_of_attempt=True)
        self._checkpointer.activate(stream, stream.versions.loading)

    def _ended_cleanly(self, stream: Stream) -> bool:
        """Return whether an announced version was read to the end; log it if not."""
        if not self._was_cut_off(stream):
            return True
        logs.notice(
            f"{stream.name}: {CUT_OFF}; the new version was not activated, and the old rows stay",
            is_of_attempt=True,
        )
        return False

    def _was_cut_off(self, stream: Stream) -> bool:
        # The end of a tap that crashed looks like any other, but a tap that prints STATE prints one
        # after its last record.
        return 0 < self._checkpointer.covered < stream.buffer.last_epoch

    def _log_keyless(self, stream: Stream) -> None:
        """Log what was done to a stream that has neither key nor versions."""
        tracker = stream.versions
        is_plain = self._settings.is_upsert and tracker.expected is None
        if stream.has_key or not is_plain:
            return
        how = "replaced the table with" if tracker.replaces_table else "appended"
        why = "it has a bookmark" if stream.schema and stream.schema.has_bookmark else ""
        why = why or f"keyless_streams is {self._settings.keyless_for(stream.name)}"
        rows = stream.buffer.received_rows
        logs.info(f"{stream.name}: {how} {counted(rows, 'record')}, as it has no key and {why}")
