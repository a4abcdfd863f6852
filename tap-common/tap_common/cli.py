"""The command line of a tap: the SDK's options, the documented exit codes, and no traceback."""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click
import msgspec
from singer_sdk._logging import _setup_console_logging
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.plugin_base import _ConfigInput, _plugin_log_level
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from tap_common.errors import (
    ApiError,
    InternalError,
    InterruptedRunError,
    OutputClosedError,
    SettingsError,
)
from tap_common.json_decoder import replace_surrogates
from tap_common.malloc import limit_malloc_retention
from tap_common.messages import flush
from tap_common.signals import SignalHandler

log = logging.getLogger(__name__)

PLAIN_DECODER = json.JSONDecoder()
QUIET_LIBRARIES = ("urllib3", "requests")
# Control characters, and what hides or reverses text: log lines quote names that servers choose.
UNSAFE_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


class CommandTap(Protocol):
    """What the command line requires of a tap."""

    name: str
    exit_code: int
    signals: SignalHandler

    def __init__(self, **kwargs: Any) -> None:
        """Initialise the tap with settings, catalog and state."""

    @classmethod
    def print_version(cls, *, print_fn: Callable[[Any], None]) -> None:
        """Print the version."""

    @classmethod
    def print_about(cls, output_format: str | None) -> None:
        """Print settings and capabilities."""

    def run_discovery(self) -> str:
        """Write the catalog."""

    def run_connection_test(self) -> bool:
        """Read one record of each stream."""

    def write_schemas(self) -> None:
        """Write the schemas of the selected streams."""

    def sync_all(self) -> None:
        """Read the selected streams."""


