"""What a person at a browser reads about an error: places of the page, and no command. Pure."""

from __future__ import annotations

from scout_control.rules.remedies import COMMAND, OF_WHO_RUNS_IT, Surface, by_surface

RUNS_IT = "ask the person who runs this installation, who has a command for it"
OF_TAPS = " Put the new refresh token into the settings."
"""What is told to those who run a tap alone; here, the advice to reconnect follows."""

OF_THE_TABLE = "See who may do what: docs/reference/permissions.md"
OF_ADMINS = "If it should be there for you, ask an admin of its project, or an operator."
"""In place of a document, which a person at a page does not have."""


def for_people(text: str | None) -> str:
    """Return a message with places of the page instead of commands."""
    if not text:
        return ""
    text = text.replace(OF_TAPS, "").replace(OF_THE_TABLE, OF_ADMINS)
    shown = by_surface(text, Surface.PAGE).replace(OF_WHO_RUNS_IT, "")
    return COMMAND.sub(RUNS_IT, shown).strip()
