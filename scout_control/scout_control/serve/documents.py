"""The forms of requests and responses that are not views: bodies, pages, runs."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from scout_control.access.pages import LIMIT, MOST
from scout_control.rules.json_values import to_json_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.access import pages
    from scout_control.api import views

Item = TypeVar("Item")
DEEPEST = 20
LARGEST_NUMBER = 2**63 - 1
TEXT, LONG_TEXT, SECRET = 255, 2_000, 16_384

Name = Annotated[str, Field(min_length=1, max_length=TEXT)]
Text = Annotated[str, Field(max_length=LONG_TEXT)]
Secret = Annotated[
    str, Field(max_length=SECRET, json_schema_extra={"writeOnly": True, "format": "password"})
]
"""Never part of a response."""
Settings = Annotated[dict[str, Any], Field(max_length=200)]
After = Annotated[
    str | None, Query(description="The cursor of the page before: its `next`.", max_length=TEXT * 4)
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="At most this many items.")]
Key = Annotated[str, Path(min_length=1, max_length=TEXT * 4)]
OfProject = Annotated[
    str | None, Query(max_length=TEXT, description="Only of this project, by its id.")
]
OfSource = Annotated[str | None, Query(max_length=TEXT, description="Only of this source.")]
OfDataset = Annotated[
    str | None,
    Query(max_length=TEXT * 4, description="Only of this dataset, by id, schema, alias or path."),
]
DEFAULT_LIMIT = LIMIT


class Body(BaseModel):
    """A request: what it does not know is refused, other types, and what cannot be stored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_storable(cls, value: Any) -> Any:
        check_storable(value)
        return value


def check_storable(value: Any, depth: int = 0) -> None:
    """Refuse values that no JSON document in Postgres can hold.

    Raises:
        ValueError: A text has NUL or is not UTF-8, a number is too large, or all is too deep.
    """
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    match value:
        case str():
            _check_text(value)
        case bool():
            return
        case int() if abs(value) > LARGEST_NUMBER:
            raise ValueError("a number is too large")
        case float() if not math.isfinite(value):
            raise ValueError("a number is not finite")
        case dict():
            for name, each in value.items():
                _check_text(str(name))
                check_storable(each, depth + 1)
        case list():
            for each in value:
                check_storable(each, depth + 1)
        case _:
            return


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("a text has characters that cannot be stored")


class PageOf(BaseModel, Generic[Item]):
    """Some items of a list, and the cursor of the next page."""

    items: list[Item]
    next: str | None = Field(description="Give it as `after`; null on the last page.")


def page_of(found: pages.Page[Item]) -> PageOf[Item]:
    """Return a page as it is sent."""
    return PageOf(items=found.items, next=found.next)


class RunDocument(BaseModel):
    """One execution for one dataset, with ``sources`` and totals by stream as it ended."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    dataset: str
    schema_: str = Field(alias="schema", serialization_alias="schema")
    alias: str | None
    status: str
    is_interrupted: bool
    phase: str
    trigger: str
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    resume_at: datetime | None
    heartbeat_at: datetime | None
    progress: dict[str, Any]
    activity: dict[str, Any]
    rows_loaded: int
    sources: dict[str, Any]
    result: dict[str, Any]
    seconds: float | None
    phase_seconds: dict[str, float]
    error_code: str | None
    error_message: str | None
    transform_error: str | None

    @classmethod
    def of(cls, run: views.Run) -> RunDocument:
        """Return a run as the commands print it."""
        return cls.model_validate(run.as_dict())


class Done(BaseModel):
    """The request was carried out."""

    success: bool = True


def reset_names(change: BaseModel) -> list[str]:
    """Return the names that a change gives as null: these are reset to their defaults."""
    return sorted(name for name in change.model_fields_set if getattr(change, name) is None)


def merged_settings(settings: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that are set, and the names of those that are null: to be unset."""
    given = settings or {}
    kept = {name: to_json_value(value) for name, value in given.items() if value is not None}
    return kept, sorted(name for name, value in given.items() if value is None)
