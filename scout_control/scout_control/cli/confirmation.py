"""Questions before something is removed: yes, no, and where no one can be asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import wants_json
from scout_control.errors import SettingsError

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
        SettingsError: No one can be asked.
        click.Abort: The answer is no.
    """
    if is_confirmed:
        return
    if not wants_json():
        show()
    if wants_json() or not (may_be_piped or sys.stdin.isatty()):
        raise _unconfirmed(question, remedy)
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            raise _unconfirmed(question, remedy) from None
        raise


def _unconfirmed(question: str, remedy: str) -> SettingsError:
    return SettingsError(f"{question} No one could be asked; nothing was changed.", remedy)
