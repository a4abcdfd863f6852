"""The summary of a run in the log: what each stream loaded, and what was left out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_scout_postgres import logs
from target_scout_postgres.suggestions import ALMOST_EQUAL, closest
from target_scout_postgres.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from target_scout_postgres.loading.stream import Stream

INCOMPLETE = (
    "INCOMPLETE: the state that the tap was started with says that these streams had been read, "
    "but the schema {schema} held no rows of them: {names}. Only what has changed since that state "
    "was loaded. The state belongs to another schema, or the tables were dropped or emptied. Read "
    "everything once: meltano run --full-refresh with the same plugins, scout run --full-refresh, "
    "or the tap without --state. In meltano.yml, state_id_suffix gives each schema a state."
)


def log_streams(streams: Iterable[Stream], rejected_rows: Counter[str]) -> None:
    """Log what each stream loaded; rejected_rows are those that only Postgres rejected."""
    for stream in streams:
        rejected_later = rejected_rows[stream.name]
        rows = max(0, stream.buffer.received_rows - rejected_later)
        logs.info(f"{stream.name}: {counted(rows, 'record')}, {stream.buffer.received_bytes} bytes")
        if rejected := stream.rejected + rejected_later:
            logs.notice(f"{stream.name}: {counted(rejected, 'record')} rejected")
        if stream.dropped:
            logs.notice(
                f"{stream.name}: {counted(stream.dropped, 'record')} of older versions left out"
            )


def log_removed_nuls(count: int) -> None:
    """Log how many NUL characters were removed."""
    if count:
        were = "was" if count == 1 else "were"
        logs.notice(f"{counted(count, 'NUL character')} {were} removed")


def log_missing(streams: Iterable[Stream], schema: str) -> None:
    """Log the streams that the starting state claims, but of which the schema had no rows."""
    if names := ", ".join(stream.name for stream in streams):
        logs.notice(INCOMPLETE.format(names=names, schema=schema))


def log_mistyped_overrides(overrides: Iterable[str], streams: Collection[str]) -> None:
    """Log names in keyless_overrides that are almost those of streams that came."""
    for name in sorted(set(overrides).difference(streams)):
        if meant := closest(name, streams, ALMOST_EQUAL):
            logs.notice(f"keyless_overrides: no stream {name} came (did you mean {meant}?)")
