"""Versions of a stream: which one records go to, and when one is activated.

Decides only; the pipeline carries it out. Knows no lines and no tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres import logs

if TYPE_CHECKING:
    from target_scout_postgres.pipeline import Pipeline
    from target_scout_postgres.settings import Settings
    from target_scout_postgres.stream import Stream


CUT_OFF = "no STATE follows its last record, so its tap seems to have been cut off"
UNDECIDED = 1 << 63  # no version: whether a stream's records have one is not known yet


class Versions:
    """The versions of all streams of a run."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._gathers_versions = settings.load_method == "upsert"

    def described(self, stream: Stream) -> None:
        """Take a SCHEMA: begin the stage of a stream that the clean end of the run replaces."""
        if self._settings.load_method == "overwrite":
            if not stream.is_staged:
                self._begin_replacing(stream)
            return
        if stream.rows or stream.announced is not None or stream.expected not in (None, UNDECIDED):
            return
        schema = stream.schema
        has_neither = schema is not None and not (schema.key or schema.has_bookmark)
        is_asked = self._settings.load_method == "upsert"
        if not (has_neither and is_asked and self._keyless(stream) == "replace"):
            stream.is_staged = stream.is_staged and not stream.is_replaced
            stream.is_replaced = False
        elif stream.loading is not None:  # its records may go on with an unfinished version
            stream.expected = UNDECIDED
        elif not stream.is_replaced:
            stream.is_replaced = True
            self._begin_replacing(stream)

    def _keyless(self, stream: Stream) -> str:
        """Return what the settings ask for a stream that has neither key nor bookmark."""
        settings = self._settings
        return settings.keyless_overrides.get(stream.name, settings.keyless_streams)

    def _begin_replacing(self, stream: Stream) -> None:
        stream.is_staged = True
        stream.last_epoch = self._pipeline.epoch
        self._pipeline.begin_version(stream, None)

    def asked(self, stream: Stream, version: int) -> None:
        """Take an ACTIVATE_VERSION: activate what was loaded, or expect what is announced."""
        if self._settings.load_method != "upsert" or stream.is_done(version):
            return
        if stream.is_older(version):
            logs.warning(f"{stream.name}: an older version was not activated")
            return
        if version in stream.loaded or version == stream.announced:
            if not (stream.is_staged and version == stream.loading):
                self._turn_to_stage(stream, version)
            self._pipeline.activate(stream, version)
            if stream.pending is None:
                self._turn_to_live(stream, version)
                self._pipeline.checkpoint()
            return
        is_without = stream.expected is None and stream.loading is None
        if stream.rows and is_without and (stream.is_replaced or not stream.is_staged):
            logs.warning(
                f"{stream.name}: its records carry no version, so the version was not activated "
                "and no row was removed"
            )
            return
        self._settle(stream)
        stream.announced = version
        stream.last_epoch = self._pipeline.epoch
        self._turn_to_stage(stream, version)
        stream.expected = version

    def turned(self, stream: Stream, version: int | None) -> bool:
        """Turn to the version that a record carries; tell whether the record is wanted."""
        if self._settings.load_method != "upsert":
            stream.expected = version
            return True
        if version is not None and stream.is_older(version):
            return False
        self._settle(stream)
        if version is None and stream.expected == UNDECIDED:
            stream.loading, stream.is_replaced = None, True
            stream.loaded.clear()
            self._begin_replacing(stream)
            stream.expected = None
            return True
        if version is None:
            if stream.announced is None:
                self._turn_to_live(stream, stream.active)
            stream.expected = None
            return True
        if version == stream.active:
            self._turn_to_live(stream, version)
            stream.expected = version
            return True
        if not (stream.is_staged and version == stream.loading):
            self._turn_to_stage(stream, version)
        stream.expected = version
        return True

    def _settle(self, stream: Stream) -> None:
        """Activate what waits for a STATE before the stream turns to something else."""
        if stream.pending is not None:
            self._pipeline.checkpoint(settled=stream)

    def _turn_to_stage(self, stream: Stream, version: int) -> None:
        self._settle(stream)
        self._pipeline.flush(stream)
        if stream.is_lower(version) and stream.loading != version:
            logs.warning(
                f"{stream.name}: version {version} is lower than {stream.active}, the live one, "
                "but has not been here before: it is taken as a new version"
            )
        if stream.loading != version:
            stream.leave(stream.loading)
        if stream.announced != version:
            stream.announced = None
        stream.is_staged = stream.is_begun = True
        stream.is_replaced = False
        stream.loading = version
        self._pipeline.begin_version(stream, version)

    def _turn_to_live(self, stream: Stream, version: int | None) -> None:
        self._pipeline.flush(stream)
        stream.is_staged = False
        if version is not None and version != stream.active:
            stream.leave(stream.active)
            stream.active = version
            stream.loading = stream.announced = None

    def finish(self) -> None:
        """Activate what a clean end of the input activates."""
        for stream in self._pipeline.streams.values():
            if self._settings.load_method == "overwrite":
                self._pipeline.activate(stream, None)
            elif stream.is_replaced:
                self._replace(stream)
            elif self._is_first(stream):
                self._show(stream)
            elif stream.announced is not None and not stream.is_done(stream.announced):
                if self._ended_cleanly(stream):
                    self._pipeline.activate(stream, stream.announced)
            elif self._waits(stream):
                logs.warning(
                    f"{stream.name}: no ACTIVATE_VERSION came for version {stream.loading}, so its "
                    "records wait; readers go on seeing the rows of before"
                )
            self._tell_of_keyless(stream)

    def _replace(self, stream: Stream) -> None:
        """Replace the table, unless old rows would give way to those of a tap that was cut off."""
        if self._pipeline.is_empty(stream) or self._ended_cleanly(stream):
            self._pipeline.activate(stream, None)

    def _tell_of_keyless(self, stream: Stream) -> None:
        """Say what was done to a stream that has neither key nor versions."""
        is_plain = self._settings.load_method == "upsert" and stream.expected is None
        if stream.is_keyed or not is_plain:
            return
        how = "replaced the table with" if stream.is_replaced else "appended"
        why = "it has a bookmark" if stream.schema and stream.schema.has_bookmark else ""
        why = why or f"keyless_streams is {self._keyless(stream)}"
        logs.info(f"{stream.name}: {how} {stream.rows} records, as it has no key and {why}")

    def _waits(self, stream: Stream) -> bool:
        """Return whether records of this run wait for the activation of their version."""
        return stream.is_staged and stream.pending is None and stream.rows > 0

    def _is_first(self, stream: Stream) -> bool:
        """Return whether a version waits that has no earlier rows to take the place of.

        An earlier run may have gathered it, and been ended before it could show it.
        """
        version = stream.loading
        if version is None or stream.active is not None or stream.pending is not None:
            return False
        if not self._gathers_versions or not self._pipeline.is_empty(stream):
            return False
        if not stream.is_begun:
            self._turn_to_stage(stream, version)
        return stream.rows > 0 or self._pipeline.has_staged(stream)

    def _show(self, stream: Stream) -> None:
        """Activate a first version at the clean end of a run, as that hides no other rows."""
        shown = "it is shown, as there are no earlier rows"
        if stream.announced is None:
            which = f"no ACTIVATE_VERSION came for version {stream.loading}"
            logs.info(f"{stream.name}: {which}; {shown}")
        elif self._is_cut_off(stream):
            logs.warning(f"{stream.name}: {CUT_OFF}; {shown}, but may lack some")
        self._pipeline.activate(stream, stream.loading)

    def _ended_cleanly(self, stream: Stream) -> bool:
        """Return whether a stream that announced its version was read to the end; say if not."""
        if not self._is_cut_off(stream):
            return True
        logs.warning(
            f"{stream.name}: {CUT_OFF}; the new version was not activated, and the old rows stay"
        )
        return False

    def _is_cut_off(self, stream: Stream) -> bool:
        """Return whether a stream's tap seems to have been cut off.

        The end of a tap that crashed looks like any other, but a tap that prints STATE prints one
        after the last record.
        """
        return 0 < self._pipeline.covered < stream.last_epoch
