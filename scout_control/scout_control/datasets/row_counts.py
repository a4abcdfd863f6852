"""Reads row counts and metadata of a dataset schema after a run; committed rows only."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scout_control.datasets import query, unseen_paths
from scout_control.datasets.query_role import time_limit
from scout_control.datasets.schema_contents import LONGEST_READING_SECONDS, SchemaContents
from scout_control.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scout_control.installation.installation import Installation
    from scout_control.rules.column_rules import Rule
    from scout_control.store.models import Dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What a run committed, as far as it is known."""

    rows_loaded: Mapping[str, int] = field(default_factory=dict)
    row_counts: Mapping[str, int | None] = field(default_factory=dict)
    documents: Mapping[str, list[Any]] = field(default_factory=dict)
    rules: Mapping[str, bool] = field(default_factory=dict)
    """Which of the given rules for columns name what loaded rows have, as far as it is known."""
    is_counted: bool = False
    """Whether both counts are known."""


def read(
    installation: Installation,
    dataset: Dataset,
    runs: Sequence[str],
    tables: Iterable[str],
    rules: Mapping[str, Rule],
) -> Committed:
    """Return what runs committed, the current row counts, and the rows of metadata tables.

    Args:
        installation: The installation.
        dataset: The dataset.
        runs: The ids of the runs.
        tables: The metadata tables.
        rules: The rules for columns that are looked up in the loaded rows.
    """
    try:
        with closing(query.connect_as_inspector(installation, dataset)) as reader:
            contents = SchemaContents(reader, dataset.schema_name)
            with time_limit(reader, installation.server_url_of(dataset), LONGEST_READING_SECONDS):
                rows, counts = _rows_loaded(contents, runs), contents.counts()
                return Committed(
                    rows_loaded=rows or {},
                    row_counts=counts or {},
                    documents=contents.documents(tables),
                    is_counted=rows is not None and counts is not None,
                    rules=unseen_paths.loaded(contents, rules),
                )
    except ControlError as error:
        log.warning("not_read schema=%s: %s", dataset.schema_name, error.cause)
        return Committed()


def _rows_loaded(contents: SchemaContents, runs: Sequence[str]) -> Mapping[str, int] | None:
    """Return the rows of each stream that all attempts have committed."""
    loads = contents.loads_of(runs)
    if loads is None:
        return None
    rows: Counter[str] = Counter()
    for load in loads:
        rows[load.stream] += load.rows
    return rows
