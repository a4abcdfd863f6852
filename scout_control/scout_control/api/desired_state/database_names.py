"""Checks names of the database in files: schemas of projects, and roles that read datasets.

What an installation has already stays valid, so that what is exported can be applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.rules import reader_roles, schema_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from scout_control.api.desired_state.files import Described
    from scout_control.api.desired_state.items import Item


def check_schema(project: Described, found: Item | None, of_datasets: AbstractSet[str]) -> None:
    """Note a schema that cannot be that of a project's own tables."""
    name = project.value.db_schema
    is_kept = found is not None and found.fields.get("db_schema") == name
    if is_kept:
        return
    error = schema_names.find_error(name)
    if error is None and name in of_datasets:
        error = schema_names.OF_DATASET
    if error:
        project.add_problem(f"{error}.", "db_schema")


def check_readers(link: Described, found: Item | None, own: Mapping[str, str]) -> None:
    """Note roles that a dataset cannot be shared with."""
    present = [] if found is None else found.fields.get("readers", [])
    for role in sorted({*link.value.readers} - {*present}):
        if error := reader_roles.find_error(role) or own.get(role):
            link.add_problem(f"has {role}, which {error}.", "readers")
