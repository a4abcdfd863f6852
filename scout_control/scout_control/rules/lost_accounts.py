"""What people are told of the accounts that a change of a source's address disconnects."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.errors import CONNECT
from scout_control.rules.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account of a source, whose secrets are bound to its address."""

    source: str
    owner: str
    """``project`` or ``user``."""
    name: str
    kind: str

    @property
    def command(self) -> str:
        """The command that connects it again."""
        return (
            f"{CONNECT} {quote(self.source)} --{self.owner} {quote(self.name)} --kind {self.kind}"
        )


def text(accounts: Sequence[Account]) -> str:
    """Return which accounts must be connected again."""
    names = listed([f"{each.owner} {each.name}" for each in accounts])
    return f"{counted(len(accounts), 'account')} must be connected again: {names}."
