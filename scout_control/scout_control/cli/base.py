"""What all commands share: lazy loading, errors as one line, the installation, secrets."""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.terminal import log_warnings, say
from scout_control.errors import ControlError, ServerError, SettingsError
from scout_control.rules.terminal import as_json, harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

AS_JSON = "as_json"
BEGAN = "began"


class Commands(click.Group):
    """Loads its commands when they are named; shows our own errors as one line with their code."""

    def __init__(self, *, lazy: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._lazy = dict(lazy or {})

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run, with all that is said to an input or output that is closed said to nobody."""
        _replace_closed()
        log_warnings()
        return super().main(*arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded now."""
        if cmd_name in self._lazy:
            module, _, name = self._lazy[cmd_name].partition(":")
            found: click.Command = getattr(importlib.import_module(module), name)
            return found
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        ctx.ensure_object(dict).setdefault(BEGAN, time.monotonic())
        try:
            return super().invoke(ctx)
        except ControlError as error:
            _show(ctx, error)
            ctx.exit(error.exit_code)
        except click.UsageError as error:
            if wants_json(ctx) and ctx.parent is None:
                told = {"code": "VALIDATION_ERROR", "message": error.format_message()}
                say(as_json({"success": False, "error": told}))
            raise click.UsageError(harmless(error.format_message()), error.ctx) from None
        except BrokenPipeError:
            raise  # whoever read the answer has seen enough
        except OSError as error:
            where = f" at {error.filename}" if error.filename else ""
            cause = f"{error.strerror or 'The system refused'}{where}."
            _show(ctx, ControlError(cause, "Put that right, then run again."))
            ctx.exit(1)
        except (KeyboardInterrupt, click.Abort) as error:
            asked_to_end = isinstance(error.__context__ or error, KeyboardInterrupt)
            if not asked_to_end:
                _show(ctx, SettingsError("A question was not answered.", "Give it as an option."))
                ctx.exit(SettingsError.exit_code)
            say("Interrupted.", err=True)
            ctx.exit(128 + signal.SIGINT)


def _replace_closed() -> None:
    for place, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), place)
            setattr(sys, name, os.fdopen(place, mode))


def _show(ctx: click.Context, error: ControlError) -> None:
    if wants_json(ctx):
        from scout_control.rules.statuses import code  # noqa: PLC0415 - errors only

        told = {"code": code(error), "message": error.cause, "remedy": error.remedy}
        say(as_json({"success": False, "error": told}))
    say(f"Error: {harmless(str(error))}", err=True)


def wants_json(ctx: click.Context | None = None) -> bool:
    """Tell whether the answer is for a program."""
    root = (ctx or click.get_current_context()).find_root()
    return bool((root.obj or {}).get(AS_JSON))


def _remember_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    if value:
        ctx.find_root().ensure_object(dict)[AS_JSON] = True


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_remember_json,
    help="Print the answer as JSON.",
)


def with_scout(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the installation, opened and closed around it, and the option --json."""

    @functools.wraps(function)
    def command(*arguments: Any, **options: Any) -> Any:
        with _without_collecting():
            from scout_control.api.scout import Scout  # noqa: PLC0415 - takes a moment to load

        with told_of_postgres(), Scout() as scout:
            return function(scout, *arguments, **options)

    return json_option(command)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Load modules without looking for garbage: there is none, and looking is a fifth of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def told_of_postgres() -> Iterator[None]:
    """Say what Postgres failed with where nobody else did, without its words.

    Raises:
        ServerError: It failed.
    """
    import psycopg  # noqa: PLC0415 - takes a moment to load

    try:
        yield
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None


def settings_of(pairs: Iterable[str]) -> dict[str, Any]:
    """Return NAME=VALUE pairs as settings; a value that is JSON is what it says."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise click.UsageError(f"{pair!r} is not NAME=VALUE.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def secret(text: str, variable: str | None, *, from_stdin: bool) -> str:
    """Return a secret from the environment, from stdin, or from a hidden prompt; never argv.

    Raises:
        click.UsageError: The variable is not set, or nothing was typed.
    """
    if variable:
        found = os.environ.get(variable, "")
    elif from_stdin:
        found = sys.stdin.readline().strip("\r\n")
    else:
        found = click.prompt(text, hide_input=True, err=True)
    if not found:
        raise click.UsageError(f"{variable or text} is empty.")
    return str(found)
