"""What a person at a browser can do about an error: remedies name commands of a shell. Pure."""

from __future__ import annotations

import re

# Up to the end of the sentence or clause: arguments may contain dots.
COMMAND = re.compile(
    r"\bscout (?P<words>[a-z][^;\n]*?)(?=[.)]?$|\. (?=[A-Z])|[;)\n]|, or )", re.MULTILINE
)
RUNS_IT = "ask the person who runs this installation, who has a command for it"
OF_TAPS = (" Put the new refresh token into the settings.",)
"""What is told to those who run a tap alone; here, the advice to reconnect follows."""
PLACES: tuple[tuple[str, str], ...] = (
    ("credentials connect", "“Connect” or “Reconnect” on the page Data sources"),
    ("credentials", "the page Data sources, under “My connections”"),
    ("datasets drop", RUNS_IT),
    ("datasets ensure", "“Start syncing” on the page Data sources"),
    ("datasets update", "the page of the dataset"),
    ("datasets", "the page Data sources"),
    ("describe", "the tables on the page of the dataset"),
    ("links", "the page of the project, under “Sources”"),
    ("members", "the page of the project, under “Members”"),
    ("people", "the page Operator, under “People”"),
    ("projects list", "the page Projects"),
    ("query", "“Query” on the page of the dataset"),
    ("run ", "“Sync now” on the page of the dataset"),
    ("runs cancel", "“Cancel” on the page of the dataset"),
    ("runs", "the runs on the page of the dataset"),
    ("sources list", "the page Data sources"),
    ("status", "the page Data sources"),
    ("tokens", "“Your account”, at the top of each page"),
)
"""Where people find what a command does, by how the command begins; the first that fits."""


def for_people(text: str | None) -> str:
    """Return a message with places of the page instead of commands."""
    for sentence in OF_TAPS:
        text = (text or "").replace(sentence, "")
    return COMMAND.sub(lambda found: _place(found["words"]), text) if text else ""


def _place(words: str) -> str:
    known = (place for begin, place in PLACES if f"{words} ".startswith(begin))
    return next(known, RUNS_IT)
