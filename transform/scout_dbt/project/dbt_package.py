"""Writes the generated models as a dbt package.

Files that are right already are left alone, so that dbt need not parse them again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

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
# Keys of generated tables are checked by Postgres; this, that every visit that is read is a visit.
VISIT = {
    "name": "visit_id",
    "data_tests": [
        {"relationships": {"arguments": {"to": "source('connect', 'visits')", "field": "id"}}}
    ],
}
NOT_YAML = re.compile("[^\\t\\n\\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
JINJA = re.compile(r"\{(?=[{%#])")


def write(models: Iterable[Model], folder: Path) -> None:
    """Write the package into a folder of packages; models that are no more are removed."""
    models = list(models)
    home = folder / NAME
    wanted = {
        "dbt_project.yml": PROJECT,
        "models/_generated__models.yml": _descriptions(models),
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


def _descriptions(models: Iterable[Model]) -> str:
    """Return what the documentation says; JSON is YAML."""
    told = [
        {
            "name": model.table.name,
            "description": _plain(model.table.comment),
            "columns": [
                *([VISIT] if model.table.kind == "visit" and not model.table.is_lesser else []),
                *(
                    {"name": each.name, "description": _plain(each.comment), "quote": True}
                    for each in (*model.table.indices, *model.table.columns)
                ),
            ],
        }
        for model in models
    ]
    return json.dumps({"models": told}, ensure_ascii=False, indent=1) + "\n"


def _plain(text: str) -> str:
    """Return a text that Jinja and YAML take for text."""
    return JINJA.sub("{ ", NOT_YAML.sub("", text))
