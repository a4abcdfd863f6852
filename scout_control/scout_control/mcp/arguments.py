"""What the tools take: typed and bounded, and nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scout_control.datasets import query

MOST_STATEMENT = 50_000
WAIT_SECONDS, MOST_WAIT_SECONDS = 45, 600
"""By default below the minute after which clients give up on a call."""

DatasetName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="A dataset: project/source, project/source/user, its schema, alias or id.",
    ),
]
RunName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="The id of a run, or project/source for the latest run of that dataset.",
    ),
]
Cursor = Annotated[
    str | None,
    Field(max_length=300, description="The cursor next of the answer before; absent at first."),
]
Offset = Annotated[int, Field(ge=0, le=100_000, description="How many to skip.")]


class Arguments(BaseModel):
    """The base of all arguments."""

    model_config = ConfigDict(extra="forbid")


class NoArguments(Arguments):
    """No arguments."""


class OfDatasets(Arguments):
    """Which datasets to list."""

    project: Annotated[
        str | None, Field(max_length=300, description="Only datasets of this project.")
    ] = None
    after: Cursor = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class OfDataset(Arguments):
    """One dataset."""

    dataset: DatasetName


class OfTables(OfDataset):
    """Which tables to list."""

    offset: Offset = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class OfTable(OfDataset):
    """One table, and which of its columns."""

    table: Annotated[str, Field(min_length=1, max_length=100)]
    offset: Offset = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class OfMetadata(OfDataset):
    """Which metadata of a source."""

    content: Annotated[
        str | None,
        Field(max_length=100, description="Also return the objects of this content."),
    ] = None
    offset: Offset = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class OfQuery(OfDataset):
    """A query."""

    sql: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MOST_STATEMENT,
            description="One SELECT, WITH, VALUES or EXPLAIN in the dialect of Postgres.",
        ),
    ]
    limit: Annotated[
        int, Field(ge=1, le=query.MAX_ROWS, description="Return at most this many rows.")
    ] = 100
    timeout_seconds: Annotated[float, Field(ge=0.1, le=query.TIMEOUT_SECONDS)] = (
        query.TIMEOUT_SECONDS
    )


class OfSearch(Arguments):
    """What to look for among the columns."""

    text: Annotated[
        str,
        Field(
            min_length=2,
            max_length=200,
            pattern=r"\S",
            description="A part of a name or description; several words must all be there.",
        ),
    ]
    dataset: Annotated[
        str | None, Field(max_length=300, description="Only this dataset; else all of them.")
    ] = None
    after: Cursor = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class OfRun(Arguments):
    """One run."""

    run_id: RunName


class OfMaterialization(OfDataset):
    """What to load, and how long to wait for it."""

    full_refresh: Annotated[
        bool, Field(description="Read everything again instead of what has changed.")
    ] = False
    wait_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_WAIT_SECONDS,
            description="Wait this long for the end, with progress. The run continues anyway.",
        ),
    ] = WAIT_SECONDS
