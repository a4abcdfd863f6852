"""What a person at a browser reads about an error: places of the page, and no command. Pure."""

from __future__ import annotations

from scout_control.rules.remedies import COMMAND, OF_WHO_RUNS_IT, Surface, by_surface

RUNS_IT = "ask the person who runs this installation, who has a command for it"
OF_TAPS = " Put the new refresh token into the settings."
"""What is told to those who run a tap alone; here, the advice to reconnect follows."""


def for_people(text: str | None) -> str:
    """Return a message with places of the page instead of commands."""
    if not text:
        return ""
    shown = by_surface(text.replace(OF_TAPS, ""), Surface.PAGE).replace(OF_WHO_RUNS_IT, "")
    return COMMAND.sub(RUNS_IT, shown).strip()
