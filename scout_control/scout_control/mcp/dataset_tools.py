"""Tools about datasets: which there are, what they hold, and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.mcp import results
from scout_control.mcp.bounds import bounded_rows, cut_value
from scout_control.mcp.envelope import Answer
from scout_control.rules.statuses import DatasetStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_control.access.access import Access
    from scout_control.mcp import arguments

MOST_STREAMS, MOST_PROPERTIES = 100, 50
SERVER_BYTES = 8 * 1024 * 1024
"""Of the rows as text, as far as the server sends them; long values are cut after that."""


def list_pipelines(access: Access, _given: arguments.NoArguments) -> Answer:
    """Return the pipelines."""
    found = [
        results.Pipeline(name=each.name, source_type=each.provider, transforms=[*each.transforms])
        for each in access.pipelines()
    ]
    return Answer(results.Pipelines(pipelines=found))


def list_datasets(access: Access, given: arguments.OfDatasets) -> Answer:
    """Return the datasets that the person may see."""
    page = access.datasets.list(project=given.project, after=given.after, limit=given.limit)
    return Answer(results.Datasets(datasets=page.items, next=page.next))


def get_schema_status(access: Access, given: arguments.OfDataset) -> Answer:
    """Return whether a dataset holds data."""
    found = access.datasets.show(given.dataset)
    has_data = found.last_sync_at is not None and found.status != DatasetStatus.EXPIRED
    return Answer(results.SchemaStatus(has_data=has_data, dataset=found), found.schema)


def get_metadata(access: Access, given: arguments.OfMetadata) -> Answer:
    """Return what discovery found at the source of a dataset."""
    found = access.datasets.describe(given.dataset)
    streams: Mapping[str, Mapping[str, Any]] = found.get("streams") or {}
    content: Mapping[str, Sequence[Any]] = found.get("content") or {}
    objects = content.get(given.content or "") or []
    page = bounded_rows([each] for each in objects[given.offset : given.offset + given.limit])
    names = sorted(streams)[:MOST_STREAMS]
    return Answer(
        results.Metadata(
            dataset=found["dataset"],
            discovered_at=found["discovered_at"],
            streams=[_stream(name, streams[name]) for name in names],
            content={name: len(each) for name, each in content.items()},
            objects=[row[0] for row in page.rows],
            total=len(objects),
            truncated=given.offset + len(page.rows) < len(objects) or bool(page.cut_values),
        )
    )


def _stream(name: str, stream: Mapping[str, Any]) -> results.Stream:
    properties = sorted((stream.get("schema") or {}).get("properties") or {})
    return results.Stream(
        stream=name,
        key=[*stream.get("key", ())],
        properties=properties[:MOST_PROPERTIES],
        property_count=len(properties),
    )


def query(access: Access, given: arguments.OfQuery) -> Answer:
    """Return the rows of a query, which the reader of the dataset evaluates."""
    schema = access.datasets.show(given.dataset).schema
    found = access.datasets.query(
        given.dataset,
        given.sql,
        max_rows=given.limit,
        max_bytes=SERVER_BYTES,
        timeout_seconds=given.timeout_seconds,
    )
    kept = bounded_rows(found.rows)
    truncated_by = kept.truncated_by or found.truncated_by
    rows = results.Rows(
        columns=[cut_value(each)[0] for each in found.columns],
        types=found.types,
        rows=kept.rows,
        row_count=len(kept.rows),
        truncated=truncated_by is not None,
        truncated_by=truncated_by,
        cut_values=kept.cut_values,
    )
    return Answer(rows, schema)
