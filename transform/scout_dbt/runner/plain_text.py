"""Spares dbt the compilation of text without Jinja, such as the names of thousands of columns.

dbt compiles each value of a YAML file as a template, which for a text without Jinja yields the same
text. It keeps these results in a dictionary, which this module replaces.
"""

from __future__ import annotations

from typing import Any

from dbt.clients import jinja


class PlainTexts(dict[str, Any]):
    """What dbt has rendered, and texts of one line, which are rendered as they are.

    dbt asks for texts without Jinja only. Jinja changes line ends: texts with one are left to it.
    """

    def __contains__(self, text: object) -> bool:
        """Return whether what a text is rendered as is known."""
        return super().__contains__(text) or str(text).splitlines() == [text]

    def __missing__(self, text: str) -> str:
        """Return the text."""
        return text


def render_as_it_is() -> None:
    """Let dbt in this process render texts without Jinja as they are."""
    jinja._render_cache = PlainTexts()  # noqa: SLF001 - dbt has no setting for it
