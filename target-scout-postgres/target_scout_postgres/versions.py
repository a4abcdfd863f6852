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


class Versions:
    """The versions of all streams of a run."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self._settings = settings
        self._pipeline = pipeline

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
            if stream.is_keyed:
                self._turn_to_live(stream, version)
                self._pipeline.checkpoint()
            return
        if stream.rows and stream.expected is None and not stream.is_staged:
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
        if stream.announced != version:
            stream.announced = None
        stream.is_staged = True
        stream.loading = version
        self._pipeline.begin_version(stream, version)

    def _turn_to_live(self, stream: Stream, version: int | None) -> None:
        self._pipeline.flush(stream)
        stream.is_staged = False
        if version is not None and version != stream.active:
            stream.active = version
            stream.loading = stream.announced = None

    def finish(self) -> None:
        """Activate what a clean end of the input activates."""
        for stream in self._pipeline.streams.values():
            if self._settings.load_method == "overwrite":
                self._pipeline.activate(stream, None)
            elif stream.announced is None or stream.is_done(stream.announced):
                self._tell_what_waits(stream)
            elif self._ended_cleanly(stream):
                self._pipeline.activate(stream, stream.announced)

    def _tell_what_waits(self, stream: Stream) -> None:
        """Say that nobody sees the records of a version which was not activated."""
        if stream.is_staged and stream.pending is None and stream.rows:
            logs.warning(
                f"{stream.name}: no ACTIVATE_VERSION came for version {stream.loading}, so its "
                "records wait; readers go on seeing the rows of before"
            )

    def _ended_cleanly(self, stream: Stream) -> bool:
        """Tell whether a stream that announced its version was read to the end.

        The end of a tap that crashed looks the same, but a tap that prints STATE prints one after
        the last record.
        """
        if not self._pipeline.covered or stream.last_epoch <= self._pipeline.covered:
            return True
        logs.warning(
            f"{stream.name}: no STATE follows its last record, so its tap seems to have been cut "
            "off; the new version was not activated, and the old rows stay"
        )
        return False
