"""Validates one document against the schema; mistakes get a path, a line and a suggestion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from scout_control.api.desired_state import schema
from scout_control.api.desired_state.problems import did_you_mean
from scout_control.api.desired_state.schema import ANCHORS, DesiredState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.api.desired_state.problems import Path
    from scout_control.api.desired_state.yaml_documents import Document

# Errors that the schema itself says in a sentence.
OWN_WORDS = frozenset(
    {
        *("literal_secret", "one_reference", "two_forms", "no_form"),
        *("user_mode", "lacks", "extra"),
    }
)
EXPECTED = {
    "string_type": "must be text. Put it in quotes.",
    "int_type": "must be a whole number.",
    "bool_type": "must be true or false.",
    "dict_type": "must be a mapping.",
    "model_type": "must be a mapping.",
    "list_type": "must be a list.",
    "string_too_short": "is empty.",
    "too_short": "is empty.",
    "missing": "is missing.",
    "greater_than_equal": "is too small.",
    "less_than_equal": "is too large.",
    "string_pattern_mismatch": "is a name, which cannot contain a slash.",
}
BY_NAME = {
    "interval": "must be hours, days or weeks, such as 6h, 2d or 1w.",
    "env": "must be the name of an environment variable.",
    "keep": "must be hours, days or weeks, such as 12h, 30d or 4w, or forever.",
    "source": "must be the name of a source, or a list of names.",
    "projects": "must be a list of projects, or all.",
}
REFERENCE = list(schema.SecretReference.model_fields)
MODELS: tuple[tuple[int, str, Any], ...] = (
    (0, "", schema.DesiredState),
    (2, "connections", schema.Connection),
    (2, "sources", schema.Source),
    (2, "projects", schema.Project),
    (4, "projects", schema.Link),
    (2, "credentials", schema.Credential),
)


def validate(document: Document) -> DesiredState | None:
    """Return what a document describes, or None after noting what is wrong in it."""
    data = document.data
    if isinstance(data, dict):
        data = {name: part for name, part in data.items() if not str(name).startswith(ANCHORS)}
    try:
        state = DesiredState.model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=True, include_input=False):
            _note(document, each)
        return None
    return None if document.problems else state


def _note(document: Document, error: Mapping[str, Any]) -> None:
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    missing = path[-1:] if error["type"] == "missing" else ()
    path = (*_without_alternatives(document.data, path), *missing)
    if error["type"] == "extra_forbidden":
        _note_unknown(document, path)
    else:
        document.add_problem(path, _sentence(error, path, _value_at(document.data, path)))


def _note_unknown(document: Document, path: Path) -> None:
    known = _keys_at(path[:-1])
    listed = f"Known: {', '.join(known)}."
    if known == REFERENCE:  # the key may be the secret itself
        document.add_problem(path[:-1], f"is a secret with an unknown key. {listed}")
    else:
        document.add_problem(path, f"is unknown.{did_you_mean(str(path[-1]), known)} {listed}")


def _sentence(error: Mapping[str, Any], path: Path, value: Any) -> str:
    kind = error["type"]
    if kind in OWN_WORDS:
        return str(error["msg"])
    if value is None and kind != "missing":
        return "is empty. Write a value, or remove the key."
    if len(path) > 1 and path[-1] in BY_NAME:
        return BY_NAME[str(path[-1])]
    if kind == "literal_error":
        return f"must be {error['ctx']['expected']}."
    return EXPECTED.get(kind, "has an invalid value.")


def _keys_at(path: Path) -> list[str]:
    """Return the keys that are known at a path."""
    for length, section, model in MODELS:
        if len(path) == length and path[:1] in {(), (section,)}:
            return list(model.model_fields)
    return REFERENCE


def _without_alternatives(data: Any, path: Path) -> Path:
    """Return a path without the names of alternatives, which pydantic adds for unions."""
    found: list[str | int] = []
    for part in path:
        is_index = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_index or (isinstance(data, dict) and part in data):
            data = data[part]
            found.append(part)
    return tuple(found)


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data