class TapCommand(click.Command):
    """Runs a tap, and ends the process with the documented exit code."""

    @classmethod
    def of(cls, tap: type[CommandTap]) -> TapCommand:
        """Return the command line of a tap."""
        for name in (f"{tap.name.upper().replace('-', '_')}_LOGLEVEL", "LOGLEVEL"):
            if os.environ.get(name, "INFO").upper() not in logging.getLevelNamesMapping():
                del os.environ[name]  # not a level: the SDK would fail on it
        _setup_console_logging(log_level=_plugin_log_level(plugin_name=tap.name))
        for handler in logging.getLogger().handlers:
            handler.addFilter(escape_control_characters)
        for library in QUIET_LIBRARIES:
            # Their debug lines quote URLs, whose queries contain cursors.
            logging.getLogger(library).setLevel(logging.WARNING)
        command = cls(name=tap.name, params=_options(), callback=_callback(tap))
        command.help = "Execute the Singer tap."
        return command

    @override
    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run, and exit without waiting for requests that are still in flight."""
        code = _exit_code_of(lambda: super(TapCommand, self).main(*args, **kwargs))
        try:
            flush()
        except OutputClosedError:
            # Python flushes once more at exit, and would print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = code or 1
        if threading.active_count() > 1:
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def escape_control_characters(record: logging.LogRecord) -> bool:
    """Escape the control characters of a log record; a logging filter that lets all pass."""
    text = record.getMessage()
    record.msg, record.args = UNSAFE_CHARACTERS.sub(lambda match: repr(match[0])[1:-1], text), ()
    return True


def _exit_code_of(run: Callable[[], Any]) -> int:
    try:
        run()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except InterruptedRunError as error:
        log.warning("event=interrupted exit_code=%d", error.exit_code)
        return error.exit_code
    except ApiError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - a traceback may quote data
        log.error("%s", InternalError(error))
        return InternalError.exit_code
    return 0


def _options() -> list[click.Parameter]:
    return [
        click.Option(["--version"], is_flag=True, help="Show the version."),
        click.Option(["--about"], is_flag=True, help="Show settings and capabilities."),
        click.Option(
            ["--format", "about_format"],
            type=click.Choice(["json", "markdown"], case_sensitive=False),
            help="Format of --about.",
        ),
        click.Option(
            ["--config"],
            multiple=True,
            metavar="FILE|ENV",
            help="Settings: a JSON file, or ENV for environment variables. May be repeated.",
        ),
        click.Option(["--discover"], is_flag=True, help="Write the catalog."),
        click.Option(
            ["--test"],
            is_flag=False,
            flag_value="all",
            type=click.Choice(["all", "schema"]),
            help="Read one record of each stream; with =schema, write only the schemas.",
        ),
        click.Option(["--catalog"], metavar="FILE", help="Selection of streams and properties."),
        click.Option(["--state"], metavar="FILE", help="State of the last run."),
    ]


class _Metadata(msgspec.Struct):
    breadcrumb: list[str]
    metadata: dict[str, Any]


class _Entry(msgspec.Struct):
    tap_stream_id: str
    schema: dict[str, Any] = {}
    metadata: list[_Metadata] | None = None
    stream: str | None = None
    key_properties: list[str] | None = None


class _Catalog(msgspec.Struct):
    """The parts of a Singer catalog that are checked; the SDK does not check them."""

    streams: list[_Entry]


def _callback(tap: type[CommandTap]) -> Callable[..., None]:
    def run(**options: Any) -> None:
        if options["version"]:
            tap.print_version(print_fn=click.echo)
        elif options["about"]:
            tap.print_about(options["about_format"])
        else:
            _execute(tap, options)

    return run


def _execute(tap_type: type[CommandTap], options: dict[str, Any]) -> None:
    is_discovery = bool(options["discover"])
    config = _settings(options["config"])
    has_settings = bool(config.config) or config.parse_env
    catalog = _catalog(options["catalog"])
    try:
        tap = tap_type(
            config=config.config,
            parse_env_config=config.parse_env,
            validate_config=has_settings or not is_discovery,
            catalog=None if is_discovery else catalog,
            state=_state(options["state"]),
            setup_mapper=not is_discovery,
        )
    except ConfigValidationError as error:
        for message in error.errors:
            log.error("%s", message)
        raise SystemExit(SettingsError.exit_code) from None
    except MappingError as error:
        raise SettingsError(f"stream_maps is invalid: {error}") from None
    limit_malloc_retention()
    tap.signals.install()
    _act(tap, is_discovery=is_discovery, test=options["test"])
    raise SystemExit(tap.exit_code)


def _act(tap: CommandTap, *, is_discovery: bool, test: str | None) -> None:
    if is_discovery:
        tap.run_discovery()
    elif test == "schema":
        tap.write_schemas()
    elif test == "all":
        tap.run_connection_test()
    else:
        tap.sync_all()


def _settings(paths: tuple[str, ...]) -> _ConfigInput:
    merged: dict[str, Any] = {}
    for path in paths:
        if path != "ENV":
            merged |= _json_file("--config", path) or {}
    return _ConfigInput(config=merged, parse_env="ENV" in paths)


def _state(path: str | None) -> dict[str, Any] | None:
    """Return the state in a file, bare or as a STATE message; None if the file is blank."""
    if path is not None and Path(path).is_file() and not Path(path).read_bytes().strip():
        return None
    state = _json_file("--state", path, STATE_DECODER)
    if state is not None and state.get("type") == "STATE":
        state = state.get("value") or {}
    bookmarks = {} if state is None else state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(isinstance(e, dict) for e in bookmarks.values()):
        raise SettingsError(f"--state: {path} does not contain a Singer state.")
    return state


def _catalog(path: str | None) -> dict[str, Any] | None:
    catalog = _json_file("--catalog", path)
    if catalog is not None:
        try:
            msgspec.convert(catalog, _Catalog)
            Catalog.from_dict(copy.deepcopy(catalog))
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
            raise SettingsError(f"--catalog: {path} does not contain a Singer catalog.") from None
    return catalog


def _within_64_bits(text: str) -> int | float | None:
    """Return a number of a state; null if it is too large to be written again."""
    number = float(text)
    if not -(2.0**63) < number < 2.0**63:
        return None
    return int(text) if text.lstrip("-").isdigit() else number


STATE_DECODER = json.JSONDecoder(
    parse_int=_within_64_bits, parse_float=_within_64_bits, parse_constant=lambda _: None
)


def _json_file(
    option: str, path: str | None, decoder: json.JSONDecoder = PLAIN_DECODER
) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        value = replace_surrogates(decoder.decode(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{option}: {path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise SettingsError(f"{option}: {path} is nested too deeply.") from None
    except ValueError:
        raise SettingsError(f"{option}: {path} is not JSON.") from None
    if not isinstance(value, dict):
        raise SettingsError(f"{option}: {path} is not a JSON object.")
    return value
