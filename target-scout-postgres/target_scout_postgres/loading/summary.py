"""The summary of a run in the log: what each stream brought, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres import logs

if TYPE_CHECKING:
    from target_scout_postgres.loading.checkpointer import Pipeline


def tell(pipeline: Pipeline, removed_nuls: int) -> None:
    """Write it."""
    for stream in pipeline.streams.values():
        refused = pipeline.loader.refused[stream.name]
        rows = max(0, stream.rows - refused)
        logs.info(f"{stream.name}: {rows} records, {stream.bytes} bytes")
        if stream.refused + refused:
            logs.warning(f"{stream.name}: {stream.refused + refused} records refused")
        if stream.dropped:
            logs.warning(f"{stream.name}: {stream.dropped} records of older versions left out")
    if removed_nuls:
        logs.warning(f"{removed_nuls} NUL characters were removed")
    if pipeline.carried.missing:
        names = ", ".join(stream.name for stream in pipeline.carried.missing)
        logs.warning(INCOMPLETE.format(names=names, schema=pipeline.settings.default_target_schema))


INCOMPLETE = (
    "INCOMPLETE: the state that the tap was started with says that these streams had been read, "
    "but the schema {schema} held no rows of them: {names}. Only what has changed since that state "
    "was loaded. The state belongs to another schema, or the tables were dropped or emptied. Read "
    "everything once: meltano run --full-refresh with the same plugins, scout run --full-refresh, "
    "or the tap without --state. In meltano.yml, state_id_suffix gives each schema a state."
)
