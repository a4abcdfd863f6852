"""Finds rules for columns whose names the loaded rows do not have: they may be mistyped."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from scout_control.datasets import query
from scout_control.datasets.query_role import time_limit
from scout_control.datasets.schema_contents import SchemaContents
from scout_control.errors import ControlError
from scout_control.rules import column_rules
from scout_control.store import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset

READ_ROWS = 5000
LONGEST_SECONDS = 10.0


def find(installation: Installation, dataset: Dataset) -> Sequence[str]:
    """Return what to tell of rules that name what no row has, of the first rows of each table.

    Nothing, where no data is loaded or it cannot be read: a run tells it then.
    """
    link = dataset.project_source
    with installation.store.begin() as session:
        known = runs.column_rules_known(session, dataset.id)
    paths = column_rules.inner_paths(known, link.source.config, link.sync_config)
    if not paths or dataset.last_sync_at is None:
        return []
    try:
        with (
            closing(query.connect_as_inspector(installation, dataset)) as reader,
            time_limit(reader, installation.server_url_of(dataset), LONGEST_SECONDS),
        ):
            contents = SchemaContents(reader, dataset.schema_name)
            places = sorted({(stream, column) for stream, column, _ in paths})
            keys = {place: contents.keys(*place, READ_ROWS) for place in places}
    except ControlError:
        return []
    return column_rules.unseen(paths, keys)
