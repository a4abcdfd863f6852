"""Resources: the data dictionary of each dataset, as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from scout_control.errors import NotFoundError
from scout_control.mcp.bounds import cut_text
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_control.access.access import Access

MARKDOWN = "text/markdown"
DICTIONARY = re.compile(r"scout://datasets/(?P<name>[^/]+)/dictionary")
TABLE = re.compile(r"scout://datasets/(?P<name>[^/]+)/tables/(?P<table>[^/]+)")
PAGE = 50
MAX_CHARACTERS = 100_000
MAX_TEXT = 300
CUT = "\n\n*(The rest is left out. Describe single tables: describe_table.)*\n"


def listed(access: Access, cursor: str | None) -> ListResourcesResult:
    """Return the data dictionaries of the datasets whose rows the person may read."""
    page = access.datasets.list(after=cursor, limit=PAGE, operation="models.describe")
    return ListResourcesResult(
        resources=[
            Resource(
                uri=address(each.id),
                name=f"{each.path} dictionary",
                title=f"Data dictionary of {each.path}",
                description=f"Tables and columns of {each.path}, with their meaning.",
                mime_type=MARKDOWN,
            )
            for each in page.items
            if each.last_sync_at is not None
        ],
        next_cursor=page.next,
    )


def templates() -> ListResourceTemplatesResult:
    """Return the forms of addresses."""
    return ListResourceTemplatesResult(
        resource_templates=[
            ResourceTemplate(
                uri_template="scout://datasets/{dataset}/dictionary",
                name="dictionary",
                title="Data dictionary of a dataset",
                description="By the id, schema or alias of the dataset.",
                mime_type=MARKDOWN,
            ),
            ResourceTemplate(
                uri_template="scout://datasets/{dataset}/tables/{table}",
                name="table",
                title="Columns of a table",
                description="By the id, schema or alias of the dataset, and the table.",
                mime_type=MARKDOWN,
            ),
        ]
    )


def read(access: Access, uri: str) -> ReadResourceResult:
    """Return a resource.

    Raises:
        NotFoundError: There is no such resource that the person may see.
    """
    text = document(access.models.describe(**names_in(uri)))
    contents = TextResourceContents(uri=uri, text=text, mime_type=MARKDOWN)
    return ReadResourceResult(contents=[contents])


def names_in(uri: str) -> dict[str, str]:
    """Return the dataset that an address names, and the table if it names one.

    Raises:
        NotFoundError: There are no such addresses.
    """
    found = DICTIONARY.fullmatch(uri) or TABLE.fullmatch(uri)
    if found is None:
        raise NotFoundError(
            "There is no such resource.", "Take an address from the list of resources."
        )
    return {name: unquote(value) for name, value in found.groupdict().items()}


def document(described: Mapping[str, Any]) -> str:
    """Return a data dictionary as Markdown of bounded length."""
    parts: list[str] = []
    size = 0
    for part in _parts(described):
        size += len(part) + 1
        if size > MAX_CHARACTERS:
            return "\n".join(parts) + CUT
        parts.append(part)
    return "\n".join(parts) + "\n"


def _parts(described: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Data dictionary of {_cell(described['dataset'])}"
    yield f"\nSchema `{described['schema']}`; query it with the tool query."
    for table in described["tables"]:
        rows = "" if table["rows"] is None else f", {counted(table['rows'], 'row')}"
        yield f"\n## {_cell(table['table'])}\n"
        yield f"{table['kind']}{rows}. {_cell(table['description'])}\n"
        yield "| column | type | refers to | meaning |\n|---|---|---|---|"
        for column in table["columns"]:
            cells = (column[each] for each in ("name", "type", "refers_to", "description"))
            yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str | None) -> str:
    """Return text that others wrote, so that it cannot begin another line or cell."""
    cut = cut_text(" ".join((text or "").split()), MAX_TEXT)
    return cut.replace("\\", "\\\\").replace("|", "\\|")  # a backslash would take the other away


def address(dataset: str) -> str:
    """Return the address of the data dictionary of a dataset."""
    return f"scout://datasets/{quote(dataset, safe='')}/dictionary"
