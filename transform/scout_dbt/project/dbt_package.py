"""Writes the generated models as a dbt package.

Files that are unchanged are not written again, so that dbt's partial parsing skips them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from scout_dbt.planning.tables import RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scout_dbt.planning.tables import Model

NAME = "scout_generated"
PROJECT = f"""\
name: {NAME}
version: "0.1.0"
model-paths: [models]
"""
# Primary keys are checked by Postgres; this test, that each row's visit exists in the stream.
VISIT_COLUMN = {
    "name": "visit_id",
    "data_tests": [
        {"relationships": {"arguments": {"to": "source('connect', 'visits')", "field": "id"}}}
    ],
}
NOT_YAML = re.compile("[^\\t\\n\\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
JINJA = re.compile(r"\{(?=[{%#])")


def write(models: Iterable[Model], folder: Path) -> None:
    """Write the package into a folder of packages, and remove models that no longer exist."""
    models = list(models)
    home = folder / NAME
    wanted = {
        "dbt_project.yml": PROJECT,
        "models/_generated__models.yml": _properties(models),
        **{f"models/{model.table.name}.sql": model.sql for model in models},
    }
    (home / "models").mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        file = home / path
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    for file in (home / "models").iterdir():
        if f"models/{file.name}" not in wanted:
            file.unlink()


def _properties(models: Iterable[Model]) -> str:
    """Return the properties file of the models: as JSON, which is YAML and faster to write."""
    entries = []
    for model in models:
        table = model.table
        is_visit = table.record_kind == RecordKind.VISIT and not table.is_secondary
        columns = [
            {"name": each.name, "description": _inert(each.comment), "quote": True}
            for each in (*table.indices, *table.columns)
        ]
        entries.append(
            {
                "name": table.name,
                "description": _inert(table.comment),
                "columns": [*([VISIT_COLUMN] if is_visit else []), *columns],
            }
        )
    return json.dumps({"models": entries}, ensure_ascii=False, indent=1) + "\n"


def _inert(text: str) -> str:
    """Return a text in which Jinja finds no expression, and YAML no character it refuses."""
    return JINJA.sub("{ ", NOT_YAML.sub("", text))
