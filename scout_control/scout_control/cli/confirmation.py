"""Questions before something is removed: yes, no, and where no one can be asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import wants_json
from scout_control.cli.terminal import say
from scout_control.errors import UnconfirmedError

if TYPE_CHECKING:
    from collections.abc import Callable

yes_option = click.option(
    "--yes",
    is_flag=True,
    help="Do not ask. Required where no one can be asked, else exit code 2; no is exit code 1.",
)


def confirm(
    question: str,
    *,
    is_confirmed: bool,
    show: Callable[[], None] = lambda: None,
    remedy: str = "Confirm with --yes.",
    may_be_piped: bool = False,
) -> None:
    """Ask before something is removed.

    Args:
        question: What is asked.
        is_confirmed: Whether ``--yes`` was given.
        show: Prints what would be removed.
        remedy: What to do where no one can be asked.
        may_be_piped: Whether the answer may come from a pipe.

    Raises:
        UnconfirmedError: No one can be asked.
        click.Abort: The answer is no.
    """
    if is_confirmed:
        return
    if not wants_json():
        show()
    if wants_json() or not (may_be_piped or sys.stdin.isatty()):
        raise _unconfirmed(question, remedy)
    if _asked(question) is None:
        if sys.stdin.isatty():
            raise click.Abort  # Ctrl-D, without context: a no
        raise _unconfirmed(question, remedy)


def _asked(question: str) -> bool | None:
    """Return whether the answer is yes, or None at the end of input.

    Raises:
        click.Abort: The answer is no, or Ctrl-C.
    """
    try:
        return click.confirm(question, abort=True, err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
    say("", err=True)  # the question has no end of line
    return None


def _unconfirmed(question: str, remedy: str) -> UnconfirmedError:
    return UnconfirmedError(f"{question} No one could be asked; nothing was changed.", remedy)
