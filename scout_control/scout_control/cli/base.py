"""Common parts of all commands: lazy loading, one-line errors, the installation, secrets."""

from __future__ import annotations

import copy
import functools
import gc
import importlib
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.standard_streams import (
    READER_GONE,
    abandon_broken_streams,
    ended_by_its_reader,
    is_reader_gone,
    reopen_closed_streams,
)
from scout_control.cli.terminal import log_warnings, say
from scout_control.errors import ControlError, RunInterruptedError, ServerError, SettingsError
from scout_control.rules.json_values import written_value
from scout_control.rules.terminal import as_json, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

AS_JSON = "as_json"


class LazyGroup(click.Group):
    """A group that imports its commands on first use and prints a ``ControlError`` as one line.

    Importing all commands takes longer than running most of them.
    """

    def __init__(
        self,
        *,
        lazy: Mapping[str, str] | None = None,
        summaries: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """Take the locations of commands, and what ``--help`` says of them, by name."""
        super().__init__(**options)
        self._lazy = dict(lazy or {})
        self._summaries = dict(summaries or {})

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run the program, even if standard streams are closed, or cannot be written."""
        reopen_closed_streams()
        log_warnings()
        words = list(sys.argv[1:] if args is None else args)
        # Known before the words are parsed: errors in them are printed as JSON, too.
        options.setdefault("obj", {AS_JSON: "--json" in words})
        try:
            try:
                return super().main(words, *more, **options)
            except SystemExit as ended:
                if ended.code:  # said already
                    abandon_broken_streams()
                raise
            finally:
                sys.stdout.flush()  # here it can be reported; the interpreter only complains
        except OSError as error:
            if is_reader_gone(error):
                raise SystemExit(READER_GONE) from None
            _print_error(click.Context(self, obj=options["obj"]), _os_error(error))
            raise SystemExit(1) from None
        finally:
            abandon_broken_streams()

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the command line; ``--help`` prints already here."""
        with ended_by_its_reader():
            return super().make_context(*arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, imported or not."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it."""
        if cmd_name in self._lazy:
            module, _, name = self._lazy[cmd_name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; click suggests only those that are imported."""
        names = self.list_commands(ctx)
        if self._lazy and args[0] not in names and not args[0].startswith("-"):
            from scout_control.rules.suggestions import did_you_mean

            message = f"No such command {args[0]!r}. {did_you_mean([args[0]], names)}"
            raise click.UsageError(message.rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; one whose summary is known is not imported for it."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names), default=0)
        listed = [(name, self._listed(ctx, name)) for name in names]
        rows = [
            (name, command.get_short_help_str(limit))
            for name, command in listed
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def _listed(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a command, or what stands for it in the list of commands."""
        if name in self._summaries:
            summary = self._summaries[name]
            return click.Command(name, help=summary, hidden=not summary)
        return self.get_command(ctx, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and turn its errors into messages and exit codes."""
        try:
            return super().invoke(ctx)
        except ControlError as error:
            _print_error(ctx, error)
            ctx.exit(error.exit_code)
        except click.UsageError as error:
            if wants_json(ctx) and ctx.parent is None:
                document = {
                    "code": "VALIDATION_ERROR",
                    "reason": "invalid usage",
                    "message": error.format_message(),
                }
                say(as_json({"success": False, "error": document}))
            # The message quotes arguments, which may contain escape sequences.
            raise click.UsageError(escaped(error.format_message()), error.ctx) from None
        except OSError as error:
            if is_reader_gone(error):
                ctx.exit(READER_GONE)
            _print_error(ctx, _os_error(error))
            ctx.exit(1)
        except (KeyboardInterrupt, click.Abort) as error:
            # click raises Abort for Ctrl-C, for a prompt at the end of its input, and for a "no".
            if isinstance(error, click.Abort) and error.__context__ is None:
                say("Nothing was changed.", err=True)
                ctx.exit(1)
            if isinstance(error, click.Abort) and sys.stdin.isatty():
                say("", err=True)  # what was asked has no end of line
            is_interrupt = isinstance(error.__context__ or error, KeyboardInterrupt)
            if not is_interrupt:
                _print_error(
                    ctx, SettingsError("A prompt received no input.", "Use the option instead.")
                )
                ctx.exit(SettingsError.exit_code)
            _print_json_error(ctx, RunInterruptedError("Interrupted.", "Run it again."))
            say("Interrupted.", err=True)
            ctx.exit(128 + signal.SIGINT)


def _os_error(error: OSError) -> ControlError:
    where = f" at {error.filename}" if error.filename else ""
    cause = f"{error.strerror or 'The operating system refused the operation'}{where}."
    return ControlError(cause, "Correct the cause, then run the command again.")


def _print_error(ctx: click.Context, error: ControlError) -> None:
    _print_json_error(ctx, error)
    for line in error.details:
        say(escaped(line), err=True)
    say(f"Error: {escaped(f'{error.cause} {error.remedy}')}", err=True)


def _print_json_error(ctx: click.Context, error: ControlError) -> None:
    if wants_json(ctx):
        from scout_control.rules.error_document import error_document

        with suppress(OSError):  # standard output itself may be what failed
            say(as_json(error_document(error)))


def wants_json(ctx: click.Context | None = None) -> bool:
    """Return whether --json was given anywhere on the command line."""
    root = (ctx or click.get_current_context()).find_root()
    return bool((root.obj or {}).get(AS_JSON))


def _set_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().ensure_object(dict)[AS_JSON] = True


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_json,
    help="Print the result as JSON.",
)


config_option = click.option(
    "--config",
    "-c",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the tap; lists and objects as JSON; repeatable.",
)
unset_option = click.option(
    "--unset", multiple=True, metavar="NAME", help="Reset a setting to its default; repeatable."
)


def hidden_alias(command: click.Command) -> click.Command:
    """Return a command for a former name, which still works but is not listed."""
    alias = copy.copy(command)
    alias.hidden = True
    return alias


def with_scout(function: Callable[..., Any]) -> Callable[..., Any]:
    """Pass the command an open ``Scout``, close it afterwards, and add the option --json."""

    @functools.wraps(function)
    def command(*arguments: Any, **options: Any) -> Any:
        with _without_garbage_collection():
            from scout_control.api.scout import Scout

        with report_postgres_errors(), Scout() as scout:
            return function(scout, *arguments, **options)

    return json_option(command)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Import modules with the collector off: it finds nothing and takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # modules stay: later collections need not visit them
        gc.enable()


@contextmanager
def report_postgres_errors() -> Iterator[None]:
    """Turn errors of Postgres that nothing else handled into a ``ServerError``.

    The server's message is left out: it may quote data.

    Raises:
        ServerError: Postgres failed.
    """
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise ServerError.of_postgres(error, error.sqlstate) from None


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Return NAME=VALUE pairs as a mapping; a value that is valid JSON is decoded."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise click.UsageError(f"{pair!r} is not NAME=VALUE.")
        settings[name] = written_value(value)
    return settings


HOW_TO_GIVE_IT = "--from-env VARIABLE or --from-stdin"


def prompt(label: str, options: str, *, hide_input: bool = False) -> str:
    """Ask a person; where no one can be asked, name the options to give instead.

    Raises:
        SettingsError: No one can be asked, or Ctrl-D was pressed.
        click.Abort: Ctrl-C.
    """
    # What comes from a pipe is shown nowhere.
    is_hidden = hide_input and sys.stdin.isatty()
    try:
        return str(click.prompt(label, hide_input=is_hidden, err=True))
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
    if not is_hidden:
        say("", err=True)  # the question has no end of line
    reason = "" if sys.stdin.isatty() else ", and no one could be asked"
    raise SettingsError(f"{label} was not given{reason}.", f"Give it with {options}.")


def read_secret(
    label: str, variable: str | None, *, from_stdin: bool, options: str = HOW_TO_GIVE_IT
) -> str:
    """Return a secret from the environment, stdin or a hidden prompt.

    Never from an argument: other accounts can read the command lines of processes.

    Args:
        label: What messages call it.
        variable: The environment variable that holds it, if any.
        from_stdin: Whether it is read from stdin.
        options: The options for that, which a message names where no one can be asked.

    Raises:
        click.UsageError: The secret is empty.
        SettingsError: No one can be asked.
    """
    if variable:
        value = os.environ.get(variable, "")
    elif from_stdin:
        value = sys.stdin.readline().strip("\r\n")
    else:
        value = prompt(label, options, hide_input=True)
    if not value:
        raise click.UsageError(f"{variable or label} is empty.")
    return str(value)
