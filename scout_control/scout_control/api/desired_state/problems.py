"""What is wrong in files that describe a desired state, and where. Never quotes a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.errors import SettingsError
from scout_control.rules import suggestions
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A line of a file; line 0 is the whole of it, or a mapping of Python that has no lines."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One mistake, as a sentence."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class InvalidStateError(SettingsError):
    """The files contain mistakes, all of which are listed; nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        ordered = sorted(
            dict.fromkeys(problems), key=lambda each: (each.place.file, each.place.line)
        )
        count = counted(len(ordered), "mistake")
        super().__init__(
            f"Found {count}; nothing was changed.", "Correct the files, and apply again."
        )
        self.problems = ordered
        self.details = tuple(map(str, ordered))

    def __str__(self) -> str:
        """Return all that is wrong: a program or a notebook shows nothing else of it."""
        return "\n".join([super().__str__(), *self.details])


def dotted(path: Iterable[str | int]) -> str:
    """Return a path in a document as text, such as ``credentials[0].kind``."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.removeprefix(".")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that suggests the most similar known name, or nothing."""
    question = suggestions.did_you_mean([name], known)
    return f" {question}" if question else ""
